//! What a program asks the library.

use std::sync::Arc;

use crate::breaker::Breaker;
use crate::bulkhead::Bulkhead;
use crate::circuit_breaker::CircuitBreaker;
use crate::event::{Event, Subscription};
use crate::family::Family;
use crate::health::{ResilienceHealth, ServiceHealth};
use crate::profile::{ConfigErrors, Explanation, Settings};
use crate::rate_limiter::RateLimiter;
use crate::registry::{
    UnknownBreaker, UnknownBulkhead, UnknownOperation, UnknownRateLimiter, UnknownService,
};
use crate::runtime::{Origins, Runtime};
use crate::site::{Spec, sites};

/// Reads the environment and `.env` now and checks everything, so that a wrong value stops the start of the program
/// and not its first call.
///
/// Optional: without it the same is read at the first call, where a wrong value is told as an error event and the
/// next lower source is used.
///
/// ```
/// # use resilient_runtime as resilient;
/// fn main() -> Result<(), resilient::ConfigErrors> {
///     resilient::init()?;
///     Ok(())
/// }
/// ```
///
/// # Errors
///
/// Every wrong value, unknown variable and conflict between attributes, all at once.
#[inline]
pub fn init() -> Result<(), ConfigErrors> {
    builder().init()
}

/// Sets in code what is the program's own: the variables' prefix, profiles for its own kinds of operation.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::{Settings, builder};
///
/// builder()
///     .profile("payments", Settings::new().timeout("3s").max_attempts(2))
///     .init()?;
/// # Ok::<(), resilient_runtime::ConfigErrors>(())
/// ```
pub fn builder() -> Builder {
    Builder { origins: Origins::default() }
}

/// See [`builder`].
#[derive(Debug)]
#[must_use = "nothing happens until `init`"]
pub struct Builder {
    origins: Origins,
}

impl Builder {
    /// Reads `PREFIX_*` instead of `PYNOMALY_*`; wins over `RESILIENT_ENV_PREFIX`.
    pub fn env_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.origins.prefix = Some(prefix.into());
        self
    }

    /// The numbers in code of one kind of operation: a new one, or one of the five, key by key. Variables win over
    /// them, attributes too.
    pub fn profile(mut self, operation_type: impl Into<String>, settings: Settings) -> Self {
        self.origins.profiles.insert(operation_type.into(), settings);
        self
    }

    /// Lets [`chaos`](crate::chaos) begin in a release build too, where it refuses to otherwise.
    ///
    /// `PREFIX_CHAOS_ALLOW_RELEASE=true` does the same. In a debug build it changes nothing.
    #[cfg(feature = "chaos")]
    pub fn allow_chaos_in_release(mut self) -> Self {
        self.origins.chaos_in_release = true;
        self
    }

    /// Reads this TOML file of settings: `[profiles.<type>]` and `[operations.<name>]`, with the attribute's keys.
    ///
    /// Its operations are below `PREFIX_OP_*` variables and above attributes, its profiles below `PREFIX_<TYPE>_*`
    /// variables and above profiles in code. It is read now and at each [`reload`]; [`watch`](crate::watch) follows it.
    /// A key that cannot be used is an error of [`Builder::init`] and the next lower source is used; a file that
    /// cannot be read is none at all. One file at a time: a second one takes the place of the first.
    ///
    /// The trap: an operation made by [`ResilienceConfig`](crate::ResilienceConfig) is known from then on, so a file that
    /// names it is to be read after it was made.
    ///
    /// ```toml
    /// [profiles.database]
    /// timeout = "30s"
    /// max_attempts = 4
    ///
    /// [operations.get_user]
    /// enable_retry = false
    /// bulkhead = { max_concurrent = 5 }
    /// ```
    #[cfg(feature = "reload")]
    pub fn settings_file(mut self, path: impl AsRef<std::path::Path>) -> Self {
        self.origins.file = Some(crate::profile::SettingsFile::read(path.as_ref()));
        self
    }

    /// Puts it in force and checks everything, see [`init`]. Breakers keep their state.
    ///
    /// # Errors
    ///
    /// Every wrong value, unknown variable and conflict between attributes, all at once. What is right is in force
    /// all the same.
    #[inline]
    pub fn init(self) -> Result<(), ConfigErrors> {
        let runtime = Runtime::current();
        runtime.configure(|origins| {
            #[cfg(feature = "chaos")]
            (origins.chaos_in_release |= self.origins.chaos_in_release);
            #[cfg(feature = "reload")]
            let file = self.origins.file;
            let Origins { prefix, profiles, .. } = self.origins;
            origins.prefix = prefix.or(origins.prefix.take());
            for (kind, settings) in profiles.iter() {
                origins.profiles.insert(kind.clone(), settings.clone());
            }
            #[cfg(feature = "reload")]
            {
                origins.file = file.or(origins.file.take());
            }
        });
        runtime.validate()
    }
}

