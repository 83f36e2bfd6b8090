//! The circuit breaker: stops calling what keeps failing, and tries again carefully.

mod config;
mod core;
mod machine;
#[cfg(any(fuzzing, all(test, not(any(resilient_loom, resilient_shuttle)))))]
pub(crate) mod sequences;
mod snapshot;
mod window;

use std::fmt;
use std::num::NonZeroU32;

pub use config::{BreakerConfig, Window};
pub(crate) use core::Breaker;
pub use snapshot::{BreakerSnapshot, Counts, TimeInStates, WindowSnapshot};

/// The state of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Calls pass.
    Closed,
    /// Calls are refused until the recovery timeout is over.
    Open,
    /// A few calls pass as probes.
    HalfOpen,
    /// Calls are refused until somebody closes it by hand.
    ForcedOpen,
    /// Calls pass and nothing is recorded.
    Disabled,
    /// Calls pass, results are recorded, and it says what it would have done.
    MetricsOnly,
}

impl State {
    /// The state as logs, health and metrics spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedOpen => "forced_open",
            Self::Disabled => "disabled",
            Self::MetricsOnly => "metrics_only",
        }
    }

    /// The state as a gauge: 0 closed, 1 open, 2 half-open, 3 forced open, 4 disabled, 5 metrics only.
    pub const fn as_gauge(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for State {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What is counted without the breaker's lock.
#[derive(Clone, Copy, Debug)]
enum Count {
    Success,
    Ignored,
    Rejected,
}

impl From<Count> for usize {
    fn from(count: Count) -> Self {
        count as Self
    }
}

type Counters = crate::counters::Counters<3>;

/// Under which generation a call was admitted, and in which probe's slot (0: none). A result from an older
/// generation changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    generation: Generation,
    probe: u32,
}

/// Counts the eras of one breaker: what was admitted in another is stale. Never zero, so that no ticket at all costs
/// no room. After four billion it begins again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Generation(NonZeroU32);

impl Generation {
    const FIRST: Self = Self(NonZeroU32::MIN);

    fn get(self) -> u32 {
        self.0.get()
    }

    /// The generation `steps` later.
    fn after(self, steps: u32) -> Self {
        Self(NonZeroU32::new(self.get().wrapping_add(steps)).unwrap_or(NonZeroU32::MIN))
    }
}
