//! Counters that many threads may bump without sharing a cache line: each thread has a line of its own, written by
//! it alone with plain stores.

use std::cell::Cell;
use std::fmt;

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, OnceBox, Whole, plain, statics, thread_local};

/// Threads with a line of their own; those beyond share one, with atomic additions.
const OWNED: usize = if cfg!(any(resilient_loom, resilient_shuttle)) { 2 } else { 16 };
const UNASSIGNED: usize = usize::MAX;
const SHARED: usize = usize::MAX - 1;
/// No thread's slot.
const NOBODY: usize = usize::MAX - 2;

statics! {
    /// Slots that threads have given back; the second value is the first slot never given out.
    static SLOTS: Mutex<(Vec<usize>, usize)> = Mutex::new((Vec::new(), 0));
}

thread_local! {
    static SLOT: Cell<usize> = const { Cell::new(UNASSIGNED) };
    static OWNER: Owner = const { Owner(Cell::new(UNASSIGNED)) };
}

/// Gives the thread's slot back when the thread ends.
struct Owner(Cell<usize>);

impl Drop for Owner {
    fn drop(&mut self) {
        // What the thread still counts, in other values' destructors, is counted as of those without a line.
        let _ = SLOT.try_with(|slot| slot.set(SHARED));
        if self.0.get() < OWNED {
            SLOTS.lock().whole().0.push(self.0.get());
        }
    }
}

#[inline]
fn slot() -> usize {
    let slot = SLOT.with(Cell::get);
    if slot == UNASSIGNED { assign() } else { slot }
}

/// Makes `slot` this thread's, for good: a scene that is not about who gets which slot is explored sooner.
#[cfg(all(test, any(resilient_loom, resilient_shuttle)))]
pub(crate) fn take_slot(slot: usize) {
    SLOT.with(|it| it.set(slot));
}

#[cold]
fn assign() -> usize {
    let taken = OWNER.try_with(|owner| {
        let mut slots = SLOTS.lock().whole();
        let slot = slots.0.pop().unwrap_or_else(|| {
            let next = slots.1;
            slots.1 += usize::from(next < OWNED);
            if next < OWNED { next } else { SHARED }
        });
        owner.0.set(slot);
        SLOT.with(|it| it.set(slot));
        slot
    });
    // A thread that ends: nobody would give its slot back.
    taken.unwrap_or(SHARED)
}

/// A cache line's size, or two where processors may share them in pairs. On x86-64 they only fetch them in pairs, and
/// what one thread alone writes stays with it, whatever is fetched beside it.
#[cfg_attr(target_arch = "x86_64", repr(align(64)))]
#[cfg_attr(not(target_arch = "x86_64"), repr(align(128)))]
struct Line<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Line<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl<const N: usize> Line<N> {
    /// By its only writer, so nothing is lost between the load and the store. The release lets whoever sees the sum see
    /// what the thread did before.
    #[inline]
    fn change(&self, count: usize, to: impl FnOnce(u64) -> u64) {
        let cell = &self.0[count];
        cell.store(to(cell.load(Ordering::Relaxed)), Ordering::Release);
    }

    #[inline]
    fn add(&self, count: usize) {
        self.change(count, |counted| counted.wrapping_add(1));
    }

    /// [`Line::add`] in a line that has other writers.
    fn add_shared(&self, count: usize) {
        self.0[count].fetch_add(1, Ordering::Release);
    }

    /// [`Line::change`] in a line that has other writers.
    fn change_shared(&self, count: usize, to: impl Fn(u64) -> u64) {
        let _ = self.0[count].fetch_update(Ordering::Release, Ordering::Relaxed, |was| Some(to(was)));
    }
}

/// `N` counters, each known by an enum's variant. One that is changed otherwise than by adding is a word for each thread,
/// which say something together.
pub(crate) struct Counters<const N: usize> {
    /// The slot that counts in `first`, once there is one: most of many counters are counted in by one thread.
    first_slot: plain::atomic::AtomicUsize,
    first: OnceBox<Line<N>>,
    others: OnceBox<Others<N>>,
}

