//! The slots, and behind a lock those who wait for one.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use super::Place;
use super::config::BulkheadConfig;
use super::slots::Slots;
use super::snapshot::BulkheadSnapshot;
use crate::clock::{Bell, Moment};
use crate::context::Context;
use crate::counters::Counters;
use crate::error::ResilienceError;
use crate::sync::{Mutex, MutexGuard, Whole};

#[derive(Debug)]
pub(crate) struct BulkheadCore {
    slots: Slots,
    name: &'static str,
    context: Arc<Context>,
    counters: Counters<2>,
    guarded: Mutex<Guarded>,
}

#[derive(Debug)]
struct Guarded {
    config: BulkheadConfig,
    /// By ticket, so the first is who came first. Who holds a ticket and is not in it was granted a slot.
    queue: BTreeMap<NonZeroU64, Waiting>,
    next_ticket: NonZeroU64,
    waits: Waits,
    /// Where the counters stood at the last reset.
    accepted_before: u64,
    rejected_before: u64,
}

#[derive(Debug)]
struct Waiting {
    since: Moment,
    /// None once it was woken to hear that it is refused.
    waker: Option<Waker>,
}

/// What was waited for a slot that was granted.
#[derive(Clone, Copy, Debug, Default)]
struct Waits {
    calls: u64,
    total: Duration,
    longest: Duration,
}

/// What is counted without the lock.
#[derive(Clone, Copy, Debug)]
enum Count {
    Accepted,
    Rejected,
}

impl From<Count> for usize {
    fn from(count: Count) -> Self {
        count as Self
    }
}

/// How a call that found no slot free goes on.
enum Joined {
    Entered,
    Queued(NonZeroU64),
    Refused(ResilienceError),
}

