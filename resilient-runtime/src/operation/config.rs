//! The builder twin of the attributes: the same words, resolved in the same way, for an operation made in code.

use std::panic::Location;
use std::sync::Arc;

use super::rules::{AnyResult, Returning, Rule, Rules, Takes};
use super::{HedgedOperation, ResilientOperation, Source};
use crate::error::ResilienceError;
use crate::health::HealthConfig;
use crate::outcome::Classify;
use crate::policy::Policy;
use crate::profile::{
    ConfigErrors, Explanation, IntoAlgorithm, IntoBackoff, IntoBudget, IntoDuration, IntoHedgeDelay,
    IntoJitter, IntoWindow, Problem, Settings, check,
};
use crate::runtime::{Report, Runtime};
use crate::site::{Asking, Spec};
use crate::timeout::TimeoutMode;

/// The words that tune numbers, each as [`Settings`] has it.
macro_rules! words {
    () => {
        words! {
            timeout: impl IntoDuration;
            deadline: impl IntoDuration;
            max_attempts: u32;
            max_retries: u32;
            base_delay: impl IntoDuration;
            max_delay: impl IntoDuration;
            exponential_base: f64;
            jitter: impl IntoJitter;
            backoff: impl IntoBackoff;
            budget: impl IntoBudget;
            failure_threshold: u32;
            success_threshold: u32;
            recovery_timeout: impl IntoDuration;
            failure_rate: f64;
            window: impl IntoWindow;
            min_calls: u32;
            slow_call_rate: f64;
            slow_call_duration: impl IntoDuration;
            half_open_max_calls: u32;
            recovery_backoff: f64;
            max_recovery_timeout: impl IntoDuration;
            recovery_jitter: f64;
            rate_limit_rate: u32;
            rate_limit_per: impl IntoDuration;
            rate_limit_burst: u32;
            rate_limit_max_wait: impl IntoDuration;
            rate_limit_algorithm: impl IntoAlgorithm;
            bulkhead_max_concurrent: u32;
            bulkhead_max_queue: u32;
            bulkhead_max_wait: impl IntoDuration;
            hedge_delay: impl IntoHedgeDelay;
            hedge_max_hedges: u32;
            enable_timeout: bool;
            enable_retry: bool;
            enable_circuit_breaker: bool;
            enable_rate_limit: bool;
            enable_bulkhead: bool;
            enable_hedge: bool;
        }
    };
    ($($word:ident: $type:ty;)*) => {$(
        #[doc = concat!("As [`Settings::", stringify!($word), "`](crate::Settings::", stringify!($word), ").")]
        pub fn $word(self, value: $type) -> Self {
            self.tune(|settings| settings.$word(value))
        }
    )*};
}
pub(super) use words;

/// What the attributes' arguments say, for an operation that is made in code.
///
/// The words are those of `#[resilient]`, and so is what they mean: retry, circuit breaker and attempt timeout are there
/// unless switched off; a deadline, a bulkhead and a rate limit are where one of their words is said. Every value
/// comes from the same sources: a test scope, `PREFIX_OP_<NAME>_<PARAM>`, what is said here, `PREFIX_<TYPE>_<PARAM>`,
/// the profile, `PREFIX_DEFAULT_<PARAM>`, built-in. Breaker, bulkhead and limiter belong to their names, and are shared
/// with every function that names them.
///
/// Build it before [`init`](crate::init()): variables of an operation that is not made yet are taken for mistakes.
///
/// The trap: names are kept for the life of the process. Code names operations, requests never do; a breaker for each
/// tenant or host is what [`keyed`](Self::keyed) is for.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::{ResilienceConfig, ResilienceError};
///
/// let operation = ResilienceConfig::new("get_user")
///     .operation_type("database")
///     .timeout("250ms")
///     .max_attempts(4)
///     .build()?;
/// let user = operation.call(|| Ok::<_, ResilienceError>("ada"))?;
/// assert_eq!(user, "ada");
/// println!("{}", operation.explain().expect("it was configured"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is made until `build`"]
pub struct ResilienceConfig<R = AnyResult> {
    name: String,
    operation_type: String,
    breaker_name: Option<String>,
    bulkhead_name: Option<String>,
    rate_limit_name: Option<String>,
    service: Option<String>,
    at: &'static Location<'static>,
    switches: Switches,
    settings: Settings,
    rules: Rules,
    returning: R,
}

