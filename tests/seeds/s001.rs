//! Seed 001: the eight tests of its retries, the scenarios of its demo and README; then the defects of its code that
//! no scenario covers.

use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use resilient::testing::{Flaky, Scope};
use resilient::{
    EventKind, HealthStatus, ResilienceError, State, StopReason, breaker, circuit_breaker,
    retry_with_backoff, service_health, subscribe, track_service_health, with_timeout,
};
use serde_json::Value;

use crate::support::{
    Answer, Backend, Fault, about, broken, count_events, each, failing, healthy, is_open, is_timeout, millis,
    seconds, slow, state_of, told, totals,
};

twins! {
    by_default: #[retry_with_backoff]
    thrice_again: #[retry_with_backoff(max_retries = 3, base_delay = 0.01, exponential_base = 1)]
    connections_only: #[retry_with_backoff(max_retries = 3, retry_on = Fault::Connection)]
    plain: #[retry_with_backoff(max_retries = 3, base_delay = 0.1, exponential_base = 2, jitter = false)]
    gives_up: #[retry_with_backoff(max_retries = 10, base_delay = 0.2, backoff = "constant", jitter = false, deadline = 0.5)]
    asks: #[retry_with_backoff(max_retries = 3, retry_if = |error| error.to_string().contains("connection"))]
}

