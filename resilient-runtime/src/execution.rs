//! One call: admitted, attempted, judged, and perhaps tried again. It performs no I/O of its own; the expansion
//! drives it from inside the user's function.

#[cfg(feature = "stream")]
pub(crate) mod stream;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use crate::breaker::Ticket;
use crate::bulkhead::{BulkheadCore, Place};
#[cfg(feature = "chaos")]
use crate::chaos::Suffered;
use crate::clock::{Moment, nanos};
use crate::error::{ErrorKind, ResilienceError};
use crate::event::EventKind;
use crate::hedge::{Answer, HedgeDelay, Hedged, Judged};
use crate::outcome::{Class, Outcome, Verdict};
use crate::policy::{Hedging, Policy};
use crate::rate_limit::RateLimiterCore;
use crate::reason::StopReason;
use crate::retry::{self, BudgetCore, LONGEST_HINT, Retry};
use crate::runtime::{Surroundings, WORKERS};
use crate::site::{PolicyRef, Site};
use crate::timeout::{self, Ambient, CrossesThreads, Timer, pool};

/// One call of a guarded function. Dropping it, at any point, gives back whatever it holds.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Execution {
    policy: PolicyRef,
    /// Attempts that the layers were asked for.
    asked: u32,
    /// Those of them that no layer refused: real ones.
    attempts: u32,
    ticket: Option<Ticket>,
    place: Place,
    /// [`Moment::NEVER`] when the call has all the time in the world.
    deadline: Moment,
    /// It is the function's own, not one around the call.
    deadline_is_own: bool,
    /// [`Moment::NEVER`] while nobody wants to know.
    attempt_began: Moment,
    /// What the attempt under way waited in the bulkhead's queue, in nanoseconds.
    queued: u64,
    /// In nanoseconds.
    last_delay: u64,
    timer: Timer,
    stage: Stage,
    /// The last attempt was cut off, whatever its result was turned into.
    timed_out: bool,
    /// The attempt under way was paid for from the retry budget.
    paid: bool,
    /// One of several attempts of a hedged call that run at the same time.
    is_lane: bool,
    ended: Option<StopReason>,
    #[cfg(feature = "chaos")]
    chaos: crate::chaos::Underway,
}

/// How an attempt ended, for the call it is a part of.
#[derive(Clone, Copy, Debug)]
pub struct Concluded {
    end: End,
    took: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Succeeded,
    Failed(Verdict),
    /// The deadline passed.
    OutOfTime {
        cut_off: bool,
    },
    /// A layer refused it.
    Refused {
        kind: ErrorKind,
        retry_after: Option<Duration>,
    },
}

impl End {
    /// The function was never begun.
    fn is_before(self) -> bool {
        matches!(self, Self::Refused { .. } | Self::OutOfTime { cut_off: false })
    }
}

/// Whose code is on the stack: being dropped in it means that it panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// None of the user's: being dropped means that nobody waits for the call any more.
    Waiting,
    /// The function's.
    Running,
    /// A rule about its result.
    Judging,
}

#[allow(
    clippy::inline_always,
    reason = "measured: left to itself, the compiler makes calls of what the healthy path is"
)]
impl Execution {
    /// Begins a call of the function at `site`.
    #[inline(always)]
    pub fn enter(site: &'static Site) -> Self {
        Self::begin(site.policy())
    }

    /// Begins a call of the function at `site` on the state that belongs to `key`.
    pub fn enter_keyed(site: &'static Site, key: &(impl ToString + ?Sized)) -> Self {
        let policy = site.policy().of_key(&key.to_string());
        Self::begin(PolicyRef::Scoped(Arc::new(policy)))
    }

    /// Begins a call that follows `policy`.
    #[inline(always)]
    pub(crate) fn begin(policy: PolicyRef) -> Self {
        let around = timeout::current_deadline();
        let (deadline, deadline_is_own) = match policy.deadline {
            None if around == Moment::NEVER => (Moment::NEVER, false),
            own => Self::begin_deadline(&policy, own, around),
        };
        Self::new(policy, deadline, deadline_is_own)
    }

    #[inline(always)]
    fn new(policy: PolicyRef, deadline: Moment, deadline_is_own: bool) -> Self {
        Self {
            policy,
            asked: 0,
            attempts: 0,
            ticket: None,
            place: Place::NONE,
            deadline,
            deadline_is_own,
            attempt_began: Moment::NEVER,
            queued: 0,
            last_delay: 0,
            timer: Timer::default(),
            stage: Stage::Waiting,
            timed_out: false,
            paid: false,
            is_lane: false,
            ended: None,
            #[cfg(feature = "chaos")]
            chaos: crate::chaos::Underway::default(),
        }
    }

