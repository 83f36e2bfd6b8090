//! Resilience for code that cannot be annotated: a closure, a function of another crate, a call composed at run time.
//!
//! An operation drives the `Execution` that annotated functions drive; no rule is stated here a second time.

mod config;
mod context;
mod drive;
mod kept;
mod retry_policy;
mod rules;
mod timeout_policy;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use config::ResilienceConfig;
pub use context::{ContextBuilder, ResilienceContext, resilient_context};
pub use retry_policy::RetryPolicy;
pub use rules::{AnyResult, Returning, Takes};
pub use timeout_policy::TimeoutPolicy;

use crate::bulkhead::Bulkhead;
use crate::circuit_breaker::CircuitBreaker;
use crate::error::ResilienceError;
use crate::execution::Execution;
use crate::health::HealthConfig;
use crate::hedging::Hedge;
use crate::outcome::Classify;
use crate::policy::{Hedging, Policy};
use crate::policy_ref::PolicyRef;
use crate::profile::{ConfigErrors, Explanation, IntoDuration, Problem, Settings, check};
use crate::rate_limiter::RateLimiter;
use crate::retry::{Budget, BudgetCore, Retry};
use crate::retry_budget::RetryBudget;
use crate::runtime::Runtime;
use config::Configured;
use drive::{drive, drive_async, drive_hedged};
use kept::Kept;
use rules::{Judge, Rule, Rules};

/// Layers around calls that no attribute can be written on, each there only where it was given.
///
/// Defaults: no layer at all; only the deadline of the calls around it is kept. The order of the layers is that of the
/// attributes, whatever the order they are given in: fallback, deadline, retry, circuit breaker, rate limit, attempt
/// timeout, bulkhead.
///
/// One operation serves sync and async calls, of any `Result` whose error can be made from a
/// [`ResilienceError`], until a fallback says of which. Copies are cheap and share everything: breaker,
/// bulkhead, limiter.
///
/// The trap: what is put together from policies is tuned by no profile and no variable. For that there is
/// [`ResilienceConfig`].
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::{BreakerConfig, CircuitBreaker, ResilientOperation, RetryPolicy, TimeoutPolicy};
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
    key: Option<Arc<str>>,
}

struct Shared {
    name: &'static str,
    source: Source,
    rules: Rules,
    kept: Kept,
}

/// Where an operation's policy comes from.
#[expect(clippy::large_enum_variant, reason = "one for each operation, behind its `Arc`")]
enum Source {
    Parts(Parts),
    Configured(Configured),
}

/// Layers given one by one.
#[derive(Clone, Debug, Default)]
struct Parts {
    deadline: Option<Duration>,
    retry: Option<Retry>,
    retry_on_open: bool,
    /// What retries and hedges are paid from, made when the operation is built.
    budget: Option<Arc<BudgetCore>>,
    hedge: Option<Hedging>,
    breaker: Option<CircuitBreaker>,
    breaker_per_call: bool,
    rate_limiter: Option<RateLimiter>,
    bulkhead: Option<Bulkhead>,
    timeout: Option<Duration>,
    service: Option<(&'static str, HealthConfig)>,
}

impl Parts {
    fn policy(&self, operation: &'static str, runtime: &Runtime) -> Policy {
        let Self { deadline, retry, retry_on_open, budget, hedge, breaker, breaker_per_call, .. } = self;
        let Self { rate_limiter, bulkhead, timeout, service, .. } = self;
        let health = service.clone().map(|(name, config)| runtime.service(name, config));
        let breaker = breaker.as_ref().map(CircuitBreaker::shared);
        let times_calls = breaker.as_ref().is_some_and(|breaker| breaker.times_calls());
        let policy = Policy {
            operation,
            context: Arc::clone(runtime.context()),
            // The error of every call can say so.
            can_refuse: true,
            // The call says so.
            has_fallback: false,
            deadline: *deadline,
            retry: *retry,
            retry_on_open: *retry_on_open,
            budget: budget.clone(),
            hedge: hedge.clone(),
            breaker,
            breaker_per_call: *breaker_per_call,
            rate_limiter: rate_limiter.as_ref().map(RateLimiter::shared),
            timeout: *timeout,
            bulkhead: bulkhead.as_ref().map(Bulkhead::shared),
            families: None,
            measures: health.is_some() || times_calls,
            plain: false,
            health,
        };
        policy.completed()
    }
}

impl ResilientOperation {
    /// An operation of that name without any layer yet. The name is kept for the life of the process: code gives it,
    /// requests never do.
    pub fn builder(name: impl Into<String>) -> OperationBuilder {
        OperationBuilder {
            name: name.into(),
            parts: Parts::default(),
            retry: None,
            budget: None,
            timeout: None,
            deadline: Settings::new(),
            service: None,
            rules: Rules::default(),
            returning: AnyResult,
        }
    }
}

impl<R> ResilientOperation<R> {
    fn new(name: &'static str, source: Source, rules: Rules, returning: R) -> Self {
        let shared = Shared { name, source, rules, kept: Kept::default() };
        Self { shared: Arc::new(shared), returning, key: None }
    }

