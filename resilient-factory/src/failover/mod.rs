//! Several factories for the same thing, so that none is a single point of failure.

mod builder;
mod current;
mod error;
mod journey;
mod made;
mod selection;
mod status;

use std::collections::BTreeSet;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use resilient_runtime::__private::nearest;
use resilient_runtime::HealthCheck;

pub use builder::FailoverBuilder;
pub use current::FailoverGuard;
pub use error::FailoverError;
pub use made::Made;
pub use selection::Selection;
pub use status::{FactoryStatus, RegistryStatus};

use crate::{Factory, FactoryError, FactoryState};
use builder::{Emergency, Fallback};
use journey::Journey;
use selection::{Choice, order};

/// Several factories for the same components, asked one after the other until one makes what was asked for.
///
/// The healthy are asked first, then the degraded; among those that are equally well, the one of the highest weight, or each
/// in proportion to its weight, see [`Selection`]. Then those that are recovering or failed: the request is their way back,
/// their cache is cleared before it, and a component that is made heals them. Then the factory for an emergency, which is
/// made when it is needed first, and stays. A factory that does not know the name is not asked.
///
/// It is strict: what it gives is what was asked for, or there is an error with what each factory said. Where something
/// else will do, [`or_else_made_by`](FailoverBuilder::or_else_made_by) says what, and [`Made`] says which it is.
///
/// A caller's mistake, an unknown name or a [`BadRequest`](crate::BadRequest), is told at once: no factory's health knows of
/// it, no other factory is asked, and nothing else is made for a bad request.
///
/// Copies are cheap and share everything.
///
/// The trap: each factory has its own attempts and waits before the next is asked. Give them few.
///
/// ```
/// # mod resilient { pub use resilient_factory as factory; }
/// use resilient::factory::{BoxError, Factory, Failover, Made};
///
/// let factory = |id: &str, constructor: fn() -> Result<u32, BoxError>| {
///     Factory::<u32, _, ()>::builder(id)
///         .max_attempts(1)
///         .register("answer", move |_| constructor())
///         .build()
/// };
/// let answers = Failover::builder()
///     .register(factory("primary", || Err("it is down".into()))?, 1.0)
///     .register(factory("backup", || Ok(42))?, 0.8)
///     .build()?;
///
/// let Made::Requested(answer) = answers.create_blocking("answer", &())? else { unreachable!("it is strict") };
/// assert_eq!(*answer, 42);
/// assert_eq!(answers.status().factories["primary"].error_count, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Failover<C: ?Sized, X = (), O = ()> {
    shared: Arc<Shared<C, X, O>>,
}

struct Shared<C: ?Sized, X, O> {
    /// In the order of their registration.
    members: Mutex<Vec<Member<C, X, O>>>,
    selection: Selection,
    fallbacks: Vec<Fallback<O>>,
    emergency: Option<Box<Emergency<C, X, O>>>,
    /// Its id, once it was made.
    made_for_emergency: Mutex<Option<Arc<str>>>,
    /// Held for as long as the whole is to be checked.
    check: OnceLock<HealthCheck>,
}

struct Member<C: ?Sized, X, O> {
    factory: Factory<C, X, O>,
    weight: f64,
    /// What a weighted selection owes it.
    owed: f64,
}

/// The weight of the factory for an emergency.
const EMERGENCY: f64 = 0.1;

impl<C: ?Sized, X, O> Clone for Failover<C, X, O> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<C: ?Sized, X, O> fmt::Debug for Failover<C, X, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.shared.members().iter().map(|member| member.factory.shared_id()).collect();
        f.debug_struct("Failover").field("factories", &ids).finish_non_exhaustive()
    }
}

