//! F01 to F14: the half-open breaker and its states.

use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{
    BreakerSnapshot, CircuitBreaker, ErrorKind, Permit, ResilienceError, State, TripReason, Window, breaker,
    bulkhead, resilience_health, resilient,
};

use crate::support::{
    Answer, Exit, Fault, SECOND, blow_up, end, made, no_rule, now, one_probe, pair, panics, poll, sequences,
    transitions,
};

const RECOVERY: Duration = Duration::from_secs(10);

/// The ways through a breaker.
#[derive(Clone, Copy, Debug)]
enum Door {
    Permit,
    Call,
    CallAsync,
    Sync,
    Async,
}

const DOORS: [Door; 5] = [Door::Permit, Door::Call, Door::CallAsync, Door::Sync, Door::Async];
const EXITS: [Exit; 6] =
    [Exit::Success, Exit::Failure, Exit::Ignored, Exit::Dropped, Exit::Panic, Exit::Refused];

/// What a probe sees: it is the only one.
fn alone(breaker: &CircuitBreaker) {
    assert_eq!(breaker.snapshot().probes_under_way, 1);
    let another = breaker.try_acquire().expect_err("one probe at a time");
    assert!(another.is_circuit_open());
}

#[resilient(
    operation_name = "f01_sync",
    max_attempts = 1,
    enable_timeout = false,
    failure_threshold = 1,
    success_threshold = 4,
    half_open_max_calls = 1,
    recovery_timeout = 10,
    bulkhead(max_concurrent = 1),
    ignore = Fault::NotFound
)]
fn by_sync(breaker: &CircuitBreaker, exit: Exit) -> Answer {
    alone(breaker);
    end(exit)
}

#[resilient(
    operation_name = "f01_async",
    max_attempts = 1,
    enable_timeout = false,
    failure_threshold = 1,
    success_threshold = 4,
    half_open_max_calls = 1,
    recovery_timeout = 10,
    bulkhead(max_concurrent = 1),
    ignore = Fault::NotFound
)]
async fn by_async(breaker: &CircuitBreaker, exit: Exit) -> Answer {
    alone(breaker);
    if exit == Exit::Dropped {
        pending::<()>().await;
    }
    end(exit)
}

impl Door {
    fn breaker(self) -> CircuitBreaker {
        match self {
            Self::Sync => breaker("f01_sync").unwrap(),
            Self::Async => breaker("f01_async").unwrap(),
            _ => made(one_probe(4)),
        }
    }

    /// Goes in and comes out so; a way that knows no such exit takes the next best.
    fn pass(self, breaker: &CircuitBreaker, exit: Exit) {
        let ignored = breaker.snapshot().ignored_calls;
        let full = |name| (exit == Exit::Refused).then(|| bulkhead(name).unwrap().try_acquire().unwrap());
        match self {
            Self::Permit => {
                let permit = breaker.try_acquire().unwrap();
                alone(breaker);
                match exit {
                    Exit::Success => permit.success(),
                    Exit::Failure => permit.failure(),
                    Exit::Ignored => permit.ignore(),
                    Exit::Dropped | Exit::Refused => drop(permit),
                    Exit::Panic => {
                        assert!(panics(|| {
                            let _permit = permit;
                            blow_up()
                        }));
                    }
                }
            }
            Self::Call => {
                let call = || {
                    breaker.call(|| {
                        alone(breaker);
                        end(exit)
                    })
                };
                assert_eq!(panics(|| drop(call())), exit == Exit::Panic);
            }
            Self::CallAsync => {
                let mut call = pin!(breaker.call_async(async || {
                    alone(breaker);
                    if exit == Exit::Dropped {
                        pending::<()>().await;
                    }
                    end(exit)
                }));
                assert_eq!(
                    panics(|| assert_eq!(poll(call.as_mut()).is_pending(), exit == Exit::Dropped)),
                    exit == Exit::Panic
                );
            }
            Self::Sync => {
                let _held = full("f01_sync");
                assert_eq!(panics(|| drop(by_sync(breaker, exit))), exit == Exit::Panic);
            }
            Self::Async => {
                let _held = full("f01_async");
                let mut call = Box::pin(by_async(breaker, exit));
                assert_eq!(
                    panics(|| assert_eq!(poll(call.as_mut()).is_pending(), exit == Exit::Dropped)),
                    exit == Exit::Panic
                );
            }
        }
        let after = breaker.snapshot();
        assert_eq!(after.probes_under_way, 0, "{self:?} {exit:?}");
        if matches!(self, Self::Sync | Self::Async) {
            // A refusal further in is neutral.
            assert_eq!(after.ignored_calls > ignored, matches!(exit, Exit::Ignored | Exit::Refused));
        }
    }
}

