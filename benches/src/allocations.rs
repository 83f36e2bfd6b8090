//! Counts what is taken from the heap, while it is told to.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

struct Counting;

/// Off while times are taken: a counter that all threads write would be a cost of whoever allocates.
static COUNTS: AtomicBool = AtomicBool::new(false);
static TAKEN: AtomicU64 = AtomicU64::new(0);
static HELD: AtomicI64 = AtomicI64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(taken: u64, bytes: i64) {
    if COUNTS.load(Ordering::Relaxed) {
        TAKEN.fetch_add(taken, Ordering::Relaxed);
        HELD.fetch_add(bytes, Ordering::Relaxed);
    }
}

fn bytes(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, bytes(layout.size()));
        // SAFETY: the caller's promise is the system allocator's condition.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(0, -bytes(layout.size()));
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, bytes(size) - bytes(layout.size()));
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// Allocations per call of `run`, in the steady state, those of other threads included.
pub fn per_call(run: &dyn Fn(u32)) -> f64 {
    const CALLS: u32 = 1_000;
    run(100);
    let (taken, ()) = counted(|| run(CALLS));
    taken.allocations as f64 / f64::from(CALLS)
}

/// What a piece of work took, and still holds at its end.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    pub allocations: u64,
    pub bytes_held: i64,
}

/// Does it, and counts. One at a time.
pub fn counted<T>(work: impl FnOnce() -> T) -> (Taken, T) {
    TAKEN.store(0, Ordering::Relaxed);
    HELD.store(0, Ordering::Relaxed);
    COUNTS.store(true, Ordering::SeqCst);
    let done = work();
    COUNTS.store(false, Ordering::SeqCst);
    let taken =
        Taken { allocations: TAKEN.load(Ordering::Relaxed), bytes_held: HELD.load(Ordering::Relaxed) };
    (taken, done)
}
