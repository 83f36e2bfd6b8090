//! How many calls may start in a time.

mod config;
mod core;
mod gcra;
mod recent;
#[cfg(any(fuzzing, all(test, not(any(resilient_loom, resilient_shuttle)))))]
pub(crate) mod sequences;
mod snapshot;
mod window;

use std::fmt;
use std::time::Duration;

pub use config::RateLimitConfig;
pub(crate) use core::RateLimiterCore;
pub use snapshot::RateLimiterSnapshot;

/// How a rate limit counts calls.
///
/// Default: [`Algorithm::Gcra`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// Evenly: a permit comes every `per / rate`, and up to `burst` of them are saved up (`algorithm = "gcra"`; also
    /// read from `"token_bucket"`, which grants the same calls).
    #[default]
    Gcra,
    /// At most `rate` calls in any `per` (`algorithm = "sliding_window"`).
    SlidingWindow,
}

impl Algorithm {
    /// The words an attribute or a variable may say.
    pub const WORDS: [&'static str; 2] = ["gcra", "sliding_window"];

    /// Reads one of [`Algorithm::WORDS`], in any case.
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "gcra" | "token_bucket" => Self::Gcra,
            "sliding_window" => Self::SlidingWindow,
            _ => return None,
        })
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gcra => "gcra",
            Self::SlidingWindow => "sliding_window",
        })
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Algorithm {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What an algorithm says to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision<S> {
    /// The permits are taken, for an instant that lies `wait` ahead.
    Granted { state: S, wait: Duration },
    /// Nothing is taken; a caller that may wait so long would be granted.
    Refused { retry_after: Duration },
}

/// What is counted.
#[derive(Clone, Copy, Debug)]
enum Count {
    Allowed,
    Rejected,
    /// A [`recent::Recent`] for each thread.
    Lately,
}

impl From<Count> for usize {
    fn from(count: Count) -> Self {
        count as Self
    }
}

type Counters = crate::counters::Counters<3>;