#[derive(Default)]
struct Others<const N: usize> {
    owned: [OnceBox<Line<N>>; OWNED],
    shared: Line<N>,
}

impl<const N: usize> Default for Counters<N> {
    fn default() -> Self {
        let first_slot = plain::atomic::AtomicUsize::new(NOBODY);
        Self { first_slot, first: OnceBox::default(), others: OnceBox::default() }
    }
}

impl<const N: usize> Counters<N> {
    #[inline]
    pub(crate) fn add(&self, count: impl Into<usize>) {
        let count = count.into();
        match self.own_first() {
            Some(line) => line.add(count),
            None => self.elsewhere(|line| line.add(count), |line| line.add_shared(count)),
        }
    }

    /// Adds to one, and changes another.
    #[inline]
    pub(crate) fn add_and_change(
        &self,
        count: impl Into<usize>,
        changed: impl Into<usize>,
        to: impl Fn(u64) -> u64,
    ) {
        let (count, changed) = (count.into(), changed.into());
        let own = |line: &Line<N>| {
            line.add(count);
            line.change(changed, &to);
        };
        match self.own_first() {
            Some(line) => own(line),
            None => self.elsewhere(own, |line| {
                line.add_shared(count);
                line.change_shared(changed, &to);
            }),
        }
    }

    /// The line of the thread that counted first, if that is this one.
    #[inline]
    fn own_first(&self) -> Option<&Line<N>> {
        if SLOT.with(Cell::get) != self.first_slot.load(Ordering::Relaxed) {
            return None;
        }
        self.first.get()
    }

    #[inline(never)]
    fn elsewhere(&self, own: impl FnOnce(&Line<N>), shared: impl FnOnce(&Line<N>)) {
        let owned = self.others.get().and_then(|others| others.owned.get(SLOT.with(Cell::get)));
        match owned.and_then(OnceBox::get) {
            Some(line) => own(line),
            None => self.at_first(own, shared),
        }
    }

    /// The thread has no line yet, here or at all.
    #[cold]
    fn at_first(&self, own: impl FnOnce(&Line<N>), shared: impl FnOnce(&Line<N>)) {
        let (slot, relaxed) = (slot(), Ordering::Relaxed);
        // Others look at `first_slot` all the time: whoever shares a line must not write there.
        if slot < OWNED {
            let first = self.first_slot.compare_exchange(NOBODY, slot, relaxed, relaxed);
            if first.is_ok() || first == Err(slot) {
                return own(self.first.get_or_init(Box::default));
            }
        }
        let others = self.others.get_or_init(Box::default);
        match others.owned.get(slot) {
            Some(line) => own(line.get_or_init(Box::default)),
            None => shared(&others.shared),
        }
    }

    pub(crate) fn sum(&self, count: impl Into<usize>) -> u64 {
        self.each(count).fold(0, u64::wrapping_add)
    }

    /// What each thread has there.
    pub(crate) fn each(&self, count: impl Into<usize>) -> impl Iterator<Item = u64> {
        let count = count.into();
        let others = self.others.get();
        let owned = others.into_iter().flat_map(|others| &others.owned);
        let owned = [&self.first].into_iter().chain(owned).filter_map(OnceBox::get);
        let lines = owned.chain(others.map(|others| &others.shared));
        lines.map(move |line| line.0[count].load(Ordering::Acquire))
    }
}

impl<const N: usize> fmt::Debug for Counters<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries((0..N).map(|count| self.sum(count))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_threads_than_lines_add_up() {
        let counters = Counters::<2>::default();
        for _ in 0..2 {
            std::thread::scope(|scope| {
                for _ in 0..40 {
                    scope.spawn(|| (0..1_000).for_each(|_| counters.add(0_usize)));
                }
            });
        }
        assert_eq!(counters.sum(0_usize), 80_000);
        assert_eq!(counters.sum(1_usize), 0);
    }
}