    /// Its name, in logs, events and errors.
    pub fn name(&self) -> &'static str {
        self.shared.name
    }

    /// What is in force for it, value by value, with the source each came from. Of one that was put together from
    /// policies there is nothing to explain.
    pub fn explain(&self) -> Option<Explanation> {
        match &self.shared.source {
            Source::Parts(_) => None,
            Source::Configured(configured) => {
                Some(Runtime::with_current(|runtime| configured.explain(runtime)))
            }
        }
    }

    /// The limit of one attempt as it is in force now; `None` where there is none. For a client that tells it to its server.
    ///
    /// The trap: the deadline around a call may be nearer, see [`Deadline::current`](crate::Deadline::current).
    ///
    /// ```
    /// # use resilient_runtime as resilient;
    /// use resilient::ResilienceConfig;
    /// use std::time::Duration;
    ///
    /// let operation = ResilienceConfig::new("get_user").operation_type("database").build()?;
    /// assert_eq!(operation.timeout(), Some(Duration::from_secs(30)));
    /// let patient = ResilienceConfig::new("get_report").enable_timeout(false).build()?;
    /// assert_eq!(patient.timeout(), None);
    /// # Ok::<(), resilient_runtime::ConfigErrors>(())
    /// ```
    pub fn timeout(&self) -> Option<Duration> {
        self.policy().timeout
    }

    fn policy(&self) -> PolicyRef {
        let Shared { name, source, kept, .. } = &*self.shared;
        kept.get(|runtime| match source {
            Source::Parts(parts) => (parts.policy(name, runtime), Vec::new()),
            Source::Configured(configured) => configured.policy(runtime),
        })
    }

    fn begin(&self) -> Execution {
        let policy = self.policy();
        if policy.families.is_none() {
            return Execution::begin(policy);
        }
        // Calls without a key have one state as well: none at all would leave them unguarded.
        let key = self.key.as_deref().unwrap_or_default();
        Execution::begin(PolicyRef::counted(policy.of_key(key)))
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
    /// # use resilient_runtime as resilient;
    /// use resilient::{ResilienceError, ResilientOperation, TimeoutPolicy};
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
    /// The trap: attempts borrow from around the closure and not from it, so that the future is `Send` where they are:
    /// an `async ||` that only reads what it captures. What an attempt must change between its awaits belongs into a
    /// lock, or into a function with an attribute.
    ///
    /// ```
    /// # use resilient_runtime as resilient;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use resilient::{ResilienceError, ResilientOperation, TimeoutPolicy};
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
    pub async fn call_async<T, E, F>(&self, operation: impl FnMut() -> F) -> Result<T, E>
    where
        R: Takes<T, E>,
        E: From<ResilienceError> + 'static,
        F: Future<Output = Result<T, E>>,
    {
        drive_async(self.begin(), self.judge(), operation).await
    }
}

impl<R: Clone> ResilientOperation<R> {
    /// The same operation for one tenant, host or shard: its calls go through the breaker, bulkhead and limiter of
    /// that key. Keys are held in a bounded cache, 1024 for each name, so they may come with requests.
    ///
    /// The trap: it is for operations that are [`keyed`](ResilienceConfig::keyed); any other stays as it is.
    ///
    /// ```
    /// # use resilient_runtime as resilient;
    /// use resilient::{ResilienceConfig, ResilienceError};
    ///
    /// let operation = ResilienceConfig::new("charge").failure_threshold(1).enable_retry(false).keyed().build()?;
    /// let down = || Err::<(), _>(ResilienceError::Isolated { name: "acme" });
    /// assert!(operation.for_key("acme").call(down).is_err_and(|error| error.is_isolated()));
    /// assert!(operation.for_key("acme").call(down).is_err_and(|error| error.is_circuit_open()));
    /// assert!(operation.for_key("globex").call(|| Ok::<_, ResilienceError>(1)).is_ok());
    /// # Ok::<(), resilient_runtime::ConfigErrors>(())
    /// ```
    #[must_use]
    pub fn for_key(&self, key: &(impl ToString + ?Sized)) -> Self {
        let keyed = match &self.shared.source {
            Source::Parts(_) => false,
            Source::Configured(configured) => configured.spec.is_keyed,
        };
        Self { key: keyed.then(|| key.to_string().into()), ..self.clone() }
    }
}

impl<R: Clone> Clone for ResilientOperation<R> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), returning: self.returning.clone(), key: self.key.clone() }
    }
}

