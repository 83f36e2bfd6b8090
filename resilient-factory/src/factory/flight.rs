//! One build that several have asked for, whose outcome is theirs all.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use resilient_runtime::__private::Here;
use resilient_runtime::Deadline;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use super::constructor::Constructor;
use super::error::FactoryError;
use super::key::Key;
use super::waits::Build;

pub(super) type Outcome<C> = Result<Arc<C>, FactoryError>;

/// A build that is underway. Whoever has the turn makes it; the others wait for the outcome, or for the turn where that was
/// given up.
pub(super) struct Flight<C: ?Sized, X, O> {
    pub(super) build: Build,
    pub(super) key: Key<O>,
    pub(super) constructor: Constructor<C, X, O>,
    /// Closed once there is an outcome.
    turn: Semaphore,
    /// Whether a thread that does nothing else has the turn, so that there will be an outcome whoever waits.
    is_blocking: AtomicBool,
    /// Rung when that thread has ended.
    given_back: Notify,
    outcome: OnceLock<Outcome<C>>,
}

/// What an asker is to do.
pub(super) enum Role<'f, C: ?Sized> {
    Build(Turn<'f>),
    /// Build without the turn, and take whichever outcome comes first.
    BuildBeside,
    Take(Outcome<C>),
    /// The asker's deadline passed.
    GiveUp,
}

/// The right to build; dropped without an outcome it goes to whoever waits longest.
pub(super) struct Turn<'f> {
    blocking: Option<(&'f AtomicBool, &'f Notify)>,
    _permit: SemaphorePermit<'f>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some((is_blocking, given_back)) = self.blocking {
            is_blocking.store(false, Ordering::Release);
            given_back.notify_waiters();
        }
    }
}

impl<C: ?Sized, X, O> Flight<C, X, O> {
    pub(super) fn new(key: Key<O>, constructor: Constructor<C, X, O>) -> Self {
        Self {
            build: Build::new(),
            key,
            constructor,
            turn: Semaphore::new(1),
            is_blocking: AtomicBool::new(false),
            given_back: Notify::new(),
            outcome: OnceLock::new(),
        }
    }

    pub(super) async fn join(&self) -> Role<'_, C> {
        let permit = match Deadline::current() {
            None => self.turn.acquire().await,
            Some(deadline) => match tokio::time::timeout(deadline.remaining(), self.turn.acquire()).await {
                Ok(permit) => permit,
                Err(_) => return Role::GiveUp,
            },
        };
        self.role(permit.ok(), false)
    }

    /// A future that has the turn, or is next in the row for it, may be one of this thread's own runtime, even of this task:
    /// inside a runtime nobody blocks for one, only for a thread that will have an outcome or give the turn back.
    pub(super) fn join_blocking(&self, here: &Here) -> Role<'_, C> {
        let deadline = Deadline::current();
        let left = || deadline.as_ref().map(Deadline::remaining);
        let in_a_runtime = tokio::runtime::Handle::try_current().is_ok();
        loop {
            if let Ok(permit) = self.turn.try_acquire() {
                return self.role(Some(permit), true);
            }
            if !in_a_runtime {
                let Some(permit) = here.wait_blocking(self.turn.acquire(), left()) else {
                    return Role::GiveUp;
                };
                return self.role(permit.ok(), true);
            }
            let mut given_back = pin!(self.given_back.notified());
            given_back.as_mut().enable();
            if let Some(outcome) = self.outcome.get() {
                return Role::Take(outcome.clone());
            }
            if !self.is_blocking.load(Ordering::Acquire) {
                return Role::BuildBeside;
            }
            if here.wait_blocking(given_back, left()).is_none() {
                return Role::GiveUp;
            }
        }
    }

    fn role<'f>(&'f self, permit: Option<SemaphorePermit<'f>>, is_blocking: bool) -> Role<'f, C> {
        let turn = permit.map(|permit| {
            let blocking = is_blocking.then_some((&self.is_blocking, &self.given_back));
            if let Some((is_blocking, _)) = blocking {
                is_blocking.store(true, Ordering::Release);
            }
            Turn { blocking, _permit: permit }
        });
        match (turn, self.outcome.get()) {
            (_, Some(outcome)) => Role::Take(outcome.clone()),
            (Some(turn), None) => Role::Build(turn),
            (None, None) => unreachable!("the turn is taken away after there is an outcome"),
        }
    }

    /// The outcome for all: this one, unless there is one already.
    pub(super) fn land(&self, outcome: Outcome<C>) -> Outcome<C> {
        let late = self.outcome.set(outcome).err();
        let landed = self.outcome.get().or(late.as_ref()).cloned();
        landed.unwrap_or_else(|| unreachable!("it was set, here or before"))
    }

    /// Tells all who wait.
    pub(super) fn tell(&self) {
        self.turn.close();
        self.given_back.notify_waiters();
    }
}
