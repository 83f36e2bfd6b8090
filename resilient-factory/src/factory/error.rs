//! Why a factory did not make what it was asked for.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use resilient_runtime::__private::Harmless;
use resilient_runtime::{Class, Classify, ResilienceError};

/// Why a [`Factory`](crate::Factory) did not make what it was asked for.
///
/// All who waited for one build get the same error; copies are cheap. Its source is what went wrong, of its own type:
/// [`ResilienceError::find`] sees it, and `downcast_ref` does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FactoryError {
    /// No constructor has that name. Told at once.
    Unknown {
        /// The factory.
        factory: Arc<str>,
        /// What was asked for.
        name: Arc<str>,
        /// The names that there are, in order.
        known: Arc<[String]>,
        /// The most similar of them.
        nearest: Option<String>,
    },
    /// The constructor says that the caller is mistaken, see [`BadRequest`](crate::BadRequest). Told at once.
    BadRequest {
        /// The factory.
        factory: Arc<str>,
        /// What was asked for.
        name: Arc<str>,
        /// What the constructor said.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// Every attempt failed: the last one's own error, its panic, or that it took too long.
    Failed {
        /// The factory.
        factory: Arc<str>,
        /// What was asked for.
        name: Arc<str>,
        /// How many attempts were made.
        attempts: u32,
        /// The last attempt's error.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// A layer refused before there was an answer: a limit that was added to the factory, or a deadline.
    Refused {
        /// The factory.
        factory: Arc<str>,
        /// What was asked for.
        name: Arc<str>,
        /// What refused, and when to come back.
        source: Arc<ResilienceError>,
    },
    /// An async constructor was asked for by a call that blocks.
    AsyncOnly {
        /// The factory.
        factory: Arc<str>,
        /// What was asked for.
        name: Arc<str>,
    },
    /// A constructor asked for what cannot be made before it has ended: itself, or what waits for it.
    WaitsForItself {
        /// The factory.
        factory: Arc<str>,
        /// What was asked for.
        name: Arc<str>,
    },
    /// There is a constructor of that name.
    Taken {
        /// The factory.
        factory: Arc<str>,
        /// The name.
        name: Arc<str>,
    },
    /// What was said of the factory is wrong.
    Invalid {
        /// The factory.
        factory: Arc<str>,
        /// What is wrong, and what to do about it.
        what: Arc<str>,
    },
}

impl FactoryError {
    /// The factory that was asked.
    pub fn factory(&self) -> &str {
        match self {
            Self::Unknown { factory, .. }
            | Self::BadRequest { factory, .. }
            | Self::Failed { factory, .. }
            | Self::Refused { factory, .. }
            | Self::AsyncOnly { factory, .. }
            | Self::WaitsForItself { factory, .. }
            | Self::Taken { factory, .. }
            | Self::Invalid { factory, .. } => factory,
        }
    }

    /// Whether the caller is mistaken, so that asking again or elsewhere makes no sense.
    pub fn is_callers_mistake(&self) -> bool {
        self.class() == Class::Caller
    }

    /// Whether a deadline has passed, so that there is no time to ask anybody else.
    pub(crate) fn is_out_of_time(&self) -> bool {
        matches!(self, Self::Refused { source, .. }
            if matches!(**source, ResilienceError::DeadlineExceeded { limit: None, .. }))
    }

    /// How many attempts were made: 0 where none was.
    pub fn attempts(&self) -> u32 {
        match self {
            Self::Failed { attempts, .. } => *attempts,
            Self::BadRequest { .. } => 1,
            _ => 0,
        }
    }
}

impl fmt::Display for FactoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { factory, name, known, nearest } => {
                write!(f, "factory '{factory}' knows no '{}'; ", Name(name))?;
                if let Some(nearest) = nearest {
                    write!(f, "did you mean '{nearest}'? ")?;
                }
                match &**known {
                    [] => f.write_str("nothing was registered"),
                    known => write!(f, "it knows {}", known.join(", ")),
                }
            }
            Self::BadRequest { factory, name, source } => {
                write!(
                    f,
                    "factory '{factory}' cannot make '{}' as it was asked to: {}",
                    Name(name),
                    Harmless(source)
                )
            }
            Self::Failed { factory, name, attempts, source } => {
                let plural = if *attempts == 1 { "" } else { "s" };
                write!(
                    f,
                    "factory '{factory}' could not make '{}' in {attempts} attempt{plural}: {}",
                    Name(name),
                    Harmless(source)
                )
            }
            Self::Refused { factory, name, source } => {
                write!(f, "factory '{factory}' was kept from making '{}': {source}", Name(name))
            }
            Self::AsyncOnly { factory, name } => write!(
                f,
                "'{}' of factory '{factory}' has an async constructor: call `create` and await it, or register a sync one",
                Name(name)
            ),
            Self::WaitsForItself { factory, name } => write!(
                f,
                "'{}' of factory '{factory}' would wait for itself: a constructor asked for what is being made for it",
                Name(name)
            ),
            Self::Taken { factory, name } => write!(
                f,
                "factory '{factory}' has a constructor named '{}': `replace` puts another into its place",
                Name(name)
            ),
            Self::Invalid { factory, what } => write!(f, "factory '{}': {what}", Name(factory)),
        }
    }
}

impl Error for FactoryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::BadRequest { source, .. } | Self::Failed { source, .. } => Some(&**source),
            Self::Refused { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

/// An unknown name and a bad request are the caller's own fault. What failed in every attempt may go away by itself; the
/// rest will not.
impl Classify for FactoryError {
    fn class(&self) -> Class {
        match self {
            Self::Unknown { .. } | Self::BadRequest { .. } => Class::Caller,
            Self::Failed { .. } => Class::Transient,
            Self::Refused { source, .. } => source.class(),
            Self::AsyncOnly { .. }
            | Self::WaitsForItself { .. }
            | Self::Taken { .. }
            | Self::Invalid { .. } => Class::Permanent,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { source, .. } => source.retry_after(),
            _ => None,
        }
    }
}

/// What somebody asked for: its beginning, without what could forge a line of a log.
pub(crate) struct Name<'a>(pub(crate) &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// No registered name is longer.
        const LONGEST: usize = super::table::LONGEST_NAME;
        match self.0.char_indices().nth(LONGEST) {
            Some((end, _)) => write!(f, "{}..", Harmless(&self.0[..end])),
            None => write!(f, "{}", Harmless(self.0)),
        }
    }
}