#[test]
fn f01_every_exit_of_a_probe_gives_its_place_back() {
    for door in DOORS {
        for exits in sequences(&EXITS, 3) {
            let scope = Scope::new();
            let _inside = scope.enter();
            let breaker = door.breaker();
            breaker.open();
            for exit in &exits {
                scope.clock().advance(RECOVERY);
                door.pass(&breaker, *exit);
            }
            scope.clock().advance(RECOVERY);
            for _ in 0..4 {
                assert_ne!(breaker.state(), State::Closed, "{door:?} {exits:?}");
                breaker
                    .try_acquire()
                    .unwrap_or_else(|wedged| panic!("{door:?} {exits:?}: {wedged}"))
                    .success();
                if breaker.state() == State::Closed {
                    break;
                }
            }
            assert_eq!(breaker.state(), State::Closed, "{door:?} {exits:?}");
        }
    }
}

#[resilient(
    operation_name = "f02_hangs",
    max_attempts = 1,
    enable_timeout = false,
    failure_threshold = 1,
    success_threshold = 1,
    recovery_timeout = 10
)]
async fn hangs(ends: &AtomicU32) -> Answer {
    while ends.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Its lease is as long as the recovery timeout where there is no time limit.
#[test]
fn f02_a_probe_that_never_ends_loses_its_place_with_its_lease() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let breaker = breaker("f02_hangs").unwrap();
    breaker.open();
    scope.clock().advance(RECOVERY);
    let ends = AtomicU32::new(0);
    let mut stuck = pin!(hangs(&ends));
    assert!(poll(stuck.as_mut()).is_pending());
    scope.clock().advance(RECOVERY.saturating_sub(Duration::from_nanos(1)));
    let refused = breaker.try_acquire().unwrap_err();
    assert_eq!(refused.retry_after(), Some(Duration::from_nanos(1)));
    scope.clock().advance(Duration::from_nanos(1));
    let next = breaker.try_acquire().expect("the lease is over");
    assert_eq!(breaker.snapshot().lost_probes, 1);
    // What it says in the end is too late, and takes no place from the other.
    ends.store(1, Ordering::Relaxed);
    assert_eq!(poll(stuck.as_mut()), std::task::Poll::Ready(Ok(())));
    let after = breaker.snapshot();
    assert_eq!((after.state, after.stale_results, after.probes_under_way), (State::HalfOpen, 1, 1));
    next.success();
    assert_eq!(breaker.state(), State::Closed);
}

#[resilient(
    operation_name = "f03_cancelled",
    max_attempts = 3,
    timeout = "1h",
    failure_threshold = 1,
    success_threshold = 1,
    half_open_max_calls = 2,
    recovery_timeout = 10
)]
async fn cancelled() -> Answer {
    pending().await
}

