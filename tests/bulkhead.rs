//! A bulkhead never lets one call too many in, loses no slot, and whoever came first goes first.

use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{Bulkhead, BulkheadConfig, BulkheadPermit, ResilienceError, resilient};

type Entered = Result<BulkheadPermit, ResilienceError>;
type Waiting<'b> = Pin<Box<dyn Future<Output = Entered> + 'b>>;

const LONG: Duration = Duration::from_secs(60);

fn bulkhead(max_concurrent: u32) -> Bulkhead {
    let config = BulkheadConfig::new().max_concurrent(max_concurrent).max_queue(u32::MAX);
    Bulkhead::new("bulkhead", config).unwrap()
}

/// Polls once, with a waker that nobody hears.
fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn queued(bulkhead: &Bulkhead) -> Waiting<'_> {
    let mut waiting: Waiting<'_> = Box::pin(bulkhead.acquire());
    assert!(poll(waiting.as_mut()).is_pending());
    waiting
}

fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

/// Every slot can be had, and no more.
#[track_caller]
fn assert_whole(bulkhead: &Bulkhead, slots: u32) {
    assert_eq!((bulkhead.active_count(), bulkhead.waiting_count()), (0, 0));
    let permits: Vec<_> = std::iter::from_fn(|| bulkhead.try_acquire().ok()).collect();
    assert_eq!(permits.len(), slots as usize);
}

#[test]
fn of_ten_thousand_that_wait_every_other_is_dropped_and_the_rest_go_through_in_order() {
    const CALLS: usize = 10_000;
    let bulkhead = bulkhead(1);
    let mut running = bulkhead.try_acquire().unwrap();
    let mut waiting: Vec<_> = (0..CALLS).map(|_| Some(queued(&bulkhead))).collect();
    assert_eq!(bulkhead.waiting_count(), 10_000);
    waiting.iter_mut().skip(1).step_by(2).for_each(|dropped| *dropped = None);
    assert_eq!(bulkhead.waiting_count(), 5_000);
    let mut staying: VecDeque<_> = waiting.into_iter().flatten().collect();
    while let Some(mut first) = staying.pop_front() {
        assert!(poll(first.as_mut()).is_pending());
        drop(running);
        if let Some(second) = staying.front_mut() {
            assert!(poll(second.as_mut()).is_pending());
        }
        let Poll::Ready(entered) = poll(first.as_mut()) else { panic!("it was passed over") };
        running = entered.unwrap();
        assert_eq!(bulkhead.active_count(), 1);
    }
    drop(running);
    assert_whole(&bulkhead, 1);
    assert_eq!(bulkhead.snapshot().max_active_count, 1);
}

#[test]
fn a_slot_that_was_granted_to_a_dropped_call_goes_to_the_next() {
    let bulkhead = bulkhead(2);
    let running = [(); 2].map(|()| bulkhead.try_acquire().unwrap());
    let mut waiting: VecDeque<_> = (0..10).map(|_| queued(&bulkhead)).collect();
    // Two are granted a slot, never look, and are dropped; so on to the last two.
    drop(running);
    for left in (0..4).rev() {
        assert_eq!((bulkhead.active_count(), bulkhead.waiting_count()), (2, 2 * left + 2));
        drop(waiting.drain(..2));
    }
    for last in &mut waiting {
        assert!(matches!(poll(last.as_mut()), Poll::Ready(Ok(_))));
    }
    drop(waiting);
    assert_whole(&bulkhead, 2);
}

#[test]
fn a_call_dropped_or_panicking_at_any_point_gives_everything_back() {
    const STOPS: u32 = 3;
    let body = async |panics: bool| {
        for _ in 0..STOPS {
            let mut stopped = false;
            poll_fn(|_| if std::mem::replace(&mut stopped, true) { Poll::Ready(()) } else { Poll::Pending })
                .await;
        }
        assert!(!panics, "planned");
        Ok::<_, ResilienceError>(())
    };
    let bulkhead = bulkhead(1);
    // Not polled at all, waiting, granted a slot, stopped for the first time and so on.
    for polls in 0..=STOPS + 1 {
        let running = bulkhead.try_acquire().unwrap();
        let mut call = Box::pin(bulkhead.call_async(async || body(false).await));
        if polls > 0 {
            assert!(poll(call.as_mut()).is_pending());
        }
        drop(running);
        for _ in 1..polls {
            assert!(poll(call.as_mut()).is_pending());
        }
        drop(call);
        assert_whole(&bulkhead, 1);
    }
    let call = || {
        let mut call = pin!(bulkhead.call_async(async || body(true).await));
        while poll(call.as_mut()).is_pending() {}
    };
    assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
    assert_whole(&bulkhead, 1);
    let call = || bulkhead.call(|| -> Result<(), ResilienceError> { panic!("planned") });
    assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
    assert_whole(&bulkhead, 1);
}

