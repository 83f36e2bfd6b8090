//! Time limits of sync functions: a worker thread that releases its caller, or a deadline the body can see.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use resilient::testing::{Flaky, Scope};
use resilient::{
    Deadline, EventKind, ResilienceError, StopReason, cache_resilient, circuit_breaker, explain,
    resilience_health, resilient, retry_with_backoff, with_timeout,
};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum Fault {
    #[error("down")]
    Down,
    #[error("{0}")]
    Refused(String),
}

impl From<ResilienceError> for Fault {
    fn from(refused: ResilienceError) -> Self {
        Self::Refused(refused.to_string())
    }
}

type Answer<T> = Result<T, Fault>;

fn refused<T>(message: &str) -> Answer<T> {
    Err(Fault::Refused(message.to_owned()))
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Long enough for anything but a hang.
const LONG: Duration = Duration::from_secs(10);

fn here() -> ThreadId {
    thread::current().id()
}

/// Tells when it is dropped, and on which thread.
struct Traced(Sender<ThreadId>);

impl Drop for Traced {
    fn drop(&mut self) {
        let _ = self.0.send(here());
    }
}

#[with_timeout(seconds = 0.03, operation_name = "sync_waits")]
fn waits(finish: Receiver<()>, started: Sender<ThreadId>, result: Traced) -> Answer<Traced> {
    let _ = started.send(here());
    let _ = finish.recv();
    Ok(result)
}

#[test]
fn the_caller_is_released_at_the_limit_and_the_late_result_is_dropped() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let (finish, finished) = mpsc::channel();
    let (started, starts) = mpsc::channel();
    let (dropped, drops) = mpsc::channel();
    let answer = waits(finished, started, Traced(dropped));
    assert_eq!(answer.err().unwrap().to_string(), "'sync_waits' timed out after 30 ms");
    assert!(drops.try_recv().is_err(), "the body goes on");
    assert!(resilience_health().workers.stuck >= 1, "and can be seen doing so");

    finish.send(()).expect("the body still waits");
    let worker = starts.recv_timeout(LONG).unwrap();
    assert_eq!(drops.recv_timeout(LONG), Ok(worker), "its result is dropped where it was made");
    assert_ne!(worker, here());
}

#[with_timeout(seconds = 10, operation_name = "sync_thread_of")]
fn thread_of_body() -> Answer<(ThreadId, String)> {
    Ok((here(), thread::current().name().unwrap_or_default().to_owned()))
}

#[test]
fn workers_are_used_again() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let mut workers = HashSet::new();
    for _ in 0..200 {
        let (worker, name) = thread_of_body().unwrap();
        assert_ne!(worker, here());
        assert!(name.starts_with("resilient-worker-"), "{name}");
        workers.insert(worker);
    }
    // Other tests borrow workers meanwhile.
    assert!(workers.len() < 50, "{} threads for 200 calls one after the other", workers.len());
    assert!(resilience_health().workers.idle >= 1);
}

#[test]
fn a_guarded_function_works_on_any_thread() {
    let on_thread = thread::spawn(|| {
        let scope = Scope::new();
        let _inside = scope.enter();
        (thread_of_body().unwrap().0, here())
    });
    let (worker, caller) = on_thread.join().unwrap();
    assert_ne!(worker, caller);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(async {
        tokio::spawn(async { thread_of_body().unwrap() }).await.unwrap();
        tokio::task::spawn_blocking(|| thread_of_body().unwrap()).await.unwrap();
    });
}

#[with_timeout(seconds = 10, operation_name = "sync_panics")]
fn panics(payload: u32) -> Answer<u32> {
    std::panic::panic_any(payload)
}

#[test]
fn a_panic_comes_out_where_the_call_was_made() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let payload = catch_unwind(AssertUnwindSafe(|| panics(42))).expect_err("a panic");
    assert_eq!(payload.downcast_ref::<u32>(), Some(&42), "with its own payload");
    let Some(EventKind::Finished { reason, .. }) = scope.events().last().map(|event| event.kind.clone())
    else {
        panic!("{:?}", scope.events())
    };
    assert_eq!(reason, StopReason::Panicked);
}

