//! CO: the order of the layers, seen from outside.

use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use resilient::testing::{Flaky, Scope};
use resilient::{
    ErrorKind, EventKind, State, bulkhead, circuit_breaker, hedge, retry_with_backoff, subscribe,
    with_timeout,
};

use crate::calls::{
    Both, Fault, SPARE, World, both, down, down_times, ms, secs, spare, spare_later, told, twins,
};
use crate::fb::{NOT_FOUND, seen, seen_later};

fn slow(milliseconds: u64) -> Flaky<u32, Fault> {
    Flaky::new().then(42).takes(ms(milliseconds))
}

/// How the breaker's calls ended so far: `(successes, failures)`.
fn counted(world: &World<u32, Fault>) -> (u64, u64) {
    let snapshot = world.breaker().snapshot();
    (snapshot.successful_calls, snapshot.failed_calls)
}

both! {
    #[retry_with_backoff(max_attempts = 7, base_delay = 0, retry_on_open = true)]
    #[circuit_breaker(failure_threshold = 3, recovery_timeout = "2min")]
    fn seven_and_an_open_time_nobody_waits_for
}

both! {
    #[retry_with_backoff(max_attempts = 7, base_delay = 0, jitter = false, retry_on_open = true)]
    #[circuit_breaker(failure_threshold = 3, recovery_timeout = "10s")]
    fn seven_and_an_open_time_worth_waiting_for
}

#[test]
fn co_001_retrying_on_open_stops_at_once_where_the_open_time_is_too_long_to_wait_for() {
    // The scenario retries blindly; here a retry waits until the breaker lets it through, if that is at most 60 s.
    seven_and_an_open_time_nobody_waits_for().each(down, |world| {
        assert_eq!(world.call().unwrap_err().kind(), Some(ErrorKind::CircuitOpen));
        assert_eq!((world.executions(), counted(world)), (3, (0, 3)));
        assert_eq!(world.count("finished: delay_too_long"), 1);
    });
    // From the third failure on each wait is as long as the breaker stays open: attempts 4 to 7 are probes.
    seven_and_an_open_time_worth_waiting_for().each(down, |world| {
        assert!(matches!(world.call(), Err(Fault::Down)));
        assert_eq!((world.executions(), world.count("retry"), counted(world)), (7, 6, (0, 7)));
        assert_eq!(world.count("refused: circuit_open"), 0);
    });
}

both! {
    #[retry_with_backoff(max_attempts = 3, base_delay = 0, retry_on_open = true)]
    #[circuit_breaker(failure_threshold = 1, recovery_timeout = "2min")]
    fn thrice_and_open_at_once
}

#[test]
fn co_002_a_breaker_opened_by_the_first_attempt_refuses_the_second() {
    // It ends there, as in CO-001: two minutes are not waited for.
    thrice_and_open_at_once().each(down, |world| {
        assert_eq!(world.call().unwrap_err().kind(), Some(ErrorKind::CircuitOpen));
        assert_eq!((world.executions(), world.count("retry")), (1, 1));
    });
}

both! {
    #[retry_with_backoff(max_attempts = 4_294_967_295)]
    #[circuit_breaker(failure_threshold = 3)]
    fn unlimited_inside_three
}

#[test]
fn co_003_the_breaker_sees_every_attempt() {
    unlimited_inside_three().each(
        || down_times(2),
        |world| {
            assert_eq!(world.call().unwrap(), 42);
            assert_eq!((world.executions(), counted(world)), (3, (1, 2)));
            assert_eq!(world.breaker().state(), State::Closed);
        },
    );
}

both! {
    #[circuit_breaker(failure_threshold = 1)]
    sync #[with_timeout("50ms", timeout_mode = "deadline")]
    async #[with_timeout("50ms")]
    fn one_timeout_opens
}

#[test]
fn co_005_a_timeout_is_a_failure_of_the_breaker() {
    one_timeout_opens().each(
        || slow(100),
        |world| {
            assert_eq!(world.call().unwrap_err().kind(), Some(ErrorKind::Timeout));
            assert_eq!(world.breaker().state(), State::Open);
        },
    );
}

both! {
    #[retry_with_backoff(max_attempts = 3)]
    sync #[with_timeout("50ms", timeout_mode = "deadline")]
    async #[with_timeout("50ms")]
    fn thrice_50_ms
}

fn slow_twice() -> Flaky<u32, Fault> {
    Flaky::new().ok_times(2, || 1).takes(ms(100)).then(42)
}

/// Tells when it goes away without having been let go.
struct Cancelled(Option<Sender<()>>);

impl Drop for Cancelled {
    fn drop(&mut self) {
        if let Some(seen) = self.0.take() {
            let _ = seen.send(());
        }
    }
}

