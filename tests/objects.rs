//! Operations made in code do what annotated functions do: the same scripts, the same answers, the same events.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use resilient::testing::{Flaky, Scope};
use resilient::{
    BreakerConfig, Bulkhead, BulkheadConfig, CircuitBreaker, Class, Classify, EventKind, Hedge,
    OperationBuilder, RateLimitConfig, RateLimiter, ResilienceConfig, ResilienceError, ResilientOperation,
    RetryPolicy, Settings, Source, State, StopReason, Takes, TimeoutPolicy, breaker, builder,
    circuit_breaker, reset_resilience_state, resilient, resilient_context, service_health,
};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum Fault {
    #[error("down")]
    Down,
    #[error("not found")]
    NotFound,
    #[error("{0}")]
    Refused(String),
}

impl From<ResilienceError> for Fault {
    fn from(refused: ResilienceError) -> Self {
        Self::Refused(refused.to_string())
    }
}

type Answer = Result<u32, Fault>;
type Backend = Flaky<u32, Fault>;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn fails(times: u32) -> Backend {
    Backend::failing(times, Fault::Down).then(1)
}

fn not_found() -> Backend {
    Backend::failing(1, Fault::NotFound)
}

fn slow(span: Duration) -> Backend {
    Backend::new().then(1).takes(span)
}

fn named(name: &str) -> OperationBuilder {
    ResilientOperation::builder(name)
}

fn opens_after(name: &str, failures: u32) -> CircuitBreaker {
    let config = BreakerConfig::new().failure_threshold(failures).recovery_timeout(seconds(30));
    CircuitBreaker::new(name, config).unwrap()
}

/// Plays each backend in a call of its own, ten seconds apart; what was answered, and all that was told.
async fn play(
    script: fn() -> Vec<Backend>,
    call: impl AsyncFn(&Backend) -> Answer,
) -> (Vec<Answer>, Vec<String>) {
    let scope = Scope::new();
    let play = async {
        let mut answers = Vec::new();
        for backend in script() {
            answers.push(call(&backend).await);
            scope.clock().advance(seconds(10));
        }
        answers
    };
    let answers = scope.run(play).await;
    (answers, scope.events().iter().map(ToString::to_string).collect())
}

/// An annotated function, the same said to a `ResilienceConfig`, and the same put together from policies: whatever the
/// script, nobody can tell them apart, neither sync nor async.
macro_rules! alike {
    ($($test:ident: $name:tt {
        #[resilient($($said:tt)*)]
        in_place($($in_place:tt)*), awaited($($awaited:tt)*),
        config: $config:expr,
        policies: $policies:expr,
        script: $script:expr,
    })+) => {$(
        mod $test {
            use super::*;

            #[resilient(operation_name = $name, $($in_place)* $($said)*)]
            fn in_place(backend: &Backend) -> Answer {
                backend.call()
            }

            #[resilient(operation_name = $name, $($awaited)* $($said)*)]
            async fn awaited(backend: &Backend) -> Answer {
                backend.call_async().await
            }

            const NAME: &str = $name;

            #[tokio::test(start_paused = true)]
            async fn do_the_same() {
                let script: fn() -> Vec<Backend> = $script;
                let written = play(script, async |backend| in_place(backend)).await;
                let said = play(script, async |backend| $config(ResilienceConfig::new(NAME)).call(|| backend.call()));
                assert_eq!(said.await, written);
                let put_together = async {
                    let operation = LazyLock::new(|| $policies(named(NAME)));
                    play(script, async |backend| operation.call(|| backend.call())).await
                };
                assert_eq!(put_together.await, written);

                let written = play(script, async |backend| awaited(backend).await).await;
                let said = play(script, async |backend| {
                    $config(ResilienceConfig::new(NAME)).call_async(async || backend.call_async().await).await
                });
                assert_eq!(said.await, written);
                let operation = LazyLock::new(|| $policies(named(NAME)));
                let put_together = play(script, async |backend| {
                    operation.call_async(async || backend.call_async().await).await
                });
                assert_eq!(put_together.await, written);
            }
        }
    )+};
}

/// A breaker that opens after so many failures, for 30 s.
fn breaking(builder: &OperationBuilder, failures: u32) -> OperationBuilder {
    builder.with_circuit_breaker(opens_after("objects_breaks", failures))
}

fn is_not_found(fault: &Fault) -> bool {
    *fault == Fault::NotFound
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "`failure_if` passes a reference")]
fn is_one(value: &u32) -> bool {
    *value == 1
}

#[allow(clippy::unnecessary_wraps, reason = "a fallback returns what its function does")]
fn cached(_: &Backend) -> Answer {
    Ok(99)
}

mod in_async {
    use super::{Answer, Backend};

    #[allow(clippy::unused_async, reason = "a fallback of an async function is async")]
    pub(super) async fn cached(_: &Backend) -> Answer {
        Ok(99)
    }
}