#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each was said or was not")]
struct Switches {
    retry_on_open: bool,
    breaker_per_call: bool,
    critical: bool,
    keyed: bool,
}

impl ResilienceConfig {
    /// An operation of that name, of kind `default`.
    #[track_caller]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            operation_type: "default".into(),
            breaker_name: None,
            bulkhead_name: None,
            rate_limit_name: None,
            service: None,
            at: Location::caller(),
            switches: Switches::default(),
            settings: Settings::new(),
            rules: Rules::default(),
            returning: AnyResult,
        }
    }
}

impl<R> ResilienceConfig<R> {
    pub(super) fn tune(mut self, change: impl FnOnce(Settings) -> Settings) -> Self {
        self.settings = change(self.settings);
        self
    }

    words!();

    /// With what `settings` say and it does not.
    #[cfg(feature = "checks")]
    pub(crate) fn settled(self, settings: &Settings) -> Self {
        self.tune(|mut said| {
            said.fill_from(settings);
            said
        })
    }

    /// The kind of operation, whose profile and variables apply. Default: `default`.
    pub fn operation_type(mut self, kind: impl Into<String>) -> Self {
        self.operation_type = kind.into();
        self
    }

    /// The breaker's name, the attributes' `name`. Default: the operation's.
    pub fn breaker_name(mut self, name: impl Into<String>) -> Self {
        self.breaker_name = Some(name.into());
        self
    }

    /// The bulkhead's name. Default: the operation's.
    pub fn bulkhead_name(mut self, name: impl Into<String>) -> Self {
        self.bulkhead_name = Some(name.into());
        self
    }

    /// The rate limiter's name. Default: the operation's.
    pub fn rate_limit_name(mut self, name: impl Into<String>) -> Self {
        self.rate_limit_name = Some(name.into());
        self
    }