    #[cold]
    fn begin_deadline(policy: &Policy, own: Option<Duration>, around: Moment) -> (Moment, bool) {
        let own = own.map_or(Moment::NEVER, |span| policy.context.clock.now().saturating_add(span));
        (own.min(around), own <= around)
    }

    /// Asks every layer whether the next attempt may begin.
    ///
    /// # Errors
    ///
    /// The layer's refusal; the function must not be called.
    #[inline(always)]
    pub fn admit(&mut self) -> Result<(), ResilienceError> {
        if self.cut_at() != Moment::NEVER && self.now() >= self.deadline {
            return Err(self.deadline_exceeded());
        }
        self.asked = self.asked.saturating_add(1);
        if let Some(breaker) = &self.policy.breaker
            && self.ticket.is_none()
            && !(self.is_lane && self.policy.breaker_per_call)
        {
            self.ticket = Some(breaker.acquire()?);
        }
        Ok(())
    }

    /// Waits for the rate limit's leave; refuses at once where that would take too long. The leave of a caller who is
    /// dropped meanwhile is used up.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::RateLimited`].
    pub async fn throttle(&mut self) -> Result<(), ResilienceError> {
        let Some((wait, limiter)) = self.reserve()? else { return Ok(()) };
        let _waiting = limiter.wait();
        self.pause(wait).await;
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
        self.pause_blocking(wait);
        self.in_time()
    }

    /// A layer was waited for: the deadline may be over since.
    fn in_time(&self) -> Result<(), ResilienceError> {
        if self.cut_at() <= self.now() { Err(self.deadline_exceeded()) } else { Ok(()) }
    }

    /// The wait that the rate limit asks for, if any.
    #[inline]
    fn reserve(&self) -> Result<Option<(Duration, Arc<RateLimiterCore>)>, ResilienceError> {
        let Some(limiter) = &self.policy.rate_limiter else { return Ok(None) };
        let cut_at = self.cut_at();
        let left = (cut_at != Moment::NEVER).then(|| cut_at.since(self.now()));
        let wait = limiter.reserve_within(left)?;
        Ok((!wait.is_zero()).then(|| (wait, Arc::clone(limiter))))
    }

    /// Enters the bulkhead, and waits for that within the attempt's time.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::BulkheadFull`], or [`ResilienceError::DeadlineExceeded`] when that came first.
    pub fn isolate(&mut self) -> impl Future<Output = Result<(), ResilienceError>> {
        self.timer.disarm();
        self.queued = 0;
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
                    let limit = nearest_limit(policy, cut_at, since, 0);
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
        self.queued = 0;
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
        self.queued = nanos(self.now().since(since));
        self.in_time().and(entered)
    }

    /// Leaves the bulkhead.
    #[inline]
    fn leave(&mut self) {
        if self.place != Place::NONE
            && let Some(bulkhead) = &self.policy.bulkhead
        {
            bulkhead.cancel(std::mem::take(&mut self.place));
        }
    }

