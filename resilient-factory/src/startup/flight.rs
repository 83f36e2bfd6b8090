//! One component on its way up: whoever asks for it meanwhile waits, and shares what comes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use resilient_runtime::ResilienceError;

use super::attempt::Fault;
use super::closing::{Unclaimed, within_deadline};
use super::component::Component;
use super::components::{Components, Options};
use super::error::StartError;

tokio::task_local! {
    /// Whom the code that runs is starting.
    static STARTING: Vec<(usize, Arc<str>)>;
}

/// How often a component may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tries {
    One,
    All,
}

/// A component that is up, and held.
pub(super) struct Up<C: Component + ?Sized> {
    pub(super) instance: Arc<C>,
    /// What it took the place of.
    pub(super) replaced: Option<Unclaimed<C>>,
    /// Another call created it.
    pub(super) is_shared: bool,
}

/// What came of a flight, and how many attempts it was.
pub(super) type Flown<C> = (u32, Result<Up<C>, StartError>);

impl<C: Component + ?Sized, X: Send + Sync + 'static, O: Options> Components<C, X, O> {
    /// Brings `name` up, after `before` attempts that failed, and holds it.
    pub(super) async fn fly(&self, name: &Arc<str>, often: Tries, before: u32) -> Flown<C> {
        let itself = (self.identity(), Arc::clone(name));
        let mut starting = STARTING.try_with(Clone::clone).unwrap_or_default();
        if starting.contains(&itself) {
            return (0, Err(StartError::WaitsForItself { name: Arc::clone(name) }));
        }
        starting.push(itself);
        let flight = self.standing(|standing| standing.flight(name));
        let seen = flight.ended();
        let Some(mut landing) = within_deadline(flight.turn.lock()).await else {
            return (0, Err(self.out_of_time(name)));
        };
        match landing.shared(seen, self.options()) {
            Some((attempts, Some(error))) => return (attempts, Err(error)),
            Some((attempts, None)) => {
                if let Some(instance) = self.standing(|standing| standing.get(name)) {
                    return (attempts, Ok(Up { instance, replaced: None, is_shared: true }));
                }
            }
            None => {}
        }
        // The futures of callers stay small.
        let trying = Box::pin(self.tried(name, often, before));
        let (attempts, tried) = STARTING.scope(starting, trying).await;
        // No await from here on: what is up is held, or it is closed.
        let up = tried.and_then(|up| self.install(name, up));
        flight.land(&mut landing, self.options().clone(), attempts, up.as_ref().err().cloned());
        (attempts, up)
    }

    fn install(&self, name: &Arc<str>, up: Unclaimed<C>) -> Result<Up<C>, StartError> {
        let instance = up.claim().ok_or_else(|| StartError::Cancelled { name: Arc::clone(name) })?;
        let before = self.standing(|standing| standing.install(name, Arc::clone(&instance)));
        // A constructor may give the same instance each time.
        let before = before.filter(|before| !super::standing::is_same(before, &instance));
        let replaced = before.map(|before| self.unclaimed(name, before));
        Ok(Up { instance, replaced, is_shared: false })
    }

    async fn tried(
        &self,
        name: &Arc<str>,
        often: Tries,
        before: u32,
    ) -> (u32, Result<Unclaimed<C>, StartError>) {
        if often == Tries::One {
            return (1, self.attempt(name, before.saturating_add(1)).await);
        }
        let made = AtomicU32::new(before);
        let made = &made;
        let tried = self.operations().start.call_async(|| async move {
            let number = made.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            self.attempt(name, number).await.map_err(Fault::Start)
        });
        let tried = tried.await.map_err(|fault| fault.about(name));
        (made.load(Ordering::Relaxed).saturating_sub(before), tried)
    }

    /// The deadline around the call passed before anything could be done about `name`.
    pub(super) fn out_of_time(&self, name: &Arc<str>) -> StartError {
        let operation = self.operations().start.name();
        StartError::refused(name, ResilienceError::DeadlineExceeded { operation, limit: None })
    }
}
