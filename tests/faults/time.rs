//! F30 to F37: clocks that step, wrap and stand still, and windows over time.

use std::time::Duration;

use resilient::testing::Scope;
use resilient::{
    Algorithm, BreakerConfig, Budget, CircuitBreaker, ErrorKind, RateLimitConfig, RateLimiter, RetryBudget,
    State, Window, WindowSnapshot, breaker, keyed_breakers, resilience_health, resilient, service_health,
    track_service_health,
};

use crate::support::{Answer, Exit, Fault, Guarded, HOUR, SECOND, end, made, no_rule, now, one_probe, pair};

const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 86_400);
const RECOVERY: Duration = Duration::from_secs(10);
/// What a clock of a scope begins at.
const BEGINNING: Duration = SECOND;

pair! { guarded: max_attempts = 3, base_delay = 1, jitter = false, enable_timeout = false, failure_threshold = 3,
success_threshold = 1, recovery_timeout = 10, rate_limit(rate = 10, per = 1), budget(ratio = 0.5, per_second = 1),
deadline = "1h" }

/// Everything that tells the time, in one scope.
struct World {
    scope: Scope,
    breaker: CircuitBreaker,
    limiters: [RateLimiter; 2],
    budget: RetryBudget,
}

impl World {
    /// To be made inside the scope.
    fn new(scope: Scope) -> Self {
        let limiter =
            |algorithm| RateLimiter::new("time", RateLimitConfig::new(10).algorithm(algorithm)).unwrap();
        let breaker = made(one_probe(1));
        let limiters = [limiter(Algorithm::Gcra), limiter(Algorithm::SlidingWindow)];
        let budget = RetryBudget::new("time", Budget::Ratio { ratio: 1.0, per_second: 0.0 }).unwrap();
        Self { scope, breaker, limiters, budget }
    }

    fn advance(&self, span: Duration) {
        self.scope.clock().advance(span);
    }

    /// Opening, refusing, recovering, limiting and paying take exactly as long as they say.
    fn is_exact(&self, when: &str) {
        let Self { breaker, limiters, budget, .. } = self;
        let nanosecond = Duration::from_nanos(1);
        breaker.try_acquire().expect(when).failure();
        self.advance(RECOVERY.saturating_sub(nanosecond));
        let refused = breaker.try_acquire().expect_err(when);
        assert_eq!(refused.retry_after(), Some(nanosecond), "{when}");
        self.advance(nanosecond);
        breaker.try_acquire().expect(when).success();
        assert_eq!(breaker.state(), State::Closed, "{when}");
        for limiter in limiters {
            assert_eq!((0..20).filter(|_| limiter.try_acquire().is_ok()).count(), 10, "{when}: {limiter:?}");
        }
        self.advance(SECOND);
        for limiter in limiters {
            limiter.try_acquire_many(10).unwrap_or_else(|refused| panic!("{when}: {refused}"));
            assert!(limiter.try_acquire().is_err(), "{when}");
        }
        self.advance(SECOND);
        budget.deposit();
        assert!(budget.withdraw(), "{when}");
        assert!(!budget.withdraw(), "{when}");
        self.advance(20 * SECOND);
        for Guarded { call, name } in guarded::BOTH {
            let began = self.scope.clock().elapsed();
            assert_eq!(call(Exit::Failure), Err(Fault::Down), "{when}");
            assert_eq!(self.scope.clock().elapsed().saturating_sub(began), 3 * SECOND, "{when}: {name}");
            assert_eq!(call(Exit::Success), Err(Fault::Refused(ErrorKind::CircuitOpen)), "{when}");
            self.advance(RECOVERY);
            assert_eq!((call(Exit::Success), breaker_state(name)), (Ok(()), State::Closed), "{when}");
        }
        let _ = resilience_health().to_json();
    }
}

fn breaker_state(name: &str) -> State {
    breaker(name).expect("a breaker").state()
}