    /// Runs one attempt of an async body, given up at the nearest limit. The body is polled first; a timer is armed
    /// only when it is not ready.
    #[inline]
    pub fn attempt<F: Future>(&mut self, body: F) -> Attempt<'_, F> {
        self.begin_attempt();
        #[cfg(feature = "chaos")]
        self.begin_chaos();
        Attempt { call: self, body }
    }

    /// Runs one attempt of a sync body on this thread. It cannot be cut short; a result that comes after the limit
    /// is an error.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::Timeout`] or [`ResilienceError::DeadlineExceeded`] when the body took too long.
    #[inline]
    pub fn attempt_in_place<R>(&mut self, body: impl FnOnce() -> R) -> Result<R, ResilienceError> {
        self.begin_attempt();
        #[cfg(feature = "chaos")]
        if let Some(hit) = self.draw_chaos() {
            let (operation, clock) = (self.policy.operation, self.policy.context.clock.clone());
            let limit = self.limit_from(clock.now());
            let out = self.run_in_place(|| hit.suffer(operation, &clock, limit, body))?;
            return out.ok_or(ResilienceError::Injected { operation });
        }
        self.run_in_place(body)
    }

    #[inline]
    fn run_in_place<R>(&mut self, body: impl FnOnce() -> R) -> Result<R, ResilienceError> {
        if self.policy.timeout.is_none() && self.cut_at() == Moment::NEVER {
            self.stage = Stage::Running;
            let out = body();
            self.stage = Stage::Waiting;
            return Ok(out);
        }
        let began = self.now();
        let limit = self.limit_from(began);
        let ambient = limit.map(|limit| Ambient::enter(began.saturating_add(limit)));
        self.stage = Stage::Running;
        let out = body();
        self.stage = Stage::Waiting;
        drop(ambient);
        let took = self.now().since(began);
        match limit {
            Some(limit) if took > limit => Err(self.cut_off(limit, took)),
            _ => Ok(out),
        }
    }

    /// Runs one attempt of a sync body on a worker thread and waits for it until the nearest limit. A body that is
    /// given up runs on to its end; its result is dropped there.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::Timeout`], [`ResilienceError::DeadlineExceeded`], or [`ResilienceError::QueueTimeout`]
    /// when no worker thread could be had.
    pub fn attempt_on_thread<R: CrossesThreads, F: FnOnce() -> R>(
        &mut self,
        body: F,
    ) -> Result<R, ResilienceError>
    where
        Body<F>: CrossesThreads,
    {
        let began = self.now();
        let Some(limit) = self.limit_from(began) else { return self.attempt_in_place(body) };
        self.begin_attempt();
        let body = Body(body);
        #[cfg(feature = "chaos")]
        if let Some(hit) = self.draw_chaos() {
            let (operation, clock) = (self.policy.operation, self.policy.context.clock.clone());
            let suffers = move || hit.suffer(operation, &clock, Some(limit), || body.run());
            let out = self.run_on_thread(began, limit, suffers)?;
            return out.ok_or(ResilienceError::Injected { operation });
        }
        self.run_on_thread(began, limit, move || body.run())
    }

    fn run_on_thread<R: Send + 'static>(
        &mut self,
        began: Moment,
        limit: Duration,
        body: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, ResilienceError> {
        let surroundings = Surroundings::capture();
        let until = began.saturating_add(limit);
        // Given back when the work really ends.
        let slot = self.take_slot();
        self.stage = Stage::Running;
        let outcome = WORKERS.run(limit, move || {
            let _slot = slot;
            surroundings.within(until, body)
        });
        let panicked = matches!(outcome, pool::Outcome::Panicked(_));
        self.stage = if panicked { Stage::Running } else { Stage::Waiting };
        match outcome {
            pool::Outcome::Done(out) => {
                // A test's clock may say it was late although no real time passed.
                let took = self.now().since(began);
                if took > limit { Err(self.cut_off(limit, took)) } else { Ok(out) }
            }
            pool::Outcome::Late => {
                let took = self.now().since(began).max(limit);
                Err(self.cut_off(limit, took))
            }
            pool::Outcome::Panicked(payload) => std::panic::resume_unwind(payload),
            pool::Outcome::Refused => {
                self.attempts -= 1;
                let operation = self.policy.operation;
                Err(ResilienceError::QueueTimeout { operation, workers: pool::MAX_WORKERS })
            }
        }
    }

    /// Records how the attempt ended. `Some` is the wait before the next attempt; with `None` the call has ended
    /// and `out` is its answer.
    #[inline]
    pub fn settle<R>(
        &mut self,
        out: &Result<R, ResilienceError>,
        judge: impl FnOnce(&R) -> Verdict,
    ) -> Option<Duration> {
        self.leave();
        // Not by way of `record`: the healthy path carries no `End`.
        let end = match out {
            Ok(answer) => {
                let verdict = self.judge(answer, judge);
                if self.is_success(verdict) {
                    self.succeeded();
                    return None;
                }
                self.record_failure(verdict)
            }
            Err(error) => self.record_error(error),
        };
        let took = self.took();
        self.go_on(end, took)
    }

    /// Runs attempts beside each other, each a `lane`: the next one starts when those before it take too long. The first
    /// good answer wins and the others are dropped; when all are bad, the first one's is the answer.
    pub async fn hedge<T, F, Fut>(&mut self, mut lane: F) -> (Result<T, ResilienceError>, Concluded)
    where
        F: FnMut(Self) -> Fut,
        Fut: Future<Output = (Result<T, ResilienceError>, Concluded)>,
    {
        self.asked = self.asked.saturating_add(1);
        if let Some(breaker) = &self.policy.breaker
            && self.policy.breaker_per_call
            && self.ticket.is_none()
        {
            match breaker.acquire() {
                Ok(ticket) => self.ticket = Some(ticket),
                Err(refused) => {
                    let end = self.record_refusal(&refused);
                    return (Err(refused), Concluded { end, took: None });
                }
            }
        }
        let seed = Seed {
            policy: self.policy.clone(),
            // Each counts itself when it is admitted.
            asked: self.asked - 1,
            attempts: self.attempts,
            deadline: self.deadline,
            deadline_is_own: self.deadline_is_own,
            paid: self.paid,
        };
        let policy = self.policy.clone();
        let hedging = policy.hedge.as_ref();
        let (delay, max_hedges) = hedging.map_or((Duration::MAX, 0), Hedging::plan);
        let measured = hedging.filter(|hedging| hedging.delay == HedgeDelay::P95);
        let began = if measured.is_some() { self.now() } else { Moment::NEVER };
        let started = AtomicU32::new(0);
        let mut before = began;
        let race = Hedged::new(
            delay,
            max_hedges,
            |number| {
                let lane = lane(seed.lane(number, &mut before));
                started.fetch_add(1, Ordering::Relaxed);
                async {
                    let (out, concluded) = lane.await;
                    if concluded.end.is_before() {
                        started.fetch_sub(1, Ordering::Relaxed);
                    }
                    (out, concluded)
                }
            },
            || seed.has_time() && policy.pays_for_another(),
        );
        let mut race = std::pin::pin!(race);
        let Self { attempts, stage, .. } = self;
        let counted = Counted { attempts, started: &started };
        let (out, concluded) = poll_fn(|cx| {
            *stage = Stage::Running;
            let polled = race.as_mut().poll(cx);
            *stage = Stage::Waiting;
            polled
        })
        .await;
        drop(counted);
        if let (Some(hedging), End::Succeeded) = (measured, concluded.end) {
            hedging.latency.record(self.now().since(began));
        }
        (out, concluded)
    }

    /// Records how one attempt of a hedged call ended.
    pub fn conclude<R>(
        &mut self,
        out: &Result<R, ResilienceError>,
        judge: impl FnOnce(&R) -> Verdict,
    ) -> Concluded {
        let end = self.record(out, judge);
        self.ended = Some(StopReason::Success);
        Concluded { end, took: self.took() }
    }

    /// What follows from how the attempts of a hedged call ended; see [`Execution::settle`].
    pub fn settle_hedged(&mut self, Concluded { end, took }: Concluded) -> Option<Duration> {
        if let End::Succeeded = end {
            self.return_ticket(Outcome::Success, took);
            self.end(StopReason::Success);
            return None;
        }
        self.go_on(end, took)
    }

    /// Tells the layers around the function how it went.
    fn record<R>(&mut self, out: &Result<R, ResilienceError>, judge: impl FnOnce(&R) -> Verdict) -> End {
        self.leave();
        match out {
            Ok(answer) => {
                let verdict = self.judge(answer, judge);
                if self.is_success(verdict) {
                    self.succeeded();
                    End::Succeeded
                } else {
                    self.record_failure(verdict)
                }
            }
            Err(error) => self.record_error(error),
        }
    }

    #[inline]
    fn judge<R>(&mut self, answer: &R, judge: impl FnOnce(&R) -> Verdict) -> Verdict {
        self.stage = Stage::Judging;
        let verdict = judge(answer);
        self.stage = Stage::Waiting;
        verdict
    }

    #[inline]
    fn is_success(&self, verdict: Verdict) -> bool {
        verdict.outcome == Outcome::Success && !self.timed_out
    }

    /// The library itself answered.
    #[cold]
    fn record_error(&mut self, error: &ResilienceError) -> End {
        if error.is_timeout() || error.is_injected() {
            self.record_failure(Verdict::FAILURE)
        } else if error.is_deadline_exceeded() {
            self.record_out_of_time()
        } else {
            self.record_refusal(error)
        }
    }

    /// Waits before the next attempt. Dropped meanwhile, the call is over.
    ///
    /// It waits on the attempts' timer, so that a future that may retry is no larger for it.
    pub fn pause(&mut self, delay: Duration) -> impl Future<Output = ()> {
        self.timer.disarm();
        let (mut yielded, at_once) = (false, delay.is_zero() || self.policy.context.clock.skip(delay));
        poll_fn(move |cx| {
            if !at_once {
                return self.timer.poll(cx, || delay).map(drop);
            }
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    /// Waits before the next attempt, on this thread.
    pub fn pause_blocking(&mut self, delay: Duration) {
        if !delay.is_zero() {
            self.policy.context.clock.sleep_blocking(delay);
        }
    }

    /// Whether the fallback should answer; tells that it does.
    pub fn wants_fallback(&mut self) -> bool {
        let wants = self.ended != Some(StopReason::Success);
        if wants {
            self.tell(|| EventKind::FallbackUsed);
        }
        wants
    }

    /// Whether the call failed because no attempts were left.
    pub fn exhausted(&self) -> bool {
        self.policy.retry.is_some() && self.ended == Some(StopReason::Attempts)
    }

    pub(crate) fn operation(&self) -> &'static str {
        self.policy.operation
    }

    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The slot in the bulkhead, as something that gives itself back.
    fn take_slot(&mut self) -> Option<BulkheadSlot> {
        let place = std::mem::take(&mut self.place);
        let bulkhead = self.policy.bulkhead.as_ref()?;
        place.is_entered().then(|| BulkheadSlot(Arc::clone(bulkhead)))
    }

    #[inline]
    fn begin_attempt(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
        self.timer.disarm();
        self.timed_out = false;
        if self.policy.measures || self.policy.context.events.heard() {
            self.attempt_began = self.now();
        }
    }

    fn limit_from(&self, now: Moment) -> Option<Duration> {
        nearest_limit(&self.policy, self.cut_at(), now, self.queued)
    }

    /// The deadline, where the function can be cut off or refused at it. One that cannot keeps to it with its waits
    /// alone.
    #[inline]
    fn cut_at(&self) -> Moment {
        if self.deadline == Moment::NEVER || self.policy.can_refuse { self.deadline } else { Moment::NEVER }
    }

    /// The attempt passed `limit`: whose was it?
    #[cold]
    fn cut_off(&mut self, limit: Duration, elapsed: Duration) -> ResilienceError {
        self.timed_out = true;
        let operation = self.policy.operation;
        self.tell(|| EventKind::AttemptTimedOut { attempt: self.attempts, limit });
        let queued = Duration::from_nanos(self.queued);
        match self.policy.timeout {
            Some(timeout) if timeout <= limit.saturating_add(queued) => {
                let elapsed = elapsed.saturating_add(queued);
                ResilienceError::Timeout { operation, limit: timeout, elapsed }
            }
            _ => self.deadline_exceeded(),
        }
    }

    fn deadline_exceeded(&self) -> ResilienceError {
        let limit = self.policy.deadline.filter(|_| self.deadline_is_own);
        ResilienceError::DeadlineExceeded { operation: self.policy.operation, limit }
    }

    #[inline(always)]
    fn succeeded(&mut self) {
        self.ended = Some(StopReason::Success);
        if let Some(budget) = &self.policy.budget {
            if self.paid {
                budget.refund();
            } else if self.asked == 1 {
                budget.deposit(|| self.now());
            }
        }
        if self.attempt_began == Moment::NEVER {
            self.return_ticket(Outcome::Success, None);
        } else {
            self.tell_success();
        }
    }

    #[cold]
    fn tell_success(&mut self) {
        let (took, attempt, heard) = (self.took(), self.attempts, self.policy.context.events.heard());
        if heard {
            self.tell(|| EventKind::AttemptSucceeded { attempt, took });
        }
        self.return_ticket(Outcome::Success, took);
        self.sample(took, true);
        if heard && !self.is_lane {
            self.tell(|| EventKind::Finished { attempts: attempt, reason: StopReason::Success });
        }
    }

    /// An attempt ran and did not succeed.
    #[cold]
    fn record_failure(&mut self, verdict: Verdict) -> End {
        let Verdict { outcome, retry, .. } = verdict;
        // A cut-off attempt whose error reads as a success by the author's rules is a failure still.
        let outcome = if outcome == Outcome::Success { Outcome::Failure } else { outcome };
        let took = self.took();
        let attempt = self.attempts;
        if outcome == Outcome::Ignored {
            self.tell(|| EventKind::AttemptIgnored { attempt });
        } else {
            let class = if retry { Class::Transient } else { Class::Permanent };
            self.tell(|| EventKind::AttemptFailed { attempt, class, took });
        }
        if !self.policy.breaker_per_call {
            self.return_ticket(outcome, took);
        }
        self.sample(took, outcome == Outcome::Ignored && !self.timed_out);
        End::Failed(Verdict { outcome, ..verdict })
    }

    /// The deadline passed, before an attempt or in the middle of one.
    #[cold]
    fn record_out_of_time(&mut self) -> End {
        let took = self.took();
        if self.timed_out {
            self.sample(took, false);
        }
        let outcome = if self.timed_out { Outcome::Failure } else { Outcome::Ignored };
        self.return_ticket(outcome, took);
        End::OutOfTime { cut_off: self.timed_out }
    }

    /// A layer refused the attempt.
    #[cold]
    fn record_refusal(&mut self, error: &ResilienceError) -> End {
        if !self.policy.breaker_per_call {
            self.return_ticket(Outcome::Ignored, None);
        }
        let (kind, retry_after) = (error.kind(), error.retry_after());
        self.tell(|| EventKind::Refused { kind, retry_after });
        End::Refused { kind, retry_after }
    }

    /// The wait before another attempt; `None` when the call has ended.
    #[cold]
    fn go_on(&mut self, end: End, took: Option<Duration>) -> Option<Duration> {
        let (outcome, next) = match end {
            End::Succeeded => return None,
            End::Failed(Verdict { outcome, retry, hint }) => {
                (outcome, self.next_delay(retry, hint.max(self.open_time())))
            }
            End::OutOfTime { cut_off } => {
                let outcome = if cut_off { Outcome::Failure } else { Outcome::Ignored };
                (outcome, Err(StopReason::Deadline))
            }
            End::Refused { kind, retry_after } => {
                let again = self.policy.retry_on_open && kind == ErrorKind::CircuitOpen;
                let next = if again { self.next_delay(true, retry_after) } else { Err(StopReason::Refused) };
                (Outcome::Ignored, next)
            }
        };
        match next {
            Ok(delay) => Some(self.try_again_after(delay)),
            Err(reason) => {
                self.return_ticket(outcome, took);
                self.end(reason);
                None
            }
        }
    }

    /// How long the breaker stays open, where the author wants that waited for.
    fn open_time(&self) -> Option<Duration> {
        let breaker = self.policy.breaker.as_ref().filter(|_| self.policy.retry_on_open)?;
        Some(breaker.retry_after()).filter(|span| !span.is_zero() && *span <= LONGEST_HINT)
    }

    /// The wait before another attempt, or the first reason why there is none.
    fn next_delay(&mut self, retryable: bool, hint: Option<Duration>) -> Result<Duration, StopReason> {
        let limited = self.deadline != Moment::NEVER;
        let now = if limited { self.now() } else { Moment::ZERO };
        if limited && now >= self.deadline {
            return Err(StopReason::Deadline);
        }
        if !retryable {
            return Err(StopReason::NotRetryable);
        }
        let Some(retry) = self.policy.retry.as_ref().filter(|retry| self.asked < retry.max_attempts) else {
            return Err(StopReason::Attempts);
        };
        let delay = self.fitting_delay(retry, now, hint);
        // Paid for once it is sure to be used; but that the budget is empty is told first.
        let affords = |budget: &Arc<BudgetCore>| budget.affords(|| self.now());
        match delay {
            Err(reason) if self.policy.budget.as_ref().is_none_or(affords) => Err(reason),
            _ if !self.policy.pays_for_another() => Err(StopReason::Budget),
            delay => {
                self.paid = self.policy.budget.is_some();
                delay
            }
        }
    }

    fn fitting_delay(
        &self,
        retry: &Retry,
        now: Moment,
        hint: Option<Duration>,
    ) -> Result<Duration, StopReason> {
        let limited = self.deadline != Moment::NEVER;
        if hint.is_some_and(|hint| hint > LONGEST_HINT) {
            return Err(StopReason::DelayTooLong);
        }
        let context = &self.policy.context;
        let delay =
            retry.delay(self.asked.saturating_sub(1), Duration::from_nanos(self.last_delay), context.luck());
        let delay = retry::at_least(delay, hint, context.luck());
        if limited && now.saturating_add(delay) >= self.deadline {
            return Err(StopReason::DelayTooLong);
        }
        Ok(delay)
    }

    fn try_again_after(&mut self, delay: Duration) -> Duration {
        self.last_delay = nanos(delay);
        self.timed_out = false;
        self.attempt_began = Moment::NEVER;
        self.tell(|| EventKind::RetryScheduled { attempt: self.attempts, delay });
        delay
    }

    fn end(&mut self, reason: StopReason) {
        self.ended = Some(reason);
        if !self.is_lane {
            self.tell(|| EventKind::Finished { attempts: self.attempts, reason });
        }
    }

    #[inline]
    fn return_ticket(&mut self, outcome: Outcome, took: Option<Duration>) {
        if let Some(ticket) = self.ticket.take()
            && let Some(breaker) = &self.policy.breaker
        {
            breaker.record(ticket, outcome, took);
        }
    }

    fn sample(&self, took: Option<Duration>, ok: bool) {
        if let (Some(health), Some(took)) = (&self.policy.health, took)
            && let Some((from, to)) = health.record(took, ok)
        {
            self.tell(|| EventKind::ServiceHealthChanged { service: health.name(), from, to });
        }
    }

    #[inline]
    fn took(&self) -> Option<Duration> {
        (self.attempt_began != Moment::NEVER).then(|| self.now().since(self.attempt_began))
    }

    fn now(&self) -> Moment {
        self.policy.context.clock.now()
    }

    fn tell(&self, kind: impl FnOnce() -> EventKind) {
        let events = &self.policy.context.events;
        if events.could_be_heard() {
            events.tell(self.policy.operation, kind());
        }
    }

    #[cold]
    fn dropped(&mut self) {
        self.leave();
        let took = self.took();
        let (outcome, reason) = match self.stage {
            Stage::Running => (Outcome::Failure, StopReason::Panicked),
            // The function did its part; it is the author's rule that panicked.
            Stage::Judging => (Outcome::Abandoned, StopReason::Panicked),
            // Cut off, and then its destructor panicked: the time limit was passed all the same.
            Stage::Waiting if self.timed_out => (Outcome::Failure, StopReason::Panicked),
            Stage::Waiting => (Outcome::Abandoned, StopReason::Cancelled),
        };
        self.return_ticket(outcome, took);
        if outcome == Outcome::Failure {
            self.sample(took, false);
        }
        self.end(reason);
    }
}

/// The nearest limit of an attempt at `now`, which has waited for `queued` nanoseconds.
fn nearest_limit(policy: &Policy, deadline: Moment, now: Moment, queued: u64) -> Option<Duration> {
    let left = (deadline != Moment::NEVER).then(|| deadline.since(now));
    let timeout = policy.timeout.map(|timeout| timeout.saturating_sub(Duration::from_nanos(queued)));
    match (timeout, left) {
        (Some(timeout), Some(left)) => Some(timeout.min(left)),
        (one, other) => one.or(other),
    }
}

/// A body on its way to a worker thread. The bound is on this and not on the closure, which the compiler would
/// propose to call.
#[derive(Debug)]
pub struct Body<F>(F);

impl<R, F: FnOnce() -> R> Body<F> {
    fn run(self) -> R {
        (self.0)()
    }
}

/// A wait for the bulkhead.
#[derive(Debug)]
struct Wait {
    since: Moment,
    limit: Option<Duration>,
}

/// Adds the attempts of a race to its call's, also when it is dropped or panics.
struct Counted<'c> {
    attempts: &'c mut u32,
    started: &'c AtomicU32,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        *self.attempts = self.attempts.saturating_add(self.started.load(Ordering::Relaxed));
    }
}

