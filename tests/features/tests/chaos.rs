//! Faults on purpose count as what they look like, stay within their rates, and begin and end where somebody says so.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use resilient::chaos::{self, Chaos, Fault};
use resilient::testing::{Scope, ScopeBuilder, ScopeGuard};
use resilient::{
    ErrorKind, EventKind, ResilienceError, ResilientOperation, RetryPolicy, State, StopReason, breaker,
    builder, bulkhead, circuit_breaker, reset_resilience_state, resilient, retry_with_backoff,
    service_health, track_service_health, validate, with_timeout,
};

#[derive(Debug, PartialEq, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Refused(String),
    #[error("own")]
    Own,
}

impl From<ResilienceError> for Failure {
    fn from(error: ResilienceError) -> Self {
        Self::Refused(error.to_string())
    }
}

type Answer<T = u32> = Result<T, Failure>;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn refused<T>(text: &str) -> Answer<T> {
    Err(Failure::Refused(text.to_owned()))
}

/// A scope where chaos may begin in a release build too, so that these tests hold in one.
fn allowed() -> ScopeBuilder {
    Scope::builder().env("PYNOMALY_CHAOS_ALLOW_RELEASE", "true")
}

fn world() -> Scope {
    allowed().build()
}

fn scope() -> (&'static Scope, ScopeGuard) {
    let scope: &'static Scope = Box::leak(Box::new(world()));
    (scope, scope.enter())
}

fn faults(scope: &Scope) -> Vec<Fault> {
    let fault = |event: &resilient::Event| match event.kind {
        EventKind::FaultInjected { fault, .. } => Some(fault),
        _ => None,
    };
    scope.events().iter().filter_map(fault).collect()
}

fn warnings(scope: &Scope) -> Vec<String> {
    let is_warning = |event: &&resilient::Event| matches!(event.kind, EventKind::ChaosStarted { .. });
    scope.events().iter().filter(is_warning).map(ToString::to_string).collect()
}

fn complaints(scope: &Scope) -> Vec<String> {
    let text = |event: &resilient::Event| match &event.kind {
        EventKind::BadConfiguration { message } => Some(message.clone()),
        _ => None,
    };
    scope.events().iter().filter_map(text).collect()
}

fn ending(scope: &Scope) -> StopReason {
    let events = scope.events();
    let Some(EventKind::Finished { reason, .. }) = events.last().map(|event| event.kind.clone()) else {
        panic!("{events:?}")
    };
    reason
}