/// Checks the configuration as it is in force, without changing anything.
///
/// # Errors
///
/// Every wrong value, unknown variable and conflict between attributes, all at once.
#[inline]
pub fn validate() -> Result<(), ConfigErrors> {
    Runtime::current().validate()
}

/// Reads the environment, `.env` and the settings file anew; what they say is in force from the next call on.
///
/// Breakers, bulkheads and rate limiters keep their state and go on with the new numbers: an open breaker stays open, a
/// streak of failures is judged by the new threshold at the next failure. A retry budget that is given other figures
/// begins full. Calls under way end as they began.
///
/// One wrong value changes nothing at all, also where `init` would have used the next lower source: a program that
/// runs has better values already. [`EventKind::Reloaded`](crate::EventKind::Reloaded) tells of what was put in force,
/// [`EventKind::BadConfiguration`](crate::EventKind::BadConfiguration) of what was not.
///
/// The trap: a process sees its environment as it was at its start, unless it changes it itself; what an operator
/// changes is a file. An operation made by [`ResilienceConfig`](crate::ResilienceConfig) follows a reload; a
/// [`CircuitBreaker`], [`Bulkhead`](crate::Bulkhead), [`RateLimiter`](crate::RateLimiter) or
/// [`RetryPolicy`](crate::RetryPolicy) made by hand has its numbers from the program.
///
/// ```
/// # use resilient_runtime as resilient;
/// # fn on_hangup() {
/// if let Err(errors) = resilient::reload() {
///     eprintln!("the old configuration stays: {errors}");
/// }
/// # }
/// ```
///
/// # Errors
///
/// Every wrong value and unknown variable or key, and every conflict they bring about between functions, all at once.
/// What is wrong in the program's own code is not among them: it was wrong before.
#[inline]
pub fn reload() -> Result<(), ConfigErrors> {
    Runtime::current().try_configure(Origins::read_again)
}

/// What is in force for one annotated function, value by value, with the source each came from; print it. With the feature
/// `checks`, which every client, the factories and the web pages bring, also for what
/// [`ResilienceConfig`](crate::ResilienceConfig) made in code: `explain("database")`.
///
/// The trap: where a function and code use one name, it is the function's.
///
/// ```no_run
/// # use resilient_runtime as resilient;
/// println!("{}", resilient::explain("get_user")?);
/// # Ok::<(), resilient_runtime::UnknownOperation>(())
/// ```
///
/// # Errors
///
/// [`UnknownOperation`], which lists the names there are. For a method that the attribute on its `impl` block or trait
/// leaves unguarded, named by its path or the end of it (`UserRepository::new`), it says why.
#[inline]
pub fn explain(operation: &str) -> Result<Explanation, UnknownOperation> {
    let runtime = Runtime::current();
    if let Some(site) = sites().find(|site| site.operation() == operation) {
        return Ok(runtime.explain(&site.asking()));
    }
    #[cfg(feature = "checks")]
    if let Some(explained) = runtime.explain_made(operation) {
        return Ok(explained);
    }
    Err(UnknownOperation::new(operation, operations().into_iter().map(|known| known.name).collect()))
}