/// What the attempts of a hedged call begin with.
#[derive(Debug)]
struct Seed {
    policy: PolicyRef,
    asked: u32,
    attempts: u32,
    deadline: Moment,
    deadline_is_own: bool,
    paid: bool,
}

impl Seed {
    /// The attempt `number` of those that run beside each other, from 0; the one before it began at `before`.
    fn lane(&self, number: u32, before: &mut Moment) -> Execution {
        let attempts = self.attempts.saturating_add(number);
        if self.policy.context.events.could_be_heard() {
            let now = self.policy.context.clock.now();
            let after = now.since(std::mem::replace(before, now));
            if number > 0 {
                let kind = EventKind::HedgeStarted { attempt: attempts.saturating_add(1), after };
                self.policy.context.events.tell(self.policy.operation, kind);
            }
        }
        let mut lane = Execution::new(self.policy.clone(), self.deadline, self.deadline_is_own);
        lane.asked = self.asked;
        lane.attempts = attempts;
        lane.paid = number > 0 || self.paid;
        lane.is_lane = true;
        lane
    }

    /// A function that cannot be cut off may outlive the deadline; no hedge starts then.
    fn has_time(&self) -> bool {
        self.deadline == Moment::NEVER || self.policy.context.clock.now() < self.deadline
    }
}

