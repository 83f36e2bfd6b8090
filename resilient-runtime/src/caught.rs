//! A future whose panic is an answer.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use pin_project_lite::pin_project;

pin_project! {
    /// Not to be polled again after it panicked: it is as broken as it was left.
    pub(crate) struct Caught<F> {
        #[pin]
        operation: F,
    }
}

impl<F> Caught<F> {
    pub(crate) fn new(operation: F) -> Self {
        Self { operation }
    }
}

impl<F: Future> Future for Caught<F> {
    type Output = thread::Result<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let operation = self.project().operation;
        match catch_unwind(AssertUnwindSafe(|| operation.poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(payload) => Poll::Ready(Err(payload)),
        }
    }
}
