//! Clocks that jump, and clocks near what a number can hold: nothing panics, and no interval is off by more than a tick,
//! which is a nanosecond, or a tenth of its length where it is kept in ten slots.
#![allow(clippy::unchecked_time_subtraction, reason = "a span below zero is a failed test")]

use std::cell::Cell;
use std::time::Duration;

use resilient::testing::{Flaky, Scope};
use resilient::{
    Algorithm, BreakerConfig, Budget, CircuitBreaker, Deadline, HealthStatus, RateLimitConfig, RateLimiter,
    ResilienceError, RetryBudget, State, Window, breaker, keyed_breakers, resilience_health, resilient,
    service_health, track_service_health,
};

const NANO: Duration = Duration::from_nanos(1);
const SPAN: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);
const YEAR: Duration = Duration::from_secs(86_400 * 365);

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("down")]
    Down,
    #[error(transparent)]
    Refused(#[from] ResilienceError),
}

type Answer = Result<u32, Fault>;

fn is_timeout(answer: &Answer) -> bool {
    matches!(answer, Err(Fault::Refused(refused)) if refused.is_timeout())
}

fn advance(scope: &Scope, span: Duration) {
    scope.clock().advance(span);
}

/// A breaker that is open for `SPAN` and keeps its probes' slots as long.
fn opened() -> CircuitBreaker {
    let config = BreakerConfig::new().failure_threshold(1).success_threshold(1).recovery_timeout(SPAN);
    let breaker = CircuitBreaker::new("clock", config).unwrap();
    breaker.try_acquire().unwrap().failure();
    assert_eq!(breaker.state(), State::Open);
    breaker
}

fn open_time(scope: &Scope) {
    let breaker = opened();
    advance(scope, SPAN - NANO);
    assert!(breaker.try_acquire().is_err(), "still open");
    assert_eq!(breaker.retry_after(), NANO);
    advance(scope, NANO);
    breaker.try_acquire().expect("a probe").success();
    assert_eq!(breaker.state(), State::Closed);
    assert!((breaker.snapshot().time_in_states.open - SPAN.as_secs_f64()).abs() < 1e-6);
}

fn probe_lease(scope: &Scope) {
    let breaker = opened();
    advance(scope, SPAN);
    let hung = breaker.try_acquire().expect("a probe");
    advance(scope, SPAN - NANO);
    assert!(breaker.try_acquire().is_err(), "its slot is taken");
    advance(scope, NANO);
    breaker.try_acquire().expect("its lease is over").success();
    hung.failure();
    assert_eq!(breaker.state(), State::Closed, "too late to say anything");
}

fn permits(scope: &Scope) {
    for algorithm in [Algorithm::Gcra, Algorithm::SlidingWindow] {
        let config = RateLimitConfig::new(1).per(SPAN).burst(1).algorithm(algorithm);
        let limiter = RateLimiter::new("clock", config).unwrap();
        limiter.try_acquire().unwrap();
        advance(scope, SPAN - NANO);
        assert!(limiter.try_acquire().is_err(), "{algorithm:?}");
        advance(scope, NANO);
        assert!(limiter.try_acquire().is_ok(), "{algorithm:?}");
        assert!(limiter.try_acquire().is_err(), "{algorithm:?}");
    }
}

fn failure_window(scope: &Scope) {
    let config = BreakerConfig::new().failure_threshold(resilient::OFF).failure_rate(1.0).min_calls(2);
    let breaker = CircuitBreaker::new("clock", config.window(Window::Time(SPAN))).unwrap();
    let calls = || breaker.snapshot().window.expect("a rate is on").calls;
    breaker.try_acquire().unwrap().failure();
    advance(scope, SPAN - SPAN / 10);
    assert_eq!(calls(), 1);
    advance(scope, SPAN / 5);
    assert_eq!(calls(), 0);
    breaker.try_acquire().unwrap().failure();
    assert_eq!(breaker.state(), State::Closed, "one call is no rate");
}

