//! BH: bulkheads.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{
    Bulkhead, BulkheadConfig, BulkheadPermit, BulkheadSnapshot, ErrorKind, EventKind, ResilienceError,
};

use crate::support::{Fault, paused, span};

fn bulkhead(config: BulkheadConfig) -> Bulkhead {
    Bulkhead::new("bulkhead", config).expect("a legal name")
}

fn at_once(max_concurrent: u32) -> BulkheadConfig {
    BulkheadConfig::new().max_concurrent(max_concurrent)
}

fn fill(bulkhead: &Bulkhead) -> Vec<BulkheadPermit> {
    std::iter::from_fn(|| bulkhead.try_acquire().ok()).collect()
}

#[track_caller]
fn assert_full<T>(result: Result<T, ResilienceError>) {
    assert!(result.is_err_and(|refused| refused.is_bulkhead_full()));
}

/// A call that waits, polled by hand.
type Waiting<'b> = Pin<Box<dyn Future<Output = Result<BulkheadPermit, ResilienceError>> + 'b>>;

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// `count` calls that wait.
#[track_caller]
fn queue(bulkhead: &Bulkhead, count: usize) -> Vec<Waiting<'_>> {
    let begin = || {
        let mut waiting: Waiting<'_> = Box::pin(bulkhead.acquire());
        assert!(poll(waiting.as_mut()).is_pending());
        waiting
    };
    std::iter::repeat_with(begin).take(count).collect()
}

/// Those of `waiting` that have a slot by now.
fn served(waiting: &mut [Waiting<'_>]) -> Vec<BulkheadPermit> {
    let permit = |waiting: &mut Waiting<'_>| match poll(waiting.as_mut()) {
        Poll::Ready(entered) => Some(entered.expect("a slot")),
        Poll::Pending => None,
    };
    waiting.iter_mut().map_while(permit).collect()
}

// What was permitted and finished is counted, not told; a refusal is both.
#[test]
fn bh_001_slots_are_taken_refused_and_given_back() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let bulkhead = bulkhead(at_once(2).max_wait(Duration::ZERO));
    let available = || bulkhead.snapshot().available;
    let (first, second) = (bulkhead.try_acquire().unwrap(), bulkhead.acquire_blocking().unwrap());
    assert_eq!(available(), 0);
    assert_full(bulkhead.acquire_blocking());
    drop(first);
    assert_eq!(available(), 1);
    drop(second);
    assert_eq!(available(), 2);
    let _third = bulkhead.acquire_blocking().unwrap();
    let now = bulkhead.snapshot();
    assert_eq!((now.accepted_calls, now.rejected_calls, now.active_count), (3, 1, 1));
    let events = scope.events();
    assert_eq!((events.len(), events[0].operation), (1, "bulkhead"));
    let kind = &events[0].kind;
    assert!(matches!(kind, EventKind::Refused { kind: ErrorKind::BulkheadFull, retry_after: None }));
}

#[test]
fn bh_002_a_call_that_waits_is_refused_when_its_wait_is_over() {
    let config = at_once(1).max_wait(span("50ms"));
    paused(async || {
        let bulkhead = bulkhead(config.clone());
        let _taken = fill(&bulkhead);
        let scope = Scope::new();
        let refused = bulkhead.acquire().await.unwrap_err();
        assert_eq!(scope.clock().elapsed().as_millis(), 50);
        assert_eq!(refused.to_string(), "bulkhead 'bulkhead' is full: 1 call runs; waited 50 ms");
        assert_eq!(bulkhead.waiting_count(), 0);
    });
    let scope = Scope::new();
    let _inside = scope.enter();
    let bulkhead = bulkhead(config.clone());
    let _taken = fill(&bulkhead);
    assert_full(bulkhead.acquire_blocking());
    assert_eq!((scope.clock().elapsed(), bulkhead.waiting_count()), (span("50ms"), 0));
}

#[test]
fn bh_003_without_slots_every_call_is_refused_at_once() {
    let bulkhead = bulkhead(at_once(0).max_queue(5).max_wait(span("1h")));
    assert_full(bulkhead.try_acquire());
    assert_full(bulkhead.acquire_blocking());
    let Poll::Ready(entered) = poll(pin!(bulkhead.acquire())) else { panic!("it waits") };
    assert_full(entered);
}

// A wait is cancelled by dropping it; then no code is left that could be told.
#[test]
fn bh_004_a_wait_that_is_cancelled_is_over_at_once() {
    paused(async || {
        let bulkhead = bulkhead(at_once(1).max_wait(span("2s")));
        let taken = bulkhead.try_acquire().unwrap();
        let scope = Scope::new();
        let waiting = tokio::time::timeout(span("100ms"), bulkhead.acquire());
        assert!(waiting.await.is_err());
        assert_eq!((scope.clock().elapsed(), bulkhead.waiting_count()), (span("100ms"), 0));
        assert_eq!(bulkhead.snapshot().rejected_calls, 0);
        drop(taken);
        assert_eq!(fill(&bulkhead).len(), 1);
    });
}

