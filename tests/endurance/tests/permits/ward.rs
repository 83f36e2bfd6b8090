//! A body that does as it is told and knows how it ended, in functions with every layer; and what must hold of the
//! layers' counts when nobody calls any more.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use resilient::testing::TestClock;
use resilient::{
    Bulkhead, CircuitBreaker, Class, Classify, Event, EventKind, RateLimiter, ResilienceError, State,
    StopReason, Subscription, breaker, bulkhead, rate_limiter, resilience_health, resilient, service_health,
    subscribe, track_service_health,
};
use resilient_endurance_tests::panic_as_planned;

pub(crate) const STEP: Duration = Duration::from_millis(5);
/// The limit of an attempt.
const LIMIT: Duration = Duration::from_millis(40);

/// Why a body, or a layer in its place, had no answer. Dropping a bomb panics.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("down")]
    Down,
    #[error("the caller's fault")]
    Caller,
    #[error("refused")]
    Refused(#[from] ResilienceError),
    #[error("a rule of the author's panics about it")]
    Rule,
    #[error("the author's classification panics about it")]
    Class,
    #[error("dropping it panics")]
    Bomb(Bomb),
}

/// Panics when it is dropped.
#[derive(Debug)]
pub(crate) struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic_as_planned();
        }
    }
}

impl Classify for Fault {
    fn class(&self) -> Class {
        match self {
            Self::Class => panic_as_planned(),
            Self::Caller => Class::Caller,
            _ => Class::Transient,
        }
    }
}

pub(crate) type Answer = Result<Verdict, Fault>;

/// What a rule makes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    Bad,
    Panics,
}

/// How an attempt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Answer,
    BadAnswer,
    Fail,
    CallersFault,
    /// Later than a hedge, and in time for an async function.
    Slow,
    /// Too late.
    Never,
    Panic,
    PanicInRule,
    PanicInFailureIf,
    PanicInClass,
    /// The error's destructor panics.
    Bomb,
    /// The error comes too late and its destructor panics.
    LateBomb,
}

/// What the attempts of one call do, drawn from its seed.
#[derive(Debug)]
pub(crate) struct Script {
    seed: u64,
    acts: &'static [Act],
    /// The most awaits in one attempt.
    stops: u32,
    /// Of so many bodies one panics when it is dropped unfinished; 0 is none.
    explosive: u32,
    fallback: Act,
    delay: Delay,
    attempts: AtomicU32,
}

/// What makes a sync body too long.
#[derive(Debug)]
pub(crate) enum Delay {
    Clock(TestClock),
    Real,
}

impl Script {
    pub(crate) fn new(seed: u64, acts: &'static [Act], stops: u32) -> Self {
        Self {
            seed,
            acts,
            stops,
            explosive: 0,
            fallback: Act::Answer,
            delay: Delay::Real,
            attempts: AtomicU32::new(0),
        }
    }

    pub(crate) fn explosive(mut self, one_in: u32) -> Self {
        self.explosive = one_in;
        self
    }

    pub(crate) fn fallback(mut self, act: Act) -> Self {
        self.fallback = act;
        self
    }

    pub(crate) fn delay(mut self, delay: Delay) -> Self {
        self.delay = delay;
        self
    }

    fn next(&self) -> (Act, u32, Alive) {
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        let mut luck = fastrand::Rng::with_seed(self.seed ^ u64::from(attempt) << 48);
        let act = self.acts[luck.usize(..self.acts.len())];
        let explosive = self.explosive > 0 && luck.u32(..self.explosive) == 0;
        (act, luck.u32(..=self.stops), Alive::begin(explosive))
    }

    /// The body of an async function.
    pub(crate) async fn play(&self) -> Answer {
        let (act, stops, mut alive) = self.next();
        for _ in 0..stops {
            stop().await;
        }
        match act {
            Act::Never => pending().await,
            Act::Slow => tokio::time::sleep(5 * STEP).await,
            _ => {}
        }
        alive.end(act)
    }