fn budget(scope: &Scope) {
    let ratio = Budget::Ratio { ratio: 0.0, per_second: 0.1 };
    let budget = RetryBudget::new("clock", ratio).unwrap();
    assert!(budget.withdraw());
    advance(scope, SPAN - SPAN / 10);
    assert_eq!(budget.available(), 0);
    advance(scope, SPAN / 5);
    assert_eq!(budget.available(), 1);
}

#[resilient(
    operation_name = "clock_limit",
    timeout = 10,
    timeout_mode = "deadline",
    max_attempts = 1,
    enable_circuit_breaker = false
)]
fn limited(scope: &Scope, takes: Duration) -> Answer {
    advance(scope, takes);
    Ok(1)
}

fn time_limit(scope: &Scope) {
    assert!(limited(scope, SPAN).is_ok());
    assert!(is_timeout(&limited(scope, SPAN + NANO)), "too late");
    let within = |span| Deadline::after(SPAN - NANO).within(|| limited(scope, span));
    assert!(within(SPAN - NANO).is_ok());
    assert!(matches!(within(SPAN), Err(Fault::Refused(late)) if late.is_deadline_exceeded()));
}

#[resilient(
    operation_name = "clock_retry",
    max_attempts = 3,
    base_delay = 10,
    max_delay = 10,
    jitter = false,
    enable_timeout = false,
    failure_threshold = "off",
    budget = "none"
)]
fn retried(backend: &Flaky<u32, Fault>) -> Answer {
    backend.call()
}

fn waits(scope: &Scope) {
    let backend = Flaky::new().fail_times(2, || Fault::Down).then_ok(|| 1);
    let before = scope.clock().elapsed();
    assert!(retried(&backend).is_ok());
    assert_eq!(scope.clock().elapsed() - before, 2 * SPAN);
}

#[resilient(operation_name = "clock_keys", key = key, max_attempts = 1, enable_timeout = false)]
fn keyed(key: u32) -> Answer {
    Ok(key)
}

fn idle_keys(scope: &Scope) {
    let keys = || keyed_breakers("clock_keys").unwrap().len();
    let before = keys();
    let key = u32::try_from(before).unwrap() + 1;
    keyed(key).unwrap();
    advance(scope, HOUR - NANO);
    assert_eq!(keys(), before + 1);
    advance(scope, NANO);
    assert_eq!(keys(), 0);
}

#[track_service_health("clock_health")]
fn healthy() -> Answer {
    Ok(1)
}

fn health_window(scope: &Scope) {
    let service = || service_health("clock_health").unwrap();
    (0..20).for_each(|_| drop(healthy()));
    assert_eq!(service().status(), HealthStatus::Healthy);
    advance(scope, 30 * SPAN - NANO);
    assert_eq!(service().metrics().statistics.total_count, 20);
    advance(scope, 2 * NANO);
    assert_eq!(service().metrics().statistics.total_count, 0);
}

type Holds = fn(&Scope);

const INTERVALS: [(&str, Holds); 9] = [
    ("open time", open_time),
    ("lease of a probe", probe_lease),
    ("permits", permits),
    ("window of failures", failure_window),
    ("budget", budget),
    ("time limit", time_limit),
    ("waits", waits),
    ("idle keys", idle_keys),
    ("health", health_window),
];