alike! {
    retries: "objects_retries" {
        #[resilient(max_attempts = 4, base_delay = 1, max_delay = 3, enable_timeout = false, enable_circuit_breaker = false)]
        in_place(), awaited(),
        config: |config: ResilienceConfig| {
            config
                .max_attempts(4)
                .base_delay(1)
                .max_delay(3)
                .enable_timeout(false)
                .enable_circuit_breaker(false)
                .build()
                .unwrap()
        },
        policies: |builder: OperationBuilder| {
            let policy = RetryPolicy::new().with_max_attempts(4).with_base_delay(1).with_max_delay(3);
            builder.with_retry(policy).build().unwrap()
        },
        script: || vec![fails(0), fails(2), fails(9)],
    }

    breaks: "objects_breaks" {
        #[resilient(failure_threshold = 2, recovery_timeout = 30, enable_timeout = false, enable_retry = false)]
        in_place(), awaited(),
        config: |config: ResilienceConfig| {
            let config = config.failure_threshold(2).recovery_timeout(30);
            config.enable_timeout(false).enable_retry(false).build().unwrap()
        },
        policies: |builder: OperationBuilder| breaking(&builder, 2).build().unwrap(),
        // Fails, opens, refuses twice, probes badly, refuses twice, closes.
        script: || [9, 9, 0, 0, 9, 0, 0, 0, 0, 0].map(fails).into(),
    }

    breaks_in_the_middle: "objects_breaks_in_the_middle" {
        #[resilient(
            failure_threshold = 2, recovery_timeout = 3, max_attempts = 5, jitter = false, retry_on_open = true,
            enable_timeout = false
        )]
        in_place(), awaited(),
        config: |config: ResilienceConfig| {
            let config = config.failure_threshold(2).recovery_timeout(3).max_attempts(5).jitter(false);
            config.retry_on_open(true).enable_timeout(false).build().unwrap()
        },
        policies: |builder: OperationBuilder| {
            let config = BreakerConfig::new().failure_threshold(2).recovery_timeout(seconds(3));
            let policy = RetryPolicy::new().with_max_attempts(5).with_base_delay(1).with_jitter(false);
            builder
                .with_retry(policy)
                .with_circuit_breaker(CircuitBreaker::new("objects_breaks_in_the_middle", config).unwrap())
                .with_retry_on_open()
                .build()
                .unwrap()
        },
        script: || vec![fails(2), fails(9), fails(0), fails(1)],
    }

    limits: "objects_limits" {
        #[resilient(timeout = 2, deadline = 7, max_attempts = 9, base_delay = 1, jitter = false, enable_circuit_breaker = false)]
        in_place(timeout_mode = "deadline",), awaited(),
        config: |config: ResilienceConfig| {
            let config = config.timeout(2).deadline(7).max_attempts(9).base_delay(1).jitter(false);
            config.enable_circuit_breaker(false).build().unwrap()
        },
        policies: |builder: OperationBuilder| {
            let policy = RetryPolicy::new().with_max_attempts(9).with_base_delay(1).with_jitter(false);
            builder
                .with_retry(policy)
                .with_timeout(TimeoutPolicy::new().with_timeout(2))
                .with_deadline(7)
                .build()
                .unwrap()
        },
        script: || vec![slow(seconds(1)), slow(millis(2_500)), slow(seconds(20)), fails(9)],
    }

    ignores: "objects_ignores" {
        #[resilient(ignore = Fault::NotFound, failure_threshold = 2, timeout = 1, recovery_timeout = 30)]
        in_place(timeout_mode = "deadline",), awaited(),
        config: |config: ResilienceConfig| {
            let config = config.ignore(is_not_found).failure_threshold(2).timeout(1).recovery_timeout(30);
            config.build().unwrap()
        },
        policies: |builder: OperationBuilder| {
            builder
                .with_ignore(is_not_found)
                .with_retry(RetryPolicy::new().with_base_delay(1).with_max_delay(60))
                .with_circuit_breaker(opens_after("objects_ignores", 2))
                .with_timeout(TimeoutPolicy::new().with_timeout(1))
                .build()
                .unwrap()
        },
        script: || vec![not_found(), not_found(), not_found(), slow(seconds(5)), not_found(), fails(0)],
    }

    tries_listed_errors_again: "objects_tries_listed_errors_again" {
        #[resilient(retry_if = |fault: &Fault| *fault == Fault::Down, timeout = 1, failure_threshold = 50)]
        in_place(timeout_mode = "deadline",), awaited(),
        config: |config: ResilienceConfig| {
            config.retry_if(|fault: &Fault| *fault == Fault::Down).timeout(1).failure_threshold(50).build().unwrap()
        },
        policies: |builder: OperationBuilder| {
            let policy = RetryPolicy::new().with_base_delay(1).with_max_delay(60);
            builder
                .with_retry(policy.with_retry_if(|fault: &Fault| *fault == Fault::Down))
                .with_circuit_breaker(opens_after("objects_tries_listed_errors_again", 50))
                .with_timeout(TimeoutPolicy::new().with_timeout(1))
                .build()
                .unwrap()
        },
        script: || vec![fails(2), not_found(), slow(seconds(5)), fails(9)],
    }

    judges_answers: "objects_judges_answers" {
        #[resilient(failure_if = is_one, failure_threshold = 5, recovery_timeout = 30, enable_timeout = false)]
        in_place(), awaited(),
        config: |config: ResilienceConfig| {
            let config = config.failure_threshold(5).recovery_timeout(30).enable_timeout(false);
            config.failure_if::<_, Fault>(is_one).build().unwrap()
        },
        policies: |builder: OperationBuilder| {
            builder
                .with_failure_if::<_, Fault>(is_one)
                .with_retry(RetryPolicy::new().with_base_delay(1).with_max_delay(60))
                .with_circuit_breaker(opens_after("objects_judges_answers", 5))
                .build()
                .unwrap()
        },
        script: || vec![Backend::new().then(2), fails(0), fails(1), fails(0)],
    }

    wraps: "objects_wraps" {
        #[resilient(exhausted = "wrap", timeout = 1, enable_circuit_breaker = false)]
        in_place(timeout_mode = "deadline",), awaited(),
        config: |config: ResilienceConfig| {
            let config = config.timeout(1).enable_circuit_breaker(false);
            config.wrap_exhausted::<u32, Fault>().build().unwrap()
        },
        policies: |builder: OperationBuilder| {
            builder
                .with_retry(RetryPolicy::new().with_base_delay(1).with_max_delay(60))
                .with_timeout(TimeoutPolicy::new().with_timeout(1))
                .with_wrapped_exhaustion::<u32, Fault>()
                .build()
                .unwrap()
        },
        script: || vec![fails(1), fails(9), slow(seconds(9))],
    }

    counts_calls: "objects_counts_calls" {
        #[resilient(breaker_scope = "call", failure_threshold = 2, recovery_timeout = 30, jitter = false)]
        in_place(), awaited(),
        config: |config: ResilienceConfig| {
            let config = config.breaker_per_call(true).failure_threshold(2).recovery_timeout(30).jitter(false);
            config.build().unwrap()
        },
        policies: |builder: OperationBuilder| {
            let policy = RetryPolicy::new().with_base_delay(1).with_max_delay(60).with_jitter(false);
            builder
                .with_retry(policy)
                .with_circuit_breaker(opens_after("objects_counts_calls", 2))
                .with_breaker_per_call()
                .with_timeout(TimeoutPolicy::new().with_timeout(5))
                .build()
                .unwrap()
        },
        script: || [1, 9, 9, 9, 0, 0, 0, 0].map(fails).into(),
    }

    keeps_the_pace: "objects_keeps_the_pace" {
        #[resilient(
            rate_limit(rate = 1, per = "25s", max_wait = "6s"), budget = "none", max_attempts = 2, jitter = false,
            enable_timeout = false, enable_circuit_breaker = false
        )]
        in_place(), awaited(),
        config: |config: ResilienceConfig| {
            let config = config.rate_limit_rate(1).rate_limit_per("25s").rate_limit_max_wait("6s");
            let config = config.budget("none").max_attempts(2).jitter(false);
            config.enable_timeout(false).enable_circuit_breaker(false).build().unwrap()
        },
        policies: |builder: OperationBuilder| {
            let pace = RateLimitConfig::new(1).per(seconds(25)).max_wait(seconds(6));
            let policy = RetryPolicy::new().with_base_delay(1).with_max_attempts(2).with_jitter(false);
            builder
                .with_retry(policy.with_budget("none"))
                .with_rate_limiter(RateLimiter::new("objects_keeps_the_pace", pace).unwrap())
                .build()
                .unwrap()
        },
        script: || [0, 0, 0, 9, 9, 0, 0].map(fails).into(),
    }

    is_closed: "objects_is_closed" {
        #[resilient(bulkhead(max_concurrent = 0), enable_timeout = false, enable_circuit_breaker = false)]
        in_place(), awaited(),
        config: |config: ResilienceConfig| {
            let config = config.bulkhead_max_concurrent(0).enable_timeout(false).enable_circuit_breaker(false);
            config.build().unwrap()
        },
        policies: |builder: OperationBuilder| {
            let closed = BulkheadConfig::new().max_concurrent(0);
            builder
                .with_retry(RetryPolicy::new())
                .with_bulkhead(Bulkhead::new("objects_is_closed", closed).unwrap())
                .build()
                .unwrap()
        },
        script: || vec![fails(0), fails(0)],
    }

    falls_back: "objects_falls_back" {
        #[resilient(failure_threshold = 2, recovery_timeout = 30, timeout = 5)]
        in_place(timeout_mode = "deadline", fallback = cached,), awaited(fallback = in_async::cached,),
        config: |config: ResilienceConfig| {
            let config = config.failure_threshold(2).recovery_timeout(30).timeout(5);
            config.fallback(|_: Fault| Ok(99)).build().unwrap()
        },
        policies: |builder: OperationBuilder| {
            builder
                .with_retry(RetryPolicy::new().with_base_delay(1).with_max_delay(60))
                .with_circuit_breaker(opens_after("objects_falls_back", 2))
                .with_timeout(TimeoutPolicy::new().with_timeout(5))
                .with_fallback(|_: Fault| Ok(99))
                .build()
                .unwrap()
        },
        script: || vec![fails(0), fails(9), fails(0), slow(seconds(9)), fails(0)],
    }
}

