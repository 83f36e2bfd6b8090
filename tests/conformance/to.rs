//! TO: time limits of attempts and of calls.
//!
//! A sync function that borrows its arguments keeps its limit in place: it is told apart from the async one only in
//! that it runs to its end before its late result becomes a timeout. Worker threads are tested in real time.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use resilient::testing::{Flaky, Scope};
use resilient::{
    Deadline, ErrorKind, EventKind, ResilienceError, Settings, resilient, retry_with_backoff, validate,
    with_timeout,
};

use crate::calls::{Both, Fault, SPARE, both, down, ms, secs, spare_later, told};

fn answers_in(span: Duration) -> Flaky<u32, Fault> {
    Flaky::new().then(42).takes(span)
}

both! {
    sync #[with_timeout("1s", timeout_mode = "deadline")]
    async #[with_timeout("1s")]
    fn one_second
}

/// Tells when it goes away.
struct Told(Sender<&'static str>, &'static str);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(self.1);
    }
}

#[with_timeout("1s", operation_name = "to_001")]
async fn cut_short(gone: Sender<&'static str>) -> Result<(), Fault> {
    let _told = Told(gone, "cancelled");
    std::future::pending().await
}

#[tokio::test(start_paused = true)]
async fn to_001_an_operation_over_its_limit_is_cancelled_once_and_named() {
    let scope = Scope::new();
    let (gone, cancellations) = mpsc::channel();
    let error = scope.run(cut_short(gone)).await.unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::Timeout));
    assert!(error.to_string().contains("'to_001'"), "{error}");
    assert_eq!(cancellations.iter().count(), 1);
}

both! {
    sync #[with_timeout("300ms", timeout_mode = "deadline")]
    async #[with_timeout("300ms")]
    fn three_hundred_milliseconds
}

#[test]
fn to_003_an_operation_over_its_limit_is_a_timeout() {
    three_hundred_milliseconds().each(
        || answers_in(ms(500)),
        |world| assert_eq!(world.call().unwrap_err().kind(), Some(ErrorKind::Timeout)),
    );
}

#[test]
fn to_004_an_operation_within_its_limit_gives_its_value() {
    one_second().each(
        || answers_in(ms(500)),
        |world| {
            for _ in 0..2 {
                assert_eq!(world.call().unwrap(), 42);
            }
        },
    );
}

#[test]
fn to_005_an_operations_own_error_stays_what_it_is() {
    one_second().each(down, |world| assert!(matches!(world.call(), Err(Fault::Down))));
}

/// Nobody can stop a thread, but it can see that nobody waits for it any more.
#[with_timeout("50ms", operation_name = "to_006")]
fn works_while_there_is_time(stopped: Sender<()>) -> Result<(), Fault> {
    for _ in 0..10_000 {
        if Deadline::current().is_some_and(|deadline| deadline.is_expired()) {
            stopped.send(()).expect("the test waits");
            return Ok(());
        }
        std::thread::sleep(ms(1));
    }
    Ok(())
}

#[test]
fn to_006_a_blocking_task_sees_that_its_time_is_over() {
    // In the process's own world: a scope's clock would stand still.
    let (stopped, observed) = mpsc::channel();
    assert_eq!(works_while_there_is_time(stopped).unwrap_err().kind(), Some(ErrorKind::Timeout));
    assert!(observed.recv_timeout(ms(450)).is_ok());
}

/// Every layer, with a limit that is not the built-in one.
#[resilient(operation_name = "to_007", max_attempts = 1)]
async fn configured(backend: &Flaky<u32, Fault>) -> Result<u32, Fault> {
    backend.call_async().await
}

#[tokio::test(start_paused = true)]
async fn to_007_a_limit_is_switched_off_by_its_switch_and_by_no_length() {
    let scope = Scope::builder().settings("to_007", Settings::new().enable_timeout(false)).build();
    let hour = answers_in(secs(3_600));
    assert_eq!(scope.run(configured(&hour)).await.unwrap(), 42);

    // 0, a negative and an endless limit mean no limit elsewhere; here they are refused, and the limit of 5 s holds.
    for refused in ["0", "-1ms", "inf"] {
        let scope = Scope::builder().settings("to_007", Settings::new().timeout(refused)).build();
        let errors = scope.run(async { validate() }).await.unwrap_err();
        let named = |text: &str| text.contains("timeout of `to_007`");
        assert!(errors.problems().iter().any(|problem| named(problem.source_name())), "{refused}: {errors}");
        let error = scope.run(configured(&hour)).await.unwrap_err();
        let Fault::Resilience(ResilienceError::Timeout { limit, .. }) = error else {
            panic!("{refused}: {error}")
        };
        assert_eq!(limit, secs(5), "{refused}");
    }
}

both! {
    sync #[with_timeout("2s", timeout_mode = "deadline")]
    async #[with_timeout("2s")]
    fn two_seconds
}

