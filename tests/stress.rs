//! Many threads on one breaker: no probe too many, no permit lost, every call counted once, nobody waits for ever.

use std::collections::BTreeMap;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use resilient::testing::{Scope, TestClock};
use resilient::{
    BreakerConfig, BreakerSnapshot, CircuitBreaker, EventKind, ResilienceError, State, breaker,
    database_resilient, reset_resilience_state, resilience_health, subscribe,
};

const THREADS: u64 = 8;
/// `half_open_max_calls` of the guarded functions.
const PROBES: u32 = 3;
/// `success_threshold` of the guarded functions.
const RECOVERED: u32 = 2;

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("down")]
    Down,
    #[error("not found")]
    NotFound,
    #[error(transparent)]
    Resilience(#[from] ResilienceError),
}

/// What a planned panic carries, to tell it from a failed assertion.
struct Planned;

/// How a call ends, by plan or in fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Success,
    Failure,
    Ignored,
    Dropped,
    Panic,
    Refused,
}

/// By which way a call goes through the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Permit,
    Sync,
    Async,
}

#[database_resilient(
    operation_name = "stress_sync",
    name = "stress",
    enable_timeout = false,
    enable_retry = false,
    failure_threshold = 3,
    success_threshold = RECOVERED,
    half_open_max_calls = PROBES,
    recovery_timeout = "30s",
    ignore = Fault::NotFound
)]
fn by_sync(ward: &Ward, before: &BreakerSnapshot, ending: Ending) -> Result<(), Fault> {
    ward.work(before, ending)
}

#[database_resilient(
    operation_name = "stress_async",
    name = "stress",
    enable_timeout = false,
    enable_retry = false,
    failure_threshold = 3,
    success_threshold = RECOVERED,
    half_open_max_calls = PROBES,
    recovery_timeout = "30s",
    ignore = Fault::NotFound
)]
async fn by_async(ward: &Ward, before: &BreakerSnapshot, ending: Ending) -> Result<(), Fault> {
    let result = ward.work(before, ending);
    if ending == Ending::Dropped {
        pending::<()>().await;
    }
    result
}

/// The breaker under stress and what is known about it from outside.
struct Ward {
    breaker: CircuitBreaker,
    clock: TestClock,
    /// Whoever moves the clock, alone.
    mover: Mutex<()>,
    /// Executions that are certainly probes, by the OPEN that they follow.
    probing: Mutex<BTreeMap<u64, u32>>,
    most_probing: AtomicU32,
}

impl Ward {
    fn new(scope: &Scope) -> Self {
        Self {
            breaker: breaker("stress").unwrap(),
            clock: scope.clock().clone(),
            mover: Mutex::new(()),
            probing: Mutex::default(),
            most_probing: AtomicU32::new(0),
        }
    }

    /// The body of every guarded call.
    fn work(&self, before: &BreakerSnapshot, ending: Ending) -> Result<(), Fault> {
        let now = self.breaker.snapshot();
        let episode = now.times_opened;
        // It cannot have been closed in between, or it would have opened once more: the call is a probe.
        if before.state != State::Closed && now.state == State::HalfOpen && before.times_opened == episode {
            let probing = {
                let mut probing = self.probing.lock().unwrap();
                let probing = probing.entry(episode).or_default();
                *probing += 1;
                *probing
            };
            self.most_probing.fetch_max(probing, Ordering::Relaxed);
            thread::yield_now();
            *self.probing.lock().unwrap().get_mut(&episode).unwrap() -= 1;
        }
        match ending {
            Ending::Failure => Err(Fault::Down),
            Ending::Ignored => Err(Fault::NotFound),
            Ending::Panic => resume_unwind(Box::new(Planned)),
            Ending::Success | Ending::Dropped | Ending::Refused => Ok(()),
        }
    }

