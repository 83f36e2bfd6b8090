//! Calls by the ten million, and by the thousand million: no memory is taken that is not given back, and not one call
//! is lost in the counts. Keys stay within their bound; names, which are kept, cost what is said here.

use std::cell::Cell;
use std::ops::Range;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use resilient::{
    BreakerConfig, BreakerSnapshot, CircuitBreaker, ResilienceConfig, ResilienceError, breaker, bulkhead,
    database_resilient, keyed_breakers, rate_limiter, resilient, track_service_health,
};
use resilient_endurance_tests::{Tier, alone, now, processor_time, resident, tell};
use tokio::runtime::Builder;

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("down")]
    Down,
    #[error("no such thing")]
    Unknown,
    #[error(transparent)]
    Refused(#[from] ResilienceError),
}

type Answer = Result<u64, Fault>;

/// Of so many calls one fails once and is retried, and another is its caller's fault.
const SPELL: u64 = 1 << 16;
const THREADS: u64 = 2;

/// The body; of the spell's one call that fails, the first attempt does.
#[inline]
fn work(number: u64, retried: &Cell<bool>) -> Answer {
    match number % SPELL {
        7 if !retried.replace(true) => Err(Fault::Down),
        9 => Err(Fault::Unknown),
        _ => Ok(number),
    }
}

#[database_resilient(operation_name = "soak_sync", ignore = Fault::Unknown, base_delay = 1e-6, timeout_mode = "deadline")]
fn usual_sync(number: u64, retried: &Cell<bool>) -> Answer {
    work(number, retried)
}

#[database_resilient(operation_name = "soak_async", ignore = Fault::Unknown, base_delay = 1e-6)]
async fn usual_async(number: u64, retried: &Cell<bool>) -> Answer {
    work(number, retried)
}

macro_rules! every_layer {
    ($name:ident, $operation:literal, [$($fn:tt)*], $($more:tt)*) => {
        #[resilient(
            operation_name = $operation,
            ignore = Fault::Unknown,
            base_delay = 1e-6,
            timeout = "30s",
            deadline = "1min",
            budget = 0.2,
            failure_rate = 0.5,
            window = "10s",
            slow_call_rate = 0.5,
            slow_call_duration = "1s",
            bulkhead(max_concurrent = 10, max_queue = 10),
            rate_limit(rate = 1_000_000_000, burst = 1_000_000_000),
            fallback_value = 0,
            fallback_on = Fault::Down,
            $($more)*
        )]
        #[track_service_health($operation)]
        $($fn)* $name(number: u64, retried: &Cell<bool>) -> Answer {
            work(number, retried)
        }
    };
}

every_layer!(every_layer_sync, "soak_sync_all", [fn], timeout_mode = "deadline");
every_layer!(every_layer_async, "soak_async_all", [async fn], hedge(delay = "1s"), idempotent = true);

