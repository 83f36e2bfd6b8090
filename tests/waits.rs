//! What a call waits for before its function begins, a permit and a slot: within its attempt's time and its deadline,
//! on tasks and on threads.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{
    BulkheadPermit, Deadline, ErrorKind, EventKind, ResilienceError, State, StopReason, breaker, bulkhead,
    rate_limiter, reset_resilience_state, resilient,
};

type Answer<T> = Result<T, ResilienceError>;
type Call<'s, T> = Pin<Box<dyn Future<Output = Answer<T>> + 's>>;

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Polls once, with a waker that nobody hears.
fn poll<T>(call: &mut Call<'_, T>) -> Poll<Answer<T>> {
    call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn kind<T>(answer: &Answer<T>) -> Option<ErrorKind> {
    answer.as_ref().err().map(ResilienceError::kind)
}

/// Every slot of it.
fn fill(name: &str) -> Vec<BulkheadPermit> {
    let bulkhead = bulkhead(name).unwrap();
    std::iter::from_fn(|| bulkhead.try_acquire().ok()).collect()
}

fn finished(scope: &Scope) -> Vec<(u32, StopReason)> {
    let finished = |event: resilient::Event| match event.kind {
        EventKind::Finished { attempts, reason, .. } => Some((attempts, reason)),
        _ => None,
    };
    scope.events().into_iter().filter_map(finished).collect()
}

fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

/// Does `then` on another thread, in the scope, as soon as somebody waits in that bulkhead.
fn once_waiting(scope: &Arc<Scope>, name: &'static str, then: impl FnOnce(&Scope) + Send + 'static) {
    let scope = Arc::clone(scope);
    thread::spawn(move || {
        let _inside = scope.enter();
        let bulkhead = bulkhead(name).unwrap();
        until(|| bulkhead.waiting_count() == 1);
        then(&scope);
    });
}

#[resilient(
    operation_name = "waits_crowded",
    max_attempts = 1,
    timeout = "1h",
    bulkhead(max_concurrent = 5, max_queue = 20_000)
)]
async fn crowded(open: &AtomicBool) -> Answer<()> {
    while !open.load(Ordering::Relaxed) {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn of_ten_thousand_calls_that_wait_half_are_dropped_and_the_others_go_through() {
    const CALLS: u32 = 10_000;
    let (scope, open) = (Arc::new(Scope::new()), Arc::new(AtomicBool::new(false)));
    let call = |_| {
        let (scope, open) = (Arc::clone(&scope), Arc::clone(&open));
        tokio::spawn(async move { scope.run(crowded(&open)).await })
    };
    let bulkhead = {
        let _inside = scope.enter();
        bulkhead("waits_crowded").unwrap()
    };
    let mut calls: Vec<_> = (0..CALLS).map(call).collect();
    while bulkhead.waiting_count() < CALLS - 5 {
        tokio::task::yield_now().await;
    }
    assert_eq!((bulkhead.active_count(), bulkhead.waiting_count()), (5, CALLS - 5));
    // Three of those that run, the others in the queue.
    for dropped in calls.iter().step_by(2) {
        dropped.abort();
    }
    for dropped in calls.iter_mut().step_by(2) {
        assert!(dropped.await.unwrap_err().is_cancelled());
    }
    assert_eq!((bulkhead.active_count(), bulkhead.waiting_count()), (5, CALLS / 2 - 5));
    open.store(true, Ordering::Relaxed);
    for staying in calls.into_iter().skip(1).step_by(2) {
        staying.await.unwrap().unwrap();
    }
    let after = bulkhead.snapshot();
    assert_eq!((after.active_count, after.waiting_count, after.max_active_count), (0, 0, 5));
    assert_eq!(after.rejected_calls, 0);
}

#[resilient(
    operation_name = "waits_anywhere",
    max_attempts = 1,
    enable_timeout = false,
    bulkhead(max_concurrent = 1, max_queue = 1)
)]
async fn anywhere() -> Answer<u32> {
    Ok(7)
}

