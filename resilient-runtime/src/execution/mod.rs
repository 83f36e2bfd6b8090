//! One call: admitted, attempted, judged, and perhaps tried again. It performs no I/O of its own; the expansion
//! drives it from inside the user's function.

mod admission;
mod attempt;
mod hedged;
#[cfg(feature = "stream")]
pub(crate) mod stream;

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

pub use attempt::Attempt;

use crate::breaker::Ticket;
use crate::bulkhead::Place;
use crate::clock::Moment;
use crate::error::{ErrorKind, ResilienceError};
use crate::event::{EventKind, attempts_are_traced};
use crate::outcome::{Class, Outcome, Verdict};
use crate::policy::Policy;
use crate::policy_ref::{Held, PolicyRef};
use crate::reason::StopReason;
use crate::retry::{self, BudgetCore, LONGEST_HINT, Retry};
use crate::site::Site;
use crate::telemetry::outcome::Outcome as Ending;
use crate::telemetry::spans::{self, Spans};
use crate::timeout::{self, CrossesThreads, Timer};
use crate::unusual::all_is_usual;

/// One call of a guarded function. Dropping it, at any point, gives back whatever it holds.
///
/// Its order in memory is measured: in the one that the compiler chooses, flags that are read soon after they were written lie
/// such that a healthy call takes 4.4 ns more than a plain one instead of 2.9.
#[derive(Debug)]
#[repr(C)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Execution {
    policy: PolicyRef,
    ticket: Option<Ticket>,
    place: Place,
    timer: Timer,
    /// [`Moment::NEVER`] when the call has all the time in the world.
    deadline: Moment,
    /// [`Moment::NEVER`] while nobody wants to know.
    attempt_began: Moment,
    /// Attempts that the layers were asked for.
    asked: u32,
    /// Those of them that no layer refused: real ones.
    attempts: u32,
    /// Nothing but the breaker's and the budget's word is wanted of an attempt that succeeds.
    quick: bool,
    /// The deadline is the function's own, not one around the call.
    deadline_is_own: bool,
    /// The last attempt was cut off, whatever its result was turned into.
    timed_out: bool,
    /// The attempt under way was paid for from the retry budget.
    paid: bool,
    /// One of several attempts of a hedged call that run at the same time.
    is_lane: bool,
    stage: Stage,
    ended: Option<StopReason>,
    stand_in: StandIn,
    /// [`Moment::NEVER`] while nobody wants to know.
    #[cfg(feature = "metrics")]
    began: Moment,
    spans: Spans,
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

/// Whether a fallback may answer in the function's place. That it does belongs to what is told of the call's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StandIn {
    /// None that is known of; an attribute's is known to the policy.
    None,
    May,
    /// The call has failed, which is told once it is known whether the fallback answers.
    Decides {
        ignored: bool,
    },
}