#[resilient(
    operation_name = "chaos_all",
    max_attempts = 3,
    failure_threshold = 5,
    timeout = "1s",
    jitter = false
)]
#[track_service_health("chaos_service")]
async fn guarded(runs: &AtomicU32) -> Answer {
    Ok(runs.fetch_add(1, Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn an_injected_error_is_retried_and_counts_against_breaker_and_health() {
    let scope = world();
    let runs = AtomicU32::new(0);
    let calls = async {
        let injection = chaos::inject("chaos_all", Chaos::new().error_rate(1.0)).unwrap();
        let answer = guarded(&runs).await;
        assert_eq!(answer, refused("'chaos_all' failed on purpose: chaos injected an error"));
        assert_eq!(breaker("chaos_all").unwrap().snapshot().failed_calls, 3);
        let again = guarded(&runs).await;
        assert!(again.unwrap_err().to_string().starts_with("circuit breaker 'chaos_all' is open"));
        assert_eq!(breaker("chaos_all").unwrap().state(), State::Open);
        assert_eq!(service_health("chaos_service").unwrap().metrics().statistics.failure_count, 5);
        injection.hits()
    };
    let hits = scope.run(calls).await;
    assert_eq!(hits, 5);
    assert_eq!(runs.into_inner(), 0, "the function was never run");
    assert_eq!(faults(&scope), [Fault::Error; 5]);
    assert_eq!(scope.pauses().len(), 4);
}

#[test]
fn an_injected_error_has_a_kind_and_is_no_rejection() {
    let error = ResilienceError::Injected { operation: "get_user" };
    assert_eq!((error.kind(), error.kind().as_str()), (ErrorKind::Injected, "injected"));
    assert!(error.is_injected() && !error.is_rejection());
}

#[allow(clippy::unnecessary_wraps, reason = "it answers in the place of what may fail")]
fn stand_in() -> Answer {
    Ok(99)
}

#[resilient(operation_name = "chaos_fallback", max_attempts = 2, base_delay = 0, fallback = stand_in)]
fn with_fallback() -> Answer {
    Ok(1)
}

#[test]
fn a_fallback_answers_after_injected_errors() {
    let (scope, _inside) = scope();
    let _chaos = chaos::inject("*", Chaos::new().error_rate(1.0)).unwrap();
    assert_eq!(with_fallback(), Ok(99));
    assert_eq!(ending_before_fallback(scope), StopReason::Attempts);
}

fn ending_before_fallback(scope: &Scope) -> StopReason {
    let reason = |event: &resilient::Event| match event.kind {
        EventKind::Finished { reason, .. } => Some(reason),
        _ => None,
    };
    scope.events().iter().find_map(reason).expect("an end")
}

#[resilient(operation_name = "chaos_wraps", max_attempts = 2, base_delay = 0, exhausted = "wrap")]
fn wraps() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Ok(())
}

#[test]
fn a_call_exhausted_by_injected_errors_is_wrapped_where_that_is_asked_for() {
    let (_scope, _inside) = scope();
    let _chaos = chaos::inject("*", Chaos::new().error_rate(1.0)).unwrap();
    let error = wraps().unwrap_err();
    assert!(
        matches!(error.downcast_ref(), Some(ResilienceError::RetriesExhausted { attempts: 2, .. })),
        "{error}"
    );
}

#[retry_with_backoff(operation_name = "chaos_cannot_say", max_attempts = 2)]
fn cannot_say() -> u32 {
    7
}

#[test]
fn a_function_that_cannot_say_a_refusal_gets_no_errors_but_latency_and_panics() {
    let (scope, _inside) = scope();
    let all = Chaos::new().error_rate(1.0).latency("2s");
    let injection = chaos::inject("*", all).unwrap();
    assert_eq!(cannot_say(), 7);
    assert_eq!(faults(scope), [Fault::Latency(millis(2000))]);
    assert_eq!(scope.clock().elapsed(), millis(2000));
    drop(injection);
    let _panics = chaos::inject("*", Chaos::new().panic_rate(1.0)).unwrap();
    assert!(catch_unwind(cannot_say).is_err());
}

#[tokio::test(start_paused = true)]
async fn latency_comes_before_the_function_within_the_attempts_time_limit() {
    let scope = world();
    let runs = AtomicU32::new(0);
    let calls = async {
        let short = chaos::inject("chaos_all", Chaos::new().latency("900ms")).unwrap();
        assert_eq!(guarded(&runs).await, Ok(0));
        assert!((millis(900)..millis(910)).contains(&scope.clock().elapsed()));
        drop(short);
        let _long = chaos::inject("chaos_all", Chaos::new().latency("1100ms")).unwrap();
        assert_eq!(guarded(&runs).await, refused("'chaos_all' timed out after 1 s"));
    };
    scope.run(calls).await;
    assert_eq!(runs.into_inner(), 1, "what was cut off in its latency did not run");
}

#[with_timeout("1s", timeout_mode = "deadline", operation_name = "chaos_in_place")]
fn in_place(runs: &AtomicU32) -> Answer {
    Ok(runs.fetch_add(1, Ordering::Relaxed))
}

#[with_timeout("1s", operation_name = "chaos_on_thread")]
fn on_thread(runs: &'static AtomicU32) -> Answer<Option<String>> {
    runs.fetch_add(1, Ordering::Relaxed);
    Ok(std::thread::current().name().map(str::to_owned))
}

#[test]
fn latency_of_a_sync_function_counts_towards_its_limit_and_past_it_nothing_runs() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let (scope, _inside) = scope();
    let runs = AtomicU32::new(0);
    for (latency, passes) in [("1s", true), ("1001ms", false)] {
        let before = scope.clock().elapsed();
        let _chaos = chaos::inject("*", Chaos::new().latency(latency)).unwrap();
        assert_eq!(in_place(&runs).is_ok(), passes, "{latency} in place");
        let worker = on_thread(&RUNS);
        assert_eq!(worker.is_ok(), passes, "{latency} on a thread: {worker:?}");
        assert!(!passes || worker.unwrap().unwrap().starts_with("resilient-worker"));
        let took = scope.clock().elapsed().saturating_sub(before);
        assert!(took <= millis(2001), "{took:?}");
    }
    assert_eq!((runs.into_inner(), RUNS.load(Ordering::Relaxed)), (1, 1));
}

#[test]
fn an_async_function_polled_where_time_stands_still_suffers_the_same() {
    let (scope, _inside) = scope();
    let runs = AtomicU32::new(0);
    let call = |latency| {
        let _chaos = chaos::inject("chaos_still", Chaos::new().latency(latency)).unwrap();
        let mut future = pin!(still(&runs));
        let before = scope.clock().elapsed();
        let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("pending")
        };
        (answer, scope.clock().elapsed().saturating_sub(before))
    };
    assert_eq!(call("1s"), (Ok(0), millis(1000)));
    assert_eq!(call("5s"), (refused("'chaos_still' timed out after 1 s"), millis(1000)));
    assert_eq!(runs.into_inner(), 1);
}

