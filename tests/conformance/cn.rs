//! CN: calls that nobody waits for any more. A caller cancels by dropping the future.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use resilient::testing::{Flaky, Scope};
use resilient::{
    Bulkhead, BulkheadConfig, Deadline, ErrorKind, Hedge, RateLimitConfig, RateLimiter, ResilientOperation,
    RetryPolicy, TimeoutPolicy, bulkhead, circuit_breaker, fallback, hedge, rate_limit, retry_with_backoff,
    with_timeout,
};
use tokio::time::{sleep, timeout};

use crate::calls::{Fault, SPARE, both, down, ms, secs, told};

type Backend = Flaky<u32, Fault>;

/// Drops `call` after so long, which has not ended by then, and leaves it time to go on if it could.
async fn cancelled_after<T>(span: Duration, scope: &Scope, call: impl Future<Output = T>) {
    let began = scope.clock().elapsed();
    assert!(timeout(span, scope.run(call)).await.is_err(), "it ended by itself");
    assert_eq!(scope.clock().elapsed().saturating_sub(began), span);
    sleep(secs(5)).await;
}

#[retry_with_backoff(max_attempts = 3, base_delay = "1s", jitter = false)]
async fn retried(backend: &Backend) -> Result<u32, Fault> {
    backend.call_async().await
}

async fn retried_by_an_object(backend: &Backend) -> Result<u32, Fault> {
    let policy = RetryPolicy::new().with_max_attempts(3).with_base_delay("1s").with_jitter(false);
    let operation = ResilientOperation::builder("cn").with_retry(policy).build().expect("legal");
    operation.call_async(async || backend.call_async().await).await
}

#[tokio::test(start_paused = true)]
async fn cn_001_a_call_cancelled_in_an_attempt_makes_no_other() {
    async fn check(call: impl AsyncFn(&Backend) -> Result<u32, Fault>) {
        let (scope, backend) = (Scope::new(), down().takes(ms(500)));
        cancelled_after(ms(100), &scope, call(&backend)).await;
        assert_eq!((backend.calls(), told(&scope)), (1, vec!["finished: cancelled".to_owned()]));
    }
    check(retried).await;
    check(retried_by_an_object).await;
}

#[bulkhead(max_concurrent = 1, max_queue = 1, name = "cn_002")]
async fn one_by_one(backend: &Backend) -> Result<u32, Fault> {
    backend.call_async().await
}

#[tokio::test(start_paused = true)]
async fn cn_002_a_call_cancelled_in_the_queue_never_begins() {
    async fn check(slots: Bulkhead, scope: Scope, call: impl AsyncFn(&Backend) -> Result<u32, Fault>) {
        let backend = Flaky::new().then(42).takes(secs(1));
        let a = scope.run(call(&backend));
        let b = async {
            sleep(ms(50)).await;
            cancelled_after(ms(100), &scope, call(&backend)).await;
        };
        let (a, ()) = tokio::join!(a, b);
        assert_eq!((a.unwrap(), backend.calls()), (42, 1));
        assert_eq!((slots.active_count(), slots.waiting_count()), (0, 0));
    }
    let scope = Scope::new();
    let shared = scope.run(async { resilient::bulkhead("cn_002") }).await.unwrap();
    check(shared, scope, one_by_one).await;
    let config = BulkheadConfig::new().max_concurrent(1).max_queue(1);
    let slots = Bulkhead::new("cn_002", config).unwrap();
    check(slots.clone(), Scope::new(), async |backend: &Backend| {
        slots.call_async(async || backend.call_async().await).await
    })
    .await;
}

/// A piece of work that goes on until it is let go, and tells when it begins and ends.
fn works(name: &str, gate: &Mutex<()>, log: &Sender<String>) {
    log.send(format!("{name} begins")).expect("the test listens");
    drop(gate.lock());
    log.send(format!("{name} ends")).expect("the test listens");
}

#[with_timeout("20ms")]
#[bulkhead(max_concurrent = 1, max_queue = 1, name = "cn_003")]
fn given_up(gate: Arc<Mutex<()>>, log: Sender<String>) -> Result<u32, Fault> {
    works("A", &gate, &log);
    Ok(1)
}

