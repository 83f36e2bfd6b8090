//! Why a component did not start, or did not close.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use resilient_runtime::__private::{Harmless, find, nearest};
use resilient_runtime::{Class, Classify, ResilienceError};

use super::batch::Panicked;
use crate::{BadRequest, FactoryError};

/// Why components did not start.
///
/// [`code`](Self::code) has the numbers of HTTP: 504 where time ran out, 500 for what failed, 4xx for what was asked
/// wrongly. The texts hold what components' own errors say, so no secret belongs into those.
///
/// ```
/// # mod resilient { pub use resilient_factory as factory; }
/// use resilient::factory::startup::StartError;
/// # use std::time::Duration;
/// let late = StartError::timeout("MEXC", Duration::from_secs(10));
/// assert_eq!(late.to_string(), "MEXC initialization timeout (10.0s)");
/// assert_eq!(late.code(), 504);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StartError {
    /// No names were given.
    #[non_exhaustive]
    NoNames {
        /// What the components are called.
        noun: Arc<str>,
    },
    /// Nothing is registered under that name.
    #[non_exhaustive]
    Unknown {
        /// What the components are called.
        noun: Arc<str>,
        /// What was asked for.
        name: Arc<str>,
        /// What is registered.
        known: Arc<[String]>,
        /// The registered name that is most like it.
        nearest: Option<String>,
    },
    /// The component refuses what it was asked for; another attempt would not help.
    #[non_exhaustive]
    BadRequest {
        /// The component.
        name: Arc<str>,
        /// What its constructor or its start said.
        source: Arc<dyn StdError + Send + Sync>,
    },
    /// It was not active in time.
    #[non_exhaustive]
    Timeout {
        /// The component.
        name: Arc<str>,
        /// The limit of one attempt.
        limit: Duration,
    },
    /// Its constructor or its start failed, or panicked.
    #[non_exhaustive]
    Failed {
        /// The component.
        name: Arc<str>,
        /// What it said.
        source: Arc<dyn StdError + Send + Sync>,
        /// Whether no other attempt follows: it panicked, or the factory's `retry_if` says so.
        is_final: bool,
    },
    /// It started and is [`Status::Inactive`](super::Status::Inactive).
    #[non_exhaustive]
    NotActivated {
        /// The component.
        name: Arc<str>,
    },
    /// It started and is [`Status::Error`](super::Status::Error).
    #[non_exhaustive]
    ErrorState {
        /// The component.
        name: Arc<str>,
    },
    /// A layer of the library refused the attempt, or cut it off at a deadline.
    #[non_exhaustive]
    Refused {
        /// The component.
        name: Arc<str>,
        /// Which, and why.
        source: Arc<ResilienceError>,
    },
    /// It was asked for, and waited for, by the code that starts it.
    #[non_exhaustive]
    WaitsForItself {
        /// The component.
        name: Arc<str>,
    },
    /// It was well, or on its way, when another one failed and [`Strategy::FailFast`](super::Strategy::FailFast) ended the
    /// run. It is closed.
    #[non_exhaustive]
    Abandoned {
        /// The component.
        name: Arc<str>,
        /// The one that failed.
        failed: Arc<str>,
    },
    /// Whoever asked for it gave up waiting. It is closed, or was never made.
    #[non_exhaustive]
    Cancelled {
        /// The component.
        name: Arc<str>,
    },
    /// Every attempt failed.
    #[non_exhaustive]
    Exhausted {
        /// The component.
        name: Arc<str>,
        /// How many attempts were made.
        attempts: u32,
        /// The last attempt's error.
        last: Box<StartError>,
    },
    /// Not one of several came up.
    #[non_exhaustive]
    NoneStarted {
        /// What the components are called.
        noun: Arc<str>,
        /// Whether that was in rounds.
        retried: bool,
        /// Each with its error, in the order they were asked for.
        errors: Arc<[(Arc<str>, StartError)]>,
    },
    /// No component is active.
    #[non_exhaustive]
    NoneAvailable {
        /// What the components are called.
        noun: Arc<str>,
    },
    /// No active component has credentials for what is private.
    #[non_exhaustive]
    NoPrivate {
        /// What the components are called.
        noun: Arc<str>,
        /// What they are needed for.
        mode: Arc<str>,
        /// The active ones.
        active: Arc<[String]>,
    },
}

