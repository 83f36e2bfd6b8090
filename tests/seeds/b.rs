//! Seed 003, B01 to B47: breaker, retry, time limits, bulkhead and rate limit as its comprehensive test wished for them.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Barrier};
use std::task::Poll;
use std::time::Duration;

use resilient::testing::{Flaky, Scope};
use resilient::{
    Algorithm, BreakerConfig, Bulkhead, BulkheadConfig, CircuitBreaker, EventKind, RateLimitConfig,
    RateLimiter, ResilienceConfig, ResilienceError, Settings, State, explain, resilience_health,
    service_health, validate,
};

use crate::support::{
    Answer, Fault, Guarded, WAYS, Way, about, broken, count_events, each, each_in, failing, healthy, is_open,
    is_timeout, millis, opens_after, own, seconds, slow, state_of, told, totals,
};

#[test]
fn seed_b01_a_breaker_keeps_what_it_was_given() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let config = BreakerConfig::new().failure_threshold(5).recovery_timeout(seconds(10)).success_threshold(3);
    let snapshot = own("b01", config).snapshot();
    assert_eq!((snapshot.name, snapshot.failure_threshold, snapshot.success_threshold), ("b01", 5, 3));
    assert!(about(snapshot.recovery_timeout, 10.0));
    assert_eq!((snapshot.state, snapshot.failure_count, totals(&snapshot)), (State::Closed, 0, (0, 0, 0)));
}

