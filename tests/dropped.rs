//! Whichever wait of whichever layer a call is dropped in, and wherever it panics: nothing is left behind.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{
    BulkheadPermit, EventKind, ResilienceError, State, StopReason, breaker, bulkhead, keyed_breaker,
    rate_limiter, resilient,
};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum Fault {
    #[error("down")]
    Down,
    #[error("refused")]
    Refused,
}

impl From<ResilienceError> for Fault {
    fn from(_: ResilienceError) -> Self {
        Self::Refused
    }
}

type Answer = Result<u32, Fault>;

const SECOND: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(500);

/// Where a call panics, if it does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Place {
    #[default]
    Nowhere,
    Body,
    /// In the body of a hedge.
    Hedge,
    RetryOn,
    Judge,
    Key,
    Fallback,
    LastFallback,
}

/// What the guarded functions do.
#[derive(Debug, Default)]
struct Script {
    /// How often an attempt, or a fallback, is found pending.
    stops: u32,
    /// Attempts that fail before one succeeds.
    failures: u32,
    panics: Place,
    begun: AtomicU32,
    running: AtomicU32,
    standing_in: AtomicU32,
    keys: AtomicU32,
}

/// Counts itself as long as it is alive.
struct Alive<'c>(&'c AtomicU32);

impl<'c> Alive<'c> {
    fn new(count: &'c AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn stop(times: u32) {
    for _ in 0..times {
        let mut stopped = false;
        poll_fn(|_| if std::mem::replace(&mut stopped, true) { Poll::Ready(()) } else { Poll::Pending })
            .await;
    }
}

impl Script {
    fn reached(&self, place: Place) {
        assert!(self.panics != place, "scripted, expected in the output");
    }

    async fn play(&self) -> Answer {
        let _alive = Alive::new(&self.running);
        let attempt = self.begun.fetch_add(1, Ordering::Relaxed);
        // A hedge that panics is told from its primary by being the only one that ends.
        stop(if attempt == 0 && self.panics == Place::Hedge { u32::MAX } else { self.stops }).await;
        self.reached(if attempt == 0 { Place::Body } else { Place::Hedge });
        if attempt < self.failures { Err(Fault::Down) } else { Ok(attempt) }
    }

    async fn stand_in(&self, place: Place) -> Answer {
        let _alive = Alive::new(&self.standing_in);
        stop(self.stops).await;
        self.reached(place);
        if place == Place::LastFallback { Ok(99) } else { Err(Fault::Down) }
    }

    fn key(&self) -> &'static str {
        self.keys.fetch_add(1, Ordering::Relaxed);
        self.reached(Place::Key);
        "tenant"
    }
}

async fn instead(script: &Script) -> Answer {
    script.stand_in(Place::Fallback).await
}

async fn at_last(script: &Script) -> Answer {
    script.stand_in(Place::LastFallback).await
}

/// A function with those layers, half-open to one probe at a time.
macro_rules! guarded {
    ($name:ident, $operation:literal; $($layers:tt)*) => {
        #[resilient(
            operation_name = $operation,
            failure_threshold = 50,
            success_threshold = 1,
            half_open_max_calls = 1,
            recovery_timeout = 3_600,
            base_delay = 1,
            jitter = false,
            $($layers)*
        )]
        async fn $name(script: &Script) -> Answer {
            script.play().await
        }
    };
}

