//! Several calls that belong together: one configuration, one breaker, one deadline for all of them.

use std::future::Future;
use std::time::Duration;

use super::config::words;
use super::{ResilienceConfig, ResilientOperation};
use crate::deadline::Deadline;
use crate::error::ResilienceError;
use crate::profile::{
    ConfigErrors, IntoAlgorithm, IntoBackoff, IntoBudget, IntoDuration, IntoHedgeDelay, IntoJitter,
    IntoWindow, Settings,
};

/// Begins a block of calls that share one configuration, one breaker and one deadline.
///
/// The words are those of `#[resilient]`, resolved as those of a [`ResilienceConfig`] of that kind and name.
///
/// The trap: `timeout` limits each attempt; `deadline` limits the block, and is counted from `build`.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::{ResilienceError, resilient_context};
/// # fn get_users() -> Result<Vec<u32>, ResilienceError> { Ok(vec![1, 2]) }
/// # fn set_active(_: u32) -> Result<(), ResilienceError> { Ok(()) }
///
/// let block = resilient_context("database", "bulk_operations")
///     .timeout("5s")
///     .deadline("30s")
///     .max_attempts(2)
///     .build()?;
/// for user in block.call(get_users)? {
///     block.call(|| set_active(user))?;
/// }
/// assert!(block.remaining().is_some_and(|left| left.as_secs() < 30));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn resilient_context(
    operation_type: impl Into<String>,
    operation_name: impl Into<String>,
) -> ContextBuilder {
    ContextBuilder(ResilienceConfig::new(operation_name).operation_type(operation_type))
}

/// See [`resilient_context`].
#[derive(Clone, Debug)]
#[must_use = "nothing is made until `build`"]
pub struct ContextBuilder(ResilienceConfig);

impl ContextBuilder {
    fn tune(self, change: impl FnOnce(Settings) -> Settings) -> Self {
        Self(self.0.tune(change))
    }

    words!();

    /// The breaker's name. Default: the operation's.
    pub fn breaker_name(self, name: impl Into<String>) -> Self {
        Self(self.0.breaker_name(name))
    }

    /// An error of type `E` that `test` says yes to is the caller's own fault: neutral for the breaker, not retried.
    pub fn ignore<E: 'static>(self, test: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self {
        Self(self.0.ignore(test))
    }

    /// Retries an error of type `E` only if `test` says so.
    pub fn retry_if<E: 'static>(self, test: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self {
        Self(self.0.retry_if(test))
    }

    /// The block, which begins now.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with what was said, at once.
    #[inline]
    pub fn build(self) -> Result<ResilienceContext, ConfigErrors> {
        let operation = self.0.build()?;
        let deadline = operation.policy().deadline.map(Deadline::after);
        Ok(ResilienceContext { operation, deadline })
    }
}

/// A block of calls that share one configuration, one breaker and one deadline, see [`resilient_context`].
#[derive(Clone, Debug)]
pub struct ResilienceContext {
    operation: ResilientOperation,
    deadline: Option<Deadline>,
}

impl ResilienceContext {
    /// Calls `operation` on this thread, as [`ResilientOperation::call`] does.
    ///
    /// # Errors
    ///
    /// The operation's own last error, or a layer's refusal made into one.
    pub fn call<T, E>(&self, operation: impl FnMut() -> Result<T, E>) -> Result<T, E>
    where
        E: From<ResilienceError> + 'static,
    {
        match &self.deadline {
            Some(deadline) => deadline.within(|| self.operation.call(operation)),
            None => self.operation.call(operation),
        }
    }

    /// Calls an async `operation`, as [`ResilientOperation::call_async`] does.
    ///
    /// # Errors
    ///
    /// The operation's own last error, or a layer's refusal made into one.
    pub async fn call_async<T, E, F>(&self, operation: impl FnMut() -> F) -> Result<T, E>
    where
        E: From<ResilienceError> + 'static,
        F: Future<Output = Result<T, E>>,
    {
        let call = self.operation.call_async(operation);
        match &self.deadline {
            Some(deadline) => deadline.attach_to(call).await,
            None => call.await,
        }
    }

    /// What is left of the block's deadline; `None` if it has none.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.as_ref().map(Deadline::remaining)
    }

    /// What the calls go through; called by itself it is not under the block's deadline.
    pub fn operation(&self) -> &ResilientOperation {
        &self.operation
    }
}
