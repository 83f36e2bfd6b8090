//! Hedges by attribute, among the other layers: who starts, who stops, what is counted.

use std::future::{Future, pending};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use resilient::testing::{Scope, TestClock};
use resilient::{
    Class, Classify, Deadline, ErrorKind, EventKind, ResilienceError, State, StopReason, breaker, bulkhead,
    rate_limiter, reset_resilience_state, resilient,
};
use tokio::time::sleep;

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum Fault {
    #[error("down {0}")]
    Down(u32),
    #[error("refused: {0:?}")]
    Refused(ErrorKind),
}

impl From<ResilienceError> for Fault {
    fn from(refused: ResilienceError) -> Self {
        Self::Refused(refused.kind())
    }
}

type Answer = Result<u32, Fault>;

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Attempts by number, from 0: how long each takes, and whether it answers. Further ones take for ever.
#[derive(Debug)]
struct Backend {
    plays: Vec<(u64, bool)>,
    clock: TestClock,
    starts: Mutex<Vec<u128>>,
    running: AtomicU32,
    stopped: AtomicU32,
}

struct Running<'b>(&'b Backend, bool);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
        self.0.stopped.fetch_add(u32::from(!self.1), Ordering::Relaxed);
    }
}

impl Backend {
    fn new(plays: &[(u64, bool)]) -> Self {
        Self {
            plays: plays.to_vec(),
            clock: Scope::new().clock().clone(),
            starts: Mutex::default(),
            running: AtomicU32::new(0),
            stopped: AtomicU32::new(0),
        }
    }

    async fn play(&self) -> Answer {
        let number = {
            let mut starts = self.starts.lock().unwrap();
            starts.push(self.clock.elapsed().as_millis());
            starts.len() - 1
        };
        self.running.fetch_add(1, Ordering::Relaxed);
        let mut running = Running(self, false);
        let Some((takes, answers)) = self.plays.get(number) else { return pending().await };
        if *takes > 0 {
            sleep(ms(*takes)).await;
        }
        running.1 = true;
        let number = u32::try_from(number).unwrap();
        if *answers { Ok(number) } else { Err(Fault::Down(number)) }
    }

    /// When attempts began, in milliseconds.
    fn starts(&self) -> Vec<u128> {
        self.starts.lock().unwrap().clone()
    }

    fn stopped(&self) -> u32 {
        assert_eq!(self.running.load(Ordering::Relaxed), 0, "nothing goes on");
        self.stopped.load(Ordering::Relaxed)
    }
}

macro_rules! hedged {
    ($name:ident, $operation:literal, $($layers:tt)*) => {
        #[resilient(
            operation_name = $operation,
            idempotent = true,
            jitter = false,
            base_delay = 1,
            failure_threshold = 10,
            $($layers)*
        )]
        async fn $name(backend: &Backend) -> Answer {
            backend.play().await
        }
    };
}

fn told(scope: &Scope) -> Vec<String> {
    scope.events().iter().map(|event| event.kind.to_string()).collect()
}

fn finished(scope: &Scope) -> Vec<(u32, StopReason)> {
    let finished = |event: resilient::Event| match event.kind {
        EventKind::Finished { attempts, reason, .. } => Some((attempts, reason)),
        _ => None,
    };
    scope.events().into_iter().filter_map(finished).collect()
}

hedged!(plain, "hedged_plain", max_attempts = 1, hedge(delay = "100ms", max_hedges = 2));