#[test]
fn to_008_a_timeout_says_its_limit_and_comes_exactly_then() {
    two_seconds().each(
        || answers_in(secs(4)),
        |world| {
            let error = world.call().unwrap_err();
            assert_eq!(error.kind(), Some(ErrorKind::Timeout));
            assert!(error.to_string().contains("2 s"), "{error}");
            let until = if world.is_async() { secs(2) } else { secs(4) };
            assert_eq!(world.elapsed(), until);
        },
    );
}

#[with_timeout("10s")]
async fn ten_seconds(backend: &Flaky<u32, Fault>) -> Result<u32, Fault> {
    backend.call_async().await
}

#[tokio::test(start_paused = true)]
async fn to_009_a_cancelled_call_is_no_timeout() {
    let scope = Scope::new();
    let backend = Flaky::new().then_hang();
    let cancelled = tokio::time::timeout(secs(1), scope.run(ten_seconds(&backend))).await;
    assert!(cancelled.is_err());
    tokio::time::sleep(secs(60)).await;
    assert_eq!(told(&scope), ["finished: cancelled"]);
}

/// Where a limit comes from does not matter: this one is computed.
fn twelve_seconds() -> Duration {
    secs(12)
}

both! {
    sync #[with_timeout(timeout = twelve_seconds(), timeout_mode = "deadline")]
    async #[with_timeout(timeout = twelve_seconds())]
    fn computed
}

#[test]
fn to_010_a_timeout_is_told_once_with_its_limit() {
    computed().each(
        || answers_in(secs(13)),
        |world| {
            assert!(world.call().is_err());
            let limits: Vec<Duration> = world
                .scope
                .events()
                .into_iter()
                .filter_map(|event| match event.kind {
                    EventKind::AttemptTimedOut { limit, .. } => Some(limit),
                    _ => None,
                })
                .collect();
            assert_eq!(limits, [secs(12)]);
        },
    );
}

#[test]
fn to_013_a_real_timeout_is_a_timeout() {
    one_second().each(
        || answers_in(secs(10)),
        |world| assert_eq!(world.call().unwrap_err().kind(), Some(ErrorKind::Timeout)),
    );
}

both! {
    sync #[with_timeout(timeout_seconds = 2, timeout_mode = "deadline")]
    async #[with_timeout(2)]
    fn two_seconds_as_a_number
}

both! {
    sync #[with_timeout("500ms", timeout_mode = "deadline")]
    async #[with_timeout("500ms")]
    fn half_a_second
}

both! {
    sync #[with_timeout("2000ms", timeout_mode = "deadline")]
    async #[with_timeout("2000ms")]
    fn two_thousand_milliseconds
}

#[test]
fn to_014_limits_are_kept_whatever_unit_they_are_written_in() {
    type Limited = fn() -> Both<u32, Fault>;
    let table: [(Limited, u64, bool); 7] = [
        (one_second, 20_000, true),
        (two_thousand_milliseconds, 2_500, true),
        (two_thousand_milliseconds, 1_500, false),
        (half_a_second, 1_000, true),
        (half_a_second, 10, false),
        (two_seconds_as_a_number, 2_500, true),
        (two_seconds_as_a_number, 1_500, false),
    ];
    for (functions, milliseconds, times_out) in table {
        functions().each(
            || answers_in(ms(milliseconds)),
            |world| {
                let kind = world.call().err().and_then(|error| error.kind());
                assert_eq!(kind, times_out.then_some(ErrorKind::Timeout), "{milliseconds} ms");
            },
        );
    }
}

/// Blocks until it is released, and gives something whose end is told.
#[with_timeout("20ms", operation_name = "to_016")]
fn blocks(release: Receiver<()>, said: Sender<&'static str>) -> Result<Told, Fault> {
    release.recv().expect("the test releases it");
    said.send("finished").expect("the test listens");
    Ok(Told(said, "dropped"))
}

#[test]
fn to_016_a_blocked_function_releases_its_caller_and_its_late_result_is_dropped() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let (release, gate) = mpsc::channel();
    let (said, heard) = mpsc::channel();
    let Err(error) = blocks(gate, said) else { panic!("nobody released it") };
    assert_eq!(error.kind(), Some(ErrorKind::Timeout));
    assert!(heard.try_recv().is_err(), "it is still running");
    release.send(()).unwrap();
    assert_eq!(heard.iter().collect::<Vec<_>>(), ["finished", "dropped"]);
}

both! {
    #[retry_with_backoff(max_attempts = 3, base_delay = 0, jitter = false)]
    sync #[with_timeout("500ms", timeout_mode = "deadline")]
    async #[with_timeout("500ms")]
    fn three_times_half_a_second
}

#[test]
fn to_019_the_limit_is_that_of_each_attempt() {
    // What never returns can be given up in place only once it has returned.
    three_times_half_a_second().each(
        || answers_in(ms(501)),
        |world| {
            assert_eq!(world.call().unwrap_err().kind(), Some(ErrorKind::Timeout));
            assert_eq!(world.executions(), 3);
            assert!((ms(1_500)..ms(3_000)).contains(&world.elapsed()), "{:?}", world.elapsed());
        },
    );
}

/// Tells that it began, and goes on once the test has let go of the gate.
fn blocked(gate: &Mutex<()>, begun: &Sender<()>) {
    begun.send(()).expect("the test counts");
    drop(gate.lock());
}

