//! What happens when threads meet, in every order or in very many. With loom: small scenes, every interleaving of
//! their steps and everything memory may show them. With shuttle: larger ones, in orders drawn by chance.
//! `scripts/loom` and `scripts/shuttle` run them.

#[cfg(resilient_loom)]
mod breaker;
#[cfg(resilient_loom)]
mod bulkhead;
#[cfg(resilient_loom)]
mod counters;
#[cfg(resilient_loom)]
mod events;
#[cfg(resilient_loom)]
mod health;
#[cfg(resilient_loom)]
mod rate_limit;
#[cfg(resilient_loom)]
mod retry_budget;
#[cfg(resilient_loom)]
mod runtime;
#[cfg(resilient_shuttle)]
mod schedules;
#[cfg(resilient_loom)]
mod shared;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

#[cfg(resilient_loom)]
use loom::thread::{self, JoinHandle};
#[cfg(resilient_shuttle)]
use shuttle::thread::{self, JoinHandle};

use crate::clock::{Clock, TestClock};
use crate::context::Context;
use crate::counters::take_slot;

const SECOND: Duration = Duration::from_secs(1);

fn context() -> (Arc<Context>, TestClock) {
    let clock = TestClock::new();
    (Arc::new(Context::seeded(Clock::Test(clock.clone()), 0)), clock)
}

std::thread_local! {
    /// What the next thread of the scene counts in. The scene's threads are all one to the system.
    static NEXT_SLOT: Cell<usize> = const { Cell::new(0) };
}

fn next_slot() -> usize {
    NEXT_SLOT.replace(NEXT_SLOT.get() + 1)
}

/// Runs `part` on a thread of its own.
fn beside<S: Send + Sync + 'static, T: Send + 'static>(
    shared: &Arc<S>,
    part: impl FnOnce(&S) -> T + Send + 'static,
) -> JoinHandle<T> {
    let (shared, slot) = (Arc::clone(shared), next_slot());
    spawn(move || {
        take_slot(slot);
        part(&shared)
    })
}

#[cfg(resilient_loom)]
fn spawn<T: Send + 'static>(part: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    // In words. Loom's own 4,096 are few for what is not optimised.
    let thread = thread::Builder::new().stack_size(0x8000);
    thread.spawn(part).expect("loom's threads are no threads of the system")
}

#[cfg(resilient_shuttle)]
fn spawn<T: Send + 'static>(part: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    thread::spawn(part)
}

/// What a thread answered.
fn answer<T>(thread: JoinHandle<T>) -> T {
    thread.join().expect("the thread's own panic was told")
}

fn answers<T, const N: usize>(threads: [JoinHandle<T>; N]) -> [T; N] {
    threads.map(answer)
}

/// Every interleaving of `scene`, whose first thread is one of the four there may be.
///
/// Of who only looked at an atomic, loom remembers the last. So a scene's first thread, which goes first unless an
/// order is to be explored, changes things, and those beside it look at them.
#[cfg(resilient_loom)]
fn explore(scene: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = None;
    run(&model, scene);
}

/// Every interleaving of `scene`; where `LOOM_MAX_PREEMPTIONS` is set, those with no more switches than that away from a
/// thread that could go on.
#[cfg(resilient_loom)]
fn explore_within_bound(scene: impl Fn() + Send + Sync + 'static) {
    run(&loom::model::Builder::new(), scene);
}

#[cfg(resilient_loom)]
fn run(model: &loom::model::Builder, scene: impl Fn() + Send + Sync + 'static) {
    use std::sync::atomic::{AtomicU64, Ordering};

    let seen = Arc::new(AtomicU64::new(0));
    let (scene, count) = (Arc::new(scene), Arc::clone(&seen));
    model.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        NEXT_SLOT.set(0);
        // Not on the model's first thread: its thread-locals outlive the statics.
        answer(beside(&scene, |scene| scene()));
        // Nor may it end before those of the others did.
        thread::yield_now();
    });
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    println!("model {name}: {} interleavings", seen.load(Ordering::Relaxed));
}