impl StartError {
    /// The error of an attempt that took longer than `limit`; for tests of code that handles it.
    pub fn timeout(name: impl Into<Arc<str>>, limit: Duration) -> Self {
        Self::Timeout { name: name.into(), limit }
    }

    /// 504 where time ran out, 400 and 404 for what was asked wrongly, 403 where private access is missing, 500 else.
    pub fn code(&self) -> u16 {
        match self {
            Self::NoNames { .. } | Self::BadRequest { .. } => 400,
            Self::NoPrivate { .. } => 403,
            Self::Unknown { .. } => 404,
            Self::Timeout { .. } => 504,
            Self::Refused { source, .. } if source.is_deadline_exceeded() => 504,
            _ => 500,
        }
    }

    /// What it is, in a word for logs: it holds nothing of a component's own error.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoNames { .. } => "no_names",
            Self::Unknown { .. } => "unknown",
            Self::BadRequest { .. } => "bad_request",
            Self::Timeout { .. } => "timeout",
            Self::Failed { .. } => "error",
            Self::NotActivated { .. } => "not_activated",
            Self::ErrorState { .. } => "error_state",
            Self::Refused { source, .. } => source.kind().as_str(),
            Self::WaitsForItself { .. } => "waits_for_itself",
            Self::Abandoned { .. } => "abandoned",
            Self::Cancelled { .. } => "cancelled",
            Self::Exhausted { last, .. } => last.reason(),
            Self::NoneStarted { .. } => "none_started",
            Self::NoneAvailable { .. } => "none_available",
            Self::NoPrivate { .. } => "no_private",
        }
    }

    /// The last attempt's error, where there were attempts; else the error itself.
    pub fn last(&self) -> &Self {
        match self {
            Self::Exhausted { last, .. } => last,
            other => other,
        }
    }

    /// Whether another attempt cannot mend it: an unknown name, a bad request, a deadline that has passed.
    pub fn is_final(&self) -> bool {
        self.class() != Class::Transient
    }

    pub(super) fn is_callers(&self) -> bool {
        self.class() == Class::Caller
    }

    pub(super) fn into_last(self) -> Self {
        match self {
            Self::Exhausted { last, .. } => *last,
            other => other,
        }
    }

    pub(super) fn unknown(noun: &Arc<str>, name: &str, known: Vec<String>) -> Self {
        let folded: Vec<String> = known.iter().map(|known| known.to_lowercase()).collect();
        let nearest = nearest(&name.to_lowercase(), folded.iter().map(String::as_str));
        let nearest = nearest.and_then(|nearest| folded.iter().position(|known| *known == nearest));
        let nearest = nearest.map(|at| known[at].clone());
        Self::Unknown { noun: Arc::clone(noun), name: name.into(), known: known.into(), nearest }
    }

    pub(super) fn failed(name: &Arc<str>, source: crate::BoxError) -> Self {
        let name = Arc::clone(name);
        let is_callers = BadRequest::is_in(&*source);
        let is_final = find::<Panicked>(&*source).is_some();
        let source = Arc::from(source);
        if is_callers { Self::BadRequest { name, source } } else { Self::Failed { name, source, is_final } }
    }

    pub(super) fn not_made(noun: &Arc<str>, name: &Arc<str>, (error, class): (FactoryError, Class)) -> Self {
        let name = Arc::clone(name);
        match error {
            FactoryError::Unknown { known, nearest, .. } => {
                Self::Unknown { noun: Arc::clone(noun), name, known, nearest }
            }
            FactoryError::BadRequest { source, .. } => Self::BadRequest { name, source },
            FactoryError::Failed { source, .. } => {
                Self::Failed { name, source, is_final: class != Class::Transient }
            }
            FactoryError::Refused { source, .. } => Self::Refused { name, source },
            FactoryError::WaitsForItself { .. } => Self::WaitsForItself { name },
            other => Self::BadRequest { name, source: Arc::new(other) },
        }
    }

    pub(super) fn refused(name: &Arc<str>, error: ResilienceError) -> Self {
        let name = Arc::clone(name);
        match error {
            ResilienceError::Timeout { limit, .. } => Self::Timeout { name, limit },
            error => Self::Refused { name, source: Arc::new(error) },
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNames { noun } => write!(f, "No {noun} names provided"),
            Self::Unknown { noun, name, known, nearest } => {
                write!(f, "Unsupported {noun}: {}. Available: {}", Harmless(name), List(known))?;
                match nearest {
                    Some(nearest) => write!(f, "; did you mean {}?", Harmless(nearest)),
                    None => Ok(()),
                }
            }
            Self::BadRequest { name, source } => {
                write!(f, "{} cannot be created: {}", Harmless(name), Harmless(source))
            }
            Self::Timeout { name, limit } => {
                write!(f, "{} initialization timeout ({:?}s)", Harmless(name), limit.as_secs_f64())
            }
            Self::Failed { name, source, .. } => {
                write!(f, "{} initialization failed: {}", Harmless(name), Harmless(source))
            }
            Self::NotActivated { name } => {
                write!(f, "{} failed to activate - check credentials and connectivity", Harmless(name))
            }
            Self::ErrorState { name } => write!(f, "{} entered error state", Harmless(name)),
            Self::Refused { name, source } => {
                write!(f, "{} initialization stopped: {source}", Harmless(name))
            }
            Self::WaitsForItself { name } => {
                write!(f, "{} waits for itself: its own start asks for it", Harmless(name))
            }
            Self::Abandoned { name, failed } => {
                let (name, failed) = (Harmless(name), Harmless(failed));
                write!(f, "{name} was closed, since {failed} failed and the strategy is fail_fast")
            }
            Self::Cancelled { name } => {
                write!(f, "{} was asked for by a call that was given up", Harmless(name))
            }
            Self::Exhausted { name, attempts, last } => {
                let plural = if *attempts == 1 { "" } else { "s" };
                let name = Harmless(name);
                write!(f, "Failed to create {name} after {attempts} attempt{plural}. Last error: {last}")
            }
            Self::NoneStarted { noun, retried, errors } => {
                write!(f, "No {noun}s could be initialized{}", if *retried { " after retries" } else { "" })?;
                let mut mark = ": ";
                for (_, error) in &**errors {
                    write!(f, "{mark}{}", error.last())?;
                    mark = "; ";
                }
                Ok(())
            }
            Self::NoneAvailable { noun } => write!(f, "No {noun}s available"),
            Self::NoPrivate { noun, mode, active } => {
                write!(f, "No private {noun} credentials available for {mode}; ")?;
                write!(f, "give an API key and a secret key to one of {}", List(active))
            }
        }
    }
}

