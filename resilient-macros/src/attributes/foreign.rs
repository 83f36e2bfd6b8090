//! Words that people bring along from elsewhere, and what they are called here.

use super::Group;

/// Words that mean the same, and what to write instead of them.
type Synonyms = (&'static [&'static str], &'static str);

/// Words of other libraries, written in any of the usual cases, and what to write instead.
const FOREIGN: &[Synonyms] = &[
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
        &["wait", "wait_fixed", "interval", "initial_interval", "initial_delay", "min_delay", "wait_min"],
        "`base_delay`",
    ),
    (&["delay"], "`base_delay` (before a retry) or `hedge(delay = ..)`"),
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
    // Bulkhead, rate limit, hedge, budget
    (
        &["max_concurrent_calls", "max_concurrency", "max_parallelization", "concurrency", "core_size"],
        "`bulkhead(max_concurrent = ..)`",
    ),
    (
        &[
            "queue_limit",
            "max_queuing_actions",
            "queue_capacity",
            "waiting_task_queue",
            "max_queue_size",
            "queue_size",
        ],
        "`bulkhead(max_queue = ..)`",
    ),
    (&["max_wait_duration", "max_wait_time"], "`bulkhead(max_wait = ..)` or `rate_limit(max_wait = ..)`"),
    (&["permit_limit"], "`bulkhead(max_concurrent = ..)` or `rate_limit(rate = ..)`"),
    (
        &["limit_for_period", "limit_refresh_period", "rate_limiter", "tokens_per_period"],
        "`rate_limit(rate = .., per = ..)`",
    ),
    (&["replenishment_period"], "`rate_limit(per = ..)`"),
    (&["token_limit", "max_burst"], "`rate_limit(burst = ..)`"),
    (&["hedging_delay", "hedge_delay", "hedging"], "`hedge(delay = ..)`"),
    (&["max_hedged_attempts"], "`hedge(max_hedges = ..)` (the first call is not counted)"),
    (&["retry_budget", "retry_quota", "percent_can_retry"], "`budget(ratio = 0.2, per_second = 1)`"),
    (&["safe_to_repeat", "safe_to_retry", "is_idempotent"], "`idempotent = true`"),
    (&["partition_key", "per_key", "group_by", "keyed_by"], "`key = ..`"),
    // Everything else
    (&["limit", "timeout_secs", "time_limit"], "`timeout`"),
    (
        &["milliseconds", "millis", "ms", "timeout_ms", "timeout_millis", "timeout_duration_ms"],
        "`timeout = \"500ms\"`",
    ),
    (&["fallback_method", "fallback_function", "fallback_to"], "`fallback`"),
    (&["fallback_action", "fallback_handler"], "`fallback`, `fallback_value` or `fallback_chain`"),
    (&["default_value", "fallback_result"], "`fallback_value`"),
    (&["fallbacks", "fallback_methods"], "`fallback_chain = [a, b]`"),
    (&["apply_on", "fallback_for", "fallback_if"], "`fallback_on = Pattern`"),
    (&["bulkhead_enabled"], "`enable_bulkhead`"),
    (&["rate_limit_enabled", "rate_limiter_enabled", "enable_rate_limiter"], "`enable_rate_limit`"),
    (&["hedge_enabled", "enable_hedging"], "`enable_hedge`"),
    (&["operation", "op", "label"], "`operation_name`"),
    (&["profile", "kind", "op_type"], "`operation_type`, or the profile's own attribute"),
    (&["breaker", "breaker_name", "circuit_breaker_name"], "`name`"),
    (&["circuit_breaker_enabled", "enable_breaker"], "`enable_circuit_breaker`"),
    (&["retry_enabled"], "`enable_retry`"),
    (&["timeout_enabled"], "`enable_timeout`"),
];