#[with_timeout("1s", operation_name = "chaos_still")]
async fn still(runs: &AtomicU32) -> Answer {
    Ok(runs.fetch_add(1, Ordering::Relaxed))
}

#[circuit_breaker(name = "chaos_panics", failure_threshold = 2)]
async fn panics() -> Answer {
    Ok(1)
}

#[circuit_breaker(name = "chaos_panics_too", failure_threshold = 2)]
#[with_timeout("1s")]
fn panics_on_thread() -> Answer {
    Ok(1)
}

#[test]
fn an_injected_panic_unwinds_and_counts_as_the_functions_own() {
    let (scope, _inside) = scope();
    let _chaos = chaos::inject("*", Chaos::new().panic_rate(1.0)).unwrap();
    let poll = || {
        let mut future = pin!(panics());
        future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    };
    let payload = catch_unwind(AssertUnwindSafe(poll)).map(drop).unwrap_err();
    let text = payload.downcast_ref::<String>().expect("a text");
    assert!(text.starts_with("chaos: a panic was injected into '"), "{text}");
    assert!(text.ends_with("panics' on purpose"), "{text}");
    assert_eq!(ending(scope), StopReason::Panicked);
    assert!(catch_unwind(AssertUnwindSafe(poll)).is_err());
    assert_eq!(breaker("chaos_panics").unwrap().state(), State::Open);

    assert!(catch_unwind(panics_on_thread).is_err());
    assert_eq!(breaker("chaos_panics_too").unwrap().snapshot().failed_calls, 1);
}

#[circuit_breaker(name = "chaos_rates", failure_threshold = "off")]
fn rated() -> Answer {
    Ok(1)
}

fn failures_of(seed: u64, rate: f64) -> Vec<bool> {
    let scope = allowed().seed(seed).build();
    let _inside = scope.enter();
    let _chaos = chaos::inject("*", Chaos::new().error_rate(rate)).unwrap();
    (0..1000).map(|_| rated().is_err()).collect()
}

#[test]
fn ch_001_about_as_many_attempts_suffer_as_the_rate_says_and_a_seed_says_which() {
    let failures = failures_of(7, 0.25);
    let count = failures.iter().filter(|failed| **failed).count();
    assert!((200..300).contains(&count), "{count}");
    assert_eq!(failures, failures_of(7, 0.25));
    assert_ne!(failures, failures_of(8, 0.25));
    for (rate, injected) in [(0.0, 0), (-1.0, 0), (1.0, 1000), (1.1, 1000)] {
        let count = failures_of(7, rate).iter().filter(|failed| **failed).count();
        assert_eq!(count, injected, "{rate}");
    }
}

// A negative latency is refused when the injection begins, as every negative duration is.
#[test]
fn ch_002_no_latency_delays_nothing_and_a_negative_one_is_refused() {
    let (scope, _inside) = scope();
    let injection = chaos::inject("*", Chaos::new().latency(0)).unwrap();
    assert_eq!(rated(), Ok(1));
    assert_eq!(injection.hits(), 0);
    drop(injection);
    let error = chaos::inject("*", Chaos::new().latency("-1000ms")).unwrap_err();
    assert!(error.to_string().contains("chaos for '*', latency: `-1000ms` is negative"), "{error}");
    assert_eq!(rated(), Ok(1));
    assert_eq!(scope.clock().elapsed(), Duration::ZERO);
    assert_eq!(faults(scope), []);
}

