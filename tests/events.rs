//! What a call tells, in which order and in which words.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use resilient::testing::{Flaky, Scope};
use resilient::{
    BreakerConfig, CircuitBreaker, Class, Classify, Event, EventKind, ResilienceConfig, ResilienceError,
    State, StopReason, TripReason, database_resilient, resilient, subscribe, track_service_health,
};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum Fault {
    #[error("down")]
    Down,
    #[error("broken")]
    Broken,
    #[error("not found")]
    NotFound,
    #[error("busy")]
    Busy(Duration),
    #[error("another was faster")]
    Contended,
    #[error("refused")]
    Refused,
}

impl From<ResilienceError> for Fault {
    fn from(_: ResilienceError) -> Self {
        Self::Refused
    }
}

impl Classify for Fault {
    fn class(&self) -> Class {
        match self {
            Self::Broken => Class::Permanent,
            Self::NotFound => Class::Caller,
            Self::Contended => Class::Contention,
            _ => Class::Transient,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy(span) => Some(*span),
            _ => None,
        }
    }
}

type Backend = Flaky<u32, Fault>;

const SECOND: Duration = Duration::from_secs(1);

/// Fails so often, then answers 1.
fn failing(times: u32, fault: Fault) -> Backend {
    Flaky::failing(times, fault).then(1)
}

