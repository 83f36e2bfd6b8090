//! Layers as objects, for calls that no attribute can be written on: closures, other crates' functions.
//!
//! `cargo run --example policy_objects` prints three calls through one operation, and what `build` says to mistakes.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use resilient::{
    BreakerConfig, Bulkhead, BulkheadConfig, CircuitBreaker, EventKind, RateLimitConfig, RateLimiter,
    ResilientOperation, RetryPolicy, TimeoutPolicy,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _listening = resilient::subscribe(|event| {
        let told = matches!(
            event.kind,
            EventKind::RetryScheduled { .. } | EventKind::Finished { .. } | EventKind::Transition { .. }
        );
        if told {
            println!("  {}", event.kind);
        }
    });

    let retry = RetryPolicy::new()
        .with_max_attempts(3)
        .with_base_delay("20ms")
        .with_jitter(false)
        .with_retry_if(|error: &io::Error| error.kind() != io::ErrorKind::NotFound);
    // Each object may be shared with other operations.
    let breaker = CircuitBreaker::new("files", BreakerConfig::new().failure_threshold(4))?;
    let read = ResilientOperation::builder("read")
        .with_retry(retry.clone())
        .with_timeout(TimeoutPolicy::new().with_timeout("1s"))
        .with_circuit_breaker(breaker.clone())
        .with_rate_limiter(RateLimiter::new("files", RateLimitConfig::new(100))?)
        .with_bulkhead(Bulkhead::new("files", BulkheadConfig::new().max_concurrent(8))?)
        .build()?;

    println!("an error that passes:");
    let calls = AtomicU32::new(0);
    let answer = read.call(|| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => Err(io::Error::other("busy")),
        _ => Ok("read"),
    });
    println!("  => {}\n", answer?);

    println!("one that is final:");
    println!("  => {}\n", read.call(|| std::fs::read("/no/such/file")).unwrap_err());

    println!("one that stays, and opens the breaker:");
    println!("  => {}\n", read.call(|| Err::<(), _>(io::Error::other("broken"))).unwrap_err());
    println!("the breaker is {}\n", breaker.state());

    let wrong = ResilientOperation::builder("not a name").with_retry(retry.with_max_attempts(0)).build();
    println!("{}", wrong.unwrap_err());
    Ok(())
}