#[cache_resilient(operation_name = "sync_borrows", max_attempts = 2, jitter = false)]
fn borrows(scope: &Scope, takes: Duration) -> Answer<(ThreadId, Option<Duration>)> {
    let left = Deadline::current().map(|deadline| deadline.remaining());
    scope.clock().advance(takes);
    Ok((here(), left))
}

#[test]
fn where_an_argument_is_borrowed_the_body_runs_in_place_and_sees_its_limit() {
    let scope = Scope::new();
    let _inside = scope.enter();
    assert_eq!(borrows(&scope, millis(5000)), Ok((here(), Some(millis(5000)))));
    assert!(Deadline::current().is_none(), "the limit ends with the call");
    assert!(explain("sync_borrows").unwrap().to_string().contains("timeout mode  deadline"));
}

#[test]
fn a_late_result_of_a_body_in_place_is_a_timeout_and_is_tried_again() {
    let scope = Scope::new();
    let _inside = scope.enter();
    assert_eq!(borrows(&scope, millis(5001)), refused("'sync_borrows' timed out after 5 s"));
    assert_eq!(scope.pauses(), [millis(100)]);
    let cuts =
        scope.events().into_iter().filter(|event| matches!(event.kind, EventKind::AttemptTimedOut { .. }));
    assert_eq!(cuts.count(), 2);
}

#[circuit_breaker(name = "sync_inner")]
fn inner() -> Answer<()> {
    Ok(())
}

/// What a body finds around it.
#[derive(Debug)]
struct Found {
    thread: ThreadId,
    left: Option<Duration>,
    tokio: bool,
}

#[with_timeout(seconds = 10, deadline = "1h", operation_name = "sync_surroundings")]
fn looks_around() -> Answer<Found> {
    inner()?;
    tracing::info!("from the body");
    Ok(Found {
        thread: here(),
        left: Deadline::current().map(|deadline| deadline.remaining()),
        tokio: tokio::runtime::Handle::try_current().is_ok(),
    })
}

#[with_timeout(timeout_mode = "deadline", seconds = 7, deadline = "7s", operation_name = "sync_around")]
fn around() -> Answer<Found> {
    looks_around()
}

/// Notes on which threads it hears this file's own events.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<ThreadId>>>);

impl tracing::Subscriber for Heard {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == module_path!()
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.lock().unwrap().push(here());
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn the_worker_finds_what_was_around_the_caller() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let scope = Scope::new();
    let _inside = scope.enter();
    let heard = Heard::default();
    let found = tracing::subscriber::with_default(heard.clone(), || {
        let _tokio = runtime.enter();
        around()
    });
    let found = found.unwrap();
    assert_ne!(found.thread, here());
    assert_eq!(found.left, Some(millis(7000)), "the nearest deadline");
    assert_eq!(*heard.0.lock().unwrap(), [found.thread], "the caller's subscriber");
    assert!(found.tokio);
    let inner = resilient::breaker("sync_inner").unwrap().snapshot();
    assert_eq!(inner.successful_calls, 1, "its guarded calls are in the caller's scope");
}

#[with_timeout(seconds = 10, operation_name = "sync_nested")]
fn nested(depth: u32) -> Answer<Vec<ThreadId>> {
    let mut threads = if depth == 0 { Vec::new() } else { nested(depth - 1)? };
    threads.push(here());
    Ok(threads)
}

#[with_timeout(seconds = 0.02, operation_name = "sync_outer_limit")]
fn outer_limit(finish: Arc<Mutex<Receiver<()>>>) -> Answer<()> {
    inner_limit(finish)
}

#[with_timeout(seconds = 10, operation_name = "sync_inner_limit")]
fn inner_limit(finish: Arc<Mutex<Receiver<()>>>) -> Answer<()> {
    let _ = finish.lock().unwrap().recv();
    Ok(())
}

#[test]
fn guarded_calls_may_be_nested() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let threads = nested(4).unwrap();
    assert_eq!(threads.iter().collect::<HashSet<_>>().len(), 5, "each on a worker of its own");
}

