//! A breaker in the hands of its user: state, manual control, permits.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::breaker::{Breaker, BreakerConfig, BreakerSnapshot, State, Ticket};
use crate::clock::Moment;
use crate::error::ResilienceError;
use crate::event::EventKind;
use crate::outcome::Outcome;
use crate::profile::ConfigErrors;
use crate::runtime::Runtime;

/// A circuit breaker: a cheap handle on shared state.
///
/// `#[circuit_breaker]` and the profile attributes make theirs by name; get those with
/// [`breaker`](crate::breaker()). One made with [`CircuitBreaker::new`] belongs to its owner alone and is in no
/// registry.
///
/// The trap: it takes its clock and its listeners from the scope it is made in, so a test makes it inside the scope.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::{BreakerConfig, CircuitBreaker, ResilienceError, State};
///
/// let breaker = CircuitBreaker::new("db", BreakerConfig::new().failure_threshold(1))?;
/// breaker.try_acquire()?.failure();
/// assert_eq!(breaker.state(), State::Open);
/// assert!(breaker.try_acquire().is_err_and(|refused| refused.is_circuit_open()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct CircuitBreaker {
    breaker: Arc<Breaker>,
}

impl CircuitBreaker {
    /// Makes a breaker of its own, outside every registry.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the name and the configuration, at once.
    #[inline]
    pub fn new(name: &str, config: BreakerConfig) -> Result<Self, ConfigErrors> {
        let mut problems = config.problems();
        let kept = crate::name::intern(name).map_err(|invalid| problems.push(invalid.to_string()));
        match kept {
            Ok(name) if problems.is_empty() => {
                let context = Arc::clone(Runtime::current().context());
                Ok(Self::of(Arc::new(Breaker::new(name, config, context))))
            }
            _ => Err(ConfigErrors::from_messages("circuit breaker", problems)),
        }
    }

    pub(crate) fn of(breaker: Arc<Breaker>) -> Self {
        Self { breaker }
    }

    pub(crate) fn shared(&self) -> Arc<Breaker> {
        Arc::clone(&self.breaker)
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.breaker.name()
    }

    /// Its state. OPEN whose time is over stays `Open` until a call comes.
    pub fn state(&self) -> State {
        self.breaker.state()
    }

    /// Everything about it at this moment.
    pub fn snapshot(&self) -> BreakerSnapshot {
        self.breaker.snapshot()
    }

    /// How long a caller would have to wait now; zero when a call would be let through, or when only a
    /// person can close it.
    pub fn retry_after(&self) -> Duration {
        self.breaker.retry_after()
    }

    /// Lets one call through, or refuses it. Dropping the permit is neutral; say how the call ended.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::CircuitOpen`] or [`ResilienceError::Isolated`].
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit, ResilienceError> {
        self.acquire(|ticket| Permit { breaker: Arc::clone(&self.breaker), ticket: Some(ticket) })
    }

    #[inline]
    fn acquire<T>(&self, keep: impl FnOnce(Ticket) -> T) -> Result<T, ResilienceError> {
        match self.breaker.acquire_quickly() {
            Some(ticket) => Ok(keep(ticket)),
            None => self.acquire_slowly(keep),
        }
    }

    #[cold]
    fn acquire_slowly<T>(&self, keep: impl FnOnce(Ticket) -> T) -> Result<T, ResilienceError> {
        self.breaker.acquire_slowly(keep).inspect_err(|refused| {
            let kind = EventKind::Refused { kind: refused.kind(), retry_after: refused.retry_after() };
            self.breaker.context().events.tell(self.name(), kind);
        })
    }