#[test]
fn threads_and_tasks_that_wait_go_in_the_order_they_came() {
    let bulkhead = bulkhead(1);
    let running = bulkhead.try_acquire().unwrap();
    let (entered, entries) = mpsc::channel();
    thread::scope(|threads| {
        let mut running = running;
        let mut tasks = VecDeque::new();
        for number in 0..10 {
            if number % 2 == 0 {
                tasks.push_back(queued(&bulkhead));
            } else {
                let (bulkhead, entered) = (&bulkhead, entered.clone());
                threads.spawn(move || entered.send((number, bulkhead.acquire_blocking().unwrap())).unwrap());
            }
            until(|| bulkhead.waiting_count() == number + 1);
        }
        for number in 0..10 {
            drop(running);
            running = if number % 2 == 0 {
                let mut task = tasks.pop_front().unwrap();
                let Poll::Ready(entered) = poll(task.as_mut()) else { panic!("{number} was passed over") };
                entered.unwrap()
            } else {
                let (thread, entered) = entries.recv_timeout(LONG).unwrap();
                assert_eq!(thread, number);
                entered
            };
            assert!(tasks.iter_mut().all(|task| poll(task.as_mut()).is_pending()));
        }
    });
    assert_whole(&bulkhead, 1);
}

#[test]
fn a_thread_that_waits_on_a_tokio_worker_hands_its_tasks_over() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let bulkhead = bulkhead(1);
    let running = bulkhead.try_acquire().unwrap();
    let (waits, frees) = (bulkhead.clone(), bulkhead.clone());
    let entered = runtime.block_on(async {
        let waits = tokio::spawn(async move { waits.acquire_blocking().is_ok() });
        tokio::spawn(async move {
            while frees.waiting_count() == 0 {
                tokio::task::yield_now().await;
            }
            drop(running);
        });
        tokio::time::timeout(LONG, waits).await
    });
    assert!(entered.unwrap().unwrap());
    assert_whole(&bulkhead, 1);
}

#[resilient(operation_name = "bulkhead_within", deadline = "20ms", enable_retry = false)]
fn within_a_deadline(bulkhead: &Bulkhead) -> Result<(), ResilienceError> {
    bulkhead.call(|| Ok(()))
}

#[test]
fn a_wait_ends_with_the_deadline_around_it() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let bulkhead = bulkhead(1);
    let _running = bulkhead.try_acquire().unwrap();
    assert!(within_a_deadline(&bulkhead).is_err());
    assert_eq!(scope.clock().elapsed(), Duration::from_millis(20));
    let now = bulkhead.snapshot();
    assert_eq!((now.rejected_calls, now.waiting_count), (1, 0));
}

#[test]
fn a_snapshot_is_json_with_the_settings_words() {
    let config = BulkheadConfig::new().max_concurrent(2).max_wait(Duration::from_millis(1_500));
    let bulkhead = Bulkhead::new("db", config).unwrap();
    let _running = bulkhead.try_acquire().unwrap();
    let json = serde_json::to_value(bulkhead.snapshot()).unwrap();
    let expected = serde_json::json!({
        "name": "db", "max_concurrent": 2, "max_queue": null, "max_wait": 1.5, "active_count": 1,
        "waiting_count": 0, "available": 1, "max_active_count": 1, "accepted_calls": 1, "rejected_calls": 0,
        "waited_calls": 0, "total_wait": 0.0, "longest_wait": 0.0,
    });
    assert_eq!(json, expected);
    let refused = Bulkhead::new("", BulkheadConfig::new()).unwrap_err().to_string();
    assert!(refused.contains("bulkhead: a name is 1 to 128"), "{refused}");
}

/// What runs inside, and whether that was ever too many.
#[derive(Default)]
struct Inside {
    running: AtomicU32,
    most: AtomicU32,
    begun: AtomicU64,
    refused: AtomicU64,
}

