//! A rate limiter in the hands of its user.

use std::sync::Arc;
use std::time::Duration;

use crate::context::Context;
use crate::deadline::time_left;
use crate::error::ResilienceError;
use crate::event::EventKind;
use crate::profile::ConfigErrors;
use crate::rate_limit::{RateLimitConfig, RateLimiterCore, RateLimiterSnapshot};
use crate::runtime::Runtime;

/// A rate limiter: a cheap handle on shared state.
///
/// One made with [`RateLimiter::new`] belongs to its owner alone and is in no registry.
///
/// The trap: a permit is used up when it is granted. A caller that is dropped while it waits for one does not give it
/// back, and a call that fails has used one too.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::{RateLimitConfig, RateLimiter, ResilienceError};
///
/// let limiter = RateLimiter::new("api", RateLimitConfig::new(2))?;
/// limiter.try_acquire()?;
/// limiter.try_acquire()?;
/// assert!(limiter.try_acquire().is_err_and(|refused| refused.is_rate_limited()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RateLimiter {
    limiter: Arc<RateLimiterCore>,
    context: Arc<Context>,
}

impl RateLimiter {
    pub(crate) fn shared(&self) -> Arc<RateLimiterCore> {
        Arc::clone(&self.limiter)
    }

    /// Makes a limiter of its own, outside every registry, with all its permits. The name is kept for the life of the
    /// process: code gives it, requests never do.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the name and the configuration, at once.
    pub fn new(name: &str, config: RateLimitConfig) -> Result<Self, ConfigErrors> {
        let mut problems = config.problems();
        let kept = crate::name::intern(name).map_err(|invalid| problems.push(invalid.to_string()));
        match kept {
            Ok(name) if problems.is_empty() => {
                let context = Arc::clone(Runtime::current().context());
                Ok(Self::of(Arc::new(RateLimiterCore::new(name, config, Arc::clone(&context))), context))
            }
            _ => Err(ConfigErrors::from_messages("rate limiter", problems)),
        }
    }

    pub(crate) fn of(limiter: Arc<RateLimiterCore>, context: Arc<Context>) -> Self {
        Self { limiter, context }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.limiter.name()
    }

    /// Everything about it at this moment.
    #[inline]
    pub fn snapshot(&self) -> RateLimiterSnapshot {
        self.limiter.snapshot()
    }

    /// Goes on with other numbers. Permits that are taken stay taken; who waits already waits as long as it was told.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the configuration, at once; the one before then stays in force.
    pub fn reconfigure(&self, config: RateLimitConfig) -> Result<(), ConfigErrors> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(ConfigErrors::from_messages("rate limiter", problems));
        }
        self.limiter.reconfigure(config);
        Ok(())
    }

    /// Takes a permit that is there now, whatever `max_wait` says.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::RateLimited`] with the time until there is one.
    pub fn try_acquire(&self) -> Result<(), ResilienceError> {
        self.try_acquire_many(1)
    }

    /// Takes so many permits at once, or none of them. More than `burst` are never granted.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::RateLimited`] with the time until there are so many.
    pub fn try_acquire_many(&self, permits: u32) -> Result<(), ResilienceError> {
        self.told(self.limiter.take_now(permits))
    }

    /// Takes a permit, waiting for it at most `max_wait` and at most as long as the deadline around it allows. One that
    /// is further away is refused at once.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::RateLimited`] with the time until there is a permit.
    ///
    /// # Panics
    ///
    /// Where it must wait outside a tokio runtime with time enabled.
    pub async fn acquire(&self) -> Result<(), ResilienceError> {
        let wait = self.reserve()?;
        if !wait.is_zero() {
            let _waiting = self.limiter.wait();
            self.context.clock.sleep(wait).await;
        }
        Ok(())
    }

    /// [`RateLimiter::acquire`], waiting on this thread.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::RateLimited`] with the time until there is a permit.
    pub fn acquire_blocking(&self) -> Result<(), ResilienceError> {
        let wait = self.reserve()?;
        if !wait.is_zero() {
            let _waiting = self.limiter.wait();
            self.context.clock.sleep_blocking(wait);
        }
        Ok(())
    }

    /// Calls `operation` with a permit, waiting for that as [`RateLimiter::acquire_blocking`] does.
    ///
    /// # Errors
    ///
    /// The operation's own, or the limiter's refusal made into one.
    pub fn call<T, E: From<ResilienceError>>(
        &self,
        operation: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.acquire_blocking()?;
        operation()
    }

    /// [`RateLimiter::call`] for an async operation, waiting as [`RateLimiter::acquire`] does.
    ///
    /// # Errors
    ///
    /// The operation's own, or the limiter's refusal made into one.
    pub async fn call_async<T, E: From<ResilienceError>>(
        &self,
        operation: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.acquire().await?;
        operation().await
    }

    fn reserve(&self) -> Result<Duration, ResilienceError> {
        // A permit that comes with the deadline's end comes too late.
        let instant = Duration::from_nanos(1);
        let left = time_left().map(|left| left.saturating_sub(instant));
        self.told(self.limiter.reserve_within(left))
    }

    fn told<T>(&self, granted: Result<T, ResilienceError>) -> Result<T, ResilienceError> {
        granted.inspect_err(|refused| {
            let kind = EventKind::Refused { kind: refused.kind(), retry_after: refused.retry_after() };
            self.context.events.tell(self.name(), kind);
        })
    }
}
