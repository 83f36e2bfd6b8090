//! What goes wrong in the functions that are counted and traced.

use resilient::{Class, Classify, ErrorKind, ResilienceError};

/// An error of such a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Transient. Its text is found nowhere.
    #[error("secret-of-the-error")]
    Down,
    /// The caller's own fault.
    #[error("the caller's own fault")]
    Caller,
    /// A layer's refusal.
    #[error("refused: {0:?}")]
    Refused(ErrorKind),
}

impl From<ResilienceError> for Fault {
    fn from(refused: ResilienceError) -> Self {
        Self::Refused(refused.kind())
    }
}

impl Classify for Fault {
    fn class(&self) -> Class {
        if *self == Self::Caller { Class::Caller } else { Class::Transient }
    }
}

/// What such a function gives.
pub type Answer = Result<(), Fault>;