guarded!(retried, "dropped_retried"; max_attempts = 3, timeout = "1h");
guarded!(throttled, "dropped_throttled"; max_attempts = 3, rate_limit(rate = 1, per = "8s", max_wait = "1m"));
guarded!(isolated, "dropped_isolated"; max_attempts = 3, bulkhead(max_concurrent = 1, max_queue = 9));
guarded!(isolated_for, "dropped_isolated_for"; max_attempts = 1, bulkhead(max_concurrent = 1, max_wait = "1m"));
guarded!(hedged, "dropped_hedged"; max_attempts = 2, idempotent = true, hedge(delay = "1s", max_hedges = 2));
guarded!(
    per_call, "dropped_per_call";
    max_attempts = 2, breaker_scope = "call", idempotent = true, hedge(delay = "1s", max_hedges = 2)
);
guarded!(with_fallback, "dropped_with_fallback"; max_attempts = 2, fallback = at_last);
guarded!(with_chain, "dropped_with_chain"; max_attempts = 1, fallback_chain = [instead, instead, at_last]);
guarded!(
    everything, "dropped_everything";
    max_attempts = 2,
    deadline = "10h",
    timeout = "1h",
    rate_limit(rate = 1, per = "8s", burst = 2, max_wait = "1m"),
    bulkhead(max_concurrent = 2, max_queue = 9, max_wait = "1h"),
    idempotent = true,
    hedge(delay = "2s", max_hedges = 2),
    fallback_chain = [instead, at_last],
);
#[resilient(
    operation_name = "dropped_keyed",
    failure_threshold = 50,
    base_delay = 1,
    jitter = false,
    max_attempts = 2,
    key = script.key(),
    rate_limit(rate = 1, per = "8s", max_wait = "1m"),
    bulkhead(max_concurrent = 1, max_queue = 9, max_wait = "1h"),
    fallback = at_last
)]
async fn keyed(script: &Script) -> Answer {
    script.play().await
}