/// With everything in use: a breaker open, limits used up, a budget spent. A limiter notices and has nobody wait longer
/// than ever; an open breaker is open for as long as the step was, at most, besides its own time.
#[test]
fn f30_a_clock_that_goes_back_panics_nowhere_and_locks_nobody_out() {
    for back in [SECOND, HOUR, TEN_YEARS, Duration::MAX] {
        let scope = Scope::new();
        let _inside = scope.enter();
        scope.clock().advance(2 * HOUR);
        let world = World::new(scope);
        for Guarded { call, .. } in guarded::BOTH {
            assert!(call(Exit::Failure).is_err());
        }
        world.breaker.try_acquire().unwrap().failure();
        for limiter in &world.limiters {
            limiter.try_acquire_many(10).unwrap();
        }
        world.budget.deposit();
        assert!(world.budget.withdraw());
        let stepped = back.min(world.scope.clock().elapsed() + SECOND);
        world.scope.clock().turn_back(back);
        drop(resilience_health().to_json());
        assert!(world.breaker.try_acquire().is_err());
        assert_eq!(world.breaker.retry_after(), RECOVERY);
        for limiter in &world.limiters {
            let refused = limiter.try_acquire().expect_err("it is used up");
            assert!(refused.retry_after().is_some_and(|wait| wait <= SECOND), "{refused}");
        }
        world.advance(RECOVERY);
        world.breaker.try_acquire().expect("the time is over").success();
        // What nobody has asked since the step may be as it was before it.
        world.advance(stepped + 20 * SECOND);
        for Guarded { call, .. } in guarded::BOTH {
            assert_eq!(call(Exit::Success).map_err(|refused| refused.to_string()), Ok(()), "after {back:?}");
        }
        world.is_exact(&format!("after {back:?} back"));
    }
}

/// Only people are told of the wall clock: it decides nothing.
#[test]
fn f30_a_recovery_is_measured_on_the_monotonic_clock_alone() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let breaker = made(one_probe(1));
    breaker.try_acquire().unwrap().failure();
    let until = |breaker: &CircuitBreaker| breaker.snapshot().next_attempt_time.unwrap();
    let told = until(&breaker);
    // Real time goes on and the scope's stands still: the wall clock's answer moves, the breaker does not.
    std::thread::sleep(Duration::from_millis(20));
    assert!(until(&breaker) > told);
    assert_eq!(breaker.retry_after(), RECOVERY);
}

#[test]
fn f31_an_instant_before_the_beginning_is_no_time_ago() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let world = World::new(scope);
    // Before everything that there is to compare with.
    world.scope.clock().turn_back(Duration::MAX);
    assert_eq!(world.scope.clock().elapsed(), Duration::ZERO);
    world.is_exact("before the beginning");
    for _ in 0..3 {
        world.scope.clock().turn_back(HOUR);
        world.breaker.try_acquire().unwrap().success_after(Duration::MAX);
        assert_eq!(Some(world.breaker.snapshot().time_in_states.half_open), Some(0.0));
    }
}

/// Where milliseconds and microseconds fill 32 bits, and nanoseconds 48, 53 (a float's) and 63: an interval that begins
/// before and ends after is as long as any other.
#[test]
fn f32_no_interval_is_another_where_a_count_of_time_would_wrap() {
    let edges = [
        ("2^31 µs", Duration::from_micros(1 << 31)),
        ("2^32 µs", Duration::from_micros(1 << 32)),
        ("2^31 ms", Duration::from_millis(1 << 31)),
        ("2^32 ms", Duration::from_millis(1 << 32)),
        ("2^48 ns", Duration::from_nanos(1 << 48)),
        ("2^53 ns", Duration::from_nanos(1 << 53)),
        ("2^31 s", Duration::from_secs(1 << 31)),
        ("2^32 s", Duration::from_secs(1 << 32)),
        ("2^63 ns", Duration::from_nanos(1 << 63)),
    ];
    for (edge, at) in edges {
        for before in [
            Duration::ZERO,
            Duration::from_nanos(1),
            SECOND / 2,
            5 * SECOND,
            11 * SECOND,
            12 * SECOND,
            33 * SECOND,
        ] {
            let scope = Scope::new();
            let _inside = scope.enter();
            scope.clock().advance(at.saturating_sub(before + BEGINNING));
            World::new(scope).is_exact(&format!("{before:?} before {edge}"));
        }
    }
}