// Cancelling is dropping the future, or a deadline that has passed.
#[tokio::test(start_paused = true)]
async fn ch_003_nothing_is_injected_into_a_call_that_is_cancelled() {
    let scope = world();
    let runs = AtomicU32::new(0);
    let calls = async {
        let _chaos = chaos::inject("chaos_all", Chaos::new().latency("500ms").error_rate(1.0)).unwrap();
        drop(guarded(&runs));
        assert_eq!(faults(&scope), [], "before it began");

        let expired = resilient::Deadline::after(Duration::ZERO);
        let answer = expired.attach_to(guarded(&runs)).await;
        assert_eq!(answer, refused("'chaos_all' passed its deadline, set by its caller"));
        assert_eq!(faults(&scope), [], "after its deadline");

        let cancelled = tokio::time::timeout(millis(200), guarded(&runs)).await;
        assert!(cancelled.is_err(), "in its latency");
        let snapshot = breaker("chaos_all").unwrap().snapshot();
        assert_eq!((snapshot.failed_calls, snapshot.abandoned_calls), (0, 1));
    };
    scope.run(calls).await;
    assert_eq!(runs.into_inner(), 0);
    assert_eq!(ending(&scope), StopReason::Cancelled);
}

#[test]
fn what_is_said_last_and_about_one_operation_comes_first() {
    let (_scope, _inside) = scope();
    let always = || Chaos::new().error_rate(1.0);
    let all = chaos::inject("*", always()).unwrap();
    assert!(rated().is_err());
    let exempt = chaos::inject(&operation_of("rated"), Chaos::new()).unwrap();
    assert!(rated().is_ok());
    let again = chaos::inject(&operation_of("rated"), always()).unwrap();
    assert!(rated().is_err());
    drop(again);
    assert!(rated().is_ok(), "the one before it again");
    drop(exempt);
    assert!(rated().is_err());
    assert_eq!(all.hits(), 2);
    chaos::stop();
    assert!(rated().is_ok());
    drop(all);
    let elsewhere = chaos::inject("no_such_operation", always()).unwrap();
    assert!(rated().is_ok());
    assert_eq!(elsewhere.hits(), 0);
}

fn operation_of(function: &str) -> String {
    let of = |operation: &resilient::Operation| operation.function.ends_with(&format!("::{function}"));
    resilient::operations().into_iter().find(of).expect("an operation").name.to_owned()
}

#[test]
fn chaos_is_told_loudly_once_and_stays_in_its_scope() {
    let (one, _inside) = scope();
    let _chaos = chaos::inject("chaos_fallback", Chaos::new().error_rate(0.5).panic_rate(0.125)).unwrap();
    assert_eq!(warnings(one), ["chaos_fallback: chaos is injected: errors 50 %, panics 12.50 %"]);
    let (other, _deeper) = scope();
    for _ in 0..100 {
        assert_eq!(with_fallback(), Ok(1));
    }
    assert!(warnings(other).is_empty());
    reset_resilience_state();
    assert!(warnings(other).is_empty());
}

#[test]
fn a_reset_ends_what_the_code_injected() {
    let (_scope, _inside) = scope();
    let injection = chaos::inject("*", Chaos::new().error_rate(1.0)).unwrap();
    reset_resilience_state();
    assert_eq!(rated(), Ok(1));
    drop(injection);
}

#[test]
fn an_injection_that_makes_no_sense_is_refused_with_everything_that_is_wrong() {
    let (scope, _inside) = scope();
    let error = chaos::inject("get user", Chaos::new().error_rate(f64::NAN)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "2 configuration problems\n  chaos for 'get user', error_rate: `NaN` is not a number; write a share of the \
         attempts from 0 to 1 (0.1); nothing is injected\n  chaos for 'get user': a name is 1 to 128 of the \
         characters A-Z a-z 0-9 _ . : -; this one has another at byte 3; nothing is injected"
    );
    assert!(warnings(scope).is_empty());
}