#[bulkhead(max_concurrent = 1, max_queue = 1, name = "cn_003")]
fn comes_next(log: &Sender<String>) -> Result<u32, Fault> {
    works("B", &Mutex::new(()), log);
    Ok(2)
}

#[bulkhead(max_concurrent = 1, max_queue = 1, name = "cn_003")]
async fn comes_next_later(log: &Sender<String>) -> Result<u32, Fault> {
    works("B", &Mutex::new(()), log);
    Ok(2)
}

fn given_up_by_an_operation(gate: Arc<Mutex<()>>, log: Sender<String>) -> Result<u32, Fault> {
    let operation = ResilientOperation::builder("cn_003_operation")
        .with_timeout(TimeoutPolicy::new().with_timeout("20ms"))
        .with_bulkhead(resilient::bulkhead("cn_003").unwrap());
    operation.build().expect("legal").call_on_thread(move || {
        works("A", &gate, &log);
        Ok(1)
    })
}

/// Runs `test` in a scope that tells real time, in which worker threads can be late.
fn in_real_time<T>(test: impl FnOnce(&Scope) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _tokio = runtime.enter();
    let scope = Scope::new();
    let _inside = scope.enter();
    test(&scope)
}

#[test]
fn cn_003_work_that_was_given_up_keeps_its_slot_until_it_really_ends() {
    type GivenUp = fn(Arc<Mutex<()>>, Sender<String>) -> Result<u32, Fault>;

    fn check(a: GivenUp, next: impl Fn(&Sender<String>) -> Result<u32, Fault> + Sync) {
        in_real_time(|scope| {
            let slots = resilient::bulkhead("cn_003").unwrap();
            let gate = Arc::new(Mutex::new(()));
            let (log, told): (_, Receiver<String>) = mpsc::channel();
            let closed = gate.lock();
            let late = a(Arc::clone(&gate), log.clone()).unwrap_err();
            assert_eq!(late.kind(), Some(ErrorKind::Timeout));
            assert_eq!(slots.active_count(), 1);
            thread::scope(|threads| {
                let b = threads.spawn(|| {
                    let _inside = scope.enter();
                    next(&log)
                });
                while slots.waiting_count() == 0 {
                    assert!(!b.is_finished(), "{:?}", b.join());
                    thread::yield_now();
                }
                assert_eq!(told.try_iter().collect::<Vec<_>>(), ["A begins"]);
                drop(closed);
                assert_eq!(b.join().unwrap().unwrap(), 2);
            });
            drop(log);
            assert_eq!(told.iter().collect::<Vec<_>>(), ["A ends", "B begins", "B ends"]);
            assert_eq!((slots.active_count(), slots.waiting_count()), (0, 0));
        });
    }
    check(given_up, comes_next);
    check(given_up_by_an_operation, comes_next);
    check(given_up, |log| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(comes_next_later(log))
    });
}

#[with_timeout("20ms")]
#[circuit_breaker(name = "cn_004")]
fn answers_too_late(gate: Arc<Mutex<()>>, log: Sender<String>) -> Result<u32, Fault> {
    works("A", &gate, &log);
    Ok(1)
}

#[test]
fn cn_004_what_was_given_up_stays_so_whatever_it_answers_later() {
    in_real_time(|scope| {
        let gate = Arc::new(Mutex::new(()));
        let (log, ended) = mpsc::channel();
        let closed = gate.lock();
        let late = answers_too_late(Arc::clone(&gate), log).unwrap_err();
        assert_eq!(late.kind(), Some(ErrorKind::Timeout));
        let before = told(scope);
        drop(closed);
        assert_eq!(ended.iter().collect::<Vec<_>>(), ["A begins", "A ends"]);
        let breaker = resilient::breaker("cn_004").unwrap().snapshot();
        assert_eq!((breaker.failed_calls, breaker.successful_calls, breaker.stale_results), (1, 0, 0));
        assert_eq!(told(scope), before);
    });
}