impl Classify for Box<Fault> {
    fn class(&self) -> Class {
        if **self == Fault::NotFound { Class::Caller } else { Class::Transient }
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(seconds(7))
    }
}

impl From<ResilienceError> for Box<Fault> {
    fn from(refused: ResilienceError) -> Self {
        Self::new(refused.into())
    }
}

#[test]
fn an_error_says_for_itself_what_it_is_once_the_operation_is_told_so() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let operation =
        ResilienceConfig::new("objects_classify").classify::<Box<Fault>>().max_attempts(2).build().unwrap();
    let answer: Result<(), _> = operation.call(|| Err(Box::new(Fault::NotFound)));
    assert_eq!((*answer.unwrap_err(), scope.pauses()), (Fault::NotFound, vec![]));
    let answer: Result<(), _> = operation.call(|| Err(Box::new(Fault::Down)));
    answer.unwrap_err();
    assert!((seconds(7)..millis(7_700)).contains(&scope.pauses()[0]), "{:?}", scope.pauses());
}

/// What two sessions of a database do to each other while the database is well.
#[derive(Debug, thiserror::Error)]
enum Busy {
    #[error("another was in the way")]
    Contended,
    #[error("{0}")]
    Refused(#[from] ResilienceError),
}

impl Classify for Busy {
    fn class(&self) -> Class {
        match self {
            Self::Contended => Class::Contention,
            Self::Refused(refused) => refused.class(),
        }
    }
}

#[test]
fn contention_is_tried_again_and_opens_no_breaker() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let operation = ResilienceConfig::new("objects_contended")
        .classify::<Busy>()
        .max_attempts(3)
        .failure_threshold(1)
        .budget("none")
        .build()
        .unwrap();
    for _ in 0..10 {
        let mut attempts = 0;
        let answer: Result<(), Busy> = operation.call(|| {
            attempts += 1;
            Err(Busy::Contended)
        });
        assert!(matches!(answer, Err(Busy::Contended)), "{answer:?}");
        assert_eq!(attempts, 3);
    }
    let snapshot = breaker("objects_contended").unwrap().snapshot();
    assert_eq!((snapshot.state, snapshot.current.failures), (State::Closed, 0));
    assert_eq!(endings(&scope), [StopReason::Attempts; 10]);
    // A call that could not get through has failed, though no attempt did.
    let ignored = scope
        .events()
        .into_iter()
        .any(|event| matches!(event.kind, EventKind::Finished { ignored: true, .. }));
    assert!(!ignored);
    // And the author's own word about an error wins over the type's.
    let listed = |config: ResilienceConfig| {
        let operation = config.classify::<Busy>().max_attempts(3).build().unwrap();
        let mut attempts = 0;
        let _: Result<(), Busy> = operation.call(|| {
            attempts += 1;
            Err(Busy::Contended)
        });
        attempts
    };
    assert_eq!(listed(ResilienceConfig::new("objects_unlisted").retry_if(|_: &Busy| false)), 1);
    assert_eq!(listed(ResilienceConfig::new("objects_ignored").ignore(|_: &Busy| true)), 1);
}