    /// The service whose health the attempts tell, as `#[track_service_health]`.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = Some(name.into());
        self
    }

    /// Whether an open breaker is waited for, where that fits. Default false.
    pub fn retry_on_open(mut self, waits: bool) -> Self {
        self.switches.retry_on_open = waits;
        self
    }

    /// Whether the breaker counts calls and not attempts, the attributes' `breaker_scope = "call"`. Default false.
    pub fn breaker_per_call(mut self, calls: bool) -> Self {
        self.switches.breaker_per_call = calls;
        self
    }

    /// Whether the whole service is unhealthy while the breaker is open. Default false.
    pub fn critical(mut self, critical: bool) -> Self {
        self.switches.critical = critical;
        self
    }

    /// Breaker, bulkhead and limiter have one state per key, see [`ResilientOperation::for_key`]; calls without a key
    /// share one of their own, that of the empty key. Default: one for all calls.
    pub fn keyed(mut self) -> Self {
        self.switches.keyed = true;
        self
    }

    /// Retries errors of type `X`, and of the other listed types, and no others; see
    /// [`RetryPolicy::with_retry_on`](crate::RetryPolicy::with_retry_on).
    pub fn retry_on<X: std::error::Error + 'static>(mut self) -> Self {
        self.rules.retry.add_type::<X>();
        self
    }

    /// Retries an error of type `E` only if `test` says so.
    pub fn retry_if<E: 'static>(mut self, test: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self {
        self.rules.retry.add_test(Rule::about(test));
        self
    }

    /// An error of type `E` that `test` says yes to is the caller's own fault: neutral for the breaker, not retried.
    pub fn ignore<E: 'static>(mut self, test: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self {
        self.rules.ignore.push(Rule::about(test));
        self
    }

    /// Errors of type `E` are what their [`Classify`] says. Attributes see that by themselves.
    pub fn classify<E: Classify + 'static>(mut self) -> Self {
        self.rules.classify::<E>();
        self
    }

    /// Answers in the function's place once everything else has failed or refused, given the error the caller would
    /// have got.
    pub fn fallback<T, E>(
        self,
        fallback: impl Fn(E) -> Result<T, E> + Send + Sync + 'static,
    ) -> ResilienceConfig<Returning<T, E>>
    where
        R: Takes<T, E>,
    {
        self.returning(|returning| returning.fallback = Some(Arc::new(fallback)))
    }

    /// An `Ok` that `test` says yes to is a failure. The last one is the answer all the same, unless there is a
    /// fallback.
    pub fn failure_if<T, E>(
        self,
        test: impl Fn(&T) -> bool + Send + Sync + 'static,
    ) -> ResilienceConfig<Returning<T, E>>
    where
        R: Takes<T, E>,
    {
        self.returning(|returning| returning.failure_if = Some(Arc::new(test)))
    }

    /// Exhausted retries give [`ResilienceError::RetriesExhausted`] around the last error, the attributes'
    /// `exhausted = "wrap"`. A fallback takes its place.
    pub fn wrap_exhausted<T, E>(self) -> ResilienceConfig<Returning<T, E>>
    where
        R: Takes<T, E>,
        E: From<ResilienceError> + Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.returning(Returning::wrap_exhausted)
    }

    fn returning<T, E>(self, change: impl FnOnce(&mut Returning<T, E>)) -> ResilienceConfig<Returning<T, E>>
    where
        R: Takes<T, E>,
    {
        let mut returning = self.returning.become_returning();
        change(&mut returning);
        let Self { name, operation_type, breaker_name, bulkhead_name, rate_limit_name, service, .. } = self;
        let Self { at, switches, settings, rules, .. } = self;
        ResilienceConfig {
            name,
            operation_type,
            breaker_name,
            bulkhead_name,
            rate_limit_name,
            service,
            at,
            switches,
            settings,
            rules,
            returning,
        }
    }

    /// The operation.
    ///
    /// What the environment says wrongly about it is told at its first call, as for every function.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with what is said here, at once.
    pub fn build(self) -> Result<ResilientOperation<R>, ConfigErrors> {
        let configured = self.configured(false)?;
        let operation = configured.operation;
        Ok(ResilientOperation::new(operation, Source::Configured(configured), self.rules, self.returning))
    }

    /// The operation, hedged: an attempt that does not answer gets another one beside it.
    ///
    /// The trap: attempts overlap, so the operation must be idempotent.
    ///
    /// ```
    /// # use resilient_runtime as resilient;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use resilient::{ResilienceConfig, ResilienceError};
    ///
    /// let operation = ResilienceConfig::new("get_price").hedge_delay("p95").build_hedged()?;
    /// let price = operation.call_async(async || Ok::<_, ResilienceError>(42)).await?;
    /// assert_eq!(price, 42);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Everything that is wrong with what is said here, at once.
    pub fn build_hedged(self) -> Result<HedgedOperation<R>, ConfigErrors> {
        let configured = self.configured(true)?;
        let operation = configured.operation;
        let source = Source::Configured(configured);
        Ok(HedgedOperation(ResilientOperation::new(operation, source, self.rules, self.returning)))
    }

    fn configured(&self, hedged: bool) -> Result<Configured, ConfigErrors> {
        let subject = format!("`{}` ({}:{})", self.name, self.at.file(), self.at.line());
        let mut problems = check(&self.settings, &subject);
        problems.extend(self.contradictions(&subject));
        let Settings { hedge_delay, hedge_max_hedges, enable_hedge, .. } = &self.settings;
        if !hedged && (hedge_delay.is_some() || hedge_max_hedges.is_some() || *enable_hedge == Some(true)) {
            let what = "`build` makes an operation that is not hedged";
            problems.push(Problem::new(format!("hedge of {subject}"), what).allowed("build_hedged"));
        }
        let mut named = |what: &str, name: &str| {
            let kept = crate::name::intern(name);
            let refused = |invalid| problems.push(Problem::new(what, format!("{invalid}")));
            kept.map_err(refused).unwrap_or_default()
        };
        let operation = named("the operation's name", &self.name);
        let kind = named("operation_type", &self.operation_type);
        let mut spec = Spec::new(operation, "ResilienceConfig", self.at.file(), self.at.line())
            .operation_name(operation)
            .operation_type(kind);
        let mut optional = |what, name: &Option<String>| name.as_ref().map(|name| named(what, name));
        spec.breaker_name = optional("breaker_name", &self.breaker_name);
        spec.bulkhead_name = optional("bulkhead_name", &self.bulkhead_name);
        spec.rate_limit_name = optional("rate_limit_name", &self.rate_limit_name);
        if let Some(service) = optional("service", &self.service) {
            spec = spec.service(service, HealthConfig::new);
        }
        if !problems.is_empty() {
            return Err(ConfigErrors::of(problems));
        }
        let Switches { retry_on_open, breaker_per_call, critical, keyed } = self.switches;
        spec.retry_on_open = retry_on_open;
        spec.critical = critical;
        spec.is_keyed = keyed;
        spec.layers.breaker_per_call = breaker_per_call;
        spec = self.layers(spec, hedged);
        Runtime::with_current(|runtime| runtime.declare(operation, kind));
        let configured = Configured { spec, operation, written: self.settings.clone() };
        #[cfg(feature = "checks")]
        Runtime::with_current(|runtime| runtime.remember(&configured.asking()));
        Ok(configured)
    }

    /// The layers that the attribute with these words would print.
    fn layers(&self, mut spec: Spec, hedged: bool) -> Spec {
        let says = &self.settings;
        let layers = &mut spec.layers;
        layers.retry = says.enable_retry != Some(false);
        layers.breaker = says.enable_circuit_breaker != Some(false);
        layers.deadline = says.deadline.is_some();
        let bulkhead = says.bulkhead_max_concurrent.is_some()
            || says.bulkhead_max_queue.is_some()
            || says.bulkhead_max_wait.is_some()
            || self.bulkhead_name.is_some()
            || says.enable_bulkhead == Some(true);
        layers.bulkhead = bulkhead && says.enable_bulkhead != Some(false);
        let rate_limit = says.rate_limit_rate.is_some()
            || says.rate_limit_per.is_some()
            || says.rate_limit_burst.is_some()
            || says.rate_limit_max_wait.is_some()
            || says.rate_limit_algorithm.is_some()
            || self.rate_limit_name.is_some()
            || says.enable_rate_limit == Some(true);
        layers.rate_limit = rate_limit && says.enable_rate_limit != Some(false);
        layers.hedge = hedged && says.enable_hedge != Some(false);
        layers.fallback = false;
        if says.enable_timeout == Some(false) { spec } else { spec.timeout(TimeoutMode::Deadline) }
    }

    /// A time that is said to be above its own cap.
    fn contradictions(&self, subject: &str) -> Vec<Problem> {
        let says = &self.settings;
        let above = |name: &str, time: Option<std::time::Duration>, cap_name: &str, cap: Option<_>| {
            super::above_cap(subject, (name, time?), (cap_name, cap?))
        };
        [
            above("base_delay", says.base_delay, "max_delay", says.max_delay),
            above("timeout", says.timeout, "deadline", says.deadline),
            above(
                "recovery_timeout",
                says.recovery_timeout,
                "max_recovery_timeout",
                says.max_recovery_timeout,
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// What was said of an operation, to be resolved in each runtime anew.
#[derive(Debug)]
pub(super) struct Configured {
    pub(super) spec: Spec,
    operation: &'static str,
    written: Settings,
}

impl Configured {
    fn asking(&self) -> Asking<'_> {
        Asking { spec: &self.spec, operation: self.operation, written: self.written.clone() }
    }

    pub(super) fn policy(&self, runtime: &Runtime) -> (Policy, Vec<Report>) {
        runtime.declare(self.operation, self.spec.operation_type);
        #[cfg(feature = "checks")]
        runtime.remember(&self.asking());
        let (policy, reports) = runtime.build(&self.asking());
        // The error of every call can say so.
        (Policy { can_refuse: true, ..policy }, reports)
    }

    #[inline]
    pub(super) fn explain(&self, runtime: &Runtime) -> Explanation {
        runtime.declare(self.operation, self.spec.operation_type);
        runtime.explain(&self.asking())
    }
}

#[cfg(all(test, feature = "checks"))]
mod tests {
    use super::*;

    #[test]
    fn settings_say_what_the_config_does_not_and_their_refusals_are_told() {
        let config = || ResilienceConfig::new("settled").max_attempts(7);
        let operation = config().settled(&Settings::new().max_attempts(2).timeout("3s")).build().unwrap();
        let told = operation.explain().unwrap().to_string();
        assert_eq!(operation.timeout(), Some(std::time::Duration::from_secs(3)));
        assert!(told.contains("max_attempts") && told.contains('7'), "{told}");
        let refused = config().settled(&Settings::new().timeout("soon")).build().unwrap_err();
        assert!(refused.to_string().contains("`soon` is not a duration"), "{refused}");
    }
}