both! {
    #[retry_with_backoff(max_attempts = 3, base_delay = 0, deadline = "100ms")]
    fn thrice_within_100_ms
}

both! {
    #[retry_with_backoff(max_attempts = 3, base_delay = 0)]
    #[circuit_breaker]
    fn thrice
}

#[test]
fn cn_005_a_deadline_in_an_attempt_ends_the_call() {
    thrice_within_100_ms().each(
        || down().takes(secs(1)),
        |world| {
            assert_eq!(world.call().unwrap_err().kind(), Some(ErrorKind::DeadlineExceeded));
            assert_eq!((world.executions(), world.count("retry")), (1, 0));
        },
    );
    thrice().each(
        || down().takes(secs(1)),
        |world| {
            let error = world.call_within(ms(100)).unwrap_err();
            assert_eq!(error.kind(), Some(ErrorKind::DeadlineExceeded));
            assert_eq!((world.executions(), world.count("retry")), (1, 0));
        },
    );
}

#[tokio::test(start_paused = true)]
async fn cn_005_a_call_cancelled_in_an_attempt_ends_there() {
    let (scope, backend) = (Scope::new(), down().takes(secs(1)));
    cancelled_after(ms(100), &scope, thrice::later(&backend)).await;
    assert_eq!((backend.calls(), told(&scope)), (1, vec!["finished: cancelled".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn cn_006_a_call_cancelled_in_its_wait_does_not_wait_to_the_end() {
    async fn check(call: impl AsyncFn(&Backend) -> Result<u32, Fault>) {
        let (scope, backend) = (Scope::new(), down());
        cancelled_after(ms(50), &scope, call(&backend)).await;
        let expected = ["failed", "retry", "finished: cancelled"].map(str::to_owned);
        assert_eq!((backend.calls(), told(&scope)), (1, expected.to_vec()));
    }
    check(retried).await;
    check(retried_by_an_object).await;
}

#[rate_limit(rate = 1, per = "10s", max_wait = "1m", name = "cn_007")]
async fn limited(backend: &Backend) -> Result<u32, Fault> {
    backend.call_async().await
}

#[tokio::test(start_paused = true)]
async fn cn_007_a_call_cancelled_while_it_waits_for_a_permit_never_begins() {
    async fn check(scope: Scope, limiter: RateLimiter, call: impl AsyncFn(&Backend) -> Result<u32, Fault>) {
        let backend = Flaky::new().then(42);
        limiter.try_acquire().expect("the first is free");
        cancelled_after(ms(100), &scope, call(&backend)).await;
        assert_eq!((backend.calls(), limiter.snapshot().waiting_count), (0, 0));
        // Read differently: a wait that does not fit the limit around it is not begun.
        let within = scope.run(async { Deadline::after(ms(100)).attach_to(call(&backend)).await }).await;
        assert_eq!(within.unwrap_err().kind(), Some(ErrorKind::RateLimited));
        assert_eq!((backend.calls(), scope.clock().elapsed().as_millis()), (0, 5_100));
    }
    let scope = Scope::new();
    let shared = scope.run(async { resilient::rate_limiter("cn_007") }).await.unwrap();
    check(scope, shared, limited).await;
    let scope = Scope::new();
    let config = RateLimitConfig::new(1).per(secs(10)).max_wait(secs(60));
    let limiter = scope.run(async { RateLimiter::new("cn_007", config) }).await.unwrap();
    check(scope, limiter.clone(), async |backend: &Backend| {
        limiter.call_async(async || backend.call_async().await).await
    })
    .await;
}

#[bulkhead(max_concurrent = 1, max_wait = "200ms", name = "cn_008")]
async fn one_at_a_time(backend: &Backend) -> Result<u32, Fault> {
    backend.call_async().await
}

#[tokio::test(start_paused = true)]
async fn cn_008_a_call_cancelled_while_it_waits_for_a_slot_never_begins() {
    async fn check(
        (scope, slots): (Scope, Bulkhead),
        out_of_time: ErrorKind,
        call: impl AsyncFn(&Backend) -> Result<u32, Fault>,
    ) {
        let backend = Flaky::new().then(42);
        let _taken = slots.try_acquire().unwrap();
        cancelled_after(ms(100), &scope, call(&backend)).await;
        assert_eq!((backend.calls(), slots.waiting_count()), (0, 0));
        // Nor one whose time is over before it has a slot.
        let within = scope.run(async { Deadline::after(ms(10)).attach_to(call(&backend)).await }).await;
        assert_eq!((within.unwrap_err().kind(), backend.calls()), (Some(out_of_time), 0));
        assert_eq!(scope.clock().elapsed().as_millis(), 5_110);
    }
    let scope = Scope::new();
    let shared = scope.run(async { resilient::bulkhead("cn_008") }).await.unwrap();
    check((scope, shared), ErrorKind::DeadlineExceeded, one_at_a_time).await;
    let (scope, config) = (Scope::new(), BulkheadConfig::new().max_concurrent(1).max_wait(ms(200)));
    let slots = scope.run(async { Bulkhead::new("cn_008", config) }).await.unwrap();
    check((scope, slots.clone()), ErrorKind::BulkheadFull, async |backend: &Backend| {
        slots.call_async(async || backend.call_async().await).await
    })
    .await;
}

async fn slow_spare(_: &Backend) -> Result<u32, Fault> {
    sleep(secs(1)).await;
    Ok(SPARE)
}

#[fallback(slow_spare)]
async fn stood_in_for(backend: &Backend) -> Result<u32, Fault> {
    backend.call_async().await
}

#[tokio::test(start_paused = true)]
async fn cn_009_nothing_answers_a_caller_who_cancels() {
    let (scope, backend) = (Scope::new(), down().takes(secs(1)));
    cancelled_after(ms(100), &scope, stood_in_for(&backend)).await;
    assert_eq!(told(&scope), ["finished: cancelled"]);
    let (scope, backend) = (Scope::new(), down());
    cancelled_after(ms(100), &scope, stood_in_for(&backend)).await;
    assert_eq!(told(&scope), ["failed", "finished: attempts", "fallback"]);
}

/// Counts itself when it goes away.
struct Observer<'a>(&'a AtomicU32);

impl Drop for Observer<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Begins, and never ends by itself.
async fn never(begun: &AtomicU32, cancelled: &AtomicU32) -> Result<Infallible, Fault> {
    begun.fetch_add(1, Ordering::Relaxed);
    let _observer = Observer(cancelled);
    pending().await
}

#[hedge(delay = "1s", max_hedges = 2, idempotent = true)]
async fn seldom_hedged(begun: &AtomicU32, cancelled: &AtomicU32) -> Result<Infallible, Fault> {
    never(begun, cancelled).await
}

#[hedge(delay = "10ms", max_hedges = 2, idempotent = true)]
async fn soon_hedged(begun: &AtomicU32, cancelled: &AtomicU32) -> Result<Infallible, Fault> {
    never(begun, cancelled).await
}

#[tokio::test(start_paused = true)]
async fn cn_010_each_attempt_of_a_hedged_call_is_cancelled_with_it() {
    async fn check(attempts: u32, call: impl AsyncFn(&AtomicU32, &AtomicU32) -> Result<Infallible, Fault>) {
        let (scope, begun, cancelled) = (Scope::new(), AtomicU32::new(0), AtomicU32::new(0));
        cancelled_after(ms(100), &scope, call(&begun, &cancelled)).await;
        assert_eq!((begun.into_inner(), cancelled.into_inner()), (attempts, attempts));
        assert!(!told(&scope).contains(&"fallback".to_owned()));
    }
    let by_an_object = |delay| {
        let hedge = Hedge::new(delay).with_max_hedges(2);
        async move |begun: &AtomicU32, cancelled: &AtomicU32| {
            hedge.call_async(async || never(begun, cancelled).await).await
        }
    };
    check(1, seldom_hedged).await;
    check(3, soon_hedged).await;
    check(1, by_an_object(secs(1))).await;
    check(3, by_an_object(ms(10))).await;
}
