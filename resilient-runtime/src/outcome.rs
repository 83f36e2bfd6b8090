//! How one attempt ended, and what that means for the breaker and the retry.

use std::time::Duration;

use crate::error::ResilienceError;

/// What kind of failure an error is.
///
/// Nothing said, every error is [`Class::Transient`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// May go away by itself: a breaker failure, and retried.
    Transient,
    /// Will not go away by itself, but the service is at fault: a breaker failure, not retried.
    Permanent,
    /// The caller's own fault (not found, invalid, forbidden): no breaker failure, not retried.
    Caller,
}

/// Says what an error type's values mean, once, for every guarded function that returns it.
///
/// Where a type does not implement it, each of its errors is [`Class::Transient`]. `ignore` and
/// [`Class::Caller`] always win; between the other two, `retry_on` and `retry_if` on one function win over it. In a function generic over its error type it is not seen: what the
/// attribute sees there is only the type parameter.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::{Class, Classify};
/// use std::time::Duration;
///
/// enum HttpError {
///     Status(u16, Option<Duration>),
///     Io,
/// }
///
/// impl Classify for HttpError {
///     fn class(&self) -> Class {
///         match self {
///             Self::Io | Self::Status(429 | 500..=599, _) => Class::Transient,
///             Self::Status(..) => Class::Caller,
///         }
///     }
///
///     fn retry_after(&self) -> Option<Duration> {
///         match self {
///             Self::Status(_, hint) => *hint,
///             Self::Io => None,
///         }
///     }
/// }
/// ```
pub trait Classify {
    /// What kind of failure this is. Default: [`Class::Transient`].
    fn class(&self) -> Class {
        Class::Transient
    }

    /// How long the other side asks to be left alone (HTTP's `Retry-After`): the least wait before a retry. A hint
    /// over 60 s, or longer than the deadline allows, ends the call instead. Default: none.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

impl Classify for ResilienceError {
    /// A timeout and an injected error are transient; a refusal is permanent (asking again at once gets the same answer).
    fn class(&self) -> Class {
        if self.is_timeout() || self.is_injected() { Class::Transient } else { Class::Permanent }
    }

    fn retry_after(&self) -> Option<Duration> {
        Self::retry_after(self)
    }
}

/// How an attempt ended, as a breaker sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Failure,
    /// Neutral: the caller's fault.
    Ignored,
    /// Neutral: nobody waited for the end.
    Abandoned,
}

/// What the expansion makes of an attempt's result: how it counts, and whether another attempt may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub(crate) outcome: Outcome,
    pub(crate) retry: bool,
    pub(crate) hint: Option<Duration>,
}

impl Verdict {
    /// The attempt did its work.
    pub const SUCCESS: Self = Self { outcome: Outcome::Success, retry: false, hint: None };
    /// The attempt failed; another may do better.
    pub const FAILURE: Self = Self { outcome: Outcome::Failure, retry: true, hint: None };
    /// The attempt failed by the caller's own fault.
    pub const IGNORED: Self = Self { outcome: Outcome::Ignored, retry: false, hint: None };

    /// What an error's own classification says.
    pub fn of<E: Classify + ?Sized>(error: &E) -> Self {
        match error.class() {
            Class::Transient => Self { hint: error.retry_after(), ..Self::FAILURE },
            Class::Permanent => Self { retry: false, ..Self::FAILURE },
            Class::Caller => Self::IGNORED,
        }
    }

    /// `ignore = ..`: neutral for the breaker, and not retried, if `listed`.
    #[must_use]
    pub fn ignore_if(self, listed: bool) -> Self {
        if listed && self.outcome == Outcome::Failure { Self::IGNORED } else { self }
    }

    /// `retry_on = ..` or `retry_if = ..`: a failure is retried only if `listed`.
    #[must_use]
    pub fn retry_only_if(self, listed: bool) -> Self {
        Self { retry: listed && self.outcome == Outcome::Failure, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignoring_wins_over_retrying() {
        assert_eq!(Verdict::FAILURE.ignore_if(true).retry_only_if(true), Verdict::IGNORED);
        assert_eq!(Verdict::FAILURE.retry_only_if(true).ignore_if(true), Verdict::IGNORED);
    }

    #[test]
    fn a_written_list_wins_over_the_types_own_word() {
        let permanent = Verdict::of(&ResilienceError::Isolated { name: "db" });
        assert!(!permanent.retry);
        assert!(permanent.retry_only_if(true).retry);
        assert!(!Verdict::FAILURE.retry_only_if(false).retry);
    }

    #[test]
    fn a_success_stays_a_success() {
        assert_eq!(Verdict::SUCCESS.ignore_if(true).retry_only_if(true), Verdict::SUCCESS);
    }
}