    /// Makes one call and says how it ended.
    fn call(&self, door: Door, plan: Ending) -> Ending {
        let before = self.breaker.snapshot();
        let called = catch_unwind(AssertUnwindSafe(|| match door {
            Door::Permit => Poll::Ready(self.by_permit(&before, plan)),
            Door::Sync => Poll::Ready(by_sync(self, &before, plan)),
            Door::Async => poll_once(pin!(by_async(self, &before, plan))),
        }));
        match called {
            Ok(Poll::Ready(Ok(()))) => plan,
            Ok(Poll::Ready(Err(Fault::Down))) => Ending::Failure,
            Ok(Poll::Ready(Err(Fault::NotFound))) => Ending::Ignored,
            Ok(Poll::Ready(Err(Fault::Resilience(refused)))) => {
                assert!(refused.is_circuit_open() || refused.is_isolated(), "{refused}");
                Ending::Refused
            }
            Ok(Poll::Pending) => Ending::Dropped,
            Err(panic) if panic.is::<Planned>() => Ending::Panic,
            Err(panic) => resume_unwind(panic),
        }
    }

    fn by_permit(&self, before: &BreakerSnapshot, plan: Ending) -> Result<(), Fault> {
        let permit = self.breaker.try_acquire()?;
        let result = self.work(before, plan);
        match (plan, &result) {
            (Ending::Dropped, _) => drop(permit),
            (_, Ok(())) => permit.success(),
            (_, Err(Fault::NotFound)) => permit.ignore(),
            (_, Err(_)) => permit.failure(),
        }
        result
    }

    /// Ends OPEN without real time. Nothing else leaves OPEN and nobody else moves the clock, so no probe's lease
    /// runs out by it.
    fn end_open(&self) {
        if let Ok(_alone) = self.mover.try_lock() {
            let now = self.breaker.snapshot();
            if let (State::Open, Some(wait)) = (now.state, now.retry_after) {
                self.clock.advance(Duration::from_secs_f64(wait));
            }
        }
    }

    /// Every free slot of a half-open breaker is given out once, no more; then it recovers.
    fn admits_every_probe_and_recovers(&self) {
        self.breaker.open();
        self.end_open();
        let permits: Vec<_> = std::iter::from_fn(|| self.breaker.try_acquire().ok()).take(100).collect();
        assert_eq!(permits.len(), PROBES as usize);
        assert_eq!(self.breaker.state(), State::HalfOpen);
        permits.into_iter().for_each(resilient::Permit::success);
        assert_eq!(self.breaker.state(), State::Closed);
    }
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// How many calls ended in each way, as their callers saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    successes: u64,
    failures: u64,
    ignored: u64,
    abandoned: u64,
    refused: u64,
}

impl Seen {
    fn add(&mut self, door: Door, ending: Ending) {
        match ending {
            Ending::Success => self.successes += 1,
            Ending::Ignored => self.ignored += 1,
            // A permit knows nothing of the panic that drops it.
            Ending::Panic if door != Door::Permit => self.failures += 1,
            Ending::Failure => self.failures += 1,
            Ending::Dropped | Ending::Panic => self.abandoned += 1,
            Ending::Refused => self.refused += 1,
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            successes: self.successes + other.successes,
            failures: self.failures + other.failures,
            ignored: self.ignored + other.ignored,
            abandoned: self.abandoned + other.abandoned,
            refused: self.refused + other.refused,
        }
    }

    fn of(snapshot: &BreakerSnapshot) -> Self {
        Self {
            successes: snapshot.successful_calls,
            failures: snapshot.failed_calls,
            ignored: snapshot.ignored_calls,
            abandoned: snapshot.abandoned_calls,
            refused: snapshot.rejected_calls,
        }
    }

    fn all(&self) -> u64 {
        self.successes + self.failures + self.ignored + self.abandoned + self.refused
    }
}

/// The door and the plan of one call; the same for the same number in every run.
fn plan(thread: u64, call: u64) -> (Door, Ending) {
    let dice = scrambled(thread << 32 | call);
    let door = match dice % 4 {
        0 | 1 => Door::Permit,
        2 => Door::Sync,
        _ => Door::Async,
    };
    let ending = match (dice >> 8) % 100 {
        0..60 => Ending::Success,
        60..84 => Ending::Failure,
        84..90 => Ending::Ignored,
        90..95 => Ending::Panic,
        // A sync function cannot be dropped half-way.
        _ if door == Door::Sync => Ending::Panic,
        _ => Ending::Dropped,
    };
    (door, ending)
}