#[tokio::test(start_paused = true)]
async fn f03_ten_thousand_cancelled_probes_give_their_places_back() {
    let scope = Arc::new(Scope::new());
    let _inside = scope.enter();
    let breaker = breaker("f03_cancelled").unwrap();
    breaker.open();
    tokio::time::advance(RECOVERY).await;
    for call in 0..10_000 {
        match call % 100 {
            0 => {
                let scope = Arc::clone(&scope);
                let task = tokio::spawn(async move { scope.run(cancelled()).await });
                tokio::task::yield_now().await;
                task.abort();
                assert!(task.await.unwrap_err().is_cancelled());
            }
            1 => assert!(tokio::time::timeout(SECOND / 1_000, cancelled()).await.is_err()),
            _ => assert!(poll(Box::pin(cancelled()).as_mut()).is_pending()),
        }
    }
    let after = breaker.snapshot();
    assert_eq!((after.state, after.abandoned_calls, after.lost_probes), (State::HalfOpen, 10_000, 0));
    breaker.try_acquire().expect("nothing is under way").success();
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn f04_no_more_probes_are_let_through_than_may_be_however_many_come_at_once() {
    const THREADS: usize = 8;
    let scope = Scope::new();
    let _inside = scope.enter();
    for permitted in [1, 3] {
        let breaker = made(one_probe(100).half_open_max_calls(permitted));
        for _ in 0..200 {
            breaker.open();
            scope.clock().advance(RECOVERY);
            let (together, held) = (Barrier::new(THREADS), Mutex::new(Vec::new()));
            thread::scope(|threads| {
                for _ in 0..THREADS {
                    threads.spawn(|| {
                        together.wait();
                        held.lock().unwrap().extend(breaker.try_acquire().ok());
                    });
                }
            });
            assert_eq!(held.lock().unwrap().len(), permitted as usize);
        }
    }
}

/// A late result of each kind, of a call that was admitted while it was closed and of a probe of an earlier half-open
/// time, while it is half-open.
#[test]
fn f05_a_result_of_an_earlier_era_changes_nothing() {
    type Ending = fn(Permit);
    let endings: [Ending; 6] = [
        Permit::success,
        Permit::failure,
        Permit::ignore,
        drop,
        |permit| permit.success_after(SECOND),
        |permit| permit.failure_after(SECOND),
    ];
    for of_a_probe in [false, true] {
        for ending in endings {
            let scope = Scope::new();
            let _inside = scope.enter();
            let breaker = made(one_probe(1).half_open_max_calls(2));
            if of_a_probe {
                breaker.open();
                scope.clock().advance(RECOVERY);
            }
            let late = breaker.try_acquire().unwrap();
            breaker.try_acquire().unwrap().failure();
            assert_eq!(breaker.state(), State::Open);
            scope.clock().advance(RECOVERY);
            let probe = breaker.try_acquire().unwrap();
            let (before, changes) = (breaker.snapshot(), transitions(&scope).len());
            ending(late);
            let after = breaker.snapshot();
            assert_eq!(Seen::of(&after), Seen { stale: before.stale_results + 1, ..Seen::of(&before) });
            assert_eq!(transitions(&scope).len(), changes);
            probe.success();
            assert_eq!(breaker.state(), State::Closed);
        }
    }
}

/// All that a result could have changed.
#[derive(Debug, PartialEq)]
struct Seen {
    state: State,
    probes: u32,
    results: [u64; 4],
    streak: (u32, u64),
    stale: u64,
}

impl Seen {
    fn of(snapshot: &BreakerSnapshot) -> Self {
        Self {
            state: snapshot.state,
            probes: snapshot.probes_under_way,
            results: [
                snapshot.successful_calls,
                snapshot.failed_calls,
                snapshot.ignored_calls,
                snapshot.abandoned_calls,
            ],
            streak: (snapshot.failure_count, snapshot.consecutive_successes),
            stale: snapshot.stale_results,
        }
    }

    fn counted(&self) -> u64 {
        self.results.iter().sum()
    }
}

/// One thing that happens to a breaker and its permits.
#[derive(Clone, Copy, Debug)]
enum Event {
    Admit,
    OldestSucceeds,
    OldestFails,
    NewestIsDropped,
    TimePasses,
    Reset,
}

/// Plays every sequence of events after one of two probes has failed and the other goes on, and looks at each step.
fn play_all(look: impl Fn(&Played<'_>)) {
    use Event::{Admit, NewestIsDropped, OldestFails, OldestSucceeds, Reset, TimePasses};
    for events in sequences(&[Admit, OldestSucceeds, OldestFails, NewestIsDropped, TimePasses, Reset], 5) {
        let scope = Scope::new();
        let _inside = scope.enter();
        let breaker = made(one_probe(2).half_open_max_calls(2).probe_lease(1_000 * RECOVERY));
        breaker.open();
        scope.clock().advance(RECOVERY);
        let mut held = vec![breaker.try_acquire().unwrap()];
        let (mut admitted, mut of_this_era) = (2, 0_usize);
        breaker.try_acquire().unwrap().failure();
        for event in [&[TimePasses][..], &events].concat() {
            let told = transitions(&scope).len();
            match event {
                Admit => {
                    if let Ok(permit) = breaker.try_acquire() {
                        if transitions(&scope).len() > told {
                            of_this_era = 0;
                        }
                        held.push(permit);
                        (admitted, of_this_era) = (admitted + 1, of_this_era + 1);
                    }
                }
                OldestSucceeds | OldestFails if !held.is_empty() => {
                    let oldest = held.remove(0);
                    of_this_era = of_this_era.min(held.len());
                    if matches!(event, OldestFails) { oldest.failure() } else { oldest.success() }
                }
                NewestIsDropped if held.pop().is_some() => of_this_era = of_this_era.saturating_sub(1),
                TimePasses => scope.clock().advance(RECOVERY),
                Reset => {
                    breaker.reset();
                    (admitted, of_this_era) = (held.len() as u64, 0);
                }
                _ => {}
            }
            if !matches!(event, Admit) && transitions(&scope).len() > told {
                of_this_era = 0;
            }
            look(&Played { events: &events, breaker: &breaker, held: held.len(), admitted, of_this_era });
        }
    }
}

struct Played<'p> {
    events: &'p [Event],
    breaker: &'p CircuitBreaker,
    held: usize,
    admitted: u64,
    of_this_era: usize,
}

#[test]
fn f06_late_results_never_make_room_for_more_probes() {
    play_all(|Played { events, breaker, of_this_era, .. }| {
        let snapshot = breaker.snapshot();
        assert!(snapshot.probes_under_way <= 2, "{events:?}");
        if snapshot.state == State::HalfOpen {
            assert!(*of_this_era <= 2, "{events:?}: {of_this_era} probes");
        }
    });
}

#[test]
fn f07_every_result_is_counted_or_counted_as_stale() {
    play_all(|Played { events, breaker, held, admitted, .. }| {
        let seen = Seen::of(&breaker.snapshot());
        assert_eq!(seen.counted() + seen.stale + *held as u64, *admitted, "{events:?}: {seen:?}");
    });
}

pair! { by_rate: max_attempts = 1, enable_timeout = false, recovery_timeout = 10, failure_threshold = "off",
failure_rate = 0.5, window = 100, min_calls = 100, success_threshold = 3 }
pair! { by_time: max_attempts = 1, enable_timeout = false, recovery_timeout = 10, failure_threshold = "off",
failure_rate = 1.0, window = "1h", min_calls = 50, success_threshold = 3 }
pair! { by_streak: max_attempts = 1, enable_timeout = false, recovery_timeout = 10, failure_threshold = 1_000,
success_threshold = 3 }

/// However many results the rules of the closed breaker ask for.
#[test]
fn f08_one_failed_probe_opens_it_again_below_every_volume() {
    for guarded in [by_rate::BOTH, by_time::BOTH, by_streak::BOTH].concat() {
        for successes in 0..3 {
            let scope = Scope::new();
            let _inside = scope.enter();
            let breaker = breaker(guarded.name).unwrap();
            breaker.open();
            scope.clock().advance(RECOVERY);
            for _ in 0..successes {
                assert_eq!((guarded.call)(Exit::Success), Ok(()));
            }
            assert_eq!((guarded.call)(Exit::Failure), Err(Fault::Down));
            assert_eq!(breaker.state(), State::Open, "{}", guarded.name);
            assert_eq!((guarded.call)(Exit::Success), Err(Fault::Refused(ErrorKind::CircuitOpen)));
            scope.clock().advance(RECOVERY);
            for _ in 0..3 {
                assert_eq!((guarded.call)(Exit::Success), Ok(()));
            }
            assert_eq!(breaker.state(), State::Closed, "{}", guarded.name);
        }
    }
}

/// OPEN ends with the next call; until then it says that nobody need wait any longer.
#[test]
fn f09_a_breaker_whose_time_is_over_says_so_before_the_next_call() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let guarded = by_streak::BOTH[0];
    let breaker = breaker(guarded.name).unwrap();
    breaker.open();
    for (passed, left) in [(0, 10), (4, 6), (6, 0), (1_000, 0)] {
        scope.clock().advance(passed * SECOND);
        assert_eq!(breaker.retry_after(), left * SECOND);
        let health = resilience_health();
        for seen in [&breaker.snapshot(), &health.circuit_breakers[guarded.name]] {
            assert_eq!((seen.state, seen.retry_after), (State::Open, Some(f64::from(left))));
        }
    }
    assert_eq!((guarded.call)(Exit::Success), Ok(()));
    assert_eq!((breaker.state(), breaker.snapshot().retry_after), (State::HalfOpen, None));
}

