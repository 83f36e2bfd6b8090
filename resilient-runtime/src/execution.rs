//! One call: admitted, attempted, judged, and perhaps tried again. It performs no I/O of its own; the expansion
//! drives it from inside the user's function.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use crate::breaker::Ticket;
use crate::clock::{Moment, nanos};
use crate::error::ResilienceError;
use crate::event::EventKind;
use crate::outcome::{Class, Outcome, Verdict};
use crate::policy::Policy;
use crate::reason::StopReason;
use crate::retry::{self, LONGEST_HINT};
use crate::runtime::{Surroundings, WORKERS};
use crate::site::{PolicyRef, Site};
use crate::timeout::{self, Ambient, CrossesThreads, Timer, pool};

/// One call of a guarded function. Dropping it, at any point, gives back whatever it holds.
#[derive(Debug)]
pub struct Execution {
    policy: PolicyRef,
    /// Attempts that the layers were asked for.
    asked: u32,
    /// Those of them that no layer refused: real ones.
    attempts: u32,
    ticket: Option<Ticket>,
    /// [`Moment::NEVER`] when the call has all the time in the world.
    deadline: Moment,
    /// It is the function's own, not one around the call.
    deadline_is_own: bool,
    /// [`Moment::NEVER`] while nobody wants to know.
    attempt_began: Moment,
    /// In nanoseconds.
    last_delay: u64,
    timer: Timer,
    stage: Stage,
    /// The last attempt was cut off, whatever its result was turned into.
    timed_out: bool,
    ended: Option<StopReason>,
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

impl Execution {
    /// Begins a call of the function at `site`.
    #[inline]
    pub fn enter(site: &'static Site) -> Self {
        Self::begin(site.policy())
    }

