//! Seed 003, F01 to F15: the snippets and promises of its document; then the defects of its code that no scenario
//! covers.

use std::collections::BTreeMap;
use std::future::{Future, Ready, ready};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

use resilient::testing::{Flaky, Scope};
use resilient::{
    EventKind, HealthStatus, Settings, State, api_resilient, breaker, breakers, circuit_breaker,
    database_resilient, explain, reset_resilience_state, resilience_health, resilient, validate,
    with_timeout,
};
use serde_json::{Value, json};

use crate::support::{
    Answer, Backend, Fault, about, broken, count_events, each, each_in, failing, healthy, in_force, is_open,
    is_timeout, millis, opens_after, seconds, slow, state_of, told, totals,
};

twins! {
    test_operation: #[database_resilient]
    brittle: #[api_resilient(max_attempts = 1, failure_threshold = 1)]
    expensive: #[ml_resilient(max_attempts = 1)]
    user_service: #[api_resilient(max_attempts = 2, failure_threshold = 2, exhausted = "wrap")]
    critical: #[circuit_breaker(failure_threshold = 1, critical = true)]
}

#[tokio::test(start_paused = true)]
async fn seed_f01_resetting_around_each_test_lets_no_state_through() {
    let scope = Scope::new();
    let _inside = scope.enter();
    for guarded in brittle::BOTH {
        for _ in 0..2 {
            reset_resilience_state();
            assert!(matches!(guarded.call(&broken(|| Fault::Connection)).await, Err(Fault::Connection)));
            assert_eq!(guarded.breaker().state(), State::Open);
            reset_resilience_state();
            assert_eq!(
                (state_of(&guarded.breaker()), totals(&guarded.snapshot())),
                ((State::Closed, 0), (0, 0, 0))
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn seed_f02_the_documents_first_test_holds() {
    each(test_operation::BOTH, async |guarded, scope| {
        let backend = failing(2, || Fault::Connection);
        assert_eq!(guarded.call(&backend).await.unwrap(), "success");
        assert_eq!(backend.calls(), 3);
        let pauses = scope.pauses();
        assert_eq!(pauses.len(), 2);
        assert!((millis(250)..millis(500)).contains(&pauses[0]), "{pauses:?}");
        assert!((millis(500)..millis(1_000)).contains(&pauses[1]), "{pauses:?}");
    })
    .await;
}

fn health_json() -> Value {
    serde_json::from_str(&resilience_health().to_json()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn seed_f04_the_health_has_the_keys_of_the_document() {
    each(brittle::BOTH, async |guarded, _| {
        guarded.call(&healthy()).await.unwrap();
        let health = health_json();
        assert_eq!(health["overall_health"], "healthy");
        assert_eq!((&health["open_breakers"], &health["degraded_breakers"]), (&json!([]), &json!([])));
        let breaker = &health["circuit_breakers"][guarded.name];
        assert_eq!(breaker["state"], "closed");
        assert_eq!((&breaker["failure_rate"], &breaker["total_calls"]), (&json!(0.0), &json!(1)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_f05_an_open_breaker_shows_in_the_overall_health() {
    // The value that the header `X-Resilience-Status` carries; `unhealthy` only where the breaker is critical.
    for (guarded, status) in
        [(brittle::BOTH, HealthStatus::Degraded), (critical::BOTH, HealthStatus::Unhealthy)]
    {
        each(guarded, async |guarded, _| {
            guarded.call(&broken(|| Fault::Connection)).await.unwrap_err();
            let health = resilience_health();
            assert_eq!((health.overall_health, health.open_breakers), (status, vec![guarded.name]));
            assert_eq!(health_json()["overall_health"], status.to_string());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn seed_f06_the_metrics_of_the_document_follow_from_the_health() {
    each(brittle::BOTH, async |guarded, _| {
        guarded.call(&healthy()).await.unwrap();
        guarded.call(&broken(|| Fault::Connection)).await.unwrap_err();
        // As `/metrics/resilience` puts them together there.
        let health = health_json();
        let each = |key: &str| -> BTreeMap<String, Value> {
            let breakers = health["circuit_breakers"].as_object().unwrap();
            breakers.iter().map(|(name, stats)| (name.clone(), stats[key].clone())).collect()
        };
        let names: Vec<_> = breakers().iter().map(resilient::CircuitBreaker::name).collect();
        for (key, value) in
            [("state", json!("open")), ("failure_rate", json!(0.5)), ("total_calls", json!(2))]
        {
            let metrics = each(key);
            assert_eq!(metrics[guarded.name], value);
            assert_eq!(metrics.keys().collect::<Vec<_>>(), names);
        }
        assert_eq!(health["overall_health"], "degraded");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_f08_an_expensive_operation_is_called_once() {
    each(expensive::BOTH, async |guarded, scope| {
        let backend = broken(|| Fault::Connection);
        assert!(matches!(guarded.call(&backend).await, Err(Fault::Connection)));
        assert_eq!((backend.calls(), scope.pauses().len()), (1, 0));
    })
    .await;
}

limited! { cached: #[cache_resilient(timeout_seconds = 2.0)] }

#[tokio::test(start_paused = true)]
async fn seed_f09_a_slow_cache_is_a_timeout_after_its_attempts() {
    each(cached::ALL, async |guarded, scope| {
        let backend = slow(seconds(10));
        assert!(is_timeout(&guarded.call(&backend).await));
        assert_eq!((backend.calls(), scope.pauses().len()), (2, 1));
        assert_eq!(count_events(scope, |kind| matches!(kind, EventKind::AttemptTimedOut { .. })), 2);
    })
    .await;
}

#[api_resilient(max_attempts = 2, failure_threshold = 2, fallback = basic)]
fn enrich(backend: &Backend) -> Answer {
    backend.call()
}

#[allow(clippy::unnecessary_wraps, reason = "a fallback returns what its function does")]
fn basic(_: &Backend) -> Answer {
    Ok("basic data")
}

#[api_resilient(max_attempts = 2, failure_threshold = 2, fallback = basic_later)]
async fn enrich_later(backend: &Backend) -> Answer {
    backend.call_async().await
}

fn basic_later(_: &Backend) -> Ready<Answer> {
    ready(Ok("basic data"))
}

#[tokio::test(start_paused = true)]
async fn seed_f10_basic_data_stands_in_for_an_exhausted_call_and_for_a_refused_one() {
    // Written around the call, as in the document.
    each(user_service::BOTH, async |guarded, _| {
        let backend = broken(|| Fault::Connection);
        for kind in ["retries_exhausted", "circuit_open"] {
            let answer = guarded.call(&backend).await;
            assert_eq!(told(std::slice::from_ref(&answer)), [kind]);
            let answer = match answer {
                Err(Fault::Refused(refusal))
                    if refusal.is_circuit_open() || refusal.is_retries_exhausted() =>
                {
                    Ok("basic data")
                }
                other => other,
            };
            assert_eq!(answer.unwrap(), "basic data");
        }
        assert_eq!(backend.calls(), 2);
    })
    .await;
    // Written as a key.
    let scope = Scope::new();
    let _inside = scope.enter();
    let (backend, later) = (broken(|| Fault::Connection), broken(|| Fault::Connection));
    for _ in 0..2 {
        assert_eq!(enrich(&backend).unwrap(), "basic data");
        assert_eq!(enrich_later(&later).await.unwrap(), "basic data");
    }
    assert_eq!((backend.calls(), later.calls()), (2, 2));
    assert_eq!(count_events(&scope, |kind| matches!(kind, EventKind::FallbackUsed)), 4);
}

/// `with resilient_context(..) as ctx: ctx.call(..)`
#[resilient(
    operation_type = "database",
    operation_name = "seed_f11_bulk",
    timeout_seconds = 30.0,
    timeout_mode = "deadline",
    max_attempts = 2,
    failure_threshold = 4
)]
fn call<T>(operation: impl Fn() -> Result<T, Fault>) -> Result<T, Fault> {
    operation()
}

/// `async with resilient_context(..) as ctx: await ctx.acall(..)`
#[resilient(
    operation_type = "api",
    operation_name = "seed_f11_bulk_api",
    max_attempts = 2,
    failure_threshold = 4
)]
async fn acall<T>(operation: impl AsyncFn() -> Result<T, Fault>) -> Result<T, Fault> {
    operation().await
}

#[tokio::test(start_paused = true)]
async fn seed_f11_operations_in_one_context_share_settings_and_breaker() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let users = Flaky::new().fail_times(1, || Fault::Connection).then(vec!["John", "Jane"]);
    let update = broken(|| Fault::Connection);

    assert_eq!(call(|| users.call()).unwrap(), ["John", "Jane"]);
    assert!(call(|| update.call()).is_err());
    assert_eq!((users.calls(), update.calls()), (2, 2));
    assert_eq!(totals(&breaker("seed_f11_bulk").unwrap().snapshot()), (4, 1, 3));

    let profile = Flaky::new().fail_times(1, || Fault::Connection).then(1_u32);
    assert_eq!(acall(async || profile.call_async().await).await.unwrap(), 1);
    assert!(acall(async || update.call_async().await).await.is_err());
    assert_eq!((profile.calls(), update.calls()), (2, 4));
    assert_eq!(totals(&breaker("seed_f11_bulk_api").unwrap().snapshot()), (4, 1, 3));
}

twins! {
    of_default: #[resilient]
    of_database: #[database_resilient]
    of_cache: #[cache_resilient]
    of_api: #[api_resilient]
    of_file: #[file_resilient]
    of_ml: #[ml_resilient]
}

#[tokio::test(start_paused = true)]
async fn seed_f12_every_kind_of_operation_has_its_defaults() {
    const PARAMETERS: [&str; 6] =
        ["timeout", "max_attempts", "base_delay", "max_delay", "failure_threshold", "recovery_timeout"];
    for (guarded, defaults) in [
        (of_default::BOTH, ["5s", "3", "1s", "1m", "5", "1m"]),
        (of_database::BOTH, ["30s", "3", "500ms", "10s", "3", "30s"]),
        (of_cache::BOTH, ["5s", "2", "100ms", "1s", "3", "15s"]),
        (of_api::BOTH, ["1m", "5", "1s", "30s", "5", "1m"]),
        (of_file::BOTH, ["10s", "3", "200ms", "5s", "3", "30s"]),
        (of_ml::BOTH, ["5m", "2", "5s", "30s", "2", "2m"]),
    ] {
        each(guarded, async |guarded, _| {
            let in_force = guarded.in_force();
            assert_eq!(PARAMETERS.map(|parameter| in_force[parameter].as_str()), defaults);
            let (base, jitter, successes) =
                (&in_force["exponential_base"], &in_force["jitter"], &in_force["success_threshold"]);
            assert_eq!((base.as_str(), jitter.as_str(), successes.as_str()), ("2", "true", "2"));
            let switches = ["enable_timeout", "enable_retry", "enable_circuit_breaker"];
            assert_eq!(switches.map(|switch| in_force[switch].as_str()), ["true"; 3]);
        })
        .await;
    }
}

twins! {
    seven: #[database_resilient(failure_threshold = "off")]
    listed: #[resilient(
        operation_type = "custom", max_attempts = 5, retry_on = Fault::Connection | Fault::Timeout
    )]
    no_retry: #[resilient(enable_retry = false, failure_threshold = 2)]
    no_breaker: #[resilient(enable_circuit_breaker = false, max_attempts = 9)]
    no_limit: #[resilient(enable_timeout = false)]
}

#[tokio::test(start_paused = true)]
async fn seed_f13_a_variable_decides_how_many_attempts_a_database_gets() {
    let scope = || Scope::builder().env("PYNOMALY_DATABASE_MAX_ATTEMPTS", "7").build();
    each_in(scope, seven::BOTH, async |guarded, _| {
        let backend = broken(|| Fault::Connection);
        guarded.call(&backend).await.unwrap_err();
        assert_eq!(backend.calls(), 7);
    })
    .await;
    // With the preset's threshold the breaker opens at the third of them.
    each_in(scope, of_database::BOTH, async |guarded, _| {
        let backend = broken(|| Fault::Connection);
        assert!(is_open(&guarded.call(&backend).await));
        assert_eq!((guarded.in_force()["max_attempts"].as_str(), backend.calls()), ("7", 3));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_f14_an_error_that_is_not_listed_is_tried_once() {
    each(listed::BOTH, async |guarded, _| {
        for (fault, attempts) in
            [((|| Fault::Value) as fn() -> Fault, 1), (|| Fault::Connection, 5), (|| Fault::Timeout, 5)]
        {
            guarded.breaker().reset();
            let backend = broken(fault);
            assert_eq!(guarded.call(&backend).await.unwrap_err().to_string(), fault().to_string());
            assert_eq!(backend.calls(), attempts);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_f15_a_layer_that_is_switched_off_is_absent() {
    for (guarded, layers) in [
        (of_default::BOTH, &["retry", "circuit breaker", "timeout", "function"][..]),
        (no_retry::BOTH, &["circuit breaker", "timeout", "function"]),
        (no_breaker::BOTH, &["retry", "timeout", "function"]),
        (no_limit::BOTH, &["retry", "circuit breaker", "function"]),
    ] {
        each(guarded, async |guarded, _| assert_eq!(explain(guarded.name).unwrap().layers(), layers)).await;
    }
    each(no_retry::BOTH, async |guarded, _| {
        let answers = guarded.calls(3, &broken(|| Fault::Value)).await;
        assert_eq!(told(&answers), ["bad value", "bad value", "circuit_open"]);
    })
    .await;
    each(no_breaker::BOTH, async |guarded, _| {
        let backend = broken(|| Fault::Value);
        guarded.call(&backend).await.unwrap_err();
        assert_eq!(backend.calls(), 9);
        assert!(breaker(guarded.name).is_err());
    })
    .await;
    each(no_limit::BOTH, async |guarded, _| {
        assert_eq!(guarded.call(&slow(seconds(1_000_000))).await.unwrap(), "success");
    })
    .await;
}

limited! { tenth: #[with_timeout(0.1)] }

/// Ends only when it is told to; says so.
#[with_timeout(0.02)]
fn stuck(let_go: Arc<Barrier>, ended: Arc<AtomicBool>) -> Answer {
    let_go.wait();
    ended.store(true, Ordering::SeqCst);
    let_go.wait();
    Ok("late")
}

#[tokio::test(start_paused = true)]
async fn seed_defect_003_02_limits_below_a_second_hold() {
    each(tenth::ALL, async |guarded, _| {
        for (work, ends) in [(50, "success"), (101, "timeout"), (300, "timeout"), (1_200, "timeout")] {
            assert_eq!(told(&guarded.calls(1, &slow(millis(work))).await), [ends], "{work} ms");
        }
    })
    .await;
}

#[test]
fn seed_defect_003_03_limits_hold_on_every_thread_and_the_caller_does_not_wait_for_the_end() {
    let in_a_thread = thread::spawn(|| {
        let scope = Scope::new();
        let _inside = scope.enter();
        let (let_go, ended) = (Arc::new(Barrier::new(2)), Arc::new(AtomicBool::new(false)));
        let answer = stuck(Arc::clone(&let_go), Arc::clone(&ended));
        // The work is still under way: it waits for the line after this one.
        assert!(!ended.load(Ordering::SeqCst));
        let_go.wait();
        let_go.wait();
        assert!(ended.load(Ordering::SeqCst));
        answer
    });
    assert!(is_timeout(&in_a_thread.join().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn seed_defect_003_04_an_error_in_time_is_the_functions_own_and_nothing_is_left_to_fire_later() {
    each(tenth::ALL, async |guarded, _| {
        let backend: Backend = Arc::new(
            Flaky::new().then_err(|| Fault::Value).takes(millis(50)).then("success").takes(millis(90)),
        );
        assert!(matches!(guarded.call(&backend).await, Err(Fault::Value)));
        // 140 ms after the first call began.
        assert_eq!(guarded.call(&backend).await.unwrap(), "success");
    })
    .await;
}

#[test]
fn seed_defect_003_05_ten_threads_at_the_end_of_the_open_time_are_one_probe() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let breaker = opens_after(1);
    breaker.open();
    scope.clock().advance(seconds(1));
    let barrier = Barrier::new(10);
    let (admitted, permits) = mpsc::channel();
    thread::scope(|threads| {
        for _ in 0..10 {
            let (breaker, barrier, admitted) = (&breaker, &barrier, admitted.clone());
            threads.spawn(move || {
                barrier.wait();
                breaker.try_acquire().into_iter().for_each(|permit| admitted.send(permit).unwrap());
            });
        }
    });
    drop(admitted);
    assert_eq!((permits.iter().count(), breaker.snapshot().rejected_calls), (1, 9));
}

#[tokio::test(start_paused = true)]
async fn seed_defect_003_06_every_operation_has_its_own_breaker() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let [bad, good] = of_database::BOTH;
    bad.calls(2, &broken(|| Fault::Connection)).await;
    assert_eq!((bad.breaker().state(), state_of(&good.breaker())), (State::Open, (State::Closed, 0)));
    assert_eq!(good.call(&healthy()).await.unwrap(), "success");
}

#[test]
fn seed_defect_003_07_the_health_lists_every_breaker_before_the_first_call() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let health = resilience_health();
    let of_types =
        [of_default::BOTH, of_database::BOTH, of_cache::BOTH, of_api::BOTH, of_file::BOTH, of_ml::BOTH];
    for guarded in of_types.as_flattened() {
        assert!(health.circuit_breakers.contains_key(guarded.name), "{}", guarded.name);
    }
    assert_eq!(health.circuit_breakers.len(), breakers().len());
}

twins! {
    of_our_own: #[database_resilient(ignore = Fault::Value | Fault::Type)]
    timeouts_too: #[resilient(
        max_attempts = 3, failure_threshold = "off",
        retry_on = Fault::Connection | Fault::Refused(ResilienceError::Timeout { .. })
    )]
    not_timeouts: #[resilient(max_attempts = 3, failure_threshold = "off", retry_on = Fault::Connection)]
}

#[tokio::test(start_paused = true)]
async fn seed_defect_003_08_our_own_bugs_are_neither_retried_nor_counted() {
    each(of_our_own::BOTH, async |guarded, _| {
        let backend = broken(|| Fault::Value);
        assert_eq!(told(&guarded.calls(5, &backend).await), ["bad value"; 5]);
        assert_eq!((backend.calls(), state_of(&guarded.breaker())), (5, (State::Closed, 0)));
    })
    .await;
}

/// Reads in time or not at all; an `io::Error` tells a time limit as the system's own.
#[resilient(max_attempts = 3, retry_if = |error| error.kind() == io::ErrorKind::TimedOut)]
async fn read(took: Duration, backend: &Backend) -> io::Result<&'static str> {
    tokio::time::sleep(took).await;
    backend.call().map_err(io::Error::other)
}

#[tokio::test(start_paused = true)]
async fn seed_defect_003_09_a_list_with_timeouts_matches_our_timeout() {
    for (guarded, attempts) in [(timeouts_too::BOTH, 3), (not_timeouts::BOTH, 1)] {
        each(guarded, async |guarded, _| {
            let backend = slow(seconds(60));
            assert!(is_timeout(&guarded.call(&backend).await));
            assert_eq!(backend.calls(), attempts);
        })
        .await;
    }
    let scope = Scope::new();
    let _inside = scope.enter();
    assert_eq!(read(seconds(60), &healthy()).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(scope.pauses().len(), 2);
    assert!(read(seconds(1), &broken(|| Fault::Value)).await.is_err());
    assert_eq!(scope.pauses().len(), 2);
}

#[resilient(operation_name = "seed_defect_003_rapid_validation")]
fn rapid_validation(backend: &Backend) -> Answer {
    backend.call()
}

#[test]
fn seed_defect_003_10_no_defaults_are_guessed_from_a_name() {
    let scope = Scope::new();
    let _inside = scope.enter();
    rapid_validation(&healthy()).unwrap();
    let by_name = in_force("seed_defect_003_rapid_validation");
    assert_eq!(by_name, of_default::BOTH[0].in_force());
}

#[tokio::test(start_paused = true)]
async fn seed_defect_003_11_an_exhausted_calls_error_leads_to_the_last_one() {
    each(user_service::BOTH, async |guarded, _| {
        let fault = guarded.call(&broken(|| Fault::Http(503))).await.unwrap_err();
        let refusal = fault.refusal().unwrap();
        let last = std::error::Error::source(refusal).unwrap();
        assert!(matches!(last.downcast_ref(), Some(Fault::Http(503))));
    })
    .await;
}

/// Not `async`, but what it gives is.
#[circuit_breaker(name = "seed_defect_003_12", failure_threshold = 2)]
fn gives_a_future(backend: &Backend) -> impl Future<Output = Answer> {
    async move { backend.call_async().await }
}

#[tokio::test(start_paused = true)]
async fn seed_defect_003_12_the_breaker_sees_what_a_future_ends_with() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let backend = broken(|| Fault::Connection);
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(gives_a_future(&backend).await);
    }
    assert_eq!(told(&answers), ["connection lost", "connection lost", "circuit_open"]);
    assert_eq!(backend.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn seed_defect_003_13_a_reset_forgets_the_statistics_too() {
    each(brittle::BOTH, async |guarded, _| {
        guarded.calls(2, &broken(|| Fault::Connection)).await;
        assert!(about(guarded.snapshot().failure_rate, 1.0));
        guarded.breaker().reset();
        let snapshot = guarded.snapshot();
        assert_eq!((totals(&snapshot), snapshot.blocked_calls), ((0, 0, 0), 0));
        assert!(about(snapshot.failure_rate, 0.0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_defect_003_14_a_breaker_that_opens_stops_the_retries_of_others() {
    let [.., guarded] = no_limit::BOTH;
    let scope = Scope::builder().settings(guarded.name, Settings::new().jitter(false)).build();
    let _inside = scope.enter();
    let backend = broken(|| Fault::Connection);
    let open_meanwhile = async {
        tokio::time::sleep(millis(500)).await;
        guarded.breaker().open();
    };
    let (answer, ()) = tokio::join!(guarded.call(&backend), open_meanwhile);
    assert!(is_open(&answer));
    assert_eq!((backend.calls(), scope.pauses()), (1, vec![seconds(1)]));
}

#[tokio::test(start_paused = true)]
async fn seed_defect_003_15_the_master_switch_turns_every_layer_off() {
    let scope = || Scope::builder().env("PYNOMALY_RESILIENCE_ENABLED", "false").build();
    each_in(scope, [brittle::BOTH, of_database::BOTH].concat(), async |guarded, _| {
        let backend = broken(|| Fault::Connection);
        assert_eq!(told(&guarded.calls(9, &backend).await), ["connection lost"; 9]);
        assert_eq!(backend.calls(), 9);
    })
    .await;
    each_in(scope, tenth::ALL, async |guarded, _| {
        assert_eq!(guarded.call(&slow(seconds(10))).await.unwrap(), "success");
    })
    .await;
    // But a fallback stays.
    let scope = scope();
    let _inside = scope.enter();
    assert_eq!(enrich(&broken(|| Fault::Connection)).unwrap(), "basic data");
}

#[test]
fn seed_defect_003_16_variables_out_of_range_or_in_no_list_are_reported() {
    for (variable, value, told) in [
        ("PYNOMALY_DATABASE_FAILURE_THRESHOLD", "0", "`0` is too small"),
        ("PYNOMALY_DATABASE_TIMEOUT", "-1", "is negative"),
        ("PYNOMALY_DATABASE_TIMEOUT", "", "is empty"),
        ("PYNOMALY_DATABASE_MAX_ATTEMPTS", "3.5", "3.5"),
        ("PYNOMALY_RESILIENCE__DATABASE_TIMEOUT", "55", "PYNOMALY_DATABASE_TIMEOUT"),
    ] {
        let scope = Scope::builder().env(variable, value).build();
        let _inside = scope.enter();
        let errors = validate().unwrap_err();
        let problem = errors.problems().iter().find(|problem| problem.source_name() == variable);
        let text = problem.unwrap_or_else(|| panic!("{errors}")).to_string();
        assert!(text.contains(told), "{text}");
        // What is wrong changes nothing.
        assert_eq!(of_database::BOTH[0].in_force()["timeout"], "30s");
    }
}

/// A method: neither a name nor a list decides that it is guarded.
struct Client {
    backend: Backend,
}

impl Client {
    #[database_resilient(operation_name = "seed_defect_003_17", max_attempts = 3)]
    fn query(&self) -> Answer {
        self.backend.call()
    }
}

#[test]
fn seed_defect_003_17_a_method_is_guarded_like_a_function() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let client = Client { backend: failing(2, || Fault::Connection) };
    assert_eq!(client.query().unwrap(), "success");
    assert_eq!(client.backend.calls(), 3);
}
