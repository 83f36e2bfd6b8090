//! What a body finds around it, on whatever thread it runs.

#[cfg(feature = "checks")]
use std::future::Future;
#[cfg(feature = "checks")]
use std::pin::Pin;
#[cfg(feature = "checks")]
use std::task::{Context, Poll};

use super::{Runtime, SCOPE, scopes_are_active};
use crate::clock::Moment;
use crate::timeout::{Ambient, current_deadline};

/// What a body that moves to a worker thread must find there: scope, deadline, span, tokio runtime.
#[derive(Debug)]
pub(crate) struct Surroundings {
    scope: Option<Runtime>,
    deadline: Moment,
    tokio: Option<tokio::runtime::Handle>,
    dispatch: tracing::Dispatch,
    span: tracing::Span,
}

impl Surroundings {
    pub(crate) fn capture() -> Self {
        let scope = if scopes_are_active() { SCOPE.with_borrow(Clone::clone) } else { None };
        Self {
            scope,
            deadline: current_deadline(),
            tokio: tokio::runtime::Handle::try_current().ok(),
            dispatch: tracing::dispatcher::get_default(Clone::clone),
            span: tracing::Span::current(),
        }
    }

    /// Runs `body` in them, with the deadline `until` besides.
    pub(crate) fn within<R>(&self, until: Moment, body: impl FnOnce() -> R) -> R {
        let Self { scope, deadline, tokio, dispatch, span } = self;
        let _scope = scope.as_ref().map(Runtime::enter);
        let _deadline = Ambient::enter(until.min(*deadline));
        let _tokio = tokio.as_ref().map(tokio::runtime::Handle::enter);
        tracing::dispatcher::with_default(dispatch, || span.in_scope(body))
    }
}

#[cfg(feature = "checks")]
pin_project_lite::pin_project! {
    /// A future that finds what was around the code that made it, on a tokio runtime of its own: a client's.
    #[derive(Debug)]
    pub struct Carried<F> {
        around: Surroundings,
        #[pin]
        future: F,
    }
}

#[cfg(feature = "checks")]
impl<F> Carried<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { around: Surroundings { tokio: None, ..Surroundings::capture() }, future }
    }
}

#[cfg(feature = "checks")]
impl<F: Future> Future for Carried<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.around.within(Moment::NEVER, || this.future.poll(cx))
    }
}
