//! VA: what is refused before any call runs.
//!
//! What is written in an attribute is refused while compiling; `tests/ui/<attribute>/fail` has those cases. Here is
//! the other half: what a variable, a setting in code or a breaker made by hand says.

use std::time::Duration;

use resilient::testing::Scope;
use resilient::{BreakerConfig, CircuitBreaker, ConfigErrors, ResilienceError, Window, resilient, validate};

use crate::calls::secs;

/// Has every layer, so that every variable is read.
#[resilient(
    operation_name = "va_all_layers",
    deadline = "1h",
    bulkhead(max_concurrent = 1),
    rate_limit(rate = 1, per = "1ms", burst = 100)
)]
fn all_layers() -> Result<(), ResilienceError> {
    Ok(())
}

/// What `validate` has against these variables of one operation.
fn problems(variables: &[(&str, &str)]) -> Vec<String> {
    let build = |scope: resilient::testing::ScopeBuilder, (parameter, value): &(&str, &str)| {
        scope.env(format!("PYNOMALY_OP_VA_ALL_LAYERS_{parameter}"), *value)
    };
    let scope = variables.iter().fold(Scope::builder(), build).build();
    let _inside = scope.enter();
    let problems = validate().err().map(|errors| errors.problems().to_vec()).unwrap_or_default();
    problems
        .iter()
        .filter(|problem| {
            let source = problem.source_name();
            source.contains("VA_ALL_LAYERS") || source.contains("`va_all_layers`")
        })
        .map(ToString::to_string)
        .collect()
}

#[test]
fn va_001_a_value_out_of_its_range_is_refused_by_name_before_any_call() {
    all_layers().expect("the attribute itself is right");
    assert_eq!(problems(&[]), [""; 0]);
    // ui: database_resilient/fail/{failure_rate_over_one,failure_rate_zero,min_calls_zero,window_zero,
    // success_threshold_zero}, file_resilient/fail/base_delay_negative, retry_with_backoff/fail/{jitter_negative,
    // max_retries_negative}, resilient/fail/timeout_negative. A wait longer than the call's own limit is no mistake: it
    // is not begun (TO-023).
    for (parameter, value) in [
        ("BULKHEAD_MAX_CONCURRENT", "-1"),
        ("BULKHEAD_MAX_QUEUE", "-1"),
        ("BULKHEAD_MAX_WAIT", "-1"),
        ("RATE_LIMIT_RATE", "0"),
        ("RATE_LIMIT_PER", "0"),
        ("FAILURE_RATE", "-1"),
        ("FAILURE_RATE", "-0.1"),
        ("FAILURE_RATE", "1.1"),
        ("MIN_CALLS", "0"),
        ("MIN_CALLS", "-1"),
        ("WINDOW", "0"),
        ("WINDOW", "-1"),
        ("SUCCESS_THRESHOLD", "0"),
        ("BASE_DELAY", "-1"),
        ("JITTER", "-1"),
        ("MAX_RETRIES", "-3"),
        ("TIMEOUT", "-1"),
    ] {
        let problems = problems(&[(parameter, value)]);
        let [problem] = &problems[..] else { panic!("{parameter}={value}: {problems:?}") };
        let start = format!("PYNOMALY_OP_VA_ALL_LAYERS_{parameter}: `{value}`");
        assert!(problem.starts_with(&start) && problem.contains("; write "), "{problem}");
    }
}

fn refusal(config: BreakerConfig) -> ConfigErrors {
    CircuitBreaker::new("va", config).expect_err("a configuration that is refused")
}

#[test]
fn va_002_a_breaker_is_not_made_from_what_it_could_not_keep() {
    // ui: database_resilient/fail/{failure_rate_zero,failure_rate_over_one,window_zero,window_zero_time,min_calls_zero,
    // half_open_max_calls_zero,recovery_timeout_zero}, ml_resilient/fail/slow_call_rate_over_one.
    let new = BreakerConfig::new;
    let slow = |rate| new().slow_call_rate(rate).slow_call_duration(secs(1));
    for (config, parameter) in [
        (new().failure_rate(0.0), "failure_rate"),
        (new().failure_rate(1.01), "failure_rate"),
        (slow(0.0), "slow_call_rate"),
        (slow(1.01), "slow_call_rate"),
        (new().window(Window::Count(0)), "window"),
        (new().window(Window::Time(Duration::ZERO)), "window"),
        (new().min_calls(0), "min_calls"),
        (new().half_open_max_calls(0), "half_open_max_calls"),
        (new().slow_call_rate(0.5).slow_call_duration(Duration::ZERO), "slow_call_duration"),
        (new().recovery_timeout(Duration::ZERO), "recovery_timeout"),
        (new().probe_lease(Duration::ZERO), "probe_lease"),
    ] {
        let errors = refusal(config);
        assert_eq!(errors.problems().len(), 1, "{errors}");
        assert!(errors.to_string().contains(&format!("{parameter} must be")), "{errors}");
    }
}

#[test]
fn va_003_two_ways_to_say_one_thing_are_not_both_taken() {
    // How long a breaker stays open can be said in one way only. ui: resilient/fail/two_words_for_the_attempts,
    // resilient/fail/two_words_for_the_limit, api_resilient/fail/retry_on_and_retry_if.
    let problems = problems(&[("MAX_ATTEMPTS", "3"), ("MAX_RETRIES", "4")]);
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert!(
        problem.contains("MAX_RETRIES") && problem.contains("MAX_ATTEMPTS says the same thing"),
        "{problem}"
    );
}

#[test]
fn va_004_everything_wrong_with_a_breaker_is_said_at_once() {
    let config = BreakerConfig::new()
        .recovery_timeout(Duration::ZERO)
        .min_calls(0)
        .window(Window::Time(Duration::ZERO))
        .slow_call_rate(0.5);
    let errors = refusal(config);
    let text = errors.to_string();
    for what in ["recovery_timeout must be", "min_calls must be", "window must be", "must be given together"]
    {
        assert!(text.contains(what), "{what}: {text}");
    }
    assert_eq!(errors.problems().len(), 4, "{text}");
}

#[test]
fn va_005_an_attempt_is_not_allowed_more_time_than_its_call() {
    // ui: resilient/fail/deadline_shorter_than_timeout, with_timeout/fail/deadline_shorter.
    for attempt in ["3s", "10s"] {
        let problems = problems(&[("TIMEOUT", attempt), ("DEADLINE", "2s"), ("BASE_DELAY", "1ms")]);
        let found =
            problems.iter().any(|problem| problem.contains("timeout") && problem.contains("deadline"));
        assert!(found, "{attempt}: {problems:?}");
    }
    assert_eq!(problems(&[("TIMEOUT", "2s"), ("DEADLINE", "2s"), ("BASE_DELAY", "1ms")]), [""; 0]);
}

#[test]
fn va_007_a_fallback_that_is_no_fallback_does_not_compile() {
    // ui: resilient/fail/{fallback_missing,fallback_with_another_argument,fallback_with_another_return_type,
    // fallback_without_the_arguments,duplicate_key}. What is left for run time: nothing is said about a right one.
    fn spare() -> u32 {
        7
    }
    #[resilient(operation_name = "va_007", fallback = spare)]
    fn guarded() -> u32 {
        42
    }
    let scope = Scope::new();
    let _inside = scope.enter();
    assert_eq!(guarded(), 42);
    let errors = validate().err().map(|errors| errors.to_string()).unwrap_or_default();
    assert!(!errors.contains("va_007"), "{errors}");
}
