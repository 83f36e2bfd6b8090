//! Operations to be tried in order until one succeeds.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::thread;

use crate::caught::Caught;
use crate::context::Context;
use crate::error::ResilienceError;
use crate::event::EventKind;
use crate::runtime::Runtime;

const NAME: &str = "fallback_chain";

/// Tries operations in order until one gives `Ok`: the cache, then the database, then the other region.
///
/// One that panics has failed; the last one's panic goes on through the caller. That a later one is asked is told as
/// [`EventKind::FallbackUsed`] of `fallback_chain`.
///
/// A chain is never changed: [`then`](Self::then) gives a longer one, and a copy shares the operations.
/// [`AsyncFallbackChain`] is its twin for async operations.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::{FallbackChain, ResilienceError};
///
/// # fn from_cache() -> Result<u32, ResilienceError> { Err(ResilienceError::Isolated { name: "cache" }) }
/// let chain = FallbackChain::new().then(from_cache).then(|| Ok(42));
/// assert_eq!(chain.call()?, 42);
/// # Ok::<(), ResilienceError>(())
/// ```
pub struct FallbackChain<T, E> {
    operations: Vec<Operation<T, E>>,
    context: Arc<Context>,
}

type Operation<T, E> = Arc<dyn Fn() -> Result<T, E> + Send + Sync>;

impl<T, E> FallbackChain<T, E> {
    /// A chain without operations, which takes its listeners from the scope it is made in.
    pub fn new() -> Self {
        Self { operations: Vec::new(), context: Arc::clone(Runtime::current().context()) }
    }

    /// A chain of these operations.
    pub fn create<F>(operations: impl IntoIterator<Item = F>) -> Self
    where
        F: Fn() -> Result<T, E> + Send + Sync + 'static,
    {
        operations.into_iter().fold(Self::new(), Self::then)
    }

    /// Asks `operation` when all before it have failed.
    pub fn then(mut self, operation: impl Fn() -> Result<T, E> + Send + Sync + 'static) -> Self {
        self.operations.push(Arc::new(operation));
        self
    }

    /// Asks one operation after the other, each at most once.
    ///
    /// # Errors
    ///
    /// The last operation's, when all fail; [`ResilienceError::NoOperations`] when there are none.
    ///
    /// # Panics
    ///
    /// When the last operation does.
    pub fn call(&self) -> Result<T, E>
    where
        E: From<ResilienceError>,
    {
        let mut last = None;
        for operation in &self.operations {
            tell_if_second(&self.context, last.is_some());
            match catch_unwind(AssertUnwindSafe(&**operation)) {
                Ok(Ok(answer)) => return Ok(answer),
                failed => last = Some(failed),
            }
        }
        answer(last)
    }
}

/// [`FallbackChain`] for async operations.
///
/// Dropping the future of a call drops the operation that is running, and asks no further one.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::{AsyncFallbackChain, ResilienceError};
///
/// # async fn from_cache() -> Result<u32, ResilienceError> { Err(ResilienceError::Isolated { name: "cache" }) }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ResilienceError> {
/// let chain = AsyncFallbackChain::new().then(from_cache).then(|| async { Ok(42) });
/// assert_eq!(chain.call_async().await?, 42);
/// # Ok(())
/// # }
/// ```
pub struct AsyncFallbackChain<T, E> {
    operations: Vec<AsyncOperation<T, E>>,
    context: Arc<Context>,
}

type AsyncOperation<T, E> = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<T, E>> + Send>> + Send + Sync>;

impl<T, E> AsyncFallbackChain<T, E> {
    /// A chain without operations, which takes its listeners from the scope it is made in.
    pub fn new() -> Self {
        Self { operations: Vec::new(), context: Arc::clone(Runtime::current().context()) }
    }

    /// A chain of these operations.
    pub fn create<F, Fut>(operations: impl IntoIterator<Item = F>) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        operations.into_iter().fold(Self::new(), Self::then)
    }

    /// Asks `operation` when all before it have failed.
    pub fn then<F, Fut>(mut self, operation: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.operations.push(Arc::new(move || Box::pin(operation())));
        self
    }

    /// Asks one operation after the other, each at most once.
    ///
    /// # Errors
    ///
    /// The last operation's, when all fail; [`ResilienceError::NoOperations`] when there are none.
    ///
    /// # Panics
    ///
    /// When the last operation does.
    pub async fn call_async(&self) -> Result<T, E>
    where
        E: From<ResilienceError>,
    {
        let mut last = None;
        for operation in &self.operations {
            tell_if_second(&self.context, last.is_some());
            // The call that makes the future is inside as well: that, too, may panic.
            let running = async { operation().await };
            match Caught::new(running).await {
                Ok(Ok(answer)) => return Ok(answer),
                failed => last = Some(failed),
            }
        }
        answer(last)
    }
}

/// A later operation answers in the place of an earlier one.
fn tell_if_second(context: &Context, second: bool) {
    if second && context.events.could_be_heard() {
        context.events.tell(NAME, EventKind::FallbackUsed);
    }
}

/// The call's answer, when no operation gave one.
fn answer<T, E: From<ResilienceError>>(last: Option<thread::Result<Result<T, E>>>) -> Result<T, E> {
    match last {
        Some(Ok(failed)) => failed,
        Some(Err(payload)) => resume_unwind(payload),
        None => Err(ResilienceError::NoOperations { name: NAME }.into()),
    }
}

impl<T, E> Default for FallbackChain<T, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, E> Clone for FallbackChain<T, E> {
    fn clone(&self) -> Self {
        Self { operations: self.operations.clone(), context: Arc::clone(&self.context) }
    }
}

impl<T, E> fmt::Debug for FallbackChain<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackChain").field("operations", &self.operations.len()).finish_non_exhaustive()
    }
}

impl<T, E> Default for AsyncFallbackChain<T, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, E> Clone for AsyncFallbackChain<T, E> {
    fn clone(&self) -> Self {
        Self { operations: self.operations.clone(), context: Arc::clone(&self.context) }
    }
}

impl<T, E> fmt::Debug for AsyncFallbackChain<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFallbackChain")
            .field("operations", &self.operations.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_a_chain_asks_the_same_operations() {
        let chain = FallbackChain::new().then(|| Err("down".to_owned())).then(|| Ok::<_, String>(2));
        assert_eq!(chain.clone().call(), Ok(2));
        assert_eq!(format!("{chain:?}"), "FallbackChain { operations: 2, .. }");
    }

    #[tokio::test]
    async fn a_copy_of_an_async_chain_asks_the_same_operations() {
        let chain = AsyncFallbackChain::new()
            .then(|| async { Err("down".to_owned()) })
            .then(|| async { Ok::<_, String>(2) });
        assert_eq!(chain.clone().call_async().await, Ok(2));
        assert_eq!(format!("{chain:?}"), "AsyncFallbackChain { operations: 2, .. }");
    }
}
