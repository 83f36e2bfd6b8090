//! One call that creates components: what it made is its own until it has ended well.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};

use super::attempt::Fault;
use super::closing::Unclaimed;
use super::component::Component;
use super::components::{Components, Options, now};
use super::error::StartError;
use super::event::StartEvent;
use super::flight::{Flown, Tries, Up};
use super::strategy::Strategy;
use super::summary::InitResult;

/// Dropped before its end, it closes what it made and holds again what that took the place of.
pub(super) struct Run<'c, C: Component + ?Sized, X: Send + Sync + 'static, O: Options> {
    components: &'c Components<C, X, O>,
    id: u64,
    began: Duration,
    names: Vec<Arc<str>>,
    made: Vec<(Arc<str>, Up<C>)>,
    attempts: BTreeMap<Arc<str>, u32>,
    /// The last attempt's, of those that may have another.
    failed: BTreeMap<Arc<str>, StartError>,
    /// Of those that are given up.
    errors: BTreeMap<Arc<str>, StartError>,
    has_ended: bool,
}

impl<'c, C: Component + ?Sized, X: Send + Sync + 'static, O: Options> Run<'c, C, X, O> {
    /// A run that is about `names`, each once.
    pub(super) fn beginning(components: &'c Components<C, X, O>, names: Vec<Arc<str>>) -> Self {
        let (id, _forgotten) = components.standing(|standing| standing.begin(&names));
        Self::new(components, id, names)
    }

    /// One more component, for the run before.
    pub(super) fn joining(components: &'c Components<C, X, O>, name: Arc<str>) -> Self {
        let (id, _forgotten) = components.standing(|standing| standing.join(&name));
        Self::new(components, id, vec![name])
    }

    fn new(components: &'c Components<C, X, O>, id: u64, names: Vec<Arc<str>>) -> Self {
        Self {
            components,
            id,
            began: now(),
            names,
            made: Vec::new(),
            attempts: BTreeMap::new(),
            failed: BTreeMap::new(),
            errors: BTreeMap::new(),
            has_ended: false,
        }
    }

    /// One whose name is unknown.
    pub(super) fn refuse(&mut self, error: StartError) -> StartError {
        if let StartError::Unknown { name, .. } = &error {
            let name = Arc::clone(name);
            self.attempts.insert(Arc::clone(&name), 0);
            self.give_up(&name, error.clone());
        }
        error
    }

    /// `name`, with all its attempts.
    pub(super) async fn create(&mut self, name: &Arc<str>) -> Result<Arc<C>, StartError> {
        let flown = self.components.fly(name, Tries::All, 0).await;
        match self.landed(name, flown) {
            Ok(instance) => Ok(instance),
            Err(error) => Err(self.give_up(name, error)),
        }
    }

    /// Each has one attempt, and the first error ends it.
    pub(super) async fn all_or_none(&mut self, names: Vec<Arc<str>>) -> Result<(), StartError> {
        let components = self.components;
        let one = |name: Arc<str>| async move {
            let flown = components.fly(&name, Tries::One, 0).await;
            (name, flown)
        };
        let mut flights: FuturesUnordered<_> = names.into_iter().map(one).collect();
        while let Some((name, flown)) = flights.next().await {
            if let Err(error) = self.landed(&name, flown) {
                // Those that are on their way are closed.
                drop(flights);
                let failed = self.give_up(&name, error);
                self.abandon_others(&name);
                return Err(failed);
            }
        }
        Ok(())
    }

    /// Each has all its attempts.
    pub(super) async fn as_many_as_possible(&mut self, names: Vec<Arc<str>>) -> Result<(), StartError> {
        let components = self.components;
        let one = |name: Arc<str>| async move {
            let flown = components.fly(&name, Tries::All, 0).await;
            (name, flown)
        };
        let mut flights: FuturesUnordered<_> = names.into_iter().map(one).collect();
        while let Some((name, flown)) = flights.next().await {
            if let Err(error) = self.landed(&name, flown) {
                self.give_up(&name, error);
            }
        }
        Ok(())
    }

    /// An attempt for each, then another for each that failed, with the library's own waits between.
    pub(super) async fn in_rounds(&mut self, names: Vec<Arc<str>>) -> Result<(), StartError> {
        let operation = &self.components.operations().rounds;
        // Each round takes it out, so that nothing is told under the lock.
        let between = Mutex::new(Some(Rounds { run: self, left: names.clone(), number: 0 }));
        let ended = operation.call_async(|| async {
            let Some(mut rounds) = lock(&between).take() else { return Ok(()) };
            rounds.play().await;
            let unfinished = rounds.unfinished();
            *lock(&between) = Some(rounds);
            unfinished
        });
        // Why it ended is what is left of it.
        let _ = ended.await;
        drop(between);
        for name in names {
            if !self.errors.contains_key(&name) && !self.made.iter().any(|(made, _)| *made == name) {
                let error = self.failed.remove(&name).unwrap_or_else(|| self.components.out_of_time(&name));
                self.give_up(&name, error);
            }
        }
        Ok(())
    }

    fn landed(&mut self, name: &Arc<str>, (attempts, flown): Flown<C>) -> Result<Arc<C>, StartError> {
        let attempts = self.attempts.get(name).copied().unwrap_or(0).saturating_add(attempts);
        self.attempts.insert(Arc::clone(name), attempts);
        let up = flown?;
        let instance = Arc::clone(&up.instance);
        self.made.push((Arc::clone(name), up));
        let took = now().saturating_sub(self.began);
        self.record(name, None);
        self.components.tell(&StartEvent::Active { name: Arc::clone(name), attempts, took });
        Ok(instance)
    }

    /// No other attempt follows.
    fn give_up(&mut self, name: &Arc<str>, error: StartError) -> StartError {
        let attempts = self.attempts.get(name).copied().unwrap_or(0);
        let error = if attempts == 0 || error.is_callers() {
            error
        } else {
            StartError::Exhausted { name: Arc::clone(name), attempts, last: Box::new(error.into_last()) }
        };
        self.record(name, Some(error.clone()));
        self.errors.insert(Arc::clone(name), error.clone());
        self.components.tell(&StartEvent::Failed { name: Arc::clone(name), attempts, error: error.clone() });
        error
    }

    fn abandon_others(&mut self, failed: &Arc<str>) {
        for name in self.names.clone() {
            if !self.errors.contains_key(&name) {
                let error = StartError::Abandoned { name: Arc::clone(&name), failed: Arc::clone(failed) };
                self.record(&name, Some(error));
            }
        }
    }

    fn record(&self, name: &Arc<str>, error: Option<StartError>) {
        let result = InitResult {
            name: Arc::clone(name),
            success: error.is_none(),
            attempts: self.attempts.get(name).copied().unwrap_or(0),
            initialization_time: now().saturating_sub(self.began),
            error,
        };
        drop(self.components.standing(|standing| standing.record(self.id, result)));
    }

    /// Closes what was replaced: the run has ended well.
    pub(super) async fn keep(mut self) -> BTreeMap<String, Arc<C>> {
        self.has_ended = true;
        let (kept, replaced): (BTreeMap<_, _>, Vec<_>) = std::mem::take(&mut self.made)
            .into_iter()
            .map(|(name, up)| ((name.to_string(), up.instance), up.replaced))
            .unzip();
        close(replaced.into_iter().flatten()).await;
        kept
    }

    /// Ends it: keeps what it made, or closes that.
    pub(super) async fn end(
        mut self,
        outcome: Result<(), StartError>,
        strategy: Strategy,
    ) -> Result<BTreeMap<String, Arc<C>>, StartError> {
        let (components, began, requested) = (self.components, self.began, self.names.len());
        let ended = match outcome {
            Ok(()) if self.made.is_empty() => Err(self.none_started(strategy)),
            outcome => outcome,
        };
        let ended = match ended {
            Ok(()) => Ok(self.keep().await),
            Err(error) => {
                close(self.undo()).await;
                // And those that were on their way.
                components.settled().await;
                Err(error)
            }
        };
        let successful = ended.as_ref().map_or(0, BTreeMap::len);
        let took = now().saturating_sub(began);
        components.tell(&StartEvent::RunEnded { requested, successful, took });
        ended
    }

    fn none_started(&mut self, strategy: Strategy) -> StartError {
        let error = |name: &Arc<str>| self.errors.get(name).map(|error| (Arc::clone(name), error.clone()));
        StartError::NoneStarted {
            noun: Arc::clone(self.components.noun()),
            retried: strategy == Strategy::RetryWithBackoff,
            errors: self.names.iter().filter_map(error).collect(),
        }
    }

    /// What it made is held no longer, and what that took the place of is again; returns what is to be closed.
    fn undo(&mut self) -> Vec<Unclaimed<C>> {
        self.has_ended = true;
        let mut leaving = Vec::new();
        for (name, Up { instance, replaced, is_shared }) in std::mem::take(&mut self.made).into_iter().rev() {
            if is_shared {
                continue;
            }
            leaving.extend(self.components.withdraw(&name, instance, replaced));
        }
        leaving
    }
}

