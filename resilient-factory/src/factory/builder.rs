//! What is said of a factory before it is made.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, OnceLock};

use resilient_runtime::__private::Here;
use resilient_runtime::{CheckReport, HealthCheck, IntoDuration, ResilienceConfig, register_health_check};

use super::Factory;
use super::asked::Asked;
use super::attempt::{Failure, RetryIf};
use super::constructor::Constructor;
use super::error::FactoryError;
use super::health::FactoryState;
use super::inner::Inner;
use super::linked::linked;
use super::rules::HealthRules;
use super::table::{Entry, LONGEST_NAME, Table};
use super::told::Told;
use crate::BoxError;

/// Puts a [`Factory`] together; see there for what it is like where nothing is said.
///
/// What is wrong is told by [`build`](Self::build).
///
/// ```
/// # mod resilient { pub use resilient_factory as factory; }
/// use resilient::factory::{Asked, BoxError, Factory};
///
/// let buffers = Factory::<Vec<u8>, _, usize>::builder("buffers")
///     .capacity(16)
///     .layers(|operation| operation.base_delay("100ms").deadline("2s"))
///     .register("zeros", |asked: Asked<(), usize>| Ok::<_, BoxError>(vec![0; asked.options]))
///     .build()?;
/// assert!(buffers.is_builtin("zeros"));
/// # Ok::<(), resilient::factory::FactoryError>(())
/// ```
#[must_use = "nothing is made until `build`"]
pub struct FactoryBuilder<C: ?Sized, X = (), O = ()> {
    id: String,
    context: X,
    capacity: usize,
    config: ResilienceConfig,
    retry_if: Option<Box<RetryIf>>,
    registered: Vec<(String, Constructor<C, X, O>)>,
    takes_linked: bool,
    rules: HealthRules,
    is_checked: bool,
    mistake: Option<&'static str>,
}

impl<C, O> Factory<C, (), O>
where
    C: ?Sized + Send + Sync + 'static,
    O: Clone + Eq + Hash + Send + Sync + 'static,
{
    /// A factory with that id, to be put together. Its context is `()` until [`context`](FactoryBuilder::context) says
    /// another.
    #[track_caller]
    pub fn builder(id: impl Into<String>) -> FactoryBuilder<C, (), O> {
        FactoryBuilder::of(id.into(), ())
    }
}

impl<C, O> FactoryBuilder<C, (), O>
where
    C: ?Sized + Send + Sync + 'static,
    O: Clone + Eq + Hash + Send + Sync + 'static,
{
    /// What constructors are given: clients, settings, whatever they depend on. Say it before the first
    /// [`register`](Self::register), whose constructors are for that type.
    pub fn context<X: Send + Sync + 'static>(self, context: X) -> FactoryBuilder<C, X, O> {
        let Self { id, capacity, config, retry_if, registered, takes_linked, rules, is_checked, .. } = self;
        let too_late = "constructors were registered before `context`: say `context` first";
        FactoryBuilder {
            id,
            context,
            capacity,
            config,
            retry_if,
            mistake: (!registered.is_empty()).then_some(too_late),
            registered: Vec::new(),
            takes_linked,
            rules,
            is_checked,
        }
    }
}