#[test]
fn a_wait_without_a_limit_needs_no_tokio_runtime() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let running = fill("waits_anywhere");
    let mut call: Call<'_, _> = Box::pin(anywhere());
    assert!(poll(&mut call).is_pending() && poll(&mut call).is_pending());
    drop(running);
    assert_eq!(poll(&mut call).map(Result::unwrap), Poll::Ready(7));
    assert_eq!(bulkhead("waits_anywhere").unwrap().active_count(), 0);
}

#[resilient(
    operation_name = "waits_timed",
    max_attempts = 1,
    failure_threshold = 5,
    timeout = "1s",
    bulkhead(max_concurrent = 1, max_queue = 5)
)]
async fn timed(takes: Duration) -> Answer<()> {
    tokio::time::sleep(takes).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_time_in_the_queue_is_the_attempts_and_the_error_says_the_whole_limit() {
    let scope = Scope::new();
    let _inside = scope.enter();
    for (takes, ended) in [(299, Ok(())), (301, Err("'waits_timed' timed out after 1 s"))] {
        let running = fill("waits_timed");
        let free = async {
            tokio::time::sleep(ms(700)).await;
            drop(running);
        };
        let began = scope.clock().elapsed();
        let (answer, ()) = tokio::join!(timed(ms(takes)), free);
        assert_eq!(answer.map_err(|error| error.to_string()), ended.map_err(str::to_owned));
        assert_eq!(scope.clock().elapsed().saturating_sub(began), ms(700 + takes.min(300)));
    }
    // In the queue for all of it: refused by the bulkhead, which says nothing about the service.
    let running = fill("waits_timed");
    let ResilienceError::BulkheadFull { waited, .. } = timed(ms(0)).await.unwrap_err() else { panic!() };
    assert_eq!(waited, ms(1_000));
    drop(running);
    let counts = breaker("waits_timed").unwrap().snapshot();
    assert_eq!((counts.successful_calls, counts.failed_calls), (1, 1));
    assert_eq!(
        finished(&scope),
        [(1, StopReason::Success), (1, StopReason::Attempts), (0, StopReason::Refused)]
    );
}

/// Takes so long by the scope's clock.
fn takes(scope: &Scope, span: Duration) {
    scope.clock().advance(span);
}

#[resilient(
    operation_name = "waits_in_place",
    max_attempts = 1,
    timeout = "100s",
    timeout_mode = "deadline",
    bulkhead(max_concurrent = 1, max_queue = 5)
)]
fn in_place(scope: &Scope, span: Duration) -> Answer<Duration> {
    let left = Deadline::current().unwrap().remaining();
    takes(scope, span);
    Ok(left)
}

#[resilient(
    operation_name = "waits_on_thread",
    max_attempts = 1,
    timeout = "100s",
    timeout_mode = "thread",
    bulkhead(max_concurrent = 1, max_queue = 5)
)]
fn on_thread(scope: Arc<Scope>, span: Duration) -> Answer<Duration> {
    let left = Deadline::current().unwrap().remaining();
    takes(&scope, span);
    Ok(left)
}