/// An annotated function of this program, or what stands in code for one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Operation {
    /// Its name in variables, logs and health.
    pub name: &'static str,
    /// Its kind.
    pub operation_type: &'static str,
    /// Its path in the code.
    pub function: String,
    /// Where it is: `src/db.rs:12`.
    pub location: String,
    /// Its attributes, in written order.
    pub attributes: Vec<&'static str>,
    /// Its breaker, if it has one.
    pub breaker: Option<&'static str>,
    /// Whether it is async; of what was made in code, whether it has layers that only async calls have.
    pub is_async: bool,
    /// Whether it is an annotated function, and not made in code.
    pub is_annotated: bool,
}

impl Operation {
    #[inline]
    pub(crate) fn of(spec: &Spec, name: &'static str) -> Self {
        Self {
            name,
            operation_type: spec.operation_type,
            function: spec.path_in_code(),
            location: format!("{}:{}", spec.file, spec.line),
            attributes: spec.attributes().collect(),
            breaker: spec.breaker_name_of(name),
            is_async: spec.is_async,
            is_annotated: true,
        }
    }
}

/// Every annotated function of the program, called or not, by name. What an attribute on an `impl` block or trait left
/// out is in [`skipped`](crate::skipped).
///
/// With the feature `checks`, which every client, the factories and the web pages bring, so is what
/// [`ResilienceConfig`](crate::ResilienceConfig) has made so far in code, clients among it, once for each name; it stays when what
/// was made is gone. `is_annotated` tells them apart.
#[inline]
pub fn operations() -> Vec<Operation> {
    let mut operations: Vec<_> = sites().map(|site| Operation::of(site.spec(), site.operation())).collect();
    #[cfg(feature = "checks")]
    operations.extend(Runtime::current().made_in_code());
    operations.sort_by(|a, b| (a.name, &a.location).cmp(&(b.name, &b.location)));
    operations
}

/// The named breaker of annotated functions, called or not.
///
/// # Errors
///
/// [`UnknownBreaker`], which lists the names there are.
#[inline]
pub fn breaker(name: &str) -> Result<CircuitBreaker, UnknownBreaker> {
    let runtime = Runtime::current();
    match runtime.breaker(name) {
        Some(breaker) => Ok(CircuitBreaker::of(breaker)),
        None => Err(UnknownBreaker::new(name, runtime.breakers().iter().map(|known| known.name()).collect())),
    }
}

/// The breaker that functions with `key = ..` use for one key: a tenant, a host. Made now if that key was not used lately.
///
/// A name remembers its 1024 last used keys, each for an hour after its last use; a forgotten one begins again, closed.
/// One in use, or whose breaker is not closed, is passed over while others can go. A key of more than 256 bytes is
/// remembered by its beginning and a digest.
///
/// # Errors
///
/// [`UnknownBreaker`], which lists the names of breakers that are kept by key.
#[inline]
pub fn keyed_breaker(name: &str, key: &str) -> Result<CircuitBreaker, UnknownBreaker> {
    let runtime = Runtime::current();
    let family = keyed_family(&runtime, name)?;
    Ok(CircuitBreaker::of(family.member(key)))
}

#[inline]
fn keyed_family(runtime: &Runtime, name: &str) -> Result<Arc<Family<Breaker>>, UnknownBreaker> {
    runtime.keyed_breaker_family(name).ok_or_else(|| {
        let families = runtime.keyed_breaker_families();
        UnknownBreaker::new(name, families.iter().map(|(known, _)| *known).collect())
    })
}