#[test]
fn contention_gives_its_probe_back_fills_no_window_and_pays_its_retries() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let operation = ResilienceConfig::new("objects_contended_probe")
        .max_attempts(1)
        .failure_threshold(1)
        .recovery_timeout(10)
        .failure_rate(0.5)
        .window(10)
        .min_calls(1)
        .ignore(|fault: &Fault| *fault == Fault::NotFound)
        .classify::<Busy>()
        .build()
        .unwrap();
    let _: Result<(), _> = operation.call(|| Err(Fault::Down));
    let breaker = breaker("objects_contended_probe").unwrap();
    assert_eq!(breaker.state(), State::Open);
    scope.clock().advance(seconds(10));
    for _ in 0..5 {
        let _: Result<(), _> = operation.call(|| Err(Busy::Contended));
        assert_eq!(breaker.state(), State::HalfOpen);
    }
    for _ in 0..2 {
        operation.call(|| Ok::<_, Busy>(())).unwrap();
    }
    assert_eq!(breaker.state(), State::Closed);
    let _: Result<(), _> = operation.call(|| Err(Busy::Contended));
    assert_eq!(breaker.snapshot().window.map(|window| window.calls), Some(0));

    // The built-in budget has 500 tokens, and a retry costs 5.
    let operation =
        ResilienceConfig::new("objects_contended_budget").max_attempts(3).classify::<Busy>().build().unwrap();
    let before = endings(&scope).len();
    for _ in 0..51 {
        let _: Result<(), _> = operation.call(|| Err(Busy::Contended));
    }
    let endings = endings(&scope).split_off(before);
    assert_eq!((endings[49], endings[50]), (StopReason::Attempts, StopReason::Budget));
}