impl<C: Component + ?Sized, X: Send + Sync + 'static, O: Options> Drop for Run<'_, C, X, O> {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let leaving = self.undo();
        for name in std::mem::take(&mut self.names) {
            if !self.errors.contains_key(&name) {
                self.record(&name, Some(StartError::Cancelled { name: Arc::clone(&name) }));
            }
        }
        drop(leaving);
    }
}

impl<C: Component + ?Sized, X: Send + Sync + 'static, O: Options> Components<C, X, O> {
    /// Holds `before` in the place of `made`; returns what is to be closed.
    fn withdraw(&self, name: &Arc<str>, made: Arc<C>, before: Option<Unclaimed<C>>) -> Option<Unclaimed<C>> {
        let earlier = before.as_ref().and_then(Unclaimed::instance);
        if self.standing(|standing| standing.uninstall(name, &made, earlier)) {
            // It is held again, and not to be closed.
            drop(before.map(Unclaimed::claim));
            Some(self.unclaimed(name, made))
        } else {
            // Somebody has closed or replaced what was made.
            before
        }
    }
}

/// What rounds have in common.
struct Rounds<'r, 'c, C: Component + ?Sized, X: Send + Sync + 'static, O: Options> {
    run: &'r mut Run<'c, C, X, O>,
    left: Vec<Arc<str>>,
    number: u32,
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<C: Component + ?Sized, X: Send + Sync + 'static, O: Options> Rounds<'_, '_, C, X, O> {
    /// One round: an attempt for each that is left.
    async fn play(&mut self) {
        self.number += 1;
        let components = self.run.components;
        if self.number > 1 {
            components.tell(&StartEvent::RoundBegan { round: self.number, names: self.left.clone() });
        }
        let had = |name: &Arc<str>| self.run.attempts.get(name).copied().unwrap_or(0);
        let left = self.left.iter().map(|name| (Arc::clone(name), had(name)));
        let one = |(name, before): (Arc<str>, u32)| async move {
            let flown = components.fly(&name, Tries::One, before).await;
            (name, flown)
        };
        let mut flights: FuturesUnordered<_> = left.map(one).collect();
        while let Some((name, flown)) = flights.next().await {
            self.landed(&name, flown);
        }
    }

    fn landed(&mut self, name: &Arc<str>, flown: Flown<C>) {
        match self.run.landed(name, flown) {
            Ok(_) => self.left.retain(|left| left != name),
            Err(error) if error.is_final() => {
                self.left.retain(|left| left != name);
                self.run.give_up(name, error);
            }
            Err(error) => drop(self.run.failed.insert(Arc::clone(name), error)),
        }
    }

    /// An error as long as another round could mend something.
    fn unfinished(&self) -> Result<(), Fault> {
        let error = |name| self.run.failed.get(name).cloned();
        self.left.iter().find_map(error).map_or(Ok(()), |error| Err(Fault::Start(error)))
    }
}

/// All at once; what goes wrong is told to the listener.
async fn close<C: Component + ?Sized>(leaving: impl IntoIterator<Item = Unclaimed<C>>) {
    let closing = leaving.into_iter().map(Unclaimed::close).collect::<FuturesUnordered<_>>();
    closing.for_each(|_| std::future::ready(())).await;
}
