//! HG: hedging. What a `Hedge` does with a script, an annotated function and an operation made in code do with it too.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{
    Class, EventKind, Hedge, HedgeDelay, ResilienceError, ResilientOperation, RetryPolicy, Settings,
    resilient,
};
use tokio::time::sleep;

use crate::calls::{ms, secs};

type Answer = Result<&'static str, &'static str>;

/// What one attempt does: answers after a time.
type Attempt = (Duration, Answer);

/// Whether an answer is bad, and what a further attempt could do about it.
type Judge = Arc<dyn Fn(&Answer) -> Option<Class> + Send + Sync>;

/// An operation played by a script, attempt by attempt; a further attempt never answers.
struct Script {
    attempts: Vec<Attempt>,
    judge: Judge,
    /// How long after the first each attempt was started.
    starts: RefCell<Vec<Duration>>,
    /// Attempts that ended by being dropped.
    dropped: Rc<Cell<usize>>,
}

/// Counts itself as dropped unless it came to its end.
struct Running(Option<Rc<Cell<usize>>>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(dropped) = &self.0 {
            dropped.set(dropped.get() + 1);
        }
    }
}

impl Script {
    fn new(attempts: &[Attempt], judge: Judge) -> Self {
        let (starts, dropped) = (RefCell::default(), Rc::default());
        Self { attempts: attempts.to_vec(), judge, starts, dropped }
    }

    async fn run(&self, scope: &Scope) -> Answer {
        let attempt = self.starts.borrow().len();
        self.starts.borrow_mut().push(scope.clock().elapsed());
        let mut running = Running(Some(Rc::clone(&self.dropped)));
        let Some((after, answer)) = self.attempts.get(attempt) else { return pending().await };
        if !after.is_zero() {
            sleep(*after).await;
        }
        running.0 = None;
        *answer
    }

    fn starts(&self) -> Vec<Duration> {
        let starts = self.starts.borrow();
        starts.iter().map(|start| start.saturating_sub(starts[0])).collect()
    }

    fn attempts(&self) -> usize {
        self.starts.borrow().len()
    }
}

fn hedges(scope: &Scope) -> usize {
    let started = |kind: &EventKind| matches!(kind, EventKind::HedgeStarted { .. });
    scope.events().iter().filter(|event| started(&event.kind)).count()
}

/// A bad answer as the error of a guarded function.
#[derive(Debug)]
struct Bad(&'static str);

impl From<ResilienceError> for Bad {
    fn from(_: ResilienceError) -> Self {
        Self("refused")
    }
}

#[resilient(
    operation_name = "hg_written",
    hedge(delay = "p95"),
    idempotent = true,
    max_attempts = 1,
    enable_timeout = false,
    enable_circuit_breaker = false,
    failure_if = |answer: &&'static str| (script.judge)(&Ok(answer)).is_some(),
    retry_if = |error: &Bad| (script.judge)(&Err(error.0)) == Some(Class::Transient),
)]
async fn written(script: &Script, scope: &Scope) -> Result<&'static str, Bad> {
    script.run(scope).await.map_err(Bad)
}

/// What hedges the calls.
#[derive(Clone, Copy, Debug)]
enum By {
    Hand,
    Attribute,
    Operation,
}

/// Plays `attempts`, of which the errors are bad, through a hedge.
async fn played(
    delay: impl Into<HedgeDelay>,
    max_hedges: u32,
    attempts: impl IntoIterator<Item = Attempt>,
) -> (Answer, Script, Scope) {
    judged(delay, max_hedges, attempts, |answer| answer.is_err().then_some(Class::Transient)).await
}

/// Plays `attempts` through a hedge, and checks that they come to the same however it was asked for.
async fn judged(
    delay: impl Into<HedgeDelay>,
    max_hedges: u32,
    attempts: impl IntoIterator<Item = Attempt>,
    judge: impl Fn(&Answer) -> Option<Class> + Send + Sync + 'static,
) -> (Answer, Script, Scope) {
    let (delay, judge): (_, Judge) = (delay.into(), Arc::new(judge));
    let attempts: Vec<_> = attempts.into_iter().collect();
    let seen = |(answer, script, scope): &(Answer, Script, Scope)| {
        (*answer, script.starts(), script.dropped.get(), scope.clock().elapsed())
    };
    let in_hand = played_by(By::Hand, delay, max_hedges, &attempts, &judge).await;
    // No hedges at all are no layer.
    if max_hedges > 0 {
        let expected = seen(&in_hand);
        for by in [By::Attribute, By::Operation] {
            assert_eq!(seen(&played_by(by, delay, max_hedges, &attempts, &judge).await), expected, "{by:?}");
        }
    }
    played_by(By::Hand, delay, max_hedges, &attempts, &judge).await
}