impl<C: ?Sized, X, O> Shared<C, X, O> {
    fn members(&self) -> MutexGuard<'_, Vec<Member<C, X, O>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn made_for_emergency(&self) -> MutexGuard<'_, Option<Arc<str>>> {
        self.made_for_emergency.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every factory with its weight, to be asked outside the lock.
    fn copied(&self) -> Vec<(Factory<C, X, O>, f64)> {
        self.members().iter().map(|member| (member.factory.clone(), member.weight)).collect()
    }
}

impl<C, X, O> Failover<C, X, O>
where
    C: ?Sized + Send + Sync + 'static,
    X: Send + Sync + 'static,
    O: Clone + Eq + Hash + Send + Sync + 'static,
{
    /// One to be put together.
    pub fn builder() -> FailoverBuilder<C, X, O> {
        FailoverBuilder::new()
    }

    /// Asks this factory too from now on.
    ///
    /// # Errors
    ///
    /// [`FailoverError::Taken`]: one of that id is registered; [`FailoverError::InvalidWeight`]: the weight is not a number
    /// above 0.
    pub fn register(&self, factory: Factory<C, X, O>, weight: f64) -> Result<(), FailoverError> {
        let id = factory.shared_id();
        if !(weight > 0.0 && weight.is_finite()) {
            return Err(FailoverError::InvalidWeight { factory: id, weight });
        }
        let mut members = self.shared.members();
        if members.iter().any(|member| member.factory.id() == &*id) {
            drop(members);
            return Err(FailoverError::Taken { factory: id });
        }
        members.push(Member { factory, weight, owed: 0.0 });
        Ok(())
    }

    /// Asks the factory of that id no more; false where there is none. Calls that are underway go on.
    pub fn unregister(&self, id: &str) -> bool {
        let mut members = self.shared.members();
        let at = members.iter().position(|member| member.factory.id() == id);
        let removed = at.map(|at| members.remove(at));
        drop(members);
        removed.is_some()
    }

    /// The factory that would be asked first: healthy, else degraded, else recovering, else failed; where none is registered,
    /// that for an emergency. A weighted selection counts it as a turn.
    ///
    /// # Errors
    ///
    /// [`FailoverError::NoFactory`]; [`FailoverError::AllFailed`]: that for an emergency could not be made.
    pub fn pick(&self) -> Result<Factory<C, X, O>, FailoverError> {
        let first = self.candidates(None).into_iter().next();
        if let Some((factory, _)) = first {
            return Ok(factory);
        }
        let name: Arc<str> = "".into();
        match self.emergency() {
            Some(Ok(factory)) => Ok(factory),
            Some(Err(error)) => Err(FailoverError::AllFailed { name, failures: [error].into() }),
            None => Err(FailoverError::NoFactory { name }),
        }
    }

    /// What was asked for, made by the first factory that can.
    ///
    /// # Errors
    ///
    /// [`FailoverError`], with what each factory said.
    pub async fn create(&self, name: &str, options: &O) -> Result<Made<C>, FailoverError> {
        let mut journey = Journey::new(self, name, options);
        loop {
            let step = journey.next()?;
            let made = step.create(options).await;
            if let Some(outcome) = journey.told(step, made) {
                return outcome;
            }
        }
    }

    /// As [`create`](Self::create), on this thread: for sync constructors.
    ///
    /// # Errors
    ///
    /// [`FailoverError`], with what each factory said.
    pub fn create_blocking(&self, name: &str, options: &O) -> Result<Made<C>, FailoverError> {
        let mut journey = Journey::new(self, name, options);
        loop {
            let step = journey.next()?;
            let made = step.create_blocking(options);
            if let Some(outcome) = journey.told(step, made) {
                return outcome;
            }
        }
    }

    /// The names that the factories know, in order.
    pub fn names(&self) -> Vec<String> {
        let factories = self.shared.copied();
        let names: BTreeSet<_> = factories.iter().flat_map(|(factory, _)| factory.names()).collect();
        names.into_iter().collect()
    }

    /// Its factories, as of now. What is done to the copy changes nothing.
    pub fn status(&self) -> RegistryStatus {
        let factories = self.shared.copied().into_iter().map(|(factory, weight)| {
            let stats = factory.statistics();
            let told = FactoryStatus {
                health_state: stats.health_state,
                error_count: stats.error_count,
                success_count: stats.success_count,
                weight,
                stats,
            };
            (factory.id().to_owned(), told)
        });
        let factories: std::collections::BTreeMap<_, _> = factories.collect();
        let is_healthy = |status: &&FactoryStatus| status.health_state == FactoryState::Healthy;
        RegistryStatus {
            total_factories: factories.len(),
            healthy_factories: factories.values().filter(is_healthy).count(),
            factories,
        }
    }

    /// Those who know the name, in the order to ask them.
    fn candidates(&self, name: Option<&str>) -> Vec<(Factory<C, X, O>, FactoryState)> {
        let mut known: Vec<_> = self.shared.copied();
        known.retain(|(factory, _)| name.is_none_or(|name| factory.contains(name)));
        let states: Vec<_> = known.iter().map(|(factory, _)| factory.state()).collect();
        let order = match self.shared.selection {
            Selection::Heaviest => {
                Self::ordered(&known, &states, &mut vec![0.0; known.len()], Selection::Heaviest)
            }
            selection => {
                let mut members = self.shared.members();
                let owed = |id: &str| members.iter().position(|member| member.factory.id() == id);
                let places: Vec<_> = known.iter().map(|(factory, _)| owed(factory.id())).collect();
                let mut debts: Vec<_> =
                    places.iter().map(|at| at.map_or(0.0, |at| members[at].owed)).collect();
                let order = Self::ordered(&known, &states, &mut debts, selection);
                for (at, debt) in places.into_iter().zip(debts) {
                    if let Some(at) = at {
                        members[at].owed = debt;
                    }
                }
                order
            }
        };
        order.into_iter().map(|at| (known[at].0.clone(), states[at])).collect()
    }

    fn ordered(
        known: &[(Factory<C, X, O>, f64)],
        states: &[FactoryState],
        owed: &mut [f64],
        selection: Selection,
    ) -> Vec<usize> {
        let choices = known.iter().zip(states).zip(owed);
        let mut choices: Vec<_> = choices
            .map(|(((_, weight), state), owed)| Choice { state: *state, weight: *weight, owed })
            .collect();
        order(selection, &mut choices)
    }

    /// The factory for an emergency, registered; `None` where nobody has said how to make one.
    fn emergency(&self) -> Option<Result<Factory<C, X, O>, FactoryError>> {
        let emergency = self.shared.emergency.as_ref()?;
        let known = self.shared.made_for_emergency().clone();
        if let Some(made) = known.and_then(|id| self.member(&id)) {
            return Some(Ok(made));
        }
        let made = match builder::caught(emergency) {
            Ok(made) => made,
            Err(error) => return Some(Err(error)),
        };
        if self.register(made.clone(), EMERGENCY).is_err() {
            // Of two that were made at once the first stays.
            let known = self.member(made.id());
            return Some(Ok(known.unwrap_or(made)));
        }
        *self.shared.made_for_emergency() = Some(made.shared_id());
        let id = made.id();
        tracing::warn!(target: "resilient", factory = id, "no factory is left: '{id}' was made for the emergency");
        Some(Ok(made))
    }

    fn member(&self, id: &str) -> Option<Factory<C, X, O>> {
        let members = self.shared.members();
        members.iter().find(|member| member.factory.id() == id).map(|member| member.factory.clone())
    }

    fn fallback(&self, number: usize) -> Option<&Fallback<O>> {
        self.shared.fallbacks.get(number)
    }

    fn is_empty(&self) -> bool {
        self.shared.members().is_empty()
    }

    fn unknown(&self, name: Arc<str>) -> FailoverError {
        let known = self.names();
        let nearest = nearest(&name, known.iter().map(String::as_str));
        FailoverError::Unknown { name, known: known.into(), nearest }
    }
}