#[resilient(
    operation_name = "events_call",
    max_attempts = 3,
    base_delay = 1,
    jitter = false,
    failure_threshold = 3,
    success_threshold = 1,
    recovery_timeout = 10,
    deadline = "60s",
    timeout_mode = "deadline"
)]
fn call(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

/// What was told, in short words.
fn told(scope: &Scope) -> Vec<String> {
    let word = |event: &Event| match &event.kind {
        EventKind::AttemptSucceeded { attempt, .. } => format!("{attempt} succeeded"),
        EventKind::AttemptFailed { attempt, class, .. } => format!("{attempt} failed {class:?}"),
        EventKind::AttemptIgnored { attempt, class: Class::Caller } => format!("{attempt} ignored"),
        EventKind::AttemptIgnored { attempt, class } => format!("{attempt} ignored {class:?}"),
        EventKind::AttemptTimedOut { attempt, limit } => format!("{attempt} timed out {limit:?}"),
        EventKind::RetryScheduled { attempt, delay } => format!("{attempt} again in {delay:?}"),
        EventKind::Refused { kind, retry_after } => format!("refused {kind} {retry_after:?}"),
        EventKind::Finished { attempts, reason, .. } => format!("finished {attempts} {reason}"),
        EventKind::FallbackUsed => "fallback".to_owned(),
        EventKind::Transition { breaker, from, to, reason, snapshot } => {
            assert_eq!((snapshot.name, snapshot.state), (*breaker, *to), "the snapshot is of just after");
            format!("{from} to {to}: {reason}")
        }
        EventKind::ThresholdExceeded { breaker, reason } => format!("{breaker} would open: {reason}"),
        EventKind::ServiceHealthChanged { service, from, to } => format!("{service} {from} to {to}"),
        other => panic!("nothing told is unknown: {other:?}"),
    };
    scope.events().iter().map(word).collect()
}

/// Runs `calls` in a scope of their own; what they told.
fn telling(calls: impl FnOnce(&Scope)) -> Vec<String> {
    let scope = Scope::new();
    let _inside = scope.enter();
    calls(&scope);
    told(&scope)
}

#[test]
fn a_success_tells_that_and_its_end() {
    let told = telling(|_| drop(call(&failing(0, Fault::Down))));
    assert_eq!(told, ["1 succeeded", "finished 1 success"]);
}

#[test]
fn a_call_that_recovers_tells_each_attempt_and_each_wait() {
    let told = telling(|_| drop(call(&failing(2, Fault::Down))));
    let expected = [
        "1 failed Transient",
        "1 again in 1s",
        "2 failed Transient",
        "2 again in 2s",
        "3 succeeded",
        "finished 3 success",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_change_of_the_breaker_is_told_between_the_attempt_that_caused_it_and_the_end() {
    let told = telling(|scope| {
        drop(call(&failing(3, Fault::Down)));
        drop(call(&failing(0, Fault::Down)));
        scope.clock().advance(10 * SECOND);
        drop(call(&failing(0, Fault::Down)));
    });
    let expected = [
        "1 failed Transient",
        "1 again in 1s",
        "2 failed Transient",
        "2 again in 2s",
        "3 failed Transient",
        "closed to open: 3 consecutive failures",
        "finished 3 attempts",
        "refused circuit_open Some(10s)",
        "finished 0 refused",
        "open to half_open: the recovery timeout is over, a probe is under way",
        "1 succeeded",
        "half_open to closed: enough probes succeeded",
        "finished 1 success",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_timed_out_attempt_tells_its_limit_and_then_that_it_failed() {
    let slow = Flaky::new().then(1).takes(6 * SECOND).then(1);
    let told = telling(|_| assert_eq!(call(&slow), Ok(1)));
    let expected =
        ["1 timed out 5s", "1 failed Transient", "1 again in 1s", "2 succeeded", "finished 2 success"];
    assert_eq!(told, expected);
}

#[database_resilient(operation_name = "events_fallback", max_attempts = 1, fallback = instead)]
fn with_fallback(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[allow(clippy::unnecessary_wraps, reason = "a fallback returns what its function returns")]
fn instead(_: &Backend) -> Result<u32, Fault> {
    Ok(99)
}

#[test]
fn a_fallback_is_told_after_the_end_of_the_call() {
    let told = telling(|_| drop(with_fallback(&failing(9, Fault::Down))));
    assert_eq!(told, ["1 failed Transient", "finished 1 attempts", "fallback"]);
    let told = telling(|_| drop(with_fallback(&failing(9, Fault::NotFound))));
    assert_eq!(told, ["1 ignored", "finished 1 not_retryable", "fallback"]);
    let told = telling(|_| drop(with_fallback(&failing(0, Fault::Down))));
    assert_eq!(told, ["1 succeeded", "finished 1 success"]);
}

#[database_resilient(operation_name = "events_some", max_attempts = 1, fallback_value = 99, fallback_on = Fault::Down)]
fn with_fallback_for_some(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[track_service_health("events_service", operation_name = "events_tracked")]
fn tracked(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[test]
fn a_service_that_changes_is_told_with_the_call_that_changed_it() {
    let told = telling(|_| {
        let backend = Flaky::failing(10, Fault::Down);
        (0..10).for_each(|_| drop(tracked(&backend)));
    });
    let expected = ["1 failed Transient", "events_service unknown to unhealthy", "finished 1 attempts"];
    assert_eq!(told[told.len() - 3..], expected);
    assert_eq!(told.len(), 10 * 2 + 1);
}

#[test]
fn a_breaker_that_only_measures_tells_once_that_it_would_have_opened() {
    let told = telling(|_| {
        let config = BreakerConfig::new().failure_threshold(2).initial_state(State::MetricsOnly);
        let breaker = CircuitBreaker::new("events_shadow", config).unwrap();
        (0..5).for_each(|_| breaker.try_acquire().unwrap().failure());
    });
    assert_eq!(told, ["events_shadow would open: 2 consecutive failures"]);
}

/// Calls and what the last one must say of its end: attempts, and why.
type Ending = (&'static str, fn(&Scope), u32, StopReason);

const ENDINGS: [Ending; 12] = [
    ("success", |_| drop(call(&failing(0, Fault::Down))), 1, StopReason::Success),
    ("success at last", |_| drop(call(&failing(2, Fault::Down))), 3, StopReason::Success),
    ("the caller's fault", |_| drop(call(&failing(9, Fault::NotFound))), 1, StopReason::NotRetryable),
    ("not to be retried", |_| drop(call(&failing(9, Fault::Broken))), 1, StopReason::NotRetryable),
    ("no attempts left", |_| drop(call(&failing(9, Fault::Down))), 3, StopReason::Attempts),
    (
        "refused",
        |_| {
            resilient::breaker("events_call").unwrap().open();
            drop(call(&failing(0, Fault::Down)));
        },
        0,
        StopReason::Refused,
    ),
    (
        "isolated",
        |_| {
            resilient::breaker("events_call").unwrap().force_open();
            drop(call(&failing(0, Fault::Down)));
        },
        0,
        StopReason::Refused,
    ),
    (
        "out of time in an attempt",
        |scope| {
            let _ = expiring(scope, 61 * SECOND);
        },
        1,
        StopReason::Deadline,
    ),
    (
        "a wait that does not fit",
        |scope| {
            let _ = expiring(scope, 59 * SECOND);
        },
        1,
        StopReason::DelayTooLong,
    ),
    (
        "a server that wants to be left alone too long",
        |_| drop(call(&failing(9, Fault::Busy(61 * SECOND)))),
        1,
        StopReason::DelayTooLong,
    ),
    (
        "panicked",
        |_| {
            let bomb = Flaky::new().then_err(|| panic!("scripted, expected in the output"));
            assert!(catch_unwind(AssertUnwindSafe(|| call(&bomb))).is_err());
        },
        1,
        StopReason::Panicked,
    ),
    (
        "cancelled",
        |_| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let dropped = async { tokio::time::timeout(Duration::ZERO, hangs()).await };
            assert!(runtime.block_on(dropped).is_err());
        },
        1,
        StopReason::Cancelled,
    ),
];

#[resilient(
    operation_name = "events_expiring",
    base_delay = 2,
    jitter = false,
    enable_timeout = false,
    deadline = "60s"
)]
fn expiring(scope: &Scope, takes: Duration) -> Result<u32, Fault> {
    scope.clock().advance(takes);
    Err(Fault::Down)
}

#[resilient(operation_name = "events_hangs")]
async fn hangs() -> Result<u32, Fault> {
    std::future::pending().await
}

#[test]
fn each_call_says_exactly_once_how_it_ended() {
    for (case, calls, attempts, reason) in ENDINGS {
        let scope = Scope::new();
        let inside = scope.enter();
        calls(&scope);
        drop(inside);
        let endings: Vec<_> = scope
            .events()
            .into_iter()
            .filter_map(|event| match event.kind {
                EventKind::Finished { attempts, reason, .. } => Some((attempts, reason)),
                _ => None,
            })
            .collect();
        assert_eq!(endings, [(attempts, reason)], "{case}");
        assert!(
            matches!(scope.events().last().unwrap().kind, EventKind::Finished { .. }),
            "{case}: at its end"
        );
    }
}

#[test]
fn transitions_form_a_chain_even_if_a_listener_makes_them() {
    use State::{Closed, Disabled, ForcedOpen, MetricsOnly, Open};
    let scope = Scope::new();
    let _inside = scope.enter();
    let breaker = CircuitBreaker::new("events_chain", BreakerConfig::new().failure_threshold(1)).unwrap();
    let meddler = subscribe({
        let breaker = breaker.clone();
        move |event| {
            if let EventKind::Transition { to: State::Open, .. } = event.kind {
                breaker.force_open();
            }
        }
    });
    breaker.try_acquire().unwrap().failure();
    breaker.force_close();
    breaker.open_for(SECOND);
    drop(meddler);
    breaker.disable();
    breaker.metrics_only();
    breaker.reset();
    let steps: Vec<_> = scope
        .events()
        .into_iter()
        .filter_map(|event| match event.kind {
            EventKind::Transition { from, to, reason, .. } => Some((from, to, reason)),
            _ => None,
        })
        .collect();
    assert!(steps.windows(2).all(|pair| pair[0].1 == pair[1].0), "{steps:#?}");
    let (arrivals, reasons): (Vec<_>, Vec<_>) = steps.into_iter().map(|(_, to, reason)| (to, reason)).unzip();
    assert_eq!(arrivals, [Open, ForcedOpen, Closed, Open, ForcedOpen, Disabled, MetricsOnly, Closed]);
    assert_eq!((reasons[0], reasons[7]), (TripReason::ConsecutiveFailures(1), TripReason::Reset));
    assert!(reasons[1..7].iter().all(|reason| *reason == TripReason::Manual), "{reasons:?}");
}

#[test]
fn a_subscription_hears_until_it_is_dropped() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let heard = Arc::new(Mutex::new(0));
    let subscription = subscribe({
        let heard = Arc::clone(&heard);
        move |_| *heard.lock().unwrap() += 1
    });
    drop(call(&failing(0, Fault::Down)));
    assert_eq!(*heard.lock().unwrap(), 2);
    drop(subscription);
    drop(call(&failing(0, Fault::Down)));
    assert_eq!(*heard.lock().unwrap(), 2);
    assert_eq!(scope.events().len(), 4, "others still hear");
}

#[test]
fn a_listener_that_panics_harms_nobody() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let _rude = subscribe(|_| panic!("scripted, expected in the output"));
    let polite = Arc::new(Mutex::new(0));
    let _polite = subscribe({
        let polite = Arc::clone(&polite);
        move |_| *polite.lock().unwrap() += 1
    });
    assert_eq!(call(&failing(1, Fault::Down)), Ok(1));
    assert_eq!((*polite.lock().unwrap(), scope.events().len()), (4, 4));
}

#[test]
fn a_listener_may_call_guarded_functions_and_read_breakers() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let _nosy = subscribe(|event| {
        if matches!(event.kind, EventKind::Transition { .. }) {
            assert_eq!(resilient::breaker("events_call").unwrap().state(), State::Open);
            let _ = with_fallback(&failing(0, Fault::Down));
        }
    });
    assert_eq!(call(&failing(9, Fault::Down)), Err(Fault::Down));
    assert!(told(&scope).contains(&"1 succeeded".to_owned()));
}

/// One `tracing` event: level, message, fields.
#[derive(Clone, Debug, Default, PartialEq)]
struct Line {
    level: String,
    message: String,
    fields: BTreeMap<&'static str, String>,
}

impl tracing::field::Visit for Line {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        let value = format!("{value:?}");
        match field.name() {
            "message" => self.message = value,
            name => drop(self.fields.insert(name, value)),
        }
    }

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }
}

thread_local! {
    /// What this thread told to `tracing` with target `resilient`, while somebody wants to know.
    static LOG: RefCell<Option<Vec<Line>>> = const { RefCell::new(None) };
}

/// The one subscriber of this binary: a subscriber for each test would race for `tracing`'s cache of who is interested.
struct PerThread;

impl tracing::Subscriber for PerThread {
    fn register_callsite(&self, _: &'static tracing::Metadata<'static>) -> tracing::subscriber::Interest {
        tracing::subscriber::Interest::sometimes()
    }

    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "resilient" && LOG.with_borrow(Option::is_some)
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line { level: event.metadata().level().to_string(), ..Line::default() };
        event.record(&mut line);
        LOG.with_borrow_mut(|log| log.get_or_insert_default().push(line));
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// What `calls` wrote to `tracing`, as `LEVEL message: field=value, ..`.
fn logged(calls: impl FnOnce(&Scope)) -> Vec<String> {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        tracing::subscriber::set_global_default(PerThread).expect("nobody else listens");
        tracing::callsite::rebuild_interest_cache();
    });
    let scope = Scope::new();
    let inside = scope.enter();
    LOG.set(Some(Vec::new()));
    calls(&scope);
    let lines = LOG.take().unwrap_or_default();
    drop(inside);
    let fields = |line: &Line| {
        let fields: Vec<_> = line.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        fields.join(", ")
    };
    lines.iter().map(|line| format!("{} {}: {}", line.level, line.message, fields(line))).collect()
}