    /// The body of a sync function.
    pub(crate) fn work(&self) -> Answer {
        let (act, stops, mut alive) = self.next();
        if stops > 0 {
            std::thread::yield_now();
        }
        if let Act::Slow | Act::Never | Act::LateBomb = act {
            match &self.delay {
                Delay::Clock(clock) => clock.advance(LIMIT + STEP),
                Delay::Real => std::thread::sleep(LIMIT + STEP),
            }
        }
        alive.end(act)
    }

    fn stand_in(&self) -> Answer {
        TALLY.stood_in.fetch_add(1, Ordering::Relaxed);
        match self.fallback {
            Act::Panic => panic_as_planned(),
            Act::Fail => Err(Fault::Down),
            _ => Ok(Verdict::Good),
        }
    }
}

/// Pending once, and nobody wakes it.
async fn stop() {
    let mut stopped = false;
    poll_fn(|_| if std::mem::replace(&mut stopped, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// What the bodies know.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) alive: AtomicU64,
    pub(crate) begun: AtomicU64,
    pub(crate) answered: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) callers_fault: AtomicU64,
    pub(crate) panicked: AtomicU64,
    pub(crate) unfinished: AtomicU64,
    /// A rule about it panicked.
    pub(crate) unjudged: AtomicU64,
    pub(crate) standing_in: AtomicU64,
    pub(crate) stood_in: AtomicU64,
}

pub(crate) static TALLY: Tally = Tally {
    alive: AtomicU64::new(0),
    begun: AtomicU64::new(0),
    answered: AtomicU64::new(0),
    failed: AtomicU64::new(0),
    callers_fault: AtomicU64::new(0),
    panicked: AtomicU64::new(0),
    unfinished: AtomicU64::new(0),
    unjudged: AtomicU64::new(0),
    standing_in: AtomicU64::new(0),
    stood_in: AtomicU64::new(0),
};

fn more(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

fn less(count: &AtomicU64) {
    count.fetch_sub(1, Ordering::Relaxed);
}

pub(crate) fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// A body under way.
#[derive(Debug)]
struct Alive {
    explosive: bool,
    ended: bool,
}

impl Alive {
    fn begin(explosive: bool) -> Self {
        more(&TALLY.alive);
        more(&TALLY.begun);
        Self { explosive, ended: false }
    }

    fn end(&mut self, act: Act) -> Answer {
        self.ended = true;
        match act {
            Act::Answer | Act::Slow | Act::Never => {
                more(&TALLY.answered);
                Ok(Verdict::Good)
            }
            Act::BadAnswer => {
                more(&TALLY.failed);
                Ok(Verdict::Bad)
            }
            Act::Fail => {
                more(&TALLY.failed);
                Err(Fault::Down)
            }
            Act::CallersFault => {
                more(&TALLY.callers_fault);
                Err(Fault::Caller)
            }
            Act::Panic => {
                more(&TALLY.panicked);
                panic_as_planned()
            }
            Act::PanicInRule => {
                more(&TALLY.unjudged);
                Err(Fault::Rule)
            }
            Act::PanicInFailureIf => {
                more(&TALLY.unjudged);
                Ok(Verdict::Panics)
            }
            Act::PanicInClass => {
                more(&TALLY.unjudged);
                Err(Fault::Class)
            }
            Act::Bomb | Act::LateBomb => {
                more(&TALLY.failed);
                Err(Fault::Bomb(Bomb))
            }
        }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        less(&TALLY.alive);
        if !self.ended {
            more(&TALLY.unfinished);
            if self.explosive && !std::thread::panicking() {
                panic_as_planned();
            }
        }
    }
}

pub(crate) fn retries(fault: &Fault) -> bool {
    match fault {
        Fault::Rule => panic_as_planned(),
        _ => true,
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the rule of an attribute gets a reference")]
pub(crate) fn is_bad(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Panics => panic_as_planned(),
        verdict => *verdict == Verdict::Bad,
    }
}

pub(crate) async fn instead(script: &Script) -> Answer {
    struct StandingIn;
    impl Drop for StandingIn {
        fn drop(&mut self) {
            less(&TALLY.standing_in);
        }
    }
    more(&TALLY.standing_in);
    let _standing_in = StandingIn;
    for _ in 0..script.stops {
        stop().await;
    }
    script.stand_in()
}

pub(crate) fn instead_here(script: &Script) -> Answer {
    script.stand_in()
}

#[allow(clippy::needless_pass_by_value, reason = "a fallback has the function's arguments")]
pub(crate) fn instead_afterwards(script: Arc<Script>) -> Answer {
    script.stand_in()
}

/// A function with every layer, which a few calls at once fill.
macro_rules! every_layer {
    ($name:ident($argument:ident: $type:ty), $operation:literal, $fallback:ident, $body:expr, [$($fn:tt)*], $($more:tt)*) => {
        #[resilient(
            operation_name = $operation,
            max_attempts = 3,
            base_delay = "10ms",
            max_delay = "20ms",
            budget(ratio = 1.0, per_second = 1000),
            retry_if = retries,
            failure_if = is_bad,
            failure_threshold = "off",
            failure_rate = 1.0,
            window = 1_000_000,
            min_calls = 1_000_000,
            success_threshold = 1_000_000,
            half_open_max_calls = 4,
            recovery_timeout = "1s",
            timeout = "40ms",
            fallback = $fallback,
            $($more)*
        )]
        #[track_service_health($operation)]
        pub(crate) $($fn)* $name($argument: $type) -> Answer {
            $body
        }
    };
}

/// An async one.
macro_rules! on_tasks {
    ($name:ident, $operation:literal, $($more:tt)*) => {
        every_layer!(
            $name(script: &Script), $operation, instead, script.play().await, [async fn],
            rate_limit(rate = 250, burst = 3, max_wait = "20ms"),
            bulkhead(max_concurrent = 3, max_queue = 3, max_wait = "30ms"),
            $($more)*
        );
    };
}

on_tasks!(alone, "endure_alone", deadline = "10s");
on_tasks!(
    hedged,
    "endure_hedged",
    deadline = "10s",
    hedge(delay = "15ms", max_hedges = 2),
    idempotent = true
);
on_tasks!(per_call, "endure_per_call", deadline = "10s", breaker_scope = "call");
on_tasks!(
    hedged_per_call,
    "endure_hedged_per_call",
    deadline = "10s",
    breaker_scope = "call",
    hedge(delay = "15ms", max_hedges = 2),
    idempotent = true
);
on_tasks!(
    hurried,
    "endure_hurried",
    deadline = "55ms",
    hedge(delay = "15ms", max_hedges = 2),
    idempotent = true
);

every_layer!(
    crowded(script: &Script), "endure_crowded", instead, script.play().await, [async fn],
    deadline = "10s",
    hedge(delay = "1ms", max_hedges = 2),
    idempotent = true,
    rate_limit(rate = 100_000, burst = 100, max_wait = "20ms"),
    bulkhead(max_concurrent = 200, max_queue = 300, max_wait = "30ms")
);

/// A sync one. Its body is too long when the scope's clock says so.
macro_rules! on_threads {
    ($name:ident($argument:ident: $type:ty), $operation:literal, $fallback:ident, $($more:tt)*) => {
        every_layer!(
            $name($argument: $type), $operation, $fallback, $argument.work(), [fn],
            // The other threads move the clock, too.
            deadline = "1h",
            rate_limit(rate = 250, burst = 3, max_wait = "20ms"),
            bulkhead(max_concurrent = 3, max_queue = 3, max_wait = "30ms"),
            $($more)*
        );
    };
}

on_threads!(in_place(script: &Script), "endure_in_place", instead_here, timeout_mode = "deadline");
on_threads!(
    in_place_per_call(script: &Script), "endure_in_place_per_call", instead_here,
    timeout_mode = "deadline", breaker_scope = "call"
);
on_threads!(
    on_thread(script: Arc<Script>), "endure_on_thread", instead_afterwards,
    timeout_mode = "thread", clone(script)
);

/// The layers of one function, and what is known about them from outside.
#[derive(Debug)]
pub(crate) struct Layers {
    pub(crate) operation: &'static str,
    pub(crate) breaker: CircuitBreaker,
    pub(crate) limiter: RateLimiter,
    pub(crate) bulkhead: Bulkhead,
}

impl Layers {
    pub(crate) fn of(operation: &'static str) -> Self {
        Self {
            operation,
            breaker: breaker(operation).expect("its breaker"),
            limiter: rate_limiter(operation).expect("its rate limiter"),
            bulkhead: bulkhead(operation).expect("its bulkhead"),
        }
    }

    /// Slots that are taken and places in the queue.
    pub(crate) fn places(&self) -> u64 {
        u64::from(self.bulkhead.active_count()) + u64::from(self.bulkhead.waiting_count())
    }

    pub(crate) fn paused(&self) -> u64 {
        u64::from(self.limiter.snapshot().waiting_count)
    }

    /// Calls whose results the breaker was given, in any way.
    pub(crate) fn recorded(&self) -> u64 {
        let it = self.breaker.snapshot();
        it.successful_calls + it.failed_calls + it.ignored_calls + it.abandoned_calls + it.stale_results
    }

    /// Half-open with every slot free, or closed.
    pub(crate) fn arrange(&self, half_open: bool) {
        match (half_open, self.breaker.state()) {
            (true, State::HalfOpen) | (false, State::Closed) => {}
            (false, _) => self.breaker.close(),
            (true, _) => {
                self.breaker.open();
                self.breaker.half_open().expect("it is open");
            }
        }
    }

    /// Nobody calls: everything is back.
    #[track_caller]
    pub(crate) fn assert_at_rest(&self) {
        let name = self.operation;
        let bulkhead = self.bulkhead.snapshot();
        let free = (bulkhead.active_count, bulkhead.waiting_count, bulkhead.available);
        assert_eq!(free, (0, 0, bulkhead.max_concurrent), "{name}: slots of the bulkhead");
        assert_eq!(self.limiter.snapshot().waiting_count, 0, "{name}: callers of the limiter");
        assert_eq!(self.breaker.snapshot().probes_under_way, 0, "{name}: probes");
        let workers = resilience_health().workers;
        assert_eq!((workers.active, workers.stuck), (0, 0), "{name}: worker threads");
        assert_eq!((read(&TALLY.alive), read(&TALLY.standing_in)), (0, 0), "{name}: bodies and fallbacks");
        let service = service_health(name).expect("its health").metrics().statistics;
        assert!(service.total_count <= 100, "{name}: samples");
        assert_eq!(service.success_count + service.failure_count, service.total_count, "{name}: samples");
    }

    /// Every slot can be taken once more, and no further one.
    #[track_caller]
    pub(crate) fn assert_every_slot_is_free(&self) {
        let permits: Vec<_> = std::iter::from_fn(|| self.bulkhead.try_acquire().ok()).take(1_000).collect();
        assert_eq!(permits.len(), self.bulkhead.snapshot().max_concurrent as usize, "{}", self.operation);
        drop(permits);
        self.breaker.open();
        self.breaker.half_open().expect("it is open");
        let probes: Vec<_> = std::iter::from_fn(|| self.breaker.try_acquire().ok()).take(1_000).collect();
        assert_eq!(probes.len(), 4, "{}", self.operation);
    }
}

/// What was told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) succeeded: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) ignored: AtomicU64,
    pub(crate) timed_out: AtomicU64,
    pub(crate) fallbacks: AtomicU64,
    pub(crate) finished: AtomicU64,
    pub(crate) cancelled: AtomicU64,
    pub(crate) panicked: AtomicU64,
}

impl Told {
    /// Counts what is told until the subscription is dropped.
    pub(crate) fn listening() -> (Arc<Self>, Subscription) {
        let told = Arc::new(Self::default());
        let ears = Arc::clone(&told);
        (told, subscribe(move |event| ears.hear(event)))
    }

    pub(crate) fn hear(&self, event: &Event) {
        match &event.kind {
            EventKind::AttemptSucceeded { .. } => more(&self.succeeded),
            EventKind::AttemptFailed { .. } => more(&self.failed),
            EventKind::AttemptIgnored { .. } => more(&self.ignored),
            EventKind::AttemptTimedOut { .. } => more(&self.timed_out),
            EventKind::FallbackUsed => more(&self.fallbacks),
            EventKind::Finished { reason, .. } => {
                more(&self.finished);
                match reason {
                    StopReason::Cancelled => more(&self.cancelled),
                    StopReason::Panicked => more(&self.panicked),
                    _ => {}
                }
            }
            _ => {}
        }
    }
}
