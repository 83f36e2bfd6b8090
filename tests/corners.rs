//! Where layers, resets, reports and listeners meet: each of these once went wrong.

use std::future::Ready;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{
    BreakerConfig, Bulkhead, BulkheadConfig, CircuitBreaker, EventKind, RateLimitConfig, RateLimiter,
    ResilienceConfig, ResilienceError, ResilientOperation, Settings, State, breaker, builder,
    circuit_breaker, explain, keyed_breaker, reset_resilience_state, resilience_health, resilient,
    retry_with_backoff, subscribe, validate,
};

#[derive(Debug, PartialEq, thiserror::Error)]
enum Fault {
    #[error("down")]
    Down,
    #[error("refused")]
    Refused,
}

impl From<ResilienceError> for Fault {
    fn from(_: ResilienceError) -> Self {
        Self::Refused
    }
}

type Answer = Result<(), Fault>;
type Boxed = Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn complaints(scope: &Scope) -> usize {
    scope.events().iter().filter(|event| matches!(event.kind, EventKind::BadConfiguration { .. })).count()
}

#[retry_with_backoff(max_attempts = 5, base_delay = "10s", jitter = false)]
fn retries_alone() -> Answer {
    Err(Fault::Down)
}

#[resilient(operation_name = "corners_deadline", deadline = "1s", enable_retry = false)]
fn within_a_second() -> Answer {
    retries_alone()
}

#[test]
fn a_function_that_only_retries_does_not_wait_past_the_deadline_around_it() {
    let scope = Scope::new();
    let _inside = scope.enter();
    assert_eq!(within_a_second(), Err(Fault::Down), "its own last error");
    assert_eq!(scope.pauses(), []);
    assert_eq!(scope.clock().elapsed(), Duration::ZERO);
}

#[resilient(max_attempts = 2, base_delay = "1ms", exhausted = "wrap", timeout = "20ms")]
async fn hangs_twice() -> Boxed {
    std::future::pending().await
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_call_is_wrapped_also_when_its_last_attempt_was_cut_off() {
    let scope = Scope::new();
    let error = scope.run(hangs_twice()).await.unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error.downcast_ref(), Some(ResilienceError::RetriesExhausted { attempts: 2, .. })),
        "{text}"
    );
    assert!(text.contains("timed out after 20 ms"), "{text}");
}

#[retry_with_backoff(max_attempts = 2, exhausted = "wrap")]
fn wraps() -> Boxed {
    Err("own".into())
}

#[test]
fn nothing_is_wrapped_where_everything_is_switched_off() {
    let scope = Scope::builder().env("PYNOMALY_RESILIENCE_ENABLED", "false").build();
    let _inside = scope.enter();
    assert_eq!(wraps().unwrap_err().to_string(), "own");
}

#[circuit_breaker(operation_name = "corners_pay", operation_type = "corners")]
fn pays() -> Answer {
    Err(Fault::Down)
}

#[test]
fn a_profile_that_comes_after_the_first_call_changes_the_numbers_and_keeps_the_state() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let _ = pays();
    let _ = builder().profile("corners", Settings::new().failure_threshold(2)).init();
    let _ = pays();
    let snapshot = breaker("corners_pay").unwrap().snapshot();
    assert_eq!((snapshot.failure_threshold, snapshot.failed_calls, snapshot.state), (2, 2, State::Open));
    assert_eq!(complaints(&scope), 0);
}

#[test]
fn a_breaker_that_is_switched_off_is_known_all_the_same() {
    let scope = Scope::builder().env("PYNOMALY_OP_CORNERS_PAY_ENABLE_CIRCUIT_BREAKER", "false").build();
    let _inside = scope.enter();
    breaker("corners_pay").unwrap().force_open();
    assert_eq!(pays(), Err(Fault::Down), "it refuses nothing");
}

#[resilient(
    name = "corners_leased",
    enable_retry = false,
    recovery_timeout = "1s",
    failure_threshold = 1,
    timeout = "500ms"
)]
async fn quick() -> Answer {
    Err(Fault::Down)
}

#[resilient(
    name = "corners_leased",
    enable_retry = false,
    recovery_timeout = "1s",
    failure_threshold = 1,
    timeout = "30s"
)]
async fn slow() -> Answer {
    tokio::time::sleep(seconds(5)).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_probe_may_take_as_long_as_the_slowest_function_of_its_breaker() {
    let scope = Scope::new();
    scope
        .run(async {
            let _ = quick().await;
            let handle = breaker("corners_leased").unwrap();
            tokio::time::sleep(seconds(2)).await;
            assert_eq!(slow().await, Ok(()));
            let snapshot = handle.snapshot();
            assert_eq!((snapshot.stale_results, snapshot.lost_probes, snapshot.successful_calls), (0, 0, 1));
        })
        .await;
}

#[resilient(
    name = "corners_leased_by_key",
    key = tenant,
    enable_retry = false,
    recovery_timeout = "1s",
    failure_threshold = 1,
    timeout = "500ms"
)]
async fn quick_by_key(tenant: u32) -> Answer {
    Err(Fault::Down)
}