impl<R> fmt::Debug for ResilientOperation<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResilientOperation").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// A [`ResilientOperation`] that is hedged: an attempt that does not answer gets another one beside it, and the first
/// good answer wins.
///
/// It is async only, and its function is called while it runs already: an `async ||` that changes nothing.
pub struct HedgedOperation<R = AnyResult>(ResilientOperation<R>);

impl<R> HedgedOperation<R> {
    /// Its name, in logs, events and errors.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// As [`ResilientOperation::explain`].
    pub fn explain(&self) -> Option<Explanation> {
        self.0.explain()
    }

    /// Calls an async `operation`, as often as the layers say. Attempts that lose are dropped where they wait.
    ///
    /// # Errors
    ///
    /// The operation's own last error, or a layer's refusal made into one.
    pub async fn call_async<T, E, F>(&self, operation: impl Fn() -> F) -> Result<T, E>
    where
        R: Takes<T, E>,
        E: From<ResilienceError> + 'static,
        F: Future<Output = Result<T, E>>,
    {
        drive_hedged(self.0.begin(), self.0.judge(), operation).await
    }
}

impl<R: Clone> HedgedOperation<R> {
    /// As [`ResilientOperation::for_key`].
    #[must_use]
    pub fn for_key(&self, key: &(impl ToString + ?Sized)) -> Self {
        Self(self.0.for_key(key))
    }
}