/// Nanoseconds at which some number of bits is full.
fn edges() -> Vec<(&'static str, u64)> {
    let bits = |bits: u32, unit: u64| {
        1_u64.checked_shl(bits).and_then(|count| count.checked_mul(unit)).unwrap_or(u64::MAX)
    };
    vec![
        ("32 bits of nanoseconds", bits(32, 1)),
        ("32 bits of microseconds", bits(32, 1_000)),
        ("31 bits of milliseconds", bits(31, 1_000_000)),
        ("32 bits of milliseconds", bits(32, 1_000_000)),
        ("31 bits of seconds", bits(31, 1_000_000_000)),
        ("32 bits of seconds", bits(32, 1_000_000_000)),
        ("40 bits of nanoseconds", bits(40, 1)),
        ("48 bits of nanoseconds", bits(48, 1)),
        ("48 bits of microseconds", bits(48, 1_000)),
        ("52 bits of nanoseconds", bits(52, 1)),
        ("53 bits of nanoseconds", bits(53, 1)),
        ("56 bits of nanoseconds", bits(56, 1)),
        ("63 bits of nanoseconds", bits(63, 1)),
        // Two hours before the end of time.
        ("64 bits of nanoseconds", u64::MAX - 2 * 3_600 * 1_000_000_000),
    ]
}

#[test]
fn intervals_across_the_edges_of_32_48_and_64_bits_are_exact() {
    for (edge, at) in edges() {
        for (interval, holds) in INTERVALS {
            for before in [Duration::ZERO, NANO, SPAN / 2, SPAN] {
                let scope = Scope::new();
                let _inside = scope.enter();
                // A test's clock begins at 1 s.
                let start = Duration::from_nanos(at).saturating_sub(before + Duration::from_secs(1));
                advance(&scope, start);
                let whole = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| holds(&scope)));
                assert!(whole.is_ok(), "{interval} {before:?} before {edge}");
            }
        }
    }
}

/// Calls through everything, whatever the clock says.
fn use_everything(scope: &Scope) {
    let breaker = opened();
    let _ = breaker.try_acquire().map(resilient::Permit::success);
    let limiter = RateLimiter::new("clock", RateLimitConfig::new(1).per(SPAN)).unwrap();
    let _ = (limiter.try_acquire(), limiter.try_acquire());
    let budget = RetryBudget::new("clock", Budget::Ratio { ratio: 0.2, per_second: 1.0 }).unwrap();
    let _ = (budget.withdraw(), budget.available());
    budget.deposit();
    let backend = Flaky::new().fail_times(1, || Fault::Down).then_ok(|| 1);
    let _ = (retried(&backend), limited(scope, SPAN), keyed(1), healthy());
    let told = (breaker.snapshot(), limiter.snapshot(), format!("{:?}", resilience_health()));
    assert!(told.2.contains("clock_keys"), "{told:?}");
}

#[test]
fn at_the_end_of_time_nothing_panics() {
    let scope = Scope::new();
    let _inside = scope.enter();
    for before_the_end in [HOUR, SPAN, NANO, Duration::ZERO] {
        let end = Duration::from_nanos(u64::MAX) - Duration::from_secs(1);
        advance(&scope, (end - before_the_end).saturating_sub(scope.clock().elapsed()));
        use_everything(&scope);
        advance(&scope, Duration::MAX);
        use_everything(&scope);
        scope.clock().turn_back(Duration::MAX);
        use_everything(&scope);
    }
}

#[test]
fn ten_years_later_everything_that_was_waited_for_is_over_and_nothing_was_saved_up() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let breaker = opened();
    let limiter = RateLimiter::new("clock", RateLimitConfig::new(10).burst(3)).unwrap();
    let window = RateLimitConfig::new(2).per(HOUR).algorithm(Algorithm::SlidingWindow);
    let window = RateLimiter::new("clock", window).unwrap();
    let budget = RetryBudget::new("clock", Budget::Ratio { ratio: 1.0, per_second: 0.2 }).unwrap();
    let taken = |limiter: &RateLimiter| (0..100).filter(|_| limiter.try_acquire().is_ok()).count();
    let spent = || (0..100).filter(|_| budget.withdraw()).count();
    (0..50).for_each(|_| budget.deposit());
    (0..20).for_each(|_| drop(healthy()));
    keyed(1).unwrap();
    assert_eq!((taken(&limiter), taken(&window), spent()), (3, 2, 52));

    advance(&scope, 10 * YEAR);
    assert_eq!(breaker.retry_after(), Duration::ZERO);
    let probe = breaker.try_acquire().expect("its time is over");
    assert_eq!((taken(&limiter), taken(&window), spent()), (3, 2, 2));
    assert_eq!(service_health("clock_health").unwrap().status(), HealthStatus::Unknown);
    assert_eq!(keyed_breakers("clock_keys").unwrap().len(), 0);

    advance(&scope, 10 * YEAR);
    probe.failure();
    assert_eq!(breaker.state(), State::Open, "its lease is over, and nobody wanted its slot");
    assert_eq!(breaker.retry_after(), SPAN);
}