#[resilient(
    name = "corners_leased_by_key",
    key = tenant,
    enable_retry = false,
    recovery_timeout = "1s",
    failure_threshold = 1,
    timeout = "30s"
)]
async fn slow_by_key(tenant: u32) -> Answer {
    tokio::time::sleep(seconds(5)).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn so_it_may_where_the_breaker_is_kept_by_key() {
    let scope = Scope::new();
    scope
        .run(async {
            let _ = quick_by_key(1).await;
            let handle = keyed_breaker("corners_leased_by_key", "1").unwrap();
            tokio::time::sleep(seconds(2)).await;
            assert_eq!(slow_by_key(1).await, Ok(()));
            let snapshot = handle.snapshot();
            assert_eq!((snapshot.stale_results, snapshot.lost_probes, snapshot.successful_calls), (0, 0, 1));
        })
        .await;
}

#[tokio::test]
async fn an_operation_that_panics_before_it_gives_a_future_is_a_failure() {
    let handle = CircuitBreaker::new("corners_own", BreakerConfig::new().failure_threshold(1)).unwrap();
    let own = handle.clone();
    let call = async move { own.call_async(|| -> Ready<Answer> { panic!("planned") }).await };
    assert!(tokio::spawn(call).await.unwrap_err().is_panic());
    assert_eq!(handle.state(), State::Open);
}

#[test]
fn jitter_does_not_lengthen_the_longest_open_time() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let config = BreakerConfig::new()
        .recovery_timeout(seconds(10))
        .max_recovery_timeout(seconds(10))
        .recovery_jitter(1.0);
    let handle = CircuitBreaker::new("corners_jitter", config).unwrap();
    handle.open();
    assert_eq!(handle.retry_after(), seconds(10));
}

#[circuit_breaker(name = "corners_shared", failure_threshold = 3)]
fn first() -> Answer {
    Ok(())
}

#[circuit_breaker(name = "corners_shared", failure_threshold = 4)]
fn second() -> Answer {
    Ok(())
}

#[test]
fn the_first_in_the_source_owns_a_shared_breaker_whoever_is_called_first() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let _ = second();
    assert_eq!(breaker("corners_shared").unwrap().snapshot().failure_threshold, 3);
    let conflicts = validate().unwrap_err();
    let conflict = conflicts.conflicts().iter().find(|conflict| conflict.name() == "corners_shared").unwrap();
    assert!(conflict.to_string().contains("failure_threshold 3 and 4"), "{conflict}");
    assert_eq!(conflict.kind(), "circuit breaker");
    let shown = conflict.to_string();
    assert!(conflict.first() != conflict.second(), "{conflict}");
    assert!(shown.contains(conflict.first()) && shown.contains(conflict.second()), "{conflict}");
    assert!(
        conflict.first().contains("tests/corners.rs") && conflict.second().contains("tests/corners.rs"),
        "{conflict}"
    );
    let name = resilient::operations().into_iter().find(|it| it.function.ends_with("::second")).unwrap().name;
    let page = explain(name).unwrap().to_string();
    assert!(page.contains("otherwise than here (failure_threshold 3 and 4)"), "{page}");
}

#[test]
fn a_listener_may_ask_for_everything_while_it_is_told_of_a_conflict() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let depth = Arc::new(AtomicU32::new(0));
    let told = Arc::clone(&depth);
    let _subscription = subscribe(move |_| {
        assert!(told.fetch_add(1, Ordering::SeqCst) < 1_000, "without end");
        let _ = resilience_health();
    });
    let _ = (first(), second());
    assert!((1..1_000).contains(&depth.load(Ordering::SeqCst)));
}

#[test]
fn a_conflict_is_told_once_however_many_call_first() {
    for _ in 0..50 {
        let scope = Scope::new();
        let together = Barrier::new(4);
        thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    let _inside = scope.enter();
                    together.wait();
                    let _ = second();
                });
            }
        });
        assert_eq!(complaints(&scope), 1);
    }
}

#[resilient(
    name = "corners_reset",
    failure_threshold = 2,
    max_attempts = 4,
    base_delay = "1ms",
    timeout_mode = "deadline"
)]
fn fails() -> Answer {
    Err(Fault::Down)
}

#[test]
fn a_call_that_outlives_a_reset_leaves_nothing_in_the_breaker_that_is_asked_for_anew() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let resets = AtomicU32::new(0);
    let _subscription = subscribe(move |event| {
        let retries = matches!(event.kind, EventKind::RetryScheduled { .. });
        if retries && resets.fetch_add(1, Ordering::SeqCst) == 0 {
            reset_resilience_state();
        }
    });
    let _ = fails();
    let snapshot = breaker("corners_reset").unwrap().snapshot();
    assert_eq!((snapshot.state, snapshot.failed_calls), (State::Closed, 0));
}

/// What a listener throws: it throws again when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(thread::panicking(), "planned: dropped");
    }
}

