//! A call of which nothing is known but that it began, and to which nothing else need happen: its function answers in time,
//! and well. It is written down in a few words, for a call is far quicker than what it would take to write down the rest.

use std::mem;
use std::task::{Context, Poll};
use std::time::Duration;

use super::call::{Call, Stage, Timing};
use crate::breaker::Pass;
use crate::policy::Policy;
use crate::policy_ref::Held;
use crate::site::Site;
use crate::timeout::Timer;
use crate::unusual::all_is_usual;

/// It has one attempt, and is over when that is.
#[derive(Debug)]
pub(super) struct Quick {
    policy: &'static Held,
    pass: Pass,
    /// Of its attempt, once that was found waiting.
    timer: Timer,
    /// `None` once it has succeeded, or is a [`Call`].
    stage: Option<Stage>,
}

#[allow(clippy::inline_always, reason = "as of `Execution`")]
impl Quick {
    /// The policy of the function at `site`, if no more than its layers can matter to a call that begins now.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn policy_at(site: &'static Site) -> Option<&'static Held> {
        if all_is_usual() { site.kept().filter(|policy| policy.plain && Call::is_unwatched()) } else { None }
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn new(policy: &'static Held, pass: Pass) -> Self {
        Self { policy, pass, timer: Timer::default(), stage: Some(Stage::Waiting) }
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn policy(&self) -> &'static Policy {
        self.policy
    }

    /// The function is called on this thread next, under its limit if it has one.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn begin_in_place(&mut self) -> Option<Timing> {
        self.begin_turn();
        self.policy.timeout.map(|limit| Timing::begin(self.policy.context.clock.now(), Some(limit)))
    }

    /// The function is called, or called upon again.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn begin_turn(&mut self) {
        self.stage = Some(Stage::Running);
    }

    /// The function was found waiting: ready with its limit once that has passed, never where there is none.
    #[inline]
    pub(super) fn poll_limit(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        self.stage = Some(Stage::Waiting);
        match self.policy.timeout {
            Some(limit) => self.timer.poll(cx, || limit),
            None => Poll::Pending,
        }
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn answered(&mut self) {
        self.stage = Some(Stage::Judging);
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn succeed(&mut self) {
        self.stage = None;
        let policy = self.policy;
        if let Some(budget) = &policy.budget {
            budget.deposit(|| policy.context.clock.lately());
        }
        if let Some(breaker) = &policy.breaker {
            breaker.succeeded(self.pass);
        }
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn has_ended(&self) -> bool {
        self.stage.is_none()
    }

    /// It has ended and holds nothing.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn is_spent(&self) -> bool {
        self.has_ended() && self.timer.is_idle()
    }

    pub(super) fn operation(&self) -> &'static str {
        self.policy.operation
    }

    /// The same call, once more may happen to it; this one is over.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn made_whole(&mut self) -> Call {
        let stage = self.stage.take().unwrap_or(Stage::Waiting);
        Call::under_way(self.policy, self.pass, mem::take(&mut self.timer), stage)
    }

    #[cold]
    fn broke_off(&mut self) {
        drop(self.made_whole());
    }
}

impl Drop for Quick {
    #[inline]
    fn drop(&mut self) {
        if !self.has_ended() {
            self.broke_off();
        }
    }
}
