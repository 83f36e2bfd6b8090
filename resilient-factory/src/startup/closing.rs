//! Instances that nobody keeps are closed, whatever becomes of the code that made them.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use resilient_runtime::__private::{Harmless, Here};
use resilient_runtime::Deadline;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::Instrument as _;
use tracing::instrument::WithSubscriber as _;

use super::batch::Panicked;
use super::component::Component;
use super::event::{StartEvent, Told};

/// Why a component did not close well. It is gone from its [`Components`](super::Components) all the same.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CloseError {
    /// Its close took too long and was cut off.
    #[non_exhaustive]
    Timeout {
        /// The component.
        name: Arc<str>,
        /// The limit.
        limit: Duration,
    },
    /// Its close failed, or panicked.
    #[non_exhaustive]
    Failed {
        /// The component.
        name: Arc<str>,
        /// What it said.
        source: Arc<dyn StdError + Send + Sync>,
    },
    /// Nobody waits for it any longer: the deadline passed, or its runtime ended. Unless the runtime ended, it goes on.
    #[non_exhaustive]
    Unfinished {
        /// The component.
        name: Arc<str>,
    },
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout { name, limit } => {
                write!(f, "{} did not close within {:?}s", Harmless(name), limit.as_secs_f64())
            }
            Self::Failed { name, source } => {
                write!(f, "{} did not close: {}", Harmless(name), Harmless(source))
            }
            Self::Unfinished { name } => {
                write!(f, "{} is still being closed, in the background", Harmless(name))
            }
        }
    }
}

impl StdError for CloseError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Failed { source, .. } => Some(&**source),
            Self::Timeout { .. } | Self::Unfinished { .. } => None,
        }
    }
}

impl CloseError {
    /// What it is, in a word for logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Timeout { .. } => "timeout",
            Self::Failed { .. } => "error",
            Self::Unfinished { .. } => "unfinished",
        }
    }
}

/// How instances are closed, and how many are being closed now.
#[derive(Clone, Debug)]
pub(super) struct Closing {
    limit: Duration,
    told: Told,
    underway: Arc<watch::Sender<usize>>,
}

impl Closing {
    pub(super) fn new(limit: Duration, told: Told) -> Self {
        Self { limit, told, underway: Arc::new(watch::Sender::new(0)) }
    }

    /// Ends when nothing is being closed, at the latest when whatever is being closed now has had its time.
    pub(super) async fn settled(&self) {
        let mut underway = self.underway.subscribe();
        let settled = underway.wait_for(|closing| *closing == 0);
        let bounded = tokio::time::timeout(self.limit, settled);
        // Late or not, there is nothing more to wait for.
        let _ = within_deadline(bounded).await;
    }

    /// Closes `instance` in a task of its own, so that nobody's giving up interrupts it.
    fn begin<C: Component + ?Sized>(
        &self,
        runtime: &Handle,
        name: Arc<str>,
        instance: Arc<C>,
    ) -> JoinHandle<Result<(), CloseError>> {
        let (limit, told, here) = (self.limit, self.told.clone(), Here::current());
        let underway = Underway::begin(&self.underway);
        let closing = async move {
            let closed = closed(&name, instance, limit).await;
            told.tell(&StartEvent::Closed { name, error: closed.as_ref().err().cloned() });
            drop(underway);
            closed
        };
        runtime.spawn(async move { here.run(closing).await }.in_current_span().with_current_subscriber())
    }
}

/// One of those that are being closed.
struct Underway(Arc<watch::Sender<usize>>);

impl Underway {
    fn begin(all: &Arc<watch::Sender<usize>>) -> Self {
        all.send_modify(|closing| *closing += 1);
        Self(Arc::clone(all))
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.send_modify(|closing| *closing -= 1);
    }
}

async fn closed<C: Component + ?Sized>(
    name: &Arc<str>,
    instance: Arc<C>,
    limit: Duration,
) -> Result<(), CloseError> {
    let failed = |source| CloseError::Failed { name: Arc::clone(name), source };
    let closing = AssertUnwindSafe(async { instance.close().await }).catch_unwind();
    match tokio::time::timeout(limit, closing).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(error))) => Err(failed(Arc::from(error))),
        Ok(Err(payload)) => Err(failed(Arc::new(Panicked::of(&*payload)))),
        Err(_) => Err(CloseError::Timeout { name: Arc::clone(name), limit }),
    }
}

/// An instance that nobody has claimed: dropped, it is closed in the background.
#[derive(Debug)]
pub(super) struct Unclaimed<C: Component + ?Sized> {
    name: Arc<str>,
    instance: Option<Arc<C>>,
    closing: Closing,
    /// The one it was made on: it may be dropped outside of every runtime.
    runtime: Option<Handle>,
}

impl<C: Component + ?Sized> Unclaimed<C> {
    pub(super) fn new(name: &Arc<str>, instance: Arc<C>, closing: &Closing) -> Self {
        let (name, closing) = (Arc::clone(name), closing.clone());
        Self { name, instance: Some(instance), closing, runtime: Handle::try_current().ok() }
    }

    pub(super) fn instance(&self) -> Option<Arc<C>> {
        self.instance.clone()
    }

    /// Somebody else closes it from now on.
    pub(super) fn claim(mut self) -> Option<Arc<C>> {
        self.instance.take()
    }

    /// Closes it. Given up, this goes on in the background; at the deadline around the call it is no longer waited for.
    pub(super) async fn close(mut self) -> Result<(), CloseError> {
        let unfinished = CloseError::Unfinished { name: Arc::clone(&self.name) };
        let Some(closing) = self.begin() else { return Err(unfinished) };
        match within_deadline(closing).await {
            Some(Ok(closed)) => closed,
            Some(Err(_)) | None => Err(unfinished),
        }
    }

    fn begin(&mut self) -> Option<JoinHandle<Result<(), CloseError>>> {
        let runtime = Handle::try_current().ok().or_else(|| self.runtime.clone())?;
        let instance = self.instance.take()?;
        Some(self.closing.begin(&runtime, Arc::clone(&self.name), instance))
    }
}

impl<C: Component + ?Sized> Drop for Unclaimed<C> {
    fn drop(&mut self) {
        // It goes on by itself.
        drop(self.begin());
    }
}

/// What `future` answers, unless the deadline around this code passes first.
pub(super) async fn within_deadline<F: Future>(future: F) -> Option<F::Output> {
    match Deadline::current() {
        None => Some(future.await),
        Some(deadline) => tokio::time::timeout(deadline.remaining(), future).await.ok(),
    }
}