#[test]
fn a_call_is_logged_with_the_words_of_its_events() {
    let logged = logged(|scope| {
        drop(call(&failing(3, Fault::Down)));
        drop(call(&failing(0, Fault::Down)));
        scope.clock().advance(10 * SECOND);
        drop(call(&failing(0, Fault::Down)));
        drop(call(&failing(1, Fault::NotFound)));
        drop(call(&Flaky::new().then(1).takes(6 * SECOND).then(1)));
        drop(with_fallback(&failing(1, Fault::Broken)));
    });
    let expected = [
        "DEBUG attempt failed: attempt=1, class=Transient, operation=events_call, took=0.0",
        "WARN retry scheduled: attempt=1, delay=1.0, operation=events_call",
        "DEBUG attempt failed: attempt=2, class=Transient, operation=events_call, took=0.0",
        "WARN retry scheduled: attempt=2, delay=2.0, operation=events_call",
        "DEBUG attempt failed: attempt=3, class=Transient, operation=events_call, took=0.0",
        "WARN circuit breaker opened: breaker=events_call, failures=3, from=closed, operation=events_call, \
         reason=3 consecutive failures, retry_after=10.0, to=open",
        "ERROR call failed: attempts=3, operation=events_call, reason=attempts",
        "WARN call refused: kind=circuit_open, operation=events_call, retry_after=10.0",
        "INFO call finished: attempts=0, operation=events_call, reason=refused",
        "INFO circuit breaker changed: breaker=events_call, from=open, operation=events_call, \
         reason=the recovery timeout is over, a probe is under way, to=half_open",
        "DEBUG attempt succeeded: attempt=1, operation=events_call, took=0.0",
        "INFO circuit breaker changed: breaker=events_call, from=half_open, operation=events_call, \
         reason=enough probes succeeded, to=closed",
        "DEBUG call finished: attempts=1, operation=events_call, reason=success",
        "DEBUG attempt failed by its caller's fault: attempt=1, operation=events_call",
        "INFO call finished: attempts=1, operation=events_call, reason=not_retryable",
        "WARN attempt timed out: attempt=1, limit=5.0, operation=events_call",
        "DEBUG attempt failed: attempt=1, class=Transient, operation=events_call, took=6.0",
        "WARN retry scheduled: attempt=1, delay=1.0, operation=events_call",
        "DEBUG attempt succeeded: attempt=2, operation=events_call, took=0.0",
        "DEBUG call finished: attempts=2, operation=events_call, reason=success",
        "DEBUG attempt failed: attempt=1, class=Permanent, operation=events_fallback, took=0.0",
        "INFO call finished: attempts=1, operation=events_fallback, reason=not_retryable",
        "INFO fallback used: operation=events_fallback",
    ];
    assert_eq!(logged, expected);
}