#[tokio::test(start_paused = true)]
async fn losers_are_stopped_before_the_answer_is_there_and_leave_nothing() {
    for (plays, answer, starts) in [
        (&[(250, true), (900, true), (900, true)][..], 0, &[0, 100, 200][..]),
        (&[(900, true), (120, true), (900, true)], 1, &[0, 100, 200]),
        (&[(900, true), (900, true), (50, true)], 2, &[0, 100, 200]),
    ] {
        let (scope, backend) = (Scope::new(), Backend::new(plays));
        assert_eq!(scope.run(plain(&backend)).await, Ok(answer));
        assert_eq!((backend.starts(), backend.stopped()), (starts.to_vec(), 2));
        let _inside = scope.enter();
        let counts = breaker("hedged_plain").unwrap().snapshot();
        assert_eq!((counts.successful_calls, counts.failed_calls, counts.abandoned_calls), (1, 0, 2));
        assert_eq!(finished(&scope), [(3, StopReason::Success)]);
        let events = scope.events().len();
        tokio::time::advance(ms(10_000)).await;
        tokio::task::yield_now().await;
        assert_eq!(scope.events().len(), events);
    }
}

#[tokio::test(start_paused = true)]
async fn an_instant_answer_starts_nothing_else() {
    let (scope, backend) = (Scope::new(), Backend::new(&[(0, true)]));
    assert_eq!(scope.run(plain(&backend)).await, Ok(0));
    assert_eq!((backend.starts(), finished(&scope)), (vec![0], vec![(1, StopReason::Success)]));
    assert!(!told(&scope).iter().any(|line| line.contains("hedge")));
}

