//! Seed 004, P16 to P19: chains of fallbacks and hedged operations, as futures and on worker threads.

use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{AsyncFallbackChain, EventKind, FallbackChain, Hedge, ResilienceError};

use crate::support::{Answer, Fault, count_events, millis, seconds};

type Op = fn() -> Answer;
type Running = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Longer than any test; with it, only a failure starts the next operation.
const LONG: Duration = Duration::from_secs(60);

#[expect(clippy::unnecessary_wraps, reason = "one operation of several")]
fn works() -> Answer {
    Ok("success")
}

fn loses_its_connection() -> Answer {
    Err(Fault::Connection)
}

fn gives_up() -> Answer {
    Err(Fault::Timeout)
}

fn panics() -> Answer {
    panic!("scripted, expected in the output")
}

fn is_never_asked() -> Answer {
    unreachable!("an operation after the winner was started")
}

/// The operation as a future that does its work when it is first polled.
fn later(op: Op) -> Running {
    Box::pin(async move { op() })
}

fn was_empty(answer: &Answer) -> bool {
    matches!(answer, Err(Fault::Refused(ResilienceError::NoOperations { .. })))
}

async fn chained(ops: &[Op]) -> Answer {
    let chain = AsyncFallbackChain::create(ops.iter().map(|&op| move || later(op)));
    let awaited = chain.call_async().await;
    let in_place = FallbackChain::create(ops.iter().copied()).call();
    assert_eq!(format!("{awaited:?}"), format!("{in_place:?}"));
    in_place
}

async fn raced(ops: &[Op]) -> Answer {
    let hedge = Hedge::new(LONG);
    let awaited = hedge.race(ops.iter().map(|&op| later(op))).await;
    let in_place = hedge.race_blocking(ops.iter().copied());
    assert_eq!(format!("{awaited:?}"), format!("{in_place:?}"));
    in_place
}

#[tokio::test]
async fn seed_p16_a_chain_gives_the_first_success_in_order() {
    assert!(matches!(chained(&[works, is_never_asked]).await, Ok("success")));
    assert!(matches!(chained(&[loses_its_connection, gives_up, works]).await, Ok("success")));
    assert!(
        matches!(chained(&[loses_its_connection, gives_up]).await, Err(Fault::Timeout)),
        "the last error"
    );
    assert!(matches!(chained(&[panics, works, is_never_asked]).await, Ok("success")));
    let empty = chained(&[]).await;
    assert!(was_empty(&empty));
    let told = empty.unwrap_err().to_string();
    assert_eq!(told, "'fallback_chain' was given no operations: give it at least one");
}

#[test]
#[should_panic(expected = "scripted")]
fn seed_p16_the_last_members_panic_goes_on() {
    let _ = FallbackChain::new().then(loses_its_connection).then(panics).call();
}

#[test]
fn seed_p16_a_chain_is_not_changed_by_a_longer_one_and_tells_when_it_falls_back() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let chain = FallbackChain::new().then(loses_its_connection);
    let longer = chain.clone().then(works);
    assert!(matches!(longer.call(), Ok("success")));
    assert_eq!(count_events(&scope, |kind| matches!(kind, EventKind::FallbackUsed)), 1);
    assert!(matches!(chain.call(), Err(Fault::Connection)));
    assert_eq!(count_events(&scope, |kind| matches!(kind, EventKind::FallbackUsed)), 1);
}

#[tokio::test]
async fn seed_p17_a_fast_first_operation_answers_alone_and_at_once() {
    assert!(matches!(raced(&[works, is_never_asked]).await, Ok("success")));
}

#[tokio::test(start_paused = true)]
async fn seed_p18_a_slow_first_operation_is_overtaken_after_the_delay_and_cancelled() {
    struct Gone(Arc<AtomicU32>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let scope = Scope::new();
    let gone = Arc::new(AtomicU32::new(0));
    let slow = Gone(Arc::clone(&gone));
    let slow: Running = Box::pin(async move {
        let _slow = slow;
        pending().await
    });
    let answer = Hedge::new(millis(100)).race([slow, Box::pin(ready(works())), later(is_never_asked)]).await;
    assert!(matches!(answer, Ok("success")));
    assert_eq!((scope.clock().elapsed(), gone.load(Ordering::Relaxed)), (millis(100), 1));
}

#[test]
fn seed_p18_on_threads_the_caller_leaves_with_the_first_success() {
    type Boxed = Box<dyn FnOnce() -> Answer + Send>;
    let (finish, wait) = mpsc::channel::<()>();
    let (end, ended) = mpsc::channel();
    let slow: Boxed = Box::new(move || {
        wait.recv().unwrap();
        end.send(()).unwrap();
        Err(Fault::Connection)
    });
    let answer = Hedge::new(millis(5)).race_blocking([slow, Box::new(works)]);
    assert!(matches!(answer, Ok("success")));
    assert!(ended.try_recv().is_err(), "the loser runs on");
    finish.send(()).unwrap();
    ended.recv_timeout(seconds(30)).unwrap();
}

#[test]
fn seed_p18_one_operation_on_threads_is_hedged_too() {
    let (calls, (finish, wait)) = (AtomicU32::new(0), mpsc::channel::<()>());
    let wait = std::sync::Mutex::new(wait);
    let answer = Hedge::new(millis(5)).call(move || {
        if calls.fetch_add(1, Ordering::Relaxed) == 0 {
            let _ = wait.lock().unwrap().recv();
            return Err(Fault::Connection);
        }
        works()
    });
    assert!(matches!(answer, Ok("success")));
    drop(finish);
}

#[tokio::test]
async fn seed_p19_when_all_are_bad_there_is_an_error_and_a_panic_is_a_failure() {
    let answer = raced(&[loses_its_connection, gives_up]).await;
    assert!(matches!(answer, Err(Fault::Connection)), "the first operation's");
    assert!(matches!(raced(&[panics, gives_up, loses_its_connection]).await, Err(Fault::Timeout)));
    assert!(matches!(raced(&[panics, works, is_never_asked]).await, Ok("success")));
    assert!(was_empty(&raced(&[]).await));
}