impl Inside {
    #[allow(clippy::unnecessary_wraps, reason = "it is what the calls run")]
    fn work(&self) -> Result<(), ResilienceError> {
        let running = self.running.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(running, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        thread::yield_now();
        self.running.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    fn count<T>(&self, ended: &Result<T, ResilienceError>) {
        if let Err(refused) = ended {
            assert!(refused.is_bulkhead_full());
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn many_threads_and_tasks_never_are_one_too_many_and_lose_no_slot() {
    const SLOTS: u32 = 3;
    const ROUNDS: u32 = 1_500;
    let config = |slots| BulkheadConfig::new().max_concurrent(slots).max_queue(4).max_wait(LONG);
    let bulkhead = Bulkhead::new("stress", config(SLOTS)).unwrap();
    let inside = Arc::new(Inside::default());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let sync = || {
        let inside = Arc::clone(&inside);
        let bulkhead = bulkhead.clone();
        move || {
            for round in 0..ROUNDS {
                let ended = if round % 3 == 0 {
                    bulkhead.try_acquire().and_then(|permit| (inside.work(), permit).0)
                } else {
                    bulkhead.call(|| inside.work())
                };
                inside.count(&ended);
            }
        }
    };
    let task = || {
        let (inside, bulkhead) = (Arc::clone(&inside), bulkhead.clone());
        async move {
            for round in 0..ROUNDS {
                if round % 3 == 0 {
                    // Dropped while it waits, granted a slot or not, or while it runs.
                    let mut call = Box::pin(bulkhead.call_async(async || {
                        inside.work()?;
                        pending::<Result<(), ResilienceError>>().await
                    }));
                    if let Poll::Ready(ended) = poll(call.as_mut()) {
                        inside.count(&ended);
                    }
                    tokio::task::yield_now().await;
                } else {
                    let work = async || {
                        tokio::task::yield_now().await;
                        inside.work()
                    };
                    inside.count(&bulkhead.call_async(work).await);
                }
            }
        }
    };
    thread::scope(|threads| {
        let tasks: Vec<_> = (0..6).map(|_| runtime.spawn(task())).collect();
        for _ in 0..4 {
            threads.spawn(sync());
        }
        for slots in (1..=SLOTS).cycle().take(300) {
            bulkhead.reconfigure(config(slots));
            let now = bulkhead.snapshot();
            assert!(now.active_count <= SLOTS && now.waiting_count <= 4, "{now:?}");
            thread::yield_now();
        }
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
    });
    bulkhead.reconfigure(config(SLOTS));
    let after = bulkhead.snapshot();
    assert!(inside.most.load(Ordering::Relaxed) <= SLOTS && after.max_active_count <= SLOTS, "{after:?}");
    assert_eq!(after.rejected_calls, inside.refused.load(Ordering::Relaxed));
    // A call that was granted a slot and dropped before it looked was accepted and never begun.
    assert!(after.accepted_calls >= inside.begun.load(Ordering::Relaxed), "{after:?}");
    assert_whole(&bulkhead, SLOTS);
}

#[test]
fn two_threads_that_take_turns_never_miss_each_other() {
    const TURNS: u32 = 50_000;
    let config = BulkheadConfig::new().max_concurrent(1).max_queue(1).max_wait(Duration::from_secs(20));
    let bulkhead = Bulkhead::new("turns", config).unwrap();
    thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                for turn in 0..TURNS {
                    // A slot that came back between looking and waiting, unseen, would leave both waiting for ever.
                    let permit = bulkhead.acquire_blocking().unwrap();
                    (0..turn % 256).for_each(|_| std::hint::spin_loop());
                    drop(permit);
                }
            });
        }
    });
    assert_eq!(bulkhead.snapshot().accepted_calls, u64::from(2 * TURNS));
    assert_whole(&bulkhead, 1);
}

#[test]
fn a_reset_forgets_what_was_counted_and_takes_no_slot_from_those_who_run() {
    let bulkhead = bulkhead(1);
    assert_eq!(bulkhead.name(), "bulkhead");
    let running = bulkhead.try_acquire().unwrap();
    bulkhead.try_acquire().unwrap_err();
    let counted = || {
        let seen = bulkhead.snapshot();
        (seen.accepted_calls, seen.rejected_calls, seen.active_count)
    };
    assert_eq!(counted(), (1, 1, 1));
    bulkhead.reset();
    assert_eq!(counted(), (0, 0, 1));
    bulkhead.try_acquire().unwrap_err();
    drop(running);
    assert!(bulkhead.try_acquire().is_ok());
}