impl<R: Clone> Clone for HedgedOperation<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R> fmt::Debug for HedgedOperation<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HedgedOperation").field("name", &self.name()).finish_non_exhaustive()
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
    budget: Option<RetryBudget>,
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

    /// Pays retries and hedges from `budget`, which may be that of other operations too, and not from one of its own.
    pub fn with_retry_budget(&self, budget: RetryBudget) -> Self {
        self.with(|builder| builder.budget = Some(budget))
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

    /// Lets attempts start no faster than `limiter` says.
    pub fn with_rate_limiter(&self, limiter: RateLimiter) -> Self {
        self.with(|builder| builder.parts.rate_limiter = Some(limiter))
    }

    /// Lets no more attempts run at once than `bulkhead` has slots.
    pub fn with_bulkhead(&self, bulkhead: Bulkhead) -> Self {
        self.with(|builder| builder.parts.bulkhead = Some(bulkhead))
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

    /// An `Ok` that `test` says yes to is a failure: it counts as one and is tried again. The last one is the answer
    /// all the same, unless there is a fallback.
    pub fn with_failure_if<T, E>(
        &self,
        test: impl Fn(&T) -> bool + Send + Sync + 'static,
    ) -> OperationBuilder<Returning<T, E>>
    where
        R: Takes<T, E>,
    {
        let mut returning = self.returning.become_returning();
        returning.failure_if = Some(Arc::new(test));
        self.returning(returning)
    }

    /// Exhausted retries give [`ResilienceError::RetriesExhausted`] around the last error. A fallback takes its place.
    pub fn with_wrapped_exhaustion<T, E>(&self) -> OperationBuilder<Returning<T, E>>
    where
        R: Takes<T, E>,
        E: From<ResilienceError> + Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut returning = self.returning.become_returning();
        returning.wrap_exhausted();
        self.returning(returning)
    }

    fn returning<S>(&self, returning: S) -> OperationBuilder<S> {
        let Self { name, parts, retry, budget, timeout, deadline, service, rules, returning: _ } =
            self.clone();
        OperationBuilder { name, parts, retry, budget, timeout, deadline, service, rules, returning }
    }

    /// The operation.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the name and the policies, at once.
    pub fn build(&self) -> Result<ResilientOperation<R>, ConfigErrors> {
        let (name, parts) = self.parts(None)?;
        Ok(ResilientOperation::new(name, Source::Parts(parts), self.rules.clone(), self.returning.clone()))
    }

    /// The operation, hedged.
    ///
    /// The trap: attempts overlap, so the operation must be idempotent. The hedge's own name is not used here.
    ///
    /// ```
    /// # use resilient_runtime as resilient;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use resilient::{Hedge, ResilienceError, ResilientOperation};
    /// use std::time::Duration;
    ///
    /// let hedge = Hedge::new(Duration::from_millis(50));
    /// let operation = ResilientOperation::builder("get_price").build_hedged(&hedge)?;
    /// let price = operation.call_async(async || Ok::<_, ResilienceError>(42)).await?;
    /// assert_eq!(price, 42);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the name and the policies, at once.
    pub fn build_hedged(&self, hedge: &Hedge) -> Result<HedgedOperation<R>, ConfigErrors> {
        let (name, parts) = self.parts(Some(hedge.hedging()))?;
        let (rules, returning) = (self.rules.clone(), self.returning.clone());
        Ok(HedgedOperation(ResilientOperation::new(name, Source::Parts(parts), rules, returning)))
    }

    fn parts(&self, hedge: Option<Hedging>) -> Result<(&'static str, Parts), ConfigErrors> {
        const OWNER: &str = "the operation";
        let Self { name, parts, retry, budget, timeout, deadline, service, .. } = self;
        let mut problems = Vec::new();
        problems.extend(retry.iter().flat_map(RetryPolicy::problems));
        problems.extend(timeout.iter().flat_map(TimeoutPolicy::problems));
        problems.extend(check(deadline, OWNER));
        if let (Some(timeout), Some(deadline)) = (timeout, deadline.deadline) {
            problems.extend(above_cap(OWNER, ("timeout", timeout.limit()), ("deadline", deadline)));
        }
        let mut named = |what: &str, name: &str| {
            let kept = crate::name::intern(name);
            kept.map_err(|invalid| problems.push(Problem::new(what, invalid.to_string()))).ok()
        };
        let operation = named("the operation's name", name);
        let service = service.as_ref().and_then(|service| named("the service's name", service));
        let Some(operation) = operation.filter(|_| problems.is_empty()) else {
            return Err(ConfigErrors::of(problems));
        };
        let own_budget = || match retry.as_ref()?.budget() {
            Budget::None => None,
            budget => Some(Arc::new(BudgetCore::new(operation, budget))),
        };
        let parts = Parts {
            deadline: deadline.deadline,
            retry: retry.as_ref().map(RetryPolicy::numbers),
            budget: budget.as_ref().map(RetryBudget::shared).or_else(own_budget),
            hedge,
            timeout: timeout.as_ref().map(TimeoutPolicy::limit),
            service: service.map(|service| (service, HealthConfig::new())),
            ..parts.clone()
        };
        Ok((operation, parts))
    }
}

/// A time that is above its own cap.
#[inline]
fn above_cap(
    owner: &str,
    (name, time): (&str, Duration),
    (cap_name, cap): (&str, Duration),
) -> Option<Problem> {
    let [shown, cap_shown] = [time, cap].map(humantime::format_duration);
    let what = format!("{shown} is above {cap_name}, {cap_shown}");
    let allowed = format!("{cap_shown} or less, or a larger {cap_name}");
    (time > cap).then(|| Problem::new(format!("{name} of {owner}"), what).allowed(allowed))
}