#[retry_with_backoff(max_attempts = 3)]
#[with_timeout("50ms")]
async fn tells_of_cancellation(backend: &Flaky<u32, Fault>, seen: &Sender<()>) -> Result<u32, Fault> {
    let mut guard = Cancelled(Some(seen.clone()));
    let answer = backend.call_async().await;
    guard.0 = None;
    answer
}

#[test]
fn co_008_the_limit_is_inside_the_retry() {
    thrice_50_ms().each(slow_twice, |world| {
        assert_eq!(world.call().unwrap(), 42);
        assert_eq!((world.executions(), world.count("timed out")), (3, 2));
    });
}

#[tokio::test(start_paused = true)]
async fn co_008_each_attempt_that_timed_out_was_cancelled() {
    let scope = Scope::new();
    let (backend, (seen, cancellations)) = (slow_twice(), mpsc::channel());
    assert_eq!(scope.run(tells_of_cancellation(&backend, &seen)).await.unwrap(), 42);
    assert_eq!((backend.calls(), cancellations.try_iter().count()), (3, 2));
}

both! {
    sync #[retry_with_backoff(max_attempts = 3, fallback = spare)]
    async #[retry_with_backoff(max_attempts = 3, fallback = spare_later)]
    fn thrice_then_spare
}

both! {
    sync #[retry_with_backoff(max_attempts = 3, fallback = seen)]
    async #[retry_with_backoff(max_attempts = 3, fallback = seen_later)]
    fn thrice_and_told
}

#[test]
fn co_010_the_fallback_is_outside_the_retry_and_sees_the_last_error() {
    thrice_then_spare().each(down, |world| {
        assert_eq!((world.call().unwrap(), world.executions()), (SPARE, 3));
        let end = ["failed", "finished: attempts", "fallback"];
        assert!(world.told().ends_with(&end.map(str::to_owned)), "{:?}", world.told());
    });
    thrice_and_told().each(
        || Flaky::new().fail_times(2, || Fault::Busy).then_err(|| Fault::NotFound),
        |world| assert_eq!((world.call().unwrap(), world.executions()), (NOT_FOUND, 3)),
    );
}

both! {
    #[circuit_breaker(failure_threshold = 5)]
    sync #[retry_with_backoff(max_attempts = 3, fallback = spare)]
    async #[retry_with_backoff(max_attempts = 3, fallback = spare_later)]
    fn thrice_then_spare_inside_five
}

#[test]
fn co_011_fallback_outside_retry_outside_breaker() {
    thrice_then_spare_inside_five().each(down, |world| {
        assert_eq!((world.call().unwrap(), world.executions()), (SPARE, 3));
        assert_eq!((counted(world), world.breaker().state()), ((0, 3), State::Closed));
    });
}

both! {
    #[retry_with_backoff(max_attempts = 3)]
    fn inner
}

#[retry_with_backoff(max_attempts = 3)]
fn outer(backend: &Flaky<u32, Fault>) -> Result<u32, Fault> {
    inner::sync(backend)
}

#[retry_with_backoff(max_attempts = 3)]
async fn outer_later(backend: &Flaky<u32, Fault>) -> Result<u32, Fault> {
    inner::later(backend).await
}

#[test]
fn co_013_nested_retries_multiply() {
    let names = ["co_013_sync", "co_013_later"];
    Both::new(names, outer, |backend| Box::pin(outer_later(backend))).each(down, |world| {
        assert!(world.call().is_err());
        assert_eq!(world.executions(), 9);
    });
    inner().each(down, |world| {
        assert!(world.call().is_err());
        assert_eq!(world.executions(), 3);
    });
}

#[hedge(delay = "10ms", max_hedges = 2, idempotent = true)]
#[with_timeout("100ms")]
async fn hedged_limits(backend: &Flaky<u32, Fault>) -> Result<u32, Fault> {
    backend.call_async().await
}

/// How often `word` was told.
fn times(scope: &Scope, word: &str) -> usize {
    told(scope).iter().filter(|told| told.starts_with(word)).count()
}

#[tokio::test(start_paused = true)]
async fn co_014_each_attempt_beside_others_has_a_time_limit_of_its_own() {
    let (scope, backend) = (Scope::new(), Flaky::new().then_hang());
    let error = scope.run(hedged_limits(&backend)).await.unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::Timeout));
    assert_eq!((backend.calls(), times(&scope, "HedgeStarted"), times(&scope, "timed out")), (3, 2, 3));
    assert_eq!(scope.clock().elapsed(), ms(120), "the last attempt began after 20 ms");
}

#[retry_with_backoff(max_attempts = 3)]
#[hedge(delay = "10ms", max_hedges = 1, idempotent = true)]
async fn retried_hedges(backend: &Flaky<u32, Fault>) -> Result<u32, Fault> {
    backend.call_async().await
}