#[test]
fn f10_one_opening_is_told_once_however_many_failures_cause_it() {
    const THREADS: usize = 8;
    let scope = Scope::new();
    let _inside = scope.enter();
    let breaker = made(one_probe(1));
    for round in 1..=100 {
        let permits: Vec<_> = (0..THREADS).map(|_| breaker.try_acquire().unwrap()).collect();
        let together = Barrier::new(THREADS);
        thread::scope(|threads| {
            for permit in permits {
                threads.spawn(|| {
                    together.wait();
                    permit.failure();
                });
            }
        });
        scope.clock().advance(RECOVERY);
        breaker.try_acquire().unwrap().success();
        let told = transitions(&scope);
        let chain =
            [(State::Closed, State::Open), (State::Open, State::HalfOpen), (State::HalfOpen, State::Closed)];
        assert_eq!((told.len(), &told[told.len() - 3..]), (3 * round, &chain[..]));
    }
    assert_eq!(breaker.snapshot().times_opened, 100);
}

#[test]
fn f11_what_was_counted_before_it_opened_is_forgotten_when_it_closes() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let fail = |breaker: &CircuitBreaker| breaker.try_acquire().unwrap().failure_after(SECOND);
    let by_rate = || no_rule().failure_rate(0.5).min_calls(4).recovery_timeout(RECOVERY).success_threshold(1);
    let slow = no_rule().slow_call_rate(0.5).slow_call_duration(SECOND / 2).min_calls(4).success_threshold(1);
    for config in [
        one_probe(1).failure_threshold(4),
        by_rate().window(Window::Count(8)),
        by_rate().window(Window::Time(1_000 * SECOND)),
        slow.recovery_timeout(RECOVERY),
    ] {
        let breaker = made(config);
        for time in 0..3 {
            for _ in 0..3 {
                fail(&breaker);
                assert_eq!(breaker.state(), State::Closed, "time {time}");
            }
            fail(&breaker);
            assert_eq!(breaker.state(), State::Open);
            scope.clock().advance(RECOVERY);
            breaker.try_acquire().unwrap().success();
            let closed = breaker.snapshot();
            assert_eq!((closed.state, closed.failure_count, closed.current.calls), (State::Closed, 0, 0));
            assert!(closed.window.is_none_or(|window| window.calls + window.slow == 0));
        }
    }
}