impl BulkheadCore {
    pub(crate) fn new(name: &'static str, config: BulkheadConfig, context: Arc<Context>) -> Self {
        let slots = Slots::new(config.max_concurrent);
        let guarded = Guarded {
            config,
            queue: BTreeMap::new(),
            next_ticket: NonZeroU64::MIN,
            waits: Waits::default(),
            accepted_before: 0,
            rejected_before: 0,
        };
        Self { slots, name, context, counters: Counters::default(), guarded: Mutex::new(guarded) }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Enters at once or is refused. Who has entered owes a `leave`.
    #[inline]
    pub(crate) fn try_enter(&self) -> Result<(), ResilienceError> {
        if self.enter() { Ok(()) } else { self.try_enter_slowly() }
    }

    #[cold]
    fn try_enter_slowly(&self) -> Result<(), ResilienceError> {
        if !self.slots.is_queued() {
            return Err(self.refused(0, Duration::ZERO));
        }
        let guarded = self.lock();
        // The last who waited may have gone since the slots were looked at.
        if guarded.queue.is_empty() && self.enter() {
            return Ok(());
        }
        Err(self.refused(guarded.queue.len(), Duration::ZERO))
    }

    /// Enters, waits, or is refused. While it is pending the caller keeps `place`, and owes a `cancel` for it if it
    /// gives up, or a `timed_out` once [`max_wait`](Self::max_wait) is over.
    #[inline]
    pub(crate) fn poll_enter(
        &self,
        place: &mut Place,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<(), ResilienceError>> {
        if *place == Place::NONE && self.enter() {
            *place = Place::ENTERED;
            return Poll::Ready(Ok(()));
        }
        self.poll_enter_slowly(place, cx)
    }

    #[cold]
    fn poll_enter_slowly(
        &self,
        place: &mut Place,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<(), ResilienceError>> {
        if place.is_entered() {
            return Poll::Ready(Ok(()));
        }
        // Cloned, and the old one dropped, without the lock: both are its executor's code.
        let mut waker = Some(cx.waker().clone());
        let Some(ticket) = place.ticket() else {
            return match self.join(&mut waker) {
                Joined::Entered => {
                    *place = Place::ENTERED;
                    Poll::Ready(Ok(()))
                }
                Joined::Queued(ticket) => {
                    *place = Place(Some(ticket));
                    Poll::Pending
                }
                Joined::Refused(refused) => Poll::Ready(Err(refused)),
            };
        };
        let mut guarded = self.lock();
        let open = guarded.config.max_concurrent > 0;
        match guarded.queue.get_mut(&ticket) {
            None => {
                *place = Place::ENTERED;
                Poll::Ready(Ok(()))
            }
            Some(waiting) if open => {
                std::mem::swap(&mut waiting.waker, &mut waker);
                Poll::Pending
            }
            Some(waiting) => {
                let waited = self.context.clock.now().since(waiting.since);
                drop(guarded);
                Poll::Ready(self.timed_out(place, waited))
            }
        }
    }

    /// Joins the queue, unless there is none to join or nobody in it and a slot free.
    fn join(&self, waker: &mut Option<Waker>) -> Joined {
        let mut guarded = self.lock();
        let (waiting, may_wait) = (guarded.queue.len(), guarded.config.may_wait(guarded.queue.len()));
        if waiting == 0 {
            if may_wait {
                self.slots.open_queue();
            }
            // Only now: a slot that is given back from here on is given to whoever waits.
            if self.slots.take_for_first() {
                self.slots.close_queue();
                self.counters.add(Count::Accepted);
                return Joined::Entered;
            }
        }
        if !may_wait {
            return Joined::Refused(self.refused(waiting, Duration::ZERO));
        }
        let ticket = guarded.next_ticket;
        guarded.next_ticket = ticket.saturating_add(1);
        let since = self.context.clock.now();
        guarded.queue.insert(ticket, Waiting { since, waker: waker.take() });
        Joined::Queued(ticket)
    }

    /// Enters, waiting on this thread for at most `limit` (and `max_wait`), or is refused. Who has entered owes a
    /// `leave`.
    #[inline]
    pub(crate) fn enter_blocking(&self, limit: Option<Duration>) -> Result<(), ResilienceError> {
        if self.enter() { Ok(()) } else { self.enter_blocking_slowly(limit) }
    }

    #[cold]
    fn enter_blocking_slowly(&self, limit: Option<Duration>) -> Result<(), ResilienceError> {
        let clock = &self.context.clock;
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        let mut place = Place::NONE;
        let began = clock.now();
        loop {
            if let Poll::Ready(answer) = self.poll_enter(&mut place, &mut TaskContext::from_waker(&waker)) {
                return answer;
            }
            let limit = limit.into_iter().chain(self.max_wait()).min();
            let over = limit.map_or(Moment::NEVER, |limit| began.saturating_add(limit));
            if !clock.wait_blocking(&bell, over) {
                return self.timed_out(&mut place, clock.now().since(began));
            }
        }
    }

    /// The wait for a slot is over, after `waited`.
    ///
    /// # Errors
    ///
    /// The refusal, unless a slot was granted meanwhile: then the caller has entered.
    pub(crate) fn timed_out(&self, place: &mut Place, waited: Duration) -> Result<(), ResilienceError> {
        let Some(ticket) = place.ticket() else {
            return if place.is_entered() { Ok(()) } else { Err(self.refused(0, waited)) };
        };
        let mut guarded = self.lock();
        let Some(gone) = self.remove(&mut guarded, ticket) else {
            *place = Place::ENTERED;
            return Ok(());
        };
        *place = Place::NONE;
        let waiting = guarded.queue.len();
        drop(guarded);
        drop(gone);
        Err(self.refused(waiting, waited))
    }

    /// Gives back whatever `place` holds; a slot that was granted to it goes to the next.
    pub(crate) fn cancel(&self, place: Place) {
        if place.is_entered() {
            self.leave();
        } else if let Some(ticket) = place.ticket() {
            let gone = self.remove(&mut self.lock(), ticket);
            if gone.is_none() {
                self.leave();
            }
        }
    }

    /// Gives a slot back.
    #[inline]
    pub(crate) fn leave(&self) {
        if self.slots.give_back() {
            self.serve();
        }
    }

    /// Goes on with other numbers. Those who run keep their slots; those who wait get what there is more of, or hear
    /// that there is nothing any more.
    pub(crate) fn reconfigure(&self, config: BulkheadConfig) {
        let mut guarded = self.lock();
        self.slots.set_limit(config.max_concurrent);
        let closed = config.max_concurrent == 0;
        guarded.config = config;
        let sent_away: Vec<_> = if closed {
            guarded.queue.values_mut().filter_map(|waiting| waiting.waker.take()).collect()
        } else {
            Vec::new()
        };
        drop(guarded);
        sent_away.into_iter().for_each(Waker::wake);
        self.serve();
    }

    /// Forgets what was counted. Those who run and those who wait are not touched.
    pub(crate) fn reset(&self) {
        let mut guarded = self.lock();
        guarded.accepted_before = self.counters.sum(Count::Accepted);
        guarded.rejected_before = self.counters.sum(Count::Rejected);
        guarded.waits = Waits::default();
        self.slots.forget_peak();
    }

    /// How long a call may wait in the queue.
    pub(crate) fn max_wait(&self) -> Option<Duration> {
        self.lock().config.max_wait
    }

    pub(crate) fn active_count(&self) -> u32 {
        self.slots.active()
    }

    pub(crate) fn waiting_count(&self) -> u32 {
        count(self.lock().queue.len())
    }

    pub(crate) fn snapshot(&self) -> BulkheadSnapshot {
        let guarded = self.lock();
        let Guarded { config, queue, waits, accepted_before, rejected_before, .. } = &*guarded;
        let active_count = self.slots.active();
        let since = |count, before: &u64| self.counters.sum(count).wrapping_sub(*before);
        BulkheadSnapshot {
            name: self.name,
            max_concurrent: config.max_concurrent,
            max_queue: config.max_queue,
            max_wait: config.max_wait.map(|span| span.as_secs_f64()),
            active_count,
            waiting_count: count(queue.len()),
            available: config.max_concurrent.saturating_sub(active_count),
            max_active_count: self.slots.peak(),
            accepted_calls: since(Count::Accepted, accepted_before),
            rejected_calls: since(Count::Rejected, rejected_before),
            waited_calls: waits.calls,
            total_wait: waits.total.as_secs_f64(),
            longest_wait: waits.longest.as_secs_f64(),
        }
    }

    #[inline]
    pub(crate) fn enter(&self) -> bool {
        let taken = self.slots.take();
        if taken {
            self.counters.add(Count::Accepted);
        }
        taken
    }

    /// Gives free slots to those who wait, first come first served.
    #[cold]
    fn serve(&self) {
        loop {
            let mut guarded = self.lock();
            let Some((ticket, since)) = guarded.queue.first_key_value().map(|(key, it)| (*key, it.since))
            else {
                return;
            };
            if !self.slots.take_for_first() {
                return;
            }
            self.counters.add(Count::Accepted);
            let waited = self.context.clock.now().since(since);
            let Waits { calls, total, longest } = guarded.waits;
            guarded.waits =
                Waits { calls: calls + 1, total: total.saturating_add(waited), longest: longest.max(waited) };
            let served = self.remove(&mut guarded, ticket);
            drop(guarded);
            if let Some(waker) = served.and_then(|waiting| waiting.waker) {
                waker.wake();
            }
        }
    }

    /// Out of the queue; None when it is not in it any more.
    fn remove(&self, guarded: &mut Guarded, ticket: NonZeroU64) -> Option<Waiting> {
        let gone = guarded.queue.remove(&ticket);
        if guarded.queue.is_empty() {
            self.slots.close_queue();
        }
        gone
    }

    #[cold]
    fn refused(&self, waiting: usize, waited: Duration) -> ResilienceError {
        self.counters.add(Count::Rejected);
        let max_concurrent = self.slots.limit();
        ResilienceError::BulkheadFull { name: self.name, max_concurrent, waiting: count(waiting), waited }
    }

    fn lock(&self) -> MutexGuard<'_, Guarded> {
        self.guarded.lock().whole()
    }
}

fn count(waiting: usize) -> u32 {
    u32::try_from(waiting).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;
    use std::thread;

    use super::*;
    use crate::clock::{Clock, TestClock};

    const SECOND: Duration = Duration::from_secs(1);

    #[derive(Default)]
    struct Heard(AtomicU32);

    impl Wake for Heard {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn core(config: BulkheadConfig) -> (Arc<BulkheadCore>, TestClock) {
        let clock = TestClock::new();
        let context = Context::seeded(Clock::Test(clock.clone()), 0);
        (Arc::new(BulkheadCore::new("db", config, Arc::new(context))), clock)
    }

    fn one_and_a_queue() -> BulkheadConfig {
        BulkheadConfig::new().max_concurrent(1).max_queue(10)
    }

    /// A caller that waits, and how often it was woken.
    #[derive(Default)]
    struct Caller {
        place: Place,
        heard: Arc<Heard>,
    }

    impl Caller {
        fn poll(&mut self, core: &BulkheadCore) -> Poll<Result<(), ResilienceError>> {
            let waker = Waker::from(Arc::clone(&self.heard));
            core.poll_enter(&mut self.place, &mut TaskContext::from_waker(&waker))
        }

        fn queued(core: &BulkheadCore) -> Self {
            let mut caller = Self::default();
            assert!(caller.poll(core).is_pending());
            caller
        }

        fn woken(&self) -> u32 {
            self.heard.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn a_slot_granted_to_a_caller_that_cancels_goes_to_the_next() {
        let (core, _) = core(one_and_a_queue());
        core.try_enter().unwrap();
        let [gone, mut next] = [(); 2].map(|()| Caller::queued(&core));
        core.leave();
        assert_eq!((gone.woken(), next.woken()), (1, 0));
        core.cancel(gone.place);
        assert_eq!(next.woken(), 1);
        assert!(matches!(next.poll(&core), Poll::Ready(Ok(()))));
        assert!(next.place.is_entered());
        core.cancel(next.place);
        assert_eq!((core.active_count(), core.waiting_count()), (0, 0));
    }

    #[test]
    fn a_slot_granted_just_before_the_wait_was_over_is_kept() {
        let (core, _) = core(one_and_a_queue());
        core.try_enter().unwrap();
        let [mut late, mut later] = [(); 2].map(|()| Caller::queued(&core));
        core.leave();
        core.timed_out(&mut late.place, SECOND).unwrap();
        assert!(late.place.is_entered());
        let refused = core.timed_out(&mut later.place, SECOND).unwrap_err();
        assert_eq!(refused.to_string(), "bulkhead 'db' is full: 1 call runs; waited 1 s");
        assert_eq!(later.place, Place::NONE);
        let now = core.snapshot();
        assert_eq!((now.accepted_calls, now.rejected_calls, now.active_count), (2, 1, 1));
    }

    #[test]
    fn nobody_overtakes_who_waits() {
        let (core, _) = core(one_and_a_queue());
        core.try_enter().unwrap();
        let mut first = Caller::queued(&core);
        core.leave();
        // The slot is the first one's although it has not looked yet.
        assert!(core.try_enter().is_err());
        let second = Caller::queued(&core);
        assert!(matches!(first.poll(&core), Poll::Ready(Ok(()))));
        core.cancel(second.place);
        core.leave();
        core.try_enter().unwrap();
    }

    #[test]
    fn the_last_waker_is_woken() {
        let (core, _) = core(one_and_a_queue());
        core.try_enter().unwrap();
        let mut caller = Caller::queued(&core);
        let moved = std::mem::take(&mut caller.heard);
        assert!(caller.poll(&core).is_pending());
        core.leave();
        assert_eq!((moved.0.load(Ordering::Relaxed), caller.woken()), (0, 1));
    }

    #[test]
    fn those_who_wait_are_refused_when_it_closes_and_served_when_it_grows() {
        let (core, clock) = core(one_and_a_queue());
        core.try_enter().unwrap();
        let [mut refused, mut stays] = [(); 2].map(|()| Caller::queued(&core));
        clock.advance(SECOND);
        core.reconfigure(one_and_a_queue().max_concurrent(0));
        assert_eq!((refused.woken(), stays.woken()), (1, 1));
        let Poll::Ready(Err(error)) = refused.poll(&core) else { panic!("it is closed") };
        let text = "bulkhead 'db' is full: max_concurrent is 0, which lets no call run, 1 waits; waited 1 s";
        assert_eq!(error.to_string(), text);
        // It has not looked while the bulkhead was closed.
        core.reconfigure(one_and_a_queue().max_concurrent(2));
        assert!(matches!(stays.poll(&core), Poll::Ready(Ok(()))));
        assert_eq!((core.active_count(), core.waiting_count()), (2, 0));
    }

    #[test]
    fn a_reset_forgets_what_was_counted_and_nothing_else() {
        let (core, clock) = core(one_and_a_queue());
        core.try_enter().unwrap();
        let mut caller = Caller::queued(&core);
        assert!(core.try_enter().is_err());
        clock.advance(SECOND);
        core.leave();
        let before = core.snapshot();
        assert_eq!((before.accepted_calls, before.rejected_calls, before.waited_calls), (2, 1, 1));
        assert_eq!((before.total_wait, before.longest_wait), (1.0, 1.0));
        core.reset();
        let after = core.snapshot();
        assert_eq!((after.accepted_calls, after.rejected_calls, after.waited_calls), (0, 0, 0));
        assert_eq!((after.active_count, after.max_active_count, after.longest_wait), (1, 1, 0.0));
        assert!(matches!(caller.poll(&core), Poll::Ready(Ok(()))));
        core.leave();
        assert_eq!(core.active_count(), 0);
    }

    #[test]
    fn a_thread_waits_for_another_on_a_clock_that_stands_still() {
        let (core, _) = core(one_and_a_queue());
        core.try_enter().unwrap();
        thread::scope(|threads| {
            let waits = threads.spawn(|| core.enter_blocking(Some(60 * SECOND)));
            while core.waiting_count() == 0 {
                thread::yield_now();
            }
            core.leave();
            waits.join().unwrap().unwrap();
        });
        assert_eq!((core.active_count(), core.waiting_count()), (1, 0));
    }

    #[test]
    fn a_thread_waits_no_longer_than_a_clock_moved_by_another_says() {
        let (core, clock) = core(one_and_a_queue().max_wait(3600 * SECOND));
        core.try_enter().unwrap();
        thread::scope(|threads| {
            let waits = threads.spawn(|| core.enter_blocking(None));
            while core.waiting_count() == 0 {
                thread::yield_now();
            }
            clock.advance(3600 * SECOND);
            let refused = waits.join().unwrap().unwrap_err();
            assert!(refused.to_string().ends_with("; waited 3600 s"), "{refused}");
        });
        assert_eq!((core.active_count(), core.waiting_count()), (1, 0));
    }

    #[test]
    fn a_wait_that_nobody_ends_moves_the_clock_when_it_is_over() {
        let (core, clock) = core(one_and_a_queue().max_wait(SECOND));
        core.try_enter().unwrap();
        assert!(core.enter_blocking(Some(Duration::from_millis(5))).is_err());
        assert_eq!(clock.elapsed(), Duration::from_millis(5));
    }
}