/// A guarded sync function, and its name.
type Guarded = (&'static str, fn(&Arc<Scope>, Duration) -> Answer<Duration>);

const BLOCKING: [Guarded; 2] = [
    ("waits_in_place", |scope, span| in_place(scope, span)),
    ("waits_on_thread", |scope, span| on_thread(Arc::clone(scope), span)),
];

#[test]
fn the_time_in_the_queue_is_the_attempts_on_a_thread_too() {
    for (name, call) in BLOCKING {
        for (span, ended) in
            [(30_000, Ok(ms(30_000))), (30_001, Err(format!("'{name}' timed out after 100 s")))]
        {
            let scope = Arc::new(Scope::new());
            let _inside = scope.enter();
            let running = fill(name);
            once_waiting(&scope, name, move |scope| {
                scope.clock().advance(ms(70_000));
                drop(running);
            });
            assert_eq!(call(&scope, ms(span)).map_err(|error| error.to_string()), ended);
            assert_eq!(bulkhead(name).unwrap().active_count(), 0);
        }
    }
}

#[test]
fn a_thread_waits_no_longer_than_its_attempt_may_take() {
    for (name, call) in BLOCKING {
        let scope = Arc::new(Scope::new());
        let _inside = scope.enter();
        let _running = fill(name);
        once_waiting(&scope, name, |scope| scope.clock().advance(ms(100_000)));
        let ResilienceError::BulkheadFull { waited, waiting, .. } = call(&scope, ms(0)).unwrap_err() else {
            panic!("{name}");
        };
        assert_eq!((waited, waiting), (ms(100_000), 0));
        assert_eq!(finished(&scope), [(0, StopReason::Refused)]);
        let counts = breaker(name).unwrap().snapshot();
        assert_eq!((counts.failed_calls, bulkhead(name).unwrap().waiting_count()), (0, 0));
    }
}

#[resilient(
    operation_name = "waits_within",
    max_attempts = 3,
    deadline = "100s",
    enable_timeout = false,
    bulkhead(max_concurrent = 1, max_queue = 5)
)]
fn within(begun: &AtomicU32) -> Answer<()> {
    begun.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

#[resilient(
    operation_name = "waits_within_later",
    max_attempts = 3,
    deadline = "1s",
    enable_timeout = false,
    bulkhead(max_concurrent = 1, max_queue = 5)
)]
async fn within_later(begun: &AtomicU32) -> Answer<()> {
    begun.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

#[test]
fn a_thread_waits_no_longer_than_its_deadline() {
    let (scope, begun) = (Arc::new(Scope::new()), AtomicU32::new(0));
    let _inside = scope.enter();
    let running = fill("waits_within");
    once_waiting(&scope, "waits_within", |scope| scope.clock().advance(ms(100_000)));
    assert_eq!(kind(&within(&begun)), Some(ErrorKind::DeadlineExceeded));
    // A slot that comes with the deadline's end comes too late.
    once_waiting(&scope, "waits_within", move |scope| {
        scope.clock().advance(ms(100_000));
        drop(running);
    });
    assert_eq!(kind(&within(&begun)), Some(ErrorKind::DeadlineExceeded));
    assert_eq!(finished(&scope), [(0, StopReason::Deadline); 2]);
    let slots = bulkhead("waits_within").unwrap();
    assert_eq!((slots.active_count(), slots.waiting_count(), begun.into_inner()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_comes_with_the_deadlines_end_comes_too_late_for_a_task() {
    let (scope, begun) = (Scope::new(), AtomicU32::new(0));
    let _inside = scope.enter();
    for in_time in [false, true] {
        let running = fill("waits_within_later");
        let mut call: Call<'_, _> = Box::pin(within_later(&begun));
        assert!(poll(&mut call).is_pending());
        tokio::time::advance(ms(if in_time { 998 } else { 1_000 })).await;
        drop(running);
        let Poll::Ready(answer) = poll(&mut call) else { panic!("it is its turn") };
        assert_eq!(kind(&answer), (!in_time).then_some(ErrorKind::DeadlineExceeded));
        assert_eq!(begun.load(Ordering::Relaxed), u32::from(in_time));
        assert_eq!(bulkhead("waits_within_later").unwrap().active_count(), 0);
    }
    assert_eq!(finished(&scope), [(0, StopReason::Deadline), (1, StopReason::Success)]);
}

#[resilient(
    operation_name = "waits_at_a_pace",
    max_attempts = 1,
    deadline = "1s",
    enable_timeout = false,
    rate_limit(rate = 1, per = "900ms", max_wait = "1m")
)]
fn at_a_pace() -> Answer<Duration> {
    Ok(Deadline::current().unwrap().remaining())
}

#[resilient(
    operation_name = "waits_at_a_pace_later",
    max_attempts = 1,
    deadline = "1s",
    enable_timeout = false,
    rate_limit(rate = 1, per = "900ms", max_wait = "1m")
)]
async fn at_a_pace_later() -> Answer<Duration> {
    Ok(Deadline::current().unwrap().remaining())
}