/// An error that holds on to a request.
#[derive(Clone, Debug, thiserror::Error)]
enum Heavy {
    #[error("request {0:?} failed")]
    Request(Arc<String>),
    #[error(transparent)]
    Refused(Arc<ResilienceError>),
}

impl From<ResilienceError> for Heavy {
    fn from(refused: ResilienceError) -> Self {
        Self::Refused(Arc::new(refused))
    }
}

fn nothing_instead(_: &Arc<String>) -> Result<(), Heavy> {
    Err(Heavy::Request(Arc::default()))
}

async fn nothing_instead_later(_: &Arc<String>) -> Result<(), Heavy> {
    nothing_instead(&Arc::default())
}

#[resilient(
    operation_name = "f12_sync", failure_threshold = 3, failure_rate = 1.0, window = 10, base_delay = 1, jitter = false,
    max_attempts = 2, enable_timeout = false, bulkhead(max_concurrent = 1), rate_limit(rate = 1_000),
    fallback_chain = [nothing_instead, nothing_instead]
)]
#[resilient::track_service_health("f12")]
fn heavy(request: &Arc<String>) -> Result<(), Heavy> {
    Err(Heavy::Request(Arc::clone(request)))
}

#[resilient(
    operation_name = "f12_async", failure_threshold = 3, failure_rate = 1.0, window = 10, base_delay = 1, jitter = false,
    max_attempts = 2, enable_timeout = false, bulkhead(max_concurrent = 9), rate_limit(rate = 1_000),
    idempotent = true, hedge(delay = "1h"), fallback_chain = [nothing_instead_later, nothing_instead_later]
)]
async fn heavy_later(request: &Arc<String>) -> Result<(), Heavy> {
    Err(Heavy::Request(Arc::clone(request)))
}