/// A slot that was taken along by the work.
#[derive(Debug)]
struct BulkheadSlot(Arc<BulkheadCore>);

impl Drop for BulkheadSlot {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl<T> Answer for (Result<T, ResilienceError>, Concluded) {
    fn judged(&self) -> Judged {
        match self.1.end {
            End::Succeeded => Judged::Good,
            End::Failed(Verdict { retry: true, hint, .. }) => {
                Judged::Bad { next_in: Some(hint.unwrap_or_default()) }
            }
            End::Failed(_) | End::OutOfTime { .. } => Judged::Final,
            // The next one would be refused as well.
            End::Refused { .. } => Judged::Bad { next_in: None },
        }
    }
}

impl Drop for Execution {
    #[inline]
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.dropped();
        }
    }
}

pin_project! {
    /// One attempt of an async body.
    #[must_use = "futures do nothing unless awaited"]
    #[derive(Debug)]
    pub struct Attempt<'c, F> {
        call: &'c mut Execution,
        #[pin]
        body: F,
    }
}

impl<F: Future> Future for Attempt<'_, F> {
    type Output = Result<F::Output, ResilienceError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let call = &mut **this.call;
        #[cfg(feature = "chaos")]
        if !call.chaos.is_over()
            && let Err(instead) = std::task::ready!(call.poll_chaos(cx))
        {
            return Poll::Ready(Err(instead));
        }
        let cut_at = call.cut_at();
        let ambient = (cut_at != Moment::NEVER).then(|| Ambient::enter(cut_at));
        call.stage = Stage::Running;
        let polled = this.body.poll(cx);
        call.stage = Stage::Waiting;
        drop(ambient);
        match polled {
            Poll::Ready(out) => Poll::Ready(Ok(out)),
            Poll::Pending if call.policy.timeout.is_none() && cut_at == Moment::NEVER => Poll::Pending,
            Poll::Pending => call.poll_limit(cx).map(Err),
        }
    }
}

