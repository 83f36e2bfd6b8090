//! Attempts beside each other: the next one starts when those before it take too long.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::{Concluded, End, Execution, Stage};
use crate::clock::Moment;
use crate::error::ResilienceError;
use crate::event::EventKind;
use crate::hedge::{Answer, HedgeDelay, Hedged, Judged};
use crate::outcome::{Outcome, Verdict};
use crate::policy::Hedging;
use crate::policy_ref::PolicyRef;
use crate::reason::StopReason;
use crate::retry::LONGEST_HINT;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::telemetry::spans::Spans;

impl Execution {
    /// Runs attempts beside each other, each a `lane`: the next one starts when those before it take too long. The first
    /// good answer wins and the others are dropped; when all are bad, the first one's is the answer.
    pub async fn hedge<T, F, Fut>(&mut self, mut lane: F) -> (Result<T, ResilienceError>, Concluded)
    where
        F: FnMut(Self) -> Fut,
        Fut: Future<Output = (Result<T, ResilienceError>, Concluded)>,
    {
        self.asked = self.asked.saturating_add(1);
        let asks = self.policy.breaker_per_call && self.ticket.is_none();
        if let Some(breaker) = self.policy.breaker.as_ref().filter(|_| asks) {
            match breaker.acquire() {
                Ok(ticket) => self.ticket = Some(ticket),
                Err(refused) => {
                    let end = self.record_refusal(&refused);
                    return (Err(refused), Concluded { end, took: None, hedge_in: None });
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
            spans: self.spans.beside(),
        };
        let policy = self.policy.clone();
        let hedging = policy.hedge.as_ref();
        let (delay, max_hedges) = hedging.map_or((Duration::MAX, 0), Hedging::plan);
        let measured = hedging.filter(|hedging| hedging.delay == HedgeDelay::P95);
        let began = if measured.is_some() { self.now() } else { Moment::NEVER };
        let started = AtomicU32::new(0);
        let mut before = began;
        // Where it stays: a future that is moved to where it is awaited is there twice.
        let mut race = std::pin::pin!(Hedged::new(
            delay,
            max_hedges,
            |number| {
                let lane = lane(seed.lane(number, &mut before));
                started.fetch_add(1, Ordering::Relaxed);
                Lane { lane, started: &started }
            },
            || seed.has_time() && policy.pays_for_another(),
        ));
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
    pub fn conclude(&mut self, verdict: Verdict) -> Concluded {
        self.stage = Stage::Waiting;
        let end = self.record_answer(verdict);
        self.concluded(end)
    }

    /// [`Execution::conclude`], where the library itself answered.
    pub fn conclude_refused(&mut self, refused: &ResilienceError) -> Concluded {
        self.leave();
        let end = self.record_error(refused);
        self.concluded(end)
    }

    fn concluded(&mut self, end: End) -> Concluded {
        self.ended = Some(StopReason::Success);
        let hedge_in = match end {
            End::Failed(verdict) if verdict.retries() => Some(verdict.hint().unwrap_or_default()),
            _ => None,
        };
        Concluded { end, took: self.took(), hedge_in: hedge_in.filter(|wait| self.has_time_for(*wait)) }
    }

    fn has_time_for(&self, wait: Duration) -> bool {
        let fits = || self.now().saturating_add(wait) < self.deadline;
        wait.is_zero() || (wait <= LONGEST_HINT && (self.deadline == Moment::NEVER || fits()))
    }

    /// What follows from how the attempts of a hedged call ended; see [`Execution::settle`].
    pub fn settle_hedged(&mut self, Concluded { end, took, .. }: Concluded) -> bool {
        if let End::Succeeded = end {
            self.return_ticket(Outcome::Success, took);
            self.end(StopReason::Success, false);
            return true;
        }
        self.go_on(end, took)
    }
}

pin_project! {
    /// One of the attempts; one that was refused before it began is none.
    struct Lane<'c, F> {
        #[pin]
        lane: F,
        started: &'c AtomicU32,
    }
}

impl<T, F> Future for Lane<'_, F>
where
    F: Future<Output = (T, Concluded)>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = this.lane.poll(cx);
        if matches!(&polled, Poll::Ready((_, concluded)) if concluded.end.is_before()) {
            this.started.fetch_sub(1, Ordering::Relaxed);
        }
        polled
    }
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
    spans: Spans,
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
                let _in = self.spans.enter();
                self.policy.context.events.tell(self.policy.operation, kind);
            }
        }
        let mut lane = Execution::new(self.policy.clone(), self.deadline, self.deadline_is_own);
        lane.asked = self.asked;
        lane.attempts = attempts;
        lane.paid = number > 0 || self.paid;
        lane.is_lane = true;
        lane.spans = self.spans.beside();
        lane
    }

    /// A function that cannot be cut off may outlive the deadline; no hedge starts then.
    fn has_time(&self) -> bool {
        self.deadline == Moment::NEVER || self.policy.context.clock.now() < self.deadline
    }
}

impl<T> Answer for (Result<T, ResilienceError>, Concluded) {
    fn judged(&self) -> Judged {
        match self.1.end {
            End::Succeeded => Judged::Good,
            // Where one was refused, the next one would be as well.
            End::Refused { .. } => Judged::Bad { next_in: self.1.hedge_in },
            End::Failed(verdict) if verdict.retries() => Judged::Bad { next_in: self.1.hedge_in },
            End::Failed(_) | End::OutOfTime { .. } => Judged::Final,
        }
    }
}