/// What `calls` calls on two threads took, after some that warm up.
fn soak(test: &str, name: &str, calls: u64, play: impl Fn(Range<u64>) + Sync) {
    let warm_up = (calls / 20).max(2 * SPELL);
    let (warm, go, done) = (Barrier::new(3), Barrier::new(3), Barrier::new(3));
    let (grown, took) = thread::scope(|threads| {
        for thread in 0..THREADS {
            let (play, warm, go, done) = (&play, &warm, &go, &done);
            threads.spawn(move || {
                play(0..warm_up / THREADS);
                warm.wait();
                go.wait();
                let first = thread * calls / THREADS;
                play(first..first + calls / THREADS);
                done.wait();
                go.wait();
            });
        }
        warm.wait();
        let before = resident();
        let began = processor_time();
        go.wait();
        done.wait();
        let took = processor_time().saturating_sub(began);
        let after = resident();
        go.wait();
        (after.saturating_sub(before), took)
    });
    tell(
        test,
        format_args!(
            "{name}: {calls} calls on {THREADS} threads in {:.1} s of processor time, {:.0} ns each, {} KiB more memory",
            took.as_secs_f64(),
            took.as_nanos() as f64 / calls as f64,
            grown / 1024
        ),
    );
    assert!(grown <= 1 << 20, "{name}: {grown} bytes");
    let snapshot = breaker(name).expect("its breaker").snapshot();
    let of_spell = |number: u64| {
        let in_range =
            |first: u64, calls: u64| (first..first + calls).filter(|n| n % SPELL == number).count();
        let ranges = (0..THREADS).map(|thread| {
            in_range(0, warm_up / THREADS) + in_range(thread * calls / THREADS, calls / THREADS)
        });
        ranges.sum::<usize>() as u64
    };
    let all = THREADS * (warm_up / THREADS) + THREADS * (calls / THREADS);
    let BreakerSnapshot {
        successful_calls,
        failed_calls,
        ignored_calls,
        rejected_calls,
        abandoned_calls,
        ..
    } = snapshot;
    assert_eq!(failed_calls, of_spell(7), "{name}");
    assert_eq!(ignored_calls, of_spell(9), "{name}");
    assert_eq!(successful_calls, all - of_spell(9), "{name}");
    assert_eq!((rejected_calls, abandoned_calls), (0, 0), "{name}");
    let Ok(limiter) = rate_limiter(name) else { return };
    let limiter = limiter.snapshot();
    assert_eq!((limiter.allowed_requests, limiter.rejected_requests), (all + failed_calls, 0), "{name}");
    let bulkhead = bulkhead(name).expect("its bulkhead").snapshot();
    assert_eq!((bulkhead.accepted_calls, bulkhead.active_count), (all + failed_calls, 0), "{name}");
}

fn check(number: u64, answer: Answer) {
    match answer {
        Ok(same) if same == number => {}
        Err(Fault::Unknown) if number % SPELL == 9 => {}
        other => panic!("call {number}: {other:?}"),
    }
}

fn blocking(call: impl Fn(u64, &Cell<bool>) -> Answer + Sync) -> impl Fn(Range<u64>) + Sync {
    move |range| range.for_each(|number| check(number, call(number, &Cell::new(false))))
}

fn awaiting(call: impl AsyncFn(u64, &Cell<bool>) -> Answer + Sync) -> impl Fn(Range<u64>) + Sync {
    move |range| {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            for number in range {
                check(number, call(number, &Cell::new(false)).await);
            }
        });
    }
}

#[test]
fn calls_of_a_kind_take_no_memory() {
    const TEST: &str = "calls_of_a_kind_take_no_memory";
    alone(TEST, || {
        let calls = Tier::now().of(150_000, 10_000_000, 1_000_000_000);
        soak(TEST, "soak_sync", calls, blocking(usual_sync));
        soak(TEST, "soak_async", calls, awaiting(usual_async));
    });
}

#[test]
fn calls_through_every_layer_take_no_memory() {
    const TEST: &str = "calls_through_every_layer_take_no_memory";
    alone(TEST, || {
        let calls = Tier::now().of(150_000, 10_000_000, 100_000_000);
        soak(TEST, "soak_sync_all", calls, blocking(every_layer_sync));
        soak(TEST, "soak_async_all", calls, awaiting(every_layer_async));
    });
}

#[resilient(
    operation_name = "soak_keys",
    key = key,
    max_attempts = 1,
    enable_timeout = false,
    failure_threshold = 1,
    failure_rate = 0.5,
    window = 100,
    bulkhead(max_concurrent = 2, max_queue = 2),
    rate_limit(rate = 10)
)]
fn keyed(key: u64) -> Answer {
    // The breaker of a key that fails stays open, and is forgotten last.
    if key.is_multiple_of(10) { Err(Fault::Down) } else { Ok(key) }
}

