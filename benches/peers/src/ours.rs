//! Our side of the comparison: one annotated function for each part.

use std::sync::LazyLock;
use std::time::Duration;

use resilient::{
    Budget, Bulkhead, BulkheadConfig, RateLimitConfig, RateLimiter, RetryBudget, bulkhead, circuit_breaker,
    rate_limit, resilient, retry_with_backoff,
};

use crate::work::{Answer, Kept, flaky, waiting as wait, work, work_async};

#[circuit_breaker(name = "judge.closed")]
#[inline(never)]
pub fn closed(n: u32) -> Answer {
    work(n)
}

#[circuit_breaker(name = "judge.closed_async")]
#[inline(never)]
pub async fn closed_async(n: u32) -> Answer {
    work(n)
}

#[circuit_breaker(name = "judge.open")]
#[inline(never)]
pub fn open(n: u32) -> Answer {
    work(n)
}

#[circuit_breaker(name = "judge.open_kept")]
#[inline(never)]
pub fn open_kept(n: u32) -> Result<u32, Kept> {
    work(n).map_err(|_| Kept::Own)
}

#[circuit_breaker(name = "judge.open_async")]
#[inline(never)]
pub async fn open_async(n: u32) -> Answer {
    work(n)
}

#[resilient(operation_name = "judge.open_full")]
#[inline(never)]
pub async fn open_full_kept(n: u32) -> Result<u32, Kept> {
    work(n).map_err(|_| Kept::Own)
}

/// A half-open breaker that stays so: it would take a billion successes to close it.
#[circuit_breaker(name = "judge.half_open", success_threshold = 1_000_000_000, half_open_max_calls = 2)]
#[inline(never)]
pub fn half_open(n: u32) -> Answer {
    work(n)
}

/// Retry, breaker and time limit.
#[resilient(operation_name = "judge.full")]
#[inline(never)]
pub async fn full(n: u32) -> Answer {
    work(n)
}

#[resilient(operation_name = "judge.full_waiting")]
#[inline(never)]
pub async fn full_waiting(n: u32) -> Answer {
    wait(n).await
}

#[retry_with_backoff(operation_name = "judge.retry")]
#[inline(never)]
pub async fn retry(n: u32) -> Answer {
    work(n)
}

#[retry_with_backoff(operation_name = "judge.retry_sync")]
#[inline(never)]
pub fn retry_sync(n: u32) -> Answer {
    work(n)
}

#[retry_with_backoff(operation_name = "judge.budget", budget(ratio = 0.2, per_second = 10))]
#[inline(never)]
pub fn with_budget(n: u32) -> Answer {
    work(n)
}

#[rate_limit(name = "judge.rate", rate = 1_000_000_000, per = "1s")]
#[inline(never)]
pub fn limited(n: u32) -> Answer {
    work(n)
}

#[bulkhead(name = "judge.bulkhead", max_concurrent = 10)]
#[inline(never)]
pub fn isolated(n: u32) -> Answer {
    work(n)
}

#[circuit_breaker(name = "judge.count", failure_rate = 0.5, window = 100)]
#[inline(never)]
pub fn count_window(n: u32) -> Answer {
    work(n)
}

#[circuit_breaker(name = "judge.count_flaky", failure_rate = 0.5, window = 100)]
#[inline(never)]
pub fn count_window_flaky(n: u32) -> Answer {
    flaky(n)
}

#[circuit_breaker(name = "judge.time", failure_rate = 0.5, window = "30s")]
#[inline(never)]
pub fn time_window(n: u32) -> Answer {
    work(n)
}

#[circuit_breaker(name = "judge.time_flaky", failure_rate = 0.5, window = "30s")]
#[inline(never)]
pub fn time_window_flaky(n: u32) -> Answer {
    flaky(n)
}

/// Every layer that a sync function can have, in place.
#[resilient(
    operation_name = "judge.everything_sync",
    timeout_mode = "deadline",
    max_attempts = 3,
    timeout = "1h",
    deadline = "1h",
    failure_rate = 0.5,
    window = 100,
    budget(ratio = 0.2, per_second = 10),
    bulkhead(max_concurrent = 10, max_queue = 10),
    rate_limit(rate = 1_000_000_000, per = "1s"),
    fallback = work
)]
#[resilient::track_service_health("judge.service")]
#[inline(never)]
pub fn everything(n: u32) -> Answer {
    work(n)
}

/// Every layer that there is.
#[resilient(
    operation_name = "judge.everything",
    idempotent = true,
    hedge(delay = "10s"),
    max_attempts = 3,
    timeout = "1h",
    deadline = "1h",
    failure_rate = 0.5,
    window = 100,
    budget(ratio = 0.2, per_second = 10),
    bulkhead(max_concurrent = 10, max_queue = 10),
    rate_limit(rate = 1_000_000_000, per = "1s"),
    fallback = work_async
)]
#[resilient::track_service_health("judge.service_async")]
#[inline(never)]
pub async fn everything_async(n: u32) -> Answer {
    work(n)
}

pub static LIMITER: LazyLock<RateLimiter> = LazyLock::new(|| {
    let config = RateLimitConfig::new(1_000_000_000);
    RateLimiter::new("judge.limiter", config).expect("the figures are right")
});

pub static BULKHEAD: LazyLock<Bulkhead> = LazyLock::new(|| {
    Bulkhead::new("judge.bulkhead_object", BulkheadConfig::new()).expect("the figures are right")
});

pub static BUDGET: LazyLock<RetryBudget> = LazyLock::new(|| {
    let budget = Budget::Ratio { ratio: 0.2, per_second: 1_000_000.0 };
    RetryBudget::new("judge.budget_object", budget).expect("the figures are right")
});

/// Puts the breakers into the states that are measured.
pub fn prepare() {
    let breaker = |name| resilient::breaker(name).expect("a function above names it");
    for name in ["judge.open", "judge.open_kept", "judge.open_async", "judge.open_full"] {
        breaker(name).open_for(Duration::from_hours(24));
    }
    breaker("judge.half_open").open();
    breaker("judge.half_open").half_open().expect("it is open");
    assert_eq!(half_open(1), Ok(1));
}
