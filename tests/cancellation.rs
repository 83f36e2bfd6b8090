//! A guarded call that is dropped or panics, wherever that happens, leaves nothing behind.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{
    BreakerSnapshot, Class, Classify, EventKind, ResilienceError, State, StopReason, breaker,
    circuit_breaker, database_resilient, resilient, service_health, track_service_health,
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

/// A body that is pending at `stops` points of each attempt, fails `failures` attempts and answers the next.
#[derive(Debug)]
struct Script {
    stops: u32,
    failures: u32,
    begun: AtomicU32,
    ended: AtomicU32,
}

impl Script {
    const fn new(stops: u32, failures: u32) -> Self {
        Self { stops, failures, begun: AtomicU32::new(0), ended: AtomicU32::new(0) }
    }

    async fn play(&self) -> Answer {
        let attempt = self.begun.fetch_add(1, Ordering::Relaxed);
        for _ in 0..self.stops {
            let mut stopped = false;
            poll_fn(|_| if std::mem::replace(&mut stopped, true) { Poll::Ready(()) } else { Poll::Pending })
                .await;
        }
        self.ended.fetch_add(1, Ordering::Relaxed);
        if attempt < self.failures { Err(Fault::Down) } else { Ok(1) }
    }

    fn begun(&self) -> u32 {
        self.begun.load(Ordering::Relaxed)
    }

    fn ended(&self) -> u32 {
        self.ended.load(Ordering::Relaxed)
    }
}

#[database_resilient(
    operation_name = "cancel_all",
    max_attempts = 4,
    base_delay = 2,
    jitter = false,
    failure_threshold = 10,
    deadline = "1h",
    fallback = instead
)]
#[track_service_health("cancel_service")]
async fn every_layer(script: &Script) -> Answer {
    script.play().await
}

static FALLBACKS: AtomicU32 = AtomicU32::new(0);

#[allow(clippy::unused_async, reason = "a fallback of an async function is async")]
async fn instead(_: &Script) -> Answer {
    FALLBACKS.fetch_add(1, Ordering::Relaxed);
    Ok(99)
}

#[circuit_breaker(
    name = "cancel_probe",
    failure_threshold = 1,
    success_threshold = 1,
    half_open_max_calls = 1,
    recovery_timeout = 30
)]
async fn probed(script: &Script) -> Answer {
    script.play().await
}

#[resilient(
    operation_name = "cancel_waits_for_open",
    retry_on_open = true,
    failure_threshold = 1,
    success_threshold = 1,
    recovery_timeout = 10,
    max_attempts = 2,
    jitter = false
)]
async fn waits_for_open(script: &Script) -> Answer {
    script.play().await
}

/// Polls once, with a waker that nobody hears.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls `polls` times, a second of paused time between them; the answer, if it came.
async fn step<F: Future>(mut future: Pin<&mut F>, polls: u32) -> Option<F::Output> {
    for _ in 0..polls {
        if let Poll::Ready(answer) = poll(future.as_mut()) {
            return Some(answer);
        }
        tokio::time::advance(SECOND).await;
    }
    None
}

/// Why each call ended, in order.
fn endings(scope: &Scope) -> Vec<StopReason> {
    let reason = |event: resilient::Event| match event.kind {
        EventKind::Finished { reason, .. } => Some(reason),
        _ => None,
    };
    scope.events().into_iter().filter_map(reason).collect()
}

