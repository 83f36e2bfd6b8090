//! Work that is begun ahead of the one who waits for it, handed out in the order it was begun in.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Dropped, all of it ends where it is.
pub(super) struct Ahead<T>(VecDeque<Piece<T>>);

enum Piece<T> {
    Underway(Work<T>),
    Done(T),
}

impl<T> Ahead<T> {
    pub(super) fn new() -> Self {
        Self(VecDeque::new())
    }

    pub(super) fn push(&mut self, work: impl Future<Output = T> + Send + 'static) {
        self.0.push_back(Piece::Underway(Box::pin(work)));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The result that was begun first; `None` where there is no work.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>>
    where
        T: Unpin,
    {
        for piece in &mut self.0 {
            if let Piece::Underway(work) = piece
                && let Poll::Ready(done) = work.as_mut().poll(cx)
            {
                *piece = Piece::Done(done);
            }
        }
        match self.0.pop_front() {
            None => Poll::Ready(None),
            Some(Piece::Done(done)) => Poll::Ready(Some(done)),
            Some(underway) => {
                self.0.push_front(underway);
                Poll::Pending
            }
        }
    }

    pub(super) async fn next(&mut self) -> Option<T>
    where
        T: Unpin,
    {
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
                n
            });
        }
        let mut seen = Vec::new();
        while let Some(n) = ahead.next().await {
            seen.push((n, began.elapsed().as_secs()));
        }
        assert_eq!(seen, [(1, 3), (2, 3), (3, 3)]);
    }
}
