//! Seed 003, A01 to A37: the published circuit breaker and its registry.

use std::future::Future;
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{
    BreakerConfig, CircuitBreaker, EventKind, State, breaker, breakers, circuit_breaker, operations,
    reset_resilience_state, resilience_health, validate,
};

use crate::support::{
    Answer, Backend, Fault, Guarded, WAYS, about, broken, count_events, each, healthy, in_force, is_open,
    millis, opens_after, own, seconds, state_of, totals,
};

#[tokio::test(start_paused = true)]
async fn seed_a01_a_success_while_closed_is_returned_and_changes_nothing() {
    each(WAYS, async |way, _| {
        let breaker = opens_after(2);
        assert_eq!(way.succeed(&breaker).await.unwrap(), "success");
        assert_eq!(state_of(&breaker), (State::Closed, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_a02_a_threshold_of_one_opens_at_the_first_failure_and_refuses_the_next_call() {
    each(WAYS, async |way, _| {
        let breaker = opens_after(1);
        way.fail(&breaker, 1).await;
        assert_eq!(breaker.state(), State::Open);
        assert!(is_open(&way.succeed(&breaker).await));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_a03_a_success_after_the_recovery_time_closes() {
    each(WAYS, async |way, scope| {
        // One success closes there; here that is `success_threshold = 1`, and 2 by default.
        for (successes, then) in [(1, State::Closed), (2, State::HalfOpen)] {
            let config = BreakerConfig::new().failure_threshold(1).recovery_timeout(millis(100));
            let breaker = own("a03", config.success_threshold(successes));
            way.fail(&breaker, 1).await;
            scope.clock().advance(millis(100));
            assert_eq!(way.succeed(&breaker).await.unwrap(), "success");
            assert_eq!(breaker.state(), then);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_a04_a_probe_that_fails_opens_again() {
    each(WAYS, async |way, scope| {
        let breaker = opens_after(1);
        way.fail(&breaker, 1).await;
        scope.clock().advance(seconds(1));
        way.fail(&breaker, 1).await;
        assert_eq!(breaker.state(), State::Open);
        assert!(is_open(&way.succeed(&breaker).await));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_a05_a_success_ends_the_streak_of_failures() {
    each(WAYS, async |way, _| {
        let breaker = opens_after(3);
        way.fail(&breaker, 2).await;
        assert_eq!(state_of(&breaker), (State::Closed, 2));
        way.succeed(&breaker).await.unwrap();
        assert_eq!(state_of(&breaker), (State::Closed, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_a06_a_call_at_once_after_opening_is_told_when_to_come_back() {
    each(WAYS, async |way, _| {
        let breaker = own("a06", BreakerConfig::new().failure_threshold(1).recovery_timeout(seconds(10)));
        way.fail(&breaker, 1).await;
        let text = way.succeed(&breaker).await.unwrap_err().to_string();
        // "Next attempt in 10.0 seconds" there.
        assert!(text.contains("next attempt in 10 s"), "{text}");
        assert_eq!(breaker.state(), State::Open);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_a07_an_open_breaker_recovers_with_the_first_good_call_after_its_time() {
    each(WAYS, async |way, scope| {
        let breaker = opens_after(2);
        way.fail(&breaker, 2).await;
        scope.clock().advance(seconds(1));
        assert_eq!(way.succeed(&breaker).await.unwrap(), "success");
        assert_eq!(state_of(&breaker), (State::Closed, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_a08_an_open_breaker_without_a_next_attempt_time_refuses_and_says_why() {
    each(WAYS, async |way, _| {
        let breaker = opens_after(1);
        breaker.force_open();
        assert_eq!(breaker.snapshot().next_attempt_time, None);
        let fault = way.succeed(&breaker).await.unwrap_err();
        assert!(fault.refusal().unwrap().is_isolated());
        assert!(fault.to_string().contains("forced open by hand"), "{fault}");
    })
    .await;
}

twins! {
    expects_value: #[circuit_breaker(failure_threshold = 1, ignore = Fault::Connection | Fault::Timeout | Fault::Type)]
    expects_two: #[circuit_breaker(failure_threshold = 2, ignore = Fault::Connection | Fault::Timeout)]
}

#[tokio::test(start_paused = true)]
async fn seed_a09_an_expected_error_counts() {
    each(expects_value::BOTH, async |guarded, _| {
        assert!(matches!(guarded.call(&broken(|| Fault::Value)).await, Err(Fault::Value)));
        assert_eq!(guarded.breaker().state(), State::Open);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_a10_an_unexpected_error_passes_and_does_not_count() {
    each(expects_value::BOTH, async |guarded, _| {
        assert!(matches!(guarded.call(&broken(|| Fault::Type)).await, Err(Fault::Type)));
        assert_eq!(state_of(&guarded.breaker()), (State::Closed, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_a11_each_of_several_expected_errors_counts() {
    each(expects_two::BOTH, async |guarded, _| {
        for fault in [|| Fault::Value, || Fault::Type] {
            guarded.call(&broken(fault)).await.unwrap_err();
            assert_eq!(state_of(&guarded.breaker()), (State::Closed, 1));
            guarded.breaker().reset();
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_a12_an_async_function_gives_its_result_through_the_breaker() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let answer: Answer = opens_after(2)
        .call_async(async || {
            tokio::time::sleep(millis(10)).await;
            Ok("async success")
        })
        .await;
    assert_eq!(answer.unwrap(), "async success");
}

#[tokio::test(start_paused = true)]
async fn seed_a13_a_sync_function_gives_its_result_through_an_async_call() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let backend = healthy();
    assert_eq!(opens_after(2).call_async(async || backend.call()).await.unwrap(), "success");
}

twins! { decorated: #[circuit_breaker(failure_threshold = 2)] }

#[tokio::test(start_paused = true)]
async fn seed_a14_the_attribute_guards_async_and_sync_functions_alike() {
    each(decorated::BOTH, async |guarded, _| {
        assert_eq!(guarded.call(&healthy()).await.unwrap(), "success");
        assert_eq!(totals(&guarded.snapshot()), (1, 1, 0));
    })
    .await;
}

twins! { opens_at_once: #[circuit_breaker(failure_threshold = 1)] }

#[tokio::test(start_paused = true)]
async fn seed_a15_a_function_that_failed_once_is_refused_the_second_time() {
    each(opens_at_once::BOTH, async |guarded, _| {
        let backend = broken(|| Fault::Value);
        assert!(matches!(guarded.call(&backend).await, Err(Fault::Value)));
        assert!(is_open(&guarded.call(&backend).await));
        assert_eq!(backend.calls(), 1);
    })
    .await;
}

#[circuit_breaker(name = "seed_a16", failure_threshold = 3, recovery_timeout = 30)]
fn registered(backend: &Backend) -> Answer {
    backend.call()
}

#[test]
fn seed_a16_a_name_always_leads_to_the_same_breaker() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let (one, other) = (breaker("seed_a16").unwrap(), breaker("seed_a16").unwrap());
    assert_eq!(one.name(), "seed_a16");
    one.force_open();
    assert_eq!(other.state(), State::ForcedOpen);
    assert!(registered(&healthy()).is_err());
}

#[test]
fn seed_a17_an_unknown_name_is_an_error_that_lists_the_known_ones() {
    let scope = Scope::new();
    let _inside = scope.enter();
    // `None` there.
    let unknown = breaker("seed_a_unknown").unwrap_err();
    assert_eq!(unknown.name, "seed_a_unknown");
    assert!(unknown.known.contains(&"seed_a16"));
}

#[test]
fn seed_a18_a_created_breaker_has_the_settings_it_was_given() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let snapshot = breaker("seed_a16").unwrap().snapshot();
    assert_eq!((snapshot.name, snapshot.failure_threshold), ("seed_a16", 3));
    assert!(about(snapshot.recovery_timeout, 30.0));
}

#[circuit_breaker(name = "seed_a19_two", failure_threshold = 2)]
fn two(backend: &Backend) -> Answer {
    backend.call()
}

#[circuit_breaker(name = "seed_a19_three", failure_threshold = 3)]
fn three(backend: &Backend) -> Answer {
    backend.call()
}

#[test]
fn seed_a19_the_statistics_hold_every_breaker_with_its_threshold() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let all = resilience_health().circuit_breakers;
    assert_eq!(all["seed_a19_two"].failure_threshold, 2);
    assert_eq!(all["seed_a19_three"].failure_threshold, 3);
}

#[test]
fn seed_a20_resetting_all_closes_an_open_breaker() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let (backend, by_hand) = (broken(|| Fault::Value), || breakers().iter().for_each(CircuitBreaker::reset));
    for reset in [&by_hand as &dyn Fn(), &reset_resilience_state] {
        (0..2).for_each(|_| assert!(two(&backend).is_err()));
        assert_eq!(breaker("seed_a19_two").unwrap().state(), State::Open);
        reset();
        assert_eq!(state_of(&breaker("seed_a19_two").unwrap()), (State::Closed, 0));
    }
}

#[test]
fn seed_a21_an_attribute_with_a_new_name_makes_the_breaker() {
    let scope = Scope::new();
    let _inside = scope.enter();
    assert!(breakers().iter().any(|breaker| breaker.name() == "seed_a19_two"));
    assert_eq!(two(&healthy()).unwrap(), "success");
    assert_eq!(breaker("seed_a19_two").unwrap().snapshot().failure_threshold, 2);
    assert_eq!(breaker("seed_a19_two").unwrap().snapshot().successful_calls, 1);
}

#[circuit_breaker(name = "seed_a22", failure_threshold = 5)]
fn first_of_a_name(backend: &Backend) -> Answer {
    backend.call()
}

#[circuit_breaker(name = "seed_a22", failure_threshold = 2)]
fn second_of_a_name(backend: &Backend) -> Answer {
    backend.call()
}

#[test]
fn seed_a22_the_first_settings_of_a_name_stay_and_the_second_are_reported() {
    let scope = Scope::new();
    let _inside = scope.enter();
    first_of_a_name(&healthy()).unwrap();
    for _ in 0..2 {
        second_of_a_name(&broken(|| Fault::Value)).unwrap_err();
    }
    let shared = breaker("seed_a22").unwrap();
    assert_eq!((shared.state(), shared.snapshot().failure_threshold), (State::Closed, 5));
    assert_eq!(totals(&shared.snapshot()), (3, 1, 2));

    // Once, with both places.
    let both_places = |text: &String| text.contains("'seed_a22'") && text.matches("a.rs:").count() >= 2;
    let reported =
        |kind: &EventKind| matches!(kind, EventKind::BadConfiguration { message } if both_places(message));
    assert_eq!(count_events(&scope, reported), 1);
    let errors = validate().unwrap_err();
    assert!(errors.conflicts().iter().any(|conflict| conflict.name() == "seed_a22"));
}

twins! {
    database: #[database_resilient]
    api: #[api_resilient]
    cache: #[cache_resilient]
}

async fn preset_is(guarded: [Guarded; 2], failures: u32, recovery: Duration) {
    each(guarded, async |guarded, _| {
        let snapshot = guarded.snapshot();
        assert_eq!((snapshot.name, snapshot.failure_threshold), (guarded.name, failures));
        assert!(about(snapshot.recovery_timeout, recovery.as_secs_f64()));
        // Every error counts without a list of drivers' exceptions.
        guarded.call(&broken(|| Fault::Connection)).await.unwrap_err();
        assert!(guarded.snapshot().failed_calls > 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_a23_the_database_preset_is_three_failures_and_thirty_seconds() {
    preset_is(database::BOTH, 3, seconds(30)).await;
}

#[tokio::test(start_paused = true)]
async fn seed_a25_the_api_preset_is_five_failures_and_sixty_seconds() {
    preset_is(api::BOTH, 5, seconds(60)).await;
}

#[tokio::test(start_paused = true)]
async fn seed_a27_the_cache_preset_is_three_failures_and_fifteen_seconds() {
    preset_is(cache::BOTH, 3, seconds(15)).await;
}

#[test]
fn seed_a29_without_calls_the_statistics_are_zero() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let snapshot = opens_after(2).snapshot();
    assert_eq!(snapshot.total_calls, 0);
    assert!(about(snapshot.failure_rate, 0.0));
}

#[tokio::test(start_paused = true)]
async fn seed_a30_the_statistics_count_two_successes_and_a_failure() {
    each(WAYS, async |way, _| {
        let breaker = opens_after(5);
        way.succeed(&breaker).await.unwrap();
        way.succeed(&breaker).await.unwrap();
        way.fail(&breaker, 1).await;
        let snapshot = breaker.snapshot();
        assert_eq!(totals(&snapshot), (3, 2, 1));
        assert!(about(snapshot.failure_rate, 1.0 / 3.0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_a31_the_times_are_unset_until_the_breaker_opens() {
    each(WAYS, async |way, _| {
        let breaker = opens_after(1);
        let before = breaker.snapshot();
        assert_eq!((before.last_failure_time, before.next_attempt_time), (None, None));
        way.fail(&breaker, 1).await;
        let after = breaker.snapshot();
        let (failed, next) = (after.last_failure_time.unwrap(), after.next_attempt_time.unwrap());
        assert!((next - failed - 1.0).abs() < 0.001, "{failed} {next}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_a32_refused_calls_are_counted_as_blocked() {
    each(WAYS, async |way, _| {
        let breaker = opens_after(1);
        way.fail(&breaker, 1).await;
        for _ in 0..3 {
            assert!(is_open(&way.succeed(&breaker).await));
        }
        let snapshot = breaker.snapshot();
        assert_eq!((snapshot.rejected_calls, snapshot.blocked_calls, snapshot.total_calls), (3, 3, 1));
    })
    .await;
}

#[circuit_breaker]
fn unnamed(backend: &Backend) -> Answer {
    backend.call()
}

#[test]
fn seed_a33_a_breaker_has_the_name_it_was_given_or_its_functions() {
    let scope = Scope::new();
    let _inside = scope.enter();
    assert_eq!(own("given", BreakerConfig::new()).name(), "given");
    // Nothing is called "unnamed": without a name an attribute takes the function's path, and a breaker needs one.
    unnamed(&healthy()).unwrap();
    assert_eq!(breaker(concat!(module_path!(), "::unnamed")).unwrap().snapshot().successful_calls, 1);
    assert!(CircuitBreaker::new("", BreakerConfig::new()).is_err());
}

#[tokio::test(start_paused = true)]
async fn seed_a34_a_threshold_of_one_counts_one_failure() {
    each(WAYS, async |way, _| {
        let breaker = opens_after(1);
        way.fail(&breaker, 1).await;
        assert_eq!(state_of(&breaker), (State::Open, 1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_a35_without_an_open_time_the_next_call_passes_and_closes() {
    each(WAYS, async |way, _| {
        // A recovery time of 0 is refused when it is written down; by hand a breaker may open for no time.
        let zero = CircuitBreaker::new("a35", BreakerConfig::new().recovery_timeout(Duration::ZERO));
        assert!(zero.unwrap_err().to_string().contains("recovery_timeout must be positive"));
        let breaker = opens_after(1);
        breaker.open_for(Duration::ZERO);
        assert_eq!(breaker.state(), State::Open);
        assert_eq!(way.succeed(&breaker).await.unwrap(), "success");
        assert_eq!(breaker.state(), State::Closed);
    })
    .await;
}

#[circuit_breaker(name = "seed_a36_sync")]
fn stays_sync(n: u32) -> Result<u32, Fault> {
    Ok(n)
}

#[circuit_breaker(name = "seed_a36_async")]
async fn stays_async(n: u32) -> Result<u32, Fault> {
    Ok(n)
}

#[tokio::test(start_paused = true)]
async fn seed_a36_a_guarded_function_stays_sync_or_async() {
    fn is_future<F: Future<Output = Result<u32, Fault>>>(future: F) -> F {
        future
    }
    let scope = Scope::new();
    let _inside = scope.enter();
    let sync: fn(u32) -> Result<u32, Fault> = stays_sync;
    assert_eq!(sync(1).unwrap(), 1);
    assert_eq!(is_future(stays_async(2)).await.unwrap(), 2);
    for (name, is_async) in [("seed_a36_sync", false), ("seed_a36_async", true)] {
        let found = operations().into_iter().find(|operation| operation.breaker == Some(name));
        assert_eq!(found.unwrap().is_async, is_async, "{name}");
    }
    assert!(in_force(concat!(module_path!(), "::stays_sync")).contains_key("failure_threshold"));
}

#[tokio::test(start_paused = true)]
async fn seed_a37_a_refusal_says_who_is_open_and_when_to_come_back() {
    each(WAYS, async |way, _| {
        let breaker = own("a37", BreakerConfig::new().failure_threshold(2).recovery_timeout(millis(12_400)));
        way.fail(&breaker, 2).await;
        let text = way.succeed(&breaker).await.unwrap_err().to_string();
        // Our words for "Circuit breaker 'a37' is OPEN. Next attempt in 12.4 seconds".
        assert_eq!(text, "circuit breaker 'a37' is open: 2 consecutive failures; next attempt in 12.4 s");
    })
    .await;
}
