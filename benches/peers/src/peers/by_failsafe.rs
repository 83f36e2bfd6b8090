//! failsafe.

use super::{DAY, FAILURES};
use crate::work::Fault;
use failsafe::StateMachine;
use failsafe::backoff::{Constant, constant};
use failsafe::failure_policy::{
    ConsecutiveFailures, SuccessRateOverTimeWindow, consecutive_failures, success_rate_over_time_window,
};
use std::time::Duration;

pub type Breaker<Policy> = StateMachine<Policy, ()>;
pub type Consecutive = Breaker<ConsecutiveFailures<Constant>>;

pub fn breaker() -> Consecutive {
    failsafe::Config::new().failure_policy(consecutive_failures(FAILURES, constant(DAY))).build()
}

pub fn over_time() -> Breaker<SuccessRateOverTimeWindow<Constant>> {
    let policy = success_rate_over_time_window(0.5, 20, Duration::from_secs(30), constant(DAY));
    failsafe::Config::new().failure_policy(policy).build()
}

pub fn fault(error: failsafe::Error<Fault>) -> Fault {
    match error {
        failsafe::Error::Inner(fault) => fault,
        failsafe::Error::Rejected => Fault::Refused,
    }
}