type Calls = fn(&Backend) -> Result<u32, Fault>;

#[test]
fn a_call_that_fails_is_an_error_unless_its_fallback_answers() {
    const STANDS_IN: &str = "INFO fallback used";
    let with: Calls = |backend| {
        let object = ResilienceConfig::new("events_object").max_attempts(1).classify::<Fault>();
        let object = object.fallback(|_: Fault| Ok(99)).build().unwrap();
        object.call(|| backend.call())
    };
    let without: Calls = |backend| {
        let object = ResilienceConfig::new("events_object").max_attempts(1).classify::<Fault>();
        object.build().unwrap().call(|| backend.call())
    };
    for (name, calls, fault, answers) in [
        ("attribute", with_fallback as Calls, Fault::Down, true),
        ("attribute for some", with_fallback_for_some, Fault::Down, true),
        ("attribute for others", with_fallback_for_some, Fault::Busy(SECOND), false),
        ("object", with, Fault::Down, true),
        ("object without", without, Fault::Down, false),
    ] {
        let told = logged(|_| assert_eq!(calls(&failing(9, fault.clone())).is_ok(), answers, "{name}"));
        let ends: Vec<_> = told.iter().filter(|line| !line.starts_with("DEBUG")).collect();
        let level = if answers { "WARN" } else { "ERROR" };
        assert!(ends[0].starts_with(&format!("{level} call failed: attempts=1,")), "{name}: {ends:?}");
        assert!(ends[0].ends_with("reason=attempts"), "{name}: {ends:?}");
        assert_eq!(ends.len(), 1 + usize::from(answers), "{name}: {ends:?}");
        assert!(!answers || ends[1].starts_with(STANDS_IN), "{name}: {ends:?}");
    }
}

