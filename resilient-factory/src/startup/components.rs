//! Components that are held: made, asked, closed.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use resilient_runtime::__private::Here;
use resilient_runtime::{
    CheckReport, ConfigErrors, Deadline, HealthCheck, ResilientOperation, register_health_check,
};

use super::builder::ComponentsBuilder;
use super::closing::{Closing, Unclaimed};
use super::component::Component;
use super::error::StartError;
use super::event::{StartEvent, Told};
use super::run::Run;
use super::standing::{Standing, meant};
use super::strategy::Strategy;
use crate::Factory;

/// What a factory's options are: compared, kept, sent to other threads.
pub trait Options: Clone + Eq + Hash + Send + Sync + 'static {}

impl<O: Clone + Eq + Hash + Send + Sync + 'static> Options for O {}

/// Components that are created by name, started, held while they are active, and closed.
///
/// Creating one means: an instance is built by the factory (a new one each time, its cache has no part in this), started, and
/// waited for until it is active, within 10 s; up to 3 times, with waits of 2 s and 4 s. An unknown name or a bad request is
/// an error at once. Instances that do not come up are closed: those that failed, took too long, panicked, or were being made
/// when their caller gave up. So is whatever is replaced. See [`ComponentsBuilder`] for the numbers.
///
/// Names are found whatever their case, and kept as they are registered. Whoever asks for one that is being created by
/// another call waits for that one, with the same options, and shares what comes of it: its failure, too, and its end, if it
/// is of a run that is not kept.
///
/// **Closing** runs in a task of its own, and those who cause it wait for it. Where a future is dropped, nobody waits, and the
/// task goes on; [`settled`](Self::settled) waits for all such. It needs tokio's runtime: when that ends, so do they.
///
/// The trap: dropping `Components` closes nothing, since their instances may be in use elsewhere. Call
/// [`close_all`](Self::close_all) at the end.
///
/// ```
/// # mod resilient { pub use resilient_factory as factory; }
/// # use std::sync::Arc;
/// # use std::sync::atomic::{AtomicBool, Ordering};
/// # use resilient::factory::{BoxError, BoxFuture};
/// use resilient::factory::Factory;
/// use resilient::factory::startup::{Component, Components, Status, Strategy};
///
/// # #[derive(Default)]
/// # struct Feed(AtomicBool);
/// # impl Component for Feed {
/// #     fn start(&self) -> BoxFuture<'_, Result<(), BoxError>> {
/// #         self.0.store(true, Ordering::SeqCst);
/// #         Box::pin(async { Ok(()) })
/// #     }
/// #     fn status(&self) -> Status {
/// #         if self.0.load(Ordering::SeqCst) { Status::Active } else { Status::Connecting }
/// #     }
/// #     fn close(&self) -> BoxFuture<'_, Result<(), BoxError>> { Box::pin(async { Ok(()) }) }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let makers = Factory::<dyn Component>::new("exchanges")?;
/// makers.register("MEXC", |_| Ok::<Arc<dyn Component>, BoxError>(Arc::new(Feed::default())))?;
/// makers.register("GATEIO", |_| Ok::<Arc<dyn Component>, BoxError>(Arc::new(Feed::default())))?;
///
/// let exchanges = Components::builder(makers).noun("exchange").deadline("1m").build()?;
/// let up = exchanges.create_all(["mexc", "gateio"], Strategy::ContinueOnError).await?;
/// assert_eq!(up["MEXC"].status(), Status::Active);
/// println!("{}", exchanges.summary());
///
/// exchanges.close_all().await;
/// # Ok(())
/// # }
/// ```
pub struct Components<C: Component + ?Sized, X = (), O = ()> {
    shared: Arc<Shared<C, X, O>>,
    options: O,
}

struct Shared<C: Component + ?Sized, X, O> {
    factory: Factory<C, X, O>,
    noun: Arc<str>,
    operations: Operations,
    deadline: Option<Duration>,
    closing: Closing,
    told: Told,
    standing: Mutex<Standing<C, O>>,
    check: OnceLock<HealthCheck>,
}