#[track_caller]
fn snapshot(name: &str) -> BreakerSnapshot {
    breaker(name).expect("a breaker").snapshot()
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_at_any_await_gives_everything_back() {
    const STOPS: u32 = 3;
    const FAILURES: u32 = 2;
    let (mut in_body, mut in_pause) = (0, 0);
    for polls in 0.. {
        let scope = Scope::new();
        let inside = scope.enter();
        let script = Script::new(STOPS, FAILURES);
        let answered = {
            let mut call = Box::pin(every_layer(&script));
            step(call.as_mut(), polls).await
        };
        let case = format!("dropped after {polls} polls");
        let snapshot = snapshot("cancel_all");
        let service = service_health("cancel_service").unwrap().metrics().statistics;
        if let Some(answer) = answered {
            assert_eq!((answer, script.begun()), (Ok(1), FAILURES + 1));
            assert_eq!(endings(&scope), [StopReason::Success]);
            break;
        }
        let running = script.begun() - script.ended();
        in_body += running;
        in_pause += u32::from(polls > 0 && running == 0);
        assert_eq!(snapshot.abandoned_calls, u64::from(running), "{case}");
        assert_eq!(snapshot.failed_calls, u64::from(script.ended()), "{case}");
        assert_eq!((snapshot.successful_calls, snapshot.state), (0, State::Closed), "{case}");
        assert_eq!(service.total_count, script.ended(), "{case}: what nobody waited for is no sample");
        // A future that was never polled never began.
        let expected: &[_] = if polls == 0 { &[] } else { &[StopReason::Cancelled] };
        assert_eq!(endings(&scope), expected, "{case}");
        let told = scope.events();
        tokio::time::advance(SECOND * 3600).await;
        tokio::task::yield_now().await;
        assert_eq!(scope.events().len(), told.len(), "{case}: nothing goes on");
        assert!(polls == 0 || matches!(told.last().unwrap().kind, EventKind::Finished { .. }), "{case}");
        drop(inside);
    }
    assert!(
        in_body >= STOPS * (FAILURES + 1) && in_pause >= FAILURES,
        "{in_body} in the body, {in_pause} in pauses"
    );
    assert_eq!(FALLBACKS.load(Ordering::Relaxed), 0, "nobody is there to take its answer");
}

#[tokio::test(start_paused = true)]
async fn a_probe_dropped_at_any_await_gives_its_slot_back() {
    use StopReason::{Attempts, Cancelled, Refused, Success};
    const STOPS: u32 = 3;
    for polls in 1..=STOPS {
        let scope = Scope::new();
        let _inside = scope.enter();
        assert_eq!(probed(&Script::new(0, 1)).await, Err(Fault::Down));
        tokio::time::advance(30 * SECOND).await;
        let script = Script::new(STOPS, 0);
        let mut probe = Box::pin(probed(&script));
        assert_eq!(step(probe.as_mut(), polls).await, None);
        assert_eq!(snapshot("cancel_probe").state, State::HalfOpen);
        assert_eq!(probed(&Script::new(0, 0)).await, Err(Fault::Refused), "the one slot is taken");
        drop(probe);
        assert_eq!(snapshot("cancel_probe").abandoned_calls, 1);
        assert_eq!(snapshot("cancel_probe").state, State::HalfOpen, "it says nothing about the service");
        assert_eq!(probed(&Script::new(0, 0)).await, Ok(1), "the slot is free again");
        assert_eq!(snapshot("cancel_probe").state, State::Closed);
        assert_eq!(endings(&scope), [Attempts, Refused, Cancelled, Success]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_while_it_waits_for_an_open_breaker_holds_nothing() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let name = "cancel_waits_for_open";
    breaker(name).unwrap().open();
    let script = Script::new(0, 0);
    let mut call = Box::pin(waits_for_open(&script));
    assert_eq!(step(call.as_mut(), 3).await, None);
    drop(call);
    assert_eq!(script.begun(), 0);
    assert_eq!(endings(&scope), [StopReason::Cancelled]);
    assert_eq!((snapshot(name).abandoned_calls, snapshot(name).rejected_calls), (0, 1));
    tokio::time::advance(10 * SECOND).await;
    assert_eq!(waits_for_open(&script).await, Ok(1));
    assert_eq!(snapshot(name).state, State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_around_the_call_drops_it() {
    let scope = Scope::new();
    scope
        .run(async {
            let script = Script::new(u32::MAX, 0);
            tokio::time::timeout(SECOND, every_layer(&script)).await.expect_err("the body never goes on");
            assert_eq!((snapshot("cancel_all").abandoned_calls, script.ended()), (1, 0));
        })
        .await;
    assert_eq!(endings(&scope), [StopReason::Cancelled]);
}

#[tokio::test(start_paused = true)]
async fn the_losing_branch_of_a_select_is_dropped() {
    let scope = Scope::new();
    scope
        .run(async {
            let (slow, quick) = (Script::new(1, 0), Script::new(0, 0));
            let won = tokio::select! {
                biased;
                _ = every_layer(&slow) => "slow",
                answer = every_layer(&quick) => { assert_eq!(answer, Ok(1)); "quick" }
            };
            assert_eq!((won, slow.begun(), slow.ended()), ("quick", 1, 0));
            let snapshot = snapshot("cancel_all");
            assert_eq!((snapshot.abandoned_calls, snapshot.successful_calls), (1, 1));
        })
        .await;
    assert_eq!(endings(&scope), [StopReason::Success, StopReason::Cancelled]);
}

#[tokio::test(start_paused = true)]
async fn an_aborted_task_gives_everything_back() {
    let scope = std::sync::Arc::new(Scope::new());
    let task = tokio::spawn({
        let scope = std::sync::Arc::clone(&scope);
        async move { scope.run(every_layer(&Script::new(1, 0))).await }
    });
    tokio::task::yield_now().await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    let _inside = scope.enter();
    assert_eq!(snapshot("cancel_all").abandoned_calls, 1);
    assert_eq!(endings(&scope), [StopReason::Cancelled]);
}

// Panics. Each function has one probe slot and is called half-open: whatever the panic kept would be missed.

/// Where a call panics, if it does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Nowhere,
    Body,
    RetryIf,
    FailureIf,
    Classify,
    Fallback,
}

impl Place {
    fn reached(self, place: Self) {
        assert!(self != place, "scripted, expected in the output");
    }
}

/// What the panicking functions answer; an error classifies itself by its place.
#[derive(Debug, thiserror::Error)]
#[error("fault")]
struct Faulty(Place);

impl From<ResilienceError> for Faulty {
    fn from(_: ResilienceError) -> Self {
        Self(Place::Nowhere)
    }
}

impl Classify for Faulty {
    fn class(&self) -> Class {
        self.0.reached(Place::Classify);
        Class::Transient
    }
}

type Outcome = Result<Place, Faulty>;

fn body(place: Place) -> Outcome {
    place.reached(Place::Body);
    match place {
        Place::RetryIf | Place::Classify | Place::Fallback => Err(Faulty(place)),
        _ => Ok(place),
    }
}

fn retry_if(error: &Faulty) -> bool {
    error.0.reached(Place::RetryIf);
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the rule of an attribute gets a reference")]
fn failure_if(answer: &Place) -> bool {
    answer.reached(Place::FailureIf);
    false
}

fn fallback(place: Place) -> Outcome {
    place.reached(Place::Fallback);
    Err(Faulty(place))
}

#[allow(clippy::unused_async, reason = "a fallback of an async function is async")]
async fn fallback_async(place: Place) -> Outcome {
    fallback(place)
}

/// A function guarded by every rule that is the user's own code.
macro_rules! panicking {
    ($name:ident, $operation:literal, $fallback:ident $(, $key:ident = $value:literal)?; $($signature:tt)+) => {
        #[resilient(
            operation_name = $operation,
            failure_threshold = 1,
            success_threshold = 1,
            half_open_max_calls = 1,
            recovery_timeout = 30,
            max_attempts = 2,
            retry_if = retry_if,
            failure_if = failure_if,
            fallback = $fallback
            $(, $key = $value)?
        )]
        $($signature)+ $name(place: Place) -> Outcome {
            body(place)
        }
    };
}

panicking! { in_place, "cancel_in_place", fallback, timeout_mode = "deadline"; fn }
panicking! { on_thread, "cancel_on_thread", fallback, timeout_mode = "thread"; fn }
panicking! { asynchronous, "cancel_async", fallback_async; async fn }

/// The async function, polled to its end as an executor would.
fn polled(place: Place) -> Outcome {
    let mut call = pin!(asynchronous(place));
    loop {
        if let Poll::Ready(outcome) = poll(call.as_mut()) {
            return outcome;
        }
    }
}

/// A guarded function and its name.
type Panicking = (&'static str, fn(Place) -> Outcome);

const PANICKING: [Panicking; 3] =
    [("cancel_in_place", in_place), ("cancel_on_thread", on_thread), ("cancel_async", polled)];

/// Place, how the call ended, and the breaker after a half-open probe that ended so.
const PANICS: [(Place, StopReason, State); 5] = [
    (Place::Body, StopReason::Panicked, State::Open),
    (Place::RetryIf, StopReason::Panicked, State::HalfOpen),
    (Place::FailureIf, StopReason::Panicked, State::HalfOpen),
    (Place::Classify, StopReason::Panicked, State::HalfOpen),
    // The probe failed and asked for a second attempt, which found the breaker open; then the fallback panicked.
    (Place::Fallback, StopReason::Refused, State::Open),
];

#[test]
fn a_panic_anywhere_frees_everything_and_goes_on() {
    for (name, guarded) in PANICKING {
        for (place, reason, state) in PANICS {
            let case = format!("{name} {place:?}");
            let scope = Scope::new();
            let _inside = scope.enter();
            breaker(name).unwrap().open();
            scope.clock().advance(30 * SECOND);
            let panicked = catch_unwind(AssertUnwindSafe(|| guarded(place))).expect_err(&case);
            let message = panicked.downcast_ref::<&str>().copied();
            assert_eq!(message, Some("scripted, expected in the output"), "{case}");
            assert_eq!(endings(&scope), [reason], "{case}");
            assert_eq!(snapshot(name).state, state, "{case}");
            let failed = u64::from(state == State::Open);
            assert_eq!(snapshot(name).failed_calls, failed, "{case}");
            scope.clock().advance(30 * SECOND * u32::from(state == State::Open));
            assert!(guarded(Place::Nowhere).is_ok(), "{case}: the one probe slot is free");
            assert_eq!(snapshot(name).state, State::Closed, "{case}");
        }
    }
}

#[test]
fn a_panic_in_the_body_is_a_failure_and_is_not_retried() {
    for (name, guarded) in PANICKING {
        let scope = Scope::new();
        let _inside = scope.enter();
        catch_unwind(AssertUnwindSafe(|| guarded(Place::Body))).expect_err(name);
        assert_eq!((snapshot(name).failed_calls, snapshot(name).state), (1, State::Open), "{name}");
        assert_eq!(scope.pauses(), [], "{name}");
        assert!(guarded(Place::Nowhere).is_err(), "{name}: refused, and the fallback has no better answer");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_by_a_neighbours_panic_was_cancelled_and_did_not_panic() {
    let scope = Scope::new();
    let inside = scope.enter();
    let script = Script::new(1, 0);
    let both = catch_unwind(AssertUnwindSafe(|| {
        let mut call = Box::pin(every_layer(&script));
        assert!(poll(call.as_mut()).is_pending());
        panic!("scripted, expected in the output");
    }));
    assert!(both.is_err());
    assert_eq!(snapshot("cancel_all").abandoned_calls, 1);
    assert_eq!(snapshot("cancel_all").failed_calls, 0);
    assert_eq!(endings(&scope), [StopReason::Cancelled]);
    drop(inside);
}