    /// Lets a call through that is over before this handle is.
    fn begin_call(&self, if_dropped: Outcome) -> Result<Under<'_>, ResilienceError> {
        let ticket = self.acquire(Some)?;
        let began = self.breaker.times_calls().then(|| self.breaker.context().clock.now());
        Ok(Under { breaker: &self.breaker, ticket, began, if_dropped })
    }

    /// Calls `operation` through the breaker: `Ok` is a success, `Err` and a panic are failures.
    ///
    /// # Errors
    ///
    /// The operation's own, or the breaker's refusal made into one.
    pub fn call<T, E: From<ResilienceError>>(
        &self,
        operation: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let call = self.begin_call(Outcome::Failure)?;
        let result = operation();
        call.settle(result.is_ok());
        result
    }

    /// [`CircuitBreaker::call`] for an async operation; dropping the future is neutral.
    ///
    /// # Errors
    ///
    /// The operation's own, or the breaker's refusal made into one.
    pub async fn call_async<T, E: From<ResilienceError>>(
        &self,
        operation: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let call = self.begin_call(Outcome::Failure)?;
        let mut future = std::pin::pin!(operation());
        // Bound anew, so that it is dropped before the future.
        let mut call = call;
        call.if_dropped = Outcome::Abandoned;
        let result = std::future::poll_fn(|cx| {
            call.if_dropped = Outcome::Failure;
            let polled = future.as_mut().poll(cx);
            call.if_dropped = Outcome::Abandoned;
            polled
        })
        .await;
        call.settle(result.is_ok());
        result
    }

    /// Opens it for its recovery timeout, as if it had tripped.
    pub fn open(&self) {
        self.breaker.set(State::Open, None);
    }

    /// Opens it for `span`.
    pub fn open_for(&self, span: Duration) {
        self.breaker.set(State::Open, Some(span));
    }

    /// Lets probes through now.
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`] when it is closed: there is nothing to probe.
    pub fn half_open(&self) -> Result<(), IllegalTransition> {
        let illegal = |from| IllegalTransition { breaker: self.name(), from, to: State::HalfOpen };
        self.breaker.half_open().map_err(illegal)
    }

    /// Closes it, with an empty window and no failures in a row; nothing when it is closed.
    pub fn close(&self) {
        self.breaker.set(State::Closed, None);
    }

    /// Refuses every call until [`force_close`](Self::force_close).
    pub fn force_open(&self) {
        self.breaker.set(State::ForcedOpen, None);
    }

    /// Closes it, whatever it was.
    pub fn force_close(&self) {
        self.close();
    }

    /// Lets every call through and records nothing.
    pub fn disable(&self) {
        self.breaker.set(State::Disabled, None);
    }

    /// Lets every call through, records, and tells what it would have done.
    pub fn metrics_only(&self) {
        self.breaker.set(State::MetricsOnly, None);
    }

    /// Begins again as if just made: initial state, every counter 0. Results of calls under way are stale.
    pub fn reset(&self) {
        self.breaker.reset(None);
    }
}

/// A change of state that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("circuit breaker '{breaker}' cannot go from {from} to {to}")]
#[non_exhaustive]
pub struct IllegalTransition {
    /// The breaker.
    pub breaker: &'static str,
    /// The state it is in.
    pub from: State,
    /// The state that was asked for.
    pub to: State,
}

/// Leave for one call. Say how the call ended; dropping it says that nobody waited for the end, which is neutral.
#[must_use = "say how the call ended: a dropped permit counts as abandoned"]
#[derive(Debug)]
pub struct Permit {
    breaker: Arc<Breaker>,
    ticket: Option<Ticket>,
}

impl Permit {
    /// The call did its work.
    #[inline]
    pub fn success(self) {
        self.record(Outcome::Success, None);
    }

    /// The call failed.
    pub fn failure(self) {
        self.record(Outcome::Failure, None);
    }

    /// The call failed by the caller's own fault: neutral.
    pub fn ignore(self) {
        self.record(Outcome::Ignored, None);
    }

    /// The call did its work in `took`, for the slow-call rule.
    pub fn success_after(self, took: Duration) {
        self.record(Outcome::Success, Some(took));
    }

    /// The call failed after `took`, for the slow-call rule.
    pub fn failure_after(self, took: Duration) {
        self.record(Outcome::Failure, Some(took));
    }

    #[inline]
    fn record(mut self, outcome: Outcome, took: Option<Duration>) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.record(ticket, outcome, took);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.record(ticket, Outcome::Abandoned, None);
        }
    }
}

/// A call under way through a handle that outlives it.
struct Under<'b> {
    breaker: &'b Breaker,
    ticket: Option<Ticket>,
    /// If its length matters.
    began: Option<Moment>,
    /// While the user's code runs, only a panic drops it.
    if_dropped: Outcome,
}

impl Under<'_> {
    fn settle(mut self, ok: bool) {
        let took = self.began.map(|began| self.breaker.context().clock.now().since(began));
        if let Some(ticket) = self.ticket.take() {
            self.breaker.record(ticket, if ok { Outcome::Success } else { Outcome::Failure }, took);
        }
    }
}

impl Drop for Under<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.record(ticket, self.if_dropped, None);
        }
    }
}
