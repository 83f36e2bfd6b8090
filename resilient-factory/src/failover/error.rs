//! Why none of several factories made what was asked for.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use resilient_runtime::{Class, Classify};

use crate::FactoryError;
use crate::factory::Name;

/// Why a [`Failover`](crate::Failover) did not make what it was asked for, or did not take a factory.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FailoverError {
    /// None of the factories has a constructor of that name. Told at once.
    Unknown {
        /// What was asked for.
        name: Arc<str>,
        /// The names that the factories have, in order.
        known: Arc<[String]>,
        /// The most similar of them.
        nearest: Option<String>,
    },
    /// The caller is mistaken, says the factory that was asked first; no other was asked.
    BadRequest(FactoryError),
    /// Every factory that knows the name failed to make it.
    AllFailed {
        /// What was asked for.
        name: Arc<str>,
        /// What each said, in the order they were asked.
        failures: Arc<[FactoryError]>,
    },
    /// There is no factory, and none for an emergency.
    NoFactory {
        /// What was asked for; empty where nothing was.
        name: Arc<str>,
    },
    /// A factory of that id is registered.
    Taken {
        /// The id.
        factory: Arc<str>,
    },
    /// A weight that is no positive number.
    InvalidWeight {
        /// The factory.
        factory: Arc<str>,
        /// The weight.
        weight: f64,
    },
}

impl FailoverError {
    /// Whether the caller is mistaken, so that asking again makes no sense.
    pub fn is_callers_mistake(&self) -> bool {
        self.class() == Class::Caller
    }

    /// What the factories said, in the order they were asked.
    pub fn failures(&self) -> &[FactoryError] {
        match self {
            Self::AllFailed { failures, .. } => failures,
            Self::BadRequest(error) => std::slice::from_ref(error),
            _ => &[],
        }
    }
}

impl fmt::Display for FailoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name, known, nearest } => {
                write!(f, "no factory knows '{}'; ", Name(name))?;
                if let Some(nearest) = nearest {
                    write!(f, "did you mean '{nearest}'? ")?;
                }
                match &**known {
                    [] => f.write_str("nothing was registered"),
                    known => write!(f, "they know {}", known.join(", ")),
                }
            }
            Self::BadRequest(error) => error.fmt(f),
            Self::AllFailed { name, failures } => {
                write!(f, "no factory could make '{}'", Name(name))?;
                failures.iter().try_for_each(|failure| write!(f, "; {failure}"))
            }
            Self::NoFactory { name } if name.is_empty() => {
                f.write_str("there is no factory: `register` one, or say how to make one for an `emergency`")
            }
            Self::NoFactory { name } => write!(
                f,
                "there is no factory to make '{}': `register` one, or say how to make one for an `emergency`",
                Name(name)
            ),
            Self::Taken { factory } => {
                write!(
                    f,
                    "a factory '{factory}' is registered: `unregister` it first, or give this one another id"
                )
            }
            Self::InvalidWeight { factory, weight } => {
                write!(f, "the weight of factory '{factory}' is {weight}: it is a number above 0")
            }
        }
    }
}

impl Error for FailoverError {
    /// What the factory that was asked last said.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let last = self.failures().last()?;
        Some(last)
    }
}

/// An unknown name and a bad request are the caller's own fault. What all factories failed at may go away by itself.
impl Classify for FailoverError {
    fn class(&self) -> Class {
        match self {
            Self::Unknown { .. } | Self::BadRequest(_) => Class::Caller,
            Self::AllFailed { .. } => Class::Transient,
            Self::NoFactory { .. } | Self::Taken { .. } | Self::InvalidWeight { .. } => Class::Permanent,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        self.failures().iter().filter_map(Classify::retry_after).min()
    }
}