/// 584 years after the beginning time stands still. Nothing panics, and what would end later ends then and not before.
#[test]
fn f32_at_the_end_of_time_nothing_overflows() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let world = World::new(scope);
    world.advance(Duration::from_nanos(u64::MAX).saturating_sub(BEGINNING + 5 * SECOND));
    world.breaker.try_acquire().unwrap().failure();
    let refused = world.breaker.try_acquire().expect_err("it has just opened");
    assert_eq!(refused.retry_after(), Some(5 * SECOND), "what is left of all time");
    for _ in 0..3 {
        world.advance(Duration::MAX);
        if let Ok(permit) = world.breaker.try_acquire() {
            permit.failure();
        }
        let _ = world.limiters.each_ref().map(|limiter| limiter.try_acquire_many(7).is_ok());
        world.budget.deposit();
        let _ = world.budget.withdraw();
        for Guarded { call, .. } in guarded::BOTH {
            let _ = (call(Exit::Failure), call(Exit::Success));
        }
        let _ = (resilience_health().to_json(), format!("{:?}", world.breaker.snapshot()));
    }
    assert_eq!(world.breaker.state(), State::Open);
}

/// One place reads clocks, and the lint that keeps the rest from it is an error in every crate.
#[test]
fn f33_clocks_are_read_in_one_place() {
    let lint = include_str!("../../clippy.toml");
    for method in ["std::time::Instant::now", "std::time::SystemTime::now", "tokio::time::Instant::now"] {
        assert!(lint.contains(&format!("path = \"{method}\"")), "clippy.toml lets {method} pass");
    }
    let workspace = include_str!("../../Cargo.toml");
    assert!(workspace.contains("disallowed_methods = \"deny\""));
    for manifest in ["Cargo.toml", "resilient-runtime/Cargo.toml", "resilient-macros/Cargo.toml"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(manifest);
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains("[lints]\nworkspace = true"), "{manifest} has lints of its own");
    }
}

#[resilient(
    operation_name = "f33_measured",
    max_attempts = 2,
    base_delay = 7,
    jitter = false,
    timeout = "5s",
    slow_call_duration = "3s",
    slow_call_rate = 1.0,
    window = 10,
    min_calls = 10
)]
#[track_service_health("f33_service")]
async fn measured(takes: Duration) -> Answer {
    tokio::time::sleep(takes).await;
    Ok(())
}

/// Timeouts, waits, slow calls and response times are all measured on the clock that the test moves.
#[tokio::test(start_paused = true)]
async fn f33_no_figure_of_virtual_time_comes_from_the_real_one() {
    let scope = Scope::new();
    let _inside = scope.enter();
    assert_eq!(measured(4 * SECOND).await, Ok(()));
    assert_eq!(measured(HOUR).await, Err(Fault::Refused(ErrorKind::Timeout)));
    assert_eq!(scope.clock().elapsed(), (4 + 5 + 7 + 5) * SECOND);
    let seen = breaker("f33_measured").unwrap().snapshot();
    let window = seen.window.unwrap();
    assert_eq!((window.slow_successes, window.slow_failures), (1, 2));
    assert_eq!(Some(seen.time_in_states.closed), Some(21.0));
    let service = service_health("f33_service").unwrap().metrics();
    let json = serde_json::to_value(&service).unwrap();
    assert_eq!(json["statistics"]["average_response_time"], (4.0 + 5.0 + 5.0) / 3.0);
}

fn windowed(window: Window) -> CircuitBreaker {
    let measuring = no_rule().failure_rate(1.0).slow_call_rate(1.0).slow_call_duration(SECOND).window(window);
    made(BreakerConfig::min_calls(measuring, 1).initial_state(State::MetricsOnly))
}

fn seen(breaker: &CircuitBreaker) -> WindowSnapshot {
    breaker.snapshot().window.expect("a rate rule is on")
}

fn succeeds(breaker: &CircuitBreaker) {
    breaker.try_acquire().unwrap().success();
}

fn fails(breaker: &CircuitBreaker) {
    breaker.try_acquire().unwrap().failure();
}