#[tokio::test(start_paused = true)]
async fn a_hedge_tells_how_long_after_the_attempt_before_it_it_began() {
    let (scope, backend) = (Scope::new(), Backend::new(&[(30, false), (900, true), (20, true)]));
    assert_eq!(scope.run(plain(&backend)).await, Ok(2));
    assert_eq!(backend.starts(), [0, 30, 130]);
    let hedges: Vec<_> = told(&scope).into_iter().filter(|line| line.contains("as a hedge")).collect();
    assert_eq!(
        hedges,
        ["attempt 2 started as a hedge after 30 ms", "attempt 3 started as a hedge after 100 ms"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_race_that_is_dropped_tells_the_attempts_it_had() {
    let (scope, backend) = (Scope::new(), Backend::new(&[]));
    tokio::time::timeout(ms(150), scope.run(plain(&backend))).await.unwrap_err();
    assert_eq!((backend.stopped(), finished(&scope)), (2, vec![(2, StopReason::Cancelled)]));
}

hedged!(
    combined,
    "hedged_combined",
    max_attempts = 2,
    timeout = "300ms",
    deadline = "2s",
    bulkhead(max_concurrent = 2),
    rate_limit(rate = 100),
    hedge(delay = "100ms", max_hedges = 2)
);

#[tokio::test(start_paused = true)]
async fn all_bad_is_the_primarys_error_and_a_retry_races_anew() {
    // The third lane finds the bulkhead full: no attempt, no end of the race, and no fourth.
    let plays = [(250, false), (900, true), (20, false), (10, true)];
    let (scope, backend) = (Scope::new(), Backend::new(&plays));
    let _inside = scope.enter();
    assert_eq!(combined(&backend).await, Ok(3));
    // Primary fails at 250; the hedge is cut off at 400; one second's pause; then 20 ms, and a hedge at once.
    assert_eq!((backend.starts(), scope.clock().elapsed()), (vec![0, 100, 1_400, 1_420], ms(1_430)));
    assert_eq!(finished(&scope), [(4, StopReason::Success)]);
    let counts = breaker("hedged_combined").unwrap().snapshot();
    assert_eq!((counts.successful_calls, counts.failed_calls, counts.abandoned_calls), (1, 3, 0));
    let slots = bulkhead("hedged_combined").unwrap().snapshot();
    assert_eq!((slots.active_count, slots.accepted_calls, slots.rejected_calls), (0, 4, 1));
    assert_eq!(rate_limiter("hedged_combined").unwrap().snapshot().allowed_requests, 5);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_race_and_is_told_once() {
    // Each race lasts 400 ms, then a second's pause: the next race is cut off at 2 s.
    let (scope, backend) = (Scope::new(), Backend::new(&[]));
    let _inside = scope.enter();
    assert_eq!(combined(&backend).await, Err(Fault::Refused(ErrorKind::Timeout)));
    assert_eq!((scope.clock().elapsed(), backend.stopped()), (ms(1_800), 4));
    assert_eq!(finished(&scope), [(4, StopReason::Attempts)]);
    // The same in a deadline around it, which ends earlier.
    let backend = Backend::new(&[]);
    let answer = Deadline::after(ms(250)).attach_to(combined(&backend)).await;
    assert_eq!(answer, Err(Fault::Refused(ErrorKind::DeadlineExceeded)));
    assert_eq!((scope.clock().elapsed(), backend.stopped()), (ms(2_050), 2));
    assert_eq!(finished(&scope)[1..], [(2, StopReason::Deadline)]);
    assert_eq!(bulkhead("hedged_combined").unwrap().active_count(), 0);
}

#[resilient(
    operation_name = "hedged_unstoppable",
    idempotent = true,
    hedge(delay = "100ms", max_hedges = 5),
    max_attempts = 1,
    enable_circuit_breaker = false,
    enable_timeout = false
)]
async fn cannot_be_cut_off(backend: &Backend) -> u32 {
    backend.play().await.unwrap_or(99)
}

#[tokio::test(start_paused = true)]
async fn no_hedge_starts_after_the_deadline_of_a_call_that_cannot_be_cut_off() {
    let (scope, backend) = (Scope::new(), Backend::new(&[(900, true)]));
    let answer =
        scope.run(async { Deadline::after(ms(250)).attach_to(cannot_be_cut_off(&backend)).await }).await;
    assert_eq!((answer, backend.starts()), (0, vec![0, 100, 200]));
}

hedged!(
    probing,
    "hedged_probing",
    max_attempts = 1,
    success_threshold = 1,
    half_open_max_calls = 1,
    hedge(delay = "100ms", max_hedges = 3)
);

#[tokio::test(start_paused = true)]
async fn a_hedge_without_a_probe_slot_is_refused_and_ends_no_race() {
    for (answers, state) in [(true, State::Closed), (false, State::Open)] {
        let (scope, backend) = (Scope::new(), Backend::new(&[(250, answers)]));
        let _inside = scope.enter();
        let breaker = breaker("hedged_probing").unwrap();
        breaker.open();
        breaker.half_open().unwrap();
        let expected = if answers { Ok(0) } else { Err(Fault::Down(0)) };
        assert_eq!(probing(&backend).await, expected);
        assert_eq!((backend.starts(), breaker.state()), (vec![0], state));
        let reason = if answers { StopReason::Success } else { StopReason::Attempts };
        assert_eq!(finished(&scope), [(1, reason)], "who is refused is no attempt");
        assert_eq!(breaker.snapshot().rejected_calls, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_race_that_opens_its_own_breaker_goes_on() {
    let scope = Scope::builder().env("PYNOMALY_OP_HEDGED_PLAIN_FAILURE_THRESHOLD", "1").build();
    let _inside = scope.enter();
    // The hedge fails at 120 ms and opens the breaker; the third lane is refused; the primary answers.
    let backend = Backend::new(&[(500, true), (20, false)]);
    assert_eq!(plain(&backend).await, Ok(0));
    assert_eq!((backend.starts(), finished(&scope)), (vec![0, 100], vec![(2, StopReason::Success)]));
    let refused = plain(&Backend::new(&[])).await;
    assert_eq!(refused, Err(Fault::Refused(ErrorKind::CircuitOpen)));
    assert_eq!(finished(&scope)[1..], [(0, StopReason::Refused)]);
}

hedged!(
    per_call,
    "hedged_per_call",
    max_attempts = 2,
    breaker_scope = "call",
    success_threshold = 1,
    half_open_max_calls = 1,
    min_calls = 1,
    slow_call_rate = 0.5,
    slow_call_duration = "200ms",
    hedge(delay = "100ms", max_hedges = 1)
);

#[tokio::test(start_paused = true)]
async fn a_breaker_around_the_call_sees_one_result_of_all_its_races() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let breaker = breaker("hedged_per_call").unwrap();
    // Two races with two lanes each, on one probe slot.
    breaker.open();
    breaker.half_open().unwrap();
    let backend = Backend::new(&[(50, false), (10, false), (900, true), (20, true)]);
    assert_eq!(per_call(&backend).await, Ok(3));
    assert_eq!(backend.starts(), [0, 50, 1_060, 1_160]);
    let counts = breaker.snapshot();
    assert_eq!((counts.successful_calls, counts.failed_calls, counts.abandoned_calls), (1, 0, 0));
    assert_eq!((counts.state, finished(&scope)), (State::Closed, vec![(4, StopReason::Success)]));
    // All bad, twice.
    assert_eq!(per_call(&Backend::new(&[(1, false); 4])).await, Err(Fault::Down(2)));
    assert_eq!(breaker.snapshot().failed_calls, 1);
    // Dropped in the middle of a race.
    let dropped = Backend::new(&[]);
    tokio::time::timeout(ms(150), per_call(&dropped)).await.unwrap_err();
    assert_eq!((dropped.stopped(), breaker.snapshot().abandoned_calls), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_breaker_around_the_call_sees_how_slow_the_attempt_was() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let _ = per_call(&Backend::new(&[(500, true)])).await;
    let slow = breaker("hedged_per_call").unwrap().snapshot();
    assert_eq!(slow.state, State::Open, "{slow:?}");
}

hedged!(
    thrifty,
    "hedged_thrifty",
    max_attempts = 1,
    budget(ratio = 1.0, per_second = 0),
    hedge(delay = "100ms", max_hedges = 1)
);

#[tokio::test(start_paused = true)]
async fn an_empty_budget_starts_no_hedge_and_first_answers_fill_it() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let slow = async || {
        let backend = Backend::new(&[(250, true)]);
        assert_eq!(thrifty(&backend).await, Ok(0));
        backend.starts().len()
    };
    let exhausted = || told(&scope).iter().filter(|line| line.contains("is empty")).count();
    // A first answer pays for one hedge, however long it took.
    assert_eq!((slow().await, exhausted()), (1, 1));
    assert_eq!((slow().await, exhausted()), (2, 1));
    assert_eq!((slow().await, exhausted()), (2, 1));
    // A hedge that wins is no first answer.
    let hedge_wins = Backend::new(&[(900, true), (10, true)]);
    assert_eq!(thrifty(&hedge_wins).await, Ok(1));
    assert_eq!((slow().await, exhausted()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_hedge_that_was_paid_for_and_dropped_stays_paid() {
    let scope = Scope::new();
    let _inside = scope.enter();
    assert_eq!(thrifty(&Backend::new(&[(0, true)])).await, Ok(0));
    for lanes in [2, 1] {
        let backend = Backend::new(&[]);
        tokio::time::timeout(ms(150), thrifty(&backend)).await.unwrap_err();
        assert_eq!(backend.stopped(), lanes);
    }
}

hedged!(
    crowded,
    "hedged_crowded",
    max_attempts = 1,
    bulkhead(max_concurrent = 1),
    hedge(delay = "100ms", max_hedges = 1)
);

#[tokio::test(start_paused = true)]
async fn a_hedge_that_a_layer_refuses_costs_nothing() {
    let scope = Scope::new();
    let _inside = scope.enter();
    // The budget pays for a hundred.
    for _ in 0..150 {
        assert_eq!(crowded(&Backend::new(&[(250, true)])).await, Ok(0));
    }
    let lines = told(&scope);
    assert_eq!(lines.iter().filter(|line| line.contains("refused: bulkhead_full")).count(), 150);
    assert!(!lines.iter().any(|line| line.contains("is empty")));
}

#[tokio::test(start_paused = true)]
async fn an_operator_may_switch_hedges_off() {
    for variable in ["OP_HEDGED_PLAIN_ENABLE_HEDGE", "RESILIENCE_ENABLED"] {
        let scope = Scope::builder().env(format!("PYNOMALY_{variable}"), "false").build();
        let backend = Backend::new(&[(900, false), (0, true)]);
        assert_eq!(scope.run(plain(&backend)).await, Err(Fault::Down(0)));
        assert_eq!(backend.starts(), [0], "{variable}");
    }
}

/// Down, and says for how many seconds.
#[derive(Debug, PartialEq)]
struct Busy(u64);

impl From<ResilienceError> for Busy {
    fn from(refused: ResilienceError) -> Self {
        panic!("{refused}");
    }
}

impl Classify for Busy {
    fn class(&self) -> Class {
        Class::Transient
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(ms(self.0 * 1_000))
    }
}

#[resilient(
    operation_name = "hedged_busy",
    idempotent = true,
    max_attempts = 2,
    deadline = "30s",
    enable_timeout = false,
    hedge(delay = "100ms")
)]
async fn busy(backend: &Backend, seconds: u64) -> Result<u32, Busy> {
    backend.play().await.map_err(|_| Busy(seconds))
}

#[tokio::test(start_paused = true)]
async fn a_hedge_heeds_when_to_come_back_and_is_not_waited_for_where_that_is_too_long() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let backend = Backend::new(&[(10, false), (10, true)]);
    assert_eq!(busy(&backend, 2).await, Ok(1));
    assert_eq!(backend.starts(), [0, 2_010]);
    // Past the deadline, or longer than anybody waits.
    for seconds in [30, 3_600] {
        let (backend, began) = (Backend::new(&[(10, false)]), scope.clock().elapsed());
        assert_eq!(busy(&backend, seconds).await, Err(Busy(seconds)));
        assert_eq!(scope.clock().elapsed().saturating_sub(began), ms(10));
        assert_eq!(finished(&scope).pop(), Some((1, StopReason::DelayTooLong)));
    }
}

hedged!(measured, "hedged_measured", max_attempts = 1, hedge(delay = "p95"));

#[tokio::test(start_paused = true)]
async fn a_measured_delay_needs_twenty_answers_and_is_forgotten_by_a_reset() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let slow = async || {
        let backend = Backend::new(&[(500, true)]);
        measured(&backend).await.unwrap();
        backend.starts()
    };
    for _ in 0..20 {
        assert_eq!(slow().await, [0]);
    }
    // Failures and dropped calls are no measure.
    assert!(measured(&Backend::new(&[(5_000, false), (0, false)])).await.is_err());
    let hedged = Backend::new(&[]);
    tokio::time::timeout(ms(700), measured(&hedged)).await.unwrap_err();
    assert_eq!(hedged.starts(), [0, 500]);
    reset_resilience_state();
    let again = Backend::new(&[(2_000, true)]);
    measured(&again).await.unwrap();
    assert_eq!(again.starts(), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_reset_in_the_middle_of_a_race_makes_its_results_stale_and_no_more() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let backend = Backend::new(&[(250, false), (300, true)]);
    let reset = async {
        sleep(ms(150)).await;
        reset_resilience_state();
    };
    let (answer, ()) = tokio::join!(combined(&backend), reset);
    assert_eq!((answer, backend.starts()), (Ok(1), vec![0, 100]));
    let counts = breaker("hedged_combined").unwrap().snapshot();
    assert_eq!((counts.successful_calls, counts.failed_calls), (0, 0), "{counts:?}");
    assert_eq!(bulkhead("hedged_combined").unwrap().active_count(), 0);
    assert_eq!(finished(&scope), [(2, StopReason::Success)]);
}

#[tokio::test(start_paused = true)]
async fn hedged_calls_can_be_spawned() {
    fn spawned(future: impl Future<Output = Answer> + Send + 'static) -> impl Future<Output = Answer> {
        let task = tokio::spawn(future);
        async { task.await.unwrap() }
    }
    for call in [false, true] {
        let answer = spawned(async move {
            let backend = Backend::new(&[(900, true), (20, true)]);
            if call { per_call(&backend).await } else { combined(&backend).await }
        });
        assert_eq!(answer.await, Ok(1));
    }
}
