//! S07 and S08: names, keys and texts of others that could forge a line of a log or command a terminal.

use std::fmt::Debug;
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{
    BreakerConfig, Budget, Bulkhead, BulkheadConfig, CircuitBreaker, ConfigErrors, Deadline, EventKind,
    Hedge, RateLimitConfig, RateLimiter, ResilienceConfig, ResilienceError, ResilientOperation, RetryBudget,
    RetryPolicy, Settings, breaker, builder, bulkhead, explain, keyed_breaker, keyed_breakers, rate_limiter,
    reload, resilience_health, resilient, resilient_context, service_health, validate,
};

/// Each holds something that no name may hold: ESC, CR, LF, NUL, DEL, C1, bidirectional and invisible marks, line
/// separators, quotes, spaces, letters of other scripts.
const HOSTILE: [&str; 20] = [
    "a\u{1b}[31mb",
    "a\rb",
    "a\nb",
    "a\r\n2026-01-01 ERROR forged",
    "a\0b",
    "a\u{7f}b",
    "a\u{85}b",
    "a\u{9b}31mb",
    "a\u{202e}b",
    "a\u{2066}b",
    "a\u{200f}b",
    "a\u{200b}b",
    "a\u{2028}b",
    "a\u{feff}b",
    "a\u{e0041}b",
    "a\"b",
    "a'b",
    "a{b}",
    "a b",
    "ab\u{430}",
];

/// Whether `text` can be written to a terminal or a log: its own line breaks aside, nothing but what is seen.
#[track_caller]
fn is_clean(text: &str, own_lines: usize) {
    assert!(text.lines().count() <= own_lines, "more lines than its own: {text:?}");
    let treacherous = |c: &char| {
        let shown = c.escape_debug().len() == 1 || matches!(c, '"' | '\'' | '\\');
        !shown && *c != '\n'
    };
    if let Some(found) = text.chars().find(treacherous) {
        panic!("{found:?} in {text:?}");
    }
}

#[track_caller]
fn are_clean(error: &(impl std::fmt::Display + Debug)) {
    is_clean(&error.to_string(), 1);
    is_clean(&format!("{error:?}"), 1);
}

/// Everything in code that takes a name.
fn made_with(name: &str) -> Vec<(&'static str, Result<(), ConfigErrors>)> {
    let config = || ResilienceConfig::new("fine");
    let built = |config: ResilienceConfig| config.build().map(drop);
    let operation = ResilientOperation::builder(name);
    vec![
        ("breaker", CircuitBreaker::new(name, BreakerConfig::new()).map(drop)),
        ("bulkhead", Bulkhead::new(name, BulkheadConfig::new()).map(drop)),
        ("rate limiter", RateLimiter::new(name, RateLimitConfig::new(1)).map(drop)),
        ("budget", RetryBudget::new(name, Budget::Tokens).map(drop)),
        ("tokens", RetryBudget::tokens(name, 5, 5).map(drop)),
        ("ratio", RetryBudget::ratio(name, 0.1, 1.0, Duration::from_secs(10)).map(drop)),
        ("hedge", Hedge::new(Duration::ZERO).with_name(name).map(drop)),
        ("operation", operation.build().map(drop)),
        ("configured", built(ResilienceConfig::new(name))),
        ("kind", built(config().operation_type(name))),
        ("breaker of one", built(config().breaker_name(name))),
        ("bulkhead of one", built(config().bulkhead_max_concurrent(1).bulkhead_name(name))),
        ("rate limit of one", built(config().rate_limit_rate(1).rate_limit_name(name))),
        ("service of one", built(config().service(name))),
        ("context", resilient_context("database", name).build().map(drop)),
        ("context's kind", resilient_context(name, "fine").build().map(drop)),
    ]
}

#[test]
fn s07_a_name_that_could_forge_a_line_is_refused_wherever_one_is_given() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let (long, longest) = ("x".repeat(129), "x".repeat(128));
    for name in HOSTILE.into_iter().chain(["", &long]) {
        for (what, made) in made_with(name) {
            let refused = made.expect_err(&format!("a {what} named {name:?}"));
            let lines = 1 + refused.problems().len();
            is_clean(&refused.to_string(), lines);
            is_clean(&format!("{refused:?}"), lines);
            is_clean(&serde_json::to_string(&refused).unwrap(), 1);
            assert!(refused.to_string().len() < 600, "{refused}");
        }
    }
    for name in ["a", "A.b:c-d_9", &longest] {
        for (what, made) in made_with(name) {
            made.unwrap_or_else(|refused| panic!("{what} {name}: {refused}"));
        }
    }
}

/// What asks by a name is told what it asked for: in an operator's terminal, too.
#[test]
fn s07_a_name_that_nobody_has_is_told_without_its_tricks() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let long = "\u{202e}".repeat(100_000);
    for name in HOSTILE.into_iter().chain([&*long]) {
        are_clean(&breaker(name).unwrap_err());
        are_clean(&bulkhead(name).unwrap_err());
        are_clean(&rate_limiter(name).unwrap_err());
        are_clean(&service_health(name).unwrap_err());
        are_clean(&explain(name).unwrap_err());
        are_clean(&keyed_breaker(name, "key").unwrap_err());
        are_clean(&keyed_breakers(name).unwrap_err());
        is_clean(&breaker(name).unwrap_err().name, 1);
        assert!(explain(name).unwrap_err().to_string().len() < 3_000);
        are_clean(&Deadline::from_grpc_timeout(name).unwrap_err());
        are_clean(&Deadline::from_grpc_timeout(&format!("5{name}")).unwrap_err());
    }
}