// Fewer slots are what it says at once; those who have one keep it.
#[test]
fn bh_005_fewer_slots_take_effect_as_they_come_back() {
    let bulkhead = bulkhead(at_once(1));
    let counts = || {
        let BulkheadSnapshot { max_concurrent, available, active_count, .. } = bulkhead.snapshot();
        (max_concurrent, available, active_count)
    };
    let first = bulkhead.try_acquire().unwrap();
    bulkhead.reconfigure(at_once(2));
    assert_eq!(counts(), (2, 1, 1));
    let second = bulkhead.try_acquire().unwrap();
    assert_full(bulkhead.try_acquire());
    bulkhead.reconfigure(at_once(1));
    assert_eq!(counts(), (1, 0, 2));
    drop(first);
    assert_eq!(counts(), (1, 0, 1));
    assert_full(bulkhead.try_acquire());
    drop(second);
    assert_eq!(counts(), (1, 1, 0));
}

#[test]
fn bh_006_more_slots_are_given_to_those_who_wait() {
    paused(async || {
        let config = |calls| at_once(calls).max_wait(span("500s"));
        let bulkhead = bulkhead(config(1));
        let running = fill(&bulkhead);
        let mut waiting = queue(&bulkhead, 1);
        bulkhead.reconfigure(config(2));
        let proceeded = served(&mut waiting);
        assert_eq!((proceeded.len(), bulkhead.active_count(), bulkhead.waiting_count()), (1, 2, 0));
        drop(running);
        assert_eq!(bulkhead.snapshot().available, 1);
    });
}

#[test]
fn bh_008_each_call_that_ends_lets_one_in() {
    for limit in [3, 10] {
        let bulkhead = bulkhead(at_once(limit));
        let mut running = fill(&bulkhead);
        assert_eq!(running.len(), limit as usize);
        assert_full(bulkhead.acquire_blocking());
        running.pop();
        running.push(bulkhead.acquire_blocking().unwrap());
        assert_full(bulkhead.acquire_blocking());
    }
}

// Read differently: a sync call waits in the same queue as an async one.
#[test]
fn bh_009_sync_and_async_calls_share_one_queue() {
    let bulkhead = bulkhead(at_once(3).max_queue(2));
    let mut running = fill(&bulkhead);
    thread::scope(|threads| {
        let sync = threads.spawn(|| bulkhead.acquire_blocking());
        while bulkhead.waiting_count() < 1 {
            thread::yield_now();
        }
        let mut waiting = queue(&bulkhead, 1);
        assert_full(bulkhead.acquire_blocking());
        running.pop();
        let entered = sync.join().unwrap().unwrap();
        assert!(served(&mut waiting).is_empty());
        drop(entered);
        assert_eq!(served(&mut waiting).len(), 1);
    });
}

#[test]
fn bh_010_one_that_waits_begins_for_each_that_ends() {
    for (limit, room) in [(10, 10), (3, 10), (5, 5)] {
        let bulkhead = bulkhead(at_once(limit).max_queue(room));
        let mut running = fill(&bulkhead);
        assert_eq!(running.len(), limit as usize);
        let mut waiting = queue(&bulkhead, room as usize);
        let overflows = |bulkhead: &Bulkhead| {
            let Poll::Ready(entered) = poll(pin!(bulkhead.acquire())) else { panic!("it waits") };
            assert_full(entered);
        };
        assert!(served(&mut waiting).is_empty());
        overflows(&bulkhead);
        running.pop();
        running.extend(served(&mut waiting[..1]));
        assert!(served(&mut waiting[1..]).is_empty());
        assert_eq!((bulkhead.active_count(), bulkhead.waiting_count()), (limit, room - 1));
        waiting.extend(queue(&bulkhead, 1));
        overflows(&bulkhead);
    }
}

/// Counts how many calls run, and the most that did.
#[derive(Default)]
struct Gauge {
    running: AtomicU32,
    most: AtomicU32,
    ended: AtomicU32,
}

impl Gauge {
    fn begin(&self) {
        let running = self.running.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(running, Ordering::Relaxed);
    }

