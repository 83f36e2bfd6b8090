//! FB: what answers when everything else has failed, written on a function or said to an operation made in code.

use resilient::testing::{Flaky, Scope};
use resilient::{ErrorKind, ResilienceConfig, circuit_breaker, fallback, retry_with_backoff, with_timeout};

use crate::calls::{Fault, SPARE, both, down, down_times, made, ms, spare, spare_later};

/// What [`seen`] answers to `Fault::NotFound`.
pub(crate) const NOT_FOUND: u32 = 102;

/// Answers with what it was given: 100 for the script's own failures, 200 for a refusal.
pub(crate) fn seen(_: &Flaky<u32, Fault>, error: Fault) -> Result<u32, Fault> {
    seen_alone(error)
}

/// [`seen`] for an operation, which has no arguments.
#[expect(clippy::unnecessary_wraps, reason = "as a fallback is called")]
fn seen_alone(error: Fault) -> Result<u32, Fault> {
    Ok(match error {
        Fault::Down => 100,
        Fault::Busy => 101,
        Fault::NotFound => NOT_FOUND,
        Fault::Resilience(error) if error.is_circuit_open() => 200,
        Fault::Resilience(error) if error.kind() == ErrorKind::BadAnswer => 201,
        Fault::Resilience(_) => 202,
    })
}

pub(crate) fn seen_later(
    backend: &Flaky<u32, Fault>,
    error: Fault,
) -> std::future::Ready<Result<u32, Fault>> {
    std::future::ready(seen(backend, error))
}

both! {
    #[circuit_breaker(failure_if = |answer: &u32| *answer == 42)]
    sync #[fallback(seen)]
    async #[fallback(seen_later)]
    fn an_answer_that_is_a_failure
}

/// An operation with no layer but its fallback.
fn alone(config: ResilienceConfig) -> ResilienceConfig {
    config.enable_retry(false).enable_timeout(false).enable_circuit_breaker(false)
}

/// An operation with retries and a fallback.
fn retrying(config: ResilienceConfig) -> ResilienceConfig {
    config.enable_timeout(false).enable_circuit_breaker(false).base_delay(0)
}

/// An operation with a breaker and a fallback.
fn breaking(config: ResilienceConfig) -> ResilienceConfig {
    config.enable_timeout(false).enable_retry(false)
}

made! {
    fn an_answer_that_is_a_failure_of_an_operation: |config| {
        breaking(config).failure_if(|answer: &u32| *answer == 42).fallback(seen_alone)
    }
}

#[test]
fn fb_001_an_error_and_an_answer_that_is_a_failure_are_answered_with_one_event_each() {
    for pair in [an_answer_that_is_a_failure(), an_answer_that_is_a_failure_of_an_operation()] {
        pair.each(
            || down_times(1),
            |world| {
                assert_eq!(world.call().unwrap(), 100);
                assert_eq!(world.call().unwrap(), 201);
                assert_eq!((world.executions(), world.count("fallback")), (2, 2));
            },
        );
    }
}

both! {
    #[circuit_breaker]
    sync #[fallback(spare, on = Fault::Down)]
    async #[fallback(spare_later, on = Fault::Down)]
    fn answers_for_one_error
}

#[test]
fn fb_002_other_errors_and_answers_pass_unchanged() {
    let backend = || Flaky::new().fail_times(1, || Fault::Busy).fail_times(1, || Fault::Down).then(42);
    answers_for_one_error().each(backend, |world| {
        assert!(matches!(world.call(), Err(Fault::Busy)));
        assert_eq!(world.count("fallback"), 0);
        assert_eq!(world.call().unwrap(), SPARE);
        assert_eq!(world.call().unwrap(), 42);
        assert_eq!(world.count("fallback"), 1);
    });
}

fn lost(_: &Flaky<u32, Fault>) -> Result<u32, Fault> {
    Err(Fault::NotFound)
}

fn lost_later(backend: &Flaky<u32, Fault>) -> std::future::Ready<Result<u32, Fault>> {
    std::future::ready(lost(backend))
}

both! {
    sync #[fallback(lost)]
    async #[fallback(lost_later)]
    fn answered_with_an_error
}

made! {
    fn an_operation_answered_with_an_error: |config| alone(config).fallback(|_| Err::<u32, _>(Fault::NotFound))
}

#[test]
fn fb_003_the_fallbacks_own_error_reaches_the_caller() {
    for pair in [answered_with_an_error(), an_operation_answered_with_an_error()] {
        pair.each(down, |world| {
            assert!(matches!(world.call(), Err(Fault::NotFound)));
            assert_eq!((world.executions(), world.count("fallback")), (1, 1));
        });
    }
}

