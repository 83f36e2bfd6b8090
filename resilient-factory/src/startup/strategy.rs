//! What becomes of the others when one fails.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

/// What [`Components::create_all`](super::Components::create_all) does about components that fail.
///
/// Default: [`Strategy::ContinueOnError`]. Under each of them all begin at once.
///
/// ```
/// # mod resilient { pub use resilient_factory as factory; }
/// use resilient::factory::startup::Strategy;
///
/// assert_eq!("retry".parse(), Ok(Strategy::RetryWithBackoff));
/// assert_eq!(
///     "later".parse::<Strategy>().unwrap_err().to_string(),
///     "`later` is no strategy; write fail_fast, continue or retry",
/// );
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Strategy {
    /// All or none: each has one attempt, and the first error ends the run. What was created in it is closed, and what was
    /// there before stays.
    FailFast,
    /// Each has all its attempts; what comes up is the answer, unless it is nothing.
    #[default]
    #[serde(rename = "continue")]
    ContinueOnError,
    /// In rounds: an attempt for each, then, after waits of 2 s and 4 s, another for each that failed.
    #[serde(rename = "retry")]
    RetryWithBackoff,
}

impl Strategy {
    /// As configuration spells it: `fail_fast`, `continue`, `retry`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FailFast => "fail_fast",
            Self::ContinueOnError => "continue",
            Self::RetryWithBackoff => "retry",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no [`Strategy`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{}` is no strategy; write fail_fast, continue or retry", .0)]
pub struct UnknownStrategy(String);

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    /// `fail_fast`, `continue` or `continue_on_error`, `retry` or `retry_with_backoff`, in any case.
    fn from_str(text: &str) -> Result<Self, UnknownStrategy> {
        match text.trim().to_ascii_lowercase().as_str() {
            "fail_fast" => Ok(Self::FailFast),
            "continue" | "continue_on_error" => Ok(Self::ContinueOnError),
            "retry" | "retry_with_backoff" => Ok(Self::RetryWithBackoff),
            _ => Err(UnknownStrategy(text.escape_debug().take(64).collect())),
        }
    }
}