    fn end(&self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
        self.ended.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn bh_012_under_pressure_no_call_too_many_runs_and_every_other_is_refused() {
    const BURSTS: u32 = 4;
    for (config, least) in [(at_once(5), 5), (at_once(5).max_queue(5), 10)] {
        paused(async || {
            let bulkhead = bulkhead(config.clone());
            let gauge = Gauge::default();
            let call = || async {
                let work = async || {
                    gauge.begin();
                    tokio::time::sleep(span("50ms")).await;
                    gauge.end();
                    Ok::<_, ResilienceError>(())
                };
                bulkhead.call_async(work).await
            };
            let (mut calls, mut refused) = (Vec::new(), 0);
            for _ in 0..BURSTS {
                for _ in 0..100 {
                    let mut call = Box::pin(call());
                    match poll(call.as_mut()) {
                        Poll::Ready(ended) => {
                            assert_full(ended);
                            refused += 1;
                        }
                        Poll::Pending => calls.push(call),
                    }
                }
                tokio::time::sleep(span("25ms")).await;
                calls.retain_mut(|call| match poll(call.as_mut()) {
                    Poll::Ready(ended) => ended.map(|()| false).expect("only the full bulkhead fails"),
                    Poll::Pending => true,
                });
            }
            for call in calls {
                call.await.expect("only the full bulkhead fails");
            }
            let ended = gauge.ended.into_inner();
            assert_eq!(gauge.most.into_inner(), 5);
            assert!(ended >= least, "{ended} of at least {least}");
            assert_eq!(ended + refused, BURSTS * 100);
            let after = bulkhead.snapshot();
            assert_eq!((after.active_count, after.waiting_count, after.max_active_count), (0, 0, 5));
            assert_eq!((after.accepted_calls, after.rejected_calls), (ended.into(), refused.into()));
        });
    }
}

// In the hand: handles on one bulkhead share it, one made anew shares nothing, not even by name.
#[test]
fn bh_013_handles_on_one_bulkhead_share_its_slots() {
    let first = bulkhead(at_once(1));
    let (same, other) = (first.clone(), bulkhead(at_once(1)));
    let _taken = fill(&first);
    assert_full(same.try_acquire());
    drop(other.try_acquire().unwrap());
}

#[test]
fn bh_014_a_call_runs_when_a_slot_comes_back_while_it_waits() {
    let config = || at_once(2).max_wait(span("1s"));
    paused(async || {
        let bulkhead = bulkhead(config());
        let running = fill(&bulkhead);
        let release = async {
            tokio::time::sleep(span("200ms")).await;
            drop(running);
        };
        let scope = Scope::new();
        let executions = AtomicU32::new(0);
        let call = bulkhead.call_async(async || {
            executions.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Fault>("value")
        });
        let (value, ()) = tokio::join!(call, release);
        assert_eq!((value.unwrap(), scope.clock().elapsed()), ("value", span("200ms")));
        assert_eq!(executions.into_inner(), 1);
        assert_eq!(bulkhead.active_count(), 0);
    });
    let bulkhead = bulkhead(config().max_wait(span("1m")));
    let running = fill(&bulkhead);
    thread::scope(|threads| {
        let call = threads.spawn(|| bulkhead.call(|| Ok::<_, Fault>("value")));
        while bulkhead.waiting_count() == 0 {
            thread::yield_now();
        }
        drop(running);
        assert_eq!(call.join().unwrap().unwrap(), "value");
    });
    assert_eq!(bulkhead.active_count(), 0);
}

#[test]
fn bh_015_a_tiny_wait_does_not_refuse_a_free_slot() {
    let bulkhead = bulkhead(at_once(1).max_wait(Duration::from_nanos(1)));
    assert_eq!(bulkhead.call(|| Ok::<_, ResilienceError>(1)).unwrap(), 1);
    assert_eq!(paused(async || bulkhead.call_async(async || Ok::<_, ResilienceError>(2)).await).unwrap(), 2);
}

#[test]
fn bh_016_a_call_whose_wait_is_over_is_never_made() {
    let bulkhead = bulkhead(at_once(2).max_wait(span("20ms")));
    let _taken = fill(&bulkhead);
    let executions = AtomicU32::new(0);
    let work = || {
        executions.fetch_add(1, Ordering::Relaxed);
        Ok(())
    };
    assert_full(bulkhead.call(work));
    paused(async || assert_full(bulkhead.call_async(async || work()).await));
    assert_eq!(executions.into_inner(), 0);
}

// Waits of no time are not counted among the waits: those who waited are two of the four.
#[test]
fn bh_017_it_counts_who_runs_who_waits_and_how_long() {
    paused(async || {
        let scope = Scope::new();
        let bulkhead = scope.run(async { bulkhead(at_once(2).max_queue(2)) }).await;
        let work = async || {
            tokio::time::sleep(span("1s")).await;
            Ok::<_, ResilienceError>(())
        };
        let mut calls: Vec<_> = (0..4).map(|_| Box::pin(bulkhead.call_async(work))).collect();
        assert!(calls.iter_mut().all(|call| poll(call.as_mut()).is_pending()));
        assert_full(bulkhead.call_async(work).await);
        let during = bulkhead.snapshot();
        assert_eq!((during.active_count, during.waiting_count, during.rejected_calls), (2, 2, 1));
        let [a, b, c, d] = calls.try_into().unwrap_or_else(|_| unreachable!());
        let (a, b, c, d) = tokio::join!(a, b, c, d);
        assert_eq!([a, b, c, d].iter().filter(|ended| ended.is_ok()).count(), 4);
        let after = bulkhead.snapshot();
        assert_eq!((after.active_count, after.accepted_calls, after.rejected_calls), (0, 4, 1));
        assert_eq!((after.waited_calls, after.max_active_count), (2, 2));
        assert!((2.0..2.1).contains(&after.total_wait), "{after:?}");
        assert!((1.0..1.05).contains(&after.longest_wait), "{after:?}");
    });
}