fn with_variables(variables: &[(&str, &str)]) -> (&'static Scope, ScopeGuard) {
    let mut scope = allowed();
    for (name, value) in variables {
        scope = scope.env(format!("PYNOMALY_{name}"), *value);
    }
    let scope: &'static Scope = Box::leak(Box::new(scope.build()));
    (scope, scope.enter())
}

#[test]
fn the_environment_begins_chaos_before_the_first_call() {
    let (scope, _inside) = with_variables(&[
        ("CHAOS_ENABLED", "true"),
        ("CHAOS_ERROR_RATE", "1.5"),
        ("OP_CHAOS_FALLBACK_CHAOS_ERROR_RATE", "0"),
        ("OP_CHAOS_FALLBACK_CHAOS_LATENCY", "250ms"),
    ]);
    assert_eq!(
        rated(),
        refused(&format!("'{}' failed on purpose: chaos injected an error", operation_of("rated")))
    );
    assert_eq!(with_fallback(), Ok(1));
    assert_eq!(scope.clock().elapsed(), millis(250), "its own latency, and no error of all");
    let told =
        ["chaos_fallback: chaos is injected: 250 ms of latency 100 %", "*: chaos is injected: errors 100 %"];
    assert_eq!(warnings(scope), told);
    builder().init().unwrap();
    assert!(rated().is_err());
    assert_eq!(warnings(scope), told, "read again, nothing new");

    let exempt = chaos::inject("*", Chaos::new()).unwrap();
    assert_eq!(rated(), Ok(1), "code comes before the environment");
    drop(exempt);
    chaos::stop();
    assert_eq!(rated(), Ok(1));
    builder().init().unwrap();
    assert_eq!(rated(), Ok(1), "stopped is stopped");
    reset_resilience_state();
    assert!(rated().is_err(), "as if the program had just started");
}

#[test]
fn without_its_switch_the_environment_injects_nothing_and_switched_off_nobody_does() {
    let (scope, _inside) = with_variables(&[("CHAOS_ERROR_RATE", "1")]);
    assert_eq!(rated(), Ok(1));
    validate().unwrap();
    assert!(warnings(scope).is_empty());
    drop(chaos::inject("*", Chaos::new().error_rate(1.0)).unwrap());

    let (_scope, _inside) = with_variables(&[("CHAOS_ENABLED", "no")]);
    let error = chaos::inject("*", Chaos::new().error_rate(1.0)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "1 configuration problem\n  chaos for '*': PYNOMALY_CHAOS_ENABLED forbids it; nothing is injected"
    );
}

#[test]
fn wrong_variables_are_reported_by_name() {
    let (scope, _inside) = with_variables(&[
        ("CHAOS_ENABLED", "true"),
        ("CHAOS_ERROR_RATE", "NaN"),
        ("CHAOS_LATENCY", "soon"),
        ("CHAOS_PANIC_RAT", "0.1"),
        ("OP_CHAOS_FALBACK_CHAOS_ERROR_RATE", "0.1"),
        ("OP_CHAOS_FALLBACK_CHAOS_EROR_RATE", "0.1"),
    ]);
    assert_eq!(rated(), Ok(1));
    let [complaint] = &complaints(scope)[..] else { panic!("{:?}", complaints(scope)) };
    let lines: Vec<&str> = complaint.lines().collect();
    assert_eq!(
        lines,
        [
            "6 configuration problems",
            "  PYNOMALY_CHAOS_ERROR_RATE: `NaN` is not a number; write a share of the attempts from 0 to 1 (0.1); it \
             is ignored",
            "  PYNOMALY_CHAOS_LATENCY: `soon` is not a duration; write seconds (30, 0.5) or a unit (250ms, 1m30s); it \
             is ignored",
            "  PYNOMALY_CHAOS_PANIC_RAT: no variable has this name; did you mean PYNOMALY_CHAOS_PANIC_RATE?; it is \
             ignored",
            "  PYNOMALY_OP_CHAOS_FALBACK_CHAOS_ERROR_RATE: no operation has this name; did you mean \
             PYNOMALY_OP_CHAOS_FALLBACK_CHAOS_ERROR_RATE?; it is ignored",
            "  PYNOMALY_OP_CHAOS_FALLBACK_CHAOS_EROR_RATE: no parameter has this name; did you mean \
             PYNOMALY_OP_CHAOS_FALLBACK_CHAOS_ERROR_RATE?; it is ignored",
            "  PYNOMALY_CHAOS_ENABLED: nothing says how much to inject; write PYNOMALY_CHAOS_ERROR_RATE, \
             PYNOMALY_CHAOS_LATENCY or PYNOMALY_CHAOS_PANIC_RATE; nothing is injected",
        ]
    );
    assert_eq!(validate().unwrap_err().problems().len(), 6);
}

