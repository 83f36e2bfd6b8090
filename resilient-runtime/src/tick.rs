//! The system's monotonic clock as the kernel has it: the exact one, without the price of std's type for it, and the one as
//! of the last tick, for a fourth of that price and at most a tick behind.

use std::time::Duration;

/// The longest a tick is, with room to spare: 10 ms where the kernel is built for 100 ticks a second, the fewest.
pub(crate) const LONGEST_TICK: Duration = Duration::from_millis(25);

/// A reading that counts as zero. There is none where the system keeps no such clock, or where tokio's time may be
/// paused: then only tokio knows what time it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TickOrigin(u64);

impl TickOrigin {
    /// Beginning now.
    pub(crate) fn now() -> Option<Self> {
        if time_may_be_paused() { None } else { imp::exactly().map(Self) }
    }

    /// Nanoseconds from here to now.
    #[inline]
    pub(crate) fn elapsed_exactly(self) -> Option<u64> {
        imp::exactly().map(|at| at.saturating_sub(self.0))
    }

    /// Nanoseconds from here to the last tick.
    #[inline]
    pub(crate) fn elapsed(self) -> Option<u64> {
        imp::last_tick().map(|at| at.saturating_sub(self.0))
    }
}

/// Whether tokio was built with its feature `test-util`, which some other crate may have asked for.
///
/// Only with it has a runtime's builder the method `start_paused` of its own, which is found before the trait's.
fn time_may_be_paused() -> bool {
    use tokio::runtime::Builder;

    struct Absent;

    trait Otherwise {
        #[allow(dead_code, reason = "where the builder has its own")]
        fn start_paused(&mut self, _: bool) -> Absent {
            Absent
        }
    }
    impl Otherwise for Builder {}

    trait Tells {
        fn may_be_paused(&self) -> bool;
    }
    impl Tells for Absent {
        fn may_be_paused(&self) -> bool {
            false
        }
    }
    impl Tells for &mut Builder {
        fn may_be_paused(&self) -> bool {
            true
        }
    }

    Builder::new_current_thread().start_paused(false).may_be_paused()
}

#[cfg(target_os = "linux")]
mod imp {
    use std::mem::MaybeUninit;

    #[inline]
    pub(super) fn exactly() -> Option<u64> {
        read(libc::CLOCK_MONOTONIC)
    }

    #[inline]
    pub(super) fn last_tick() -> Option<u64> {
        read(libc::CLOCK_MONOTONIC_COARSE)
    }

    #[inline]
    fn read(clock: libc::clockid_t) -> Option<u64> {
        let mut time = MaybeUninit::<libc::timespec>::uninit();
        // SAFETY: the call writes a whole `timespec` where it is told to, which is there for it, and says 0 when it has.
        #[allow(unsafe_code, reason = "std has no such clock")]
        let time = unsafe {
            if libc::clock_gettime(clock, time.as_mut_ptr()) != 0 {
                return None;
            }
            time.assume_init()
        };
        let (seconds, nanos) = (u64::try_from(time.tv_sec).ok()?, u64::try_from(time.tv_nsec).ok()?);
        seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    pub(super) fn exactly() -> Option<u64> {
        None
    }

    pub(super) fn last_tick() -> Option<u64> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_last_tick_is_never_ahead_and_at_most_a_tick_behind() {
        for _ in 0..1_000 {
            let before = imp::exactly();
            let tick = imp::last_tick();
            let after = imp::exactly();
            assert!(tick <= after, "{tick:?} {after:?}");
            // This thread may have been put to sleep between the readings, but for so long a thousand times?
            let behind = Duration::from_nanos(before.unwrap_or(0).saturating_sub(tick.unwrap_or(0)));
            assert!(behind <= LONGEST_TICK, "{behind:?}");
        }
    }

    #[test]
    fn no_tick_is_read_where_a_test_may_pause_the_time() {
        // These tests are built with tokio's `test-util`.
        assert!(time_may_be_paused());
        assert!(TickOrigin::now().is_none());
    }
}
