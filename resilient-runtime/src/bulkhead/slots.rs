//! How many calls run, in one word: what the healthy path changes, and all that it reads besides the limit.

use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Calls that run.
const ACTIVE: u64 = 0xffff_ffff;
/// Calls wait: a slot goes to the first of them, and is taken by nobody else.
const QUEUED: u64 = 1 << 32;
/// The most calls that ran at once.
const PEAK_SHIFT: u32 = 33;

#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Slots {
    word: AtomicU64,
    limit: AtomicU32,
}

impl Slots {
    pub(super) fn new(limit: u32) -> Self {
        Self { word: AtomicU64::new(0), limit: AtomicU32::new(limit) }
    }

    /// Takes a slot if one is free and nobody waits for it.
    #[inline]
    pub(super) fn take(&self) -> bool {
        self.take_where(|word| word & QUEUED == 0)
    }

    /// Takes a slot for the first who waits, if one is free.
    pub(super) fn take_for_first(&self) -> bool {
        self.take_where(|_| true)
    }

    #[inline]
    fn take_where(&self, allowed: impl Fn(u64) -> bool) -> bool {
        let limit = u64::from(self.limit());
        let taken = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            let active = word & ACTIVE;
            (active < limit && allowed(word)).then(|| {
                let peak = (word >> PEAK_SHIFT).max(active + 1);
                peak << PEAK_SHIFT | word & QUEUED | (active + 1)
            })
        });
        taken.is_ok()
    }

    /// Gives a slot back; answers whether somebody waits for one.
    #[inline]
    #[must_use = "who waits must be served"]
    pub(super) fn give_back(&self) -> bool {
        self.word.fetch_sub(1, Ordering::AcqRel) & QUEUED != 0
    }

    /// From now on slots go to those who wait. Requires external locking.
    pub(super) fn open_queue(&self) {
        self.word.fetch_or(QUEUED, Ordering::AcqRel);
    }

    /// Nobody waits any more. Requires external locking.
    pub(super) fn close_queue(&self) {
        self.word.fetch_and(!QUEUED, Ordering::AcqRel);
    }

    /// Whether somebody waits.
    pub(super) fn is_queued(&self) -> bool {
        self.word.load(Ordering::Acquire) & QUEUED != 0
    }

    /// Requires external locking, and that whoever waits is served then. Those who run keep their slots.
    pub(super) fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Ordering::Release);
    }

    #[inline]
    pub(super) fn limit(&self) -> u32 {
        self.limit.load(Ordering::Acquire)
    }

    pub(super) fn active(&self) -> u32 {
        low(self.word.load(Ordering::Acquire) & ACTIVE)
    }

    pub(super) fn peak(&self) -> u32 {
        low(self.word.load(Ordering::Acquire) >> PEAK_SHIFT)
    }

    /// The most is what it is now.
    pub(super) fn forget_peak(&self) {
        let forget = |word| Some((word & ACTIVE) << PEAK_SHIFT | word & (QUEUED | ACTIVE));
        let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, forget);
    }
}

#[allow(clippy::cast_possible_truncation, reason = "callers have cut it to 32 bits")]
fn low(part: u64) -> u32 {
    part as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_taken_up_to_the_limit_and_the_most_is_remembered() {
        let slots = Slots::new(2);
        assert!(slots.take() && slots.take() && !slots.take());
        assert!(!slots.give_back());
        assert_eq!((slots.active(), slots.peak()), (1, 2));
        slots.forget_peak();
        assert_eq!((slots.active(), slots.peak()), (1, 1));
    }

    #[test]
    fn while_somebody_waits_a_slot_is_taken_for_the_first_only() {
        let slots = Slots::new(1);
        assert!(slots.take());
        slots.open_queue();
        assert!(slots.give_back());
        assert!(!slots.take());
        assert!(slots.take_for_first() && !slots.take_for_first());
        slots.close_queue();
        assert!(!slots.give_back());
        assert!(slots.take());
    }

    #[test]
    fn a_smaller_limit_waits_until_slots_come_back() {
        let slots = Slots::new(2);
        assert!(slots.take() && slots.take());
        slots.set_limit(1);
        assert!(!slots.give_back());
        assert!(!slots.take());
        assert!(!slots.give_back());
        assert!(slots.take() && !slots.take());
    }
}