/// The same where one layer's keys are alone, in its own attribute or list.
const AMONG: &[(Group, &[Synonyms])] = &[
    (
        Group::Bulkhead,
        &[
            (
                &[
                    "max_concurrent_calls",
                    "max_concurrency",
                    "max_parallelization",
                    "concurrency",
                    "core_size",
                    "permits",
                    "value",
                    "limit",
                    "permit_limit",
                    "max_calls",
                    "size",
                ],
                "`max_concurrent`",
            ),
            (
                &[
                    "queue_limit",
                    "max_queuing_actions",
                    "queue_capacity",
                    "waiting_task_queue",
                    "max_queue_size",
                    "queue_size",
                    "queue",
                ],
                "`max_queue`",
            ),
            (
                &["max_wait_duration", "max_wait_time", "wait", "timeout_duration", "queue_timeout"],
                "`max_wait`",
            ),
        ],
    ),
    (
        Group::RateLimit,
        &[
            (
                &[
                    "limit_for_period",
                    "permit_limit",
                    "limit",
                    "value",
                    "max_executions",
                    "max_calls",
                    "calls",
                    "permits",
                    "tokens_per_period",
                    "num",
                    "requests",
                    "max_requests",
                    "requests_per_second",
                    "rps",
                ],
                "`rate`",
            ),
            (
                &[
                    "limit_refresh_period",
                    "period",
                    "window",
                    "interval",
                    "replenishment_period",
                    "time_window",
                    "every",
                    "duration",
                ],
                "`per`",
            ),
            (&["max_burst", "token_limit", "bucket_size", "capacity", "burst_size"], "`burst`"),
            (
                &["max_wait_duration", "max_wait_time", "wait", "timeout_duration", "min_spacing"],
                "`max_wait`",
            ),
            (&["type", "limiter", "strategy", "kind"], "`algorithm`"),
        ],
    ),
    (
        Group::Hedge,
        &[
            (&["hedging_delay", "hedge_delay", "after", "wait", "latency"], "`delay`"),
            (
                &["max_hedged_attempts", "max_attempts", "max_extra", "attempts", "hedges", "upto"],
                "`max_hedges` (the first call is not counted)",
            ),
        ],
    ),
    (
        Group::BudgetParts,
        &[
            (&["percent_can_retry", "retry_percent", "max_ratio", "percent"], "`ratio` (0.2, not 20)"),
            (&["min_retries_per_sec", "min_retries_per_second", "reserve"], "`per_second`"),
        ],
    ),
    (
        Group::FallbackParts,
        &[
            (
                &["fallback", "fallback_method", "method", "action", "handler"],
                "the path itself: `#[fallback(path)]`",
            ),
            (&["fallback_value", "default", "result", "or_else", "with_result"], "`value`"),
            (&["fallback_chain", "paths", "any_of"], "`chain`"),
            (
                &["fallback_on", "apply_on", "should_handle", "handle", "when", "exceptions", "if"],
                "`on = Pattern | Pattern`",
            ),
        ],
    ),
];

/// A layer whose keys stand in the attribute's own list: how it may be written, what its keys look like, and the attribute
/// that is about it alone.
pub(crate) struct Flat {
    words: &'static [&'static str],
    pub(crate) group: Group,
    pub(crate) what: &'static str,
    pub(crate) keys: &'static str,
    pub(crate) alone: &'static str,
}

const FLAT: [Flat; 3] = [
    Flat {
        words: &["retry", "retry_with_backoff"],
        group: Group::Retry,
        what: "a retry",
        keys: "`max_attempts = 3, base_delay = \"100ms\"`",
        alone: "#[retry_with_backoff(..)]",
    },
    Flat {
        words: &["circuit_breaker", "circuit"],
        group: Group::Breaker,
        what: "a circuit breaker",
        keys: "`failure_threshold = 5, recovery_timeout = \"30s\"`",
        alone: "#[circuit_breaker(..)]",
    },
    Flat {
        words: &["with_timeout", "time_limiter"],
        group: Group::Timeout,
        what: "a time limit",
        keys: "`timeout = \"5s\"`",
        alone: "#[with_timeout(..)]",
    },
];

/// The layer that a word stands for as if it had a list of its own, as `bulkhead(..)` has.
pub(crate) fn flat(written: &str) -> Option<&'static Flat> {
    let snake = snake_case(written);
    FLAT.iter().find(|layer| layer.words.contains(&snake.as_str()))
}

/// What a word of another library is called here. `waitDuration` and `wait_duration` are one word.
pub(crate) fn foreign(written: &str, groups: &[Group]) -> Option<&'static str> {
    let snake = snake_case(written);
    let among = AMONG.iter().filter(|(group, _)| groups.contains(group)).flat_map(|(_, words)| *words);
    among.chain(FOREIGN).find(|(words, _)| words.contains(&snake.as_str())).map(|(_, ours)| *ours)
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
    use super::{AMONG, FLAT, FOREIGN, Synonyms, foreign};
    use crate::args::Args;
    use crate::attributes::Group;

    #[test]
    fn words_of_other_libraries_are_known_in_any_case() {
        for word in ["waitDurationInOpenState", "wait_duration", "failureRateThreshold", "stop_after_attempt"]
        {
            assert!(foreign(word, &[]).is_some(), "{word}");
        }
        assert_eq!(foreign("backoff_factor", &[]), Some("`exponential_base`"));
        assert_eq!(foreign("max_attempts", &[]), None);
        assert_eq!(foreign("PermitLimit", &[Group::RateLimit]), Some("`rate`"));
        assert_eq!(foreign("PermitLimit", &[Group::Bulkhead]), Some("`max_concurrent`"));
    }

    #[test]
    fn no_word_of_ours_is_called_foreign_and_none_appears_twice() {
        let once = |words: &[Synonyms], ours: &dyn Fn(&str, Group) -> bool| {
            let all: Vec<&str> = words.iter().flat_map(|(words, _)| words.iter().copied()).collect();
            for word in &all {
                let known = Args::KEYS.iter().any(|(key, group)| key == word && ours(key, *group));
                assert!(!known, "{word}");
                assert_eq!(all.iter().filter(|other| other == &word).count(), 1, "{word}");
            }
        };
        // In front of a list, `delay` is as likely meant for retries.
        once(FOREIGN, &|word, _| word != "delay");
        for word in FLAT.iter().flat_map(|layer| layer.words) {
            assert!(Args::KEYS.iter().all(|(key, _)| key != word) && foreign(word, &[]).is_none(), "{word}");
        }
        for (own, words) in AMONG {
            once(words, &|_, group| group == *own);
        }
    }
}
