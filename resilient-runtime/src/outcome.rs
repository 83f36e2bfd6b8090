//! How one attempt ended, and what that means for the breaker and the retry.

use std::time::Duration;

use crate::clock::nanos;
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
    /// Another caller was in the way, of a service that is well (a deadlock, a serialization failure, a version that has
    /// changed): retried, and no breaker failure. As failures, a few callers of one row would open the breaker for all.
    Contention,
}

/// Says what an error type's values mean, once, for every guarded function that returns it.
///
/// Where a type does not implement it, each of its errors is [`Class::Transient`]. `ignore` and
/// [`Class::Caller`] always win; between the others, `retry_on` and `retry_if` on one function win over it. In a function generic over its error type it is not seen: what the
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
///
/// Two registers' worth, so that the healthy path builds none in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    meaning: Meaning,
    /// In nanoseconds.
    hint: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Success,
    /// A failure; another attempt may do better.
    Transient,
    /// A failure that no other attempt would mend.
    Permanent,
    /// The caller's own fault.
    Ignored,
    /// Nobody's failure; another attempt may do better.
    Contended,
}

const NO_HINT: u64 = u64::MAX;

impl Verdict {
    /// The attempt did its work.
    pub const SUCCESS: Self = Self { meaning: Meaning::Success, hint: NO_HINT };
    /// The attempt failed; another may do better.
    pub const FAILURE: Self = Self { meaning: Meaning::Transient, hint: NO_HINT };
    /// The attempt failed by the caller's own fault.
    pub const IGNORED: Self = Self { meaning: Meaning::Ignored, hint: NO_HINT };

    /// What an error's own classification says.
    pub fn of<E: Classify + ?Sized>(error: &E) -> Self {
        let hinted = |meaning| {
            let hint = error.retry_after().map_or(NO_HINT, |hint| nanos(hint).min(NO_HINT - 1));
            Self { meaning, hint }
        };
        match error.class() {
            Class::Transient => hinted(Meaning::Transient),
            Class::Contention => hinted(Meaning::Contended),
            Class::Permanent => Self::FAILURE.without_retry(),
            Class::Caller => Self::IGNORED,
        }
    }

    /// `ignore = ..`: neutral for the breaker, and not retried, if `listed`.
    #[must_use]
    pub fn ignore_if(self, listed: bool) -> Self {
        if listed && !self.is_success() { Self::IGNORED } else { self }
    }

    /// `retry_on = ..` or `retry_if = ..`: a failure is retried only if `listed`.
    #[must_use]
    pub fn retry_only_if(self, listed: bool) -> Self {
        match self.meaning {
            Meaning::Transient | Meaning::Permanent if listed => Self { meaning: Meaning::Transient, ..self },
            Meaning::Contended if listed => self,
            _ => self.without_retry(),
        }
    }

    /// The same, but no attempt follows.
    pub(crate) fn without_retry(self) -> Self {
        match self.meaning {
            Meaning::Transient => Self { meaning: Meaning::Permanent, ..self },
            Meaning::Contended => Self { meaning: Meaning::Ignored, ..self },
            _ => self,
        }
    }

    #[inline]
    pub(crate) fn is_success(self) -> bool {
        self.meaning == Meaning::Success
    }

    /// How it counts.
    pub(crate) fn outcome(self) -> Outcome {
        match self.meaning {
            Meaning::Success => Outcome::Success,
            Meaning::Transient | Meaning::Permanent => Outcome::Failure,
            Meaning::Ignored | Meaning::Contended => Outcome::Ignored,
        }
    }

    /// Whether another attempt may follow.
    pub(crate) fn retries(self) -> bool {
        matches!(self.meaning, Meaning::Transient | Meaning::Contended)
    }

    /// How long the other side asks to be left alone.
    pub(crate) fn hint(self) -> Option<Duration> {
        (self.hint != NO_HINT).then(|| Duration::from_nanos(self.hint))
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
    fn contention_is_neutral_whatever_a_list_says_of_trying_again() {
        struct Contended;
        impl Classify for Contended {
            fn class(&self) -> Class {
                Class::Contention
            }
            fn retry_after(&self) -> Option<Duration> {
                Some(Duration::from_secs(1))
            }
        }
        let verdict = Verdict::of(&Contended);
        assert_eq!((verdict.outcome(), verdict.retries()), (Outcome::Ignored, true));
        assert_eq!(verdict.hint(), Some(Duration::from_secs(1)));
        let listed = verdict.retry_only_if(true);
        assert_eq!((listed.outcome(), listed.retries()), (Outcome::Ignored, true));
        let unlisted = verdict.retry_only_if(false);
        assert_eq!((unlisted.outcome(), unlisted.retries()), (Outcome::Ignored, false));
        assert_eq!(verdict.ignore_if(true), Verdict::IGNORED);
    }

    #[test]
    fn a_written_list_wins_over_the_types_own_word() {
        let permanent = Verdict::of(&ResilienceError::Isolated { name: "db" });
        assert!(!permanent.retries());
        assert!(permanent.retry_only_if(true).retries());
        assert!(!Verdict::FAILURE.retry_only_if(false).retries());
    }

    #[test]
    fn a_success_stays_a_success() {
        assert_eq!(Verdict::SUCCESS.ignore_if(true).retry_only_if(true), Verdict::SUCCESS);
    }
}
