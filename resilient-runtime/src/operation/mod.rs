//! Resilience for code that cannot be annotated: a closure, a function of another crate, a call composed at run time.
//!
//! An operation drives the `Execution` that annotated functions drive; no rule is stated here a second time.

mod drive;
mod kept;
mod retry_policy;
mod rules;
mod timeout_policy;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use retry_policy::RetryPolicy;
pub use rules::{AnyResult, Returning, Takes};
pub use timeout_policy::TimeoutPolicy;

use crate::circuit_breaker::CircuitBreaker;
use crate::error::ResilienceError;
use crate::execution::Execution;
use crate::health::HealthConfig;
use crate::outcome::Classify;
use crate::policy::Policy;
use crate::profile::{ConfigErrors, IntoDuration, Problem, Settings, check};
use crate::retry::Retry;
use crate::runtime::Runtime;
use drive::{drive, drive_async};
use kept::Kept;
use rules::{Judge, Rule, Rules};

/// Layers around calls that no attribute can be written on: retry, time limits, breaker, fallback, each there only
/// where it was given.
///
/// Defaults: no layer at all; only the deadline of the calls around it is kept. The order of the layers is that of the
/// attributes, whatever the order they are given in: fallback, deadline, retry, circuit breaker, attempt timeout.
///
/// One operation serves sync and async calls, of any `Result` whose error can be made from a
/// [`ResilienceError`], until a fallback says of which. Copies are cheap and share everything: breaker,
/// bulkhead, limiter.
///
/// The trap: it belongs to nobody, so no profile and no variable tunes it, and `explain()` does not list it. For that
/// there is [`ResilienceConfig`](crate::ResilienceConfig).
///
/// ```
/// use resilient_runtime::{BreakerConfig, CircuitBreaker, ResilientOperation, RetryPolicy, TimeoutPolicy};
/// use std::io;
///
/// let operation = ResilientOperation::builder("fetch_user")
///     .with_retry(RetryPolicy::new().with_max_attempts(5))
///     .with_timeout(TimeoutPolicy::new().with_timeout("10s"))
///     .with_circuit_breaker(CircuitBreaker::new("users", BreakerConfig::new().failure_threshold(3))?)
///     .with_fallback(|_: io::Error| Ok("the cached user".to_owned()))
///     .build()?;
///
/// let user = operation.call(|| std::fs::read_to_string("/no/such/user"))?;
/// assert_eq!(user, "the cached user");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ResilientOperation<R = AnyResult> {
    shared: Arc<Shared>,
    returning: R,
}

struct Shared {
    name: &'static str,
    source: Source,
    rules: Rules,
    kept: Kept,
}

/// Where an operation's policy comes from.
enum Source {
    Parts(Parts),
}

/// Layers given one by one.
#[derive(Clone, Debug, Default)]
struct Parts {
    deadline: Option<Duration>,
    retry: Option<Retry>,
    retry_on_open: bool,
    breaker: Option<CircuitBreaker>,
    breaker_per_call: bool,
    timeout: Option<Duration>,
    service: Option<(&'static str, HealthConfig)>,
}

impl Parts {
    fn policy(&self, operation: &'static str, runtime: &Runtime) -> Policy {
        let Self { deadline, retry, retry_on_open, breaker, breaker_per_call, timeout, service } = self;
        let health = service.clone().map(|(name, config)| runtime.service(name, config));
        let breaker = breaker.as_ref().map(CircuitBreaker::shared);
        let times_calls = breaker.as_ref().is_some_and(|breaker| breaker.times_calls());
        Policy {
            operation,
            context: Arc::clone(runtime.context()),
            // The error of every call can say so.
            can_refuse: true,
            deadline: *deadline,
            retry: *retry,
            retry_on_open: *retry_on_open,
            budget: None,
            hedge: None,
            breaker,
            breaker_per_call: *breaker_per_call,
            rate_limiter: None,
            timeout: *timeout,
            bulkhead: None,
            families: None,
            measures: health.is_some() || times_calls,
            health,
        }
    }
}

impl ResilientOperation {
    /// An operation of that name without any layer yet.
    pub fn builder(name: impl Into<String>) -> OperationBuilder {
        OperationBuilder {
            name: name.into(),
            parts: Parts::default(),
            retry: None,
            timeout: None,
            deadline: Settings::new(),
            service: None,
            rules: Rules::default(),
            returning: AnyResult,
        }
    }
}

impl<R> ResilientOperation<R> {
    /// Its name, in logs, events and errors.
    pub fn name(&self) -> &'static str {
        self.shared.name
    }

