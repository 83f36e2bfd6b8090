//! One call: admitted, attempted, judged, and perhaps tried again. It performs no I/O of its own; the expansion
//! drives it from inside the user's function.

mod admission;
mod attempt;
mod hedged;
#[cfg(feature = "stream")]
pub(crate) mod stream;

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

pub use attempt::Attempt;

use crate::breaker::Ticket;
use crate::bulkhead::Place;
use crate::clock::{Moment, nanos};
use crate::error::{ErrorKind, ResilienceError};
use crate::event::EventKind;
use crate::outcome::{Class, Outcome, Verdict};
use crate::policy::Policy;
use crate::reason::StopReason;
use crate::retry::{self, BudgetCore, LONGEST_HINT, Retry};
use crate::site::{PolicyRef, Site};
use crate::timeout::{self, CrossesThreads, Timer};

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

/// What `key = ..` may be.
#[diagnostic::on_unimplemented(
    message = "`key` takes something that has a text, and `{Self}` has none",
    label = "has no text to tell keys apart by",
    note = "write what the state belongs to, such as `key = user.id`, or implement `Display` for it"
)]
pub trait Key {
    /// Calls with the same text share their state.
    fn text(&self) -> String;
}

#[diagnostic::do_not_recommend]
impl<T: ToString + ?Sized> Key for T {
    fn text(&self) -> String {
        self.to_string()
    }
}

/// How an attempt ended, for the call it is a part of.
#[derive(Clone, Copy, Debug)]
pub struct Concluded {
    end: End,
    took: Option<Duration>,
    /// When a hedge may take its place, where one may.
    hedge_in: Option<Duration>,
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
    pub fn enter_keyed(site: &'static Site, key: &(impl Key + ?Sized)) -> Self {
        let policy = site.policy().of_key(&key.text());
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
        self.on_thread(body)
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
        // What did not reach the target has cost it nothing.
        if std::mem::take(&mut self.paid)
            && let Some(budget) = &self.policy.budget
        {
            budget.refund();
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
                let next = self.next_delay(retry, hint.max(self.open_time()));
                (outcome, next.map(|delay| if self.is_shut_for(delay) { Duration::ZERO } else { delay }))
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

    /// Whether the breaker is going to refuse an attempt after `delay`: then that need not be waited for.
    fn is_shut_for(&self, delay: Duration) -> bool {
        let Policy { breaker, breaker_per_call, retry_on_open, .. } = &*self.policy;
        let sees_attempts = !breaker_per_call && !retry_on_open;
        sees_attempts && breaker.as_ref().is_some_and(|breaker| breaker.retry_after() > delay)
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
        if let Some(budget) = &self.policy.budget
            && self.asked == 1
        {
            budget.earn(|| self.now());
        }
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

/// A body on its way to a worker thread. The bound is on this and not on the closure, which the compiler would
/// propose to call.
#[derive(Debug)]
pub struct Body<F>(F);

impl<R, F: FnOnce() -> R> Body<F> {
    fn run(self) -> R {
        (self.0)()
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
