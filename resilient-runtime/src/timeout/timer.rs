//! The timer of one call: armed when an attempt is first found waiting, moved for the next attempt, never made for a
//! future that is ready at once.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::Sleep;

use crate::clock::nanos;

/// Places that a thread keeps for what will wait next, about 10 KB of them.
const MOST_SPARE: usize = 64;

thread_local! {
    static SPARE: RefCell<Vec<Pin<Box<Armed>>>> = const { RefCell::new(Vec::new()) };
}

/// One pointer in the guarded future; what it takes to wait is on the heap, and only once something waits. The place there
/// is used again.
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

impl Armed {
    fn take() -> Pin<Box<Self>> {
        // A thread that ends keeps none.
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
        spare.ok().flatten().unwrap_or_else(|| Box::pin(Self::default()))
    }

    /// No runtime's handle, timer or waker stays behind. They go first: a waker is the user's, and may wait or panic when
    /// it is dropped.
    fn give_back(mut self: Pin<Box<Self>>) {
        self.set(Self::default());
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < MOST_SPARE {
                spare.push(self);
            }
        });
    }
}

impl Drop for Timer {
    #[inline]
    fn drop(&mut self) {
        if let Some(armed) = self.0.take() {
            armed.give_back();
        }
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
        *self.0.get_or_insert_with(Armed::take).as_mut().project().queued = span;
    }

    /// How long the attempt under way waited in a queue.
    pub(crate) fn time_queued(&self) -> Duration {
        self.0.as_ref().map_or(Duration::ZERO, |armed| armed.queued)
    }

    /// Another attempt follows after `delay`.
    pub(crate) fn delay_by(&mut self, delay: Duration) {
        if !delay.is_zero() || !self.is_idle() {
            *self.0.get_or_insert_with(Armed::take).as_mut().project().last_delay = nanos(delay);
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
        let mut armed = self.0.get_or_insert_with(Armed::take).as_mut().project();
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
    use std::sync::Arc;
    use std::task::{Wake, Waker};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn place(timer: &Timer) -> *const Armed {
        &raw const **timer.0.as_ref().unwrap()
    }

    fn waits(timer: &mut Timer, waker: &Waker) {
        assert!(timer.poll(&mut Context::from_waker(waker), || SECOND).is_pending());
    }

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

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_next_waits_in_the_same_place_and_knows_nothing_of_who_was_there() {
        struct Unheard;
        impl Wake for Unheard {
            fn wake(self: Arc<Self>) {}
        }

        let unheard = Arc::new(Unheard);
        let mut first = Timer::default();
        first.queued(SECOND);
        first.delay_by(SECOND);
        waits(&mut first, &Waker::from(Arc::clone(&unheard)));
        let before = place(&first);
        drop(first);
        assert_eq!(Arc::strong_count(&unheard), 1, "nobody is kept waiting");
        SPARE.with_borrow(|spare| assert!(spare.iter().all(|armed| armed.sleep.is_none())));
        tokio::time::advance(SECOND).await;

        let mut next = Timer::default();
        waits(&mut next, Waker::noop());
        assert_eq!(place(&next), before);
        assert_eq!((next.time_queued(), next.last_delay()), (Duration::ZERO, Duration::ZERO));
    }

    #[test]
    fn a_thread_keeps_no_more_places_than_it_may() {
        let timers = || {
            let mut timer = Timer::default();
            timer.queued(SECOND);
            timer
        };
        let many: Vec<_> = std::iter::repeat_with(timers).take(3 * MOST_SPARE).collect();
        drop(many);
        assert_eq!(SPARE.with_borrow(Vec::len), MOST_SPARE);
    }

    #[test]
    fn a_waker_that_waits_itself_when_it_is_dropped_finds_the_places_free() {
        struct Waits;
        impl Wake for Waits {
            fn wake(self: Arc<Self>) {}
        }
        impl Drop for Waits {
            fn drop(&mut self) {
                Timer::default().queued(SECOND);
            }
        }

        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _inside = runtime.enter();
        let mut timer = Timer::default();
        waits(&mut timer, &Waker::from(Arc::new(Waits)));
        drop(timer);
        assert_eq!(SPARE.with_borrow(Vec::len), 2);
    }

    #[test]
    fn a_thread_that_ends_waits_as_well() {
        struct Late(Option<Timer>);
        impl Drop for Late {
            fn drop(&mut self) {
                assert!(SPARE.try_with(|_| ()).is_err(), "the places are gone by now");
                Timer::default().queued(SECOND);
                self.0 = None;
            }
        }
        thread_local! {
            static LATE: RefCell<Late> = const { RefCell::new(Late(None)) };
        }

        let ends = std::thread::spawn(|| {
            LATE.with_borrow_mut(|late| {
                let mut timer = Timer::default();
                timer.queued(SECOND);
                late.0 = Some(timer);
            });
        });
        ends.join().unwrap();
    }
}
