//! Whether Redis is away, and since when: a number that grows with every change.

use std::sync::atomic::{AtomicU64, Ordering};

/// Even while Redis is there, odd while it is away; so an odd one names an outage.
#[derive(Debug, Default)]
pub(super) struct Outages(AtomicU64);

/// What was known when a call began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known(u64);

impl Known {
    pub(super) fn is_away(self) -> bool {
        !self.0.is_multiple_of(2)
    }
}

impl Outages {
    pub(super) fn known(&self) -> Known {
        Known(self.0.load(Ordering::Acquire))
    }

    /// Redis is away: the outage it is in, and whether it begins now.
    pub(super) fn away(&self) -> (u64, bool) {
        let mut now = self.0.load(Ordering::Acquire);
        while now.is_multiple_of(2) {
            match self.0.compare_exchange_weak(now, now + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return (now + 1, true),
                Err(other) => now = other,
            }
        }
        (now, false)
    }

    /// Redis answered a call that began when `known` was so: the outage that this ends. A call that began before the outage
    /// says nothing about its end.
    pub(super) fn back(&self, known: Known) -> Option<u64> {
        let ends = known.is_away()
            && self.0.compare_exchange(known.0, known.0 + 1, Ordering::AcqRel, Ordering::Acquire).is_ok();
        ends.then_some(known.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_ends_by_a_call_that_began_in_it() {
        let outages = Outages::default();
        let before = outages.known();
        assert_eq!(outages.away(), (1, true));
        assert_eq!(outages.away(), (1, false));
        assert_eq!(outages.back(before), None, "it began when Redis was still there");
        let within = outages.known();
        assert!(within.is_away());
        assert_eq!(outages.back(within), Some(1));
        assert_eq!(outages.back(within), None, "it is over already");
        assert_eq!(outages.away(), (3, true), "the next one is another");
        assert_eq!(outages.back(within), None);
    }
}