#[circuit_breaker(name = "chaos_own_error")]
fn fails_by_itself() -> Answer {
    Err(Failure::Own)
}

#[test]
fn what_the_function_says_is_untouched_where_no_fault_is_drawn() {
    let (scope, _inside) = scope();
    let _chaos = chaos::inject("*", Chaos::new().error_rate(0.0).latency("1s").latency_rate(0.0)).unwrap();
    assert_eq!(fails_by_itself(), Err(Failure::Own));
    assert_eq!(scope.clock().elapsed(), Duration::ZERO);
    assert_eq!(faults(scope), []);
}

#[resilient(
    operation_name = "chaos_hedged",
    enable_retry = false,
    idempotent = true,
    hedge(delay = "100ms", max_hedges = 2)
)]
async fn hedged(runs: &AtomicU32) -> Answer {
    Ok(runs.fetch_add(1, Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn each_attempt_of_a_hedged_call_suffers_by_itself() {
    let (scope, runs) = (world(), AtomicU32::new(0));
    let calls = async {
        let injection = chaos::inject("chaos_hedged", Chaos::new().latency("250ms")).unwrap();
        assert_eq!(hedged(&runs).await, Ok(0));
        assert_eq!(injection.hits(), 3);
        assert!((millis(250)..millis(260)).contains(&scope.clock().elapsed()));
        drop(injection);
        let _errors = chaos::inject("chaos_hedged", Chaos::new().error_rate(1.0)).unwrap();
        assert_eq!(hedged(&runs).await, refused("'chaos_hedged' failed on purpose: chaos injected an error"));
    };
    scope.run(calls).await;
    assert_eq!(runs.into_inner(), 1);
}

#[bulkhead(max_concurrent = 1, operation_name = "chaos_bulkhead")]
fn alone() -> Answer {
    Ok(1)
}

#[test]
fn whoever_suffers_gives_back_what_it_holds() {
    let (_scope, _inside) = scope();
    for chaos in [Chaos::new().panic_rate(1.0), Chaos::new().error_rate(1.0)] {
        let _chaos = chaos::inject("*", chaos).unwrap();
        assert!(!matches!(catch_unwind(alone), Ok(Ok(_))));
        let bulkhead = bulkhead("chaos_bulkhead").unwrap().snapshot();
        assert_eq!((bulkhead.active_count, bulkhead.available), (0, 1));
    }
    assert_eq!(alone(), Ok(1));
}

#[test]
fn an_operation_made_at_run_time_suffers_under_its_name() {
    let (_scope, _inside) = scope();
    let retry = RetryPolicy::new().with_max_attempts(3).with_base_delay(0);
    let operation = ResilientOperation::builder("chaos_object").with_retry(retry).build().unwrap();
    let injection = chaos::inject("chaos_object", Chaos::new().error_rate(1.0)).unwrap();
    let answer: Answer = operation.call(|| Ok(1));
    assert_eq!(answer, refused("'chaos_object' failed on purpose: chaos injected an error"));
    assert_eq!(injection.hits(), 3);
    drop(injection);
    assert_eq!(operation.call(|| Answer::Ok(1)), Ok(1));
}

#[test]
fn a_release_build_refuses_chaos_unless_code_or_environment_allows_it() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let begin = || chaos::inject("*", Chaos::new().error_rate(1.0));
    assert_eq!(begin().is_ok(), cfg!(debug_assertions));
    builder().allow_chaos_in_release().init().unwrap();
    assert!(begin().is_ok());
}
