//! MT: what monitoring sees.

use std::sync::atomic::{AtomicU32, Ordering};

use resilient::testing::{Flaky, Scope};
use resilient::{
    BreakerSnapshot, CircuitBreaker, HealthStatus, breaker, bulkhead, circuit_breaker, fallback,
    resilience_health, resilient, service_health, track_service_health, with_timeout,
};
use tokio::time::sleep;

use crate::calls::{Fault, SPARE, World, both, ms, secs};
use crate::support::paused;

/// How calls ended: with a value, with an error.
fn invocations(world: &World<u32, Fault>) -> (usize, usize) {
    let ends = world.told().iter().filter(|told| told.starts_with("finished")).count();
    let values = world.count("finished: success");
    (values, ends - values)
}

both! {
    #[circuit_breaker(
        failure_threshold = "off",
        failure_rate = 1.0,
        window = 2,
        min_calls = 2,
        recovery_timeout = 1,
        success_threshold = 2,
        ignore = Fault::Busy | Fault::NotFound
    )]
    fn opens_at_two_failures
}

// What is not listed as a failure there is ignored here, and counted as that.
#[test]
fn mt_001_a_breaker_counts_successes_failures_refusals_and_openings() {
    let backend = || {
        let backend = Flaky::new().fail_times(2, || Fault::Down).ok_times(2, || 42);
        backend.fail_times(1, || Fault::Busy).then_err(|| Fault::NotFound)
    };
    opens_at_two_failures().each(backend, |world| {
        let counts = || {
            let BreakerSnapshot { successful_calls, failed_calls, rejected_calls, times_opened, .. } =
                world.breaker().snapshot();
            (successful_calls, failed_calls, rejected_calls, times_opened)
        };
        world.call().unwrap_err();
        assert_eq!(counts(), (0, 1, 0, 0));
        world.call().unwrap_err();
        assert_eq!(counts(), (0, 2, 0, 1));
        world.call().unwrap_err();
        assert_eq!(counts(), (0, 2, 1, 1));
        world.scope.clock().advance(ms(1500));
        assert_eq!((world.call().unwrap(), world.call().unwrap()), (42, 42));
        assert_eq!(counts(), (2, 2, 1, 1));
        for ignored in [1, 2] {
            world.call().unwrap_err();
            assert_eq!((counts(), world.breaker().snapshot().ignored_calls), ((2, 2, 1, 1), ignored));
        }
        assert_eq!(invocations(world), (2, 5));
    });
}

both! {
    sync #[with_timeout("500ms", timeout_mode = "deadline")]
    async #[with_timeout("500ms")]
    fn within_500_ms
}

#[test]
fn mt_003_calls_that_timed_out_are_told_from_those_that_did_not() {
    let backend = || Flaky::new().ok_times(2, || 1).takes(ms(2000)).then(1).takes(ms(100));
    within_500_ms().each(backend, |world| {
        for _ in 0..2 {
            assert!(world.call().is_err());
        }
        assert_eq!(world.call().unwrap(), 1);
        assert_eq!((world.count("timed out"), world.count("succeeded")), (2, 1));
        assert_eq!(invocations(world), (1, 2));
    });
}

/// Answers for `Fault::Down`, and fails for others.
#[expect(clippy::needless_pass_by_value, reason = "as a fallback is called")]
fn answers_one(_: &Flaky<u32, Fault>, error: Fault) -> Result<u32, Fault> {
    if matches!(error, Fault::Down) { Ok(SPARE) } else { Err(Fault::Busy) }
}

fn answers_one_later(backend: &Flaky<u32, Fault>, error: Fault) -> std::future::Ready<Result<u32, Fault>> {
    std::future::ready(answers_one(backend, error))
}

both! {
    sync #[fallback(answers_one, on = Fault::Down | Fault::Busy)]
    async #[fallback(answers_one_later, on = Fault::Down | Fault::Busy)]
    fn answered_for_some
}

#[test]
fn mt_004_a_fallback_that_fails_counts_as_applied() {
    let backend = || {
        let backend = Flaky::new().ok_times(1, || 42).fail_times(1, || Fault::Down);
        backend.fail_times(1, || Fault::Busy).then_err(|| Fault::NotFound)
    };
    answered_for_some().each(backend, |world| {
        for (succeeds, applied) in [(true, 0), (true, 1), (false, 2), (false, 2)] {
            assert_eq!((world.call().is_ok(), world.count("fallback")), (succeeds, applied));
        }
    });
}

#[bulkhead(max_concurrent = 2, operation_name = "mt_005")]
#[track_service_health("mt_005")]
async fn two_at_once(seconds: u64) -> Result<(), Fault> {
    sleep(secs(seconds)).await;
    Ok(())
}

// How long calls ran is what the health of a service knows.
#[test]
fn mt_005_calls_that_a_bulkhead_refuses_are_not_among_those_that_ran() {
    paused(async || {
        let scope = Scope::new();
        let calls = async {
            let (one, two, refused) = tokio::join!(two_at_once(1), two_at_once(1), two_at_once(1));
            assert!(one.is_ok() && two.is_ok() && refused.is_err());
            let ran = service_health("mt_005").unwrap().metrics().statistics;
            assert_eq!(ran.total_count, 2);
            assert!((ran.average_response_time.unwrap() - 1.0).abs() < 0.01);
            assert!(two_at_once(0).await.is_ok() && two_at_once(0).await.is_ok());
            assert_eq!(service_health("mt_005").unwrap().metrics().statistics.total_count, 4);
            let counts = bulkhead("mt_005").unwrap().snapshot();
            assert_eq!((counts.accepted_calls, counts.rejected_calls), (4, 1));
        };
        scope.run(calls).await;
    });
}