    fn begin(&self) -> Execution {
        let Shared { name, source, kept, .. } = &*self.shared;
        Execution::begin(kept.get(|runtime| match source {
            Source::Parts(parts) => parts.policy(name, runtime),
        }))
    }

    fn judge<T, E>(&self) -> Judge<'_, T, E>
    where
        R: Takes<T, E>,
    {
        Judge { rules: &self.shared.rules, returning: self.returning.returning() }
    }

    /// Calls `operation` on this thread, as often as the layers say.
    ///
    /// The trap: a sync call cannot be cut short. It runs to its end, sees what time it has left in
    /// [`Deadline::current`](crate::Deadline::current), and an answer that comes after the limit is an error. To be
    /// released at the limit use [`call_on_thread`](Self::call_on_thread), or [`call_async`](Self::call_async).
    ///
    /// # Errors
    ///
    /// The operation's own last error, or a layer's refusal made into one.
    pub fn call<T, E>(&self, mut operation: impl FnMut() -> Result<T, E>) -> Result<T, E>
    where
        R: Takes<T, E>,
        E: From<ResilienceError> + 'static,
    {
        drive(self.begin(), self.judge(), |call| call.attempt_in_place(&mut operation))
    }

    /// Calls `operation` on a worker thread, so that its caller is released at the time limit. Without a limit it
    /// runs on this thread.
    ///
    /// The trap: what is given up runs on to its end, and keeps its thread, and its place in a bulkhead, until then.
    ///
    /// ```
    /// use resilient_runtime::{ResilienceError, ResilientOperation, TimeoutPolicy};
    /// use std::time::Duration;
    ///
    /// let operation = ResilientOperation::builder("solve")
    ///     .with_timeout(TimeoutPolicy::new().with_timeout("20ms"))
    ///     .build()?;
    /// let late: Result<u32, ResilienceError> = operation.call_on_thread(|| {
    ///     std::thread::sleep(Duration::from_secs(1));
    ///     Ok(1)
    /// });
    /// assert!(late.is_err_and(|error| error.is_timeout()));
    /// # Ok::<(), resilient_runtime::ConfigErrors>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The operation's own last error, or a layer's refusal made into one.
    pub fn call_on_thread<T, E>(
        &self,
        operation: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<T, E>
    where
        R: Takes<T, E>,
        T: Send + 'static,
        E: From<ResilienceError> + Send + 'static,
    {
        let operation = Arc::new(operation);
        drive(self.begin(), self.judge(), |call| {
            let operation = Arc::clone(&operation);
            call.attempt_on_thread(move || operation())
        })
    }

    /// Calls an async `operation`, as often as the layers say. An attempt that takes too long is dropped; dropping the
    /// future is neutral for the breaker and gives back whatever is held.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use resilient_runtime::{ResilienceError, ResilientOperation, TimeoutPolicy};
    ///
    /// let operation = ResilientOperation::builder("listen")
    ///     .with_timeout(TimeoutPolicy::new().with_timeout("20ms"))
    ///     .build()?;
    /// let late = operation.call_async(async || std::future::pending::<Result<u32, ResilienceError>>().await).await;
    /// assert!(late.is_err_and(|error| error.is_timeout()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The operation's own last error, or a layer's refusal made into one.
    pub async fn call_async<T, E>(&self, operation: impl AsyncFnMut() -> Result<T, E>) -> Result<T, E>
    where
        R: Takes<T, E>,
        E: From<ResilienceError> + 'static,
    {
        drive_async(self.begin(), self.judge(), operation).await
    }
}

impl<R: Clone> Clone for ResilientOperation<R> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), returning: self.returning.clone() }
    }
}

impl<R> fmt::Debug for ResilientOperation<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResilientOperation").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// An operation as it is put together, see [`ResilientOperation`].
///
/// Every `with_` gives a new one and leaves the old one as it was; both share the breaker, bulkhead and limiter they
/// were given.
#[derive(Clone, Debug)]
#[must_use = "nothing is made until `build`"]
pub struct OperationBuilder<R = AnyResult> {
    name: String,
    parts: Parts,
    retry: Option<RetryPolicy>,
    timeout: Option<TimeoutPolicy>,
    deadline: Settings,
    service: Option<String>,
    rules: Rules,
    returning: R,
}

