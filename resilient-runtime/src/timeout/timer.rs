//! The timer of one call: armed when an attempt is first found waiting, moved for the next attempt, never for a
//! future that is ready at once.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

#[derive(Debug, Default)]
pub(crate) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: bool,
}

impl Timer {
    /// The next poll arms it anew.
    pub(crate) fn disarm(&mut self) {
        self.armed = false;
    }

    pub(crate) fn is_armed(&self) -> bool {
        self.armed
    }

    /// Ready once `span` has passed since it was armed.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time enabled.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, span: Duration) -> Poll<()> {
        let armed = std::mem::replace(&mut self.armed, true);
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                if !armed {
                    sleep.as_mut().reset(crate::clock::tokio_after(span));
                }
                sleep
            }
            empty => empty.insert(Box::pin(tokio::time::sleep(span))),
        };
        // A body that has used up the task's cooperative budget must not keep the timer from being seen.
        let unconstrained = tokio::task::unconstrained(sleep.as_mut());
        std::pin::pin!(unconstrained).poll(cx)
    }
}