#[retry_with_backoff(max_attempts = 3)]
#[hedge(delay = "1s", max_hedges = 1, idempotent = true)]
async fn retried_and_rarely_hedged(backend: &Flaky<u32, Fault>) -> Result<u32, Fault> {
    backend.call_async().await
}

#[tokio::test(start_paused = true)]
async fn co_015_each_retry_may_be_hedged_anew() {
    let fails_after = |span| Flaky::new().then_err(|| Fault::Down).takes(span);
    let (scope, backend) = (Scope::new(), fails_after(ms(20)));
    assert!(matches!(scope.run(retried_hedges(&backend)).await, Err(Fault::Down)));
    assert_eq!((backend.calls(), times(&scope, "retry"), times(&scope, "HedgeStarted")), (6, 2, 3));
    // An attempt that fails starts its hedge at once (HG-014), where the scenario's starts none.
    let (scope, backend) = (Scope::new(), fails_after(ms(20)));
    assert!(matches!(scope.run(retried_and_rarely_hedged(&backend)).await, Err(Fault::Down)));
    assert_eq!((backend.calls(), times(&scope, "retry"), times(&scope, "HedgeStarted")), (6, 2, 3));
    // Within the delay an answer needs no hedge.
    let backend = || Flaky::new().then(42).takes(ms(20));
    let (scope, backend) = (Scope::new(), backend());
    assert_eq!(scope.run(retried_and_rarely_hedged(&backend)).await.unwrap(), 42);
    assert_eq!((backend.calls(), times(&scope, "HedgeStarted")), (1, 0));
}

both! {
    #[retry_with_backoff(max_retries = 7, retry_on = Fault::Down)]
    #[circuit_breaker(failure_threshold = "off", failure_rate = 0.75, window = 4, min_calls = 4)]
    fn seven_retries_of_four
}

#[test]
fn co_017_the_breaker_ends_the_retries_when_it_opens() {
    seven_retries_of_four().each(down, |world| {
        assert_eq!(world.call().unwrap_err().kind(), Some(ErrorKind::CircuitOpen));
        // The refusal is that of the fifth attempt, which nobody waits for.
        let waited = world.pauses().iter().map(|pause| !pause.is_zero()).collect::<Vec<_>>();
        assert_eq!((world.executions(), waited), (4, vec![true, true, true, false]));
    });
}

both! {
    #[retry_with_backoff(max_retries = 2, retry_on = Fault::Down)]
    #[circuit_breaker(failure_threshold = "off", failure_rate = 0.75, window = 4, min_calls = 4)]
    fn two_retries_of_four
}

#[test]
fn co_018_retries_that_end_before_the_breaker_opens_give_the_functions_error() {
    two_retries_of_four().each(down, |world| {
        assert!(matches!(world.call(), Err(Fault::Down)));
        assert_eq!(world.executions(), 3);
    });
}

both! {
    #[retry_with_backoff(max_retries = 7)]
    #[circuit_breaker(failure_threshold = "off", failure_rate = 0.75, window = 4, min_calls = 4)]
    sync #[with_timeout("100ms", timeout_mode = "deadline")]
    async #[with_timeout("100ms")]
    fn seven_retries_of_four_timeouts
}

#[test]
fn co_019_timeouts_open_the_breaker_like_any_failure() {
    seven_retries_of_four_timeouts().each(
        || slow(5_000),
        |world| {
            assert_eq!(world.call().unwrap_err().kind(), Some(ErrorKind::CircuitOpen));
            assert_eq!((world.executions(), world.count("timed out")), (4, 4));
        },
    );
}

both! {
    #[retry_with_backoff(max_retries = 20, backoff = "constant", base_delay = "100ms", jitter = false,
        retry_on = Fault::Down, retry_on_open = true)]
    #[circuit_breaker(failure_threshold = 4, recovery_timeout = "1000ms")]
    fn waits_for_the_breaker
}

both! {
    #[retry_with_backoff(max_retries = 20, backoff = "constant", base_delay = "100ms", jitter = false,
        retry_on = Fault::Busy)]
    #[circuit_breaker(failure_threshold = 4, recovery_timeout = "1000ms")]
    fn does_not_wait_for_the_breaker
}