impl StdError for StartError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::BadRequest { source, .. } | Self::Failed { source, .. } => Some(&**source),
            Self::Refused { source, .. } => Some(&**source),
            Self::Exhausted { last, .. } => Some(&**last),
            _ => None,
        }
    }
}

impl Classify for StartError {
    /// Attempts that failed are transient; what was asked wrongly is the caller's fault.
    fn class(&self) -> Class {
        match self {
            Self::NoNames { .. }
            | Self::Unknown { .. }
            | Self::BadRequest { .. }
            | Self::NoPrivate { .. } => Class::Caller,
            Self::Timeout { .. }
            | Self::Failed { is_final: false, .. }
            | Self::NotActivated { .. }
            | Self::ErrorState { .. } => Class::Transient,
            Self::Refused { source, .. } => source.class(),
            Self::Exhausted { last, .. } => last.class(),
            Self::Failed { .. }
            | Self::WaitsForItself { .. }
            | Self::Abandoned { .. }
            | Self::Cancelled { .. }
            | Self::NoneStarted { .. }
            | Self::NoneAvailable { .. } => Class::Permanent,
        }
    }
}

struct List<'a>(&'a [String]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        self.0
            .iter()
            .enumerate()
            .try_for_each(|(at, name)| write!(f, "{}{}", if at == 0 { "" } else { ", " }, Harmless(name)))
    }
}
