//! How long one attempt may take, and what its caller is told when it takes longer: as a value.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::rules::MakeError;
use crate::profile::{ConfigErrors, IntoDuration, Problem, Settings, check};

/// How long one attempt may take.
///
/// Default: 30 s; an attempt that takes longer is [`ResilienceError::Timeout`](crate::ResilienceError::Timeout), made
/// into the error of the call.
///
/// The trap: a sync attempt in place cannot be cut short, see
/// [`ResilientOperation::call`](crate::ResilientOperation::call).
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::TimeoutPolicy;
/// use std::io;
///
/// let policy = TimeoutPolicy::new()
///     .with_timeout("250ms")
///     .with_on_timeout(|| io::Error::new(io::ErrorKind::TimedOut, "the ledger took too long"));
/// policy.validate()?;
/// # Ok::<(), resilient_runtime::ConfigErrors>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct TimeoutPolicy {
    settings: Settings,
    pub(super) on_timeout: Vec<Arc<dyn Any + Send + Sync>>,
}

impl Default for TimeoutPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl TimeoutPolicy {
    /// 30 s.
    pub fn new() -> Self {
        Self { settings: Settings::new(), on_timeout: Vec::new() }
    }

    /// The limit of one attempt, above 0.
    pub fn with_timeout(&self, limit: impl IntoDuration) -> Self {
        Self { settings: self.settings.clone().timeout(limit), on_timeout: self.on_timeout.clone() }
    }

    /// What the caller of an attempt that takes too long gets, made anew each time, where the error of the call is an
    /// `E`. One for each type of error; the last said about a type counts.
    ///
    /// `retry_on`, `retry_if` and `ignore` judge it as they judge the call's other errors.
    pub fn with_on_timeout<E: 'static>(&self, make: impl Fn() -> E + Send + Sync + 'static) -> Self {
        let mut policy = self.clone();
        let make: MakeError<E> = Box::new(make);
        policy.on_timeout.insert(0, Arc::new(make));
        policy
    }

    /// Everything that is wrong with it, at once.
    ///
    /// # Errors
    ///
    /// Each value that cannot be used, with what may be written instead.
    pub fn validate(&self) -> Result<(), ConfigErrors> {
        ConfigErrors::check(self.problems(), Vec::new())
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        check(&self.settings, "the timeout policy")
    }

    pub(super) fn limit(&self) -> Duration {
        self.settings.timeout.unwrap_or(Duration::from_secs(30))
    }
}

impl fmt::Debug for TimeoutPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutPolicy").field("timeout", &self.limit()).finish_non_exhaustive()
    }
}
