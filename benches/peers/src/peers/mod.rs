//! The peers, each set up by its own manual with the figures that ours have.
#![allow(clippy::needless_pass_by_value, reason = "their errors go into `map_err`")]

use std::num::NonZeroU32;
use std::time::Duration;

#[cfg(feature = "arcly")]
pub mod by_arcly;
pub mod by_circuitbreaker_rs;
pub mod by_failsafe;
pub mod by_recloser;
pub mod by_seatbelt;
pub mod by_throttle_net;
pub mod by_tower_resilience;

/// How long an open breaker stays open: until the run is over.
pub const DAY: Duration = Duration::from_hours(24);
pub const LIMIT: Duration = Duration::from_secs(30);
const FAILURES: u32 = 5;

pub fn governor() -> governor::DefaultDirectRateLimiter {
    let rate = NonZeroU32::new(1_000_000_000).expect("it is positive");
    governor::RateLimiter::direct(governor::Quota::per_second(rate))
}