/// The keys that functions with `key = ..` used lately under this breaker's name, the last used first, each with its
/// breaker.
///
/// The trap: keys come with requests. Do not make labels of metrics from them.
///
/// # Errors
///
/// [`UnknownBreaker`], which lists the names of breakers that are kept by key.
#[inline]
pub fn keyed_breakers(name: &str) -> Result<Vec<(String, CircuitBreaker)>, UnknownBreaker> {
    let runtime = Runtime::current();
    let family = keyed_family(&runtime, name)?;
    Ok(family.members().into_iter().map(|(key, breaker)| (key.into(), CircuitBreaker::of(breaker))).collect())
}

/// The named bulkhead of annotated functions, called or not.
///
/// # Errors
///
/// [`UnknownBulkhead`], which lists the names there are.
#[inline]
pub fn bulkhead(name: &str) -> Result<Bulkhead, UnknownBulkhead> {
    let runtime = Runtime::current();
    let bulkhead = runtime.bulkhead(name).ok_or_else(|| {
        let known = runtime.bulkheads();
        UnknownBulkhead::new(name, known.iter().map(|known| known.name()).collect())
    })?;
    Ok(Bulkhead::of(bulkhead, Arc::clone(runtime.context())))
}

/// The named rate limiter of annotated functions, called or not.
///
/// # Errors
///
/// [`UnknownRateLimiter`], which lists the names there are.
#[inline]
pub fn rate_limiter(name: &str) -> Result<RateLimiter, UnknownRateLimiter> {
    let runtime = Runtime::current();
    let limiter = runtime.rate_limiter(name).ok_or_else(|| {
        let known = runtime.rate_limiters();
        UnknownRateLimiter::new(name, known.iter().map(|known| known.name()).collect())
    })?;
    Ok(RateLimiter::of(limiter, Arc::clone(runtime.context())))
}

/// Every named breaker of annotated functions, called or not, by name. Those kept by key are in
/// [`keyed_breakers`].
#[inline]
pub fn breakers() -> Vec<CircuitBreaker> {
    let runtime = Runtime::current();
    runtime.breakers().into_iter().map(CircuitBreaker::of).collect()
}

/// The state of everything: breakers, services, overall.
///
/// ```
/// # use resilient_runtime as resilient;
/// let health = resilient::resilience_health();
/// println!("{}: open are {:?}", health.overall_health, health.open_breakers);
/// println!("{}", health.to_json());
/// ```
#[inline]
pub fn resilience_health() -> ResilienceHealth {
    ResilienceHealth::of(&Runtime::current())
}

/// The health of one service that `#[track_service_health]` names, called or not.
///
/// # Errors
///
/// [`UnknownService`], which lists the names there are.
#[inline]
pub fn service_health(name: &str) -> Result<ServiceHealth, UnknownService> {
    let services = Runtime::current().services();
    let known = || services.iter().map(ServiceHealth::name).collect();
    services
        .iter()
        .find(|service| service.name() == name)
        .cloned()
        .ok_or_else(|| UnknownService::new(name, known()))
}

/// Forgets everything, as if the program had just started: breakers, windows, health, resolved settings, the
/// environment as it was read. Results of calls under way change nothing.
///
/// For tests that run one after another. Tests that run in parallel isolate themselves with a
/// [`Scope`](crate::testing::Scope).
#[inline]
pub fn reset_resilience_state() {
    Runtime::current().reset();
}

/// Calls `listener` for every event, until the subscription is dropped.
///
/// The trap: it runs on the thread of the guarded call, before that call goes on; hand slow work over.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::{EventKind, subscribe};
///
/// let subscription = subscribe(|event| {
///     if let EventKind::Transition { breaker, to, .. } = &event.kind {
///         eprintln!("{breaker} is {to}");
///     }
/// });
/// # drop(subscription);
/// ```
pub fn subscribe(listener: impl Fn(&Event) + Send + Sync + 'static) -> Subscription {
    Runtime::current().context().events.subscribe(listener)
}