#[test]
fn a_wait_for_a_permit_fits_the_deadline_or_is_not_begun() {
    let scope = Scope::new();
    let _inside = scope.enter();
    assert_eq!(at_a_pace().unwrap(), ms(1_000));
    assert_eq!(at_a_pace().unwrap(), ms(100), "waited for 900 ms");
    let around = Deadline::after(ms(900));
    let ended = around.within(at_a_pace).unwrap_err();
    assert_eq!(ended.retry_after(), Some(ms(900)), "{ended}");
    assert!(ended.is_rate_limited(), "nothing is left of the deadline when the permit comes");
    assert_eq!((scope.clock().elapsed(), around.remaining()), (ms(900), ms(900)), "it was not waited for");
    let counts = rate_limiter("waits_at_a_pace").unwrap().snapshot();
    assert_eq!((counts.allowed_requests, counts.rejected_requests, counts.waiting_count), (2, 1, 0));
    let ended: Vec<_> = finished(&scope);
    assert_eq!(ended, [(1, StopReason::Success), (1, StopReason::Success), (0, StopReason::Refused)]);
}

#[tokio::test(start_paused = true)]
async fn a_task_waits_for_a_permit_as_a_thread_does() {
    let scope = Scope::new();
    let _inside = scope.enter();
    assert_eq!(at_a_pace_later().await.unwrap(), ms(1_000));
    assert_eq!(at_a_pace_later().await.unwrap(), ms(100));
    let began = scope.clock().elapsed();
    let ended = Deadline::after(ms(900)).attach_to(at_a_pace_later()).await;
    assert_eq!((kind(&ended), scope.clock().elapsed()), (Some(ErrorKind::RateLimited), began));
    // Two at once queue up behind each other; the second's turn would come after its deadline.
    tokio::time::advance(ms(900)).await;
    let (first, second, third) = tokio::join!(at_a_pace_later(), at_a_pace_later(), at_a_pace_later());
    assert_eq!((first.is_ok(), second.is_ok(), kind(&third)), (true, true, Some(ErrorKind::RateLimited)));
}

/// Runs until it is told to end, whatever its caller does.
#[resilient(
    operation_name = "waits_stuck",
    key = key,
    enable_retry = false,
    enable_circuit_breaker = false,
    timeout = "30ms",
    bulkhead(name = "waits_stuck", max_concurrent = 1)
)]
fn stuck(key: u32, finish: Receiver<bool>, ended: Arc<AtomicBool>) -> Answer<()> {
    let panics = finish.recv().unwrap_or(false);
    ended.store(true, Ordering::Relaxed);
    assert!(!panics, "scripted, expected in the output for {key}");
    Ok(())
}

#[resilient(
    operation_name = "waits_beside_stuck",
    key = key,
    enable_retry = false,
    enable_circuit_breaker = false,
    timeout = "1m",
    bulkhead(name = "waits_stuck", max_concurrent = 1)
)]
fn beside_stuck(key: u32) -> Answer<u32> {
    Ok(key)
}

#[test]
fn a_slot_stays_taken_until_the_work_on_the_thread_really_ends() {
    let scope = Scope::new();
    let _inside = scope.enter();
    for panics in [false, true] {
        let (finish, finished) = channel();
        let ended = Arc::new(AtomicBool::new(false));
        assert_eq!(kind(&stuck(1, finished, Arc::clone(&ended))), Some(ErrorKind::Timeout));
        assert_eq!(kind(&beside_stuck(1)), Some(ErrorKind::BulkheadFull));
        assert_eq!((beside_stuck(2).ok(), ended.load(Ordering::Relaxed)), (Some(2), false));
        finish.send(panics).unwrap();
        // The slot is given back a moment after that.
        until(|| beside_stuck(1).is_ok());
        assert!(ended.load(Ordering::Relaxed));
    }
}

macro_rules! panicking {
    ($name:ident, $operation:literal, $mode:literal) => {
        #[resilient(operation_name = $operation, timeout_mode = $mode, failure_threshold = 1)]
        #[bulkhead(max_concurrent = 1)]
        fn $name() -> Answer<()> {
            panic!("scripted, expected in the output");
        }
    };
}

panicking!(panics_on_thread, "waits_panics_on_thread", "thread");
panicking!(panics_in_place, "waits_panics_in_place", "deadline");

#[test]
fn a_panic_gives_the_slot_back_before_it_reaches_the_caller() {
    let functions: [fn() -> Answer<()>; 2] = [panics_on_thread, panics_in_place];
    for (name, panics) in ["waits_panics_on_thread", "waits_panics_in_place"].into_iter().zip(functions) {
        let scope = Scope::new();
        let _inside = scope.enter();
        catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
        assert_eq!(breaker(name).unwrap().state(), State::Open);
        assert_eq!(bulkhead(name).unwrap().active_count(), 0);
        assert_eq!(finished(&scope), [(1, StopReason::Panicked)]);
    }
}

