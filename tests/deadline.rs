//! The deadline around the code that is running: seen inside, carried over to tasks, taken from a request and handed on.

use std::sync::Mutex;
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{Deadline, ResilienceError, resilient, with_timeout};

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
struct Fault(String);

impl From<ResilienceError> for Fault {
    fn from(error: ResilienceError) -> Self {
        Self(error.to_string())
    }
}

type Answer<T> = Result<T, Fault>;
type Left = Option<Duration>;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What is left of the nearest deadline.
fn left() -> Left {
    Deadline::current().map(|deadline| deadline.remaining())
}

/// Drives a runtime of its own from a sync body, with a task of somebody else's beside the one it waits for.
#[with_timeout("2s", timeout_mode = "deadline", operation_name = "deadline_drives")]
fn drives(runtime: &tokio::runtime::Runtime, seen: &Mutex<Vec<(&str, Left)>>) -> Answer<Left> {
    Ok(runtime.block_on(async {
        tokio::task::yield_now().await;
        seen.lock().unwrap().push(("driven", left()));
        left()
    }))
}

#[test]
fn a_runtime_driven_inside_a_deadline_does_not_lend_it_to_its_other_tasks() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let scope = Scope::new();
    let _inside = scope.enter();
    let neighbour = runtime.spawn(async { (left(), tokio::task::spawn(async { left() }).await.unwrap()) });
    let guarded = runtime.spawn(nested());
    let seen = Mutex::new(Vec::new());
    assert_eq!(drives(&runtime, &seen), Ok(Some(millis(2000))));
    assert_eq!(runtime.block_on(neighbour).unwrap(), (None, None));
    assert_eq!(runtime.block_on(guarded).unwrap(), Ok(Some(millis(5000))), "its own, and no nearer one");
    assert_eq!(*seen.lock().unwrap(), [("driven", Some(millis(2000)))]);
    assert_eq!(left(), None);
}

#[resilient(deadline = "5s", enable_retry = false, operation_name = "deadline_nested")]
async fn nested() -> Answer<Left> {
    Ok(left())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_task_that_drives_a_runtime_sees_its_deadline_there() {
    let inside = tokio::task::spawn_blocking(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let neighbour = runtime.spawn(async { left() });
        let seen = Mutex::new(Vec::new());
        let driven = drives(&runtime, &seen).unwrap();
        (driven, runtime.block_on(neighbour).unwrap())
    });
    let (driven, neighbour) = inside.await.unwrap();
    assert!(driven.is_some());
    assert_eq!(neighbour, None);
}

#[with_timeout("3s", deadline = "3s", operation_name = "deadline_spawns")]
async fn spawns() -> Answer<(Left, Left)> {
    let bare = tokio::spawn(async { left() });
    let attached = tokio::spawn(Deadline::attach(async {
        tokio::task::yield_now().await;
        left()
    }));
    Ok((bare.await.unwrap(), attached.await.unwrap()))
}

#[tokio::test(start_paused = true)]
async fn a_spawned_task_is_under_the_deadline_of_its_spawner_where_it_is_attached() {
    let (bare, attached) = Scope::new().run(spawns()).await.unwrap();
    assert_eq!((bare, attached), (None, Some(millis(3000))), "although the task is outside the scope");
    assert_eq!(tokio::spawn(Deadline::attach(async { left() })).await.unwrap(), None, "there was none");
}

#[with_timeout("1h", deadline = "1h", operation_name = "deadline_patient")]
async fn hangs() -> Answer<()> {
    std::future::pending().await
}

#[tokio::test(start_paused = true)]
async fn a_guarded_call_keeps_to_the_deadline_that_its_request_came_with() {
    let scope = Scope::new();
    let served = scope.run(async {
        let deadline = Deadline::from_grpc_timeout("100m").unwrap();
        let answer = deadline.attach_to(hangs()).await;
        (answer, scope.clock().elapsed(), deadline.is_expired())
    });
    let (answer, took, expired) = served.await;
    let refused = "'deadline_patient' passed its deadline, set by its caller";
    assert_eq!(answer, Err(Fault(refused.to_owned())));
    assert!((millis(100)..=millis(101)).contains(&took), "{took:?}");
    assert!(expired);
}

#[with_timeout("5s", timeout_mode = "deadline", operation_name = "deadline_in_place")]
fn in_place(of_its_own: Duration) -> Answer<Left> {
    Ok(Deadline::after(of_its_own).within(left))
}

#[test]
fn a_deadline_of_ones_own_is_never_later_than_the_one_around_it() {
    let scope = Scope::new();
    let _inside = scope.enter();
    assert_eq!(in_place(millis(9000)), Ok(Some(millis(5000))));
    assert_eq!(in_place(millis(1000)), Ok(Some(millis(1000))));
    assert_eq!(left(), None, "it ends with the code it is around");
    let nested = Deadline::from_millis(10).within(|| Deadline::from_millis(20).within(left));
    assert_eq!(nested, Some(millis(10)));
}

#[test]
fn a_call_whose_caller_has_no_time_left_is_not_begun() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let answer = Deadline::after(Duration::ZERO).within(|| in_place(millis(1)));
    assert_eq!(answer, Err(Fault("'deadline_in_place' passed its deadline, set by its caller".to_owned())));
}

#[test]
fn a_panic_takes_no_deadline_with_it() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let deadline = Deadline::from_millis(10);
    let thrown = std::panic::catch_unwind(|| deadline.within(|| std::panic::resume_unwind(Box::new(7))));
    assert!(thrown.is_err());
    assert_eq!(left(), None);
}

#[test]
fn what_is_left_is_said_in_headers_rounded_down_and_never_as_nothing() {
    let scope = Scope::new();
    let _inside = scope.enter();
    for (left, grpc, millis) in [
        (Duration::ZERO, "0n", 0),
        (Duration::from_nanos(1), "1n", 1),
        (Duration::from_nanos(99_999_999), "99999999n", 99),
        (Duration::from_nanos(100_000_999), "100000u", 100),
        (Duration::from_millis(1_999), "1999000u", 1_999),
        (Duration::from_secs(100), "100000m", 100_000),
        (Duration::from_secs(100_000), "100000S", 100_000_000),
        (Duration::from_secs(5_999_999_999), "99999999M", 5_999_999_999_000),
        (Duration::from_secs(6_000_000_059), "1666666H", 6_000_000_059_000),
    ] {
        let deadline = Deadline::after(left);
        assert_eq!((deadline.to_grpc_timeout().as_str(), deadline.as_millis()), (grpc, millis), "{left:?}");
        let imported = Deadline::from_grpc_timeout(grpc).unwrap();
        assert!(imported.remaining() <= left, "{left:?}");
    }
}

#[test]
fn a_deadline_too_far_away_is_no_deadline_and_overflows_nothing() {
    let scope = Scope::new();
    let _inside = scope.enter();
    for endless in [Deadline::after(Duration::MAX), Deadline::from_millis(u64::MAX)] {
        assert_eq!(endless.within(left), None);
        assert!(endless.to_grpc_timeout().ends_with('H'));
        assert!(!endless.is_expired());
    }
    let far = Deadline::from_grpc_timeout("99999999H").unwrap();
    assert!(far.remaining() > Duration::from_secs(500 * 365 * 86_400));
}