/// The library's own, which limit and repeat.
pub(super) struct Operations {
    /// All attempts at one component.
    pub(super) start: ResilientOperation,
    /// All rounds.
    pub(super) rounds: ResilientOperation,
    /// One attempt.
    pub(super) attempt: ResilientOperation,
}

impl<C: Component + ?Sized, X: Send + Sync + 'static, O: Options> Components<C, X, O> {
    /// Components of what `factory` makes, with all the defaults.
    ///
    /// # Errors
    ///
    /// The factory's id is none that an operation can have.
    pub fn new(factory: Factory<C, X, O>) -> Result<Self, ConfigErrors>
    where
        O: Default,
    {
        Self::builder(factory).build()
    }

    /// Components of what `factory` makes, with other numbers than the defaults.
    pub fn builder(factory: Factory<C, X, O>) -> ComponentsBuilder<C, X, O>
    where
        O: Default,
    {
        ComponentsBuilder::new(factory, O::default())
    }

    /// As [`builder`](Self::builder), for options without a default.
    pub fn builder_with(factory: Factory<C, X, O>, options: O) -> ComponentsBuilder<C, X, O> {
        ComponentsBuilder::new(factory, options)
    }

    pub(super) fn assembled(
        factory: Factory<C, X, O>,
        options: O,
        noun: Arc<str>,
        operations: Operations,
        deadline: Option<Duration>,
        closing: Closing,
        told: Told,
    ) -> Self {
        let (standing, check) = (Mutex::default(), OnceLock::new());
        let shared = Shared { factory, noun, operations, deadline, closing, told, standing, check };
        Self { shared: Arc::new(shared), options }
    }

    /// The same components, created with other options from here on.
    #[must_use]
    pub fn with_options(&self, options: O) -> Self {
        Self { shared: Arc::clone(&self.shared), options }
    }

    /// Creates `name`, with all its attempts, and holds it. One that is held under that name already is closed once the new
    /// one is active.
    ///
    /// Dropped on the way, nothing of it is left, and what was held before is held still.
    ///
    /// # Errors
    ///
    /// [`StartError::Exhausted`] after the last attempt, [`StartError::Unknown`] and [`StartError::BadRequest`] at once.
    pub async fn create(&self, name: &str) -> Result<Arc<C>, StartError> {
        self.within_limit(async {
            let known = self.known(name);
            let asked = known.as_ref().map_or_else(|_| Arc::from(name), Arc::clone);
            let mut run = Run::joining(self, asked);
            let up = match known {
                Ok(name) => run.create(&name).await,
                Err(unknown) => Err(run.refuse(unknown)),
            };
            run.keep().await;
            up
        })
        .await
    }

    /// Creates all of `names`, each once, at the same time. Under every strategy the answer holds those of this run that came
    /// up, and no others; [`summary`](Self::summary) has what came of each.
    ///
    /// Dropped on the way, whatever it created is closed, and what was held before is held again.
    ///
    /// # Errors
    ///
    /// [`StartError::NoNames`]; under [`Strategy::FailFast`] the first error, else [`StartError::NoneStarted`] when not one came
    /// up.
    pub async fn create_all<N: AsRef<str>>(
        &self,
        names: impl IntoIterator<Item = N>,
        strategy: Strategy,
    ) -> Result<BTreeMap<String, Arc<C>>, StartError> {
        let mut asked: Vec<(Arc<str>, Option<StartError>)> = Vec::new();
        for name in names {
            let (name, unknown) = match self.known(name.as_ref()) {
                Ok(known) => (known, None),
                Err(unknown) => (Arc::from(name.as_ref()), Some(unknown)),
            };
            if !asked.iter().any(|(before, _)| *before == name) {
                asked.push((name, unknown));
            }
        }
        if asked.is_empty() {
            return Err(StartError::NoNames { noun: Arc::clone(self.noun()) });
        }
        self.within_limit(Box::pin(self.run(asked, strategy))).await
    }

    async fn run(
        &self,
        asked: Vec<(Arc<str>, Option<StartError>)>,
        strategy: Strategy,
    ) -> Result<BTreeMap<String, Arc<C>>, StartError> {
        let mut run = Run::beginning(self, asked.iter().map(|(name, _)| Arc::clone(name)).collect());
        self.tell(&StartEvent::RunBegan { requested: asked.len(), strategy });
        let (unknown, known): (Vec<_>, Vec<_>) = asked.into_iter().partition(|(_, error)| error.is_some());
        let known: Vec<Arc<str>> = known.into_iter().map(|(name, _)| name).collect();
        let mut unknown: Vec<StartError> =
            unknown.into_iter().filter_map(|(_, error)| error.map(|error| run.refuse(error))).collect();
        let outcome = match strategy {
            Strategy::FailFast if !unknown.is_empty() => Err(unknown.swap_remove(0)),
            Strategy::FailFast => run.all_or_none(known).await,
            Strategy::ContinueOnError => run.as_many_as_possible(known).await,
            Strategy::RetryWithBackoff => run.in_rounds(known).await,
        };
        run.end(outcome, strategy).await
    }

    /// Part of `check_health` for as long as these components live.
    pub(super) fn register(&self, name: String) {
        let shared = Arc::downgrade(&self.shared);
        let options = self.options.clone();
        let check = register_health_check(name, move || {
            let components = shared.upgrade().map(|shared| Self { shared, options: options.clone() });
            std::future::ready(components.map_or_else(CheckReport::healthy, |components| components.report()))
        });
        // Nobody else registers these.
        let _ = self.shared.check.set(check);
    }

    /// The name under which the factory knows what is asked for.
    pub(super) fn known(&self, name: &str) -> Result<Arc<str>, StartError> {
        if self.factory().contains(name) {
            return Ok(name.into());
        }
        let known = self.factory().names();
        match meant(name, &known) {
            Some(meant) => Ok(meant.as_str().into()),
            None => Err(StartError::unknown(self.noun(), name, known)),
        }
    }

    async fn within_limit<F: Future>(&self, future: F) -> F::Output {
        match self.shared.deadline {
            Some(limit) => Deadline::after(limit).attach_to(future).await,
            None => future.await,
        }
    }

    pub(super) fn held(&self) -> BTreeMap<Arc<str>, Arc<C>> {
        self.standing(|standing| standing.all())
    }

    /// What is done under the lock is the closure, and nothing of the user's.
    pub(super) fn standing<R>(&self, with: impl FnOnce(&mut Standing<C, O>) -> R) -> R {
        with(&mut self.shared.standing.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn tell(&self, event: &StartEvent) {
        self.shared.told.tell(event);
    }

    pub(super) fn unclaimed(&self, name: &Arc<str>, instance: Arc<C>) -> Unclaimed<C> {
        Unclaimed::new(name, instance, &self.shared.closing)
    }

    pub(super) fn closing(&self) -> &Closing {
        &self.shared.closing
    }

    pub(super) fn factory(&self) -> &Factory<C, X, O> {
        &self.shared.factory
    }

    pub(super) fn options(&self) -> &O {
        &self.options
    }

    pub(super) fn noun(&self) -> &Arc<str> {
        &self.shared.noun
    }

    pub(super) fn operations(&self) -> &Operations {
        &self.shared.operations
    }

    /// Which of all components these are, for as long as they are borrowed.
    pub(super) fn identity(&self) -> usize {
        Arc::as_ptr(&self.shared).addr()
    }
}

/// The time on the clock of the code that runs.
pub(super) fn now() -> Duration {
    Here::current().now()
}

impl<C: Component + ?Sized, X, O: Clone> Clone for Components<C, X, O> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), options: self.options.clone() }
    }
}

impl<C: Component + ?Sized, X, O> fmt::Debug for Components<C, X, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Components").field("noun", &self.shared.noun).finish_non_exhaustive()
    }
}