/// Why each call ended.
fn endings(scope: &Scope) -> Vec<StopReason> {
    let ending = |event: resilient::Event| match event.kind {
        EventKind::Finished { reason, .. } => Some(reason),
        _ => None,
    };
    scope.events().into_iter().filter_map(ending).collect()
}

fn bulkhead() -> Bulkhead {
    Bulkhead::new("objects_slots", BulkheadConfig::new().max_concurrent(1).max_queue(1)).unwrap()
}

#[test]
fn a_panic_is_a_failure_and_goes_on() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let (breaker, bulkhead) = (opens_after("objects_panics", 3), bulkhead());
    let operation = named("objects_panics")
        .with_retry(RetryPolicy::new())
        .with_circuit_breaker(breaker.clone())
        .with_bulkhead(bulkhead.clone())
        .with_timeout(TimeoutPolicy::new())
        .with_fallback(|_: Fault| Ok(1))
        .build()
        .unwrap();
    let mut calls = 0;
    let panics = || -> Answer { panic!("as written") };
    for by in 0..3 {
        let panicked = catch_unwind(AssertUnwindSafe(|| match by {
            0 => operation.call(|| {
                calls += 1;
                panics()
            }),
            1 => operation.call_on_thread(panics),
            // In the closure that makes the future, before there is one.
            _ => {
                let call = pin!(operation.call_async(|| {
                    panics().unwrap();
                    async { panics() }
                }));
                let Poll::Ready(answer) = poll(call) else { unreachable!() };
                answer
            }
        }));
        assert_eq!(*panicked.unwrap_err().downcast::<&str>().unwrap(), "as written");
    }
    assert_eq!((calls, breaker.state(), bulkhead.active_count()), (1, State::Open, 0));
    assert_eq!(endings(&scope), [StopReason::Panicked; 3]);
}