#[resilient(
    operation_name = "f12_wrapped",
    base_delay = 1,
    max_attempts = 2,
    exhausted = "wrap",
    enable_timeout = false
)]
fn wrapped(request: &Arc<String>) -> Result<(), Heavy> {
    Err(Heavy::Request(Arc::clone(request)))
}

#[test]
fn f12_no_error_is_kept_by_the_layers_it_went_through() {
    const SECRET: &str = "card 4111";
    let scope = Scope::new();
    let _inside = scope.enter();
    let request = Arc::new(SECRET.to_owned());
    for _ in 0..3 {
        let answers = [heavy(&request), now(heavy_later(&request)), wrapped(&request)];
        assert!(answers.iter().all(Result::is_err));
        drop(answers);
        assert_eq!(Arc::strong_count(&request), 1, "somebody kept an error");
    }
    let mut told = vec![format!("{:?}", scope.events()), resilience_health().to_json()];
    for name in ["f12_sync", "f12_async"] {
        let breaker = breaker(name).unwrap();
        assert_eq!(breaker.state(), State::Open);
        told.push(format!("{:?} {:?}", breaker.try_acquire().unwrap_err(), breaker.snapshot()));
    }
    assert!(!told.concat().contains(SECRET), "another caller is told of it: {told:?}");
}

#[resilient(operation_name = "f13_free", max_attempts = 1, enable_timeout = false, failure_threshold = 3)]
async fn all_at_once(executions: &AtomicU32, gate: &AtomicU32) -> Answer {
    fails_late(executions, gate).await
}

#[resilient(
    operation_name = "f13_bulkhead",
    max_attempts = 1,
    enable_timeout = false,
    failure_threshold = 3,
    bulkhead(max_concurrent = 2)
)]
async fn two_at_once(executions: &AtomicU32, gate: &AtomicU32) -> Answer {
    fails_late(executions, gate).await
}

async fn fails_late(executions: &AtomicU32, gate: &AtomicU32) -> Answer {
    executions.fetch_add(1, Ordering::Relaxed);
    while gate.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    Err(Fault::Down)
}

/// A breaker cannot call back what it has let through: at most `failure_threshold` fail before it opens, and those
/// that were under way then. A bulkhead bounds those.
#[test]
fn f13_what_fails_before_it_is_open_is_the_threshold_and_what_is_under_way() {
    for (limited, bound) in [(false, 50), (true, 3 + 1)] {
        let scope = Scope::new();
        let _inside = scope.enter();
        let (executions, gate) = (AtomicU32::new(0), AtomicU32::new(0));
        for _ in 0..50 {
            gate.store(0, Ordering::Relaxed);
            let mut calls: Vec<std::pin::Pin<Box<dyn Future<Output = Answer>>>> = Vec::new();
            for _ in 0..50 {
                if limited {
                    calls.push(Box::pin(two_at_once(&executions, &gate)));
                } else {
                    calls.push(Box::pin(all_at_once(&executions, &gate)));
                }
            }
            calls.retain_mut(|call| poll(call.as_mut()).is_pending());
            gate.store(1, Ordering::Relaxed);
            calls.retain_mut(|call| poll(call.as_mut()).is_pending());
            assert!(calls.is_empty());
        }
        let (name, executions) = (if limited { "f13_bulkhead" } else { "f13_free" }, executions.into_inner());
        assert_eq!((breaker(name).unwrap().state(), executions), (State::Open, bound));
    }
}

#[resilient(
    operation_name = "f14_abandoned",
    max_attempts = 3,
    timeout = "1h",
    failure_threshold = 5,
    failure_rate = 0.5,
    window = 50,
    min_calls = 20
)]
async fn abandoned() -> Answer {
    pending().await
}

#[tokio::test(start_paused = true)]
async fn f14_traffic_that_is_only_ever_cancelled_opens_it() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let breaker = breaker("f14_abandoned").unwrap();
    for call in 0..20 {
        assert_eq!(breaker.state(), State::Closed, "after {call} calls");
        assert!(tokio::time::timeout(SECOND, abandoned()).await.is_err());
    }
    let open = breaker.snapshot();
    assert_eq!((open.state, open.opened_because), (State::Open, Some(TripReason::Abandoned(20))));
    assert_eq!(abandoned().await, Err(Fault::Refused(ErrorKind::CircuitOpen)));
}