impl<R: Clone> OperationBuilder<R> {
    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut builder = self.clone();
        change(&mut builder);
        builder
    }

    /// Tries again after a failure.
    pub fn with_retry(&self, policy: RetryPolicy) -> Self {
        self.with(|builder| {
            builder.rules.retry.clone_from(&policy.rules);
            builder.retry = Some(policy);
        })
    }

    /// Waits for an open breaker, where that fits, and tries again. Default: an open breaker ends the call.
    pub fn with_retry_on_open(&self) -> Self {
        self.with(|builder| builder.parts.retry_on_open = true)
    }

    /// Limits each attempt.
    pub fn with_timeout(&self, policy: TimeoutPolicy) -> Self {
        self.with(|builder| {
            builder.rules.on_timeout.clone_from(&policy.on_timeout);
            builder.timeout = Some(policy);
        })
    }

    /// Limits the whole call, waits included, above 0.
    pub fn with_deadline(&self, span: impl IntoDuration) -> Self {
        self.with(|builder| builder.deadline = Settings::new().deadline(span))
    }

    /// Refuses calls while `breaker` is open and tells it how each attempt ended.
    pub fn with_circuit_breaker(&self, breaker: CircuitBreaker) -> Self {
        self.with(|builder| builder.parts.breaker = Some(breaker))
    }

    /// The breaker counts calls and not attempts: one failure where every attempt failed.
    pub fn with_breaker_per_call(&self) -> Self {
        self.with(|builder| builder.parts.breaker_per_call = true)
    }

    /// Tells the health of the service of that name how each attempt ended, see
    /// [`service_health`](crate::service_health()).
    pub fn with_health(&self, service: impl Into<String>) -> Self {
        self.with(|builder| builder.service = Some(service.into()))
    }

    /// An error of type `E` that `test` says yes to is the caller's own fault: neutral for the breaker, not retried.
    pub fn with_ignore<E: 'static>(&self, test: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self {
        self.with(|builder| builder.rules.ignore.push(Rule::about(test)))
    }

    /// Errors of type `E` say by their [`Classify`] whether they are retried, count, and for how long the other side
    /// asks to be left alone. Attributes see that by themselves.
    pub fn with_classify<E: Classify + 'static>(&self) -> Self {
        self.with(|builder| builder.rules.classify::<E>())
    }

    /// Answers in the function's place once everything else has failed or refused, given the error the caller would
    /// have got. At most once a call, never on cancellation; the breaker counts the failure all the same.
    pub fn with_fallback<T, E>(
        &self,
        fallback: impl Fn(E) -> Result<T, E> + Send + Sync + 'static,
    ) -> OperationBuilder<Returning<T, E>>
    where
        R: Takes<T, E>,
    {
        let mut returning = self.returning.become_returning();
        returning.fallback = Some(Arc::new(fallback));
        self.returning(returning)
    }

    fn returning<S>(&self, returning: S) -> OperationBuilder<S> {
        let Self { name, parts, retry, timeout, deadline, service, rules, returning: _ } = self.clone();
        OperationBuilder { name, parts, retry, timeout, deadline, service, rules, returning }
    }

    /// The operation.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the name and the policies, at once.
    pub fn build(&self) -> Result<ResilientOperation<R>, ConfigErrors> {
        let Self { name, parts, retry, timeout, deadline, service, rules, returning } = self.clone();
        let mut problems = Vec::new();
        problems.extend(retry.iter().flat_map(RetryPolicy::problems));
        problems.extend(timeout.iter().flat_map(TimeoutPolicy::problems));
        problems.extend(check(&deadline, "the operation"));
        let mut named = |what: &str, name: &str| {
            let kept = crate::name::intern(name);
            kept.map_err(|invalid| problems.push(Problem::new(what, invalid.to_string()))).ok()
        };
        let name = named("the operation's name", &name);
        let service = service.map(|service| named("the service's name", &service));
        let (Some(name), true) = (name, problems.is_empty()) else {
            return Err(ConfigErrors::of(problems));
        };
        let parts = Parts {
            deadline: deadline.deadline,
            retry: retry.map(|policy| policy.numbers()),
            timeout: timeout.map(|policy| policy.limit()),
            service: service.flatten().map(|service| (service, HealthConfig::new())),
            ..parts
        };
        let shared = Shared { name, source: Source::Parts(parts), rules, kept: Kept::default() };
        Ok(ResilientOperation { shared: Arc::new(shared), returning })
    }
}
