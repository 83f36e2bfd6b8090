//! A rate limiter as it was at one moment, for people and monitoring.

use super::Algorithm;

/// A rate limiter as it was at one moment. Counts run from its making.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RateLimiterSnapshot {
    /// The limiter's name.
    pub name: &'static str,
    /// Permits in a `per`.
    pub rate: u32,
    /// In what time, in seconds.
    pub per: f64,
    /// Permits that can be taken at once when none was taken for long.
    pub burst: u32,
    /// How long a caller waits at most, in seconds.
    pub max_wait: f64,
    /// How calls are counted.
    pub algorithm: Algorithm,
    /// Permits that can be taken now.
    pub available: u32,
    /// Callers that wait for a permit they have reserved.
    pub waiting_count: u32,
    /// Granted and refused calls.
    pub total_requests: u64,
    /// Granted calls, those that waited included.
    pub allowed_requests: u64,
    /// Refused calls.
    pub rejected_requests: u64,
    /// Permits granted per second, over about the last `per`.
    pub current_rate: f64,
    /// Seconds until a permit is there; `None` when one is.
    pub retry_after: Option<f64>,
    /// When every permit is there again if no call comes, in seconds since 1970.
    pub reset_time: f64,
}