#[test]
fn contention_is_told_as_such_and_as_nobodys_fault() {
    let told = telling(|_| assert_eq!(call(&failing(1, Fault::Contended)), Ok(1)));
    assert_eq!(told, ["1 ignored Contention", "1 again in 1s", "2 succeeded", "finished 2 success"]);
    let logged = logged(|_| drop(call(&failing(1, Fault::Contended))));
    assert_eq!(logged[0], "DEBUG attempt met another caller in its way: attempt=1, operation=events_call");
    let kind = EventKind::AttemptIgnored { attempt: 2, class: Class::Contention };
    assert_eq!(kind.to_string(), "attempt 2 met another caller in its way");
}

#[test]
fn a_healthy_call_writes_nothing_above_debug() {
    let logged = logged(|_| drop(call(&failing(0, Fault::Down))));
    assert!(logged.len() == 2 && logged.iter().all(|line| line.starts_with("DEBUG")), "{logged:#?}");
}

#[test]
fn what_nobody_may_overlook_is_an_error() {
    let logged = logged(|_| {
        let scope = Scope::builder().env("PYNOMALY_DATABASE_TIMEOUT", "abc").build();
        let _inside = scope.enter();
        drop(with_fallback(&failing(0, Fault::Down)));
        drop(with_fallback(&failing(0, Fault::Down)));
    });
    let errors: Vec<_> = logged.iter().filter(|line| line.starts_with("ERROR")).collect();
    let [line] = errors.as_slice() else { panic!("{logged:#?}") };
    assert!(line.starts_with("ERROR bad configuration: "), "{line}");
    assert!(line.contains("PYNOMALY_DATABASE_TIMEOUT"), "{line}");
}

#[test]
fn a_shadow_breaker_and_a_service_are_logged_as_warnings() {
    let logged = logged(|_| {
        let config = BreakerConfig::new().failure_threshold(1).initial_state(State::MetricsOnly);
        CircuitBreaker::new("events_log_shadow", config).unwrap().try_acquire().unwrap().failure();
        let backend = failing(10, Fault::Down);
        (0..10).for_each(|_| drop(tracked(&backend)));
    });
    let expected = [
        "WARN circuit breaker would have opened, but only measures: breaker=events_log_shadow, \
         operation=events_log_shadow, reason=1 failure",
        "WARN service health changed: from=unknown, operation=events_tracked, service=events_service, to=unhealthy",
    ];
    let warnings: Vec<_> = logged.iter().filter(|line| line.starts_with("WARN")).collect();
    assert_eq!(warnings, expected, "{logged:#?}");
}