async fn played_by(
    by: By,
    delay: HedgeDelay,
    max_hedges: u32,
    attempts: &[Attempt],
    judge: &Judge,
) -> (Answer, Script, Scope) {
    let settings = Settings::new().hedge_delay(delay).hedge_max_hedges(max_hedges);
    let scope = Scope::builder().settings("hg_written", settings).build();
    let script = Script::new(attempts, Arc::clone(judge));
    let hedge = {
        let _inside = scope.enter();
        Hedge::new(delay).with_max_hedges(max_hedges)
    };
    let run = async || script.run(&scope).await;
    let answer = match by {
        By::Hand => hedge.call_async_judged(run, &*script.judge).await,
        By::Attribute => scope.run(written(&script, &scope)).await.map_err(|bad| bad.0),
        By::Operation => {
            let (of_values, of_errors) = (Arc::clone(judge), Arc::clone(judge));
            let again = move |bad: &Bad| of_errors(&Err(bad.0)) == Some(Class::Transient);
            let operation = ResilientOperation::builder("hg_operation")
                .with_retry(RetryPolicy::new().with_max_attempts(1).with_retry_if(again))
                .with_failure_if::<&'static str, Bad>(move |value| of_values(&Ok(value)).is_some());
            let operation = operation.build_hedged(&hedge).expect("legal");
            let call = operation.call_async(async || run().await.map_err(Bad));
            scope.run(call).await.map_err(|bad| bad.0)
        }
    };
    assert_eq!(script.attempts(), hedges(&scope) + 1, "each further attempt is told");
    (answer, script, scope)
}

/// Only this is good; everything else is bad.
fn only(wanted: &'static str) -> impl Fn(&Answer) -> Option<Class> + Send + Sync {
    move |answer| (*answer != Ok(wanted)).then_some(Class::Transient)
}

#[tokio::test(start_paused = true)]
async fn hg_001_an_answer_within_the_delay_starts_no_hedge() {
    let (answer, script, scope) = played(secs(1), 2, [(ms(10), Ok("fast"))]).await;
    assert_eq!((answer, script.attempts(), hedges(&scope)), (Ok("fast"), 1, 0));
}