#[test]
fn f34_a_quiet_time_longer_than_the_window_leaves_nothing_in_it() {
    for gap in [10, 11, 19, 20, 100, 1_000_000] {
        let scope = Scope::new();
        let _inside = scope.enter();
        let breaker = windowed(Window::Time(10 * SECOND));
        for _ in 0..30 {
            fails(&breaker);
            scope.clock().advance(SECOND / 2);
        }
        assert_eq!(seen(&breaker).calls, 18, "two a second for nine seconds, and the second that begins");
        scope.clock().advance((gap * SECOND).saturating_sub(SECOND / 2));
        assert_eq!(seen(&breaker).calls, 0, "after {gap} s");
        succeeds(&breaker);
        assert_eq!((seen(&breaker).calls, seen(&breaker).failures), (1, 0), "after {gap} s");
    }
}

#[test]
fn f35_the_result_that_begins_a_bucket_is_in_it() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let breaker = windowed(Window::Time(10 * SECOND));
    for second in 0..100_u32 {
        fails(&breaker);
        assert_eq!(seen(&breaker).failures, (second + 1).min(10), "in second {second}");
        scope.clock().advance(SECOND);
    }
    // And it trips at once where it is the one too many.
    let tripping = made(no_rule().failure_rate(0.5).window(Window::Time(10 * SECOND)).min_calls(2));
    succeeds(&tripping);
    scope.clock().advance(SECOND);
    fails(&tripping);
    assert_eq!(tripping.state(), State::Open);
}

#[resilient(
    operation_name = "f36_sync",
    max_attempts = 1,
    enable_timeout = false,
    failure_threshold = "off",
    failure_rate = 1.0,
    window = "1s",
    min_calls = 3
)]
fn long(scope: &Scope) -> Answer {
    scope.clock().advance(HOUR);
    end(Exit::Failure)
}

#[resilient(
    operation_name = "f36_async",
    max_attempts = 1,
    enable_timeout = false,
    failure_threshold = "off",
    failure_rate = 1.0,
    window = "1s",
    min_calls = 3
)]
async fn long_later(scope: &Scope) -> Answer {
    scope.clock().advance(HOUR);
    tokio::task::yield_now().await;
    end(Exit::Failure)
}

#[test]
fn f36_a_call_longer_than_the_window_counts_where_it_ends() {
    let scope = Scope::new();
    let _inside = scope.enter();
    for name in ["f36_sync", "f36_async"] {
        let began: Vec<_> = (0..2).map(|_| breaker(name).unwrap().try_acquire().unwrap()).collect();
        let answer = if name == "f36_sync" { long(&scope) } else { now(long_later(&scope)) };
        assert_eq!((answer, breaker_state(name)), (Err(Fault::Down), State::Closed));
        assert_eq!(seen(&breaker(name).unwrap()).failures, 1);
        began.into_iter().for_each(resilient::Permit::failure);
        assert_eq!(breaker_state(name), State::Open);
    }
    assert!(keyed_breakers("f36_sync").is_err());
}

/// Nothing is forgotten at a stroke: a rate is over the last so much time, not since the last full minute.
#[test]
fn f37_results_leave_the_window_little_by_little() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let breaker = windowed(Window::Time(60 * SECOND));
    for second in 0..300 {
        // One of ten fails, ten a second.
        (0..9).for_each(|_| succeeds(&breaker));
        fails(&breaker);
        let window = seen(&breaker);
        assert_eq!(window.failure_rate, Some(0.1), "in second {second}");
        assert!(second < 60 || window.calls > 540, "in second {second}: {} calls", window.calls);
        scope.clock().advance(SECOND);
    }
    // The cliff of a window that is emptied every minute: nine failures just after it.
    let after_the_minute = made(no_rule().failure_rate(0.5).window(Window::Time(60 * SECOND)).min_calls(10));
    for _ in 0..59 {
        succeeds(&after_the_minute);
        scope.clock().advance(SECOND);
    }
    scope.clock().advance(SECOND);
    for _ in 0..10 {
        fails(&after_the_minute);
    }
    assert_eq!(after_the_minute.state(), State::Closed, "10 of 64 failed, not 10 of 10");
}
