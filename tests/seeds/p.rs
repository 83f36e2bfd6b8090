//! Seed 004, P01 to P22: policy objects, and operations that are put together from them.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{
    BreakerConfig, Bulkhead, BulkheadConfig, CircuitBreaker, OperationBuilder, Problem, ResilienceError,
    ResilientOperation, RetryPolicy, State, Takes, TimeoutPolicy,
};

use crate::support::{
    Answer, Backend, Fault, Guarded, broken, each, failing, healthy, is_open, is_timeout, millis,
    opens_after, own, seconds, slow, state_of, told, totals,
};

/// How an operation is called.
#[derive(Clone, Copy, Debug)]
enum By {
    Call,
    CallOnThread,
    CallAsync,
}

const BY: [By; 3] = [By::Call, By::CallOnThread, By::CallAsync];

impl By {
    async fn call<R>(self, operation: &ResilientOperation<R>, backend: &Backend) -> Answer
    where
        R: Takes<&'static str, Fault>,
    {
        match self {
            Self::Call => operation.call(|| backend.call()),
            Self::CallOnThread => {
                let backend = Arc::clone(backend);
                operation.call_on_thread(move || backend.call())
            }
            Self::CallAsync => operation.call_async(async || backend.call_async().await).await,
        }
    }

    async fn calls<R>(self, times: usize, operation: &ResilientOperation<R>, backend: &Backend) -> Vec<Answer>
    where
        R: Takes<&'static str, Fault>,
    {
        let mut answers = Vec::new();
        for _ in 0..times {
            answers.push(self.call(operation, backend).await);
        }
        answers
    }
}

fn named(name: &str) -> OperationBuilder {
    ResilientOperation::builder(name)
}

fn retrying(policy: RetryPolicy) -> ResilientOperation {
    named("retrying").with_retry(policy).build().unwrap()
}

fn through(breaker: &CircuitBreaker) -> ResilientOperation {
    named("through").with_circuit_breaker(breaker.clone()).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn seed_p01_by_default_there_are_three_calls_and_two_doubling_waits() {
    each(BY, async |by, scope| {
        let backend = broken(|| Fault::Connection);
        let answer = by.call(&retrying(RetryPolicy::new().with_jitter(false)), &backend).await;
        assert!(matches!(answer, Err(Fault::Connection)));
        assert_eq!(backend.calls(), 3);
        // The original also sleeps 0.4 s after the last attempt.
        assert_eq!(scope.pauses(), [millis(100), millis(200)]);
        assert_eq!(scope.clock().elapsed(), millis(300));
    })
    .await;
    each(BY, async |by, scope| {
        by.call(&retrying(RetryPolicy::new()), &broken(|| Fault::Value)).await.unwrap_err();
        let [first, second] = scope.pauses()[..] else { panic!("{:?}", scope.pauses()) };
        assert!((millis(50)..millis(100)).contains(&first), "{first:?}");
        assert!((millis(100)..millis(200)).contains(&second), "{second:?}");
    })
    .await;
}

#[test]
fn seed_p02_each_change_gives_a_new_policy() {
    let policy = RetryPolicy::new().with_jitter(false);
    let changed = policy.with_max_attempts(5).with_backoff("constant").with_retry_on::<std::fmt::Error>();
    assert_eq!((policy.max_attempts(), changed.max_attempts()), (3, 5));
    assert_eq!((policy.delay(1), changed.delay(1)), (millis(200), millis(100)));
    let other = std::io::Error::other("another");
    assert_eq!((policy.should_retry(0, &other), changed.should_retry(0, &other)), (true, false));
    assert!(changed.should_retry(0, &std::fmt::Error));
}

#[derive(Debug, thiserror::Error)]
#[error("connection lost")]
struct ConnectionError;

#[derive(Debug, thiserror::Error)]
#[error("took too long")]
struct TimeoutError;

#[derive(Debug, thiserror::Error)]
#[error("bad value")]
struct ValueError;

type Boxed = Box<dyn std::error::Error + Send + Sync>;

/// How many calls there are when the function fails with this error for ever.
fn calls_after(policy: &RetryPolicy, error: impl Fn() -> Boxed) -> u32 {
    let mut calls = 0;
    let answer: Result<(), Boxed> = retrying(policy.clone()).call(|| {
        calls += 1;
        Err(error())
    });
    assert_eq!(answer.unwrap_err().to_string(), error().to_string());
    calls
}

#[test]
fn seed_p03_errors_of_other_types_are_final() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let listed = RetryPolicy::new().with_retry_on::<ConnectionError>().with_retry_on::<TimeoutError>();
    assert_eq!(calls_after(&listed, || ConnectionError.into()), 3);
    assert_eq!(calls_after(&listed, || TimeoutError.into()), 3);
    assert_eq!(calls_after(&listed, || ValueError.into()), 1);
    // What an error was made from counts too.
    assert_eq!(calls_after(&listed, || std::io::Error::other(ConnectionError).into()), 3);
}