#[test]
fn a_body_that_finds_itself_ten_years_later_is_late_and_says_so() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let late = limited(&scope, 10 * YEAR);
    assert!(is_timeout(&late), "{late:?}");
    let late = Deadline::after(HOUR).within(|| limited(&scope, 10 * YEAR));
    assert!(is_timeout(&late), "{late:?}");
    assert_eq!(late.unwrap_err().to_string(), "'clock_limit' timed out after 10 s");
}

/// A laptop that sleeps: the time of day goes on and the clock that counts stands still.
#[test]
fn while_the_clock_stands_still_the_time_of_day_changes_nothing() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let breaker = opened();
    let before = breaker.snapshot();
    std::thread::sleep(Duration::from_millis(20));
    let after = breaker.snapshot();
    assert_eq!(breaker.retry_after(), SPAN);
    let moved =
        |of: fn(&resilient::BreakerSnapshot) -> Option<f64>| of(&after).unwrap() - of(&before).unwrap();
    // What people are told follows the time of day.
    assert!(moved(|it| it.next_attempt_time) >= 0.019 && moved(|it| it.last_failure_time) >= 0.019);
}

#[test]
fn an_hour_back_nothing_panics_and_what_was_taken_comes_back_in_time() {
    let scope = Scope::new();
    let _inside = scope.enter();
    advance(&scope, 2 * HOUR);
    for algorithm in [Algorithm::Gcra, Algorithm::SlidingWindow] {
        let limiter =
            RateLimiter::new("clock", RateLimitConfig::new(1).per(SPAN).burst(1).algorithm(algorithm))
                .unwrap();
        limiter.try_acquire().unwrap();
        scope.clock().turn_back(HOUR);
        let _ = limiter.try_acquire();
        advance(&scope, SPAN);
        assert!(limiter.try_acquire().is_ok(), "{algorithm:?}: not an hour later");
        advance(&scope, HOUR);
    }
    let budget = RetryBudget::new("clock", Budget::Ratio { ratio: 0.0, per_second: 0.1 }).unwrap();
    assert!(budget.withdraw());
    scope.clock().turn_back(HOUR);
    advance(&scope, SPAN + SPAN / 10);
    assert_eq!(budget.available(), 1);
    use_everything(&scope);
}

thread_local! {
    static TURNS: Cell<u32> = const { Cell::new(0) };
}

#[resilient(
    operation_name = "clock_back",
    timeout = 10,
    timeout_mode = "deadline",
    max_attempts = 3,
    base_delay = 1,
    jitter = false
)]
#[track_service_health("clock_back")]
fn turns_back(scope: &Scope) -> Answer {
    scope.clock().turn_back(HOUR);
    TURNS.set(TURNS.get() + 1);
    if TURNS.get() < 3 { Err(Fault::Down) } else { Ok(1) }
}

#[test]
fn a_body_that_turns_the_clock_back_is_in_time() {
    let scope = Scope::new();
    let _inside = scope.enter();
    advance(&scope, 10 * HOUR);
    assert_eq!(turns_back(&scope).unwrap(), 1);
    assert_eq!(scope.pauses(), [Duration::from_secs(1), Duration::from_secs(2)]);
    assert_eq!(breaker("clock_back").unwrap().snapshot().successful_calls, 1);
}
