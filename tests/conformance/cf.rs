//! CF: configuration, and who has the last word. What the scenarios call configuration is here a variable of the
//! operation, `PYNOMALY_OP_<NAME>_<PARAMETER>`.

use resilient::testing::{Flaky, Scope};
use resilient::{
    ErrorKind, ResilienceError, State, bulkhead, circuit_breaker, resilient, retry_with_backoff, with_timeout,
};

use crate::calls::{Both, Fault, SPARE, both, down, ms, secs, spare, spare_later};

const SWITCH: &str = "PYNOMALY_RESILIENCE_ENABLED";

fn takes(span: std::time::Duration) -> Flaky<u32, Fault> {
    Flaky::new().then(42).takes(span)
}

both! {
    #[retry_with_backoff(max_retries = 3)]
    fn three_retries
}

#[test]
fn cf_004_a_variable_beats_the_number_of_retries_that_is_written() {
    three_retries().variable("MAX_RETRIES", "10").each(down, |world| {
        world.call().unwrap_err();
        assert_eq!(world.executions(), 11);
    });
}

both! {
    #[retry_with_backoff(max_retries = 5, base_delay = "2s", backoff = "constant", jitter = false)]
    fn two_seconds_between
}

#[test]
fn cf_005_a_variable_beats_the_wait_that_is_written_number_and_unit() {
    for written in ["2ms", "2000us", "0.002"] {
        two_seconds_between().variable("BASE_DELAY", written).each(down, |world| {
            world.call().unwrap_err();
            assert_eq!(world.pauses(), [ms(2); 5]);
        });
    }
}

both! {
    #[resilient(
        deadline = "10s",
        max_retries = 99,
        base_delay = "200ms",
        backoff = "constant",
        jitter = false,
        budget = "none",
        enable_timeout = false,
        enable_circuit_breaker = false
    )]
    fn ten_seconds_in_all
}

#[test]
fn cf_006_a_variable_beats_the_deadline_that_is_written() {
    ten_seconds_in_all().variable("DEADLINE", "1").each(down, |world| {
        world.call().unwrap_err();
        assert!((ms(800)..=secs(1)).contains(&world.elapsed()), "{:?}", world.elapsed());
    });
}

both! {
    #[circuit_breaker(failure_threshold = 2, recovery_timeout = "20us", success_threshold = 1)]
    fn opens_after_two
}

#[test]
fn cf_009_a_variable_beats_the_threshold_that_is_written() {
    opens_after_two().variable("FAILURE_THRESHOLD", "4").each(down, |world| {
        for _ in 0..4 {
            assert_eq!(world.call().unwrap_err().kind(), None);
        }
        assert_eq!(world.call().unwrap_err().kind(), Some(ErrorKind::CircuitOpen));
        assert_eq!(world.executions(), 4);
    });
}

#[test]
fn cf_010_a_variable_beats_the_open_time_that_is_written() {
    let two_failures = || Flaky::new().fail_times(2, || Fault::Down).then(42);
    opens_after_two().variable("RECOVERY_TIMEOUT", "1000ms").each(two_failures, |world| {
        for _ in 0..2 {
            world.call().unwrap_err();
        }
        world.inside(|| world.scope.clock().advance(ms(999)));
        assert_eq!(world.call().unwrap_err().kind(), Some(ErrorKind::CircuitOpen));
        world.inside(|| world.scope.clock().advance(ms(1)));
        assert_eq!(world.call().unwrap(), 42);
    });
}

/// Each call is inside of the one before.
#[bulkhead(max_concurrent = 5, max_queue = 5, operation_name = "cf_calls_within")]
fn calls_within(more: u32) -> Result<u32, Fault> {
    if more == 0 { Ok(0) } else { Ok(1 + calls_within(more - 1)?) }
}

#[bulkhead(max_concurrent = 5, max_queue = 5, operation_name = "cf_one_second")]
async fn one_second() -> Result<u32, Fault> {
    tokio::time::sleep(secs(1)).await;
    Ok(42)
}

fn scope(pairs: &[(&str, &str)]) -> Scope {
    pairs.iter().fold(Scope::builder(), |scope, (name, value)| scope.env(*name, *value)).build()
}

#[test]
fn cf_012_a_variable_beats_the_number_of_places_that_is_written() {
    let scope = scope(&[
        ("PYNOMALY_OP_CF_CALLS_WITHIN_BULKHEAD_MAX_CONCURRENT", "1"),
        ("PYNOMALY_OP_CF_CALLS_WITHIN_BULKHEAD_MAX_QUEUE", "0"),
    ]);
    let _inside = scope.enter();
    assert_eq!(calls_within(0).unwrap(), 0);
    assert_eq!(calls_within(1).unwrap_err().kind(), Some(ErrorKind::BulkheadFull));
}

