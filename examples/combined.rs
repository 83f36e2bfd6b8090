//! Everything together: four attributes on one function, and the same kind of guard put together in code.
//!
//! `cargo run --example combined` prints the plan that the attributes become, and calls of a healthy and a dead service.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use resilient::{
    BreakerConfig, CircuitBreaker, EventKind, ResilientOperation, RetryPolicy, TimeoutPolicy,
    circuit_breaker, retry_with_backoff, track_service_health, with_timeout,
};

static DEAD: AtomicBool = AtomicBool::new(false);

/// One plan, in whatever order they are written: retry > circuit breaker > timeout > health.
#[retry_with_backoff(max_retries = 3, base_delay = "5ms", jitter = false)]
#[circuit_breaker(name = "database")]
#[with_timeout(seconds = 5)]
#[track_service_health("database", min_samples = 2)]
fn query(sql: &'static str) -> io::Result<String> {
    if DEAD.load(Ordering::Relaxed) {
        Err(io::Error::other("no answer"))
    } else {
        Ok(format!("rows of {sql}"))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _listening = resilient::subscribe(|event| match &event.kind {
        EventKind::AttemptSucceeded { .. } | EventKind::AttemptFailed { .. } | EventKind::Finished { .. } => {
        }
        kind => println!("  {kind}"),
    });
    println!("{}\n", resilient::explain("combined::query")?.layers().join(" > "));

    println!("query: {}", query("SELECT 1")?);
    DEAD.store(true, Ordering::Relaxed);
    println!("query: {}", query("SELECT 2").unwrap_err());
    println!("query: {}", query("SELECT 3").unwrap_err());
    println!("service: {}", resilient::service_health("database")?.status());
    println!("overall: {}\n", resilient::resilience_health().overall_health);

    let fetch_user = ResilientOperation::builder("fetch_user")
        .with_retry(RetryPolicy::new().with_max_attempts(5).with_base_delay("5ms").with_jitter(false))
        .with_timeout(TimeoutPolicy::new().with_timeout(10))
        .with_circuit_breaker(CircuitBreaker::new("users", BreakerConfig::new().failure_threshold(3))?)
        .with_fallback(|error: io::Error| Ok(format!("the cached user, since: {error}")))
        .build()?;
    println!("fetch_user: {}", fetch_user.call(|| Ok("ada".to_owned()))?);
    println!("fetch_user: {}", fetch_user.call(|| Err(io::Error::other("no answer")))?);
    Ok(())
}
