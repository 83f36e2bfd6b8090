//! Why a call ended, why a breaker changed: one word for each reason.

use std::fmt;

/// Why a call made no further attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopReason {
    /// The last attempt succeeded.
    Success,
    /// The caller dropped the call.
    Cancelled,
    /// The deadline passed.
    Deadline,
    /// The error is not one to retry.
    NotRetryable,
    /// No attempts were left.
    Attempts,
    /// The retry budget was empty.
    Budget,
    /// The wait before the next attempt would not have fitted the deadline (or was asked to be over 60 s).
    DelayTooLong,
    /// The library refused the call.
    Refused,
    /// The function panicked.
    Panicked,
}

impl StopReason {
    /// The reason as logs and metrics spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Cancelled => "cancelled",
            Self::Deadline => "deadline",
            Self::NotRetryable => "not_retryable",
            Self::Attempts => "attempts",
            Self::Budget => "budget",
            Self::DelayTooLong => "delay_too_long",
            Self::Refused => "refused",
            Self::Panicked => "panicked",
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a breaker changed its state.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum TripReason {
    /// So many failures without a success between them.
    ConsecutiveFailures(u32),
    /// Too large a share of the window failed.
    FailureRate {
        /// The share, in percent.
        percent: f32,
        /// Of how many results.
        calls: u32,
    },
    /// Too large a share of the window was slow.
    SlowCallRate {
        /// The share, in percent.
        percent: f32,
        /// Of how many results.
        calls: u32,
    },
    /// Every call of the window was dropped before it ended.
    Abandoned(u32),
    /// A probe failed.
    ProbeFailed,
    /// Enough probes succeeded.
    Recovered,
    /// The open time is over and a call came.
    RecoveryTimeout,
    /// Somebody did it by hand.
    Manual,
    /// Everything was reset.
    Reset,
}

impl TripReason {
    /// The reason as metrics spell it, without its figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConsecutiveFailures(_) => "consecutive_failures",
            Self::FailureRate { .. } => "failure_rate",
            Self::SlowCallRate { .. } => "slow_call_rate",
            Self::Abandoned(_) => "abandoned",
            Self::ProbeFailed => "probe_failed",
            Self::Recovered => "recovered",
            Self::RecoveryTimeout => "recovery_timeout",
            Self::Manual => "manual",
            Self::Reset => "reset",
        }
    }
}

impl fmt::Display for TripReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ConsecutiveFailures(1) => f.write_str("1 failure"),
            Self::ConsecutiveFailures(failures) => write!(f, "{failures} consecutive failures"),
            Self::FailureRate { percent, calls } => write!(f, "{percent:.0} % of {calls} calls failed"),
            Self::SlowCallRate { percent, calls } => write!(f, "{percent:.0} % of {calls} calls were slow"),
            Self::Abandoned(calls) => write!(f, "all of {calls} calls were abandoned"),
            Self::ProbeFailed => f.write_str("a probe failed"),
            Self::Recovered => f.write_str("enough probes succeeded"),
            Self::RecoveryTimeout => f.write_str("the recovery timeout is over, a probe is under way"),
            Self::Manual => f.write_str("set by hand"),
            Self::Reset => f.write_str("reset"),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for TripReason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