    /// Begins a call that follows `policy`.
    #[inline]
    pub(crate) fn begin(policy: PolicyRef) -> Self {
        let around = timeout::current_deadline();
        let (deadline, deadline_is_own) = match policy.deadline {
            None if around == Moment::NEVER => (Moment::NEVER, false),
            own => Self::begin_deadline(&policy, own, around),
        };
        Self {
            policy,
            asked: 0,
            attempts: 0,
            ticket: None,
            deadline,
            deadline_is_own,
            attempt_began: Moment::NEVER,
            last_delay: 0,
            timer: Timer::default(),
            stage: Stage::Waiting,
            timed_out: false,
            ended: None,
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
    #[inline]
    pub fn admit(&mut self) -> Result<(), ResilienceError> {
        if self.cut_at() != Moment::NEVER && self.now() >= self.deadline {
            return Err(self.deadline_exceeded());
        }
        self.asked = self.asked.saturating_add(1);
        if let Some(breaker) = &self.policy.breaker
            && self.ticket.is_none()
        {
            self.ticket = Some(breaker.acquire()?);
        }
        self.attempts = self.attempts.saturating_add(1);
        Ok(())
    }

    /// Runs one attempt of an async body, given up at the nearest limit. The body is polled first; a timer is armed
    /// only when it is not ready.
    #[inline]
    pub fn attempt<F: Future>(&mut self, body: F) -> Attempt<'_, F> {
        self.begin_attempt();
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
        let (surroundings, body) = (Surroundings::capture(), Body(body));
        let until = began.saturating_add(limit);
        self.stage = Stage::Running;
        let outcome = WORKERS.run(limit, move || surroundings.within(until, || body.run()));
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
            pool::Outcome::Refused => Err(ResilienceError::QueueTimeout {
                operation: self.policy.operation,
                workers: pool::MAX_WORKERS,
            }),
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
        match out {
            Ok(answer) => {
                self.stage = Stage::Judging;
                let verdict = judge(answer);
                self.stage = Stage::Waiting;
                if verdict.outcome == Outcome::Success && !self.timed_out {
                    self.succeeded();
                    None
                } else {
                    self.failed(verdict)
                }
            }
            Err(error) if error.is_timeout() => self.failed(Verdict::FAILURE),
            Err(error) if error.is_deadline_exceeded() => self.out_of_time(),
            Err(error) => self.refused(error),
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

    #[inline]
    fn begin_attempt(&mut self) {
        self.timer.disarm();
        self.timed_out = false;
        if self.policy.measures || self.policy.context.events.heard() {
            self.attempt_began = self.now();
        }
    }

    fn limit_from(&self, now: Moment) -> Option<Duration> {
        nearest_limit(&self.policy, self.cut_at(), now)
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
        match self.policy.timeout {
            Some(timeout) if timeout <= limit => ResilienceError::Timeout { operation, limit, elapsed },
            _ => self.deadline_exceeded(),
        }
    }

    fn deadline_exceeded(&self) -> ResilienceError {
        let limit = self.policy.deadline.filter(|_| self.deadline_is_own);
        ResilienceError::DeadlineExceeded { operation: self.policy.operation, limit }
    }

    #[inline]
    fn succeeded(&mut self) {
        self.ended = Some(StopReason::Success);
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
        if heard {
            self.tell(|| EventKind::Finished { attempts: attempt, reason: StopReason::Success });
        }
    }

    /// An attempt ran and did not succeed.
    #[cold]
    fn failed(&mut self, verdict: Verdict) -> Option<Duration> {
        let Verdict { outcome, retry, hint } = verdict;
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
        match self.next_delay(retry, hint.max(self.open_time())) {
            Ok(delay) => Some(self.try_again_after(delay)),
            Err(reason) => {
                self.return_ticket(outcome, took);
                self.end(reason);
                None
            }
        }
    }

    /// The deadline passed, before an attempt or in the middle of one.
    #[cold]
    fn out_of_time(&mut self) -> Option<Duration> {
        let took = self.took();
        if self.timed_out {
            self.sample(took, false);
        }
        let outcome = if self.timed_out { Outcome::Failure } else { Outcome::Ignored };
        self.return_ticket(outcome, took);
        self.end(StopReason::Deadline);
        None
    }

    /// A layer refused the attempt.
    #[cold]
    fn refused(&mut self, error: &ResilienceError) -> Option<Duration> {
        if !self.policy.breaker_per_call {
            self.return_ticket(Outcome::Ignored, None);
        }
        let retry_after = error.retry_after();
        self.tell(|| EventKind::Refused { kind: error.kind(), retry_after });
        let again = self.policy.retry_on_open && error.is_circuit_open();
        let reason = if again {
            match self.next_delay(true, retry_after) {
                Ok(delay) => return Some(self.try_again_after(delay)),
                Err(reason) => reason,
            }
        } else {
            StopReason::Refused
        };
        self.return_ticket(Outcome::Ignored, None);
        self.end(reason);
        None
    }

    /// How long the breaker stays open, where the author wants that waited for.
    fn open_time(&self) -> Option<Duration> {
        let breaker = self.policy.breaker.as_ref().filter(|_| self.policy.retry_on_open)?;
        Some(breaker.retry_after()).filter(|span| !span.is_zero() && *span <= LONGEST_HINT)
    }

    /// The wait before another attempt, or the first reason why there is none.
    fn next_delay(&self, retryable: bool, hint: Option<Duration>) -> Result<Duration, StopReason> {
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
        self.tell(|| EventKind::Finished { attempts: self.attempts, reason });
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

/// The nearest limit of an attempt that begins at `now`.
fn nearest_limit(policy: &Policy, deadline: Moment, now: Moment) -> Option<Duration> {
    let left = (deadline != Moment::NEVER).then(|| deadline.since(now));
    match (policy.timeout, left) {
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

impl Execution {
    /// Ready with the error once the nearest limit has passed.
    fn poll_limit(&mut self, cx: &mut TaskContext<'_>) -> Poll<ResilienceError> {
        let cut_at = self.cut_at();
        let Self { timer, policy, .. } = self;
        let limit = timer.poll(cx, || {
            let now = if cut_at == Moment::NEVER { Moment::ZERO } else { policy.context.clock.now() };
            nearest_limit(policy, cut_at, now).unwrap_or(Duration::MAX)
        });
        limit.map(|limit| self.cut_off(limit, limit))
    }
}