// Only where the build is optimised: LLVM obeys `always` in a debug build as well, and a copy of the healthy path in each
// annotated function takes the user's compiler a tenth longer.
#[allow(
    clippy::inline_always,
    reason = "measured: left to itself, the compiler makes calls of what the healthy path is"
)]
impl Execution {
    /// Begins a call of the function at `site`.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn enter(site: &'static Site) -> Self {
        let kept = if all_is_usual() { site.kept() } else { None };
        match kept.filter(|policy| Self::is_plain(policy)) {
            None => Self::enter_slowly(site),
            Some(policy) => match Self::quick_ticket(policy) {
                Some(ticket) => Self::quick(PolicyRef::lasting(policy), ticket),
                None => Self::enter_shut(policy),
            },
        }
    }

    /// Begins a call that only the breaker itself can say something about.
    #[cold]
    fn enter_shut(policy: &'static Held) -> Self {
        Self::new(PolicyRef::lasting(policy), Moment::NEVER, false)
    }

    #[cold]
    fn enter_slowly(site: &'static Site) -> Self {
        Self::begin(site.policy())
    }

    /// Begins a call of the function at `site` on the state that belongs to `key`.
    pub fn enter_keyed(site: &'static Site, key: &(impl Key + ?Sized)) -> Self {
        let policy = site.policy().of_key(&key.text());
        Self::begin(PolicyRef::counted(policy))
    }

    /// Whether nothing but its breaker and its budget can matter to a call that begins now. The healthy path skips
    /// every other layer then.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn is_plain(policy: &Policy) -> bool {
        policy.plain && !timeout::is_limited() && !attempts_are_traced() && !spans::are_wanted()
    }

    /// What such a call begins with, unless its breaker has something to say.
    #[cfg_attr(not(debug_assertions), inline(always))]
    #[allow(clippy::option_option, reason = "a call without a breaker has no ticket")]
    fn quick_ticket(policy: &Policy) -> Option<Option<Ticket>> {
        match &policy.breaker {
            None => Some(None),
            Some(breaker) => breaker.acquire_quickly().map(Some),
        }
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn quick(policy: PolicyRef, ticket: Option<Ticket>) -> Self {
        let mut call = Self::new(policy, Moment::NEVER, false);
        (call.quick, call.asked, call.ticket) = (true, 1, ticket);
        call
    }

    /// Begins a call that follows `policy`.
    pub(crate) fn begin(policy: PolicyRef) -> Self {
        if Self::is_plain(&policy) && !policy.context.is_watched() {
            if let Some(ticket) = Self::quick_ticket(&policy) {
                return Self::quick(policy, ticket);
            }
        }
        let around = timeout::current_deadline();
        let (deadline, deadline_is_own) = match policy.deadline {
            None if around == Moment::NEVER => (Moment::NEVER, false),
            own => Self::begin_deadline(&policy, own, around),
        };
        #[cfg(feature = "metrics")]
        let began = if policy.context.events.heard() { policy.context.clock.now() } else { Moment::NEVER };
        let mut call = Self::new(policy, deadline, deadline_is_own);
        #[cfg(feature = "metrics")]
        (call.began = began);
        call.spans = Spans::begin(call.policy.operation);
        call
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
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
            timer: Timer::default(),
            quick: false,
            stage: Stage::Waiting,
            timed_out: false,
            paid: false,
            is_lane: false,
            ended: None,
            stand_in: StandIn::None,
            #[cfg(feature = "metrics")]
            began: Moment::NEVER,
            spans: Spans::NONE,
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
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn admit(&mut self) -> Result<(), ResilienceError> {
        if self.quick { Ok(()) } else { self.ask_the_layers() }
    }

    fn ask_the_layers(&mut self) -> Result<(), ResilienceError> {
        if self.cut_at() != Moment::NEVER && self.policy.context.clock.before(self.deadline) >= self.deadline
        {
            return Err(self.deadline_exceeded());
        }
        self.asked = self.asked.saturating_add(1);
        let _in = self.spans.enter();
        let Self { policy, ticket, is_lane, .. } = self;
        match &policy.breaker {
            Some(breaker) if ticket.is_none() && !(*is_lane && policy.breaker_per_call) => {
                *ticket = breaker.acquire_quickly();
                if ticket.is_some() {
                    return Ok(());
                }
                if let Some(refused) = breaker.refuse_at_a_look() {
                    return Err(refused);
                }
                breaker.ask_the_machine(|slow| *ticket = Some(slow))
            }
            _ => Ok(()),
        }
    }

    /// Whether the breaker's refusal is the end of the call, and nobody wants to hear of it.
    fn is_refused_quietly(&self) -> bool {
        !self.paid
            && !self.is_lane
            && !self.policy.retry_on_open
            && !self.policy.context.events.could_be_heard()
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

    /// The function has answered. What follows is somebody's rule about the answer.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn answered(&mut self) {
        // The slot is free before the rule is asked.
        self.leave();
        self.stage = Stage::Judging;
    }

    /// Records what the answer means; true when the call has ended with it. Otherwise a pause is due, and then another
    /// attempt.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn settle(&mut self, verdict: Verdict) -> bool {
        self.stage = Stage::Waiting;
        if self.quick && verdict.is_success() {
            self.succeed_quickly();
            return true;
        }
        self.settle_slowly(verdict)
    }

    #[inline(never)]
    fn settle_slowly(&mut self, verdict: Verdict) -> bool {
        let end = self.record_answer(verdict);
        self.settle_end(end)
    }

    /// [`Execution::settle`], where the library itself answered.
    #[cold]
    pub fn settle_refused(&mut self, refused: &ResilienceError) -> bool {
        if matches!(refused, ResilienceError::CircuitOpen { .. } | ResilienceError::Isolated { .. })
            && self.is_refused_quietly()
        {
            self.ended = Some(StopReason::Refused);
            return true;
        }
        self.leave();
        let end = self.record_error(refused);
        self.settle_end(end)
    }

    fn settle_end(&mut self, end: End) -> bool {
        let took = self.took();
        self.go_on(end, took)
    }

    /// Tells the layers around the function what its answer means.
    fn record_answer(&mut self, verdict: Verdict) -> End {
        if verdict.is_success() && !self.timed_out {
            self.succeeded();
            End::Succeeded
        } else {
            self.record_failure(verdict)
        }
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
    #[inline]
    pub fn pause(&mut self) -> Pause<'_> {
        Pause { call: self, stage: Pausing::Begins }
    }

    /// Waits before the next attempt, on this thread.
    pub fn pause_blocking(&mut self) {
        self.wait_blocking(self.timer.last_delay());
    }

    /// Waits on this thread.
    fn wait_blocking(&self, span: Duration) {
        if !span.is_zero() {
            self.policy.context.clock.sleep_blocking(span);
        }
    }

    /// The call has ended and holds nothing that is to be given back: it may be forgotten, which costs less than to
    /// drop it.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn is_spent(&self) -> bool {
        #[cfg(feature = "chaos")]
        if !self.chaos.is_over() {
            return false;
        }
        if !self.spans.are_none() {
            return false;
        }
        self.timer.is_idle() && self.ended.is_some() && self.policy.lasts()
    }

    /// What is left of the call goes.
    #[cold]
    pub fn end_call(self) {}

    /// Whether there is a fallback, where no attribute says so.
    #[inline]
    pub(crate) fn may_fall_back(&mut self, may: bool) {
        if may {
            self.stand_in = StandIn::May;
        }
    }

    /// Tells the end of a call for which something might have stood in.
    fn decide(&mut self, fallback: bool) {
        if let (StandIn::Decides { ignored }, Some(reason)) = (self.stand_in, self.ended) {
            self.stand_in = StandIn::None;
            self.tell_end(reason, ignored, fallback);
        }
    }

    /// Whether the fallback should answer; tells that it does.
    pub fn wants_fallback(&mut self) -> bool {
        let wants = self.ended != Some(StopReason::Success);
        if wants {
            self.decide(true);
            self.spans.fall_back();
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

    /// What [`Execution::succeeded`] comes to where nobody measures or listens.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn succeed_quickly(&mut self) {
        self.ended = Some(StopReason::Success);
        let policy = &*self.policy;
        if let Some(budget) = &policy.budget {
            budget.deposit(|| policy.context.clock.lately());
        }
        let breaker = policy.breaker.as_ref();
        if breaker.is_some_and(|breaker| !breaker.counts_success_of(self.ticket)) {
            self.return_ticket(Outcome::Success, None);
        }
    }

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
        self.spans.end_attempt(Ending::Success, None);
        if !self.is_lane {
            self.spans.end_call(StopReason::Success, self.attempts, false);
        }
    }

    fn tell_success(&mut self) {
        let (took, attempt, heard) = (self.took(), self.attempts, self.policy.context.events.heard());
        if heard {
            self.tell(|| EventKind::AttemptSucceeded { attempt, took });
        }
        self.return_ticket(Outcome::Success, took);
        self.sample(took, true);
        self.spans.end_attempt(Ending::Success, None);
        if heard && !self.is_lane {
            self.tell_finished(StopReason::Success, false, false);
        }
    }

    /// An attempt ran and did not succeed.
    #[cold]
    fn record_failure(&mut self, verdict: Verdict) -> End {
        // A cut-off attempt whose error reads as a success by the author's rules is a failure still.
        let verdict = if verdict.is_success() { Verdict::FAILURE.without_retry() } else { verdict };
        let outcome = verdict.outcome();
        let took = self.took();
        let attempt = self.attempts;
        if outcome == Outcome::Ignored {
            let class = || if verdict.retries() { Class::Contention } else { Class::Caller };
            self.tell(|| EventKind::AttemptIgnored { attempt, class: class() });
        } else {
            let class = if verdict.retries() { Class::Transient } else { Class::Permanent };
            self.tell(|| EventKind::AttemptFailed { attempt, class, took });
        }
        if !self.policy.breaker_per_call {
            self.return_ticket(outcome, took);
        }
        self.sample(took, outcome == Outcome::Ignored && !self.timed_out);
        let class = match (outcome, verdict.retries()) {
            (Outcome::Ignored, _) => None,
            _ if self.timed_out => Some(ErrorKind::Timeout.as_str()),
            (_, true) => Some("transient"),
            (_, false) => Some("permanent"),
        };
        let ending = if outcome == Outcome::Ignored { Ending::Ignored } else { Ending::Failure };
        self.spans.end_attempt(ending, class);
        End::Failed(verdict)
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
        self.spans.end_attempt(Ending::Failure, Some(ErrorKind::DeadlineExceeded.as_str()));
        End::OutOfTime { cut_off: self.timed_out }
    }

    /// A layer refused the attempt.
    #[cold]
    fn record_refusal(&mut self, error: &ResilienceError) -> End {
        if !self.policy.breaker_per_call {
            self.return_ticket(Outcome::Ignored, None);
        }
        // What did not reach the target has cost it nothing.
        let paid = mem::take(&mut self.paid);
        if let Some(budget) = self.policy.budget.as_ref().filter(|_| paid) {
            budget.refund();
        }
        let (kind, retry_after) = (error.kind(), error.retry_after());
        self.tell(|| EventKind::Refused { kind, retry_after });
        self.spans.refuse(kind);
        End::Refused { kind, retry_after }
    }

    /// Whether the call has ended; otherwise the wait before another attempt is known now.
    fn go_on(&mut self, end: End, took: Option<Duration>) -> bool {
        // A call that could not get past others has failed, though none of its attempts did.
        let ignored = matches!(end, End::Failed(verdict) if verdict.outcome() == Outcome::Ignored && !verdict.retries());
        let (outcome, next) = match end {
            End::Succeeded => return true,
            End::Failed(verdict) => {
                let next = self.next_delay(verdict.retries(), verdict.hint().max(self.open_time()));
                (
                    verdict.outcome(),
                    next.map(|delay| if self.is_shut_for(delay) { Duration::ZERO } else { delay }),
                )
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
            Ok(delay) => self.try_again_after(delay),
            Err(reason) => {
                self.return_ticket(outcome, took);
                debug_assert!(!self.is_lane, "a lane is concluded by its call");
                self.ended = Some(reason);
                if self.policy.has_fallback || self.stand_in == StandIn::May {
                    self.stand_in = StandIn::Decides { ignored };
                } else {
                    self.tell_end(reason, ignored, false);
                }
            }
        }
        self.ended.is_some()
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
        if let Some(budget) = self.policy.budget.as_ref().filter(|_| self.asked == 1) {
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
        let delay = retry.delay(self.asked.saturating_sub(1), self.timer.last_delay(), context.luck());
        let delay = retry::at_least(delay, hint, context.luck());
        if limited && now.saturating_add(delay) >= self.deadline {
            return Err(StopReason::DelayTooLong);
        }
        Ok(delay)
    }

    fn try_again_after(&mut self, delay: Duration) {
        self.timer.delay_by(delay);
        self.quick = false;
        self.timed_out = false;
        self.attempt_began = Moment::NEVER;
        self.tell(|| EventKind::RetryScheduled { attempt: self.attempts, delay });
    }

    fn end(&mut self, reason: StopReason, ignored: bool) {
        self.ended = Some(reason);
        if !self.is_lane {
            self.tell_end(reason, ignored, false);
        }
    }

    fn tell_end(&mut self, reason: StopReason, ignored: bool, fallback: bool) {
        self.tell_finished(reason, ignored, fallback);
        self.spans.end_call(reason, self.attempts, ignored);
    }

    fn tell_finished(&self, reason: StopReason, ignored: bool, fallback: bool) {
        #[cfg(feature = "metrics")]
        let took = || (self.began != Moment::NEVER).then(|| self.now().since(self.began));
        #[cfg(not(feature = "metrics"))]
        let took = || None;
        let attempts = self.attempts;
        self.tell(|| EventKind::Finished { attempts, reason, ignored, fallback, took: took() });
    }

    #[inline(never)]
    fn return_ticket(&mut self, outcome: Outcome, took: Option<Duration>) {
        let _in = self.spans.enter();
        if let (Some(ticket), Some(breaker)) = (self.ticket.take(), &self.policy.breaker) {
            breaker.record(ticket, outcome, took);
        }
    }

    fn sample(&self, took: Option<Duration>, ok: bool) {
        let (Some(health), Some(took)) = (&self.policy.health, took) else { return };
        if let Some((from, to)) = health.record(took, ok) {
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
            let _in = self.spans.enter();
            events.tell(self.policy.operation, kind());
        }
    }

    #[cold]
    fn dropped(&mut self) {
        if self.ended.is_some() {
            // The fallback is not for this error.
            return self.decide(false);
        }
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
        let ending = if reason == StopReason::Cancelled { Ending::Cancelled } else { Ending::Failure };
        self.spans.end_attempt(ending, Some(reason.as_str()));
        self.end(reason, false);
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

/// The wait before another attempt.
///
/// It waits on the attempts' timer, so that a future that may retry is hardly larger for it.
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Pause<'c> {
    call: &'c mut Execution,
    stage: Pausing,
}

#[derive(Debug)]
enum Pausing {
    Begins,
    Lets,
    Waits,
}

impl Future for Pause<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { call, stage } = &mut *self;
        let delay = call.timer.last_delay();
        match stage {
            Pausing::Begins if delay.is_zero() || call.policy.context.clock.skip(delay) => {
                *stage = Pausing::Lets;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Pausing::Begins => {
                *stage = Pausing::Waits;
                call.timer.disarm();
                call.timer.poll(cx, || delay).map(drop)
            }
            Pausing::Lets => Poll::Ready(()),
            Pausing::Waits => call.timer.poll(cx, || delay).map(drop),
        }
    }
}

impl Drop for Execution {
    #[inline]
    fn drop(&mut self) {
        if self.ended.is_none() || matches!(self.stand_in, StandIn::Decides { .. }) {
            self.dropped();
        }
    }
}