/// Polls once, with a waker that nobody hears.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Pending once.
async fn stop() {
    let mut stopped = false;
    poll_fn(|_| if std::mem::replace(&mut stopped, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_point_a_call_leaves_nothing_behind() {
    // Waits for its turn, for a slot, in the first attempt, for the second, in the second.
    for polls in 0..8 {
        let scope = Scope::new();
        let _inside = scope.enter();
        let (breaker, bulkhead) = (opens_after("objects_dropped", 1), bulkhead());
        let one_in_two_seconds = RateLimitConfig::new(1).per(seconds(2)).max_wait(seconds(9));
        let limiter = RateLimiter::new("objects_dropped", one_in_two_seconds).unwrap();
        let operation = named("objects_dropped")
            .with_retry(RetryPolicy::new().with_base_delay(3).with_jitter(false))
            .with_circuit_breaker(breaker.clone())
            .with_breaker_per_call()
            .with_rate_limiter(limiter.clone())
            .with_bulkhead(bulkhead.clone())
            .with_timeout(TimeoutPolicy::new().with_timeout(60))
            .with_deadline("1h")
            .with_fallback(|_: Fault| panic!("nobody waits for it"))
            .build()
            .unwrap();
        limiter.try_acquire().unwrap();
        let held = bulkhead.try_acquire().unwrap();
        let calls = AtomicU32::new(0);
        let mut call = Box::pin(operation.call_async(async || {
            calls.fetch_add(1, Ordering::Relaxed);
            stop().await;
            Answer::Err(Fault::Down)
        }));
        let mut held = Some(held);
        for n in 0..polls {
            assert!(poll(call.as_mut()).is_pending(), "poll {n} of {polls}");
            if n == 1 {
                held = None;
            }
            tokio::time::advance(seconds(2)).await;
        }
        assert_eq!(calls.load(Ordering::Relaxed) > 0, polls > 2, "{polls}");
        drop(call);
        drop(held);
        let snapshot = breaker.snapshot();
        assert_eq!((snapshot.state, snapshot.failed_calls), (State::Closed, 0), "{polls}");
        assert_eq!((bulkhead.active_count(), bulkhead.waiting_count()), (0, 0), "{polls}");
        let ended = if polls == 0 { vec![] } else { vec![StopReason::Cancelled] };
        assert_eq!(endings(&scope), ended, "{polls}");
    }
}

#[tokio::test]
async fn an_async_call_may_borrow_and_be_spawned() {
    let operation =
        named("objects_spawned").with_retry(RetryPolicy::new().with_base_delay(0)).build().unwrap();
    let mut calls = 0;
    let answer = operation.call_async(|| {
        calls += 1;
        async move {
            tokio::task::yield_now().await;
            if calls < 3 { Err(Fault::Down) } else { Ok(calls) }
        }
    });
    assert_eq!(answer.await, Ok(3));
    let spawned = tokio::spawn(async move {
        let client = String::from("client");
        let block = resilient_context("api", "objects_spawned").deadline(9).build().unwrap();
        let hedged = named("objects_spawned").build_hedged(&Hedge::new(seconds(1))).unwrap();
        let length = async || {
            tokio::task::yield_now().await;
            Ok::<_, Fault>(client.len())
        };
        (operation.call_async(length).await, block.call_async(length).await, hedged.call_async(length).await)
    });
    assert_eq!(spawned.await.unwrap(), (Ok(6), Ok(6), Ok(6)));
}

static IN_A_STATIC: LazyLock<ResilientOperation> = LazyLock::new(|| {
    ResilienceConfig::new("objects_static")
        .operation_type("objects_kind")
        .failure_threshold(1)
        .max_attempts(1)
        .build()
        .unwrap()
});

#[test]
fn an_operation_belongs_to_the_scope_it_is_called_in() {
    let (one, other) = (Scope::new(), Scope::new());
    {
        let _inside = one.enter();
        assert_eq!(IN_A_STATIC.call(|| Answer::Err(Fault::Down)), Err(Fault::Down));
        assert_eq!(breaker("objects_static").unwrap().state(), State::Open);
    }
    {
        let _inside = other.enter();
        assert_eq!(IN_A_STATIC.call(|| Answer::Ok(1)), Ok(1));
        assert_eq!(breaker("objects_static").unwrap().state(), State::Closed);
    }
    let _inside = one.enter();
    assert!(matches!(IN_A_STATIC.call(|| Answer::Ok(1)), Err(Fault::Refused(_))));
    assert_eq!(endings(&other), [StopReason::Success]);
}

#[test]
fn a_reset_forgets_what_an_operation_did() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let operation =
        ResilienceConfig::new("objects_reset").failure_threshold(1).max_attempts(1).build().unwrap();
    assert_eq!(operation.call(|| Answer::Err(Fault::Down)), Err(Fault::Down));
    assert!(operation.call(|| Answer::Ok(1)).is_err());
    reset_resilience_state();
    assert_eq!(operation.call(|| Answer::Ok(1)), Ok(1));
}

/// How many calls there are when all fail.
fn attempts<R: Takes<u32, Fault>>(operation: &ResilientOperation<R>) -> u32 {
    let mut calls = 0;
    let _ = operation.call(|| {
        calls += 1;
        Err(Fault::Down)
    });
    calls
}

#[test]
fn the_operators_variable_wins_over_what_was_said_in_code() {
    let build = || {
        ResilienceConfig::new("objects_tuned").operation_type("objects_kind").enable_circuit_breaker(false)
    };
    let scope = Scope::builder()
        .env("PYNOMALY_OP_OBJECTS_TUNED_MAX_ATTEMPTS", "2")
        .env("PYNOMALY_OBJECTS_KIND_MAX_ATTEMPTS", "5")
        .build();
    let _inside = scope.enter();
    // Built where its variables are read, and before that: outside.
    assert_eq!(attempts(&build().max_attempts(7).build().unwrap()), 2);
    assert_eq!(attempts(&IN_A_STATIC), 1);
    let sources = build().build().unwrap().explain().unwrap();
    let row = sources.parameters().iter().find(|row| row.parameter() == "max_attempts").unwrap();
    let variable = "PYNOMALY_OP_OBJECTS_TUNED_MAX_ATTEMPTS".to_owned();
    assert_eq!((row.value().as_str(), row.source()), ("2", &Source::Environment { variable }));
    let other =
        ResilienceConfig::new("objects_of_the_kind").operation_type("objects_kind").failure_threshold(9);
    assert_eq!(attempts(&other.build().unwrap()), 5);
    assert_eq!(scope.events().iter().filter(|event| is_complaint(event)).count(), 0, "{:?}", scope.events());
}

fn is_complaint(event: &resilient::Event) -> bool {
    matches!(event.kind, EventKind::BadConfiguration { .. })
}

#[test]
fn a_value_of_the_environment_that_cannot_be_used_is_told_once_and_another_is_used() {
    let scope = Scope::builder().env("PYNOMALY_OP_OBJECTS_WRONG_MAX_ATTEMPTS", "many").build();
    let _inside = scope.enter();
    let operation = ResilienceConfig::new("objects_wrong").max_attempts(2).build().unwrap();
    assert_eq!((attempts(&operation), attempts(&operation)), (2, 2));
    let told: Vec<_> =
        scope.events().into_iter().filter(is_complaint).map(|event| event.to_string()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("PYNOMALY_OP_OBJECTS_WRONG_MAX_ATTEMPTS: `many` is not a whole number"),
        "{told:?}"
    );
}

#[test]
fn a_changed_configuration_is_in_force_at_the_next_call() {
    let scope = Scope::builder().settings("objects_overridden", Settings::new().max_attempts(6)).build();
    let _inside = scope.enter();
    let overridden = ResilienceConfig::new("objects_overridden").max_attempts(2).failure_threshold(99);
    assert_eq!(attempts(&overridden.build().unwrap()), 6);
    let operation =
        ResilienceConfig::new("objects_changed").operation_type("objects_kind").failure_threshold(99);
    let operation = operation.build().unwrap();
    assert_eq!(attempts(&operation), 3);
    builder().profile("objects_kind", Settings::new().max_attempts(4)).init().unwrap();
    assert_eq!(attempts(&operation), 4);
}

#[circuit_breaker(name = "objects_shared", failure_threshold = 1)]
fn annotated() -> Answer {
    Err(Fault::Down)
}

#[test]
fn a_breaker_of_one_name_is_one_breaker() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let operation =
        ResilienceConfig::new("objects_sharing").breaker_name("objects_shared").failure_threshold(1);
    let operation = operation.build().unwrap();
    assert_eq!(operation.call(|| Answer::Ok(1)), Ok(1));
    assert_eq!(annotated(), Err(Fault::Down));
    assert!(matches!(operation.call(|| Answer::Ok(1)), Err(Fault::Refused(_))));
    // Other settings for it are told, and not used.
    let operation =
        ResilienceConfig::new("objects_sharing").breaker_name("objects_shared").failure_threshold(7);
    assert!(operation.build().unwrap().call(|| Answer::Ok(1)).is_err());
    assert_eq!(scope.events().iter().filter(|event| is_complaint(event)).count(), 1);
}

#[test]
fn bulkhead_and_rate_limit_are_there_once_one_of_their_words_is_said() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let operation =
        ResilienceConfig::new("objects_full").bulkhead_max_concurrent(1).max_attempts(1).build().unwrap();
    let nested = operation.call(|| {
        let inner = operation.call(|| Answer::Ok(1));
        assert!(matches!(&inner, Err(Fault::Refused(text)) if text.contains("objects_full")), "{inner:?}");
        Answer::Ok(2)
    });
    assert_eq!(nested, Ok(2));
    let operation =
        ResilienceConfig::new("objects_pace").rate_limit_rate(1).rate_limit_per(10).build().unwrap();
    assert_eq!(operation.call(|| Answer::Ok(1)), Ok(1));
    assert!(operation.call(|| Answer::Ok(1)).is_err());
    scope.clock().advance(seconds(10));
    assert_eq!(operation.call(|| Answer::Ok(1)), Ok(1));
    let layers = operation.explain().unwrap().layers().join(" > ");
    assert_eq!(layers, "retry > circuit breaker > rate limit > timeout > function");
}