#[tokio::test(start_paused = true)]
async fn seed_p04_an_error_that_the_test_refuses_is_final() {
    each(BY, async |by, _| {
        let operation = retrying(RetryPolicy::new().with_retry_if(|_: &Fault| false));
        let backend = broken(|| Fault::Connection);
        by.call(&operation, &backend).await.unwrap_err();
        assert_eq!(backend.calls(), 1);
        let operation =
            retrying(RetryPolicy::new().with_retry_if(|fault| matches!(fault, Fault::Connection)));
        let backend = broken(|| Fault::Connection);
        by.call(&operation, &backend).await.unwrap_err();
        assert_eq!(backend.calls(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_p05_the_waits_are_those_of_the_function() {
    each(BY, async |by, scope| {
        let half_seconds = RetryPolicy::new().with_backoff_fn(|n| millis(500) * n).with_jitter(false);
        by.call(&retrying(half_seconds.with_max_attempts(5)), &broken(|| Fault::Value)).await.unwrap_err();
        assert_eq!(scope.pauses(), [Duration::ZERO, millis(500), seconds(1), millis(1_500)]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_p06_the_waits_follow_the_base_and_the_longest() {
    each(BY, async |by, scope| {
        let policy = RetryPolicy::new().with_base_delay(1).with_max_delay(2).with_jitter(false);
        by.call(&retrying(policy.with_max_attempts(4)), &broken(|| Fault::Value)).await.unwrap_err();
        // The original ignores both.
        assert_eq!(scope.pauses(), [seconds(1), seconds(2), seconds(2)]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_p07_five_failures_open_it_and_then_nothing_is_run() {
    each(BY, async |by, _| {
        let breaker = own("p07", BreakerConfig::new());
        let backend = broken(|| Fault::Value);
        let operation = through(&breaker);
        by.calls(5, &operation, &backend).await;
        assert_eq!(breaker.state(), State::Open);
        let answer = by.call(&operation, &backend).await;
        assert!(is_open(&answer));
        // The original's text: "Circuit is OPEN".
        assert!(answer.unwrap_err().to_string().starts_with("circuit breaker 'p07' is open"));
        assert_eq!(backend.calls(), 5);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_p08_after_a_minute_two_successes_close_it() {
    each(BY, async |by, scope| {
        let breaker = own("p08", BreakerConfig::new());
        let operation = through(&breaker);
        by.calls(5, &operation, &broken(|| Fault::Value)).await;
        scope.clock().advance(seconds(60));
        by.call(&operation, &healthy()).await.unwrap();
        assert_eq!(breaker.state(), State::HalfOpen);
        by.call(&operation, &healthy()).await.unwrap();
        assert_eq!(breaker.state(), State::Closed);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_p09_a_failure_after_a_successful_probe_opens_it_again() {
    each(BY, async |by, scope| {
        let breaker = own("p09", BreakerConfig::new());
        let operation = through(&breaker);
        by.calls(5, &operation, &broken(|| Fault::Value)).await;
        scope.clock().advance(seconds(60));
        by.call(&operation, &healthy()).await.unwrap();
        by.call(&operation, &broken(|| Fault::Value)).await.unwrap_err();
        // The original stays half open.
        assert_eq!(breaker.state(), State::Open);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_p10_a_success_between_failures_restarts_the_count() {
    each(BY, async |by, _| {
        let breaker = own("p10", BreakerConfig::new());
        let operation = through(&breaker);
        by.calls(4, &operation, &broken(|| Fault::Value)).await;
        by.call(&operation, &healthy()).await.unwrap();
        by.calls(4, &operation, &broken(|| Fault::Value)).await;
        assert_eq!(state_of(&breaker), (State::Closed, 4));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_p11_a_slow_attempt_ends_at_the_limit() {
    for (limit, work) in [(seconds(10), seconds(11)), (millis(100), millis(300))] {
        each(BY, async |by, scope| {
            let operation =
                named("p11").with_timeout(TimeoutPolicy::new().with_timeout(limit)).build().unwrap();
            let answer = by.call(&operation, &slow(work)).await;
            assert!(is_timeout(&answer));
            assert!(answer.unwrap_err().to_string().starts_with("'p11' timed out after"));
            // In place nothing can be cut short: the answer that comes too late is the error.
            let took = if matches!(by, By::CallAsync) { limit } else { work };
            assert_eq!(scope.clock().elapsed(), took);
            assert_eq!(by.call(&operation, &slow(limit / 2)).await.unwrap(), "success");
        })
        .await;
    }
}

#[test]
fn seed_p11_on_a_thread_the_caller_is_released_at_the_limit() {
    // A worker thread is waited for in real time.
    let operation = named("p11").with_timeout(TimeoutPolicy::new().with_timeout("20ms")).build().unwrap();
    let (end, until) = std::sync::mpsc::channel::<()>();
    let until = std::sync::Mutex::new(until);
    let answer: Answer = operation.call_on_thread(move || {
        let _ = until.lock().unwrap().recv();
        Ok("too late")
    });
    assert!(is_timeout(&answer));
    drop(end);
}

#[tokio::test(start_paused = true)]
async fn seed_p12_the_error_of_a_time_limit_is_ones_own_and_made_anew() {
    each(BY, async |by, _| {
        let made = Arc::new(std::sync::atomic::AtomicU16::new(0));
        let count = Arc::clone(&made);
        let next = move || Fault::Http(count.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let policy = TimeoutPolicy::new().with_timeout(1).with_on_timeout(next);
        let operation = named("p12").with_timeout(policy).build().unwrap();
        let answers = by.calls(2, &operation, &slow(seconds(5))).await;
        assert_eq!(told(&answers), ["status 0", "status 1"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_p13_the_fallback_answers_and_the_breaker_counts_the_failure() {
    each(BY, async |by, _| {
        let breaker = opens_after(3);
        let operation = named("p13")
            .with_retry(RetryPolicy::new())
            .with_circuit_breaker(breaker.clone())
            .with_breaker_per_call()
            .with_fallback(|_: Fault| Ok("cached"))
            .build()
            .unwrap();
        let backend = broken(|| Fault::Connection);
        assert_eq!(by.call(&operation, &backend).await.unwrap(), "cached");
        assert_eq!(backend.calls(), 3);
        // One logical failure, as the original's breaker should have counted it.
        assert_eq!((state_of(&breaker), totals(&breaker.snapshot())), ((State::Closed, 1), (1, 0, 1)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_p14_the_fallback_answers_for_an_open_breaker() {
    each(BY, async |by, _| {
        let breaker = opens_after(1);
        breaker.open();
        let operation = named("p14")
            .with_circuit_breaker(breaker)
            .with_fallback(|fault: Fault| {
                assert!(fault.refusal().is_some_and(ResilienceError::is_circuit_open));
                Ok("cached")
            })
            .build()
            .unwrap();
        let backend = healthy();
        assert_eq!(by.call(&operation, &backend).await.unwrap(), "cached");
        assert_eq!(backend.calls(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_p15_ten_run_and_the_eleventh_waits() {
    each([By::CallAsync], async |by, scope| {
        // The original waits without limit; here a call waits where that is said.
        let bulkhead = Bulkhead::new("p15", BulkheadConfig::new().max_queue(100)).unwrap();
        let operation = named("p15").with_bulkhead(bulkhead.clone()).build().unwrap();
        let work: Backend = slow(seconds(1));
        let mut calls: Vec<_> = (0..11).map(|_| Box::pin(by.call(&operation, &work))).collect();
        poll_fn(|cx| {
            for call in &mut calls {
                assert!(call.as_mut().poll(cx).is_pending());
            }
            Poll::Ready(())
        })
        .await;
        assert_eq!((bulkhead.active_count(), bulkhead.waiting_count(), work.calls()), (10, 1, 10));
        for call in calls {
            assert_eq!(call.await.unwrap(), "success");
        }
        assert_eq!((scope.clock().elapsed(), bulkhead.active_count()), (seconds(2), 0));
        assert!(matches!(by.call(&operation, &broken(|| Fault::Value)).await, Err(Fault::Value)));
        assert_eq!(bulkhead.active_count(), 0);
    })
    .await;
}

twins! {
    five_times: #[retry_with_backoff(max_attempts = 5, base_delay = 0.1, retry_on = Fault::Connection | Fault::Timeout)]
}

#[tokio::test(start_paused = true)]
async fn seed_p20_as_an_attribute_listed_errors_are_tried_five_times_and_others_once() {
    async fn calls(guarded: Guarded, fault: fn() -> Fault) -> u32 {
        let backend = broken(fault);
        guarded.call(&backend).await.unwrap_err();
        backend.calls()
    }
    each(five_times::BOTH, async |guarded, _| {
        assert_eq!(calls(guarded, || Fault::Connection).await, 5);
        assert_eq!(calls(guarded, || Fault::Timeout).await, 5);
        assert_eq!(calls(guarded, || Fault::Value).await, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_p21_an_async_call_follows_the_same_rules_and_its_own_timeouts_are_its_own() {
    each([By::CallAsync], async |by, scope| {
        let operation = named("p21")
            .with_retry(RetryPolicy::new().with_jitter(false))
            .with_timeout(TimeoutPolicy::new().with_timeout(1))
            .build()
            .unwrap();
        // The operation's own error of that kind is not taken for our limit, as the original takes it.
        let backend = broken(|| Fault::Timeout);
        assert!(matches!(by.call(&operation, &backend).await, Err(Fault::Timeout)));
        assert_eq!(backend.calls(), 3);
        assert_eq!(scope.clock().elapsed(), millis(300));
        assert!(is_timeout(&by.call(&operation, &slow(seconds(9))).await));
        assert_eq!(scope.clock().elapsed(), seconds(3) + millis(600));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_p22_the_chain_of_the_document_works() {
    each(BY, async |by, _| {
        let breaker = CircuitBreaker::new("p22", BreakerConfig::new().failure_threshold(3)).unwrap();
        let operation = ResilientOperation::builder("fetch_user")
            .with_retry(RetryPolicy::new().with_max_attempts(5))
            .with_timeout(TimeoutPolicy::new().with_timeout(10.0))
            .with_circuit_breaker(breaker.clone())
            .with_fallback(|_: Fault| Ok("cached user"))
            .build()
            .unwrap();
        assert_eq!(by.call(&operation, &failing(2, || Fault::Connection)).await.unwrap(), "success");
        // The breaker sees attempts, so that it ends a call that would go on.
        let backend = broken(|| Fault::Connection);
        assert_eq!(by.call(&operation, &backend).await.unwrap(), "cached user");
        assert_eq!((backend.calls(), breaker.state()), (3, State::Open));
        assert_eq!(by.call(&operation.clone(), &healthy()).await.unwrap(), "cached user");
    })
    .await;
}

#[test]
fn seed_defect_004_07_what_cannot_be_used_is_refused_all_at_once() {
    let errors = named("no name")
        .with_retry(RetryPolicy::new().with_max_attempts(0).with_base_delay(-1).with_backoff("cubic"))
        .with_timeout(TimeoutPolicy::new().with_timeout(0))
        .with_deadline("soon")
        .build()
        .unwrap_err();
    let sources: Vec<_> = errors.problems().iter().map(Problem::source_name).collect();
    assert_eq!(
        sources,
        [
            "max_attempts of the retry policy",
            "base_delay of the retry policy",
            "backoff of the retry policy",
            "timeout of the timeout policy",
            "deadline of the operation",
            "the operation's name",
        ]
    );
    let policy = RetryPolicy::new().with_base_delay(20);
    assert!(
        policy.validate().unwrap_err().to_string().contains("20s is above max_delay, 10s; write 10s or less")
    );
}
