//! One call: admitted, attempted, judged, and perhaps tried again. It performs no I/O of its own; the expansion
//! drives it from inside the user's function.
//!
//! A call begins as little more than its policy and the breaker's word, and most end as that: [`Quick`]. Whatever else
//! happens to one makes it a [`Call`] first.

mod attempt;
mod call;
mod quick;
#[cfg(feature = "stream")]
pub(crate) mod stream;

use std::future::Future;

pub use attempt::Attempt;
use call::Call;
pub use call::Concluded;
pub(crate) use call::Pause;
use quick::Quick;

use crate::breaker::Pass;
use crate::error::ResilienceError;
use crate::outcome::Verdict;
use crate::policy_ref::{Held, PolicyRef};
use crate::site::Site;
use crate::timeout::CrossesThreads;

/// One call of a guarded function. Dropping it, at any point, gives back whatever it holds.
#[derive(Debug)]
pub struct Execution(State);

#[derive(Debug)]
enum State {
    /// Nothing is known of it but that it began, or succeeded.
    Quick(Quick),
    Whole(Call),
}

impl State {
    #[cold]
    fn make_whole(&mut self) {
        if let Self::Quick(quick) = self {
            *self = Self::Whole(quick.made_whole());
        }
    }
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
        let Some(policy) = Quick::policy_at(site) else { return Self::enter_slowly(site) };
        let pass = match &policy.breaker {
            None => Pass::NONE,
            Some(breaker) => match breaker.pass() {
                None => return Self::enter_shut(policy),
                Some(pass) => pass,
            },
        };
        if policy.lean {
            Self(State::Quick(Quick::new(policy, pass)))
        } else {
            Self::enter_layered(policy, pass)
        }
    }

    #[cold]
    fn enter_slowly(site: &'static Site) -> Self {
        Self(State::Whole(Call::enter(site)))
    }

    #[cold]
    fn enter_shut(policy: &'static Held) -> Self {
        Self(State::Whole(Call::shut(policy)))
    }

    #[inline(never)]
    fn enter_layered(policy: &'static Held, pass: Pass) -> Self {
        Self(State::Whole(Call::quick(PolicyRef::lasting(policy), pass.ticket())))
    }

    /// Begins a call of the function at `site` on the state that belongs to `key`.
    pub fn enter_keyed(site: &'static Site, key: &(impl Key + ?Sized)) -> Self {
        let policy = site.policy().of_key(&key.text());
        Self::begin(PolicyRef::counted(policy))
    }

    /// Begins a call that follows `policy`.
    pub(crate) fn begin(policy: PolicyRef) -> Self {
        Self(State::Whole(Call::begin(policy)))
    }

    /// The call as one to which anything may happen.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn whole(&mut self) -> &mut Call {
        if let State::Quick(_) = &self.0 {
            self.0.make_whole();
        }
        match &mut self.0 {
            State::Whole(call) => call,
            State::Quick(_) => unreachable!("it was made whole"),
        }
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn as_whole(&self) -> Option<&Call> {
        match &self.0 {
            State::Quick(_) => None,
            State::Whole(call) => Some(call),
        }
    }

    /// Asks every layer whether the next attempt may begin.
    ///
    /// # Errors
    ///
    /// The layer's refusal; the function must not be called.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn admit(&mut self) -> Result<(), ResilienceError> {
        match &mut self.0 {
            State::Quick(_) => Ok(()),
            State::Whole(call) => call.admit(),
        }
    }

    /// Waits for the rate limit's leave; refuses at once where that would take too long. The leave of a caller who is
    /// dropped meanwhile is used up.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::RateLimited`].
    #[inline]
    pub fn throttle(&mut self) -> impl Future<Output = Result<(), ResilienceError>> {
        self.whole().throttle()
    }

    /// [`Execution::throttle`], on this thread.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::RateLimited`].
    #[inline]
    pub fn throttle_blocking(&mut self) -> Result<(), ResilienceError> {
        self.whole().throttle_blocking()
    }

    /// Enters the bulkhead, and waits for that within the attempt's time.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::BulkheadFull`], or [`ResilienceError::DeadlineExceeded`] when that came first.
    #[inline]
    pub fn isolate(&mut self) -> impl Future<Output = Result<(), ResilienceError>> {
        self.whole().isolate()
    }

    /// [`Execution::isolate`], on this thread.
    ///
    /// # Errors
    ///
    /// See [`Execution::isolate`].
    #[inline]
    pub fn isolate_blocking(&mut self) -> Result<(), ResilienceError> {
        self.whole().isolate_blocking()
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
        let call = self.waiting();
        let began = call.now();
        match call.limit_from(began) {
            Some(limit) => call.on_thread(began, limit, Body(body)),
            None => self.attempt_in_place(body),
        }
    }

    /// The function has answered. What follows is somebody's rule about the answer.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn answered(&mut self) {
        match &mut self.0 {
            State::Quick(quick) => quick.answered(),
            State::Whole(call) => call.answered(),
        }
    }

    /// Records what the answer means; true when the call has ended with it. Otherwise a pause is due, and then another
    /// attempt.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn settle(&mut self, verdict: Verdict) -> bool {
        match &mut self.0 {
            State::Quick(quick) if verdict.is_success() => {
                quick.succeed();
                true
            }
            State::Whole(call) if call.is_quick() && verdict.is_success() => {
                call.succeed_quickly();
                true
            }
            _ => self.settle_slowly(verdict),
        }
    }

    #[inline(never)]
    fn settle_slowly(&mut self, verdict: Verdict) -> bool {
        self.whole().settle_slowly(verdict)
    }

    /// [`Execution::settle`], where the library itself answered.
    #[cold]
    pub fn settle_refused(&mut self, refused: &ResilienceError) -> bool {
        self.whole().settle_refused(refused)
    }

    /// Waits before the next attempt. Dropped meanwhile, the call is over.
    #[inline]
    pub fn pause(&mut self) -> Pause<'_> {
        self.whole().pause()
    }

    /// Waits before the next attempt, on this thread.
    #[inline]
    pub fn pause_blocking(&mut self) {
        self.whole().pause_blocking();
    }

    /// Runs attempts beside each other, each a `lane`: the next one starts when those before it take too long. The first
    /// good answer wins and the others are dropped; when all are bad, the first one's is the answer.
    pub fn hedge<T, F, Fut>(
        &mut self,
        mut lane: F,
    ) -> impl Future<Output = (Result<T, ResilienceError>, Concluded)>
    where
        F: FnMut(Self) -> Fut,
        Fut: Future<Output = (Result<T, ResilienceError>, Concluded)>,
    {
        self.whole().hedge(move |call| lane(Self(State::Whole(call))))
    }

    /// Records how one attempt of a hedged call ended.
    pub fn conclude(&mut self, verdict: Verdict) -> Concluded {
        self.whole().conclude(verdict)
    }

    /// [`Execution::conclude`], where the library itself answered.
    pub fn conclude_refused(&mut self, refused: &ResilienceError) -> Concluded {
        self.whole().conclude_refused(refused)
    }

    /// What follows from how the attempts of a hedged call ended; see [`Execution::settle`].
    pub fn settle_hedged(&mut self, concluded: Concluded) -> bool {
        self.whole().settle_hedged(concluded)
    }

    /// The call has ended and holds nothing that is to be given back: it may be forgotten, which costs less than to
    /// drop it.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn is_spent(&self) -> bool {
        match &self.0 {
            State::Quick(quick) => quick.is_spent(),
            State::Whole(call) => call.is_spent(),
        }
    }

    /// What is left of the call goes.
    #[cold]
    pub fn end_call(self) {}

    /// Whether there is a fallback, where no attribute says so.
    #[inline]
    pub(crate) fn may_fall_back(&mut self, may: bool) {
        if may {
            self.whole().may_fall_back();
        }
    }

    /// Whether the fallback should answer; tells that it does.
    #[inline]
    pub fn wants_fallback(&mut self) -> bool {
        match &mut self.0 {
            State::Quick(quick) if quick.has_ended() => false,
            _ => self.whole().wants_fallback(),
        }
    }

    /// Whether the call failed because no attempts were left.
    pub fn exhausted(&self) -> bool {
        self.as_whole().is_some_and(Call::exhausted)
    }

    pub(crate) fn operation(&self) -> &'static str {
        match &self.0 {
            State::Quick(quick) => quick.operation(),
            State::Whole(call) => call.operation(),
        }
    }

    pub(crate) fn attempts(&self) -> u32 {
        self.as_whole().map_or(1, Call::attempts)
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