#[test]
fn fb_004_the_error_says_which_answer_is_wanted_and_the_argument_for_it_may_be_left_out() {
    // resilience4j chooses among functions by the error's class; here one function matches on it.
    let backend = || {
        Flaky::new().fail_times(1, || Fault::Busy).fail_times(1, || Fault::NotFound).then_err(|| Fault::Down)
    };
    an_answer_that_is_a_failure().each(backend, |world| {
        assert_eq!([world.call().unwrap(), world.call().unwrap(), world.call().unwrap()], [101, 102, 100]);
    });
    answered_with_an_error().each(backend, |world| assert!(matches!(world.call(), Err(Fault::NotFound))));
}

// FB-005: tests/ui/fallback/fail.

both! {
    #[retry_with_backoff(max_retries = 1, base_delay = 0)]
    sync #[fallback(spare)]
    async #[fallback(spare_later)]
    fn one_retry
}

both! {
    #[retry_with_backoff(max_retries = 2, base_delay = 0)]
    sync #[fallback(seen)]
    async #[fallback(seen_later)]
    fn two_retries
}

made! {
    fn one_retry_of_an_operation: |config| retrying(config).max_attempts(2).fallback(|_: Fault| Ok(SPARE))
}

made! {
    fn two_retries_of_an_operation: |config| retrying(config).max_attempts(3).fallback(seen_alone)
}

#[test]
fn fb_007_the_fallback_runs_once_and_after_the_retries() {
    for pair in [one_retry(), one_retry_of_an_operation()] {
        pair.each(down, |world| {
            assert_eq!(world.call().unwrap(), SPARE);
            assert_eq!((world.executions(), world.count("fallback")), (2, 1));
        });
    }
    for pair in [two_retries(), two_retries_of_an_operation()] {
        pair.each(down, |world| {
            assert_eq!(world.call().unwrap(), 100);
            assert_eq!((world.executions(), world.count("fallback")), (3, 1));
        });
    }
}

both! {
    #[fallback(value = SPARE)]
    fn a_value_alone
}

made! {
    fn an_operation_alone: |config| alone(config).fallback(|_: Fault| Ok(SPARE))
}

#[test]
fn fb_008_a_fallback_needs_no_other_layer() {
    for pair in [a_value_alone(), an_operation_alone()] {
        pair.each(down, |world| {
            assert_eq!(world.call().unwrap(), SPARE);
            assert_eq!((world.executions(), world.count("fallback")), (1, 1));
        });
    }
}

both! {
    #[circuit_breaker(failure_threshold = 1)]
    sync #[fallback(seen)]
    async #[fallback(seen_later)]
    fn behind_a_breaker
}

made! {
    fn an_operation_behind_a_breaker: |config| breaking(config).failure_threshold(1).fallback(seen_alone)
}

#[test]
fn fb_010_a_fallback_over_an_open_breaker_is_told_that_it_is_open() {
    for pair in [behind_a_breaker(), an_operation_behind_a_breaker()] {
        pair.each(down, |world| {
            assert_eq!(world.call().unwrap(), 100);
            assert_eq!(world.call().unwrap(), 200);
            assert_eq!((world.executions(), world.count("fallback")), (1, 2));
            assert_eq!(
                world.breaker().snapshot().successful_calls,
                0,
                "no answer of a fallback is a success"
            );
        });
    }
}

#[with_timeout("10ms")]
async fn limited_around(blocks: bool) -> Result<u32, Fault> {
    inside(blocks).await
}

#[fallback(path = slow_fallback)]
async fn inside(blocks: bool) -> Result<u32, Fault> {
    if blocks {
        tokio::time::sleep(ms(100)).await;
    }
    Err(Fault::Down)
}

async fn slow_fallback(_: bool) -> Result<u32, Fault> {
    tokio::time::sleep(ms(200)).await;
    Ok(SPARE)
}

#[tokio::test(start_paused = true)]
async fn fb_011_a_time_limit_around_the_fallback_skips_it() {
    let scope = Scope::new();
    let error = scope.run(limited_around(true)).await.unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::Timeout));
    assert!(!scope.events().iter().any(|event| event.to_string().contains("fallback")));
}

#[tokio::test(start_paused = true)]
async fn fb_012_a_time_limit_around_the_fallback_cuts_it_too() {
    let scope = Scope::new();
    let error = scope.run(limited_around(false)).await.unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::Timeout));
}