#[test]
fn an_operation_that_asks_for_a_hedge_is_not_built_without_one() {
    let _inside = Scope::new().enter();
    for config in [
        ResilienceConfig::new("unhedged").enable_hedge(true),
        ResilienceConfig::new("unhedged").hedge_delay("50ms"),
    ] {
        let refused = config.build().map(drop).unwrap_err().to_string();
        assert!(refused.contains("build_hedged"), "{refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hedged_operation_answers_with_the_first_good_attempt() {
    async fn primary_hangs(calls: &AtomicU32) -> Answer {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        if call == 0 {
            std::future::pending::<()>().await;
        }
        Ok(call)
    }
    let hedge = Hedge::new(millis(50));
    let said = ResilienceConfig::new("objects_hedged").hedge_delay("50ms").build_hedged().unwrap();
    let put_together = named("objects_hedged").with_retry(RetryPolicy::new()).build_hedged(&hedge).unwrap();
    for operation in [said, put_together] {
        let scope = Scope::new();
        let _inside = scope.enter();
        let calls = AtomicU32::new(0);
        assert_eq!(operation.call_async(async || primary_hangs(&calls).await).await, Ok(1));
        assert_eq!((calls.load(Ordering::Relaxed), scope.clock().elapsed()), (2, millis(50)));
        assert_eq!(endings(&scope), [StopReason::Success]);
    }
}

#[resilient(operation_name = "objects_races", hedge(delay = "50ms"), idempotent = true, jitter = false)]
async fn races(backend: &Backend) -> Answer {
    backend.call_async().await
}

#[tokio::test(start_paused = true)]
async fn a_hedged_operation_tells_what_a_hedged_function_tells() {
    let script = || {
        let slow_then_quick = Backend::new().ok_times(1, || 1).takes(seconds(1)).then(2);
        vec![slow_then_quick, slow(seconds(2)), fails(1), fails(9), fails(9), fails(0)]
    };
    let written = play(script, async |backend| races(backend).await).await;
    let said = play(script, async |backend| {
        let config = ResilienceConfig::new("objects_races").hedge_delay("50ms").jitter(false);
        config.build_hedged().unwrap().call_async(async || backend.call_async().await).await
    });
    assert_eq!(said.await, written);
    let operation = LazyLock::new(|| {
        let policy = RetryPolicy::new().with_base_delay(1).with_max_delay(60).with_jitter(false);
        named("objects_races")
            .with_retry(policy)
            .with_circuit_breaker(CircuitBreaker::new("objects_races", BreakerConfig::new()).unwrap())
            .with_timeout(TimeoutPolicy::new().with_timeout(5))
            .build_hedged(&Hedge::new(millis(50)))
            .unwrap()
    });
    let put_together =
        play(script, async |backend| operation.call_async(async || backend.call_async().await).await);
    assert_eq!(put_together.await, written);
}

#[test]
fn retries_are_paid_from_the_operations_budget() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let policy = RetryPolicy::new().with_base_delay(0).with_max_attempts(200);
    assert_eq!(attempts(&named("objects_paid").with_retry(policy.clone()).build().unwrap()), 101);
    assert_eq!(endings(&scope), [StopReason::Budget]);
    assert_eq!(
        attempts(&named("objects_unpaid").with_retry(policy.with_budget("none")).build().unwrap()),
        200
    );
}

#[test]
fn the_health_of_a_service_is_told() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let operation = named("objects_health").with_health("objects_service").build().unwrap();
    let _ = operation.call(|| Answer::Err(Fault::Down));
    let said =
        ResilienceConfig::new("objects_health").service("objects_service").max_attempts(1).build().unwrap();
    said.call(|| Answer::Ok(1)).unwrap();
    let statistics = service_health("objects_service").unwrap().metrics().statistics;
    assert_eq!((statistics.success_count, statistics.failure_count), (1, 1));
}

