//! A runtime of one's own.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, TestClock};
use crate::context::Context;
use crate::event::{Event, EventKind, Subscription};
use crate::profile::Settings;
use crate::runtime::{Entered, Origins, Runtime};
use crate::sync::{Mutex, Whole};

/// A world of its own for one test: breakers, health, environment, clock, luck and events are shared with nobody,
/// so tests run in parallel and every figure is exact.
///
/// Defaults: no variables at all (neither the process's nor `.env`), a [`TestClock`], seed 0, every event recorded.
///
/// Time: in a sync test the clock stands still until it is advanced, and a guarded function's waits advance it and
/// return at once. In an async test make the scope inside the runtime and pause tokio's time
/// (`#[tokio::test(start_paused = true)]`); the clock follows it. Where other threads have a part it takes real time:
/// a sync function whose time limit is kept by a worker thread, and a thread that waits for a slot of a bulkhead. The
/// latter's wait is over sooner when the clock is moved past its end.
///
/// The trap: threads and tasks that the test spawns are outside the scope; enter it there as well.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::testing::Scope;
/// use resilient::{BreakerConfig, CircuitBreaker, State};
/// use std::time::Duration;
///
/// let scope = Scope::new();
/// let _inside = scope.enter();
/// let breaker = CircuitBreaker::new("db", BreakerConfig::new().failure_threshold(1))?;
/// breaker.try_acquire()?.failure();
/// assert!(breaker.try_acquire().is_err());
/// scope.clock().advance(Duration::from_secs(60));
/// assert!(breaker.try_acquire().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Scope {
    runtime: Runtime,
    clock: TestClock,
    events: Arc<Mutex<Vec<Event>>>,
    _recorder: Subscription,
}

impl Default for Scope {
    #[inline]
    fn default() -> Self {
        Self::new()
    }
}

impl Scope {
    /// A scope with the defaults.
    #[inline]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A scope with variables, settings or a seed.
    pub fn builder() -> ScopeBuilder {
        ScopeBuilder { origins: Origins { variables: Some(Vec::new()), ..Origins::default() }, seed: 0 }
    }

    /// Everything on this thread is inside the scope until the guard is dropped.
    pub fn enter(&self) -> ScopeGuard {
        ScopeGuard { _entered: self.runtime.enter(), _here: PhantomData }
    }

    /// Runs `future` inside the scope, wherever it is polled.
    pub async fn run<F: Future>(&self, future: F) -> F::Output {
        let _announced = Runtime::announce();
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| {
            let _inside = self.runtime.enter();
            future.as_mut().poll(cx)
        })
        .await
    }

    /// Gives a variable another value, which is seen after [`reload`](crate::reload).
    pub fn set_env(&self, name: impl Into<String>, value: impl Into<String>) {
        self.runtime.set_variable(name.into(), Some(value.into()));
    }

    /// Takes a variable away, which is seen after [`reload`](crate::reload).
    pub fn remove_env(&self, name: impl Into<String>) {
        self.runtime.set_variable(name.into(), None);
    }

    /// The scope's clock.
    pub fn clock(&self) -> &TestClock {
        &self.clock
    }

    /// Everything that happened so far, in order.
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().whole().clone()
    }

    /// The waits between attempts so far, in order.
    #[inline]
    pub fn pauses(&self) -> Vec<Duration> {
        let delay = |event: &Event| match event.kind {
            EventKind::RetryScheduled { delay, .. } => Some(delay),
            _ => None,
        };
        self.events().iter().filter_map(delay).collect()
    }
}

/// What a [`Scope`] is made with.
#[derive(Debug)]
#[must_use = "nothing is made until `build`"]
pub struct ScopeBuilder {
    origins: Origins,
    seed: u64,
}

impl ScopeBuilder {
    /// A variable that only the scope sees.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.origins.variables.get_or_insert_default().push((name.into(), value.into()));
        self
    }

    /// The prefix of variables, instead of `PYNOMALY`.
    pub fn env_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.origins.prefix = Some(prefix.into());
        self
    }

    /// The numbers in code of one kind of operation.
    pub fn profile(mut self, operation_type: impl Into<String>, settings: Settings) -> Self {
        self.origins.profiles.insert(operation_type.into(), settings);
        self
    }

    /// Settings of one operation (`"*"`: of each), above every other source.
    pub fn settings(mut self, operation: impl Into<String>, settings: Settings) -> Self {
        self.origins.overrides.insert(operation.into(), settings);
        self
    }

    /// Where the luck of jitter begins; the same seed gives the same waits. Default 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Makes the scope.
    #[inline]
    pub fn build(self) -> Scope {
        let clock = TestClock::new();
        let context = Context::seeded(Clock::Test(clock.clone()), self.seed);
        let runtime = Runtime::new(context, self.origins, false);
        let events = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&events);
        let recorder = runtime.context().events.subscribe(move |event| {
            record.lock().whole().push(event.clone());
        });
        Scope { runtime, clock, events, _recorder: recorder }
    }
}

/// A thread's stay in a [`Scope`].
#[must_use = "the scope is left when the guard is dropped"]
#[derive(Debug)]
pub struct ScopeGuard {
    _entered: Entered,
    /// Not `Send`: it belongs to the thread that entered.
    _here: PhantomData<*const ()>,
}
