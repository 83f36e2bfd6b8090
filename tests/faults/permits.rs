//! F15 to F24: bulkheads, time limits, hedges, budgets, rate limits.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{
    Algorithm, Budget, Bulkhead, BulkheadConfig, BulkheadPermit, ErrorKind, RateLimitConfig, RateLimiter,
    ResilienceError, ResilientOperation, RetryBudget, RetryPolicy, breaker, bulkhead, resilience_health,
    resilient,
};

use crate::support::{Answer, Fault, HOUR, SECOND, poll, sequences, without_getting_stuck};

type Waiting<'b> = Pin<Box<dyn Future<Output = Result<BulkheadPermit, ResilienceError>> + 'b>>;

fn one_slot(config: impl FnOnce(BulkheadConfig) -> BulkheadConfig) -> Bulkhead {
    Bulkhead::new("made", config(BulkheadConfig::new().max_concurrent(1).max_queue(9))).expect("a name")
}

/// Whoever waited is gone when the slot that was meant for them comes.
#[test]
fn f15_a_slot_that_was_given_to_somebody_who_left_goes_to_the_next() {
    let scope = Scope::new();
    let _inside = scope.enter();
    for leaves_before in [false, true] {
        let bulkhead = one_slot(|config| config);
        let first = bulkhead.try_acquire().unwrap();
        let mut waiting: Vec<Waiting<'_>> =
            (0..3).map(|_| Box::pin(bulkhead.acquire()) as Waiting<'_>).collect();
        assert!(waiting.iter_mut().all(|waiting| poll(waiting.as_mut()).is_pending()));
        if leaves_before {
            drop(waiting.remove(0));
            drop(first);
        } else {
            drop(first);
            drop(waiting.remove(0));
        }
        let Poll::Ready(Ok(second)) = poll(waiting[0].as_mut()) else { panic!("the slot is lost") };
        assert!(poll(waiting[1].as_mut()).is_pending());
        drop((second, waiting));
        assert_eq!((bulkhead.active_count(), bulkhead.waiting_count()), (0, 0));
        drop(bulkhead.try_acquire().expect("its only slot"));
    }
}

/// The wait ends in the instant in which the slot comes, in either order.
#[tokio::test(start_paused = true)]
async fn f15_a_wait_that_ends_as_the_slot_comes_loses_no_slot() {
    let scope = Scope::new();
    let _inside = scope.enter();
    for released_first in [false, true] {
        let bulkhead = one_slot(|config| config.max_wait(SECOND));
        let first = bulkhead.try_acquire().unwrap();
        let mut waiting = pin!(bulkhead.acquire());
        assert!(poll(waiting.as_mut()).is_pending());
        let answer = if released_first {
            drop(first);
            tokio::time::advance(SECOND).await;
            let answer = waiting.await;
            assert!(answer.is_ok(), "it was given the slot in time");
            answer
        } else {
            tokio::time::advance(SECOND).await;
            let answer = waiting.await;
            assert!(answer.as_ref().is_err_and(ResilienceError::is_bulkhead_full));
            drop(first);
            answer
        };
        assert_eq!(bulkhead.active_count(), u32::from(released_first));
        drop(answer);
        assert_eq!((bulkhead.active_count(), bulkhead.waiting_count()), (0, 0));
        drop(bulkhead.try_acquire().expect("its only slot"));
    }
}

/// Threads, whose wait may end at any point of the release.
#[test]
fn f15_threads_that_give_up_as_the_slot_comes_lose_no_slot() {
    without_getting_stuck(|| {
        let bulkhead = one_slot(|config| config.max_wait(Duration::from_micros(50)));
        thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| (0..500).for_each(|_| drop(bulkhead.acquire_blocking())));
            }
        });
        assert_eq!((bulkhead.active_count(), bulkhead.waiting_count()), (0, 0));
        drop(bulkhead.try_acquire().expect("its only slot"));
    });
}

