//! Work that is begun ahead of the one who waits for it, handed out in the order it was begun in.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use resilient_runtime::__private::carried;
use tokio::task::JoinHandle;

use super::error::S3Error;

/// Each piece is a task: it goes on while whoever reads, or gives what is sent, takes his time, and its limit is its own.
/// Dropped, all of it ends where it is.
pub(super) struct Ahead<T>(VecDeque<Piece<T>>);

struct Piece<T>(JoinHandle<Result<T, S3Error>>);

impl<T> Drop for Piece<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T: Send + 'static> Ahead<T> {
    pub(super) fn new() -> Self {
        Self(VecDeque::new())
    }

    /// Under the deadline, scope and span of the code that asks for it.
    pub(super) fn push(&mut self, work: impl Future<Output = Result<T, S3Error>> + Send + 'static) {
        self.0.push_back(Piece(tokio::spawn(carried(work))));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The result that was begun first; `None` where there is no work.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, S3Error>>> {
        let Some(first) = self.0.front_mut() else { return Poll::Ready(None) };
        let done = ready!(Pin::new(&mut first.0).poll(cx));
        self.0.pop_front();
        Poll::Ready(Some(match done {
            Ok(done) => done,
            Err(ended) if ended.is_panic() => resume_unwind(ended.into_panic()),
            Err(_) => Err(S3Error::invalid("the tokio runtime that it was begun on has ended")),
        }))
    }

    pub(super) async fn next(&mut self) -> Option<Result<T, S3Error>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    #[allow(clippy::disallowed_methods, reason = "the paused clock")]
    async fn pieces_run_together_and_come_in_order() {
        let began = Instant::now();
        let mut ahead = Ahead::new();
        for (n, seconds) in [(1, 3), (2, 1), (3, 2)] {
            ahead.push(async move {
                sleep(Duration::from_secs(seconds)).await;
                Ok(n)
            });
        }
        let mut seen = Vec::new();
        while let Some(n) = ahead.next().await {
            seen.push((n.unwrap(), began.elapsed().as_secs()));
        }
        assert_eq!(seen, [(1, 3), (2, 3), (3, 3)]);
    }

    #[test]
    fn what_is_waited_for_on_another_runtime_than_it_was_begun_on_is_no_endless_wait() {
        let build = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut ahead = Ahead::<()>::new();
        let first = build();
        first.block_on(async { ahead.push(std::future::pending()) });
        drop(first);
        assert!(matches!(build().block_on(ahead.next()), Some(Err(S3Error::Invalid(_)))));
    }
}