#[test]
fn a_listener_that_throws_what_must_not_be_dropped_silences_nobody() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let handle = CircuitBreaker::new("corners_bomb", BreakerConfig::new()).unwrap();
    let bomber = subscribe(|_| std::panic::resume_unwind(Box::new(Bomb)));
    handle.open();
    drop(bomber);
    handle.close();
    let told = |event: &resilient::Event| matches!(event.kind, EventKind::Transition { .. });
    assert_eq!(scope.events().iter().filter(|event| told(event)).count(), 2);
}

#[resilient(
    max_attempts = 2,
    failure_threshold = 1,
    recovery_timeout = 5,
    base_delay = 1,
    jitter = false,
    retry_on_open = true,
    timeout_mode = "deadline"
)]
fn opens_and_waits(calls: &AtomicU32) -> Answer {
    if calls.fetch_add(1, Ordering::SeqCst) == 0 { Err(Fault::Down) } else { Ok(()) }
}

#[test]
fn who_waits_for_an_open_breaker_waits_as_long_as_it_is_open_and_loses_no_attempt() {
    let scope = Scope::new();
    let _inside = scope.enter();
    assert_eq!(opens_and_waits(&AtomicU32::new(0)), Ok(()));
    let waited = scope.pauses()[0];
    assert!((seconds(5)..=Duration::from_millis(5_500)).contains(&waited), "{waited:?}");
    assert_eq!(scope.pauses().len(), 1);
}

#[test]
fn calls_without_a_key_of_an_operation_that_is_kept_by_key_are_guarded_too() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let operation = ResilienceConfig::new("corners_keyless").failure_threshold(1).enable_retry(false).keyed();
    let operation = operation.build().unwrap();
    assert_eq!(operation.call(|| Err::<(), _>(Fault::Down)), Err(Fault::Down));
    assert_eq!(operation.call(|| Ok(())), Err(Fault::Refused));
    assert_eq!(operation.for_key("acme").call(|| Ok::<_, Fault>(())), Ok(()));
}

#[test]
fn a_handle_made_outside_of_a_scope_keeps_to_the_deadline_in_it() {
    let limit = RateLimitConfig::new(1).per(seconds(30)).max_wait(seconds(60));
    let limiter = RateLimiter::new("corners_outside", limit).unwrap();
    let config = BulkheadConfig::new().max_concurrent(1).max_wait(seconds(30));
    let bulkhead = Bulkhead::new("corners_outside", config).unwrap();
    let _permit = bulkhead.try_acquire().unwrap();
    limiter.try_acquire().unwrap();
    let scope = Scope::new();
    let _inside = scope.enter();
    // Its clock is far from the one that the handles have.
    scope.clock().advance(seconds(36_000));
    let operation = ResilientOperation::builder("corners_outside").with_deadline("50ms").build().unwrap();
    #[allow(clippy::disallowed_methods, reason = "real time, which nobody may wait for")]
    let began = std::time::Instant::now();
    assert!(operation.call(|| limiter.acquire_blocking()).is_err_and(|refused| refused.is_rate_limited()));
    let refused = operation.call(|| bulkhead.acquire_blocking().map(drop)).unwrap_err();
    assert!(refused.is_bulkhead_full(), "{refused}");
    assert!(began.elapsed() < seconds(10));
}

#[test]
fn two_operations_of_one_line_that_name_one_breaker_and_disagree_are_told() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let [first, second] = [1, 7].map(|failures| {
        let config = ResilienceConfig::new(format!("corners_line_{failures}")).failure_threshold(failures);
        config.breaker_name("corners_line").build().unwrap()
    });
    for operation in [&first, &second, &first] {
        operation.call(|| Ok::<_, Fault>(())).unwrap();
    }
    assert_eq!(breaker("corners_line").unwrap().snapshot().failure_threshold, 1);
    assert_eq!(complaints(&scope), 1);
}

#[test]
fn after_an_hour_back_a_breaker_is_open_no_longer_than_it_says_and_a_lost_probe_is_lost_as_soon() {
    let scope = Scope::new();
    let _inside = scope.enter();
    scope.clock().advance(Duration::from_secs(7_200));
    let (recovery, lease) = (Duration::from_secs(10), Duration::from_secs(60));
    let config = BreakerConfig::new().failure_threshold(1).recovery_timeout(recovery).half_open_max_calls(1);
    let breaker = CircuitBreaker::new("clock_back", config.probe_lease(lease)).unwrap();
    breaker.try_acquire().unwrap().failure();
    scope.clock().turn_back(Duration::from_secs(3_600));
    assert_eq!(breaker.try_acquire().unwrap_err().retry_after(), Some(recovery));
    assert_eq!(breaker.retry_after(), recovery);
    scope.clock().advance(recovery);
    std::mem::forget(breaker.try_acquire().unwrap());
    scope.clock().turn_back(Duration::from_secs(1_800));
    assert_eq!(breaker.try_acquire().unwrap_err().retry_after(), Some(lease));
    scope.clock().advance(lease);
    breaker.try_acquire().unwrap().success();
}
