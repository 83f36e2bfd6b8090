//! The timer of one call: armed when an attempt is first found waiting, moved for the next attempt, never made for a
//! future that is ready at once.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::Sleep;

use crate::clock::nanos;

/// One pointer in the guarded future; what it takes to wait is on the heap, and only once something waits.
#[derive(Debug, Default)]
pub(crate) struct Timer(Option<Pin<Box<Armed>>>);

pin_project! {
    #[derive(Debug, Default)]
    struct Armed {
        #[pin]
        sleep: Option<Sleep>,
        // What it was armed for; `None` until the attempt under way is found waiting.
        limit: Option<Duration>,
        // What the attempt under way waited in a queue.
        queued: Duration,
        // The wait before the attempt under way, or before the next, in nanoseconds.
        last_delay: u64,
    }
}

impl Timer {
    /// Nothing was ever waited for.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.0.is_none()
    }

    /// A new attempt begins: the next poll arms it anew.
    #[inline]
    pub(crate) fn disarm(&mut self) {
        if let Some(armed) = &mut self.0 {
            *armed.as_mut().project().limit = None;
        }
    }

    /// A new attempt begins, which has not waited in a queue yet.
    #[inline]
    pub(crate) fn begin(&mut self) {
        if let Some(armed) = &mut self.0 {
            let armed = armed.as_mut().project();
            (*armed.limit, *armed.queued) = (None, Duration::ZERO);
        }
    }

    /// The attempt under way has waited in a queue.
    pub(crate) fn queued(&mut self, span: Duration) {
        *self.0.get_or_insert_default().as_mut().project().queued = span;
    }

    /// How long the attempt under way waited in a queue.
    pub(crate) fn time_queued(&self) -> Duration {
        self.0.as_ref().map_or(Duration::ZERO, |armed| armed.queued)
    }

    /// Another attempt follows after `delay`.
    pub(crate) fn delay_by(&mut self, delay: Duration) {
        if !delay.is_zero() || !self.is_idle() {
            *self.0.get_or_insert_default().as_mut().project().last_delay = nanos(delay);
        }
    }

    /// The wait before the attempt under way, or before the next.
    pub(crate) fn last_delay(&self) -> Duration {
        self.0.as_ref().map_or(Duration::ZERO, |armed| Duration::from_nanos(armed.last_delay))
    }

    /// Ready with the limit once so much time has passed since it was armed; `limit` is asked for then.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time enabled.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, limit: impl FnOnce() -> Duration) -> Poll<Duration> {
        let mut armed = self.0.get_or_insert_default().as_mut().project();
        let limit = *armed.limit.get_or_insert_with(|| {
            let limit = limit();
            match armed.sleep.as_mut().as_pin_mut() {
                Some(sleep) => sleep.reset(crate::clock::tokio_after(limit)),
                None => armed.sleep.set(Some(tokio::time::sleep(limit))),
            }
            limit
        });
        // A body that has used up the task's cooperative budget must not keep the timer from being seen.
        let Some(sleep) = armed.sleep.as_pin_mut() else { return Poll::Pending };
        let unconstrained = tokio::task::unconstrained(sleep);
        std::pin::pin!(unconstrained).poll(cx).map(|()| limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_idle_until_something_is_waited_for() {
        let mut timer = Timer::default();
        timer.delay_by(Duration::ZERO);
        timer.begin();
        timer.disarm();
        assert!(timer.is_idle());
        timer.delay_by(Duration::from_secs(1));
        assert!(!timer.is_idle());
        // A wait of none is remembered as well, once there was another.
        timer.delay_by(Duration::ZERO);
        assert_eq!((timer.is_idle(), timer.last_delay()), (false, Duration::ZERO));

        let mut queued = Timer::default();
        queued.queued(Duration::from_secs(2));
        assert_eq!((queued.is_idle(), queued.time_queued()), (false, Duration::from_secs(2)));
    }
}