#[resilient(
    operation_name = "f16_cancelled",
    max_attempts = 3,
    timeout = "1h",
    deadline = "2h",
    failure_threshold = 5,
    bulkhead(max_concurrent = 1, max_queue = 1),
    rate_limit(rate = 1_000_000),
    idempotent = true,
    hedge(delay = "10s")
)]
async fn cancelled() -> Answer {
    pending().await
}

/// Every other one is dropped in the queue.
#[tokio::test(start_paused = true)]
async fn f16_ten_thousand_cancelled_calls_give_their_slots_back() {
    let scope = Scope::new();
    let _inside = scope.enter();
    for _ in 0..5_000 {
        let (mut running, mut queued) = (Box::pin(cancelled()), Box::pin(cancelled()));
        assert!(poll(running.as_mut()).is_pending() && poll(queued.as_mut()).is_pending());
        let bulkhead = bulkhead("f16_cancelled").unwrap();
        assert_eq!((bulkhead.active_count(), bulkhead.waiting_count()), (1, 1));
        drop(running);
        assert_eq!(bulkhead.active_count(), 1, "the slot is the other's");
        drop(queued);
        assert_eq!((bulkhead.active_count(), bulkhead.waiting_count()), (0, 0));
    }
    let breaker = breaker("f16_cancelled").unwrap().snapshot();
    assert_eq!((breaker.abandoned_calls, breaker.total_calls), (10_000, 0));
}

/// What is done with a bulkhead of two slots.
#[derive(Clone, Copy, Debug)]
enum Step {
    Take,
    Wait,
    PollWaiting,
    GiveBackOldest,
    LeaveOldest,
    LeaveNewest,
    Reset,
    Reconfigure(u32),
}

#[test]
fn f17_no_slot_is_given_back_twice() {
    use Step::{GiveBackOldest, LeaveNewest, LeaveOldest, PollWaiting, Reconfigure, Reset, Take, Wait};
    let scope = Scope::new();
    let _inside = scope.enter();
    let alphabet = [
        Take,
        Wait,
        PollWaiting,
        GiveBackOldest,
        LeaveOldest,
        LeaveNewest,
        Reset,
        Reconfigure(1),
        Reconfigure(3),
    ];
    for steps in sequences(&alphabet, 5) {
        let config = BulkheadConfig::new().max_queue(9);
        let bulkhead = Bulkhead::new("made", config.clone().max_concurrent(2)).unwrap();
        let (mut limit, mut held, mut waiting) = (2, Vec::new(), Vec::<Waiting<'_>>::new());
        for step in [&[Take, Take, Wait][..], &steps, &[PollWaiting]].concat() {
            match step {
                Take => held.extend(bulkhead.try_acquire().ok()),
                Wait => waiting.push(Box::pin(bulkhead.acquire())),
                GiveBackOldest if !held.is_empty() => drop(held.remove(0)),
                LeaveOldest if !waiting.is_empty() => drop(waiting.remove(0)),
                LeaveNewest => drop(waiting.pop()),
                Reset => bulkhead.reset(),
                Reconfigure(slots) => {
                    limit = slots;
                    bulkhead.reconfigure(config.clone().max_concurrent(slots));
                }
                _ => {}
            }
            if matches!(step, Wait | PollWaiting) {
                waiting.retain_mut(|call| match poll(call.as_mut()) {
                    Poll::Ready(permit) => {
                        held.push(permit.expect("there is a queue"));
                        false
                    }
                    Poll::Pending => true,
                });
            }
            let (snapshot, held) = (bulkhead.snapshot(), u32::try_from(held.len()).unwrap());
            // Between a grant and its poll a slot is taken that nobody holds yet.
            let granted = u32::try_from(waiting.len()).unwrap() - snapshot.waiting_count;
            assert_eq!(snapshot.active_count, held + granted, "{steps:?}");
            assert!(snapshot.available <= limit, "{steps:?}");
        }
        assert!(waiting.is_empty() || held.len() >= limit as usize, "{steps:?}: free, and somebody waits");
        drop((held, waiting));
        assert_eq!((bulkhead.active_count(), bulkhead.waiting_count()), (0, 0), "{steps:?}");
    }
}

/// There is no readiness apart from the permit itself, and a wait is a place in a queue.
#[tokio::test]
async fn f18_a_permit_is_the_only_readiness_and_waiting_spawns_no_task() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let bulkhead = Bulkhead::new("made", BulkheadConfig::new().max_concurrent(1).max_wait(HOUR)).unwrap();
    let permit = bulkhead.try_acquire().unwrap();
    assert!(bulkhead.try_acquire().is_err(), "who was told yes has the slot");
    let mut waiting: Vec<Waiting<'_>> =
        (0..100).map(|_| Box::pin(bulkhead.acquire()) as Waiting<'_>).collect();
    assert!(waiting.iter_mut().all(|waiting| poll(waiting.as_mut()).is_pending()));
    assert_eq!(bulkhead.waiting_count(), 100);
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
    drop((permit, waiting));
}

/// Counts itself as long as it is alive.
struct Alive<'c>(&'c AtomicU32);

