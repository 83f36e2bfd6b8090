//! BH: bulkheads: in the hand, written on a function, part of an operation made in code.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{
    Bulkhead, BulkheadConfig, BulkheadPermit, BulkheadSnapshot, ErrorKind, EventKind, ResilienceError,
    ResilientOperation, Settings,
};

use crate::support::{paused, span};

type Answer<T> = Result<T, ResilienceError>;

#[resilient::bulkhead(name = "bulkhead", operation_name = "bh_written")]
fn written<T>(work: impl Fn() -> Answer<T>) -> Answer<T> {
    work()
}

#[resilient::bulkhead(name = "bulkhead", operation_name = "bh_written_later")]
async fn written_later<T>(work: impl AsyncFn() -> Answer<T>) -> Answer<T> {
    work().await
}

/// What guards a call.
#[derive(Clone, Copy, Debug)]
enum By {
    Hand,
    Attribute,
    Operation,
}

/// A bulkhead and calls that it guards.
struct Guard<'s> {
    by: By,
    scope: &'s Scope,
    slots: Bulkhead,
    operation: ResilientOperation,
}

impl<'s> Guard<'s> {
    /// Call it within `scope`.
    fn new(by: By, scope: &'s Scope, config: BulkheadConfig) -> Self {
        let slots = match by {
            By::Attribute => resilient::bulkhead("bulkhead").expect("the annotated functions'"),
            By::Hand | By::Operation => bulkhead(config),
        };
        let operation = ResilientOperation::builder("bh_operation").with_bulkhead(slots.clone()).build();
        Self { by, scope, slots, operation: operation.expect("a legal name") }
    }

    fn call<T>(&self, work: impl Fn() -> Answer<T>) -> Answer<T> {
        match self.by {
            By::Hand => self.slots.call(work),
            By::Attribute => written(work),
            By::Operation => self.operation.call(work),
        }
    }

    async fn call_async<T>(&self, work: impl AsyncFn() -> Answer<T>) -> Answer<T> {
        match self.by {
            By::Hand => self.slots.call_async(work).await,
            By::Attribute => written_later(work).await,
            By::Operation => self.operation.call_async(|| work()).await,
        }
    }
}

/// The scope in which the annotated functions' bulkhead is as `config` says.
fn scope_of(config: &BulkheadConfig) -> Scope {
    let said = bulkhead(config.clone()).snapshot();
    let settings = Settings::new().bulkhead_max_concurrent(said.max_concurrent);
    let settings = said.max_queue.into_iter().fold(settings, Settings::bulkhead_max_queue);
    let settings = said.max_wait.into_iter().fold(settings, Settings::bulkhead_max_wait);
    Scope::builder().settings("bh_written", settings.clone()).settings("bh_written_later", settings).build()
}

