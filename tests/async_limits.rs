//! Time limits of async functions: of an attempt, of the whole call, and what they cost where they are not needed.

use std::future::{Future, pending};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use resilient::testing::{Flaky, Scope};
use resilient::{
    Deadline, EventKind, ResilienceError, StopReason, api_resilient, database_resilient, resilient,
    retry_with_backoff, with_timeout,
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
type Backend = Flaky<u32, Fault>;

fn refused<T>(message: &str) -> Answer<T> {
    Err(Fault::Refused(message.to_owned()))
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Every limit that was hit, in order.
fn limits(scope: &Scope) -> Vec<Duration> {
    let limit = |event: resilient::Event| match event.kind {
        EventKind::AttemptTimedOut { limit, .. } => Some(limit),
        _ => None,
    };
    scope.events().into_iter().filter_map(limit).collect()
}

/// Why the one call ended.
#[track_caller]
fn ending(scope: &Scope) -> StopReason {
    match scope.events().last().map(|event| event.kind.clone()) {
        Some(EventKind::Finished { reason, .. }) => reason,
        other => panic!("the last thing told was {other:?}"),
    }
}

/// How long `call` takes on the paused clock.
async fn timed<F: Future>(call: F) -> (F::Output, Duration) {
    let clock = Scope::new();
    let answer = call.await;
    (answer, clock.clock().elapsed())
}

#[api_resilient(operation_name = "limits_ready", deadline = "10s")]
async fn ready(value: u32) -> Answer<u32> {
    Ok(value)
}

#[test]
fn a_ready_future_needs_no_timer_and_no_tokio() {
    let scope = Scope::new();
    let _inside = scope.enter();
    assert!(tokio::runtime::Handle::try_current().is_err());
    let polled = pin!(ready(7)).poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(polled, Poll::Ready(Ok(7)));
}

#[test]
fn a_ready_future_needs_no_runtime_with_time() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let scope = Scope::new();
    assert_eq!(runtime.block_on(scope.run(ready(7))), Ok(7));
}

#[with_timeout(seconds = 0.02, operation_name = "limits_greedy")]
async fn greedy() -> Answer<u32> {
    // Uses up the task's cooperative budget at every poll.
    loop {
        tokio::task::consume_budget().await;
    }
}

#[tokio::test]
async fn a_body_that_uses_up_the_cooperative_budget_is_cut_all_the_same() {
    let scope = Scope::new();
    let guarded = tokio::time::timeout(Duration::from_secs(5), scope.run(greedy()));
    assert_eq!(
        guarded.await.expect("cut by its own limit"),
        refused("'limits_greedy' timed out after 20 ms")
    );
}

#[resilient(
    operation_name = "limits_attempt",
    timeout = "1s",
    max_attempts = 3,
    base_delay = "100ms",
    jitter = false
)]
async fn limited(backend: &Backend) -> Answer<u32> {
    backend.call_async().await
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_the_whole_limit() {
    let scope = Scope::new();
    let backend = Flaky::failing(1, Fault::Down)
        .takes(millis(900))
        .fail_times(1, || Fault::Down)
        .takes(millis(900))
        .then(1)
        .takes(millis(900));
    let (answer, took) = timed(scope.run(limited(&backend))).await;
    assert_eq!((answer, took), (Ok(1), millis(900 + 100 + 900 + 200 + 900)));
    assert_eq!(limits(&scope), []);
}

#[tokio::test(start_paused = true)]
async fn each_attempt_that_hangs_is_cut_at_the_limit_and_tried_again() {
    let scope = Scope::new();
    let backend = Flaky::<u32, Fault>::new().then_hang();
    let (answer, took) = timed(scope.run(limited(&backend))).await;
    assert_eq!(answer, refused("'limits_attempt' timed out after 1 s"));
    assert_eq!(took, millis(1000 + 100 + 1000 + 200 + 1000));
    assert_eq!(limits(&scope), [millis(1000); 3]);
    assert_eq!((backend.calls(), ending(&scope)), (3, StopReason::Attempts));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_may_be_followed_by_one_that_answers() {
    let scope = Scope::new();
    let backend = Flaky::<u32, Fault>::new().then_hang().then(1);
    let (answer, took) = timed(scope.run(limited(&backend))).await;
    assert_eq!((answer, took), (Ok(1), millis(1100)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_at_the_very_limit_is_in_time() {
    let scope = Scope::new();
    let backend = Flaky::new().then(1).takes(millis(1000));
    assert_eq!(scope.run(limited(&backend)).await, Ok(1));
}

static DROPS: AtomicU32 = AtomicU32::new(0);

struct CountsItsDrop;

impl Drop for CountsItsDrop {
    fn drop(&mut self) {
        DROPS.fetch_add(1, Ordering::Relaxed);
    }
}

#[with_timeout(seconds = 1, operation_name = "limits_dropped")]
async fn holds_something() -> Answer<u32> {
    let _held = CountsItsDrop;
    pending().await
}

#[tokio::test(start_paused = true)]
async fn the_body_is_dropped_when_its_limit_passes() {
    let scope = Scope::new();
    let answer = scope.run(async { (holds_something().await, DROPS.load(Ordering::Relaxed)) }).await;
    assert_eq!(answer, (refused("'limits_dropped' timed out after 1 s"), 1));
}

#[resilient(
    operation_name = "limits_deadline",
    deadline = "4500ms",
    timeout = "2s",
    max_attempts = 5,
    base_delay = 1,
    backoff = "constant",
    jitter = false
)]
async fn bounded(backend: &Backend) -> Answer<u32> {
    backend.call_async().await
}

#[tokio::test(start_paused = true)]
async fn a_deadline_covers_attempts_and_waits() {
    let scope = Scope::new();
    let backend = Flaky::<u32, Fault>::new().then_hang();
    let (answer, took) = timed(scope.run(bounded(&backend))).await;
    assert_eq!(answer, refused("'limits_deadline' passed its deadline of 4.5 s"));
    assert_eq!(took, millis(4500));
    // 2 s, 1 s of waiting, and what was left.
    assert_eq!(limits(&scope), [millis(2000), millis(1500)]);
    assert_eq!((backend.calls(), ending(&scope)), (2, StopReason::Deadline));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_does_not_fit_is_not_started() {
    let scope = Scope::new();
    let backend = Flaky::failing(9, Fault::Down).takes(millis(1200));
    let (answer, took) = timed(scope.run(bounded(&backend))).await;
    // Attempts end at 1.2 and 3.4 s; the wait until 4.4 s fits, and the third attempt is cut.
    assert_eq!((answer, took), (refused("'limits_deadline' passed its deadline of 4.5 s"), millis(4500)));
    assert_eq!((backend.calls(), ending(&scope)), (3, StopReason::Deadline));

    let scope = Scope::new();
    let backend = Flaky::failing(9, Fault::Down).takes(millis(1300));
    let (answer, took) = timed(scope.run(bounded(&backend))).await;
    assert_eq!(
        (answer, took),
        (Err(Fault::Down), millis(1300 + 1000 + 1300)),
        "the last real error, at once"
    );
    assert_eq!((backend.calls(), ending(&scope)), (2, StopReason::DelayTooLong));
}

/// What is left of the nearest deadline.
fn left() -> Option<Duration> {
    Deadline::current().map(|deadline| deadline.remaining())
}

#[with_timeout(deadline = "2s", operation_name = "limits_outer_near")]
async fn near(inner: bool) -> Answer<Vec<Option<Duration>>> {
    let before = left();
    tokio::time::sleep(millis(500)).await;
    let inside = if inner { far(false).await? } else { Vec::new() };
    Ok([vec![before], inside, vec![left()]].concat())
}

#[with_timeout(deadline = "10s", operation_name = "limits_outer_far")]
async fn far(inner: bool) -> Answer<Vec<Option<Duration>>> {
    let before = left();
    let inside = if inner { Box::pin(near(false)).await? } else { Vec::new() };
    Ok([vec![before], inside, vec![left()]].concat())
}

#[tokio::test(start_paused = true)]
async fn nested_calls_see_the_nearest_deadline() {
    let scope = Scope::new();
    scope
        .run(async {
            assert_eq!(left(), None);
            let some = |span| Some(millis(span));
            assert_eq!(far(true).await.unwrap(), [some(10_000), some(2000), some(1500), some(9500)]);
            assert_eq!(near(true).await.unwrap(), [some(2000), some(1500), some(1500), some(1500)]);
            assert_eq!(left(), None, "a deadline ends with its call");
        })
        .await;
}

#[with_timeout(deadline = "1h", seconds = 3600, operation_name = "limits_patient")]
async fn patient() -> Answer<u32> {
    pending().await
}

#[with_timeout(deadline = "2s", operation_name = "limits_hurried")]
async fn hurried() -> Answer<u32> {
    tokio::time::sleep(millis(500)).await;
    patient().await
}

#[tokio::test(start_paused = true)]
async fn a_nested_call_is_cut_at_the_deadline_of_its_caller() {
    let scope = Scope::new();
    let (answer, took) = timed(scope.run(hurried())).await;
    assert!(matches!(answer, Err(Fault::Refused(_))), "{answer:?}");
    assert_eq!(took, millis(2000));
    let cut =
        scope.events().into_iter().find(|event| matches!(event.kind, EventKind::AttemptTimedOut { .. }));
    assert_eq!(cut.expect("a cut").operation, "limits_patient");
    assert_eq!(limits(&scope)[0], millis(1500));
}

#[retry_with_backoff(max_retries = 5, base_delay = 5, jitter = false, operation_name = "limits_no_refusal")]
async fn retries_only(backend: &Backend) -> Answer<u32> {
    backend.call_async().await
}

#[with_timeout(deadline = "2s", operation_name = "limits_around_retries")]
async fn around_retries(backend: &Backend) -> Answer<u32> {
    retries_only(backend).await
}

#[tokio::test(start_paused = true)]
async fn a_deadline_around_a_function_that_only_retries_ends_both() {
    let scope = Scope::new();
    let backend = Flaky::failing(9, Fault::Down);
    let (_, took) = timed(scope.run(around_retries(&backend))).await;
    assert!(took <= millis(2000), "{took:?}");
    assert_eq!(backend.calls(), 1);
}

#[database_resilient(operation_name = "limits_spawned", timeout = "20ms", base_delay = "1ms", clone(name))]
async fn spawned(name: String, hang: bool) -> Answer<String> {
    tokio::task::yield_now().await;
    if hang {
        pending::<()>().await;
    }
    Ok(name)
}

/// Every fourth task hangs.
async fn spawns_tasks() {
    let scope = Arc::new(Scope::builder().env("PYNOMALY_OP_LIMITS_SPAWNED_FAILURE_THRESHOLD", "off").build());
    let tasks: Vec<_> = (0..16)
        .map(|n: u32| {
            let scope = Arc::clone(&scope);
            tokio::spawn(async move { scope.run(spawned(n.to_string(), n % 4 == 0)).await })
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        let expected =
            if n % 4 == 0 { refused("'limits_spawned' timed out after 20 ms") } else { Ok(n.to_string()) };
        assert_eq!(task.await.unwrap(), expected);
    }
    let _inside = scope.enter();
    let snapshot = resilient::breaker("limits_spawned").unwrap().snapshot();
    assert_eq!((snapshot.successful_calls, snapshot.failed_calls, snapshot.abandoned_calls), (12, 4 * 3, 0));
}

#[tokio::test(start_paused = true)]
async fn guarded_calls_can_be_spawned_on_one_thread() {
    spawns_tasks().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guarded_calls_can_be_spawned_on_many_threads() {
    spawns_tasks().await;
}

#[with_timeout(seconds = 0.02, operation_name = "limits_local")]
async fn local(name: Rc<str>, hang: bool) -> Answer<usize> {
    tokio::task::yield_now().await;
    if hang {
        pending::<()>().await;
    }
    Ok(name.len())
}

#[tokio::test(start_paused = true)]
async fn guarded_calls_that_are_not_send_run_in_a_local_set() {
    let scope = Rc::new(Scope::new());
    let tasks = tokio::task::LocalSet::new();
    let [answers, hangs] = [false, true].map(|hang| {
        let scope = Rc::clone(&scope);
        tasks.spawn_local(async move { scope.run(local("four".into(), hang)).await })
    });
    tasks.await;
    assert_eq!(answers.await.unwrap(), Ok(4));
    assert_eq!(hangs.await.unwrap(), refused("'limits_local' timed out after 20 ms"));
}

#[with_timeout(deadline = "3s", operation_name = "limits_neighbour")]
async fn notes_deadline(seen: &Mutex<Vec<Option<Duration>>>) -> Answer<()> {
    for _ in 0..3 {
        seen.lock().unwrap().push(left());
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_not_seen_by_the_task_next_to_it() {
    let scope = Scope::new();
    let seen = Mutex::new(Vec::new());
    let neighbour = async {
        for _ in 0..3 {
            assert_eq!(left(), None);
            tokio::task::yield_now().await;
        }
    };
    let (answer, ()) = tokio::join!(scope.run(notes_deadline(&seen)), neighbour);
    assert_eq!(answer, Ok(()));
    assert_eq!(*seen.lock().unwrap(), [Some(millis(3000)); 3]);
}
