//! Sync calls, in place and on worker threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{ErrorKind, EventKind, resilience_health};
use resilient_endurance_tests::{Planned, Tier, alone, panicked, tell, threads, until};

use crate::ward::{
    Act, Answer, Delay, Layers, Script, TALLY, Told, in_place, in_place_per_call, on_thread, read,
};

const THREADS: usize = 4;
/// Calls of one scope, which keeps all that happens in it.
const BATCH: u64 = 4_000;
/// How long a worker thread waits for its next call, and a little more.
const IDLE: Duration = Duration::from_secs(15);

/// A guarded function, which answers whether it panicked.
type Guarded = fn(Script) -> Result<(), Planned>;

fn made(call: impl FnOnce() -> Answer) -> Result<(), Planned> {
    // The answer may be a bomb.
    panicked(|| drop(call()))
}

const IN_PLACE: [(&str, Guarded); 2] = [
    ("endure_in_place", |script| made(|| in_place(&script))),
    ("endure_in_place_per_call", |script| made(|| in_place_per_call(&script))),
];
const ON_THREAD: (&str, Guarded) = ("endure_on_thread", |script| made(|| on_thread(Arc::new(script))));

/// What four threads on one state saw.
#[derive(Debug, Default)]
struct Seen {
    calls: AtomicU64,
    panicked: AtomicU64,
    timed_out: AtomicU64,
}

/// Plays a batch of calls in a scope of its own; everything is back afterwards and adds up.
fn batch(
    name: &'static str,
    guarded: Guarded,
    script: impl Fn(u64) -> Script + Sync,
    calls: u64,
    seen: &Seen,
) {
    let scope = Scope::new();
    let begun = read(&TALLY.begun);
    thread::scope(|threads| {
        for thread in 0..THREADS as u64 {
            let (scope, script) = (&scope, &script);
            threads.spawn(move || {
                let _inside = scope.enter();
                let layers = Layers::of(name);
                for number in (thread..calls).step_by(THREADS) {
                    if thread == 0 {
                        layers.arrange(number / 400 % 2 == 1);
                    }
                    let clock = Delay::Clock(scope.clock().clone());
                    let ended = guarded(script(number).delay(clock));
                    seen.panicked.fetch_add(u64::from(ended.is_err()), Ordering::Relaxed);
                }
            });
        }
    });
    let _inside = scope.enter();
    let layers = Layers::of(name);
    assert!(
        until(Duration::from_secs(5), || resilience_health().workers.active == 0),
        "{name}: work goes on"
    );
    layers.assert_at_rest();
    let told = Told::default();
    let events = scope.events();
    for event in &events {
        told.hear(event);
    }
    assert_eq!(read(&told.finished), calls, "{name}: each call ends once");
    let (breaker, limiter, bulkhead) =
        (layers.breaker.snapshot(), layers.limiter.snapshot(), layers.bulkhead.snapshot());
    let begun = read(&TALLY.begun) - begun;
    if name.ends_with("per_call") {
        assert_eq!(layers.recorded() + breaker.rejected_calls, calls, "{name}: {breaker:?}");
    } else {
        assert_eq!(layers.recorded(), limiter.total_requests, "{name}: {breaker:?}");
    }
    assert_eq!(limiter.allowed_requests, bulkhead.accepted_calls + bulkhead.rejected_calls, "{name}");
    let no_thread = events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::Refused { kind: ErrorKind::QueueTimeout, .. }));
    assert_eq!(bulkhead.accepted_calls, begun + no_thread.count() as u64, "{name}: whoever has a slot runs");
    layers.assert_every_slot_is_free();
    seen.calls.fetch_add(calls, Ordering::Relaxed);
    seen.timed_out.fetch_add(read(&told.timed_out), Ordering::Relaxed);
}

const LATE: &[Act] = &[Act::Never, Act::Never, Act::Never, Act::Fail, Act::CallersFault, Act::Answer];
const PANICS: &[Act] = &[
    Act::Answer,
    Act::Fail,
    Act::Panic,
    Act::PanicInRule,
    Act::PanicInFailureIf,
    Act::PanicInClass,
    Act::Bomb,
    Act::LateBomb,
];