impl<'c> Alive<'c> {
    fn new(count: &'c AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[resilient(
    operation_name = "f19_hedged",
    max_attempts = 1,
    enable_timeout = false,
    idempotent = true,
    bulkhead(max_concurrent = 9),
    hedge(delay = "1s", max_hedges = 3)
)]
async fn hedged(begun: &AtomicU32, alive: &AtomicU32, winner: u32) -> Answer {
    let _alive = Alive::new(alive);
    if begun.fetch_add(1, Ordering::Relaxed) == winner { Ok(()) } else { pending().await }
}

#[tokio::test(start_paused = true)]
async fn f19_no_loser_of_a_race_goes_on_when_the_winner_has_answered() {
    for winner in 0..4 {
        let scope = Scope::new();
        scope
            .run(async {
                let (begun, alive) = (AtomicU32::new(0), AtomicU32::new(0));
                assert_eq!(hedged(&begun, &alive, winner).await, Ok(()));
                assert_eq!((begun.load(Ordering::Relaxed), alive.load(Ordering::Relaxed)), (winner + 1, 0));
                assert_eq!(bulkhead("f19_hedged").unwrap().active_count(), 0);
                assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
                tokio::time::advance(HOUR).await;
                assert_eq!(begun.load(Ordering::Relaxed), winner + 1, "no hedge comes later");
            })
            .await;
    }
}

/// A door that is shut until somebody opens it, and how many stand before it.
#[derive(Default)]
struct Door {
    open: Mutex<bool>,
    opened: Condvar,
    before: AtomicU32,
}

impl Door {
    fn wait(&self) {
        self.before.fetch_add(1, Ordering::Relaxed);
        drop(self.opened.wait_while(self.open.lock().unwrap(), |open| !*open));
        self.before.fetch_sub(1, Ordering::Relaxed);
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

#[resilient(
    operation_name = "f20_stuck",
    max_attempts = 1,
    failure_threshold = "off",
    failure_rate = 1.0,
    window = 10_000,
    min_calls = 10_000,
    timeout = "1ms",
    timeout_mode = "thread"
)]
fn stuck(door: Arc<Door>) -> Answer {
    door.wait();
    Ok(())
}

