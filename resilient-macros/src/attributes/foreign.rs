//! Words that people bring along from elsewhere, and what they are called here.

/// Words of other libraries, written in any of the usual cases, and what to write instead.
const FOREIGN: &[(&[&str], &str)] = &[
    // Attempts
    (
        &["attempts", "tries", "max_tries", "stop_after_attempt", "max_attempt_count", "attempt_count"],
        "`max_attempts` (it counts the first call)",
    ),
    (
        &["retries", "max_retry_attempts", "retry_count", "max_retry", "num_retries"],
        "`max_retries` (the first call is not counted) or `max_attempts` (it is)",
    ),
    // Delays
    (
        &[
            "delay",
            "wait",
            "wait_fixed",
            "interval",
            "initial_interval",
            "initial_delay",
            "min_delay",
            "wait_min",
        ],
        "`base_delay`",
    ),
    (&["max_interval", "max_backoff", "wait_max", "delay_max"], "`max_delay`"),
    (
        &["backoff_factor", "multiplier", "factor", "backoff_multiplier", "interval_multiplier"],
        "`exponential_base`",
    ),
    (
        &["wait_exponential", "wait_exponential_jitter", "wait_random_exponential", "exponential_backoff"],
        "`base_delay`, `exponential_base`, `max_delay` and `jitter`",
    ),
    (&["backoff_type", "backoff_strategy", "delay_strategy"], "`backoff`"),
    (
        &["jitter_factor", "jitter_ratio", "randomization_factor", "randomized_wait_factor", "use_jitter"],
        "`jitter = 0.1`, `true`, `false`, \"full\" or \"decorrelated\"",
    ),
    (
        &["giveup_after", "max_duration", "stop_after_delay", "max_elapsed_time", "total_timeout"],
        "`deadline`",
    ),
    // Which errors
    (
        &[
            "exceptions",
            "retry_exceptions",
            "retry_if_exception_type",
            "retry_on_exception",
            "retry_for",
            "include",
            "on_exception",
        ],
        "`retry_on = Pattern | Pattern`",
    ),
    (
        &[
            "retry_condition",
            "retry_if_exception",
            "should_handle",
            "handle",
            "when",
            "predicate",
            "retry_when",
            "giveup",
        ],
        "`retry_if = path_or_closure`",
    ),
    (
        &[
            "expected_exception",
            "expected_exceptions",
            "record_exceptions",
            "record_errors",
            "fail_on",
            "is_successful",
            "is_failure",
            "record_failure",
        ],
        "`ignore = Pattern` for errors that are no failures; every other error is one",
    ),
    (
        &["ignore_exceptions", "exclude", "skip_on", "abort_on", "no_retry_for", "stop_on", "is_excluded"],
        "`ignore = Pattern`",
    ),
    (
        &["retry_if_result", "retry_on_result", "retry_on_result_predicate", "record_result_predicate"],
        "`failure_if = path_or_closure`",
    ),
    (&["reraise", "retry_error_callback", "retry_error_cls"], "`exhausted = \"error\"` or `\"wrap\"`"),
    (
        &["on_retry", "on_backoff", "before_sleep", "on_giveup", "on_break", "on_open", "listeners"],
        "`resilient::subscribe(..)`, which gets every event of every function",
    ),
    // Breaker
    (&["threshold", "fail_max", "max_failures", "request_volume_threshold"], "`failure_threshold`"),
    (
        &[
            "wait_duration_in_open_state",
            "wait_duration",
            "reset_timeout",
            "break_duration",
            "duration_of_break",
            "open_duration",
            "timeout_duration",
            "sleep_window",
        ],
        "`recovery_timeout`",
    ),
    (
        &["failure_rate_threshold", "failure_ratio", "error_threshold_percentage"],
        "`failure_rate` (0.5, not 50)",
    ),
    (&["slow_call_rate_threshold"], "`slow_call_rate` (0.5, not 50)"),
    (&["slow_call_duration_threshold"], "`slow_call_duration`"),
    (
        &[
            "sliding_window_size",
            "sliding_window",
            "sliding_window_type",
            "sampling_duration",
            "rolling_window",
        ],
        { "`window = 100` (calls) or `window = \"30s\"` (time)" },
    ),
    (&["minimum_number_of_calls", "minimum_throughput", "min_throughput", "volume_threshold"], "`min_calls`"),
    (
        &[
            "permitted_number_of_calls_in_half_open_state",
            "half_open_calls",
            "half_open_requests",
            "max_requests",
        ],
        "`half_open_max_calls`",
    ),
    (&["success_max", "successes", "reset_after"], "`success_threshold`"),
    // Everything else
    (&["limit", "timeout_secs", "time_limit"], "`timeout`"),
    (
        &["milliseconds", "millis", "ms", "timeout_ms", "timeout_millis", "timeout_duration_ms"],
        "`timeout = \"500ms\"`",
    ),
    (&["fallback_method", "fallback_function", "fallback_to"], "`fallback`"),
    (&["operation", "op", "label"], "`operation_name`"),
    (&["profile", "kind", "op_type"], "`operation_type`, or the profile's own attribute"),
    (&["breaker", "breaker_name", "circuit_breaker_name"], "`name`"),
    (&["circuit_breaker_enabled", "enable_breaker"], "`enable_circuit_breaker`"),
    (&["retry_enabled"], "`enable_retry`"),
    (&["timeout_enabled"], "`enable_timeout`"),
];

/// Words of features that this version does not have.
pub(crate) const LATER: &[&str] = &[
    "bulkhead",
    "max_concurrent",
    "max_queue",
    "max_wait",
    "rate",
    "per",
    "burst",
    "hedge",
    "budget",
    "key",
    "idempotent",
];

/// What a word of another library is called here. `waitDuration` and `wait_duration` are one word.
pub(crate) fn foreign(written: &str) -> Option<&'static str> {
    let snake = snake_case(written);
    FOREIGN.iter().find(|(words, _)| words.contains(&snake.as_str())).map(|(_, ours)| *ours)
}

fn snake_case(word: &str) -> String {
    let mut snake = String::with_capacity(word.len() + 4);
    for letter in word.chars() {
        if letter.is_uppercase() && !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::{FOREIGN, LATER, foreign};
    use crate::args::Args;

    #[test]
    fn words_of_other_libraries_are_known_in_any_case() {
        for word in ["waitDurationInOpenState", "wait_duration", "failureRateThreshold", "stop_after_attempt"]
        {
            assert!(foreign(word).is_some(), "{word}");
        }
        assert_eq!(foreign("backoff_factor"), Some("`exponential_base`"));
        assert_eq!(foreign("max_attempts"), None);
    }

    #[test]
    fn no_word_of_ours_is_called_foreign_and_none_appears_twice() {
        let mut all: Vec<&str> = FOREIGN.iter().flat_map(|(words, _)| words.iter().copied()).collect();
        all.extend(LATER);
        for word in &all {
            assert!(!Args::KEYS.iter().any(|(key, _)| key == word), "{word}");
            assert_eq!(all.iter().filter(|other| other == &word).count(), 1, "{word}");
        }
    }
}