#[retry_with_backoff(max_attempts = 3, base_delay = 0)]
#[with_timeout("20ms", operation_name = "to_019")]
fn never_returns(gate: Arc<Mutex<()>>, begun: Sender<()>) -> Result<&'static str, Fault> {
    blocked(&gate, &begun);
    Ok("passed")
}

#[test]
fn to_019_the_limit_of_a_blocked_function_is_that_of_each_attempt() {
    // A scope made in a runtime whose time runs tells real time.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _tokio = runtime.enter();
    let scope = Scope::new();
    let _inside = scope.enter();
    let gate = Arc::new(Mutex::new(()));
    let (begun, executions) = mpsc::channel();
    let closed = gate.lock();
    assert_eq!(never_returns(Arc::clone(&gate), begun).unwrap_err().kind(), Some(ErrorKind::Timeout));
    assert!(scope.clock().elapsed() >= ms(60), "{:?}", scope.clock().elapsed());
    drop(closed);
    assert_eq!(executions.iter().count(), 3);
}

#[expect(clippy::unnecessary_wraps, reason = "a fallback returns what its function returns")]
fn answers_instead(_: Arc<Mutex<()>>, _: Sender<()>) -> Result<&'static str, Fault> {
    Ok("FALLBACK")
}

#[with_timeout("20ms", operation_name = "to_020", fallback = answers_instead)]
fn is_stood_in_for(gate: Arc<Mutex<()>>, begun: Sender<()>) -> Result<&'static str, Fault> {
    blocked(&gate, &begun);
    Ok("passed")
}

#[test]
fn to_020_the_fallback_answers_while_the_function_is_still_blocked() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let gate = Arc::new(Mutex::new(()));
    let (begun, executions) = mpsc::channel();
    let closed = gate.lock();
    assert_eq!(is_stood_in_for(Arc::clone(&gate), begun).unwrap(), "FALLBACK");
    assert_eq!(told(&scope), ["timed out", "failed", "finished: attempts", "fallback"]);
    drop(closed);
    assert_eq!(executions.iter().count(), 1);
}

both! {
    #[retry_with_backoff(max_attempts = 3, base_delay = 0, jitter = false, deadline = "150ms")]
    fn three_within_150_ms
}

#[test]
fn to_022_the_limit_of_a_call_cuts_the_attempt_it_falls_in() {
    three_within_150_ms().each(
        || down().takes(ms(60)),
        |world| {
            assert_eq!(world.call().unwrap_err().kind(), Some(ErrorKind::DeadlineExceeded));
            assert_eq!((world.executions(), world.count("timed out")), (3, 1));
        },
    );
}

both! {
    #[retry_with_backoff(max_attempts = 3, base_delay = "1s", jitter = false, deadline = "100ms")]
    fn cannot_wait
}

#[test]
fn to_023_a_wait_that_does_not_fit_the_limit_of_a_call_is_not_begun() {
    // The scenario interrupts the wait after 100 ms; not to begin it tells the caller at once, and tells why it failed.
    cannot_wait().each(down, |world| {
        assert!(matches!(world.call(), Err(Fault::Down)));
        assert_eq!((world.executions(), world.elapsed()), (1, Duration::ZERO));
        assert_eq!(world.count("finished: delay_too_long"), 1);
    });
}

#[with_timeout("100ms", operation_name = "to_024_inner")]
async fn inner(backend: &Flaky<u32, Fault>) -> Result<u32, Fault> {
    backend.call_async().await
}

#[retry_with_backoff(max_attempts = 3, base_delay = 0, fallback = spare_later)]
#[with_timeout("50ms", operation_name = "to_024_outer")]
async fn outer(backend: &Flaky<u32, Fault>) -> Result<u32, Fault> {
    inner(backend).await
}

#[tokio::test(start_paused = true)]
async fn to_024_of_two_nested_limits_the_nearer_one_expires() {
    let scope = Scope::new();
    let backend = answers_in(ms(150));
    assert_eq!(scope.run(outer(&backend)).await.unwrap(), SPARE);
    assert_eq!(backend.calls(), 3);
    let timed_out: Vec<&str> = scope
        .events()
        .iter()
        .filter(|event| matches!(event.kind, EventKind::AttemptTimedOut { .. }))
        .map(|event| event.operation)
        .collect();
    assert_eq!(timed_out, ["to_024_outer"; 3]);
}

both! {
    #[retry_with_backoff(max_attempts = 10, backoff = "constant", base_delay = "10ms", jitter = false, deadline = "500ms")]
    sync #[with_timeout("100ms", timeout_mode = "deadline")]
    async #[with_timeout("100ms")]
    fn tenfold_within_half_a_second
}

#[test]
fn to_025_attempts_time_out_until_the_call_does() {
    tenfold_within_half_a_second().each(
        || answers_in(ms(101)),
        |world| {
            assert_eq!(world.call().unwrap_err().kind(), Some(ErrorKind::DeadlineExceeded));
            assert!(world.count("timed out") >= 3 && world.count("retry") >= 3, "{:?}", world.told());
        },
    );
}