#[test]
fn a_million_keys_stay_within_their_bound() {
    const TEST: &str = "a_million_keys_stay_within_their_bound";
    const BOUND: usize = 1024;
    alone(TEST, || {
        let keys: u64 = Tier::now().of(5_000, 1_000_000, 10_000_000);
        assert!(keyed(u64::MAX).is_ok());
        let before = resident();
        let filled = {
            (0..2 * BOUND as u64).for_each(|key| drop(keyed(key)));
            resident().saturating_sub(before)
        };
        let began = processor_time();
        let mut most = 0;
        for key in 0..keys {
            match keyed(key << 20 | 3 << 10) {
                Ok(_) | Err(Fault::Down) => {}
                Err(other) => panic!("a new key is refused: {other}"),
            }
            if key.is_multiple_of(10_000) {
                most = most.max(keyed_breakers("soak_keys").expect("its breakers").len());
            }
        }
        let each = processor_time().saturating_sub(began).as_nanos() as f64 / keys as f64;
        most = most.max(keyed_breakers("soak_keys").expect("its breakers").len());
        assert!(most <= BOUND, "{most} keys");
        let grown = resident().saturating_sub(before);
        tell(
            TEST,
            format_args!(
                "{keys} keys, {most} at once, {each:.0} ns each; {} KiB for the first {BOUND}, {} KiB at the end, {} bytes a key",
                filled / 1024,
                grown / 1024,
                grown / BOUND as u64,
            ),
        );
        assert!(grown <= 16 << 20, "{grown} bytes");
    });
}

#[test]
fn the_last_of_many_operations_made_in_code_takes_no_longer_than_the_first() {
    const TEST: &str = "the_last_of_many_operations_made_in_code_takes_no_longer_than_the_first";
    alone(TEST, || {
        let tens = Tier::now().of(400, 2_000, 10_000);
        let make = |number: u64| {
            let operation =
                ResilienceConfig::new(format!("soak.tenant.{number:012}")).operation_type("database");
            let answer = operation.build().expect("an operation").call(|| Ok::<_, ResilienceError>(1));
            assert_eq!(answer.ok(), Some(1));
        };
        let mut took = Vec::new();
        for ten in 0..tens {
            let began = now();
            (10 * ten..10 * ten + 10).for_each(make);
            took.push(began.elapsed());
        }
        let tenth = took.len() / 10;
        let of = |part: &[Duration]| part.iter().min().copied().unwrap_or_default();
        let (first, last) = (of(&took[..tenth]), of(&took[took.len() - tenth..]));
        tell(TEST, format_args!("{first:?} for ten at first, {last:?} after {} of them", 10 * tens));
        assert!(last < 4 * first.max(Duration::from_micros(10)), "{first:?}, {last:?}");
    });
}

#[test]
fn a_name_costs_little_and_for_ever() {
    const TEST: &str = "a_name_costs_little_and_for_ever";
    alone(TEST, || {
        let tier = Tier::now();
        let names: u64 = tier.of(5_000, 1_000_000, 1_000_000);
        let mut made = 0;
        let mut cost = |what: &str, names: u64, most: u64, make: &dyn Fn(&str)| {
            let before = resident();
            for _ in 0..names {
                made += 1;
                make(&format!("soak.tenant.{made:012}"));
            }
            let each = resident().saturating_sub(before) / names;
            tell(TEST, format_args!("{names} {what}: {each} bytes each"));
            assert!(each <= most, "{what}: {each} bytes each");
        };
        let dropped = |name: &str| drop(CircuitBreaker::new(name, BreakerConfig::new()).expect("a breaker"));
        cost("names of 24 letters, of breakers that were dropped", names, tier.of(1024, 128, 128), &dropped);
        let kept = |name: &str| {
            let operation =
                ResilienceConfig::new(name).operation_type("database").build().expect("an operation");
            assert_eq!(operation.call(|| Ok::<_, ResilienceError>(1)).ok(), Some(1));
        };
        cost(
            "operations made in code, called once and dropped, with their breakers",
            names / 10,
            8192,
            &kept,
        );
        let answers = |name: &str| assert!(breaker(name).is_ok());
        answers(&format!("soak.tenant.{:012}", names + 1));
    });
}