fn panicking(number: u64) -> Script {
    Script::new(number, PANICS, 1).fallback(if number.is_multiple_of(3) { Act::Panic } else { Act::Answer })
}

fn late(number: u64) -> Script {
    Script::new(number, LATE, 1)
}

#[test]
fn sync_calls_in_place_that_panic_or_come_too_late_leave_nothing() {
    const TEST: &str = "blocking::sync_calls_in_place_that_panic_or_come_too_late_leave_nothing";
    alone(TEST, || {
        let wanted: u64 = Tier::now().of(1_000, 1_000_000, 4_000_000) / IN_PLACE.len() as u64;
        for (name, guarded) in IN_PLACE {
            let seen = Seen::default();
            while read(&seen.panicked) < wanted {
                batch(name, guarded, panicking, BATCH.min(wanted), &seen);
            }
            while read(&seen.timed_out) < wanted {
                batch(name, guarded, late, BATCH.min(wanted), &seen);
            }
            tell(TEST, format_args!("{name}: {seen:?}"));
        }
    });
}

#[test]
fn sync_calls_on_worker_threads_that_panic_or_come_too_late_leave_nothing() {
    const TEST: &str = "blocking::sync_calls_on_worker_threads_that_panic_or_come_too_late_leave_nothing";
    alone(TEST, || {
        let tier = Tier::now();
        let wanted: u64 = tier.of(500, 100_000, 1_000_000);
        let before = threads();
        let (name, guarded) = ON_THREAD;
        let seen = Seen::default();
        while read(&seen.panicked) < wanted {
            batch(name, guarded, panicking, BATCH.min(wanted), &seen);
        }
        while read(&seen.timed_out) < wanted {
            batch(name, guarded, late, BATCH.min(wanted), &seen);
        }
        let most = resilience_health().workers.idle;
        let rest_alone = || threads() <= before + most;
        assert!(until(Duration::from_secs(5), rest_alone), "no other threads than those that rest");
        if tier != Tier::Quick {
            assert!(until(IDLE, || threads() == before), "{} threads, {before} before", threads());
        }
        tell(TEST, format_args!("{seen:?}, on {most} worker threads at the end"));
    });
}

#[test]
fn callers_that_leave_at_a_real_limit_leave_nothing() {
    const TEST: &str = "blocking::callers_that_leave_at_a_real_limit_leave_nothing";
    const LATE: &[Act] = &[Act::Never, Act::Never, Act::LateBomb, Act::Answer, Act::Panic];
    alone(TEST, || {
        let tier = Tier::now();
        let wanted: u64 = tier.of(20, 300, 10_000);
        let before = threads();
        // Without a scope, in real time: the limit is 40 ms and the body takes 45.
        let layers = Layers::of("endure_on_thread");
        let left = AtomicU64::new(0);
        let (told, listening) = Told::listening();
        thread::scope(|threads| {
            for thread in 0..8 {
                let (left, told) = (&left, &told);
                threads.spawn(move || {
                    while read(&told.timed_out) < wanted {
                        let number = left.fetch_add(1, Ordering::Relaxed) * 8 + thread;
                        let _ = made(|| on_thread(Arc::new(Script::new(number, LATE, 0))));
                    }
                });
            }
        });
        assert!(until(Duration::from_secs(5), || resilience_health().workers.active == 0), "work goes on");
        layers.assert_at_rest();
        assert_eq!(layers.recorded(), layers.limiter.snapshot().total_requests);
        assert_eq!(read(&told.finished), read(&left), "each call ends once");
        drop(listening);
        if tier != Tier::Quick {
            assert!(until(IDLE, || threads() == before), "{} threads, {before} before", threads());
        }
        tell(TEST, format_args!("{} of {} calls given up", read(&told.timed_out), read(&left)));
    });
}
