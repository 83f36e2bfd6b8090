//! What an attempt waits for before its function is called: the rate limit's leave, a place in the bulkhead.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use super::Execution;
use super::attempt::nearest_limit;
use crate::bulkhead::{BulkheadCore, Place};
use crate::clock::Moment;
use crate::error::ResilienceError;
use crate::rate_limit::RateLimiterCore;

impl Execution {
    /// Waits for the rate limit's leave; refuses at once where that would take too long. The leave of a caller who is
    /// dropped meanwhile is used up.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::RateLimited`].
    pub async fn throttle(&mut self) -> Result<(), ResilienceError> {
        let Some((wait, limiter)) = self.reserve()? else { return Ok(()) };
        let _waiting = limiter.wait();
        self.wait(wait).await;
        self.in_time()
    }

    /// [`Execution::throttle`], on this thread.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::RateLimited`].
    pub fn throttle_blocking(&mut self) -> Result<(), ResilienceError> {
        let Some((wait, limiter)) = self.reserve()? else { return Ok(()) };
        let _waiting = limiter.wait();
        self.wait_blocking(wait);
        self.in_time()
    }

    /// Waits on the attempts' timer.
    async fn wait(&mut self, span: Duration) {
        if self.policy.context.clock.skip(span) {
            return tokio::task::yield_now().await;
        }
        self.timer.disarm();
        poll_fn(|cx| self.timer.poll(cx, || span)).await;
    }

    /// A layer was waited for: the deadline may be over since.
    pub(super) fn in_time(&self) -> Result<(), ResilienceError> {
        if self.cut_at() <= self.now() { Err(self.deadline_exceeded()) } else { Ok(()) }
    }

    /// The wait that the rate limit asks for, if any.
    #[inline]
    pub(super) fn reserve(&self) -> Result<Option<(Duration, Arc<RateLimiterCore>)>, ResilienceError> {
        let Some(limiter) = &self.policy.rate_limiter else { return Ok(None) };
        let cut_at = self.cut_at();
        // A permit that comes with the deadline's end comes too late.
        let instant = Duration::from_nanos(1);
        let left = (cut_at != Moment::NEVER).then(|| cut_at.since(self.now()).saturating_sub(instant));
        let wait = limiter.reserve_within(left)?;
        Ok((!wait.is_zero()).then(|| (wait, Arc::clone(limiter))))
    }

    /// Enters the bulkhead, and waits for that within the attempt's time.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::BulkheadFull`], or [`ResilienceError::DeadlineExceeded`] when that came first.
    pub fn isolate(&mut self) -> impl Future<Output = Result<(), ResilienceError>> {
        self.timer.begin();
        let mut wait = None;
        poll_fn(move |cx| self.poll_isolate(&mut wait, cx))
    }

    fn poll_isolate(
        &mut self,
        wait: &mut Option<Wait>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<(), ResilienceError>> {
        let cut_at = self.cut_at();
        let Self { policy, place, timer, .. } = self;
        let Some(bulkhead) = &policy.bulkhead else { return Poll::Ready(Ok(())) };
        let entered = match bulkhead.poll_enter(place, cx) {
            Poll::Ready(entered) => entered,
            Poll::Pending => {
                let wait = wait.get_or_insert_with(|| {
                    let since = policy.context.clock.now();
                    let limit = nearest_limit(policy, cut_at, since, Duration::ZERO);
                    Wait { since, limit: limit.into_iter().chain(bulkhead.max_wait()).min() }
                });
                // Without a limit any executor will do.
                let Some(limit) = wait.limit else { return Poll::Pending };
                let Poll::Ready(waited) = timer.poll(cx, || limit) else { return Poll::Pending };
                bulkhead.timed_out(place, waited)
            }
        };
        Poll::Ready(match wait {
            None => entered,
            Some(wait) => self.entered(entered, wait.since),
        })
    }

    /// [`Execution::isolate`], on this thread.
    ///
    /// # Errors
    ///
    /// See [`Execution::isolate`].
    pub fn isolate_blocking(&mut self) -> Result<(), ResilienceError> {
        self.timer.begin();
        let Some(bulkhead) = &self.policy.bulkhead else { return Ok(()) };
        if bulkhead.enter() {
            self.place = Place::ENTERED;
            return Ok(());
        }
        let since = self.now();
        let entered = bulkhead.enter_blocking(self.limit_from(since));
        if entered.is_ok() {
            self.place = Place::ENTERED;
        }
        self.entered(entered, since)
    }

    /// The wait for the bulkhead is over; it began at `since`.
    fn entered(
        &mut self,
        entered: Result<(), ResilienceError>,
        since: Moment,
    ) -> Result<(), ResilienceError> {
        self.timer.disarm();
        if self.policy.timeout.is_some() {
            self.timer.queued(self.now().since(since));
        }
        self.in_time().and(entered)
    }

    /// Leaves the bulkhead.
    #[inline]
    pub(super) fn leave(&mut self) {
        if self.place == Place::NONE {
            return;
        }
        if let Some(bulkhead) = &self.policy.bulkhead {
            bulkhead.cancel(std::mem::take(&mut self.place));
        }
    }

    /// The slot in the bulkhead, as something that gives itself back.
    pub(super) fn take_slot(&mut self) -> Option<BulkheadSlot> {
        let place = std::mem::take(&mut self.place);
        let bulkhead = self.policy.bulkhead.as_ref()?;
        place.is_entered().then(|| BulkheadSlot(Arc::clone(bulkhead)))
    }
}

/// A wait for the bulkhead.
#[derive(Debug)]
struct Wait {
    since: Moment,
    limit: Option<Duration>,
}

/// A slot that was taken along by the work.
#[derive(Debug)]
pub(super) struct BulkheadSlot(Arc<BulkheadCore>);

impl Drop for BulkheadSlot {
    fn drop(&mut self) {
        self.0.leave();
    }
}