/// splitmix64.
fn scrambled(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Runs `calls` planned calls on each of the threads, all inside `scope`, and adds up how they ended.
fn hammer(scope: &Scope, ward: &Ward, calls: u64) -> Seen {
    let start = Barrier::new(usize::try_from(THREADS).unwrap());
    let run = |thread| {
        let _in = scope.enter();
        let mut seen = Seen::default();
        start.wait();
        for call in 0..calls {
            let (door, plan) = plan(thread, call);
            let ending = ward.call(door, plan);
            seen.add(door, ending);
            if ending == Ending::Refused {
                ward.end_open();
                thread::yield_now();
            }
        }
        seen
    };
    thread::scope(|threads| {
        let running: Vec<_> = (0..THREADS).map(|thread| threads.spawn(move || run(thread))).collect();
        let seen =
            running.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        seen.fold(Seen::default(), Seen::and)
    })
}

/// Runs `test` on a thread of its own, so that a deadlock fails instead of hanging.
fn within_two_minutes(test: impl FnOnce() + Send + 'static) {
    let (running, ended) = mpsc::channel::<()>();
    let runner = thread::spawn(move || {
        let _running = running;
        test();
    });
    let ended = ended.recv_timeout(Duration::from_secs(120));
    assert_ne!(ended, Err(mpsc::RecvTimeoutError::Timeout), "deadlock, or something very slow");
    runner.join().unwrap_or_else(|panic| resume_unwind(panic));
}

#[test]
fn eight_threads_at_the_edge_of_the_threshold_lose_no_permit_and_no_count() {
    const CALLS: u64 = 100_000;
    within_two_minutes(|| {
        let scope = Scope::new();
        let _in = scope.enter();
        let ward = Ward::new(&scope);
        let seen = hammer(&scope, &ward, CALLS);

        let after = ward.breaker.snapshot();
        let told = Seen::of(&after);
        assert_eq!(seen.all(), THREADS * CALLS);
        assert_eq!(told.all() + after.stale_results, THREADS * CALLS, "{seen:?} {after:#?}");
        assert_eq!(told.refused, seen.refused);
        for (told, seen) in [
            (told.successes, seen.successes),
            (told.failures, seen.failures),
            (told.ignored, seen.ignored),
            (told.abandoned, seen.abandoned),
        ] {
            assert!(told <= seen && seen <= told + after.stale_results, "{told} of {seen}: {after:#?}");
        }
        assert_eq!(after.total_calls, told.successes + told.failures);

        let most = ward.most_probing.load(Ordering::Relaxed);
        assert!((1..=PROBES).contains(&most), "{most} probes at once");
        assert!(after.times_opened > 100, "it opened {} times only", after.times_opened);
        assert_eq!(after.lost_probes, 0);
        ward.admits_every_probe_and_recovers();
    });
}

#[test]
fn transitions_are_told_as_one_chain_however_many_threads_cause_them() {
    within_two_minutes(|| {
        let scope = Scope::new();
        let _in = scope.enter();
        let ward = Ward::new(&scope);
        let told = Arc::new(Mutex::new(Vec::new()));
        let chain = Arc::clone(&told);
        let _subscription = subscribe(move |event| {
            if let EventKind::Transition { from, to, snapshot, .. } = &event.kind {
                // Lets another thread overtake, if the library lets it.
                thread::yield_now();
                chain.lock().unwrap().push((*from, *to, snapshot.state, snapshot.times_opened));
            }
        });
        hammer(&scope, &ward, 5_000);

        let told = told.lock().unwrap();
        let mut state = State::Closed;
        let mut opened = 0;
        for &(from, to, in_snapshot, times_opened) in told.iter() {
            opened += u64::from(to == State::Open);
            assert_eq!((from, in_snapshot, times_opened), (state, to, opened));
            state = to;
        }
        assert_eq!((state, opened), (ward.breaker.state(), ward.breaker.snapshot().times_opened));
    });
}

#[test]
fn resets_and_manual_changes_while_calls_run_neither_deadlock_nor_spoil_the_counts() {
    within_two_minutes(|| {
        let scope = Scope::new();
        let _in = scope.enter();
        let ward = Ward::new(&scope);
        let running = AtomicBool::new(true);
        let most = THREADS * 10_000;
        let changes: [fn(&CircuitBreaker); 7] = [
            CircuitBreaker::force_open,
            CircuitBreaker::force_close,
            CircuitBreaker::reset,
            |_| reset_resilience_state(),
            CircuitBreaker::open,
            |breaker| breaker.half_open().unwrap_or(()),
            |_| drop(resilience_health().to_json()),
        ];
        let meddle = || {
            let _in = scope.enter();
            while running.load(Ordering::Relaxed) {
                for change in changes {
                    change(&ward.breaker);
                    ward.end_open();
                    let now = ward.breaker.snapshot();
                    let (lifetime, current) = (Seen::of(&now), now.current);
                    assert!(lifetime.all() + now.stale_results <= most, "{now:#?}");
                    assert_eq!(current.calls, current.successes + current.failures);
                    let within = [
                        (current.successes, lifetime.successes),
                        (current.failures, lifetime.failures),
                        (current.ignored, lifetime.ignored),
                        (current.abandoned, lifetime.abandoned),
                        (current.rejected, lifetime.refused),
                    ];
                    assert!(within.iter().all(|(current, lifetime)| current <= lifetime), "{now:#?}");
                    thread::yield_now();
                }
            }
        };
        thread::scope(|threads| {
            let meddler = threads.spawn(meddle);
            hammer(&scope, &ward, 10_000);
            running.store(false, Ordering::Relaxed);
            meddler.join().unwrap_or_else(|panic| resume_unwind(panic));
        });

        // The functions resolve anew, and the breaker of that name is still the one in hand.
        reset_resilience_state();
        assert_eq!(ward.call(Door::Sync, Ending::Success), Ending::Success);
        assert_eq!(breaker("stress").unwrap().snapshot().successful_calls, 1);
        assert_eq!(ward.breaker.snapshot().successful_calls, 1);

        ward.breaker.reset();
        let fresh = ward.breaker.snapshot();
        assert_eq!((Seen::of(&fresh), fresh.stale_results), (Seen::default(), 0));
        let seen = hammer(&scope, &ward, 500);
        let after = ward.breaker.snapshot();
        assert_eq!(Seen::of(&after).all() + after.stale_results, seen.all());
        ward.admits_every_probe_and_recovers();
    });
}

#[test]
fn a_listener_may_call_back_into_the_breaker() {
    within_two_minutes(|| {
        let scope = Scope::new();
        let _in = scope.enter();
        let ward = Ward::new(&scope);
        let at_hand = ward.breaker.clone();
        let _subscription = subscribe(move |event| {
            let EventKind::Transition { to, snapshot, .. } = &event.kind else { return };
            assert_eq!(snapshot.state, *to);
            drop((at_hand.state(), at_hand.snapshot(), at_hand.retry_after(), resilience_health()));
            drop(subscribe(|_| ()));
            match to {
                State::Open => drop(at_hand.half_open()),
                State::HalfOpen => {
                    drop(at_hand.try_acquire());
                    at_hand.close();
                }
                _ => at_hand.try_acquire().unwrap().success(),
            }
        });
        for _ in 0..3 {
            ward.call(Door::Sync, Ending::Failure);
        }
        let told: Vec<_> = scope
            .events()
            .into_iter()
            .filter_map(|event| match event.kind {
                EventKind::Transition { to, .. } => Some(to),
                _ => None,
            })
            .collect();
        assert_eq!(told, [State::Open, State::HalfOpen, State::Closed]);
        let after = ward.breaker.snapshot();
        assert_eq!((after.failed_calls, after.abandoned_calls, after.successful_calls), (3, 1, 1));
        // From many threads at once there is no order to check, only that it ends.
        hammer(&scope, &ward, 500);
    });
}

#[test]
fn a_panicking_listener_harms_nothing() {
    within_two_minutes(|| {
        let scope = Scope::new();
        let _in = scope.enter();
        let ward = Ward::new(&scope);
        let heard = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&heard);
        let _panics = subscribe(|_| resume_unwind(Box::new("a listener's own")));
        let _counts = subscribe(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });

        for plan in [Ending::Success, Ending::Ignored, Ending::Dropped, Ending::Failure, Ending::Panic] {
            // A panic among them: the listener then panics while another panic unwinds.
            assert_eq!(ward.call(Door::Async, plan), plan);
        }
        assert_eq!(heard.load(Ordering::Relaxed) as usize, scope.events().len());
        ward.breaker.reset();
        let seen = hammer(&scope, &ward, 500);
        let after = ward.breaker.snapshot();
        assert_eq!(Seen::of(&after).all() + after.stale_results, seen.all());
        ward.admits_every_probe_and_recovers();
    });
}

