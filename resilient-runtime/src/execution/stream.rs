//! A guarded function that returns a stream. It is a call until its first item is there, which may take several
//! attempts; from then on what it gives is handed on, and how it ends is what the breaker learns.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::{Execution, Stage};
use crate::clock::{Moment, nanos};
use crate::error::ResilienceError;
use crate::outcome::Verdict;
use crate::timeout::Ambient;

/// What the expansion knows about the items.
#[derive(Debug)]
pub struct Rules<J, E> {
    /// What an item means: `Fn(&Item) -> Verdict`.
    pub judge: J,
    /// The item for the last answer or for a refusal: `Fn(&Execution, Result<Item, ResilienceError>) -> Item`.
    pub end: E,
    /// A time limit is judged as the function's own error.
    pub judges_limits: bool,
}

/// The body of a function whose stream is begun once.
pub fn begun_once<S>(body: impl FnOnce() -> S) -> impl FnMut() -> S {
    let mut body = Some(body);
    move || match body.take() {
        Some(body) => body(),
        None => unreachable!("without retries a stream is begun once"),
    }
}

/// Tells a rule what it is about.
#[inline]
pub fn judge_of<T, J: Fn(&T) -> Verdict>(judge: J) -> J {
    judge
}

/// Makes a copy of the arguments the body's own.
#[inline]
pub fn begin<S>(body: impl FnOnce() -> S) -> S {
    body()
}

/// The stream of a guarded function. Nothing happens before it is polled.
pub fn guarded_stream<S, B, J, E>(
    enter: impl FnOnce() -> Execution,
    body: B,
    rules: Rules<J, E>,
) -> GuardedStream<impl Future<Output = Flow<S, J, E>>, S, J, E>
where
    S: Stream,
    B: FnMut() -> S,
    J: Fn(&S::Item) -> Verdict,
    E: Fn(&Execution, Result<S::Item, ResilienceError>) -> S::Item,
{
    GuardedStream { state: State::Opening { opening: open(enter, body, rules) } }
}

/// Tries until there is a first item, or none to be had.
async fn open<S, B, J, E>(enter: impl FnOnce() -> Execution, mut body: B, rules: Rules<J, E>) -> Flow<S, J, E>
where
    S: Stream,
    B: FnMut() -> S,
    J: Fn(&S::Item) -> Verdict,
    E: Fn(&Execution, Result<S::Item, ResilienceError>) -> S::Item,
{
    let mut call = enter();
    loop {
        match first_item(&mut call, &mut body).await {
            Ok((Some(item), rest)) => {
                let verdict = call.judge_item(&item, &rules.judge);
                if verdict.is_success() {
                    return Flow::new(call, Some(item), Some(rest), rules);
                }
                if call.settle_item(verdict) {
                    let item = (rules.end)(&call, Ok(item));
                    return Flow::new(call, Some(item), Some(rest), rules);
                }
            }
            Ok((None, _)) => return Flow::new(call, None, None, rules),
            Err(limit) if rules.judges_limits && limit.is_timeout() => {
                let item = (rules.end)(&call, Err(limit));
                let verdict = call.judge_item(&item, &rules.judge);
                if call.settle_item(verdict) {
                    return Flow::new(call, Some(item), None, rules);
                }
            }
            Err(refused) => {
                if call.settle_refused(&refused) {
                    let item = (rules.end)(&call, Err(refused));
                    return Flow::new(call, Some(item), None, rules);
                }
            }
        }
        call.pause().await;
    }
}

type Begun<S> = (Option<<S as Stream>::Item>, Pin<Box<S>>);

async fn first_item<S: Stream>(
    call: &mut Execution,
    body: &mut impl FnMut() -> S,
) -> Result<Begun<S>, ResilienceError> {
    call.admit()?;
    call.throttle().await?;
    call.isolate().await?;
    let first = async {
        let mut stream = Box::pin(body());
        let item = poll_fn(|cx| stream.as_mut().poll_next(cx)).await;
        (item, stream)
    };
    call.attempt(first).await
}

pin_project! {
    /// See [`guarded_stream`].
    #[must_use = "streams do nothing unless polled"]
    pub struct GuardedStream<F, S, J, E>
    where
        S: Stream,
    {
        #[pin]
        state: State<F, S, J, E>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F, S, J, E>
    where
        S: Stream,
    {
        Opening { #[pin] opening: F },
        Flowing { flow: Flow<S, J, E> },
        Over,
    }
}

impl<F, S: Stream, J, E> std::fmt::Debug for GuardedStream<F, S, J, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuardedStream").finish_non_exhaustive()
    }
}