/// A running thread cannot be stopped, so there is a limit to how many may be stuck. The only test of this file that
/// uses worker threads: they are the process's.
#[test]
fn f20_stuck_threads_are_limited_and_seen_and_come_back() {
    const MOST: u32 = 512;
    without_getting_stuck(|| {
        let scope = Scope::new();
        let _inside = scope.enter();
        let door = Arc::new(Door::default());
        for call in 0..MOST {
            assert_eq!(stuck(Arc::clone(&door)), Err(Fault::Refused(ErrorKind::Timeout)), "call {call}");
        }
        for _ in 0..3 {
            assert_eq!(stuck(Arc::clone(&door)), Err(Fault::Refused(ErrorKind::QueueTimeout)));
        }
        while door.before.load(Ordering::Relaxed) < MOST {
            thread::yield_now();
        }
        let threads = resilience_health().workers;
        assert_eq!((threads.active, threads.stuck), (MOST as usize, MOST as usize));
        let breaker = breaker("f20_stuck").unwrap().snapshot();
        assert_eq!(
            (breaker.failed_calls, breaker.ignored_calls),
            (u64::from(MOST), 3),
            "no thread is no failure"
        );
        door.open();
        while resilience_health().workers.stuck > 0 || resilience_health().workers.active > 0 {
            thread::yield_now();
        }
        // On a thread that was stuck; how soon it answers is the machine's affair.
        while stuck(Arc::clone(&door)).is_err() {}
    });
}

/// F21: a semaphore that was re-opened by `forget` was mended in tokio 1.51.1; F22: a race of timers in 1.53.1.
#[test]
fn f21_f22_the_oldest_tokio_that_is_let_in_is_mended() {
    let manifest = include_str!("../../Cargo.toml");
    let tokio = manifest.lines().find_map(|line| line.strip_prefix("tokio = { version = \"")).expect("tokio");
    let version: Vec<u32> =
        tokio.split('"').next().unwrap().split('.').map(|number| number.parse().unwrap()).collect();
    assert!(version >= vec![1, 53, 1], "{version:?}");
}

/// F22: a limit under the paused clock ends exactly when it should, however often timers are set and cancelled.
#[resilient(operation_name = "f22_limited", max_attempts = 1, timeout = "5s", failure_threshold = "off")]
async fn limited(takes: Duration) -> Answer {
    tokio::time::sleep(takes).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn f22_timers_that_are_set_and_cancelled_over_and_over_stay_exact() {
    let scope = Scope::new();
    let _inside = scope.enter();
    for round in 0..1_000 {
        let began = scope.clock().elapsed();
        let takes = Duration::from_millis(4_990 + round % 20);
        let mut cancelled = Box::pin(limited(HOUR));
        assert!(poll(cancelled.as_mut()).is_pending());
        let answer = limited(takes).await;
        drop(cancelled);
        let expected = if takes <= 5 * SECOND { Ok(()) } else { Err(Fault::Refused(ErrorKind::Timeout)) };
        assert_eq!(
            (answer, scope.clock().elapsed().saturating_sub(began)),
            (expected, takes.min(5 * SECOND))
        );
    }
}

#[test]
fn f23_threads_take_no_more_from_a_budget_than_there_is_and_lose_nothing_of_it() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let budgets = [
        RetryBudget::new("f23", Budget::Tokens).unwrap(),
        RetryBudget::tokens("f23", 500, 5).unwrap(),
        RetryBudget::ratio("f23", 0.0, 10.0, 10 * SECOND).unwrap(),
    ];
    for budget in budgets {
        let granted = AtomicU32::new(0);
        let at_once = |work: &(dyn Fn() + Sync)| {
            thread::scope(|threads| {
                (0..8).for_each(|_| drop(threads.spawn(|| (0..200).for_each(|_| work()))));
            });
        };
        at_once(&|| {
            granted.fetch_add(u32::from(budget.withdraw()), Ordering::Relaxed);
        });
        assert_eq!(granted.into_inner(), 100, "{budget:?}");
        if budget.available() == 0 && !budget.withdraw() {
            at_once(&|| {
                if budget.withdraw() {
                    budget.refund();
                }
                budget.deposit();
            });
            assert!(budget.available() <= 500, "{budget:?}");
        }
    }
    // A refund for each withdrawal, and nothing is left over or missing.
    let tokens = RetryBudget::tokens("f23", 500, 5).unwrap();
    thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                for _ in 0..1_000 {
                    assert!(tokens.withdraw(), "eight take 40 of 500");
                    tokens.refund();
                }
            });
        }
    });
    assert_eq!(tokens.available(), 500);
}