#[test]
fn a_nested_call_does_not_outlive_the_limit_around_it() {
    let (finish, finished) = mpsc::channel();
    let finished = Arc::new(Mutex::new(finished));
    assert_eq!(outer_limit(Arc::clone(&finished)), refused("'sync_outer_limit' timed out after 20 ms"));
    // The inner caller's limit is what was left of the outer one: it comes back although its body hangs.
    let outlived = (0..1000).all(|_| {
        thread::sleep(millis(1));
        Arc::strong_count(&finished) > 2
    });
    assert!(!outlived, "the outer body never ended");
    finish.send(()).unwrap();
}

#[retry_with_backoff(max_retries = 1, base_delay = "40ms", jitter = false, operation_name = "sync_backs_off")]
fn backs_off(backend: &Flaky<u32, Fault>) -> Answer<u32> {
    backend.call()
}

/// Fails once, then answers 1.
fn fails_once() -> Flaky<u32, Fault> {
    Flaky::failing(1, Fault::Down).then(1)
}

#[test]
fn a_wait_on_a_tokio_worker_does_not_stall_its_neighbours() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let (waited, ticks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    runtime.block_on(async {
        let neighbour = tokio::spawn({
            let (waited, ticks) = (Arc::clone(&waited), Arc::clone(&ticks));
            async move {
                while !waited.load(Ordering::Relaxed) {
                    ticks.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(millis(1)).await;
                }
            }
        });
        let waiting = tokio::spawn(async move {
            let answer = backs_off(&fails_once());
            let seen = ticks.load(Ordering::Relaxed);
            waited.store(true, Ordering::Relaxed);
            (answer, seen)
        });
        let (answer, seen) = waiting.await.unwrap();
        neighbour.await.unwrap();
        assert_eq!(answer, Ok(1));
        assert!(seen >= 5, "the neighbour ran {seen} times in 40 ms");
    });
}

#[test]
fn a_wait_is_possible_in_every_kind_of_runtime() {
    let current = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    assert_eq!(current().block_on(async { backs_off(&fails_once()) }), Ok(1));
    let local = tokio::task::LocalSet::new();
    assert_eq!(current().block_on(local.run_until(async { backs_off(&fails_once()) })), Ok(1));

    let many = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    assert_eq!(many.block_on(async { backs_off(&fails_once()) }), Ok(1));
    let local = tokio::task::LocalSet::new();
    assert_eq!(many.block_on(local.run_until(async { backs_off(&fails_once()) })), Ok(1));
    let blocking = many.spawn_blocking(|| backs_off(&fails_once()));
    assert_eq!(many.block_on(blocking).unwrap(), Ok(1));
}

#[test]
fn a_wait_is_possible_in_a_local_set_on_a_blocking_thread() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let handle = runtime.handle().clone();
    let blocking = runtime.spawn_blocking(move || {
        let local = tokio::task::LocalSet::new();
        handle.block_on(local.run_until(async { backs_off(&fails_once()) }))
    });
    assert_eq!(runtime.block_on(blocking).expect("no panic"), Ok(1));
}

#[resilient(operation_name = "sync_retries_late", timeout = "20ms", max_attempts = 3, base_delay = "1ms")]
fn hangs_at_first(attempts: Arc<AtomicU32>, finish: Arc<Mutex<Receiver<()>>>) -> Answer<u32> {
    let attempt = attempts.fetch_add(1, Ordering::Relaxed);
    if attempt == 0 {
        let _ = finish.lock().unwrap().recv();
    }
    Ok(attempt)
}

#[test]
fn an_attempt_that_hangs_is_left_behind_and_the_next_one_answers() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let (_finish, finished) = mpsc::channel();
    let attempts = Arc::new(AtomicU32::new(0));
    assert_eq!(hangs_at_first(attempts, Arc::new(Mutex::new(finished))), Ok(1));
    let breaker = resilient::breaker("sync_retries_late").unwrap().snapshot();
    assert_eq!((breaker.failed_calls, breaker.successful_calls), (1, 1));
}
