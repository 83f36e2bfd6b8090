//! One attempt: an instance is made, started, and waited for until it is active.

use std::future::{Future as _, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use resilient_runtime::{Class, Classify, ResilienceError};

use super::batch::Panicked;
use super::closing::Unclaimed;
use super::component::{Component, Status};
use super::components::{Components, Options};
use super::error::StartError;
use super::event::StartEvent;
use crate::BoxError;

/// How long a change of status can stay unseen, if its wake-up is missed.
const GLANCE: Duration = Duration::from_millis(100);
/// How long one that tells of changes which are none is left alone.
const REST: Duration = Duration::from_millis(10);

/// What ends a call of the library's own operation.
#[derive(Debug)]
pub(super) enum Fault {
    Start(StartError),
    Library(ResilienceError),
}

impl From<ResilienceError> for Fault {
    fn from(error: ResilienceError) -> Self {
        Self::Library(error)
    }
}

impl Classify for Fault {
    fn class(&self) -> Class {
        match self {
            Self::Start(error) => error.class(),
            Self::Library(error) => error.class(),
        }
    }
}

impl Fault {
    pub(super) fn about(self, name: &Arc<str>) -> StartError {
        match self {
            Self::Start(error) => error,
            Self::Library(error) => StartError::refused(name, error),
        }
    }
}

/// Where an attempt leaves its instance, for whoever outlives it.
struct Cradle<C: Component + ?Sized>(Mutex<Option<Unclaimed<C>>>);

impl<C: Component + ?Sized> Cradle<C> {
    /// What lay there before is closed.
    fn put(&self, instance: Option<Unclaimed<C>>) -> Option<Unclaimed<C>> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), instance)
    }
}

impl<C: Component + ?Sized, X: Send + Sync + 'static, O: Options> Components<C, X, O> {
    /// Attempt `number` at `name`, within the limit of one attempt. An instance that does not come up is closed.
    pub(super) async fn attempt(&self, name: &Arc<str>, number: u32) -> Result<Unclaimed<C>, StartError> {
        self.tell(&StartEvent::AttemptBegan { name: Arc::clone(name), attempt: number });
        let cradle = Cradle(Mutex::new(None));
        let bring_up = || AssertUnwindSafe(self.bring_up(name, &cradle)).catch_unwind();
        let limited = self.operations().attempt.call_async(|| async {
            let panicked = |payload: Box<_>| {
                Err(Fault::Start(StartError::failed(name, Box::new(Panicked::of(&*payload)))))
            };
            bring_up().await.unwrap_or_else(panicked)
        });
        let ended = limited.await;
        let instance = cradle.put(None);
        let fault = match (ended, instance) {
            (Ok(()), Some(instance)) => return Ok(instance),
            (Ok(()), None) => Fault::Start(StartError::Cancelled { name: Arc::clone(name) }),
            (Err(fault), None) => fault,
            (Err(fault), Some(instance)) => {
                // What goes wrong with it is told to the listener.
                let _ = instance.close().await;
                fault
            }
        };
        let error = fault.about(name);
        self.tell(&StartEvent::AttemptFailed {
            name: Arc::clone(name),
            attempt: number,
            error: error.clone(),
        });
        Err(error)
    }

    async fn bring_up(&self, name: &Arc<str>, cradle: &Cradle<C>) -> Result<(), Fault> {
        let built = self.factory().build_once(name, self.options()).await;
        let instance = built.map_err(|error| Fault::Start(StartError::not_made(self.noun(), name, error)))?;
        drop(cradle.put(Some(self.unclaimed(name, Arc::clone(&instance)))));
        let failed = |error: BoxError| Fault::Start(StartError::failed(name, error));
        instance.start().await.map_err(failed)?;
        activated(&*instance, name).await.map_err(Fault::Start)
    }
}

/// Waits until `component` is active, or is known not to become so.
async fn activated<C: Component + ?Sized>(component: &C, name: &Arc<str>) -> Result<(), StartError> {
    loop {
        let seen = component.status();
        match seen {
            Status::Active => return Ok(()),
            Status::Inactive => return Err(StartError::NotActivated { name: Arc::clone(name) }),
            Status::Error => return Err(StartError::ErrorState { name: Arc::clone(name) }),
            Status::Connecting | Status::Closing => {}
        }
        let mut changed = pin!(component.status_changed());
        // Asked after the wake-up is ordered: a change between the two questions is not missed.
        let moved = poll_fn(|cx| match changed.as_mut().poll(cx) {
            Poll::Pending if component.status() == seen => Poll::Pending,
            _ => Poll::Ready(()),
        });
        let told = tokio::time::timeout(GLANCE, moved).await;
        if told.is_ok() && component.status() == seen {
            tokio::time::sleep(REST).await;
        }
    }
}
