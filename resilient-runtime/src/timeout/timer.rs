//! The timer of one call: armed when an attempt is first found waiting, moved for the next attempt, never made for a
//! future that is ready at once.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::Sleep;

/// One pointer in the guarded future; what it takes to wait is on the heap, and only once something waits.
#[derive(Debug, Default)]
pub(crate) struct Timer(Option<Pin<Box<Armed>>>);

pin_project! {
    #[derive(Debug)]
    struct Armed {
        #[pin]
        sleep: Sleep,
        // What it was armed for; `None` until the attempt under way is found waiting.
        limit: Option<Duration>,
    }
}

impl Timer {
    /// A new attempt begins: the next poll arms it anew.
    #[inline]
    pub(crate) fn disarm(&mut self) {
        if let Some(armed) = &mut self.0 {
            *armed.as_mut().project().limit = None;
        }
    }

    /// Ready with the limit once so much time has passed since it was armed; `limit` is asked for then.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time enabled.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, limit: impl FnOnce() -> Duration) -> Poll<Duration> {
        let (mut sleep, limit) = match &mut self.0 {
            Some(armed) => {
                let mut armed = armed.as_mut().project();
                let limit = armed.limit.get_or_insert_with(|| {
                    let limit = limit();
                    armed.sleep.as_mut().reset(crate::clock::tokio_after(limit));
                    limit
                });
                (armed.sleep, *limit)
            }
            empty => {
                let limit = limit();
                let armed = Armed { sleep: tokio::time::sleep(limit), limit: Some(limit) };
                (empty.insert(Box::pin(armed)).as_mut().project().sleep, limit)
            }
        };
        // A body that has used up the task's cooperative budget must not keep the timer from being seen.
        let unconstrained = tokio::task::unconstrained(sleep.as_mut());
        std::pin::pin!(unconstrained).poll(cx).map(|()| limit)
    }
}
