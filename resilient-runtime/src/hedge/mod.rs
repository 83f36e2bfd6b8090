//! Hedging: a second call of the same operation while the first has not answered, and the first good answer wins.

mod driver;
mod latency;
mod race;

pub(crate) use driver::Hedged;
pub(crate) use latency::Latency;
pub(crate) use race::{Answer, Judged, Race};

use std::fmt;
use std::time::Duration;

/// How long an attempt may go without an answer before another one is started beside it.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::HedgeDelay;
/// use std::time::Duration;
///
/// assert_eq!(HedgeDelay::P95.to_string(), "p95");
/// assert_eq!(HedgeDelay::from(Duration::from_millis(100)).to_string(), "100ms");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HedgeDelay {
    /// So long. Zero starts every attempt at once; [`Duration::MAX`] starts the next only when one has failed.
    Fixed(Duration),
    /// What 95 of 100 of the operation's last successful attempts took less than.
    P95,
}

impl From<Duration> for HedgeDelay {
    fn from(delay: Duration) -> Self {
        Self::Fixed(delay)
    }
}

impl fmt::Display for HedgeDelay {
    /// As an attribute spells it: `p95`, `100ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(delay) => humantime::format_duration(*delay).fmt(f),
            Self::P95 => f.write_str("p95"),
        }
    }
}
