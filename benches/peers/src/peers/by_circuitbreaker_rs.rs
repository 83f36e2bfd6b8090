//! circuitbreaker-rs.

use super::FAILURES;
use crate::work::Fault;
use circuitbreaker_rs::{BreakerError, CircuitBreaker, DefaultPolicy};
use std::time::Duration;

pub fn breaker(cooldown: Duration) -> CircuitBreaker<DefaultPolicy, Fault> {
    CircuitBreaker::<DefaultPolicy, Fault>::builder()
        .consecutive_failures(FAILURES.into())
        .consecutive_successes(1 << 40)
        .probe_interval(u32::MAX)
        .cooldown(cooldown)
        .build()
}

pub fn fault(error: BreakerError<Fault>) -> Fault {
    match error {
        BreakerError::Operation(fault) => fault,
        _ => Fault::Refused,
    }
}