impl<C, X, O> FactoryBuilder<C, X, O>
where
    C: ?Sized + Send + Sync + 'static,
    X: Send + Sync + 'static,
    O: Clone + Eq + Hash + Send + Sync + 'static,
{
    #[track_caller]
    pub(super) fn of(id: String, context: X) -> Self {
        let config =
            ResilienceConfig::new(id.clone()).operation_type("factory").enable_circuit_breaker(false);
        Self {
            id,
            context,
            capacity: 128,
            config,
            retry_if: None,
            registered: Vec::new(),
            takes_linked: true,
            rules: HealthRules::new(),
            is_checked: false,
            mistake: None,
        }
    }

    /// How many components are kept. Default 128; with 0 none is, and only those who ask at the same time share one.
    pub fn capacity(mut self, components: usize) -> Self {
        self.capacity = components;
        self
    }

    /// The limit of one attempt. Default 5 s.
    ///
    /// The trap: a sync constructor runs to its end, and what it made too late is dropped.
    pub fn timeout(self, limit: impl IntoDuration) -> Self {
        self.layers(|config| config.timeout(limit))
    }

    /// How many attempts are made, the first included. Default 3.
    pub fn max_attempts(self, attempts: u32) -> Self {
        self.layers(|config| config.max_attempts(attempts))
    }

    /// The rest of what a build's operation is like: waits, a deadline, a bulkhead, a circuit breaker.
    ///
    /// The trap: its rules about errors see none, since a constructor's error has no type here: that is
    /// [`retry_if`](Self::retry_if).
    pub fn layers(mut self, change: impl FnOnce(ResilienceConfig) -> ResilienceConfig) -> Self {
        self.config = change(self.config);
        self
    }

    /// Another attempt follows a constructor's error only if `test` says so. Default: it does, unless the error is a
    /// [`BadRequest`](crate::BadRequest), or what another factory or a layer has refused or tried enough.
    pub fn retry_if(mut self, test: impl Fn(&(dyn Error + 'static)) -> bool + Send + Sync + 'static) -> Self {
        self.retry_if = Some(Box::new(test));
        self
    }

    /// When it is degraded, failed, recovering and healthy again. Default: see [`HealthRules`].
    pub fn health(mut self, rules: HealthRules) -> Self {
        self.rules = rules;
        self
    }

    /// Makes its health part of [`check_health`](resilient_runtime::check_health), under its id, for as long as any copy
    /// lives: degraded and recovering are `degraded`, failed is `unhealthy`. Default: it is not.
    pub fn health_check(mut self) -> Self {
        self.is_checked = true;
        self
    }

    /// Leaves out the constructors that `#[component]` lists. Default: those whose types are exactly `C`, `X` and `O` are
    /// there.
    pub fn without_linked(mut self) -> Self {
        self.takes_linked = false;
        self
    }

    /// Makes components of that name with a sync constructor.
    pub fn register<R, E>(
        mut self,
        name: impl Into<String>,
        constructor: impl Fn(Asked<X, O>) -> Result<R, E> + Send + Sync + 'static,
    ) -> Self
    where
        R: Into<Arc<C>>,
        E: Into<BoxError>,
    {
        self.registered.push((name.into(), Constructor::sync(constructor)));
        self
    }

    /// Makes components of that name with an async constructor.
    pub fn register_async<R, E, F>(
        mut self,
        name: impl Into<String>,
        constructor: impl Fn(Asked<X, O>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        R: Into<Arc<C>>,
        E: Into<BoxError>,
        F: Future<Output = Result<R, E>> + Send + 'static,
    {
        self.registered.push((name.into(), Constructor::asynchronous(constructor)));
        self
    }

    /// The factory.
    ///
    /// # Errors
    ///
    /// [`FactoryError::Invalid`]: what was said of its operation or its health, a name, two linked constructors of one name;
    /// [`FactoryError::Taken`]: two other constructors of one name.
    pub fn build(self) -> Result<Factory<C, X, O>, FactoryError> {
        let Self { id, context, capacity, config, retry_if, registered, takes_linked, rules, .. } = self;
        let Self { is_checked, mistake, .. } = self;
        let id: Arc<str> = id.into();
        let invalid = |what: String| FactoryError::Invalid { factory: Arc::clone(&id), what: what.into() };
        if let Some(problem) = mistake.map(ToOwned::to_owned).or_else(|| rules.problem()) {
            return Err(invalid(problem));
        }
        let operation =
            config.classify::<Failure>().build().map_err(|problems| invalid(problems.to_string()))?;
        let mut names = BTreeMap::new();
        if takes_linked {
            let mut places: BTreeMap<&str, String> = BTreeMap::new();
            for (linked, constructor) in linked::<C, X, O>() {
                let name = checked(&id, linked.name)?;
                if let Some(other) = places.insert(linked.name, linked.at()) {
                    let at = linked.at();
                    return Err(invalid(format!(
                        "two constructors are linked as '{name}', at {other} and {at}"
                    )));
                }
                names.insert(name, Entry { constructor, is_plugin: false });
            }
        }
        for (name, constructor) in registered {
            let name = checked(&id, &name)?;
            if names.insert(Arc::clone(&name), Entry { constructor, is_plugin: false }).is_some() {
                return Err(FactoryError::Taken { factory: id, name });
            }
        }
        let here = Here::current();
        let inner = Arc::new(Inner {
            context: Arc::new(context),
            operation,
            retry_if,
            table: Table::new(names, capacity),
            told: Told::new(Arc::clone(&id), here.clone(), rules),
            here,
            check: OnceLock::new(),
            id,
        });
        if is_checked {
            // Registered once, right here.
            let _ = inner.check.set(check(&inner));
        }
        Ok(Factory { inner })
    }
}

/// Known by its id for as long as any copy lives.
fn check<C, X, O>(inner: &Arc<Inner<C, X, O>>) -> HealthCheck
where
    C: ?Sized + Send + Sync + 'static,
    X: Send + Sync + 'static,
    O: Send + Sync + 'static,
{
    let known = Arc::downgrade(inner);
    register_health_check(&*inner.id, move || {
        let health = known.upgrade().map(|inner| inner.told.health());
        async move {
            let Some(health) = health else { return CheckReport::unhealthy("the factory is gone") };
            let said = health.last_error.as_deref().unwrap_or("it did not say why");
            let state = health.state;
            let report = match state {
                FactoryState::Healthy => CheckReport::healthy(),
                FactoryState::Degraded | FactoryState::Recovering => {
                    CheckReport::degraded(format!("{state}: {said}"))
                }
                FactoryState::Failed => CheckReport::unhealthy(format!("{state}: {said}")),
            };
            report.detail("error_count", health.error_count.to_string())
        }
    })
}

impl<C: ?Sized, X, O> fmt::Debug for FactoryBuilder<C, X, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FactoryBuilder").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A name that a constructor may have.
pub(super) fn checked(factory: &Arc<str>, name: &str) -> Result<Arc<str>, FactoryError> {
    let what = if name.is_empty() {
        "a constructor needs a name, and this one is empty"
    } else if name.chars().count() > LONGEST_NAME {
        "a constructor's name has at most 128 characters"
    } else if name.chars().any(char::is_control) {
        "a constructor's name has no control characters"
    } else {
        return Ok(name.into());
    };
    Err(FactoryError::Invalid { factory: Arc::clone(factory), what: what.into() })
}
