//! What makes a component, with the names of its types forgotten and its panics turned into errors.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::asked::Asked;
use super::attempt::Panicked;
use super::waits::{Build, Inside};
use crate::{BoxError, BoxFuture};

type Made<C> = Result<Arc<C>, BoxError>;
type Run<C, X, O> = dyn Fn(Asked<X, O>) -> Made<C> + Send + Sync;
type Begin<C, X, O> = dyn Fn(Asked<X, O>) -> BoxFuture<'static, Made<C>> + Send + Sync;

/// A constructor that was registered.
pub(crate) enum Constructor<C: ?Sized, X, O> {
    Sync(Arc<Run<C, X, O>>),
    Async(Arc<Begin<C, X, O>>),
}

impl<C: ?Sized, X, O> Clone for Constructor<C, X, O> {
    fn clone(&self) -> Self {
        match self {
            Self::Sync(make) => Self::Sync(Arc::clone(make)),
            Self::Async(make) => Self::Async(Arc::clone(make)),
        }
    }
}

impl<C: ?Sized + 'static, X: 'static, O: 'static> Constructor<C, X, O> {
    pub(crate) fn sync<R, E>(
        constructor: impl Fn(Asked<X, O>) -> Result<R, E> + Send + Sync + 'static,
    ) -> Self
    where
        R: Into<Arc<C>>,
        E: Into<BoxError>,
    {
        Self::Sync(Arc::new(move |asked| match constructor(asked) {
            Ok(made) => Ok(made.into()),
            Err(error) => Err(error.into()),
        }))
    }

    pub(crate) fn asynchronous<R, E, F>(
        constructor: impl Fn(Asked<X, O>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        R: Into<Arc<C>>,
        E: Into<BoxError>,
        F: Future<Output = Result<R, E>> + Send + 'static,
    {
        Self::Async(Arc::new(move |asked| {
            let making = constructor(asked);
            Box::pin(async move {
                match making.await {
                    Ok(made) => Ok(made.into()),
                    Err(error) => Err(error.into()),
                }
            })
        }))
    }

    pub(super) fn is_async(&self) -> bool {
        matches!(self, Self::Async(_))
    }

    /// Runs a sync one here; `None` where it is async.
    pub(super) fn run(&self, asked: Asked<X, O>, build: Build) -> Option<Made<C>> {
        let Self::Sync(make) = self else { return None };
        Some(caught(build, || make(asked)).and_then(|made| made))
    }

    /// Runs it as far as it goes without its caller's thread.
    pub(super) async fn run_async(self, asked: Asked<X, O>, build: Build) -> Made<C> {
        match self {
            Self::Sync(make) => caught(build, || make(asked))?,
            Self::Async(make) => {
                let making = caught(build, || make(asked))?;
                Caught { making, build }.await?
            }
        }
    }
}

/// What `run` gives, or that it panicked; whatever it asks of a factory is asked by `build`.
fn caught<R>(build: Build, run: impl FnOnce() -> R) -> Result<R, BoxError> {
    let _inside = Inside::enter(build);
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| Panicked::new("the constructor", payload).into())
}

/// Not to be polled again after it panicked: it is as broken as it was left.
struct Caught<C: ?Sized> {
    making: BoxFuture<'static, Made<C>>,
    build: Build,
}

impl<C: ?Sized> Future for Caught<C> {
    type Output = Result<Made<C>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let build = self.build;
        match caught(build, || self.making.as_mut().poll(cx)) {
            Ok(polled) => polled.map(Ok),
            Err(panicked) => Poll::Ready(Err(panicked)),
        }
    }
}
