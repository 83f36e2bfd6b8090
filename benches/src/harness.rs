//! Time per call, in many short batches: the quickest batch is one that nothing interrupted.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

const ROUNDS: usize = 2_000;
const ROUNDS_IN_HASTE: usize = 50;
const BATCH: Duration = Duration::from_micros(30);
/// Longer than ever takes on a quiet machine; on a busy one two threads are seldom there at the same time.
const TOGETHER: Duration = Duration::from_secs(2);

static HASTE: AtomicBool = AtomicBool::new(false);

/// From here on it is enough that everything runs: a few batches each, no figures to believe.
pub fn make_haste() {
    HASTE.store(true, Ordering::Relaxed);
}

fn rounds() -> usize {
    if HASTE.load(Ordering::Relaxed) { ROUNDS_IN_HASTE } else { ROUNDS }
}

/// What is measured: it makes so many calls.
pub type Run<'a> = &'a (dyn Fn(u32) + Sync);

/// Nanoseconds per call.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    pub min: f64,
    pub median: f64,
    /// The share of batches, in percent, within a tenth of the quickest. Little of it: the machine was not quiet,
    /// and only `min` says anything.
    pub quiet: f64,
}

impl Figures {
    fn of(mut batches: Vec<f64>) -> Self {
        batches.sort_by(f64::total_cmp);
        let (min, median) = (batches[0], batches[batches.len() / 2]);
        let quiet =
            batches.partition_point(|batch| *batch <= min * 1.1) as f64 / batches.len() as f64 * 100.0;
        Self { min, median, quiet }
    }
}

/// The batches of one path.
struct Taken<'a> {
    run: Run<'a>,
    calls: u32,
    batches: Vec<f64>,
    slow: u32,
}

impl Taken<'_> {
    fn take(&mut self) {
        let nanos = batch(self.run, self.calls);
        // A path that grows slower as it goes takes fewer calls, or it would take the time of all others.
        let slow = nanos * f64::from(self.calls) > 5.0 * BATCH.as_nanos() as f64;
        self.slow = if slow { self.slow + 1 } else { 0 };
        if self.slow == 5 {
            self.calls = (self.calls / 2).max(1);
            self.slow = 0;
        }
        self.batches.push(nanos);
    }
}

/// Runs the paths in turn, batch by batch, so that a noisy moment strikes all of them and ratios hold.
pub fn alone(paths: &[Run<'_>]) -> Vec<Figures> {
    let begin = |run| Taken { run, calls: batch_size(run), batches: Vec::new(), slow: 0 };
    let mut all: Vec<_> = paths.iter().copied().map(begin).collect();
    for _ in 0..rounds() {
        all.iter_mut().for_each(Taken::take);
    }
    all.into_iter().map(|taken| Figures::of(taken.batches)).collect()
}

/// Runs the path while another thread does the same. Batches during which the other thread stood still are left
/// out; nothing where no other was left in two seconds.
pub fn beside_another(run: Run<'_>) -> Option<Figures> {
    const STRIDE: u32 = 32;
    let timers = Handle::try_current().ok();
    let (done, others) = (AtomicBool::new(false), AtomicU32::new(0));
    let calls = batch_size(run);
    thread::scope(|threads| {
        threads.spawn(|| {
            let _inside = timers.as_ref().map(Handle::enter);
            while !done.load(Ordering::Relaxed) {
                run(STRIDE);
                others.fetch_add(STRIDE, Ordering::Relaxed);
            }
        });
        let began = now();
        while others.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        let mut batches = Vec::new();
        while batches.len() < rounds() && began.elapsed() < TOGETHER {
            let before = others.load(Ordering::Relaxed);
            let time = batch(run, calls);
            if others.load(Ordering::Relaxed).wrapping_sub(before) >= calls / 2 {
                batches.push(time);
            }
        }
        done.store(true, Ordering::Relaxed);
        (!batches.is_empty()).then(|| Figures::of(batches))
    })
}

fn batch(run: Run<'_>, calls: u32) -> f64 {
    let began = now();
    run(calls);
    began.elapsed().as_nanos() as f64 / f64::from(calls)
}

/// So many calls that a batch is long enough to be timed, the first calls and interruptions left aside.
fn batch_size(run: Run<'_>) -> u32 {
    let took = |calls| {
        let began = now();
        run(calls);
        began.elapsed()
    };
    took(100);
    let mut calls = 1;
    while calls < 1 << 20 && (0..5).any(|_| took(calls) < BATCH) {
        calls *= 2;
    }
    calls
}

#[allow(clippy::disallowed_methods, reason = "it measures real time, the library's clock included")]
pub fn now() -> Instant {
    Instant::now()
}