async fn not_needed(_: &AtomicU32) -> Result<u32, Fault> {
    Ok(SPARE)
}

#[resilient(
    operation_name = "mt_006",
    max_retries = 5,
    timeout = "1m",
    bulkhead(max_concurrent = 3),
    fallback = not_needed
)]
async fn everything(runs: &AtomicU32) -> Result<u32, Fault> {
    sleep(secs(1)).await;
    Ok(runs.fetch_add(1, Ordering::Relaxed))
}

#[test]
fn mt_006_one_call_that_succeeds_is_seen_by_each_layer_once() {
    paused(async || {
        let (scope, runs) = (Scope::new(), AtomicU32::new(0));
        let calls = async {
            breaker("mt_006").unwrap();
            assert_eq!(everything(&runs).await.unwrap(), 0);
            let health = resilience_health();
            let breaker = &health.circuit_breakers["mt_006"];
            assert_eq!((breaker.successful_calls, breaker.failed_calls, breaker.times_opened), (1, 0, 0));
            let times = breaker.time_in_states;
            assert!(times.closed >= 1.0);
            assert_eq!((times.open, times.half_open), (0.0, 0.0));
            let bulkhead = &health.bulkheads["mt_006"];
            assert_eq!((bulkhead.accepted_calls, bulkhead.rejected_calls), (1, 0));
            assert_eq!((bulkhead.active_count, bulkhead.waiting_count), (0, 0));
        };
        scope.run(calls).await;
        assert_eq!(crate::calls::told(&scope), ["succeeded", "finished: success"]);
    });
}

macro_rules! of_state {
    ($($function:ident $name:literal $($critical:ident)?;)*) => {
        $(
            #[circuit_breaker(name = $name $(, $critical = true)?)]
            fn $function() -> Result<(), Fault> {
                Ok(())
            }
        )*
    };
}

of_state! {
    critical_open "mt_007_critical_open" critical;
    critical_half_open "mt_007_critical_half_open" critical;
    critical_closed "mt_007_critical_closed" critical;
    open "mt_007_open";
    half_open "mt_007_half_open";
    closed "mt_007_closed";
}

// A breaker that may make the whole unhealthy is one marked `critical`; one that may not degrades it.
#[test]
fn mt_007_an_open_breaker_is_seen_in_the_overall_health_as_far_as_it_may() {
    let _ = (critical_open, critical_half_open, critical_closed, open, half_open, closed);
    for (kind, overall) in [("_critical", HealthStatus::Unhealthy), ("", HealthStatus::Degraded)] {
        let scope = Scope::new();
        let _inside = scope.enter();
        let of = |state: &str| breaker(&format!("mt_007{kind}_{state}")).unwrap();
        of("open").open();
        of("half_open").open();
        of("half_open").half_open().unwrap();
        let health = resilience_health();
        assert_eq!(health.overall_health, overall);
        assert_eq!(health.open_breakers, [of("open").name()]);
        assert_eq!(health.degraded_breakers, [of("half_open").name()]);
        let states = ["open", "half_open", "closed"];
        let seen = states.map(|state| health.circuit_breakers[of(state).name()].state.as_str());
        assert_eq!(seen, states);
    }
}

#[circuit_breaker(
    name = "mt_008",
    failure_threshold = "off",
    failure_rate = 0.3,
    slow_call_rate = 0.5,
    slow_call_duration = "1s",
    window = 100,
    min_calls = 100
)]
fn rated() -> Result<(), Fault> {
    Ok(())
}

// Shares are numbers from 0 to 1, not percentages in words.
#[test]
fn mt_008_health_shows_rates_beside_their_limits() {
    let _ = rated;
    let scope = Scope::new();
    let _inside = scope.enter();
    let handle: CircuitBreaker = breaker("mt_008").unwrap();
    for call in 0..100 {
        let permit = handle.try_acquire().unwrap();
        if call % 5 == 0 { permit.failure_after(secs(2)) } else { permit.success_after(ms(1)) }
    }
    let json: serde_json::Value = serde_json::from_str(&resilience_health().to_json()).unwrap();
    let (seen, window) = (&json["circuit_breakers"]["mt_008"], &json["circuit_breakers"]["mt_008"]["window"]);
    for (key, value) in [
        ("failure_rate", 0.2),
        ("failure_rate_limit", 0.3),
        ("slow_call_rate", 0.2),
        ("slow_call_rate_limit", 0.5),
    ] {
        assert_eq!(window[key], value, "{key}");
    }
    for (key, count) in [("calls", 100), ("failures", 20), ("slow", 20), ("min_calls", 100)] {
        assert_eq!(window[key], count, "{key}");
    }
    assert_eq!((&seen["state"], &seen["rejected_calls"]), (&"closed".into(), &0.into()));
}