/// The same layers on a thread and on a task, one probe at a time.
macro_rules! probing {
    ($($(#[$attribute:meta])? $name:ident $operation:literal $($async:ident)?;)*) => {
        $(
            #[resilient(
                operation_name = $operation,
                max_attempts = 1,
                success_threshold = 1,
                half_open_max_calls = 1,
                bulkhead(max_concurrent = 1),
                rate_limit(rate = 1)
            )]
            $($async)? fn $name(begun: &AtomicU32) -> Answer<()> {
                begun.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        )*
    };
}

probing! {
    probes "waits_probes";
    probes_later "waits_probes_later" async;
}

#[test]
fn a_probe_that_a_later_layer_refuses_gives_its_slot_back_and_is_no_attempt() {
    type Guarded<'f> = (&'static str, &'f dyn Fn(&AtomicU32) -> Answer<()>);
    let later = |begun: &AtomicU32| match poll(&mut (Box::pin(probes_later(begun)) as Call<'_, _>)) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("pending"),
    };
    let functions: [Guarded<'_>; 2] = [("waits_probes", &probes), ("waits_probes_later", &later)];
    for (name, call) in functions {
        let (scope, begun) = (Scope::new(), AtomicU32::new(0));
        let _inside = scope.enter();
        let breaker = breaker(name).unwrap();
        breaker.open();
        breaker.half_open().unwrap();
        let running = fill(name);
        assert_eq!(kind(&call(&begun)), Some(ErrorKind::BulkheadFull));
        drop(running);
        assert_eq!(kind(&call(&begun)), Some(ErrorKind::RateLimited));
        assert_eq!(breaker.state(), State::HalfOpen);
        scope.clock().advance(ms(1_000));
        assert_eq!(call(&begun).map_err(|error| error.kind()), Ok(()));
        assert_eq!((breaker.state(), begun.into_inner()), (State::Closed, 1));
        let refused = (0, StopReason::Refused);
        assert_eq!(finished(&scope), [refused, refused, (1, StopReason::Success)]);
    }
}

#[resilient(
    operation_name = "waits_reset",
    max_attempts = 1,
    rate_limit(rate = 1, max_wait = "1m"),
    bulkhead(max_concurrent = 1, max_queue = 5)
)]
async fn amid_a_reset() -> Answer<()> {
    let mut waits = true;
    poll_fn(|_| if std::mem::take(&mut waits) { Poll::Pending } else { Poll::Ready(()) }).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_reset_takes_nobody_out_of_a_queue() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let mut calls: [Call<'_, ()>; 3] = std::array::from_fn(|_| Box::pin(amid_a_reset()) as Call<'_, ()>);
    let [running, queued, throttled] = &mut calls;
    assert!(poll(running).is_pending() && poll(queued).is_pending());
    tokio::time::advance(ms(1_001)).await;
    assert!(poll(queued).is_pending() && poll(throttled).is_pending());
    let slots = bulkhead("waits_reset").unwrap();
    let waits = || rate_limiter("waits_reset").unwrap().snapshot().waiting_count;
    assert_eq!((slots.active_count(), slots.waiting_count(), waits()), (1, 1, 1));
    reset_resilience_state();
    let slots = bulkhead("waits_reset").unwrap();
    assert_eq!((slots.active_count(), slots.waiting_count(), waits()), (1, 1, 1));
    assert!(matches!(poll(running), Poll::Ready(Ok(()))));
    tokio::time::advance(ms(1_001)).await;
    assert!(poll(queued).is_pending(), "in its body");
    assert!(poll(throttled).is_pending(), "in the queue");
    assert_eq!((slots.active_count(), slots.waiting_count(), waits()), (1, 1, 0));
    assert!(matches!(poll(queued), Poll::Ready(Ok(()))));
    assert!(poll(throttled).is_pending(), "in its body");
    assert!(matches!(poll(throttled), Poll::Ready(Ok(()))));
    assert_eq!((slots.active_count(), slots.waiting_count()), (0, 0));
}
