//! One attempt, as the expansion has it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use pin_project_lite::pin_project;

use super::call::{Call, Timing};
use super::{Execution, State};
use crate::error::ResilienceError;

#[allow(clippy::inline_always, reason = "as of the rest of `Execution`")]
impl Execution {
    /// Runs one attempt of an async body, given up at the nearest limit. The body is polled first; a timer is armed
    /// only when it is not ready.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn attempt<F: Future>(&mut self, body: F) -> Attempt<'_, F> {
        if let State::Whole(call) = &mut self.0 {
            call.begin_attempt();
            #[cfg(feature = "chaos")]
            call.begin_chaos();
        }
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
        if let State::Whole(call) = &mut self.0 {
            call.begin_attempt();
            #[cfg(feature = "chaos")]
            if let Some(hit) = call.draw_chaos() {
                let (operation, clock) = (call.policy().operation, call.policy().context.clock.clone());
                let limit = call.limit_from(clock.now());
                let out = self.run_in_place(|| hit.suffer(operation, &clock, limit, body))?;
                return out.ok_or(ResilienceError::Injected { operation });
            }
        }
        self.run_in_place(body)
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn run_in_place<R>(&mut self, body: impl FnOnce() -> R) -> Result<R, ResilienceError> {
        let timing = match &mut self.0 {
            State::Quick(quick) => quick.begin_in_place(),
            State::Whole(call) => call.begin_in_place(),
        };
        let out = {
            let _in = self.as_whole().map(|call| call.spans().enter());
            body()
        };
        if let State::Whole(call) = &mut self.0 {
            call.waits();
        }
        match timing {
            None => Ok(out),
            Some(timing) => self.end_timing(timing).map(|()| out),
        }
    }

    #[inline(never)]
    fn end_timing(&mut self, timing: Timing) -> Result<(), ResilienceError> {
        let policy = match &self.0 {
            State::Quick(quick) => quick.policy(),
            State::Whole(call) => call.policy(),
        };
        match timing.end(&policy.context.clock) {
            None => Ok(()),
            Some((limit, took)) => Err(self.waiting().cut_off(limit, took)),
        }
    }

    /// The function was found waiting: ready with the error once the nearest limit has passed; never where there is none.
    fn poll_limit(&mut self, cx: &mut TaskContext<'_>) -> Poll<ResilienceError> {
        match &mut self.0 {
            State::Quick(quick) => match quick.poll_limit(cx) {
                Poll::Ready(limit) => Poll::Ready(self.waiting().cut_off(limit, limit)),
                Poll::Pending => Poll::Pending,
            },
            State::Whole(call) => {
                call.waits();
                call.poll_limit(cx)
            }
        }
    }

    /// The function was called and is not on the stack any more.
    #[inline]
    pub(super) fn waiting(&mut self) -> &mut Call {
        let call = self.whole();
        call.waits();
        call
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
        let execution = &mut **this.call;
        let lent = match &mut execution.0 {
            State::Quick(quick) => {
                quick.begin_turn();
                None
            }
            State::Whole(call) => {
                #[cfg(feature = "chaos")]
                match call.poll_chaos(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(instead)) => return Poll::Ready(Err(instead)),
                    Poll::Pending => return Poll::Pending,
                }
                call.begin_turn()
            }
        };
        let polled = {
            let _lent = lent;
            let _in = execution.as_whole().map(|call| call.spans().enter());
            this.body.poll(cx)
        };
        match polled {
            Poll::Ready(out) => {
                if let State::Whole(call) = &mut execution.0 {
                    call.waits();
                }
                Poll::Ready(Ok(out))
            }
            Poll::Pending => execution.poll_limit(cx).map(Err),
        }
    }
}
