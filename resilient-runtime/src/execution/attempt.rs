//! One attempt: the function is called, and given up at the nearest limit.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::{Body, Execution, Stage};
#[cfg(feature = "chaos")]
use crate::chaos::Suffered;
use crate::clock::Moment;
use crate::error::ResilienceError;
use crate::event::EventKind;
use crate::policy::Policy;
use crate::runtime::{Surroundings, WORKERS};
use crate::timeout::{Ambient, CrossesThreads, pool};

#[allow(
    clippy::inline_always,
    reason = "measured: left to itself, the compiler makes calls of what the healthy path is"
)]
impl Execution {
    /// Runs one attempt of an async body, given up at the nearest limit. The body is polled first; a timer is armed
    /// only when it is not ready.
    #[cfg_attr(not(debug_assertions), inline(always))]
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
    #[cfg_attr(not(debug_assertions), inline(always))]
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

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn run_in_place<R>(&mut self, body: impl FnOnce() -> R) -> Result<R, ResilienceError> {
        let timing = if self.is_unlimited() { None } else { Some(self.begin_timing()) };
        self.stage = Stage::Running;
        let out = {
            let _in = self.spans.enter();
            body()
        };
        self.stage = Stage::Waiting;
        match timing {
            None => Ok(out),
            Some(timing) => self.end_timing(timing).map(|()| out),
        }
    }

    /// Nothing cuts an attempt off.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn is_unlimited(&self) -> bool {
        self.policy.timeout.is_none() && (self.quick || self.cut_at() == Moment::NEVER)
    }

    #[inline(never)]
    fn begin_timing(&self) -> Timing {
        let began = self.now();
        let limit = self.limit_from(began);
        Timing { began, limit, ambient: limit.map(|limit| Ambient::enter(began.saturating_add(limit))) }
    }

    #[inline(never)]
    fn end_timing(&mut self, Timing { began, limit, ambient }: Timing) -> Result<(), ResilienceError> {
        drop(ambient);
        let took = self.now().since(began);
        match limit {
            Some(limit) if took > limit => Err(self.cut_off(limit, took)),
            _ => Ok(()),
        }
    }

    /// See [`Execution::attempt_on_thread`], which has the bounds where the compiler names them well.
    pub(super) fn on_thread<R: CrossesThreads, F: FnOnce() -> R>(
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
        let surroundings = {
            let _in = self.spans.enter();
            Surroundings::capture()
        };
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

    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn begin_attempt(&mut self) {
        if self.quick {
            self.attempts = 1;
        } else {
            self.begin_watched_attempt();
        }
    }

    fn begin_watched_attempt(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
        self.timer.disarm();
        self.timed_out = false;
        self.spans.begin_attempt(self.attempts);
        if self.policy.measures || self.policy.context.events.heard() {
            self.attempt_began = self.now();
        }
    }

    pub(super) fn limit_from(&self, now: Moment) -> Option<Duration> {
        nearest_limit(&self.policy, self.cut_at(), now, self.timer.time_queued())
    }

    /// The deadline, where the function can be cut off or refused at it. One that cannot keeps to it with its waits
    /// alone.
    #[inline]
    pub(super) fn cut_at(&self) -> Moment {
        if self.deadline == Moment::NEVER || self.policy.can_refuse { self.deadline } else { Moment::NEVER }
    }

    /// The attempt passed `limit`: whose was it?
    #[cold]
    pub(super) fn cut_off(&mut self, limit: Duration, elapsed: Duration) -> ResilienceError {
        (self.timed_out, self.quick) = (true, false);
        let operation = self.policy.operation;
        self.tell(|| EventKind::AttemptTimedOut { attempt: self.attempts, limit });
        let queued = self.timer.time_queued();
        match self.policy.timeout {
            Some(timeout) if timeout <= limit.saturating_add(queued) => {
                let elapsed = elapsed.saturating_add(queued);
                ResilienceError::Timeout { operation, limit: timeout, elapsed }
            }
            _ => self.deadline_exceeded(),
        }
    }

    pub(super) fn deadline_exceeded(&self) -> ResilienceError {
        let limit = self.policy.deadline.filter(|_| self.deadline_is_own);
        ResilienceError::DeadlineExceeded { operation: self.policy.operation, limit }
    }
}

/// An attempt on this thread that has a limit.
#[derive(Debug)]
struct Timing {
    began: Moment,
    limit: Option<Duration>,
    ambient: Option<Ambient>,
}

/// The nearest limit of an attempt at `now`, which has waited for `queued` in a queue.
pub(super) fn nearest_limit(
    policy: &Policy,
    deadline: Moment,
    now: Moment,
    queued: Duration,
) -> Option<Duration> {
    let left = (deadline != Moment::NEVER).then(|| deadline.since(now));
    let timeout = policy.timeout.map(|timeout| timeout.saturating_sub(queued));
    match (timeout, left) {
        (Some(timeout), Some(left)) => Some(timeout.min(left)),
        (one, other) => one.or(other),
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

#[allow(clippy::inline_always, reason = "as above")]
impl<F: Future> Future for Attempt<'_, F> {
    type Output = Result<F::Output, ResilienceError>;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let call = &mut **this.call;
        #[cfg(feature = "chaos")]
        match call.poll_chaos(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(instead)) => return Poll::Ready(Err(instead)),
            Poll::Pending => return Poll::Pending,
        }
        let polled = {
            let _lent = call.begin_turn();
            let _in = call.spans.enter();
            this.body.poll(cx)
        };
        call.stage = Stage::Waiting;
        match polled {
            Poll::Ready(out) => Poll::Ready(Ok(out)),
            Poll::Pending => match call.poll_limit(cx) {
                Poll::Ready(late) => Poll::Ready(Err(late)),
                Poll::Pending => Poll::Pending,
            },
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
        if self.chaos.is_over() {
            return Poll::Ready(Ok(()));
        }
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

#[allow(clippy::inline_always, reason = "as above")]
impl Execution {
    /// The body runs now; it sees the deadline it is under.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn begin_turn(&mut self) -> Option<Ambient> {
        self.stage = Stage::Running;
        if self.quick { None } else { self.lend_deadline() }
    }

    fn lend_deadline(&self) -> Option<Ambient> {
        let cut_at = self.cut_at();
        (cut_at != Moment::NEVER).then(|| Ambient::enter(cut_at))
    }

    /// Ready with the error once the nearest limit has passed; never where there is none.
    fn poll_limit(&mut self, cx: &mut TaskContext<'_>) -> Poll<ResilienceError> {
        if self.is_unlimited() {
            return Poll::Pending;
        }
        let cut_at = self.cut_at();
        let Self { timer, policy, .. } = self;
        let queued = timer.time_queued();
        let limit = timer.poll(cx, || {
            let now = if cut_at == Moment::NEVER { Moment::ZERO } else { policy.context.clock.now() };
            nearest_limit(policy, cut_at, now, queued).unwrap_or(Duration::MAX)
        });
        limit.map(|limit| self.cut_off(limit, limit))
    }
}