impl<F, S, J, E> Stream for GuardedStream<F, S, J, E>
where
    F: Future<Output = Flow<S, J, E>>,
    S: Stream,
    J: Fn(&S::Item) -> Verdict,
    E: Fn(&Execution, Result<S::Item, ResilienceError>) -> S::Item,
{
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                Projected::Opening { opening } => {
                    let Poll::Ready(flow) = opening.poll(cx) else { return Poll::Pending };
                    state.set(State::Flowing { flow });
                }
                Projected::Flowing { flow } => {
                    let next = std::task::ready!(flow.poll_next(cx));
                    if next.is_none() {
                        state.set(State::Over);
                    }
                    return Poll::Ready(next);
                }
                Projected::Over => return Poll::Ready(None),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.state {
            State::Opening { .. } => (0, None),
            State::Flowing { flow } => flow.size_hint(),
            State::Over => (0, Some(0)),
        }
    }
}

/// A stream that has begun. Dropped at any point it ends the call.
pub struct Flow<S: Stream, J, E> {
    call: Execution,
    first: Option<S::Item>,
    /// `None` when there is nothing more to come.
    rest: Option<Pin<Box<S>>>,
    rules: Rules<J, E>,
    /// What its items have come to so far.
    verdict: Verdict,
    /// How long its first item took: the others come when the reader asks for them.
    took: Option<Duration>,
}

impl<S: Stream, J, E> std::fmt::Debug for Flow<S, J, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flow").finish_non_exhaustive()
    }
}

impl<S: Stream, J, E> Flow<S, J, E> {
    fn new(
        mut call: Execution,
        first: Option<S::Item>,
        rest: Option<Pin<Box<S>>>,
        rules: Rules<J, E>,
    ) -> Self {
        let took = call.took();
        // Armed for the first item; from now on there is only the deadline.
        call.timer.disarm();
        Self { call, first, rest, rules, verdict: Verdict::SUCCESS, took }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let first = usize::from(self.first.is_some());
        let Some(rest) = &self.rest else { return (first, Some(first)) };
        let (least, most) = rest.size_hint();
        if self.call.item_limit() == Moment::NEVER {
            (least.saturating_add(first), most.and_then(|most| most.checked_add(first)))
        } else {
            // The deadline may end it early, with an item that says so.
            (first, most.and_then(|most| most.checked_add(first + 1)))
        }
    }
}

impl<S, J, E> Flow<S, J, E>
where
    S: Stream,
    J: Fn(&S::Item) -> Verdict,
    E: Fn(&Execution, Result<S::Item, ResilienceError>) -> S::Item,
{
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
        let Some(polled) = self.call.poll_item(rest.as_mut(), cx) else {
            self.rest = None;
            let passed = self.call.passed_deadline();
            self.call.settle_refused(&passed);
            return Poll::Ready(Some((self.rules.end)(&self.call, Err(passed))));
        };
        let item = std::task::ready!(polled);
        match &item {
            Some(item) if self.call.ended.is_none() => {
                let verdict = self.call.judge_item(item, &self.rules.judge);
                if !verdict.is_success() {
                    self.verdict = verdict;
                }
            }
            Some(_) => {}
            None => self.rest = None,
        }
        Poll::Ready(item)
    }
}

impl<S: Stream, J, E> Drop for Flow<S, J, E> {
    fn drop(&mut self) {
        // The slot is given back once nothing of the stream is left.
        self.rest = None;
        self.call.finish(self.verdict, self.took);
    }
}

impl Execution {
    /// What an item means; a rule that panics is seen as such.
    fn judge_item<R>(&mut self, item: &R, judge: impl Fn(&R) -> Verdict) -> Verdict {
        self.stage = Stage::Judging;
        let verdict = judge(item);
        self.stage = Stage::Waiting;
        verdict
    }

    /// Records what an item means, whose rule was asked before.
    fn settle_item(&mut self, verdict: Verdict) -> bool {
        self.leave();
        self.settle(verdict)
    }

    /// When the items are cut off; a call that has ended lets the rest pass.
    fn item_limit(&self) -> Moment {
        if self.ended.is_some() { Moment::NEVER } else { self.cut_at() }
    }

    /// The next item of a stream that has begun; `None` at the deadline.
    fn poll_item<S: Stream>(
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
    fn passed_deadline(&mut self) -> ResilienceError {
        self.timed_out = true;
        self.deadline_exceeded()
    }

    /// Ends a call whose items were handed out: nothing of it can be tried again. That its reader has read enough is
    /// no fault of the function; that it panicked is.
    fn finish(&mut self, verdict: Verdict, took: Option<Duration>) {
        if self.ended.is_some() || self.stage != Stage::Waiting {
            return;
        }
        if let Some(took) = took {
            self.attempt_began = Moment::from_nanos(self.now().as_nanos().saturating_sub(nanos(took)));
        }
        self.settle_item(verdict.without_retry());
    }
}