#[tokio::test(start_paused = true)]
async fn hg_002_each_delay_without_an_answer_starts_a_hedge() {
    let attempts = [(ms(100), Ok("slow")), (ms(15), Ok("hedge 1")), (ms(1), Ok("hedge 2"))];
    let (answer, script, scope) = played(ms(10), 2, attempts).await;
    assert_eq!((answer, script.attempts(), hedges(&scope)), (Ok("hedge 2"), 3, 2));
    let told: Vec<String> = scope.events().iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "hedge: attempt 2 started as a hedge after 10 ms",
            "hedge: attempt 3 started as a hedge after 10 ms"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn hg_003_attempts_go_on_until_one_is_accepted() {
    let attempts = [(ms(0), Ok("1")), (ms(0), Ok("2")), (ms(0), Ok("3"))];
    let (answer, script, scope) = judged(ms(0), 2, attempts, only("3")).await;
    assert_eq!((answer, script.attempts(), hedges(&scope)), (Ok("3"), 3, 2));
}

// A negative delay is one that never ends here.
#[tokio::test(start_paused = true)]
async fn hg_004_an_answer_that_nothing_betters_is_given_in_the_end() {
    for max_hedges in [0, 1] {
        let (answer, ..) =
            judged(Duration::MAX, max_hedges, [(ms(1), Ok("2")), (ms(1), Ok("3"))], only("1")).await;
        assert_eq!(answer, Ok("2"));
    }
}

#[tokio::test(start_paused = true)]
async fn hg_005_an_accepted_answer_cancels_the_others() {
    let attempts = [(secs(1), Ok("1")), (secs(1), Ok("2")), (ms(1), Ok("3"))];
    let (answer, script, scope) = judged(ms(10), 4, attempts, only("3")).await;
    assert_eq!((answer, script.attempts(), hedges(&scope)), (Ok("3"), 3, 2));
    assert_eq!(script.dropped.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn hg_006_a_measured_delay_hedges_only_once_enough_is_known() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let took = Cell::new(ms(5));
    let hedge = Hedge::new(HedgeDelay::P95).with_max_hedges(3);
    let call = || {
        hedge.call_async(async || {
            sleep(if hedges(&scope) == 0 { took.get() } else { ms(1) }).await;
            Ok::<(), ()>(())
        })
    };
    took.set(ms(200));
    call().await.unwrap();
    assert_eq!(hedges(&scope), 0, "however long it takes: nothing is known");
    let refused = hedge.call_async(async || Err::<(), _>("bad")).await;
    assert_eq!((refused, hedges(&scope)), (Err("bad"), 0), "nor after a failure");
    took.set(ms(5));
    for _ in 0..24 {
        call().await.unwrap();
    }
    assert_eq!(hedges(&scope), 0);
    took.set(ms(200));
    call().await.unwrap();
    assert_eq!(hedges(&scope), 1);
}

#[tokio::test(start_paused = true)]
async fn hg_007_the_fastest_of_all_wins() {
    let attempts = [
        (secs(86_400), Ok("Pears")),
        (secs(10), Ok("Apples")),
        (secs(2), Ok("Oranges")),
        (secs(3), Ok("Bananas")),
    ];
    let (answer, _, scope) = played(secs(1), 3, attempts).await;
    assert_eq!((answer, scope.clock().elapsed()), (Ok("Oranges"), secs(4)));
}

#[tokio::test(start_paused = true)]
async fn hg_008_an_error_that_no_attempt_can_better_surfaces_at_once() {
    let attempts = [(ms(1), Err("bad")), (ms(1), Err("bad")), (ms(1), Err("bad")), (ms(1), Err("final"))];
    let judge = |answer: &Answer| match answer {
        Ok(_) => None,
        Err("final") => Some(Class::Permanent),
        Err(_) => Some(Class::Transient),
    };
    let (answer, script, scope) = judged(secs(1), 9, attempts, judge).await;
    assert_eq!((answer, script.attempts(), hedges(&scope)), (Err("final"), 4, 3));
}

#[tokio::test(start_paused = true)]
async fn hg_009_when_all_fail_the_primarys_error_surfaces() {
    let attempts = [(ms(1), Err("primary")), (ms(1), Err("1")), (ms(1), Err("2")), (ms(1), Err("3"))];
    let (answer, script, scope) = played(secs(1), 3, attempts).await;
    assert_eq!((answer, script.attempts(), hedges(&scope)), (Err("primary"), 4, 3));
}

#[tokio::test(start_paused = true)]
async fn hg_010_when_all_are_bad_the_primarys_answer_is_given_however_slow_it_was() {
    for delay in [Duration::MAX, ms(0), ms(100), secs(1)] {
        let attempts = [(ms(200), Ok("1st")), (ms(20), Ok("2nd")), (ms(10), Ok("3rd"))];
        let (answer, script, _) = judged(delay, 2, attempts, only("none")).await;
        assert_eq!((answer, script.attempts()), (Ok("1st"), 3), "{delay:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn hg_011_losers_are_cancelled_whoever_wins_and_the_winner_is_not() {
    let never = (secs(86_400), Ok("never"));
    let winners = [[(ms(50), Ok("won")), never, never], [never, never, (ms(5), Ok("won"))]];
    for attempts in winners {
        let (answer, script, _) = played(ms(10), 2, attempts).await;
        assert_eq!((answer, script.attempts(), script.dropped.get()), (Ok("won"), 3, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn hg_012_no_delay_starts_all_at_once_and_an_endless_one_runs_them_in_a_row() {
    let attempts = || [(ms(100), Err("1")), (ms(100), Err("2")), (ms(100), Ok("3"))];
    let (answer, script, scope) = played(ms(0), 2, attempts()).await;
    assert_eq!((answer, scope.clock().elapsed()), (Ok("3"), ms(100)));
    assert_eq!(script.starts(), [ms(0), ms(0), ms(0)]);
    let (answer, script, scope) = played(Duration::MAX, 2, attempts()).await;
    assert_eq!((answer, scope.clock().elapsed()), (Ok("3"), ms(300)));
    assert_eq!(script.starts(), [ms(0), ms(100), ms(200)]);
}

// An attempt that cancels itself is one that ends with a bad answer.
#[tokio::test(start_paused = true)]
async fn hg_013_a_primary_that_gives_up_does_not_end_the_race() {
    let attempts = [(ms(1), Ok("primary")), (ms(1), Ok("secondary"))];
    let (answer, ..) = judged(secs(1), 2, attempts, only("secondary")).await;
    assert_eq!(answer, Ok("secondary"));
}

// Pushback is an answer's own word; the object's rule has none for it.
#[tokio::test(start_paused = true)]
async fn hg_014_attempts_are_one_delay_apart_and_a_failure_sends_the_next_at_once() {
    let never = (secs(86_400), Ok("never"));
    let attempts = [never, never, never, (secs(1), Ok("4th"))];
    let (_, script, _) = played(ms(500), 3, attempts).await;
    assert_eq!(script.starts(), [ms(0), ms(500), ms(1_000), ms(1_500)]);
    let attempts = [never, (ms(100), Err("bad")), never, (secs(1), Ok("4th"))];
    let (_, script, _) = played(ms(500), 3, attempts).await;
    assert_eq!(script.starts(), [ms(0), ms(500), ms(600), ms(1_100)]);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "scripted")]
async fn a_panic_of_an_attempt_goes_on_through_the_caller() {
    let hedge = Hedge::new(ms(1));
    let calls = Cell::new(0);
    let _: Result<(), ()> = hedge
        .call_async(async || {
            calls.set(calls.get() + 1);
            assert!(calls.get() < 2, "scripted, expected in the output");
            pending().await
        })
        .await;
}

/// A hedged call may run on any task, and so may a race.
#[tokio::test]
async fn hedged_calls_can_be_spawned() {
    fn can_be_spawned<T>(future: impl Future<Output = T> + Send + 'static) -> impl Future<Output = T> {
        future
    }
    let hedge = Hedge::new(ms(1));
    let word = String::from("answer");
    let call =
        can_be_spawned(
            async move { hedge.call_async(async || Ok::<_, ResilienceError>(word.clone())).await },
        );
    assert_eq!(call.await.unwrap(), "answer");
    let hedge = Hedge::new(ms(1));
    let race = can_be_spawned(async move { hedge.race([async { Ok::<_, ResilienceError>(1) }]).await });
    assert_eq!(race.await.unwrap(), 1);
}
