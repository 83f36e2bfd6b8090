//! How one attempt of a constructor failed, and what that means.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use resilient_runtime::__private::find;
use resilient_runtime::{Class, Classify, ResilienceError};

use super::bad_request::BadRequest;
use super::error::FactoryError;
use crate::BoxError;

/// An attempt that made nothing.
pub(super) enum Failure {
    /// The constructor's error, and what another attempt is good for.
    Constructor(Arc<dyn Error + Send + Sync>, Class),
    Refused(ResilienceError),
}

/// Which of a constructor's errors another attempt may follow.
pub(super) type RetryIf = dyn Fn(&(dyn Error + 'static)) -> bool + Send + Sync;

impl Failure {
    pub(super) fn of(error: BoxError, retry_if: Option<&RetryIf>) -> Self {
        let class = class(&*error, retry_if);
        Self::Constructor(error.into(), class)
    }
}

fn class(error: &(dyn Error + 'static), retry_if: Option<&RetryIf>) -> Class {
    if BadRequest::is_in(error) {
        return Class::Caller;
    }
    // A panic is never repeated, and what another factory has tried often enough is not tried again.
    if find::<Panicked>(error).is_some() || find::<FactoryError>(error).is_some() {
        return Class::Permanent;
    }
    if let Some(retry_if) = retry_if {
        return if retry_if(error) { Class::Transient } else { Class::Permanent };
    }
    find::<ResilienceError>(error).map_or(Class::Transient, Classify::class)
}

impl From<ResilienceError> for Failure {
    fn from(refused: ResilienceError) -> Self {
        Self::Refused(refused)
    }
}

impl Classify for Failure {
    fn class(&self) -> Class {
        match self {
            Self::Constructor(_, class) => *class,
            Self::Refused(refused) => refused.class(),
        }
    }
}

/// Code of the user's that panicked, with what it said.
#[derive(Debug)]
pub(crate) struct Panicked {
    /// `the constructor`
    who: &'static str,
    said: String,
}

impl Panicked {
    pub(crate) fn new(who: &'static str, payload: Box<dyn std::any::Any + Send>) -> Self {
        let said = payload.downcast_ref::<&str>().map(ToString::to_string);
        let said = said.or_else(|| payload.downcast_ref::<String>().cloned());
        // What was thrown may panic when it is dropped.
        std::mem::forget(payload);
        Self { who, said: said.unwrap_or_else(|| "it did not say why".into()) }
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { who, said } = self;
        write!(f, "{who} panicked: {said}")
    }
}

impl Error for Panicked {}
