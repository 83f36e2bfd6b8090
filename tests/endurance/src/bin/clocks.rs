//! For a real run under libfaketime, see `scripts/endurance`: `clocks <what the clocks do>`.
//!
//! `steady`: whatever day it is, intervals are as long as they say. `lazy`: the same without what waits for the kernel,
//! which libfaketime does not deceive about a clock that it deceives us about. `wall`: the time of day is set back an hour and forward ten years meanwhile, by `FAKETIME_TIMESTAMP_FILE`.
//! `back`: every look at any clock is five seconds earlier than the one before.

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use resilient::{
    BreakerConfig, CircuitBreaker, RateLimitConfig, RateLimiter, ResilienceError, State, breaker,
    resilience_health, resilient, track_service_health,
};
use resilient_endurance_tests::{now, variable};

type Answer = Result<u32, ResilienceError>;

const SPAN: Duration = Duration::from_millis(300);
/// What a busy machine may add.
const MUCH: Duration = Duration::from_secs(3);

#[resilient(operation_name = "clocks_thread", timeout = 0.3, max_attempts = 1, timeout_mode = "thread")]
fn on_thread(takes: Duration) -> Answer {
    std::thread::sleep(takes);
    Ok(1)
}

#[resilient(operation_name = "clocks_task", timeout = 0.3, max_attempts = 1)]
async fn on_task(takes: Duration) -> Answer {
    tokio::time::sleep(takes).await;
    Ok(1)
}

#[resilient(
    operation_name = "clocks_all",
    timeout = "5s",
    deadline = "10s",
    timeout_mode = "deadline",
    max_attempts = 3,
    base_delay = "10ms",
    failure_rate = 0.9,
    window = "10s",
    budget = 0.2,
    rate_limit(rate = 1_000_000, burst = 1000),
    bulkhead(max_concurrent = 2, max_queue = 2)
)]
#[track_service_health("clocks_all")]
fn every_layer(fails: bool) -> Answer {
    if fails {
        return RateLimiter::new("clocks", RateLimitConfig::new(1)).map_or(Ok(1), |limiter| {
            let _ = limiter.try_acquire();
            limiter.try_acquire().map(|()| 1)
        });
    }
    Ok(1)
}

#[allow(clippy::disallowed_methods, reason = "the time of day, to see that it was changed")]
fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// How long it took until `over`, by the clock as it is seen.
fn time_until(over: impl Fn() -> bool) -> Duration {
    let began = now();
    while !over() {
        std::thread::sleep(Duration::from_millis(1));
    }
    began.elapsed()
}

fn opened() -> CircuitBreaker {
    let config = BreakerConfig::new().failure_threshold(1).success_threshold(1).recovery_timeout(SPAN);
    let breaker = CircuitBreaker::new("clocks", config).expect("a breaker");
    breaker.try_acquire().expect("it is closed").failure();
    breaker
}

fn is_about(what: &str, took: Duration) {
    println!("  {what}: {} ms", took.as_millis());
    assert!(took + Duration::from_millis(2) >= SPAN, "{what}: {took:?} is too early");
    assert!(took <= SPAN + MUCH, "{what}: {took:?} is too late");
}

/// What is looked at when a call comes.
fn lazy() {
    let breaker = opened();
    is_about("a breaker is open", time_until(|| breaker.try_acquire().is_ok()));
    let limiter = RateLimiter::new("clocks", RateLimitConfig::new(1).per(SPAN)).expect("a limiter");
    limiter.try_acquire().expect("the first");
    is_about("the next permit", time_until(|| limiter.try_acquire().is_ok()));
}

fn waits() {
    let began: Instant = now();
    assert!(on_thread(4 * SPAN).is_err_and(|error| error.is_timeout()));
    is_about("a limit on a thread", began.elapsed());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let began: Instant = now();
    assert!(runtime.block_on(on_task(40 * SPAN)).is_err_and(|error| error.is_timeout()));
    is_about("a limit on a task", began.elapsed());
}

fn calls() {
    for number in 0..200 {
        let _ = every_layer(number % 7 == 3);
    }
    let snapshot = breaker("clocks_all").expect("its breaker").snapshot();
    assert!(snapshot.successful_calls > 0, "{snapshot:?}");
    let health = format!("{:?} {:?}", resilience_health(), resilient::explain("clocks_all"));
    assert!(health.contains("clocks_all"));
}

fn set_wall_clock(to: &str) {
    let file = variable("FAKETIME_TIMESTAMP_FILE").expect("the file that libfaketime reads");
    std::fs::write(file, to).expect("a file");
}

fn wall() {
    for (set, moved) in [("-3600", -3600), ("+87600h", 315_360_000), ("+0", 0)] {
        set_wall_clock("+0");
        let (breaker, before) = (opened(), unix_seconds().cast_signed());
        let began = now();
        set_wall_clock(set);
        let seen = unix_seconds().cast_signed() - before;
        assert!((seen - moved).abs() <= 5, "the time of day was to move by {moved} s, it moved by {seen} s");
        while breaker.try_acquire().is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
        is_about(&format!("open while the time of day moved by {seen} s"), began.elapsed());
        calls();
    }
}

fn back() {
    let (one, other) = (unix_seconds(), unix_seconds());
    assert!(other < one, "the clock does not go back: {one}, {other}");
    let breaker = opened();
    for _ in 0..1_000 {
        let _ = breaker.try_acquire().map(resilient::Permit::success);
    }
    assert!(matches!(breaker.state(), State::Open | State::Closed | State::HalfOpen));
    // Nothing fails here: a wait between attempts would be as long as the clock takes to come back.
    for _ in 0..1_000 {
        assert!(every_layer(false).is_ok());
    }
    assert!(on_thread(Duration::from_millis(1)).is_ok());
    let health = format!("{:?} {:?}", resilience_health(), breaker.snapshot());
    assert!(health.contains("clocks"));
}

fn main() -> ExitCode {
    let mode = std::env::args().nth(1).unwrap_or_default();
    match mode.as_str() {
        "steady" => {
            let before = unix_seconds();
            lazy();
            waits();
            calls();
            println!("  seconds since 1970: {before}, and {} at the end", unix_seconds());
        }
        "lazy" => {
            lazy();
            calls();
        }
        "wall" => wall(),
        "back" => back(),
        _ => {
            eprintln!("clocks steady|lazy|wall|back");
            return ExitCode::from(2);
        }
    }
    println!("  nothing panicked");
    ExitCode::SUCCESS
}