#[cfg(feature = "chaos")]
impl Execution {
    /// What the attempt that begins has to suffer; tells of it.
    fn draw_chaos(&self) -> Option<crate::chaos::Hit> {
        let (operation, context) = (self.policy.operation, &self.policy.context);
        let hit = context.chaos.draw(operation, self.policy.can_refuse, || context.luck())?;
        for fault in hit.faults() {
            self.tell(|| EventKind::FaultInjected { attempt: self.attempts, fault });
        }
        Some(hit)
    }

    fn begin_chaos(&mut self) {
        let hit = self.draw_chaos();
        self.chaos.begin(hit);
    }

    /// Ready when the function's turn has come, or with the error in its place.
    fn poll_chaos(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), ResilienceError>> {
        let limit = self.limit_from(self.now());
        let (operation, clock) = (self.policy.operation, &self.policy.context.clock);
        // A panic in here is the function's.
        self.stage = Stage::Running;
        let suffered = self.chaos.poll(cx, operation, clock, limit);
        self.stage = Stage::Waiting;
        match (suffered, limit) {
            (Poll::Ready(Suffered::Over), _) => Poll::Ready(Ok(())),
            (Poll::Ready(Suffered::Failed), _) => Poll::Ready(Err(ResilienceError::Injected { operation })),
            (Poll::Ready(Suffered::PassedLimit), Some(limit)) => Poll::Ready(Err(self.cut_off(limit, limit))),
            (_, Some(_)) => self.poll_limit(cx).map(Err),
            (_, None) => Poll::Pending,
        }
    }
}

impl Execution {
    /// Ready with the error once the nearest limit has passed.
    fn poll_limit(&mut self, cx: &mut TaskContext<'_>) -> Poll<ResilienceError> {
        let cut_at = self.cut_at();
        let Self { timer, policy, queued, .. } = self;
        let limit = timer.poll(cx, || {
            let now = if cut_at == Moment::NEVER { Moment::ZERO } else { policy.context.clock.now() };
            nearest_limit(policy, cut_at, now, *queued).unwrap_or(Duration::MAX)
        });
        limit.map(|limit| self.cut_off(limit, limit))
    }
}
