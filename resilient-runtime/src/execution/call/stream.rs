//! What follows of a call from the items of the stream that its function returned.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;

use super::{Call, Stage};
use crate::clock::{Moment, nanos};
use crate::error::ResilienceError;
use crate::outcome::Verdict;
use crate::timeout::Ambient;

impl Call {
    /// The first item is there, if there is any; says how long it took.
    pub(crate) fn begin_flow(&mut self) -> Option<Duration> {
        // Armed for the first item; from now on there is only the deadline.
        self.timer.disarm();
        self.took()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// What an item means; a rule that panics is seen as such.
    pub(crate) fn judge_item<R>(&mut self, item: &R, judge: impl Fn(&R) -> Verdict) -> Verdict {
        self.stage = Stage::Judging;
        let verdict = judge(item);
        self.stage = Stage::Waiting;
        verdict
    }

    /// Records what an item means, whose rule was asked before.
    pub(crate) fn settle_item(&mut self, verdict: Verdict) -> bool {
        self.leave();
        self.settle(verdict)
    }

    /// When the items are cut off; a call that has ended lets the rest pass.
    pub(crate) fn item_limit(&self) -> Moment {
        if self.ended.is_some() { Moment::NEVER } else { self.cut_at() }
    }

    /// The next item of a stream that has begun; `None` at the deadline.
    pub(crate) fn poll_item<S: Stream>(
        &mut self,
        stream: Pin<&mut S>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Option<S::Item>>> {
        let cut_at = self.item_limit();
        if cut_at != Moment::NEVER && self.now() >= cut_at {
            return None;
        }
        let ambient = (cut_at != Moment::NEVER).then(|| Ambient::enter(cut_at));
        self.stage = Stage::Running;
        let polled = {
            let _in = self.spans.enter();
            stream.poll_next(cx)
        };
        self.stage = Stage::Waiting;
        drop(ambient);
        if polled.is_ready() || cut_at == Moment::NEVER {
            return Some(polled);
        }
        let Self { timer, policy, .. } = self;
        let late = timer.poll(cx, || cut_at.since(policy.context.clock.now()));
        late.is_pending().then_some(Poll::Pending)
    }

    /// The stream was cut off in its middle.
    pub(crate) fn passed_deadline(&mut self) -> ResilienceError {
        self.timed_out = true;
        self.deadline_exceeded()
    }

    /// Ends a call whose items were handed out: nothing of it can be tried again. That its reader has read enough is
    /// no fault of the function; that it panicked is.
    pub(crate) fn finish(&mut self, verdict: Verdict, took: Option<Duration>) {
        if self.ended.is_some() || self.stage != Stage::Waiting {
            return;
        }
        if let Some(took) = took {
            self.attempt_began = Moment::from_nanos(self.now().as_nanos().saturating_sub(nanos(took)));
        }
        self.settle_item(verdict.without_retry());
    }
}
