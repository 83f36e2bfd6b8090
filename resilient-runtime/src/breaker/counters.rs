//! Counters that many threads may bump without sharing a cache line: each thread has a line of its own, written by
//! it alone with plain stores.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use once_cell::race::OnceBox;

/// Threads with a line of their own; those beyond share one, with atomic additions.
const OWNED: usize = 16;
const UNASSIGNED: usize = usize::MAX;
const SHARED: usize = usize::MAX - 1;

/// Slots that threads have given back; the second value is the first slot never given out.
static SLOTS: Mutex<(Vec<usize>, usize)> = Mutex::new((Vec::new(), 0));

thread_local! {
    static SLOT: Cell<usize> = const { Cell::new(UNASSIGNED) };
    static OWNER: Owner = const { Owner };
}

/// Gives the thread's slot back when the thread ends.
struct Owner;

impl Drop for Owner {
    fn drop(&mut self) {
        let slot = SLOT.replace(SHARED);
        if slot < OWNED {
            SLOTS.lock().unwrap_or_else(PoisonError::into_inner).0.push(slot);
        }
    }
}

#[inline]
fn slot() -> usize {
    let slot = SLOT.get();
    if slot == UNASSIGNED { assign() } else { slot }
}

#[cold]
fn assign() -> usize {
    // Its destructor must be registered first: without it the slot would never come back.
    if OWNER.try_with(|_| ()).is_err() {
        return SHARED;
    }
    let mut slots = SLOTS.lock().unwrap_or_else(PoisonError::into_inner);
    let slot = slots.0.pop().unwrap_or_else(|| {
        let next = slots.1;
        slots.1 += usize::from(next < OWNED);
        if next < OWNED { next } else { SHARED }
    });
    SLOT.set(slot);
    slot
}

/// What is counted without the breaker's lock.
#[derive(Clone, Copy, Debug)]
pub(super) enum Count {
    Success,
    Ignored,
    Rejected,
}

/// Two lines' size, since processors fetch lines in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Line([AtomicU64; 3]);

#[derive(Default)]
pub(super) struct Counters {
    owned: [OnceBox<Line>; OWNED],
    shared: OnceBox<Line>,
}

impl Counters {
    #[inline]
    pub(super) fn add(&self, count: Count) {
        match self.owned.get(slot()) {
            Some(line) => {
                let cell = &line.get_or_init(Box::default).0[count as usize];
                // This thread is the cell's only writer, so nothing is lost between the load and the store. The
                // release lets whoever sees the sum see what the thread did before.
                cell.store(cell.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
            }
            None => {
                self.shared.get_or_init(Box::default).0[count as usize].fetch_add(1, Ordering::Release);
            }
        }
    }

    pub(super) fn sum(&self, count: Count) -> u64 {
        let lines = self.owned.iter().chain([&self.shared]).filter_map(OnceBox::get);
        lines.map(|line| line.0[count as usize].load(Ordering::Acquire)).fold(0, u64::wrapping_add)
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters").field("successes", &self.sum(Count::Success)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_threads_than_lines_add_up() {
        let counters = Counters::default();
        for _ in 0..2 {
            std::thread::scope(|scope| {
                for _ in 0..40 {
                    scope.spawn(|| (0..1_000).for_each(|_| counters.add(Count::Success)));
                }
            });
        }
        assert_eq!(counters.sum(Count::Success), 80_000);
        assert_eq!(counters.sum(Count::Rejected), 0);
    }
}