type Call<'s> = Pin<Box<dyn Future<Output = Answer> + 's>>;
type Guarded = (&'static str, for<'s> fn(&'s Script) -> Call<'s>);

macro_rules! guarded_functions {
    ($($name:ident $operation:literal,)*) => {
        [$(($operation, |script| Box::pin($name(script)) as Call<'_>),)*]
    };
}

const GUARDED: [Guarded; 10] = guarded_functions! {
    retried "dropped_retried",
    throttled "dropped_throttled",
    isolated "dropped_isolated",
    isolated_for "dropped_isolated_for",
    hedged "dropped_hedged",
    per_call "dropped_per_call",
    with_fallback "dropped_with_fallback",
    with_chain "dropped_with_chain",
    everything "dropped_everything",
    keyed "dropped_keyed",
};

/// Whether anybody still holds a waker, and how often it was woken.
#[derive(Default)]
struct Wakes(AtomicU64);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn finished(scope: &Scope) -> Vec<StopReason> {
    let reason = |event: resilient::Event| match event.kind {
        EventKind::Finished { reason, .. } => Some(reason),
        _ => None,
    };
    scope.events().into_iter().filter_map(reason).collect()
}

fn waiting_for_a_permit(name: &str) -> u32 {
    rate_limiter(name).map_or(0, |limiter| limiter.snapshot().waiting_count)
}

/// Active and waiting.
fn in_bulkhead(name: &str) -> (u32, u32) {
    bulkhead(name).map_or((0, 0), |bulkhead| (bulkhead.active_count(), bulkhead.waiting_count()))
}

fn fill(name: &str) -> Vec<BulkheadPermit> {
    let Ok(bulkhead) = bulkhead(name) else { return Vec::new() };
    std::iter::from_fn(|| bulkhead.try_acquire().ok()).collect()
}

fn the_breaker(name: &str) -> resilient::CircuitBreaker {
    breaker(name).or_else(|_| keyed_breaker(name, "tenant")).expect("a breaker")
}

/// The waits that a call can be found in.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "it can be found in several at once")]
struct Found {
    throttled: bool,
    queued: bool,
    running: bool,
    racing: bool,
    standing_in: bool,
    pausing: bool,
}

/// Polls a call of `guarded` so often, half a second between, with its bulkhead full for the first two; drops it, and
/// looks at what is left. Answers where it was when it was dropped, and the answer if it came.
async fn dropped_after(
    polls: u32,
    (name, guarded): Guarded,
    script: &Script,
    half_open: bool,
) -> (Found, Option<Answer>) {
    let case = format!("{name}, half-open {half_open}, dropped after {polls} polls");
    let scope = Scope::new();
    let inside = scope.enter();
    let heard = Arc::new(Wakes::default());
    // The breaker of a key is made by the key's first call.
    let half_open = half_open && breaker(name).is_ok();
    if half_open {
        the_breaker(name).open();
        the_breaker(name).half_open().unwrap();
    }
    let mut held = fill(name);
    let mut answer = None;
    let mut call = guarded(script);
    {
        let waker = Waker::from(Arc::clone(&heard));
        for poll in 0..polls {
            if poll == 2 {
                held.clear();
            }
            if let Poll::Ready(ready) = call.as_mut().poll(&mut Context::from_waker(&waker)) {
                answer = Some(ready);
                break;
            }
            tokio::time::advance(STEP).await;
        }
    }
    let (throttled, (_, queued)) = (waiting_for_a_permit(name), in_bulkhead(name));
    let running = script.running.load(Ordering::Relaxed);
    let standing_in = script.standing_in.load(Ordering::Relaxed) > 0;
    let lanes = throttled + queued + running;
    let found = Found {
        throttled: throttled > 0,
        queued: queued > 0,
        running: running > 0,
        racing: lanes > 1,
        standing_in,
        pausing: polls > 0 && answer.is_none() && lanes == 0 && !standing_in,
    };
    let taken = rate_limiter(name).map(|limiter| limiter.snapshot().allowed_requests).ok();
    let told_before = finished(&scope).len();
    let abandoned = || the_breaker(name).snapshot().abandoned_calls;
    let abandoned_before = if polls == 0 { 0 } else { abandoned() };
    drop(call);

    let alive = (script.running.load(Ordering::Relaxed), script.standing_in.load(Ordering::Relaxed));
    assert_eq!(alive, (0, 0), "{case}");
    assert_eq!(in_bulkhead(name), (u32::try_from(held.len()).unwrap(), 0), "{case}");
    assert_eq!(waiting_for_a_permit(name), 0, "{case}");
    let taken_after = rate_limiter(name).map(|limiter| limiter.snapshot().allowed_requests).ok();
    assert_eq!(taken_after, taken, "{case}: a permit is not given back");
    assert_eq!(Arc::strong_count(&heard), 1, "{case}: no timer and no queue knows it");
    if polls > 0 && name != "dropped_keyed" {
        let per_call = name == "dropped_per_call" && told_before == 0;
        let expected = if per_call { 1 } else { u64::from(lanes) };
        assert_eq!(abandoned() - abandoned_before, if answer.is_some() { 0 } else { expected }, "{case}");
    }
    let reasons = finished(&scope);
    let expected = usize::from(polls > 0);
    assert_eq!(reasons.len(), expected, "{case}: {reasons:?}");
    if answer.is_none() && told_before == 0 && polls > 0 {
        assert_eq!(reasons, [StopReason::Cancelled], "{case}");
    }
    if half_open && answer.is_none() && script.failures == 0 {
        assert_eq!(the_breaker(name).state(), State::HalfOpen, "{case}");
        drop(the_breaker(name).try_acquire().expect(&case));
    }
    let (told, woken) = (scope.events().len(), heard.0.load(Ordering::Relaxed));
    tokio::time::advance(SECOND * 7_200).await;
    tokio::task::yield_now().await;
    assert_eq!((scope.events().len(), heard.0.load(Ordering::Relaxed)), (told, woken), "{case}: it goes on");
    held.clear();
    assert_eq!(in_bulkhead(name), (0, 0), "{case}");
    // Whatever cannot be looked at would be missed by the next call.
    let whole = Script::default();
    let next = guarded(&whole).as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(next, Poll::Ready(Ok(0)), "{case}");
    drop(inside);
    (found, answer)
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_in_any_wait_of_any_layer_leaves_nothing_behind() {
    let mut all = Vec::new();
    for guarded in GUARDED {
        for (half_open, failures) in [(false, 0), (true, 0), (false, 99)] {
            let mut answered = false;
            for polls in 0..200 {
                let script = Script { stops: 5, failures, ..Script::default() };
                let (found, answer) = dropped_after(polls, guarded, &script, half_open).await;
                all.push((guarded.0, found));
                if answer.is_some() {
                    answered = true;
                    break;
                }
            }
            assert!(answered, "{}: the call comes to its end", guarded.0);
        }
    }
    let was = |names: &[&str], found: fn(&Found) -> bool| {
        for name in names {
            assert!(
                all.iter().any(|(of, at)| of.ends_with(name) && found(at)),
                "{name} was never found there"
            );
        }
    };
    let (limited, isolating) = (["throttled", "everything"], ["isolated", "isolated_for", "everything"]);
    was(&limited, |found| found.throttled);
    was(&isolating, |found| found.queued);
    was(&["hedged", "per_call", "everything"], |found| found.racing);
    was(&["with_fallback", "with_chain", "everything", "keyed"], |found| found.standing_in);
    was(&["retried", "throttled", "isolated", "hedged", "everything", "keyed"], |found| found.pausing);
    assert!(GUARDED.iter().all(|(name, _)| all.iter().any(|(of, at)| of == name && at.running)));
}

// Panics. One failure opens the breaker, and there is one slot: whatever the panic kept would be missed.

#[derive(Debug, thiserror::Error)]
#[error("fault")]
struct Faulty(Place);

impl From<ResilienceError> for Faulty {
    fn from(_: ResilienceError) -> Self {
        Self(Place::Nowhere)
    }
}

type Outcome = Result<Place, Faulty>;

/// Fails where a rule about errors is to be reached.
async fn outcome(script: &Script) -> Outcome {
    script.play().await.map_err(|_| Faulty(script.panics))?;
    match script.panics {
        Place::RetryOn | Place::Fallback | Place::LastFallback => Err(Faulty(script.panics)),
        place => Ok(place),
    }
}

fn retry_if(error: &Faulty) -> bool {
    assert!(error.0 != Place::RetryOn, "scripted, expected in the output");
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the rule of an attribute gets a reference")]
fn failure_if(answer: &Place) -> bool {
    assert!(*answer != Place::Judge, "scripted, expected in the output");
    false
}

async fn first_fallback(script: &Script) -> Outcome {
    script.stand_in(Place::Fallback).await.map_err(|_| Faulty(Place::Nowhere))?;
    Ok(Place::Fallback)
}

async fn last_fallback(script: &Script) -> Outcome {
    script.stand_in(Place::LastFallback).await.map_err(|_| Faulty(Place::Nowhere))?;
    Ok(Place::LastFallback)
}

macro_rules! panicking {
    ($name:ident, $operation:literal; $($layers:tt)*) => {
        #[resilient(
            operation_name = $operation,
            failure_threshold = 1,
            max_attempts = 1,
            timeout = "1h",
            retry_if = retry_if,
            failure_if = failure_if,
            fallback_chain = [first_fallback, last_fallback],
            bulkhead(max_concurrent = 2, max_queue = 9),
            rate_limit(rate = 2, per = "1s", max_wait = "1m"),
            $($layers)*
        )]
        async fn $name(script: &Script) -> Outcome {
            outcome(script).await
        }
    };
}

panicking!(panics_alone, "panics_alone";);
panicking!(panics_per_call, "panics_per_call"; breaker_scope = "call");
panicking!(panics_hedged, "panics_hedged"; idempotent = true, hedge(delay = "1s"));
panicking!(
    panics_hedged_per_call, "panics_hedged_per_call";
    idempotent = true, hedge(delay = "1s"), breaker_scope = "call"
);

#[resilient(operation_name = "panics_keyed", failure_threshold = 1, max_attempts = 1, key = script.key(), bulkhead)]
async fn panics_keyed(script: &Script) -> Outcome {
    outcome(script).await
}

type Panicking = (&'static str, for<'s> fn(&'s Script) -> Pin<Box<dyn Future<Output = Outcome> + 's>>);

/// Polls until the call panics or ends, half a second between.
async fn panicked((name, guarded): Panicking, place: Place) -> (bool, Vec<StopReason>, Option<State>) {
    let case = format!("{name}, {place:?}");
    let scope = Scope::new();
    let _inside = scope.enter();
    let script = Script { stops: 5, panics: place, ..Script::default() };
    let heard = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&heard));
    let mut call = guarded(&script);
    let panicked = loop {
        let mut context = Context::from_waker(&waker);
        match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut context))) {
            Ok(Poll::Pending) => tokio::time::advance(STEP).await,
            ended => break ended.is_err(),
        }
    };
    // Unwinding has taken down all of it, before the future is dropped.
    let alive = (script.running.load(Ordering::Relaxed), script.standing_in.load(Ordering::Relaxed));
    assert_eq!((alive, in_bulkhead(name)), ((0, 0), (0, 0)), "{case}");
    assert_eq!(waiting_for_a_permit(name), 0, "{case}");
    let (reasons, told) = (finished(&scope), scope.events().len());
    drop((call, waker));
    assert_eq!(Arc::strong_count(&heard), 1, "{case}");
    assert_eq!(scope.events().len(), told, "{case}: all was told by then");
    assert_eq!(fill(name).len(), if name == "panics_keyed" { 0 } else { 2 }, "{case}");
    (panicked, reasons, breaker(name).ok().map(|breaker| breaker.state()))
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_any_layer_frees_everything_and_is_told_once() {
    use StopReason::{Attempts, Panicked, Success};
    let functions: [Panicking; 4] = [
        ("panics_alone", |script| Box::pin(panics_alone(script))),
        ("panics_per_call", |script| Box::pin(panics_per_call(script))),
        ("panics_hedged", |script| Box::pin(panics_hedged(script))),
        ("panics_hedged_per_call", |script| Box::pin(panics_hedged_per_call(script))),
    ];
    for function in functions {
        let case = function.0;
        // A breaker around a race sees that it panicked, and not in whose code.
        let by_a_rule = if case == "panics_hedged_per_call" { State::Open } else { State::Closed };
        let ended = async |place| {
            let (panicked, reasons, state) = panicked(function, place).await;
            (panicked, reasons, state.unwrap())
        };
        assert_eq!(ended(Place::Nowhere).await, (false, vec![Success], State::Closed), "{case}");
        assert_eq!(ended(Place::Body).await, (true, vec![Panicked], State::Open), "{case}");
        // The function did its part; it is the author's rule that panicked.
        assert_eq!(ended(Place::RetryOn).await, (true, vec![Panicked], by_a_rule), "{case}");
        assert_eq!(ended(Place::Judge).await, (true, vec![Panicked], by_a_rule), "{case}");
        if case.contains("hedged") {
            assert_eq!(ended(Place::Hedge).await, (true, vec![Panicked], State::Open), "{case}");
        }
        // Of a chain, a panic is passed to the next, and the last one's goes on.
        assert_eq!(ended(Place::Fallback).await, (false, vec![Attempts], State::Open), "{case}");
        assert_eq!(ended(Place::LastFallback).await, (true, vec![Attempts], State::Open), "{case}");
    }
    let keyed: Panicking = ("panics_keyed", |script| Box::pin(panics_keyed(script)));
    // There is no call yet.
    assert_eq!(panicked(keyed, Place::Key).await, (true, vec![], None));
    assert_eq!(panicked(keyed, Place::Body).await, (true, vec![Panicked], None));
}
