//! The same work with all that are held, at once.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use resilient_runtime::__private::Harmless;
use thiserror::Error;

use super::component::Component;
use super::components::{Components, Options};
use crate::BoxError;

/// What [`Components::batch`](super::Components::batch) has of one component that has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BatchError<E> {
    /// Its own error.
    #[error("{0}")]
    Failed(E),
    /// The work panicked, with that text.
    #[error("it panicked: {}", Harmless(.0))]
    Panicked(String),
}

impl<E> BatchError<E> {
    /// Its own error, unless it panicked.
    pub fn into_failed(self) -> Option<E> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Panicked(_) => None,
        }
    }
}

/// Code of a component's that panicked, with the text it did so with.
#[derive(Clone, Debug, Error)]
#[error("it panicked: {0}")]
pub(super) struct Panicked(pub(super) String);

impl Panicked {
    pub(super) fn of(payload: &(dyn std::any::Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned());
        Self(text.unwrap_or_else(|| "without a text".into()))
    }
}

impl<C: Component + ?Sized, X: Send + Sync + 'static, O: Options> Components<C, X, O> {
    /// Does beforehand what first uses would do, for all that are held at once; see [`Component::prewarm`].
    pub async fn prewarm(&self) -> BTreeMap<String, Result<(), BatchError<BoxError>>> {
        self.batch(|instance| async move { instance.prewarm().await }).await
    }

    /// Does `work` with all that are held, at once. What it says of each is a value; one that fails or panics keeps no other
    /// from its answer.
    ///
    /// ```no_run
    /// # mod resilient { pub use resilient_factory as factory; }
    /// # use resilient::factory::startup::{Component, Components};
    /// # async fn symbols(exchanges: Components<dyn Component>) {
    /// let statuses = exchanges.batch(|exchange| async move { Ok::<_, String>(exchange.status()) }).await;
    /// for (name, status) in statuses {
    ///     match status {
    ///         Ok(status) => println!("{name}: {status}"),
    ///         Err(error) => eprintln!("{name}: {error}"),
    ///     }
    /// }
    /// # }
    /// ```
    pub async fn batch<T, E, F: Future<Output = Result<T, E>>>(
        &self,
        work: impl Fn(Arc<C>) -> F,
    ) -> BTreeMap<String, Result<T, BatchError<E>>> {
        let one = |(name, instance): (Arc<str>, Arc<C>)| {
            let answer = AssertUnwindSafe(async { work(instance).await }).catch_unwind();
            async move {
                let answer = match answer.await {
                    Ok(answer) => answer.map_err(BatchError::Failed),
                    Err(payload) => Err(BatchError::Panicked(Panicked::of(&*payload).0)),
                };
                (name.to_string(), answer)
            }
        };
        self.held().into_iter().map(one).collect::<FuturesUnordered<_>>().collect().await
    }
}
