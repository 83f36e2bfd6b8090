//! A bulkhead in the hands of its user: permits, calls, counts.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use super::{BulkheadConfig, BulkheadCore, BulkheadSnapshot, Place};
use crate::context::Context;
use crate::deadline::time_left;
use crate::error::ResilienceError;
use crate::event::EventKind;
use crate::profile::ConfigErrors;
use crate::runtime::Runtime;
use crate::timeout::Timer;

/// A bulkhead: a cheap handle on so many slots for calls, and the queue before them.
///
/// Sync and async callers share the slots and the queue: who came first goes first. One made with [`Bulkhead::new`]
/// belongs to its owner alone and is in no registry.
///
/// Defaults: 10 calls at once; none waits, see [`BulkheadConfig`]. Inside a guarded call a wait also ends with that
/// call's deadline.
///
/// The trap: a call that holds a slot and enters the same bulkhead again may wait for itself.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::{Bulkhead, BulkheadConfig, ResilienceError};
///
/// let bulkhead = Bulkhead::new("db", BulkheadConfig::new().max_concurrent(1))?;
/// let permit = bulkhead.try_acquire()?;
/// assert!(bulkhead.try_acquire().is_err_and(|refused| refused.is_bulkhead_full()));
/// drop(permit);
/// let rows = bulkhead.call(|| Ok::<_, ResilienceError>(3))?;
/// assert_eq!((rows, bulkhead.active_count()), (3, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Bulkhead {
    core: Arc<BulkheadCore>,
    context: Arc<Context>,
}

impl Bulkhead {
    /// Makes a bulkhead of its own, outside every registry. The name is kept for the life of the process: code gives
    /// it, requests never do.
    ///
    /// # Errors
    ///
    /// When the name is not 1 to 128 of the characters A-Z a-z 0-9 _ . : -
    #[inline]
    pub fn new(name: &str, config: BulkheadConfig) -> Result<Self, ConfigErrors> {
        let refused = |invalid| ConfigErrors::from_messages("bulkhead", [format!("{invalid}")]);
        let name = crate::name::intern(name).map_err(refused)?;
        let context = Arc::clone(Runtime::current().context());
        Ok(Self::of(Arc::new(BulkheadCore::new(name, config, Arc::clone(&context))), context))
    }

    pub(crate) fn of(core: Arc<BulkheadCore>, context: Arc<Context>) -> Self {
        Self { core, context }
    }

    pub(crate) fn shared(&self) -> Arc<BulkheadCore> {
        Arc::clone(&self.core)
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.core.name()
    }

    /// How many calls run.
    pub fn active_count(&self) -> u32 {
        self.core.active_count()
    }

    /// How many calls wait for a slot.
    pub fn waiting_count(&self) -> u32 {
        self.core.waiting_count()
    }

    /// Everything about it at this moment.
    pub fn snapshot(&self) -> BulkheadSnapshot {
        self.core.snapshot()
    }

    /// Takes a slot if one is free and nobody waits for it; never waits itself.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::BulkheadFull`].
    pub fn try_acquire(&self) -> Result<BulkheadPermit, ResilienceError> {
        self.permit(self.core.try_enter())
    }

    /// Takes a slot, waiting for one as the configuration allows. Dropped while it waits, it has never been there.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::BulkheadFull`].
    ///
    /// # Panics
    ///
    /// When it has to wait for a limited time outside a tokio runtime with time enabled.
    pub async fn acquire(&self) -> Result<BulkheadPermit, ResilienceError> {
        let mut waiter = Waiter { bulkhead: self, place: Place::NONE, timer: Timer::default() };
        let entered = poll_fn(|cx| waiter.poll(cx)).await;
        // The permit holds the slot from here on.
        waiter.place = Place::NONE;
        self.permit(entered)
    }

    /// [`Bulkhead::acquire`] on this thread. On a worker of a multi-threaded tokio runtime the worker's other tasks
    /// are handed over while it waits.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::BulkheadFull`].
    pub fn acquire_blocking(&self) -> Result<BulkheadPermit, ResilienceError> {
        self.permit(self.core.enter_blocking(time_left()))
    }

    /// Calls `operation` once it has a slot, waiting on this thread as the configuration allows.
    ///
    /// # Errors
    ///
    /// The operation's own, or the bulkhead's refusal made into one.
    pub fn call<T, E: From<ResilienceError>>(
        &self,
        operation: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let _permit = self.acquire_blocking()?;
        operation()
    }

    /// [`Bulkhead::call`] for an async operation; dropping the future gives back what it holds.
    ///
    /// # Errors
    ///
    /// The operation's own, or the bulkhead's refusal made into one.
    pub async fn call_async<T, E: From<ResilienceError>>(
        &self,
        operation: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let _permit = self.acquire().await?;
        operation().await
    }

    /// Goes on with other numbers. Those who run keep their slots, so fewer `max_concurrent` take effect as slots
    /// come back; of more the first in the queue are given at once; with 0 those who wait are refused.
    pub fn reconfigure(&self, config: BulkheadConfig) {
        self.core.reconfigure(config);
    }

    /// Forgets what was counted. Those who run keep their slots, and those who wait their places.
    pub fn reset(&self) {
        self.core.reset();
    }

    fn permit(&self, entered: Result<(), ResilienceError>) -> Result<BulkheadPermit, ResilienceError> {
        match entered {
            Ok(()) => Ok(BulkheadPermit { core: Arc::clone(&self.core) }),
            Err(refused) => {
                let kind = EventKind::Refused { kind: refused.kind(), retry_after: None };
                self.context.events.tell(self.name(), kind);
                Err(refused)
            }
        }
    }
}

/// A call on its way in.
struct Waiter<'b> {
    bulkhead: &'b Bulkhead,
    place: Place,
    timer: Timer,
}

impl Waiter<'_> {
    fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), ResilienceError>> {
        let core = &self.bulkhead.core;
        let polled = core.poll_enter(&mut self.place, cx);
        if polled.is_ready() {
            return polled;
        }
        match core.max_wait().into_iter().chain(time_left()).min() {
            None => Poll::Pending,
            Some(limit) => {
                self.timer.poll(cx, || limit).map(|waited| core.timed_out(&mut self.place, waited))
            }
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.bulkhead.core.cancel(self.place);
    }
}

/// A slot of a [`Bulkhead`]. Dropping it gives the slot back, to the first who waits.
#[must_use = "dropping the permit gives the slot back; keep it as long as the call runs"]
#[derive(Debug)]
pub struct BulkheadPermit {
    core: Arc<BulkheadCore>,
}

impl Drop for BulkheadPermit {
    fn drop(&mut self) {
        self.core.leave();
    }
}