#[tokio::test(start_paused = true)]
async fn seed_b02_successes_leave_it_closed() {
    each(WAYS, async |way, _| {
        let breaker = opens_after(3);
        for _ in 0..5 {
            assert_eq!(way.succeed(&breaker).await.unwrap(), "success");
        }
        assert_eq!(state_of(&breaker), (State::Closed, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_b03_it_opens_at_the_threshold_and_not_before() {
    each(WAYS, async |way, _| {
        let breaker = opens_after(3);
        way.fail(&breaker, 2).await;
        assert_eq!(breaker.state(), State::Closed);
        way.fail(&breaker, 1).await;
        assert_eq!(state_of(&breaker), (State::Open, 3));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_b04_an_open_breaker_does_not_run_the_function() {
    each(WAYS, async |way, _| {
        let breaker = opens_after(1);
        way.fail(&breaker, 1).await;
        let backend = healthy();
        assert!(is_open(&way.call(&breaker, &backend).await));
        assert_eq!(backend.calls(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_b05_an_open_breaker_whose_time_is_over_lets_a_probe_through() {
    each(WAYS, async |way, scope| {
        let breaker = opens_after(1);
        way.fail(&breaker, 1).await;
        scope.clock().advance(seconds(2));
        // Looking at it changes nothing: it says open, and that a call may come now.
        let snapshot = breaker.snapshot();
        assert_eq!((snapshot.state, snapshot.retry_after), (State::Open, Some(0.0)));
        let probe = breaker.try_acquire().unwrap();
        assert_eq!(breaker.state(), State::HalfOpen);
        probe.success();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_b06_two_successful_probes_close() {
    each(WAYS, async |way, scope| {
        let breaker = own("b06", BreakerConfig::new().failure_threshold(1).success_threshold(2));
        way.fail(&breaker, 1).await;
        scope.clock().advance(seconds(60));
        way.succeed(&breaker).await.unwrap();
        assert_eq!((breaker.state(), breaker.snapshot().current.successes), (State::HalfOpen, 1));
        way.succeed(&breaker).await.unwrap();
        assert_eq!((breaker.state(), breaker.snapshot().current.successes), (State::Closed, 0));
    })
    .await;
}

twins! { opens_after_three: #[circuit_breaker(failure_threshold = 3)] }

#[tokio::test(start_paused = true)]
async fn seed_b07_guarded_functions_give_results_and_open_after_three_failures() {
    each(opens_after_three::BOTH, async |guarded, _| {
        assert_eq!(guarded.call(&healthy()).await.unwrap(), "success");
        let answers = guarded.calls(4, &broken(|| Fault::Value)).await;
        assert_eq!(told(&answers), ["bad value", "bad value", "bad value", "circuit_open"]);
        assert_eq!(guarded.breaker().state(), State::Open);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_b08_the_statistics_of_two_successes_and_a_failure() {
    each(WAYS, async |way, _| {
        let breaker = opens_after(5);
        way.succeed(&breaker).await.unwrap();
        way.succeed(&breaker).await.unwrap();
        way.fail(&breaker, 1).await;
        let snapshot = breaker.snapshot();
        assert_eq!(totals(&snapshot), (3, 2, 1));
        assert!(about(1.0 - snapshot.failure_rate, 2.0 / 3.0));
        assert_eq!(snapshot.state.to_string(), "closed");
        // No time of the last success: reading the clock at each would be the dearest part of a healthy call.
        assert!(snapshot.last_failure_time.is_some());
    })
    .await;
}

#[test]
fn seed_b09_values_that_are_not_positive_are_refused() {
    for (wrong, config) in [
        ("failure_threshold", BreakerConfig::new().failure_threshold(0)),
        ("recovery_timeout", BreakerConfig::new().recovery_timeout(seconds(0))),
        ("success_threshold", BreakerConfig::new().success_threshold(0)),
    ] {
        let text = CircuitBreaker::new("b09", config).unwrap_err().to_string();
        assert!(text.contains(&format!("{wrong} must be positive")), "{text}");
    }
    // A `Duration` cannot be negative, a variable can.
    let scope = Scope::builder().env("PYNOMALY_DATABASE_RECOVERY_TIMEOUT", "-1").build();
    let _inside = scope.enter();
    let errors = validate().unwrap_err();
    let about_it = errors.problems().iter().find(|problem| problem.shown() == Some("-1")).unwrap();
    assert!(about_it.to_string().contains("is negative"), "{about_it}");
}

twins! {
    policy: #[retry_with_backoff(max_attempts = 5, base_delay = 0.5, max_delay = 10, exponential_base = 2, jitter = true)]
    thrice: #[retry_with_backoff(max_attempts = 3)]
    wrapped: #[retry_with_backoff(max_attempts = 3, exhausted = "wrap")]
    doubling: #[retry_with_backoff(max_attempts = 4, base_delay = 0.1, exponential_base = 2, jitter = false)]
    capped: #[retry_with_backoff(max_attempts = 5, base_delay = 1, exponential_base = 3, max_delay = 2, jitter = false)]
    jittered: #[retry_with_backoff(max_attempts = 5, base_delay = 1, backoff = "constant", jitter = true)]
    listed: #[retry_with_backoff(max_attempts = 3, retry_on = Fault::Value | Fault::Connection)]
}

#[tokio::test(start_paused = true)]
async fn seed_b10_a_retry_policy_keeps_what_it_was_given() {
    each(policy::BOTH, async |guarded, _| {
        let in_force = guarded.in_force();
        for (parameter, value) in [
            ("max_attempts", "5"),
            ("base_delay", "500ms"),
            ("max_delay", "10s"),
            ("exponential_base", "2"),
            ("jitter", "true"),
        ] {
            assert_eq!(in_force[parameter], value, "{parameter}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_b11_a_success_is_called_once() {
    each(thrice::BOTH, async |guarded, scope| {
        let backend = healthy();
        assert_eq!(guarded.call(&backend).await.unwrap(), "success");
        assert_eq!((backend.calls(), scope.pauses().len()), (1, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_b12_two_failures_are_made_good_by_the_third_attempt() {
    each(thrice::BOTH, async |guarded, _| {
        let backend = failing(2, || Fault::Value);
        assert_eq!(guarded.call(&backend).await.unwrap(), "success");
        assert_eq!(backend.calls(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_b13_exhaustion_gives_the_last_error_or_wraps_it() {
    each(thrice::BOTH, async |guarded, _| {
        let backend = broken(|| Fault::Value);
        // The wish was a `RetryExhaustedError` always; unasked, the caller gets its own error back.
        assert!(matches!(guarded.call(&backend).await, Err(Fault::Value)));
        assert_eq!(backend.calls(), 3);
    })
    .await;
    each(wrapped::BOTH, async |guarded, _| {
        let backend = broken(|| Fault::Value);
        let fault = guarded.call(&backend).await.unwrap_err();
        assert_eq!(backend.calls(), 3);
        // Our words for "Max retry attempts".
        assert!(fault.to_string().ends_with("failed 3 times; last error: bad value"), "{fault}");
        let Some(ResilienceError::RetriesExhausted { attempts: 3, source, .. }) = fault.refusal() else {
            panic!("{fault:?}")
        };
        assert!(matches!(source.downcast_ref(), Some(Fault::Value)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_b14_the_waits_double() {
    each(doubling::BOTH, async |guarded, scope| {
        guarded.call(&broken(|| Fault::Value)).await.unwrap_err();
        assert_eq!(scope.pauses(), [millis(100), millis(200), millis(400)]);
        assert_eq!(scope.clock().elapsed(), millis(700));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_b15_no_wait_is_longer_than_the_longest() {
    each(capped::BOTH, async |guarded, scope| {
        guarded.call(&broken(|| Fault::Value)).await.unwrap_err();
        assert_eq!(scope.pauses(), [seconds(1), seconds(2), seconds(2), seconds(2)]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_b16_jitter_spreads_the_waits() {
    each(jittered::BOTH, async |guarded, scope| {
        guarded.call(&broken(|| Fault::Value)).await.unwrap_err();
        let pauses = scope.pauses();
        assert_eq!(pauses.len(), 4);
        assert!(pauses.iter().any(|pause| pause.abs_diff(seconds(1)) > millis(10)), "{pauses:?}");
        assert!(pauses.iter().all(|pause| (millis(500)..seconds(1)).contains(pause)), "{pauses:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_b17_one_failure_is_made_good_by_the_second_attempt() {
    each(thrice::BOTH, async |guarded, _| {
        let backend = failing(1, || Fault::Connection);
        assert_eq!(guarded.call(&backend).await.unwrap(), "success");
        assert_eq!(backend.calls(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_b18_listed_errors_are_retried_and_others_are_final() {
    each(listed::BOTH, async |guarded, _| {
        for (fault, attempts) in
            [((|| Fault::Value) as fn() -> Fault, 3), (|| Fault::Connection, 3), (|| Fault::Type, 1)]
        {
            let backend = broken(fault);
            let answer = guarded.call(&backend).await.unwrap_err();
            assert_eq!((answer.to_string(), backend.calls()), (fault().to_string(), attempts));
        }
    })
    .await;
}

twins! {
    of_database: #[database_resilient(max_attempts = 1)]
    of_api: #[api_resilient]
    of_no_type: #[resilient]
}
limited! { within_one: #[with_timeout(seconds = 1)] }
limited! { within_half: #[with_timeout(0.5)] }

#[tokio::test(start_paused = true)]
async fn seed_b19_time_limits_per_kind_of_operation_are_kept() {
    let scope = || {
        let builder = Scope::builder().env("PYNOMALY_DEFAULT_TIMEOUT", "5");
        builder
            .profile("database", Settings::new().timeout(10))
            .profile("api", Settings::new().timeout(30))
            .build()
    };
    for (guarded, limit) in [(of_no_type::BOTH, "5s"), (of_database::BOTH, "10s"), (of_api::BOTH, "30s")] {
        each_in(scope, guarded, async |guarded, _| assert_eq!(guarded.in_force()["timeout"], limit)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn seed_b20_an_operation_within_its_limit_gives_its_result() {
    each(within_one::ALL, async |guarded, _| {
        assert_eq!(guarded.call(&slow(millis(100))).await.unwrap(), "success");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_b21_an_operation_over_its_limit_is_a_timeout() {
    each(within_half::ALL, async |guarded, _| {
        let fault = guarded.call(&slow(seconds(2))).await.unwrap_err();
        assert!(fault.refusal().unwrap().is_timeout());
        assert_eq!(fault.to_string(), format!("'{}' timed out after 500 ms", guarded.name));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_b22_the_limit_of_a_kind_of_operation_decides() {
    for (limit, ends) in [("2", "success"), ("1", "timeout")] {
        let scope = || Scope::builder().env("PYNOMALY_DATABASE_TIMEOUT", limit).build();
        each_in(scope, of_database::BOTH, async |guarded, _| {
            assert_eq!(told(&guarded.calls(1, &slow(millis(1_500))).await), [ends]);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn seed_b23_an_async_operation_is_cut_off_at_its_limit() {
    let [.., awaited] = within_one::ALL;
    each([awaited], async |guarded, scope| {
        assert_eq!(guarded.call(&slow(millis(100))).await.unwrap(), "success");
        assert!(is_timeout(&guarded.call(&slow(seconds(2))).await));
        assert_eq!(scope.clock().elapsed(), millis(1_100));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_b24_a_limit_around_a_piece_of_work() {
    for (guarded, work, ends) in
        [(within_one::ALL, millis(100), "success"), (within_half::ALL, seconds(1), "timeout")]
    {
        each(guarded, async |guarded, _| {
            assert_eq!(told(&guarded.calls(1, &slow(work)).await), [ends]);
        })
        .await;
    }
}

mod outer {
    use super::within_half;
    use crate::support::prelude::*;
    use std::sync::Arc;

    #[with_timeout(2, timeout_mode = "deadline")]
    fn in_place(backend: &Backend) -> Answer {
        within_half::in_place(backend)
    }

    #[with_timeout(2)]
    fn on_thread(backend: Backend) -> Answer {
        within_half::on_thread(backend)
    }

    #[with_timeout(2)]
    async fn awaited(backend: &Backend) -> Answer {
        within_half::awaited(backend).await
    }

    /// Each with what it calls.
    pub(super) const ALL: [(Guarded, Guarded); 3] = {
        let [inner_in_place, inner_on_thread, inner_awaited] = within_half::ALL;
        [
            (
                Guarded {
                    name: concat!(module_path!(), "::in_place"),
                    call: |backend| Box::pin(async { in_place(backend) }),
                },
                inner_in_place,
            ),
            (
                Guarded {
                    name: concat!(module_path!(), "::on_thread"),
                    call: |backend| Box::pin(async { on_thread(Arc::clone(backend)) }),
                },
                inner_on_thread,
            ),
            (
                Guarded {
                    name: concat!(module_path!(), "::awaited"),
                    call: |backend| Box::pin(awaited(backend)),
                },
                inner_awaited,
            ),
        ]
    };
}

/// Who said that time was up, and after how long.
fn limit_of(fault: &Fault) -> (&'static str, Duration) {
    match fault.refusal() {
        Some(ResilienceError::Timeout { operation, limit, .. }) => (operation, *limit),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn seed_b25_nested_limits_the_shorter_inner_one_fires_first() {
    each(outer::ALL, async |(outer, inner), _| {
        assert_eq!(outer.call(&slow(millis(100))).await.unwrap(), "success");
        let fault = outer.call(&slow(seconds(1))).await.unwrap_err();
        assert_eq!(limit_of(&fault), (inner.name, millis(500)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_defect_003_01_an_outer_limit_fires_around_a_longer_inner_one() {
    for (outer, inner) in outer::ALL {
        let scope = || Scope::builder().settings(inner.name, Settings::new().timeout(10)).build();
        each_in(scope, [outer], async |outer, _| {
            let fault = outer.call(&slow(seconds(3))).await.unwrap_err();
            assert_eq!(limit_of(&fault), (outer.name, seconds(2)));
        })
        .await;
    }
}

limited! { measured: #[with_timeout(1)] #[track_service_health("seed_b26")] }

#[tokio::test(start_paused = true)]
async fn seed_b26_the_statistics_of_two_successes_and_a_timeout() {
    each(measured::ALL, async |guarded, scope| {
        for (work, ends) in [(100, "success"), (200, "success"), (5_000, "timeout")] {
            assert_eq!(told(&guarded.calls(1, &slow(millis(work))).await), [ends]);
        }
        let statistics = service_health("seed_b26").unwrap().metrics().statistics;
        assert_eq!((statistics.total_count, statistics.success_count, statistics.failure_count), (3, 2, 1));
        assert!(statistics.average_response_time.unwrap() > 0.0);
        assert!(about(statistics.error_rate.unwrap(), 1.0 / 3.0));
        assert_eq!(count_events(scope, |kind| matches!(kind, EventKind::AttemptTimedOut { .. })), 1);
    })
    .await;
}

limited! {
    service: #[resilient(
        operation_type = "external", timeout = 1, max_attempts = 2, base_delay = 0.01, failure_threshold = 5
    )]
    last_resort: #[resilient(timeout = 0.1, max_attempts = 5, failure_threshold = 1, breaker_scope = "call")]
}
twins! { brittle: #[resilient(max_attempts = 1, failure_threshold = 2)] }

#[tokio::test(start_paused = true)]
async fn seed_b27_one_attribute_makes_breaker_retry_and_time_limit() {
    each(service::ALL, async |guarded, _| {
        let explanation = explain(guarded.name).unwrap();
        assert_eq!(explanation.layers(), ["retry", "circuit breaker", "timeout", "function"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_b28_a_flaky_operation_succeeds_at_the_second_attempt() {
    each(service::ALL, async |guarded, _| {
        let backend = failing(1, || Fault::Connection);
        assert_eq!(guarded.call(&backend).await.unwrap(), "success");
        assert_eq!(backend.calls(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_b29_without_retries_two_own_errors_and_then_the_open_breaker() {
    each(brittle::BOTH, async |guarded, _| {
        let answers = guarded.calls(3, &broken(|| Fault::Value)).await;
        assert_eq!(told(&answers), ["bad value", "bad value", "circuit_open"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_b30_a_flaky_async_operation_succeeds_at_the_second_attempt() {
    let [.., awaited] = service::ALL;
    each([awaited], async |guarded, scope| {
        let backend = failing(1, || Fault::Connection);
        assert_eq!(guarded.call(&backend).await.unwrap(), "success");
        assert_eq!((backend.calls(), scope.pauses().len()), (2, 1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_b31_the_statistics_of_a_whole_service() {
    each(brittle::BOTH, async |guarded, scope| {
        guarded.calls(2, &healthy()).await.into_iter().for_each(|answer| assert!(answer.is_ok()));
        assert!(matches!(guarded.call(&broken(|| Fault::Value)).await, Err(Fault::Value)));
        let health = resilience_health();
        assert_eq!(totals(&health.circuit_breakers[guarded.name]), (3, 2, 1));
        assert!(about(health.overall_failure_rate, 1.0 / 3.0));
        let ended = |chosen: fn(&EventKind) -> bool| count_events(scope, chosen);
        assert_eq!(ended(|kind| matches!(kind, EventKind::AttemptSucceeded { .. })), 2);
        assert_eq!(ended(|kind| matches!(kind, EventKind::AttemptFailed { .. })), 1);
        assert_eq!(ended(|kind| matches!(kind, EventKind::AttemptTimedOut { .. })), 0);
    })
    .await;
}

/// A bulkhead of the test's own.
fn slots(max_concurrent: u32, max_queue: u32) -> Bulkhead {
    Bulkhead::new("own", BulkheadConfig::new().max_concurrent(max_concurrent).max_queue(max_queue)).unwrap()
}

#[test]
fn seed_b32_a_bulkhead_begins_with_every_counter_at_zero() {
    let snapshot = slots(3, 5).snapshot();
    assert_eq!((snapshot.max_concurrent, snapshot.max_queue), (3, Some(5)));
    assert_eq!((snapshot.active_count, snapshot.waiting_count), (0, 0));
    assert_eq!((snapshot.accepted_calls, snapshot.rejected_calls), (0, 0));
}

#[test]
fn seed_b33_two_threads_fit_into_two_slots() {
    let (bulkhead, both) = (slots(2, 0), Barrier::new(2));
    std::thread::scope(|threads| {
        let call = || {
            bulkhead.call(|| {
                both.wait();
                Answer::Ok("success")
            })
        };
        let answers = [threads.spawn(call), threads.spawn(call)].map(|thread| thread.join().unwrap());
        assert_eq!(told(&answers), ["success"; 2]);
    });
}

#[tokio::test(start_paused = true)]
async fn seed_b34_with_one_running_and_one_queued_a_third_is_refused() {
    let bulkhead = slots(1, 1);
    let running = bulkhead.try_acquire().unwrap();
    let mut queued = pin!(bulkhead.call_async(async || Answer::Ok("success")));
    assert!(poll_fn(|cx| Poll::Ready(queued.as_mut().poll(cx).is_pending())).await);
    let third = bulkhead.call_async(async || Answer::Ok("success")).await;
    assert_eq!(told(&[third, bulkhead.call(|| Ok("success"))]), ["bulkhead_full"; 2]);
    drop(running);
    assert_eq!(queued.await.unwrap(), "success");
}

#[tokio::test(start_paused = true)]
async fn seed_b35_three_async_calls_finish_with_two_slots_and_two_places_to_wait() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let (bulkhead, backend) = (slots(2, 2), slow(seconds(1)));
    let call = || bulkhead.call_async(async || backend.call_async().await);
    let (a, b, c) = tokio::join!(call(), call(), call());
    assert_eq!(told(&[a, b, c]), ["success"; 3]);
    assert_eq!(scope.clock().elapsed(), seconds(2));
}

#[tokio::test(start_paused = true)]
async fn seed_b36_the_statistics_of_some_calls() {
    let (bulkhead, backend) = (slots(2, 0), slow(seconds(1)));
    let call = || bulkhead.call_async(async || backend.call_async().await);
    let (a, b, c) = tokio::join!(call(), call(), call());
    assert_eq!(told(&[a, b, c]), ["success", "success", "bulkhead_full"]);
    let snapshot = bulkhead.snapshot();
    // The seed's total is both together.
    assert_eq!((snapshot.accepted_calls, snapshot.rejected_calls), (2, 1));
    assert_eq!((snapshot.active_count, snapshot.max_active_count), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn seed_b44_all_five_patterns_around_a_flaky_operation() {
    each(WAYS, async |way, scope| {
        let service = ResilienceConfig::new("b44")
            .operation_type("external")
            .max_attempts(2)
            .base_delay(0.01)
            .failure_threshold(5)
            .timeout(1)
            .bulkhead_max_concurrent(5)
            .bulkhead_max_queue(10)
            .rate_limit_rate(100)
            .rate_limit_per(60)
            .build()
            .unwrap();
        let layers = service.explain().unwrap().layers().join(" > ");
        assert_eq!(layers, "retry > circuit breaker > rate limit > timeout > bulkhead > function");
        let backend = failing(1, || Fault::Connection);
        let answer = match way {
            Way::Call => service.call(|| backend.call()),
            Way::CallAsync => service.call_async(async || backend.call_async().await).await,
        };
        assert_eq!((answer.unwrap(), backend.calls(), scope.pauses().len()), ("success", 2, 1));
    })
    .await;
}

/// A limiter of the test's own that never waits: so many in so long.
fn limits(rate: u32, per: Duration, algorithm: Algorithm) -> RateLimiter {
    RateLimiter::new("own", RateLimitConfig::new(rate).per(per).algorithm(algorithm)).unwrap()
}

/// Whether each of so many requests that come now is let through.
fn asked(limiter: &RateLimiter, times: usize) -> Vec<bool> {
    std::iter::repeat_with(|| limiter.try_acquire().is_ok()).take(times).collect()
}

#[test]
fn seed_b37_a_rate_limiter_keeps_what_it_was_given() {
    // What the seed calls a token bucket grants the same calls as our even pace with bursts.
    let token_bucket = Algorithm::from_word("token_bucket").unwrap();
    let snapshot = limits(10, seconds(60), token_bucket).snapshot();
    assert_eq!((snapshot.rate, snapshot.burst, snapshot.algorithm), (10, 10, Algorithm::Gcra));
    assert!(about(snapshot.per, 60.0));
}

#[tokio::test(start_paused = true)]
async fn seed_b38_three_a_second_are_let_through_and_a_fourth_after_it() {
    each([Algorithm::Gcra, Algorithm::SlidingWindow], async |algorithm, scope| {
        let limiter = limits(3, seconds(1), algorithm);
        assert_eq!(asked(&limiter, 4), [true, true, true, false]);
        scope.clock().advance(millis(1_100));
        assert_eq!(asked(&limiter, 1), [true]);
    })
    .await;
}

#[test]
fn seed_b39_a_sliding_window_looks_back_one_period_from_each_request() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let limiter = limits(2, seconds(1), Algorithm::SlidingWindow);
    assert_eq!(asked(&limiter, 3), [true, true, false]);
    scope.clock().advance(millis(600));
    assert_eq!(asked(&limiter, 1), [false]);
    scope.clock().advance(millis(600));
    assert_eq!(asked(&limiter, 1), [true]);
}

#[test]
fn seed_b40_clients_with_a_limiter_each_do_not_share_its_limit() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let clients = ["a", "b"].map(|_| limits(2, seconds(1), Algorithm::Gcra));
    for client in &clients {
        assert_eq!(asked(client, 3), [true, true, false]);
    }
}

#[tokio::test(start_paused = true)]
async fn seed_b41_b42_two_calls_are_made_and_the_third_is_refused_sync_and_async() {
    each(WAYS, async |way, _| {
        let (limiter, backend) = (limits(2, seconds(1), Algorithm::Gcra), healthy());
        let call = async || match way {
            Way::Call => limiter.call(|| backend.call()),
            Way::CallAsync => limiter.call_async(async || backend.call_async().await).await,
        };
        assert_eq!((call().await.unwrap(), call().await.unwrap()), ("success", "success"));
        let fault = call().await.unwrap_err();
        assert!(fault.refusal().unwrap().is_rate_limited(), "{fault}");
        assert_eq!(backend.calls(), 2);
    })
    .await;
}

#[test]
fn seed_b43_the_statistics_of_three_requests() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let limiter = limits(2, seconds(1), Algorithm::SlidingWindow);
    assert_eq!(asked(&limiter, 3), [true, true, false]);
    let snapshot = limiter.snapshot();
    let counts = (snapshot.total_requests, snapshot.allowed_requests, snapshot.rejected_requests);
    assert_eq!((counts, snapshot.available, snapshot.retry_after), ((3, 2, 1), 0, Some(1.0)));
    assert!(about(snapshot.current_rate, 2.0));
    let json = serde_json::to_value(&snapshot).unwrap();
    assert!(json["reset_time"].as_f64().unwrap() > 0.0);
    assert_eq!((&json["algorithm"], &json["name"]), (&"sliding_window".into(), &"own".into()));
}

#[tokio::test(start_paused = true)]
async fn seed_b45_the_timeout_surfaces_although_it_opens_the_breaker() {
    // The wish was a breaker around the retries: `breaker_scope = "call"`.
    each(last_resort::ALL, async |guarded, _| {
        let backend = slow(millis(200));
        let answers = guarded.calls(2, &backend).await;
        assert_eq!(told(&answers), ["timeout", "circuit_open"]);
        assert_eq!(backend.calls(), 5);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_b46_the_overall_statistics_of_two_successes_an_error_and_a_timeout() {
    async fn play(guarded: Guarded) {
        let backend = Arc::new(
            Flaky::new()
                .ok_times(2, || "success")
                .then_err(|| Fault::Connection)
                .then("late")
                .takes(seconds(5)),
        );
        assert_eq!(
            told(&guarded.calls(4, &backend).await),
            ["success", "success", "connection lost", "timeout"]
        );
    }
    each(measured::ALL, async |guarded, _| {
        play(guarded).await;
        let statistics = service_health("seed_b26").unwrap().metrics().statistics;
        assert_eq!((statistics.total_count, statistics.success_count, statistics.failure_count), (4, 2, 2));
        assert!(statistics.average_response_time.unwrap() > 0.0);
        assert!(about(statistics.error_rate.unwrap(), 0.5));
    })
    .await;
}

#[test]
fn seed_b47_a_configuration_is_validated_before_it_is_used() {
    assert!(CircuitBreaker::new("b47", BreakerConfig::new()).is_ok());
    assert!(CircuitBreaker::new("b47", BreakerConfig::new().failure_threshold(0)).is_err());
    for (variable, value) in
        [("PYNOMALY_API_FAILURE_THRESHOLD", "0"), ("PYNOMALY_API_RECOVERY_TIMEOUT", "-1")]
    {
        let scope = Scope::builder().env(variable, value).build();
        let _inside = scope.enter();
        let errors = validate().unwrap_err();
        assert!(errors.problems().iter().any(|problem| problem.source_name() == variable), "{errors}");
    }
}