#[test]
fn s07_variables_and_prefixes_are_reported_without_their_tricks() {
    for hostile in HOSTILE {
        let variable = format!("PYNOMALY_DATABASE_TIMEOUT{hostile}");
        let kind = format!("pay{hostile}ments");
        let scope = Scope::builder()
            .env(variable, "1")
            .env(format!("PYNOMALY_OP_{hostile}_TIMEOUT"), "1")
            .env(format!("PYNOMALY_PAY{hostile}MENTS_TIMEOUTT"), "1")
            .env("PYNOMALY_DATABASE_TIMEOUT", hostile)
            .env("PYNOMALY_DATABASE_JITTER", hostile)
            .env("PYNOMALY_DATABASE_MAX_ATTEMPTS", hostile)
            .profile(kind, Settings::new().timeout(1).backoff(hostile).jitter(hostile))
            .settings(hostile, Settings::new().timeout(hostile))
            .build();
        let _inside = scope.enter();
        let errors = validate().unwrap_err();
        assert!(errors.problems().len() >= 4, "{errors}");
        for problem in errors.problems() {
            are_clean(problem);
        }
        let _ = reload().map_err(|errors| errors.problems().iter().for_each(are_clean));
        for event in scope.events() {
            is_clean(&event.to_string(), 2 + errors.problems().len());
        }
        let refused = builder().env_prefix(hostile).init().unwrap_err();
        refused.problems().iter().for_each(are_clean);
        is_clean(&explain("s07_kept").unwrap().to_string(), 100);
    }
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    /// What another system said.
    #[error("upstream said: {0}")]
    Upstream(String),
    #[error(transparent)]
    Resilience(#[from] ResilienceError),
}

#[resilient(
    operation_name = "s07_kept", key = host, max_attempts = 2, base_delay = 0, exhausted = "wrap", failure_threshold = 1_000,
    enable_timeout = false
)]
#[resilient::track_service_health("s07_service")]
fn kept_by_key(host: &str) -> Result<(), Fault> {
    Err(Fault::Upstream(host.to_owned()))
}

#[resilient(operation_name = "s07_refused", key = host, failure_threshold = 1, max_attempts = 1, enable_timeout = false)]
fn refused_by_key(host: &str) -> Result<(), Fault> {
    Err(Fault::Upstream(host.to_owned()))
}

/// Keys come with requests and errors from other systems: neither gets into what the library writes as it is.
#[test]
fn s07_keys_and_upstream_errors_write_no_line_of_their_own() {
    let scope = Scope::new();
    let _inside = scope.enter();
    for hostile in HOSTILE {
        let Err(Fault::Resilience(exhausted)) = kept_by_key(hostile) else { panic!("it is wrapped") };
        assert!(exhausted.is_retries_exhausted());
        are_clean(&exhausted);
        is_clean(&std::io::Error::from(exhausted).to_string(), 1);
        drop(refused_by_key(hostile));
        let Err(Fault::Resilience(open)) = refused_by_key(hostile) else { panic!("it is open") };
        are_clean(&open);
        for (key, breaker) in keyed_breakers("s07_kept").unwrap() {
            is_clean(&format!("{key:?} {breaker:?} {:?}", breaker.snapshot()), 1);
        }
    }
    for event in scope.events() {
        is_clean(&event.to_string(), 1);
        is_clean(&format!("{event:?}"), 1);
        if let EventKind::Transition { snapshot, .. } = &event.kind {
            is_clean(&serde_json::to_string(snapshot).unwrap(), 1);
        }
    }
    is_clean(&resilience_health().to_json(), usize::MAX);
    let service = service_health("s07_service").unwrap();
    is_clean(&serde_json::to_string(&service.metrics()).unwrap(), 1);
}

/// A policy or configuration is printed where it is logged at the start.
#[test]
fn s07_what_was_written_wrongly_in_code_is_printed_without_its_tricks() {
    for hostile in HOSTILE {
        let settings = Settings::new()
            .timeout(hostile)
            .base_delay(hostile)
            .jitter(hostile)
            .backoff(hostile)
            .budget(hostile);
        is_clean(&format!("{settings:?}"), 1);
        let policy = RetryPolicy::new().with_base_delay(hostile).with_jitter(hostile).with_backoff(hostile);
        is_clean(&format!("{policy:?}"), 1);
        policy.validate().unwrap_err().problems().iter().for_each(are_clean);
        let config = ResilienceConfig::new(hostile).operation_type(hostile).timeout(hostile).window(hostile);
        is_clean(&format!("{config:?}"), 1);
    }
}

/// The only header the library writes is a number and its unit.
#[test]
fn s08_a_header_value_is_digits_and_a_unit() {
    for span in [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_millis(1_234),
        Duration::from_secs(1 << 40),
        Duration::MAX,
    ] {
        let header = Deadline::after(span).to_grpc_timeout();
        let (number, unit) = header.split_at(header.len() - 1);
        assert!((1..=8).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit()), "{header}");
        assert!("HMSmun".contains(unit), "{header}");
    }
}
