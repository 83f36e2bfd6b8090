//! The bulkhead: so many calls at once, and a queue for the rest.

mod config;
mod core;
mod handle;
#[cfg(any(fuzzing, all(test, not(any(resilient_loom, resilient_shuttle)))))]
pub(crate) mod sequences;
mod slots;
mod snapshot;

use std::num::NonZeroU64;

pub use config::BulkheadConfig;
pub(crate) use core::BulkheadCore;
pub use handle::{Bulkhead, BulkheadPermit};
pub use snapshot::BulkheadSnapshot;

/// Where a call stands: nowhere, in the queue, inside. Whoever holds one owes a `cancel` for it, or, once inside, a
/// `leave`; a copy of it is for looking only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place(Option<NonZeroU64>);

impl Place {
    pub(crate) const NONE: Self = Self(None);
    pub(crate) const ENTERED: Self = Self(Some(NonZeroU64::MAX));

    /// It holds a slot.
    pub(crate) fn is_entered(self) -> bool {
        self == Self::ENTERED
    }

    /// It was put in the queue, and may have been granted a slot since.
    fn ticket(self) -> Option<NonZeroU64> {
        self.0.filter(|_| !self.is_entered())
    }
}
