//! Time per call, in many short batches: the quickest batch is one that nothing interrupted.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const ROUNDS: usize = 2_000;
const BATCH: Duration = Duration::from_micros(30);

/// Nanoseconds per call.
pub(crate) struct Figures {
    pub(crate) min: f64,
    pub(crate) median: f64,
    /// The share of batches, in percent, within a tenth of the quickest. Little of it: the machine was not quiet,
    /// and only `min` says anything.
    pub(crate) quiet: f64,
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

/// Runs the paths in turn, batch by batch, so that a noisy moment strikes all of them and ratios hold.
pub(crate) fn alone(paths: &[fn(u32)]) -> Vec<Figures> {
    let sizes: Vec<_> = paths.iter().map(|run| batch_size(*run)).collect();
    let mut batches = vec![Vec::with_capacity(ROUNDS); paths.len()];
    for _ in 0..ROUNDS {
        for ((run, calls), batches) in paths.iter().zip(&sizes).zip(&mut batches) {
            batches.push(batch(*run, *calls));
        }
    }
    batches.into_iter().map(Figures::of).collect()
}

/// Runs the path while another thread does the same. Batches during which the other thread stood still are left
/// out.
pub(crate) fn beside_another(run: fn(u32)) -> Figures {
    const STRIDE: u32 = 32;
    let (done, others) = (AtomicBool::new(false), AtomicU32::new(0));
    let calls = batch_size(run);
    thread::scope(|threads| {
        threads.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                run(STRIDE);
                others.fetch_add(STRIDE, Ordering::Relaxed);
            }
        });
        while others.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        let contended = || {
            let before = others.load(Ordering::Relaxed);
            let time = batch(run, calls);
            let of_other = others.load(Ordering::Relaxed).wrapping_sub(before);
            (of_other >= calls / 2).then_some(time)
        };
        let batches: Vec<_> = (0..10 * ROUNDS).filter_map(|_| contended()).take(ROUNDS).collect();
        done.store(true, Ordering::Relaxed);
        assert!(!batches.is_empty(), "the other thread never ran: is there a second core?");
        Figures::of(batches)
    })
}

fn batch(run: fn(u32), calls: u32) -> f64 {
    let began = now();
    run(calls);
    began.elapsed().as_nanos() as f64 / f64::from(calls)
}

fn batch_size(run: fn(u32)) -> u32 {
    let mut calls = 1;
    loop {
        let began = now();
        run(calls);
        if began.elapsed() >= BATCH || calls > 1 << 20 {
            return calls;
        }
        calls *= 2;
    }
}

#[allow(clippy::disallowed_methods, reason = "it measures real time, the library's clock included")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
