//! Whether anything in the process wants more of a healthy call than its result: all that such a call asks.

use crate::sync::plain::atomic::{AtomicUsize, Ordering};

/// Scopes, listeners and faults on purpose. Zero in most processes most of the time.
static UNUSUAL: AtomicUsize = AtomicUsize::new(0);

/// Something that healthy calls must look out for, until it is dropped.
#[derive(Debug)]
pub(crate) struct Unusual(());

impl Unusual {
    pub(crate) fn begins() -> Self {
        UNUSUAL.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Unusual {
    fn drop(&mut self) {
        UNUSUAL.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether a call need not look out for anything.
#[inline]
pub(crate) fn all_is_usual() -> bool {
    UNUSUAL.load(Ordering::Relaxed) == 0
}