/// Dropped with the body that holds it.
type Held = Arc<()>;

#[database_resilient(
    operation_name = "stress_slow",
    timeout = "1s",
    enable_retry = false,
    failure_threshold = "off",
    half_open_max_calls = PROBES,
    recovery_timeout = "30s"
)]
async fn slow(held: Held) -> Result<(), Fault> {
    tokio::time::sleep(Duration::from_secs(10)).await;
    drop(held);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_timed_out_and_ten_thousand_cancelled_calls_leave_nothing_behind() {
    const CALLS: u64 = 10_000;
    let scope = Scope::new();
    let body = async {
        let held = Held::default();
        let begin = || -> Vec<_> {
            let mut calls: Vec<_> = (0..CALLS).map(|_| Box::pin(slow(Arc::clone(&held)))).collect();
            assert!(calls.iter_mut().all(|call| poll_once(call.as_mut()).is_pending()));
            calls
        };

        let mut calls = begin();
        tokio::time::advance(Duration::from_secs(1)).await;
        for call in &mut calls {
            let ended = poll_once(call.as_mut());
            assert!(matches!(ended, Poll::Ready(Err(Fault::Resilience(error))) if error.is_timeout()));
        }
        drop(calls);
        let breaker = breaker("stress_slow").unwrap();
        let expected = Seen { failures: CALLS, ..Seen::default() };
        assert_eq!(Seen::of(&breaker.snapshot()), expected);
        assert_eq!(Arc::strong_count(&held), 1);

        drop(begin());
        let expected = Seen { abandoned: CALLS, ..expected };
        let after = breaker.snapshot();
        assert_eq!((Seen::of(&after), after.stale_results), (expected, 0));
        assert_eq!(Arc::strong_count(&held), 1);

        breaker.open();
        breaker.half_open().unwrap();
        for _ in 0..CALLS {
            assert!(poll_once(pin!(slow(Arc::clone(&held)))).is_pending());
        }
        let after = breaker.snapshot();
        assert_eq!((after.state, after.lost_probes, after.stale_results), (State::HalfOpen, 0, 0));
        assert_eq!((after.current.abandoned, after.rejected_calls), (CALLS, 0));
        let permits: Vec<_> = std::iter::from_fn(|| breaker.try_acquire().ok()).take(100).collect();
        assert_eq!(permits.len(), PROBES as usize);
    };
    scope.run(body).await;
}

#[test]
fn a_window_shared_by_eight_threads_holds_the_last_results_and_no_others() {
    const CALLS: u64 = 5_000;
    let scope = Scope::new();
    let _in = scope.enter();
    let config = BreakerConfig::new().failure_threshold(resilient::OFF).failure_rate(1.0).min_calls(100);
    let breaker = CircuitBreaker::new("stress_window", config).unwrap();
    thread::scope(|threads| {
        for thread in 0..THREADS {
            let breaker = &breaker;
            threads.spawn(move || {
                for call in 0..CALLS {
                    let permit = breaker.try_acquire().unwrap();
                    if (thread + call) % 2 == 0 { permit.success() } else { permit.failure() }
                }
            });
        }
    });
    let after = breaker.snapshot();
    assert_eq!((after.successful_calls, after.failed_calls), (THREADS * CALLS / 2, THREADS * CALLS / 2));
    let window = after.window.unwrap();
    assert_eq!((window.calls, window.successes + window.failures), (100, 100));
}
