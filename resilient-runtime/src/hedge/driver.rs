//! A race of futures on one task.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::race::{Answer, Race};
use crate::timeout::Timer;

pin_project! {
    /// Runs lanes until one wins; see [`Race`] for the rules.
    ///
    /// The primary lives in this future and is polled first: one that is ready at once costs neither an allocation
    /// nor a timer, and needs no tokio runtime. Lanes beside it are boxed. Every wake polls every lane, in the order
    /// they started: they are few, and a waker for each would cost more than it saves.
    ///
    /// Losers are dropped before the answer is handed out.
    #[must_use = "futures do nothing unless awaited"]
    pub(crate) struct Hedged<L, G, F>
    where
        F: Future,
    {
        lane: L,
        gate: G,
        race: Race<F::Output>,
        #[pin]
        primary: Option<F>,
        hedges: Vec<(u32, Pin<Box<F>>)>,
        timer: Timer,
        begun: bool,
    }
}

impl<L, G, F> Hedged<L, G, F>
where
    L: FnMut(u32) -> F,
    G: FnMut() -> bool,
    F: Future<Output: Answer>,
{
    /// `lane` makes lane number n, of which 0 is the primary, when it starts. `gate` is asked before each other one;
    /// once it says no, no further one starts.
    pub(crate) fn new(delay: Duration, max_hedges: u32, lane: L, gate: G) -> Self {
        Self {
            lane,
            gate,
            race: Race::new(delay, max_hedges),
            primary: None,
            hedges: Vec::new(),
            timer: Timer::default(),
            begun: false,
        }
    }
}

impl<L, G, F> Future for Hedged<L, G, F>
where
    L: FnMut(u32) -> F,
    G: FnMut() -> bool,
    F: Future<Output: Answer>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        if !*this.begun {
            *this.begun = true;
            let number = this.race.start();
            this.primary.set(Some((this.lane)(number)));
        }
        let answer = 'race: {
            if let Some(primary) = this.primary.as_mut().as_pin_mut() {
                if let Poll::Ready(answer) = primary.poll(cx) {
                    this.primary.set(None);
                    this.timer.disarm();
                    if let ControlFlow::Break(answer) = this.race.answered(0, answer) {
                        break 'race answer;
                    }
                }
            }
            let mut at = 0;
            while let Some((number, lane)) = this.hedges.get_mut(at) {
                let Poll::Ready(answer) = lane.as_mut().poll(cx) else {
                    at += 1;
                    continue;
                };
                let number = *number;
                this.hedges.remove(at);
                this.timer.disarm();
                if let ControlFlow::Break(answer) = this.race.answered(number, answer) {
                    break 'race answer;
                }
            }
            while let Some(wait) = this.race.wait() {
                if !wait.is_zero() && this.timer.poll(cx, || wait).is_pending() {
                    break;
                }
                if !(this.gate)() {
                    this.race.stop();
                    if let ControlFlow::Break(answer) = this.race.over() {
                        break 'race answer;
                    }
                    break;
                }
                let number = this.race.start();
                this.timer.disarm();
                let mut lane = Box::pin((this.lane)(number));
                match lane.as_mut().poll(cx) {
                    Poll::Pending => this.hedges.push((number, lane)),
                    Poll::Ready(answer) => {
                        drop(lane);
                        if let ControlFlow::Break(answer) = this.race.answered(number, answer) {
                            break 'race answer;
                        }
                    }
                }
            }
            return Poll::Pending;
        };
        this.primary.set(None);
        this.hedges.clear();
        Poll::Ready(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Judged;
    use super::*;
    use crate::clock::Clock;
    use std::cell::{Cell, RefCell};
    use std::pin::pin;
    use std::task::Waker;

    const DELAY: Duration = Duration::from_millis(500);

    fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn an_answer_that_is_there_at_once_takes_no_heap_no_timer_and_no_runtime() {
        let lane = |number| async move { (number, Judged::Good) };
        let mut race = pin!(Hedged::new(Duration::ZERO, 3, lane, || true));
        let polled = race.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Ready((0, Judged::Good)));
        assert_eq!(race.hedges.capacity(), 0);
        assert_eq!(format!("{:?}", race.timer), "Timer(None)");
    }

    #[test]
    fn nothing_starts_before_the_first_poll() {
        drop(Hedged::new(DELAY, 1, |_| async { panic!("started") as ((), Judged) }, || true));
    }

    /// When lanes started, each by its number, of a race in which lane n answers after `answers[n]`.
    async fn starts(max_hedges: u32, answers: &[(u64, Judged)], gate: impl FnMut() -> bool) -> Vec<Duration> {
        let clock = Clock::system();
        let began = clock.now();
        let starts = RefCell::new(Vec::new());
        let lane = |number: u32| {
            starts.borrow_mut().push(clock.now().since(began));
            let (after, judged) = answers[number as usize];
            async move {
                tokio::time::sleep(millis(after)).await;
                ((), judged)
            }
        };
        Hedged::new(DELAY, max_hedges, lane, gate).await;
        starts.into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_may_put_off_the_next_one_or_end_the_hedging() {
        let later = |wait| Judged::Bad { next_in: Some(millis(wait)) };
        let answers = [(100, later(2_000)), (9_000, Judged::Good), (9_000, Judged::Good)];
        assert_eq!(starts(2, &answers, || true).await, [millis(0), millis(2_100), millis(2_600)]);
        let answers = [(100, Judged::Bad { next_in: None })];
        assert_eq!(starts(2, &answers, || true).await, [millis(0)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hedge_without_leave_is_not_started_and_leave_is_asked_for_once() {
        let asked = Cell::new(0);
        let gate = || {
            asked.set(asked.get() + 1);
            false
        };
        assert_eq!(starts(2, &[(5_000, Judged::Good)], gate).await, [millis(0)]);
        assert_eq!(asked.get(), 1);
        assert_eq!(starts(2, &[(0, Judged::BAD)], gate).await, [millis(0)]);
        assert_eq!(asked.get(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn losers_are_gone_before_the_answer_is_handed_out() {
        struct Gone<'g>(&'g Cell<u32>);
        impl Drop for Gone<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
            }
        }
        let gone = Cell::new(0);
        let lane = |number| {
            let guard = Gone(&gone);
            async move {
                let _guard = guard;
                if number < 2 {
                    std::future::pending::<()>().await;
                }
                (number, Judged::Good)
            }
        };
        let mut race = pin!(Hedged::new(DELAY, 2, lane, || true));
        let answer = race.as_mut().await;
        assert_eq!((answer, gone.get()), ((2, Judged::Good), 3));
    }

    #[tokio::test(start_paused = true)]
    async fn each_lane_is_polled_once_for_a_wake() {
        let polls = Cell::new(0);
        let lane = |_| {
            std::future::poll_fn(|_| {
                polls.set(polls.get() + 1);
                Poll::<((), Judged)>::Pending
            })
        };
        let mut race = pin!(Hedged::new(Duration::ZERO, 2, lane, || true));
        let mut poll = || race.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll().is_pending());
        assert_eq!(polls.get(), 3);
        assert!(poll().is_pending());
        assert_eq!(polls.get(), 6);
    }
}
