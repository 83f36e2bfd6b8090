//! Calls on tasks that are aborted, on runtimes that are shut down, and calls that take too long.

use std::time::Duration;

use resilient_endurance_tests::{Tier, alone, tell, threads, until};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::dropped::{GUARDED, Guarded, paused};
use crate::ward::{Act, Layers, Script, Told, crowded, hurried, read};

const ACTS: &[Act] = &[Act::Answer, Act::Fail, Act::Slow, Act::Never, Act::Never];
/// Tasks at the same time.
const CROWD: u64 = 500;

fn two_workers() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime")
}

async fn call(number: u64) {
    let _ = crowded(&Script::new(number, ACTS, 2)).await;
}

/// Afterwards of calls in crowds.
fn assert_nothing_is_left(told: &Told) {
    let layers = Layers::of("endure_crowded");
    layers.assert_at_rest();
    let requests = layers.limiter.snapshot().total_requests;
    assert_eq!(layers.recorded(), requests, "each attempt is recorded: {:?}", layers.breaker.snapshot());
    assert!(read(&told.cancelled) > 0);
    layers.assert_every_slot_is_free();
}

#[test]
fn aborted_tasks_leave_nothing() {
    const TEST: &str = "aborted::aborted_tasks_leave_nothing";
    alone(TEST, || {
        let calls: u64 = Tier::now().of(5_000, 1_000_000, 4_000_000);
        let before = threads();
        let (told, listening) = Told::listening();
        let runtime = two_workers();
        let layers = Layers::of("endure_crowded");
        let (mut spawned, mut aborted) = (0, 0);
        runtime.block_on(async {
            while read(&told.cancelled) < calls {
                layers.arrange(spawned / CROWD % 4 == 1);
                let mut tasks = JoinSet::new();
                for number in spawned..spawned + CROWD {
                    tasks.spawn(call(number));
                }
                spawned += CROWD;
                // Some before they began, some in the crush, some as they wait.
                match spawned / CROWD % 8 {
                    0 => {}
                    1 => tokio::task::yield_now().await,
                    more => tokio::time::sleep(Duration::from_millis(more / 3)).await,
                }
                tasks.abort_all();
                while let Some(joined) = tasks.join_next().await {
                    aborted += u64::from(joined.is_err_and(|error| error.is_cancelled()));
                }
            }
        });
        // A task is off its runtime's list a moment after its end is known.
        assert!(until(Duration::from_secs(5), || runtime.metrics().num_alive_tasks() == 0), "tasks");
        drop(runtime);
        assert_nothing_is_left(&told);
        drop(listening);
        assert!(until(Duration::from_secs(5), || threads() == before), "threads");
        let begun = read(&told.cancelled);
        tell(TEST, format_args!("{aborted} of {spawned} tasks aborted, {begun} of them in a call"));
    });
}

#[test]
fn runtimes_that_are_shut_down_take_their_calls_along() {
    const TEST: &str = "aborted::runtimes_that_are_shut_down_take_their_calls_along";
    alone(TEST, || {
        let calls: u64 = Tier::now().of(5_000, 500_000, 2_000_000);
        let before = threads();
        let (told, listening) = Told::listening();
        let layers = Layers::of("endure_crowded");
        let (mut spawned, mut runtimes) = (0, 0);
        while read(&told.cancelled) < calls {
            layers.arrange(runtimes % 4 == 1);
            let runtime = match runtimes % 3 {
                0 => Builder::new_current_thread().enable_time().build().expect("a runtime"),
                _ => two_workers(),
            };
            for number in spawned..spawned + CROWD {
                runtime.spawn(call(number));
            }
            spawned += CROWD;
            runtime.block_on(async { tokio::time::sleep(Duration::from_millis(1 + runtimes % 2)).await });
            match runtimes % 5 {
                0 => runtime.shutdown_timeout(Duration::from_secs(5)),
                1 => {
                    runtime.shutdown_background();
                    assert!(until(Duration::from_secs(5), || threads() == before), "threads");
                }
                _ => drop(runtime),
            }
            runtimes += 1;
        }
        assert_nothing_is_left(&told);
        drop(listening);
        assert!(until(Duration::from_secs(5), || threads() == before), "threads");
        let dropped = read(&told.cancelled);
        tell(
            TEST,
            format_args!("{dropped} of {spawned} calls under way when {runtimes} runtimes were shut down"),
        );
    });
}

const LATE: &[Act] = &[Act::Never, Act::Never, Act::Never, Act::Slow, Act::Fail, Act::Answer];

#[test]
fn calls_that_take_too_long_leave_nothing() {
    const TEST: &str = "aborted::calls_that_take_too_long_leave_nothing";
    const CALLERS: u64 = 8;
    const HURRIED: (&str, Guarded) = ("endure_hurried", |script| Box::pin(hurried(script)));
    alone(TEST, || {
        let all: u64 = Tier::now().of(2_500, 1_000_000, 4_000_000);
        let (mut calls, mut limits) = (0, 0);
        let functions = GUARDED.len() as u64 + 1;
        for (name, guarded) in GUARDED.into_iter().chain([HURRIED]) {
            let (told, listening) = Told::listening();
            let layers = Layers::of(name);
            let runtime = paused();
            let mut begun = 0;
            while read(&told.timed_out) < all / functions {
                layers.arrange(begun / 1_000 % 2 == 1);
                let callers = tokio::task::LocalSet::new();
                for caller in 0..CALLERS {
                    callers.spawn_local(async move {
                        for number in 0..10 {
                            let script = Script::new(begun + caller * 10 + number, LATE, 0);
                            let _ = guarded(&script).await;
                        }
                    });
                }
                begun += CALLERS * 10;
                runtime.block_on(callers);
            }
            assert_eq!(runtime.metrics().num_alive_tasks(), 0, "tasks");
            layers.assert_at_rest();
            assert_eq!(read(&told.finished), begun, "{name}: each call ends once");
            let breaker = layers.breaker.snapshot();
            if name.ends_with("per_call") {
                assert_eq!(layers.recorded() + breaker.rejected_calls, begun, "{name}: {breaker:?}");
            } else {
                let requests = layers.limiter.snapshot().total_requests;
                assert_eq!(layers.recorded(), requests, "{name}: {breaker:?}");
            }
            layers.assert_every_slot_is_free();
            drop(listening);
            calls += begun;
            limits += read(&told.timed_out);
        }
        tell(TEST, format_args!("{limits} attempts of {calls} calls cut off at a limit"));
    });
}