#[tokio::test(start_paused = true)]
async fn seed_001_01_a_success_is_called_once() {
    each(by_default::BOTH, async |guarded, _| {
        let backend = healthy();
        assert_eq!(guarded.call(&backend).await.unwrap(), "success");
        assert_eq!(backend.calls(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_001_02_two_lost_connections_are_made_good() {
    each(thrice_again::BOTH, async |guarded, _| {
        let backend = failing(2, || Fault::Connection);
        assert_eq!(guarded.call(&backend).await.unwrap(), "success");
        assert_eq!(backend.calls(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_001_03_three_retries_are_four_calls_and_the_last_error_surfaces() {
    each(thrice_again::BOTH, async |guarded, _| {
        let backend = broken(|| Fault::Connection);
        assert!(matches!(guarded.call(&backend).await, Err(Fault::Connection)));
        assert_eq!(backend.calls(), 4);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_001_04_an_error_that_is_not_listed_surfaces_at_once() {
    each(connections_only::BOTH, async |guarded, _| {
        let backend: Backend =
            Arc::new(Flaky::new().then_err(|| Fault::Connection).then_err(|| Fault::Value));
        assert!(matches!(guarded.call(&backend).await, Err(Fault::Value)));
        assert_eq!(backend.calls(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_001_05_the_waits_double_from_the_base() {
    each(plain::BOTH, async |guarded, scope| {
        let backend = broken(|| Fault::Connection);
        guarded.call(&backend).await.unwrap_err();
        assert_eq!((scope.pauses(), backend.calls()), (vec![millis(100), millis(200), millis(400)], 4));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_001_06_the_error_surfaces_when_the_time_for_all_attempts_is_over() {
    // `giveup_after = 0.5` there; a deadline also counts the wait that is still to come.
    each(gives_up::BOTH, async |guarded, scope| {
        let backend = broken(|| Fault::Connection);
        assert!(matches!(guarded.call(&backend).await, Err(Fault::Connection)));
        assert_eq!((backend.calls(), scope.clock().elapsed()), (3, millis(400)));
        let gave_up =
            |kind: &EventKind| matches!(kind, EventKind::Finished { reason: StopReason::DelayTooLong, .. });
        assert_eq!(count_events(scope, gave_up), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_001_07_a_listener_hears_of_each_retry() {
    // `on_retry` there.
    each(thrice_again::BOTH, async |guarded, _| {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&heard);
        let subscription = subscribe(move |event| {
            if let EventKind::RetryScheduled { attempt, .. } = event.kind {
                record.lock().unwrap().push((event.operation, attempt));
            }
        });
        let backend = failing(2, || Fault::Connection);
        assert_eq!(guarded.call(&backend).await.unwrap(), "success");
        assert_eq!(*heard.lock().unwrap(), [(guarded.name, 1), (guarded.name, 2)]);
        assert_eq!(backend.calls(), 3);
        drop(subscription);
        guarded.call(&failing(1, || Fault::Connection)).await.unwrap();
        assert_eq!(heard.lock().unwrap().len(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_001_08_a_condition_decides_by_the_error() {
    each(asks::BOTH, async |guarded, _| {
        let backend: Backend =
            Arc::new(Flaky::new().then_err(|| Fault::Connection).then_err(|| Fault::Value));
        assert!(matches!(guarded.call(&backend).await, Err(Fault::Value)));
        assert_eq!(backend.calls(), 2);
    })
    .await;
}

twins! {
    // One success closes there; 2 by default here.
    database: #[circuit_breaker(failure_threshold = 3, recovery_timeout = 30, success_threshold = 1)]
    at_once: #[circuit_breaker(failure_threshold = 1, recovery_timeout = 30, ignore = Fault::Value)]
}

#[tokio::test(start_paused = true)]
async fn seed_001_09_an_open_breaker_refuses_for_thirty_seconds_and_then_asks_once() {
    each(database::BOTH, async |guarded, scope| {
        for (probe, then) in [(healthy(), State::Closed), (broken(|| Fault::Connection), State::Open)] {
            let backend = broken(|| Fault::Connection);
            let answers = guarded.calls(4, &backend).await;
            assert_eq!(
                told(&answers),
                ["connection lost", "connection lost", "connection lost", "circuit_open"]
            );
            scope.clock().advance(millis(29_999));
            assert!(is_open(&guarded.call(&backend).await));
            assert_eq!(backend.calls(), 3);

            scope.clock().advance(millis(1));
            assert_eq!(guarded.call(&probe).await.is_ok(), then == State::Closed);
            assert_eq!((guarded.breaker().state(), probe.calls()), (then, 1));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_001_10_only_failures_in_a_row_open() {
    each(database::BOTH, async |guarded, _| {
        for backend in [failing(2, || Fault::Connection), failing(2, || Fault::Connection)] {
            guarded.calls(2, &backend).await;
            assert_eq!(state_of(&guarded.breaker()), (State::Closed, 2));
            guarded.call(&backend).await.unwrap();
        }
        assert_eq!(state_of(&guarded.breaker()), (State::Closed, 0));
    })
    .await;
}

#[circuit_breaker(failure_threshold = 1, fallback = cached)]
fn lookup(key: &str, backend: &Backend) -> Result<String, Fault> {
    backend.call().map(|found| format!("{found}: {key}"))
}

#[allow(clippy::unnecessary_wraps, reason = "a fallback returns what its function does")]
fn cached(key: &str, _: &Backend) -> Result<String, Fault> {
    Ok(format!("cached: {key}"))
}

#[circuit_breaker(failure_threshold = 1, fallback = cached_later)]
async fn lookup_later(key: &str, backend: &Backend) -> Result<String, Fault> {
    backend.call_async().await.map(|found| format!("{found}: {key}"))
}

fn cached_later(key: &str, _: &Backend) -> Ready<Result<String, Fault>> {
    ready(Ok(format!("cached: {key}")))
}

#[tokio::test(start_paused = true)]
async fn seed_001_11_the_fallback_gets_the_calls_arguments() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let backend = failing(2, || Fault::Connection);
    // There only a refusal is stood in for; here any final error is.
    for _ in 0..2 {
        assert_eq!(lookup("key", &backend).unwrap(), "cached: key");
        assert_eq!(lookup_later("key", &backend).await.unwrap(), "cached: key");
    }
    assert_eq!(backend.calls(), 2);
    let names = ["lookup", "lookup_later"].map(|function| format!("{}::{function}", module_path!()));
    assert_eq!(names.map(|name| breaker(&name).unwrap().state()), [State::Open; 2]);
    scope.clock().advance(seconds(60));
    assert_eq!(lookup("key", &backend).unwrap(), "success: key");
    assert_eq!(lookup_later("key", &backend).await.unwrap(), "success: key");
}

#[tokio::test(start_paused = true)]
async fn seed_001_12_while_the_probe_is_under_way_everybody_else_is_refused() {
    let [.., guarded] = database::BOTH;
    each([guarded], async |guarded, scope| {
        guarded.calls(3, &broken(|| Fault::Connection)).await;
        scope.clock().advance(seconds(30));
        let (probe, others) = (slow(seconds(5)), healthy());
        let meanwhile = async {
            tokio::time::sleep(seconds(1)).await;
            guarded.calls(10, &others).await
        };
        let (probed, answers) = tokio::join!(guarded.call(&probe), meanwhile);
        assert_eq!((told(&answers), others.calls()), (vec!["circuit_open".to_owned(); 10], 0));
        assert_eq!((probed.unwrap(), guarded.breaker().state()), ("success", State::Closed));
    })
    .await;
}

limited! {
    two_seconds: #[with_timeout(seconds = 2)]
    tracked: #[with_timeout(2)] #[track_service_health("seed_001_tracked")]
}

#[tokio::test(start_paused = true)]
async fn seed_001_13_a_ten_second_operation_is_given_up_after_two() {
    each(two_seconds::ALL, async |guarded, _| {
        assert!(is_timeout(&guarded.call(&slow(seconds(10))).await));
        assert_eq!(guarded.call(&slow(seconds(1))).await.unwrap(), "success");
    })
    .await;
    // What is dropped at the limit takes no longer than it.
    let [.., awaited] = two_seconds::ALL;
    each([awaited], async |guarded, scope| {
        assert!(is_timeout(&guarded.call(&slow(seconds(10))).await));
        assert_eq!(scope.clock().elapsed(), seconds(2));
    })
    .await;
}

limited! {
    combined:
        #[with_timeout(seconds = 2)]
        #[retry_with_backoff(max_retries = 1, base_delay = 0.1, jitter = false)]
        #[circuit_breaker(failure_threshold = 3, recovery_timeout = 5)]
        #[track_service_health("seed_001_14")]
}

#[tokio::test(start_paused = true)]
async fn seed_001_14_the_whole_stack_counts_everything_and_recovers() {
    each(combined::ALL, async |guarded, scope| {
        // Four attempts of six fail, one of them by the limit.
        let backend: Backend = Arc::new(
            Flaky::new()
                .then("success")
                .then_err(|| Fault::Connection)
                .then("success")
                .then_err(|| Fault::Connection)
                .then("late")
                .takes(seconds(10))
                .then_err(|| Fault::Connection)
                .then("success"),
        );
        let answers = guarded.calls(5, &backend).await;
        assert_eq!(told(&answers), ["success", "success", "timeout", "circuit_open", "circuit_open"]);
        let snapshot = guarded.snapshot();
        assert_eq!((totals(&snapshot), snapshot.rejected_calls, snapshot.times_opened), ((6, 2, 4), 2, 1));
        assert_eq!(count_events(scope, |kind| matches!(kind, EventKind::AttemptTimedOut { .. })), 1);
        let health = service_health("seed_001_14").unwrap().metrics().statistics;
        assert_eq!((health.total_count, health.success_count, health.failure_count), (6, 2, 4));

        scope.clock().advance(seconds(6));
        assert_eq!(told(&guarded.calls(3, &backend).await), ["success"; 3]);
        assert_eq!((guarded.breaker().state(), backend.calls()), (State::Closed, 9));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_001_15_a_service_that_fails_two_calls_of_five_is_unhealthy() {
    each(tracked::ALL, async |guarded, _| {
        let (good, bad) = (slow(millis(100)), broken(|| Fault::Connection));
        for _ in 0..4 {
            guarded.calls(3, &good).await;
            guarded.calls(2, &bad).await;
        }
        let health = service_health("seed_001_tracked").unwrap();
        assert!(health.is_unhealthy() && !health.is_degraded() && !health.is_healthy());

        let metrics = health.metrics();
        let statistics = &metrics.statistics;
        assert_eq!((statistics.total_count, statistics.success_count, statistics.failure_count), (20, 12, 8));
        assert!(about(statistics.error_rate.unwrap(), 0.4) && about(statistics.success_rate.unwrap(), 0.6));
        assert!(about(statistics.average_response_time.unwrap(), 0.06));
        assert!(about(statistics.p95_response_time.unwrap(), 0.1));

        let json = serde_json::to_value(&metrics).unwrap();
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&json), ["last_status_change", "name", "statistics", "status", "thresholds"]);
        assert_eq!(
            keys(&json["statistics"]),
            [
                "average_response_time",
                "error_rate",
                "failure_count",
                "p95_response_time",
                "success_count",
                "success_rate",
                "total_count"
            ]
        );
        assert_eq!(
            json["thresholds"],
            serde_json::json!({
                "degraded_response_time": 1.0,
                "unhealthy_response_time": 3.0,
                "degraded_error_rate": 0.05,
                "unhealthy_error_rate": 0.2,
            })
        );
        // "UNHEALTHY" there.
        assert_eq!((&json["name"], &json["status"]), (&"seed_001_tracked".into(), &"unhealthy".into()));
    })
    .await;
}

/// The snippets of the README, in its order of attributes.
mod readme {
    use super::{Answer, Backend, circuit_breaker, retry_with_backoff, track_service_health, with_timeout};

    #[retry_with_backoff(max_retries = 3, base_delay = 0.5)]
    pub(super) fn external_api_call(backend: &Backend) -> Answer {
        backend.call()
    }

    #[circuit_breaker(name = "seed_001_16_database", failure_threshold = 3, recovery_timeout = 30)]
    pub(super) fn database_operation(backend: &Backend) -> Answer {
        backend.call()
    }

    #[with_timeout(seconds = 5)]
    pub(super) fn time_sensitive_operation(backend: Backend) -> Answer {
        backend.call()
    }

    #[track_service_health("seed_001_16_api")]
    pub(super) fn call_external_api(backend: &Backend) -> Answer {
        backend.call()
    }

    // There two snippets give the breaker "database" different settings, which is reported here.
    #[retry_with_backoff(max_retries = 3)]
    #[circuit_breaker(name = "seed_001_16_robust")]
    #[with_timeout(seconds = 5)]
    #[track_service_health("seed_001_16_robust")]
    pub(super) fn robust_database_operation(backend: Backend) -> Answer {
        backend.call()
    }
}

#[test]
fn seed_001_16_the_readmes_snippets_work() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let backend = failing(3, || Fault::Connection);
    assert_eq!(readme::external_api_call(&backend).unwrap(), "success");
    assert_eq!(backend.calls(), 4);

    let backend = broken(|| Fault::Connection);
    let answers: Vec<_> = (0..4).map(|_| readme::database_operation(&backend)).collect();
    assert_eq!(told(&answers), ["connection lost", "connection lost", "connection lost", "circuit_open"]);

    assert!(is_timeout(&readme::time_sensitive_operation(slow(seconds(6)))));

    for _ in 0..10 {
        readme::call_external_api(&healthy()).unwrap();
    }
    assert!(service_health("seed_001_16_api").unwrap().is_healthy());

    let backend = failing(3, || Fault::Connection);
    assert_eq!(readme::robust_database_operation(Arc::clone(&backend)).unwrap(), "success");
    assert_eq!(totals(&breaker("seed_001_16_robust").unwrap().snapshot()), (4, 1, 3));
    assert_eq!(service_health("seed_001_16_robust").unwrap().metrics().statistics.total_count, 4);
}

#[tokio::test(start_paused = true)]
async fn seed_defect_001_01_a_probe_that_is_ignored_gives_its_slot_back() {
    each(at_once::BOTH, async |guarded, scope| {
        guarded.call(&broken(|| Fault::Connection)).await.unwrap_err();
        scope.clock().advance(seconds(30));
        let answers = guarded.calls(5, &broken(|| Fault::Value)).await;
        assert_eq!(told(&answers), ["bad value"; 5]);
        assert_eq!(guarded.breaker().state(), State::HalfOpen);
        assert_eq!(told(&guarded.calls(2, &healthy()).await), ["success"; 2]);
        assert_eq!(guarded.breaker().state(), State::Closed);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_defect_001_02_a_probe_that_is_cancelled_gives_its_slot_back() {
    let [.., guarded] = database::BOTH;
    each([guarded], async |guarded, scope| {
        guarded.calls(3, &broken(|| Fault::Connection)).await;
        scope.clock().advance(seconds(30));
        let hangs: Backend = Arc::new(Flaky::new().then_hang());
        assert!(tokio::time::timeout(seconds(1), guarded.call(&hangs)).await.is_err());
        assert_eq!((guarded.breaker().state(), guarded.snapshot().abandoned_calls), (State::HalfOpen, 1));
        assert_eq!(guarded.call(&healthy()).await.unwrap(), "success");
        assert_eq!(guarded.breaker().state(), State::Closed);
    })
    .await;
}

twins! {
    stubborn: #[retry_with_backoff(max_retries = 3, jitter = false)] #[circuit_breaker(failure_threshold = 1)]
    spread: #[retry_with_backoff(max_retries = 40, base_delay = 1, max_delay = 10, jitter = 0.1)]
    long: #[retry_with_backoff(max_retries = 1100, base_delay = 0.1, max_delay = 10, jitter = false, budget = "none")]
    hinted: #[circuit_breaker(failure_threshold = 2, recovery_timeout = 30)]
}

#[tokio::test(start_paused = true)]
async fn seed_defect_001_03_an_open_breaker_is_not_retried() {
    each(stubborn::BOTH, async |guarded, scope| {
        let backend = broken(|| Fault::Connection);
        // The one wait is before the attempt that meets the breaker; there were three.
        assert!(is_open(&guarded.call(&backend).await));
        assert_eq!((backend.calls(), scope.pauses().len()), (1, 1));
        assert!(is_open(&guarded.call(&backend).await));
        assert_eq!((backend.calls(), scope.pauses().len()), (1, 1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_defect_001_04_old_failures_age_out_of_a_services_health() {
    each(tracked::ALL, async |guarded, scope| {
        let health = service_health("seed_001_tracked").unwrap();
        // One failure is not enough to tell.
        guarded.calls(1, &broken(|| Fault::Connection)).await;
        assert_eq!(health.status(), HealthStatus::Unknown);
        guarded.calls(1_000, &broken(|| Fault::Connection)).await;
        assert_eq!(health.status(), HealthStatus::Unhealthy);
        // A hundred newer calls are enough to forget a thousand.
        guarded.calls(100, &healthy()).await;
        assert_eq!(health.status(), HealthStatus::Healthy);
        // Judged when it is read, without another call.
        guarded.calls(50, &broken(|| Fault::Connection)).await;
        assert_eq!(health.status(), HealthStatus::Unhealthy);
        scope.clock().advance(seconds(301));
        assert_eq!((health.status(), health.metrics().statistics.total_count), (HealthStatus::Unknown, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_defect_001_05_failures_have_a_response_time_too() {
    each(tracked::ALL, async |guarded, _| {
        let backend: Backend = Arc::new(Flaky::new().then_err(|| Fault::Connection).takes(millis(1_500)));
        guarded.calls(10, &backend).await;
        let statistics = service_health("seed_001_tracked").unwrap().metrics().statistics;
        assert!(about(statistics.average_response_time.unwrap(), 1.5));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_defect_001_06_a_call_that_timed_out_is_a_bad_sample() {
    each(tracked::ALL, async |guarded, _| {
        let answers = guarded.calls(10, &slow(seconds(10))).await;
        assert_eq!(told(&answers), ["timeout"; 10]);
        let health = service_health("seed_001_tracked").unwrap();
        assert_eq!(
            (health.status(), health.metrics().statistics.failure_count),
            (HealthStatus::Unhealthy, 10)
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_defect_001_07_jitter_never_makes_a_wait_longer_than_the_longest() {
    each(spread::BOTH, async |guarded, scope| {
        guarded.call(&broken(|| Fault::Connection)).await.unwrap_err();
        let pauses = scope.pauses();
        assert_eq!(pauses.len(), 40);
        assert!(pauses.iter().all(|pause| *pause <= seconds(10)), "{pauses:?}");
        // It is at work all the same, on both sides of the wait it spreads.
        assert!((millis(900)..=millis(1_100)).contains(&pauses[0]) && pauses[0] != seconds(1), "{pauses:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_defect_001_08_a_wait_cannot_overflow() {
    each(long::BOTH, async |guarded, scope| {
        let backend = broken(|| Fault::Connection);
        assert!(matches!(guarded.call(&backend).await, Err(Fault::Connection)));
        assert_eq!((backend.calls(), scope.pauses().last()), (1_101, Some(&seconds(10))));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_defect_001_09_a_late_success_of_an_older_state_does_not_close() {
    let [.., guarded] = database::BOTH;
    each([guarded], async |guarded, scope| {
        let breaker = guarded.breaker();
        let admitted_while_closed = breaker.try_acquire().unwrap();
        guarded.calls(3, &broken(|| Fault::Connection)).await;
        scope.clock().advance(seconds(30));
        let probe = breaker.try_acquire().unwrap();
        admitted_while_closed.success();
        assert_eq!((breaker.state(), breaker.snapshot().stale_results), (State::HalfOpen, 1));
        probe.success();
        assert_eq!(breaker.state(), State::Closed);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_defect_001_10_a_refusal_tells_the_time_that_is_left() {
    each(hinted::BOTH, async |guarded, scope| {
        guarded.calls(2, &broken(|| Fault::Connection)).await;
        for (passes, left) in [(0, 30), (20, 10), (9, 1)] {
            scope.clock().advance(seconds(passes));
            let fault = guarded.call(&healthy()).await.unwrap_err();
            assert_eq!(
                fault.refusal().and_then(ResilienceError::retry_after),
                Some(Duration::from_secs(left))
            );
            assert!(fault.to_string().ends_with(&format!("; next attempt in {left} s")), "{fault}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_defect_001_11_a_scope_shares_no_breaker_with_another() {
    let [guarded, _] = hinted::BOTH;
    for _ in 0..2 {
        let scope = Scope::new();
        let _inside = scope.enter();
        let answers = guarded.calls(3, &broken(|| Fault::Connection)).await;
        assert_eq!(told(&answers), ["connection lost", "connection lost", "circuit_open"]);
    }
}