#[test]
fn a_configuration_that_contradicts_itself_is_refused_all_at_once() {
    let errors = ResilienceConfig::new("objects_refused")
        .operation_type("not a kind")
        .timeout(20)
        .deadline(10)
        .max_attempts(0)
        .build()
        .unwrap_err();
    let text = errors.to_string();
    for part in [
        "max_attempts of `objects_refused` (tests/objects.rs:",
        "20s is above deadline, 10s",
        "operation_type",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_calls_of_a_block_share_breaker_and_deadline() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let block = resilient_context("database", "objects_block")
        .deadline(30)
        .max_attempts(2)
        .failure_threshold(3)
        .jitter(false)
        .build()
        .unwrap();
    assert_eq!(block.remaining(), Some(seconds(30)));
    tokio::time::advance(seconds(12)).await;
    assert_eq!(block.call(|| Answer::Ok(1)), Ok(1));
    // Counted from `build`, not from the first call.
    assert_eq!(block.remaining(), Some(seconds(18)));
    let hangs = block.call_async(async || std::future::pending::<Answer>().await).await;
    assert!(matches!(&hangs, Err(Fault::Refused(text)) if text.contains("passed its deadline")), "{hangs:?}");
    assert_eq!(block.remaining(), Some(Duration::ZERO));
    assert!(block.call(|| Answer::Ok(1)).is_err());
    assert_eq!(endings(&scope).last(), Some(&StopReason::Deadline));

    let block =
        resilient_context("database", "objects_block").failure_threshold(3).max_attempts(2).build().unwrap();
    assert_eq!(block.remaining(), None);
    assert_eq!(block.call(|| Answer::Err(Fault::Down)), Err(Fault::Down));
    let opens = block.call_async(async || Answer::Err(Fault::Down)).await;
    assert_eq!(breaker("objects_block").unwrap().state(), State::Open, "{opens:?}");
    assert!(matches!(block.call(|| Answer::Ok(1)), Err(Fault::Refused(_))));
}

#[test]
fn what_is_made_under_a_name_says_it_and_explains_itself() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let hedge = Hedge::new(millis(50)).with_max_hedges(3).with_name("objects_hedge").unwrap();
    assert_eq!((hedge.name(), hedge.max_hedges()), ("objects_hedge", 3));
    let plain = named("objects_told").build().unwrap();
    let hedged = named("objects_told_twice").build_hedged(&hedge).unwrap();
    assert_eq!((plain.name(), hedged.name()), ("objects_told", "objects_told_twice"));
    // What was put together from policies has nothing to explain.
    assert!(plain.explain().is_none() && hedged.explain().is_none());
}