/// Checks calls guarded in each way, on a thread.
fn each(config: &BulkheadConfig, check: impl Fn(&Guard<'_>)) {
    for by in [By::Hand, By::Attribute, By::Operation] {
        println!("{by:?}");
        let scope = scope_of(config);
        let _inside = scope.enter();
        check(&Guard::new(by, &scope, config.clone()));
    }
}

/// Checks calls guarded in each way, on a task.
fn each_async(config: &BulkheadConfig, mut check: impl AsyncFnMut(&Guard<'_>)) {
    for by in [By::Hand, By::Attribute, By::Operation] {
        println!("{by:?}, async");
        paused(async || {
            let scope = scope_of(config);
            let _inside = scope.enter();
            check(&Guard::new(by, &scope, config.clone())).await;
        });
    }
}

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

/// What a future that need not wait comes to.
#[track_caller]
fn ready<F: Future>(future: F) -> F::Output {
    let Poll::Ready(output) = poll(pin!(future)) else { panic!("it waits") };
    output
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
    each(&at_once(2).max_wait(Duration::ZERO), |guard| {
        let available = || guard.slots.snapshot().available;
        let second = || {
            assert_eq!(available(), 0);
            assert_full(guard.call(|| Ok(())));
            Ok(())
        };
        let first = || {
            guard.call(second)?;
            assert_eq!(available(), 1);
            Ok(())
        };
        guard.call(first).unwrap();
        assert_eq!(available(), 2);
        guard.call(|| Ok(())).unwrap();
        let now = guard.slots.snapshot();
        assert_eq!((now.accepted_calls, now.rejected_calls, now.active_count), (3, 1, 0));
        let kinds = guard.scope.events().into_iter().map(|event| event.kind);
        let full = EventKind::Refused { kind: ErrorKind::BulkheadFull, retry_after: None };
        let full = |kind: &EventKind| format!("{kind:?}") == format!("{full:?}");
        assert_eq!(kinds.filter(full).count(), 1);
    });
}

#[test]
fn bh_002_a_call_that_waits_is_refused_when_its_wait_is_over() {
    let config = at_once(1).max_wait(span("50ms"));
    let refused = |guard: &Guard<'_>, refused: ResilienceError| {
        assert_eq!(refused.to_string(), "bulkhead 'bulkhead' is full: 1 call runs; waited 50 ms");
        assert_eq!((guard.scope.clock().elapsed().as_millis(), guard.slots.waiting_count()), (50, 0));
    };
    each(&config, |guard| {
        let _taken = fill(&guard.slots);
        refused(guard, guard.call(|| Ok(())).unwrap_err());
    });
    each_async(&config, async |guard| {
        let _taken = fill(&guard.slots);
        refused(guard, guard.call_async(async || Ok(())).await.unwrap_err());
    });
}

#[test]
fn bh_003_without_slots_every_call_is_refused_at_once() {
    let config = at_once(0).max_queue(5).max_wait(span("1h"));
    each(&config, |guard| {
        assert_full(guard.slots.try_acquire());
        assert_full(guard.call(|| Ok(())));
        assert_eq!(guard.scope.clock().elapsed(), Duration::ZERO);
    });
    each_async(&config, async |guard| assert_full(ready(guard.call_async(async || Ok(())))));
}

// A wait is cancelled by dropping it; then no code is left that could be told.
#[test]
fn bh_004_a_wait_that_is_cancelled_is_over_at_once() {
    each_async(&at_once(1).max_wait(span("2s")), async |guard| {
        let taken = guard.slots.try_acquire().unwrap();
        let waiting = tokio::time::timeout(span("100ms"), guard.call_async(async || Ok(())));
        assert!(waiting.await.is_err());
        assert_eq!((guard.scope.clock().elapsed(), guard.slots.waiting_count()), (span("100ms"), 0));
        assert_eq!(guard.slots.snapshot().rejected_calls, 0);
        drop(taken);
        guard.call_async(async || Ok(())).await.unwrap();
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
        each(&at_once(limit), |guard| {
            let mut running = fill(&guard.slots);
            assert_eq!(running.len(), limit as usize);
            assert_full(guard.call(|| Ok(())));
            running.pop();
            guard
                .call(|| {
                    assert_full(guard.call(|| Ok(())));
                    Ok(())
                })
                .unwrap();
        });
        each_async(&at_once(limit), async |guard| {
            let call = || Box::pin(guard.call_async(async || std::future::pending::<Answer<()>>().await));
            let mut running: Vec<_> = (0..limit).map(|_| call()).collect();
            assert!(running.iter_mut().all(|call| poll(call.as_mut()).is_pending()));
            assert_full(ready(call()));
            running.pop();
            let mut another = call();
            assert!(poll(another.as_mut()).is_pending());
            assert_full(ready(call()));
        });
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
        let overflows = |bulkhead: &Bulkhead| assert_full(ready(bulkhead.acquire()));
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
        each_async(&config, async |guard| {
            let gauge = Gauge::default();
            let call = || async {
                let work = async || {
                    gauge.begin();
                    tokio::time::sleep(span("50ms")).await;
                    gauge.end();
                    Ok(())
                };
                guard.call_async(work).await
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
            let after = guard.slots.snapshot();
            assert_eq!((after.active_count, after.waiting_count, after.max_active_count), (0, 0, 5));
            assert_eq!((after.accepted_calls, after.rejected_calls), (ended.into(), refused.into()));
        });
    }
}

// In the hand: handles on one bulkhead share it, one made anew shares nothing, not even by name. Of a type: its instances
// share what a function of it has, and no other function does.
#[test]
fn bh_013_handles_on_one_bulkhead_share_its_slots() {
    let first = bulkhead(at_once(1));
    let (same, other) = (first.clone(), bulkhead(at_once(1)));
    let _taken = fill(&first);
    assert_full(same.try_acquire());
    drop(other.try_acquire().unwrap());
}

struct Service;

#[resilient::bulkhead(max_concurrent = 1)]
impl Service {
    fn one<T>(&self, work: impl Fn() -> Answer<T>) -> Result<T, ResilienceError> {
        work()
    }

    fn other<T>(&self, work: impl Fn() -> Answer<T>) -> Result<T, ResilienceError> {
        work()
    }
}

#[test]
fn bh_013_instances_share_the_slots_of_a_function_of_their_type() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let within = || {
        assert_full(Service.one(|| Ok(())));
        Service.other(|| Ok(()))
    };
    Service.one(within).unwrap();
}

#[test]
fn bh_014_a_call_runs_when_a_slot_comes_back_while_it_waits() {
    each_async(&at_once(2).max_wait(span("1s")), async |guard| {
        let running = fill(&guard.slots);
        let release = async {
            tokio::time::sleep(span("200ms")).await;
            drop(running);
        };
        let executions = AtomicU32::new(0);
        let call = guard.call_async(async || {
            executions.fetch_add(1, Ordering::Relaxed);
            Ok("value")
        });
        let (value, ()) = tokio::join!(call, release);
        assert_eq!((value.unwrap(), guard.scope.clock().elapsed()), ("value", span("200ms")));
        assert_eq!((executions.into_inner(), guard.slots.active_count()), (1, 0));
    });
    // On a thread another gives the slot back: no clock says when.
    each(&at_once(2).max_queue(1), |guard| {
        let running = fill(&guard.slots);
        let slots = guard.slots.clone();
        thread::scope(|threads| {
            threads.spawn(move || {
                while slots.waiting_count() == 0 {
                    thread::yield_now();
                }
                drop(running);
            });
            assert_eq!(guard.call(|| Ok("value")).unwrap(), "value");
        });
        assert_eq!(guard.slots.active_count(), 0);
    });
}

#[test]
fn bh_015_a_tiny_wait_does_not_refuse_a_free_slot() {
    let config = at_once(1).max_wait(Duration::from_nanos(1));
    each(&config, |guard| assert_eq!(guard.call(|| Ok(1)).unwrap(), 1));
    each_async(&config, async |guard| assert_eq!(guard.call_async(async || Ok(2)).await.unwrap(), 2));
}

#[test]
fn bh_016_a_call_whose_wait_is_over_is_never_made() {
    let config = at_once(2).max_wait(span("20ms"));
    each(&config, |guard| {
        let _taken = fill(&guard.slots);
        assert_full(guard.call(|| -> Answer<()> { panic!("not called") }));
    });
    each_async(&config, async |guard| {
        let _taken = fill(&guard.slots);
        assert_full(guard.call_async(async || -> Answer<()> { panic!("not called") }).await);
    });
}

// Waits of no time are not counted among the waits: those who waited are two of the four.
#[test]
fn bh_017_it_counts_who_runs_who_waits_and_how_long() {
    each_async(&at_once(2).max_queue(2), async |guard| {
        let work = async || {
            tokio::time::sleep(span("1s")).await;
            Ok(())
        };
        let mut calls: Vec<_> = (0..4).map(|_| Box::pin(guard.call_async(work))).collect();
        assert!(calls.iter_mut().all(|call| poll(call.as_mut()).is_pending()));
        assert_full(guard.call_async(work).await);
        let during = guard.slots.snapshot();
        assert_eq!((during.active_count, during.waiting_count, during.rejected_calls), (2, 2, 1));
        let [a, b, c, d] = calls.try_into().unwrap_or_else(|_| unreachable!());
        let (a, b, c, d) = tokio::join!(a, b, c, d);
        assert_eq!([a, b, c, d].iter().filter(|ended| ended.is_ok()).count(), 4);
        let after = guard.slots.snapshot();
        assert_eq!((after.active_count, after.accepted_calls, after.rejected_calls), (0, 4, 1));
        assert_eq!((after.waited_calls, after.max_active_count), (2, 2));
        assert!((2.0..2.1).contains(&after.total_wait), "{after:?}");
        assert!((1.0..1.05).contains(&after.longest_wait), "{after:?}");
    });
}
