//! throttle-net.

use super::FAILURES;
use crate::work::{Answer, Fault};
use std::time::Duration;
use throttle_net::{CallError, CircuitBreaker, Decision, Limiter, Trip};

/// Its breakers stand in front of a limiter; this one costs nothing.
pub struct Unlimited;

impl Limiter for Unlimited {
    fn peek(&self, _cost: u32) -> Decision {
        Decision::Acquired
    }

    fn acquire_cost(&self, _cost: u32) -> Decision {
        Decision::Acquired
    }

    fn available(&self) -> u32 {
        u32::MAX
    }

    fn capacity(&self) -> u32 {
        u32::MAX
    }
}

pub fn breaker(trip: Trip, cooldown: Duration) -> CircuitBreaker<Unlimited> {
    CircuitBreaker::builder().trip(trip).cooldown(cooldown).half_open(2, u32::MAX).build(Unlimited)
}

pub fn consecutive(cooldown: Duration) -> CircuitBreaker<Unlimited> {
    breaker(Trip::Consecutive(FAILURES), cooldown)
}

/// A sync call: a permit, the work, its outcome.
pub fn call(breaker: &CircuitBreaker<Unlimited>, n: u32, work: fn(u32) -> Answer) -> Answer {
    let Ok(Some(permit)) = breaker.try_acquire() else { return Err(Fault::Refused) };
    let answer = work(n);
    if answer.is_ok() {
        permit.success();
    } else {
        permit.failure();
    }
    answer
}

pub fn fault(error: CallError<Fault>) -> Fault {
    match error {
        CallError::Failed(fault) => fault,
        CallError::Rejected(_) => Fault::Refused,
    }
}
