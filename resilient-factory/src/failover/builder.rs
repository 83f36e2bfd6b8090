//! What is said of a failover before it is made.

use std::fmt;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock};

use resilient_runtime::{CheckReport, register_health_check};

use super::error::FailoverError;
use super::selection::Selection;
use super::{Failover, Shared};
use crate::factory::Panicked;
use crate::{Factory, FactoryError, FactoryState};

/// Makes the factory for an emergency.
pub(super) type Emergency<C, X, O> = dyn Fn() -> Result<Factory<C, X, O>, FactoryError> + Send + Sync;

/// What stands in for what nobody could make.
pub(super) struct Fallback<O> {
    pub(super) name: Arc<str>,
    /// Its options, made from those that were asked for; without it those.
    pub(super) options: Option<Box<Change<O>>>,
}

type Change<O> = dyn Fn(&O) -> O + Send + Sync;

/// Puts a [`Failover`] together; see there for what it is like where nothing is said.
///
/// ```
/// # mod resilient { pub use resilient_factory as factory; }
/// use resilient::factory::{BoxError, Factory, Failover, Made};
///
/// let factory = Factory::<u32, _, ()>::builder("primary")
///     .max_attempts(1)
///     .register("fresh", |_| Err::<u32, BoxError>("the source is down".into()))
///     .register("constant", |_| Ok::<_, BoxError>(7))
///     .build()?;
/// let numbers = Failover::builder().register(factory, 1.0).or_else_made_by(["constant"]).build()?;
///
/// let Made::Fallback { made, name, why, .. } = numbers.create_blocking("fresh", &())? else {
///     unreachable!("the source is down")
/// };
/// assert_eq!((*made, &*name), (7, "constant"));
/// assert!(why.to_string().ends_with("the source is down"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing is made until `build`"]
pub struct FailoverBuilder<C: ?Sized, X = (), O = ()> {
    members: Vec<(Factory<C, X, O>, f64)>,
    selection: Selection,
    fallbacks: Vec<Fallback<O>>,
    emergency: Option<Box<Emergency<C, X, O>>>,
    check: Option<String>,
}

impl<C, X, O> FailoverBuilder<C, X, O>
where
    C: ?Sized + Send + Sync + 'static,
    X: Send + Sync + 'static,
    O: Clone + Eq + Hash + Send + Sync + 'static,
{
    pub(super) fn new() -> Self {
        Self {
            members: Vec::new(),
            selection: Selection::default(),
            fallbacks: Vec::new(),
            emergency: None,
            check: None,
        }
    }

    /// Asks this factory, with that weight.
    pub fn register(mut self, factory: Factory<C, X, O>, weight: f64) -> Self {
        self.members.push((factory, weight));
        self
    }

    /// Which of those that are equally well is asked first. Default: [`Selection::Heaviest`].
    pub fn selection(mut self, selection: Selection) -> Self {
        self.selection = selection;
        self
    }

    /// Where nobody can make what was asked for, or nobody knows it, makes the first of these that works, with the same
    /// options; [`Made`](super::Made) says so. Default: nothing else is ever made.
    pub fn or_else_made_by(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let fallbacks = names.into_iter().map(|name| Fallback { name: name.into().into(), options: None });
        self.fallbacks.extend(fallbacks);
        self
    }

    /// As [`or_else_made_by`](Self::or_else_made_by), with options that `options` makes from those that were asked for.
    pub fn or_else_made_with(
        mut self,
        name: impl Into<String>,
        options: impl Fn(&O) -> O + Send + Sync + 'static,
    ) -> Self {
        self.fallbacks.push(Fallback { name: name.into().into(), options: Some(Box::new(options)) });
        self
    }

    /// How to make a factory once no other is left; it is registered with weight 0.1. Default: there is none.
    ///
    /// It is made again only after it was unregistered. Two that are made at once are one: the first.
    pub fn emergency(
        mut self,
        make: impl Fn() -> Result<Factory<C, X, O>, FactoryError> + Send + Sync + 'static,
    ) -> Self {
        self.emergency = Some(Box::new(make));
        self
    }

    /// Makes the whole part of [`check_health`](resilient_runtime::check_health), under `name`, for as long as any copy
    /// lives: `degraded` while a factory is not healthy, `unhealthy` while all have failed or there is none. Default: it is
    /// not.
    pub fn health_check(mut self, name: impl Into<String>) -> Self {
        self.check = Some(name.into());
        self
    }

    /// The failover.
    ///
    /// # Errors
    ///
    /// As [`Failover::register`].
    pub fn build(self) -> Result<Failover<C, X, O>, FailoverError> {
        let Self { members, selection, fallbacks, emergency, check } = self;
        let shared = Shared {
            members: Mutex::default(),
            selection,
            fallbacks,
            emergency,
            made_for_emergency: Mutex::default(),
            check: OnceLock::new(),
        };
        let failover = Failover { shared: Arc::new(shared) };
        for (factory, weight) in members {
            failover.register(factory, weight)?;
        }
        if let Some(name) = check {
            let known = Arc::downgrade(&failover.shared);
            let check = register_health_check(name, move || {
                let shared = known.upgrade();
                async move {
                    shared.map_or_else(|| CheckReport::unhealthy("it is gone"), |shared| shared.report())
                }
            });
            // Registered once, right here.
            let _ = failover.shared.check.set(check);
        }
        Ok(failover)
    }
}

impl<C, X, O> Shared<C, X, O>
where
    C: ?Sized + Send + Sync + 'static,
    X: Send + Sync + 'static,
    O: Clone + Eq + Hash + Send + Sync + 'static,
{
    fn report(&self) -> CheckReport {
        let factories = self.copied();
        let states: Vec<_> = factories.iter().map(|(factory, _)| (factory.id(), factory.state())).collect();
        let ill: Vec<_> = states
            .iter()
            .filter(|(_, state)| *state != FactoryState::Healthy)
            .map(|(id, state)| format!("{id} is {state}"))
            .collect();
        let report = if states.iter().all(|(_, state)| *state == FactoryState::Failed) {
            let said = if ill.is_empty() { "there is no factory".to_owned() } else { ill.join(", ") };
            CheckReport::unhealthy(said)
        } else if ill.is_empty() {
            CheckReport::healthy()
        } else {
            CheckReport::degraded(ill.join(", "))
        };
        report.detail("factories", states.len().to_string())
    }
}

/// A panic is an error.
pub(super) fn caught<C: ?Sized, X, O>(make: &Emergency<C, X, O>) -> Result<Factory<C, X, O>, FactoryError> {
    catch_unwind(AssertUnwindSafe(make)).unwrap_or_else(|payload| {
        let what = Panicked::new("what makes it", payload).to_string();
        Err(FactoryError::Invalid { factory: "emergency".into(), what: what.into() })
    })
}

impl<C: ?Sized, X, O> fmt::Debug for FailoverBuilder<C, X, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> =
            self.members.iter().map(|(factory, weight)| (factory.shared_id(), weight)).collect();
        f.debug_struct("FailoverBuilder").field("factories", &ids).finish_non_exhaustive()
    }
}