/// Opens the breaker as four failures would.
fn opened(world: &World<u32, Fault>) {
    let breaker = world.breaker();
    world.inside(|| {
        for _ in 0..4 {
            breaker.try_acquire().expect("closed until the fourth failure").failure();
        }
    });
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn co_020_a_healthy_call_waits_for_the_breaker_where_it_is_told_to() {
    waits_for_the_breaker().each(
        || down_times(0),
        |world| {
            opened(world);
            assert_eq!(world.call().unwrap(), 42);
            assert!((ms(750)..=ms(1_250)).contains(&world.elapsed()), "{:?}", world.elapsed());
        },
    );
}

#[test]
fn co_021_a_healthy_call_is_refused_at_once_where_it_is_not() {
    does_not_wait_for_the_breaker().each(
        || down_times(0),
        |world| {
            opened(world);
            assert_eq!(world.call().unwrap_err().kind(), Some(ErrorKind::CircuitOpen));
            assert!(world.elapsed() < ms(200), "{:?}", world.elapsed());
            assert_eq!((world.executions(), world.pauses()), (0, vec![]));
        },
    );
}

both! {
    #[retry_with_backoff(max_retries = 1, base_delay = "1s", jitter = false)]
    #[bulkhead(max_concurrent = 1)]
    fn one_retry_inside_one_slot
}

#[test]
fn co_022_nobody_keeps_a_slot_while_it_waits_for_its_retry() {
    one_retry_inside_one_slot().each(down, |world| {
        let handle = world.inside(|| resilient::bulkhead(world.operation)).unwrap();
        // B comes as soon as A waits, and stays.
        let (b, permits) = (handle.clone(), Mutex::new(Vec::new()));
        let entered = world.inside(|| {
            subscribe(move |event| {
                if matches!(event.kind, EventKind::RetryScheduled { .. }) {
                    permits.lock().unwrap().push(b.try_acquire().expect("A's slot is free"));
                }
            })
        });
        assert_eq!(world.call().unwrap_err().kind(), Some(ErrorKind::BulkheadFull));
        assert_eq!((world.executions(), world.elapsed()), (1, secs(1)));
        assert_eq!((handle.active_count(), world.count("refused: bulkhead_full")), (1, 1));
        drop(entered);
        assert_eq!(handle.active_count(), 0);
    });
}

twins! {
    #[retry_with_backoff(max_retries = 1, base_delay = "1s", jitter = false)]
    #[bulkhead(max_concurrent = 1, max_queue = 1)]
    fn one_retry_inside_a_slot_and_a_place -> Result<u32, Fault>
}

#[tokio::test(start_paused = true)]
async fn co_024_a_retry_queues_like_any_other_call() {
    let scope = Scope::new();
    let backend = Flaky::new().fail_times(1, || Fault::Down).takes(ms(100)).then(42).takes(secs(10));
    let at = async |begin| {
        tokio::time::sleep(begin).await;
        let answer = one_retry_inside_a_slot_and_a_place::later(&backend).await;
        (answer, scope.clock().elapsed())
    };
    let calls = async { tokio::join!(at(ms(0)), at(ms(50)), at(ms(200))) };
    let ((a, a_ended), (b, b_ended), (c, c_ended)) = scope.run(calls).await;
    assert_eq!((a.unwrap_err().kind(), a_ended.as_millis()), (Some(ErrorKind::BulkheadFull), 1_100));
    assert_eq!((b.unwrap(), b_ended.as_millis()), (42, 10_100));
    assert_eq!((c.unwrap(), c_ended.as_millis()), (42, 20_100));
    assert_eq!(backend.calls(), 3);
}

#[test]
fn co_024_a_retry_queues_like_any_other_call_of_a_thread() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let slots = resilient::bulkhead(one_retry_inside_a_slot_and_a_place::NAMES[0]).unwrap();
    // Waits in the queue on a thread of its own, and keeps its slot until A's call is over.
    let (over, is_over) = mpsc::channel::<()>();
    let (slot, is_over) = (slots.clone(), Arc::new(Mutex::new(is_over)));
    let another = move || {
        let (waits, is_over) = (slot.clone(), Arc::clone(&is_over));
        thread::spawn(move || {
            let permit = waits.acquire_blocking().unwrap();
            let _ = is_over.lock().unwrap().recv();
            drop(permit);
        });
        while slot.waiting_count() == 0 {
            thread::yield_now();
        }
    };
    let b = another.clone();
    let begins_b = move || {
        b();
        Fault::Down
    };
    let backend = Flaky::new().fail_times(1, begins_b).then(42);
    let begins_c = subscribe(move |event| {
        if matches!(event.kind, EventKind::RetryScheduled { .. }) {
            another();
        }
    });
    let a = one_retry_inside_a_slot_and_a_place::sync(&backend).unwrap_err();
    assert_eq!((a.kind(), backend.calls()), (Some(ErrorKind::BulkheadFull), 1));
    assert_eq!((slots.active_count(), slots.waiting_count()), (1, 1));
    drop((over, begins_c));
    while slots.active_count() > 0 {
        thread::yield_now();
    }
    let after = slots.snapshot();
    assert_eq!((after.accepted_calls, after.rejected_calls, after.waited_calls), (3, 1, 2));
}