#[tokio::test(start_paused = true)]
async fn cf_012_a_variable_beats_the_queue_that_is_written() {
    let scope = scope(&[
        ("PYNOMALY_OP_CF_ONE_SECOND_BULKHEAD_MAX_CONCURRENT", "1"),
        ("PYNOMALY_OP_CF_ONE_SECOND_BULKHEAD_MAX_QUEUE", "1"),
    ]);
    let (first, second, third) =
        scope.run(async { tokio::join!(one_second(), one_second(), one_second()) }).await;
    assert_eq!((first.unwrap(), second.unwrap()), (42, 42));
    assert_eq!(third.unwrap_err().kind(), Some(ErrorKind::BulkheadFull));
    assert_eq!(scope.clock().elapsed(), secs(2));
}

both! {
    sync #[with_timeout("10us", timeout_mode = "deadline")]
    async #[with_timeout("10us")]
    fn ten_microseconds
}

#[test]
fn cf_013_a_variable_beats_the_limit_that_is_written() {
    for written in ["1", "1000ms", "1s"] {
        ten_microseconds().variable("TIMEOUT", written).each(
            || takes(secs(60)),
            |world| {
                let Err(Fault::Resilience(ResilienceError::Timeout { limit, .. })) = world.call() else {
                    panic!("a timeout")
                };
                assert_eq!(limit, secs(1));
            },
        );
    }
}

both! {
    sync #[resilient(
        max_attempts = 2,
        failure_threshold = 1,
        timeout = "1s",
        timeout_mode = "deadline",
        enable_retry = true,
        enable_timeout = true
    )]
    async #[resilient(
        max_attempts = 2,
        failure_threshold = 1,
        timeout = "1s",
        enable_retry = true,
        enable_timeout = true
    )]
    fn guarded
}

/// Those of the scenario's three that the switch left on: retries, breaker, limit.
fn left_on(function: &dyn Fn() -> Both<u32, Fault>) -> [bool; 3] {
    let seen = std::cell::Cell::new([false; 3]);
    function().each(down, |world| {
        world.call().unwrap_err();
        let attempts = world.executions();
        let refused = world.call().unwrap_err().kind() == Some(ErrorKind::CircuitOpen);
        seen.set([attempts == 2, refused, false]);
    });
    function().each(
        || takes(secs(60)),
        |world| {
            let [retries, breaker, _] = seen.get();
            seen.set([retries, breaker, world.call().is_err()]);
        },
    );
    seen.get()
}

/// Read differently: what is more specific is a variable of the operation. Code is not, since whoever turns the switch
/// means what is in the code.
#[test]
fn cf_015_a_variable_of_the_operation_beats_the_switch() {
    let off = || guarded().env(SWITCH, "false");
    assert_eq!(left_on(&off), [false, false, false]);
    assert_eq!(left_on(&|| off().variable("ENABLE_RETRY", "true")), [true, false, false]);
    assert_eq!(left_on(&|| off().variable("ENABLE_CIRCUIT_BREAKER", "true")), [false, true, false]);
    assert_eq!(left_on(&|| off().variable("ENABLE_TIMEOUT", "true")), [false, false, true]);

    let of_the_kind = scope(&[(SWITCH, "false"), ("PYNOMALY_DEFAULT_ENABLE_BULKHEAD", "true")]);
    let inside = of_the_kind.enter();
    assert_eq!(calls_within(50).unwrap(), 50);
    drop(inside);
    let of_the_operation = scope(&[
        (SWITCH, "false"),
        ("PYNOMALY_OP_CF_CALLS_WITHIN_ENABLE_BULKHEAD", "true"),
        ("PYNOMALY_OP_CF_CALLS_WITHIN_BULKHEAD_MAX_QUEUE", "0"),
    ]);
    let _inside = of_the_operation.enter();
    assert_eq!(calls_within(5).unwrap_err().kind(), Some(ErrorKind::BulkheadFull));
}

both! {
    sync #[resilient(max_attempts = 3, failure_threshold = 1, timeout_mode = "deadline", fallback = spare)]
    async #[resilient(max_attempts = 3, failure_threshold = 1, fallback = spare_later)]
    fn with_a_spare
}

#[test]
fn cf_016_switched_off_only_the_fallback_is_left() {
    with_a_spare().env(SWITCH, "false").each(down, |world| {
        for call in 1..=7 {
            assert_eq!((world.call().unwrap(), world.executions()), (SPARE, call));
        }
        assert_eq!(world.breaker().state(), State::Closed);
    });
    with_a_spare()
        .env(SWITCH, "false")
        .each(|| takes(secs(60)), |world| assert_eq!(world.call().unwrap(), 42));
}

both! {
    sync #[with_timeout(timeout_mode = "deadline")]
    async #[with_timeout]
    fn as_the_word_brings_it
}

#[test]
fn cf_020_a_variable_of_every_kind_beats_what_nobody_wrote() {
    as_the_word_brings_it().env("PYNOMALY_DEFAULT_TIMEOUT", "200ms").each(
        || takes(ms(500)),
        |world| assert_eq!(world.call().unwrap_err().kind(), Some(ErrorKind::Timeout)),
    );
    as_the_word_brings_it().each(|| takes(ms(500)), |world| assert_eq!(world.call().unwrap(), 42));
}