/// A retry that was paid for and dropped stays paid: neither given back twice nor taken twice.
#[tokio::test(start_paused = true)]
async fn f23_calls_dropped_amid_their_retries_owe_their_budget_nothing() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let budget = RetryBudget::tokens("f23", 500, 5).unwrap();
    let operation = ResilientOperation::builder("f23_dropped")
        .with_retry(RetryPolicy::new().with_max_attempts(3).with_base_delay(1.0).with_jitter(false))
        .with_retry_budget(budget.clone())
        .build()
        .unwrap();
    for (dropped_after, paid) in [(0, 0), (1, 5), (2, 5), (3, 10), (4, 10)] {
        let before = budget.available();
        let mut call = Box::pin(operation.call_async(async || {
            tokio::time::sleep(SECOND).await;
            Err::<(), _>(Fault::Down)
        }));
        assert!(poll(call.as_mut()).is_pending());
        for _ in 0..dropped_after {
            tokio::time::advance(SECOND).await;
            assert!(poll(call.as_mut()).is_pending());
        }
        drop(call);
        assert_eq!(before - budget.available(), paid, "dropped after {dropped_after} s");
    }
}

/// In every window of `per` at most `rate` calls, and what GCRA saved up besides; the threads all come at once.
#[test]
fn f24_no_window_lets_more_through_than_its_limit_however_many_come_at_once() {
    const RATE: u32 = 50;
    const STEPS: u32 = 10;
    for (algorithm, saved_up) in
        [(Algorithm::SlidingWindow, 0), (Algorithm::Gcra, RATE), (Algorithm::Gcra, 1)]
    {
        let scope = Scope::new();
        let _inside = scope.enter();
        let mut config = RateLimitConfig::new(RATE).algorithm(algorithm);
        if saved_up > 0 {
            config = config.burst(saved_up);
        }
        let limiter = RateLimiter::new("f24", config).unwrap();
        let mut admitted = Vec::new();
        for _ in 0..5 * STEPS {
            let now = AtomicU32::new(0);
            thread::scope(|threads| {
                for _ in 0..4 {
                    threads.spawn(|| {
                        for _ in 0..RATE {
                            now.fetch_add(u32::from(limiter.try_acquire().is_ok()), Ordering::Relaxed);
                        }
                    });
                }
            });
            admitted.push(now.into_inner());
            scope.clock().advance(SECOND / STEPS);
        }
        for window in admitted.windows(STEPS as usize) {
            assert!(window.iter().sum::<u32>() <= RATE + saved_up, "{algorithm:?}: {window:?}");
        }
        let whole: u32 = admitted.iter().sum();
        assert!(
            whole >= if saved_up == 1 { 5 * STEPS } else { 5 * RATE },
            "{algorithm:?} starves: {admitted:?}"
        );
    }
}

#[test]
fn f24_a_number_of_permits_that_would_overflow_passes_no_limit() {
    for algorithm in [Algorithm::SlidingWindow, Algorithm::Gcra] {
        for rate in [1, 100_000] {
            let scope = Scope::new();
            let _inside = scope.enter();
            let config = RateLimitConfig::new(rate).algorithm(algorithm);
            let limiter = RateLimiter::new("f24", config.per(HOUR)).unwrap();
            for _ in 0..3 {
                for permits in [u32::MAX, u32::MAX - 1, 1 << 31, rate + 1] {
                    assert!(limiter.try_acquire_many(permits).is_err(), "{algorithm:?} {permits} of {rate}");
                }
                scope.clock().advance(100 * HOUR);
            }
            limiter.try_acquire_many(rate).expect("refusals take nothing");
            assert!(limiter.try_acquire().is_err());
        }
    }
}
