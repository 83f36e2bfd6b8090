//! What one operation's answers took lately: the measure behind `delay = "p95"`.

use std::fmt;
use std::time::Duration;

use crate::clock::nanos;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, Whole};

/// So many of the last durations count.
const KEPT: usize = 128;
/// Fewer say nothing.
const WARM_UP: usize = 20;
/// The quantile is taken anew after so many durations.
const EVERY: usize = 4;
const UNKNOWN: u64 = u64::MAX;

/// The 95th percentile of the last 128 durations, by nearest rank. Reading it is one load.
///
/// What is recorded is the time from a call's beginning to its good answer, whichever lane gave it. The time of
/// that lane alone would be short wherever a hedge won, and so pull the measure below itself, call by call.
pub(crate) struct Latency {
    p95: AtomicU64,
    ring: Mutex<Ring>,
}

struct Ring {
    nanos: [u64; KEPT],
    next: usize,
    known: usize,
}

impl Default for Latency {
    fn default() -> Self {
        let ring = Ring { nanos: [0; KEPT], next: 0, known: 0 };
        Self { p95: AtomicU64::new(UNKNOWN), ring: Mutex::new(ring) }
    }
}

impl Latency {
    /// `None` until enough was recorded.
    #[inline]
    pub(crate) fn p95(&self) -> Option<Duration> {
        let nanos = self.p95.load(Ordering::Relaxed);
        (nanos != UNKNOWN).then(|| Duration::from_nanos(nanos))
    }

    /// Nothing is known any more.
    pub(crate) fn reset(&self) {
        let mut ring = self.ring.lock().whole();
        (ring.next, ring.known) = (0, 0);
        self.p95.store(UNKNOWN, Ordering::Relaxed);
    }

    /// Takes a duration in; one that would have to wait for another thread's is left out, as a sample may be.
    pub(crate) fn record(&self, took: Duration) {
        let Ok(mut ring) = self.ring.try_lock() else { return };
        let at = ring.next;
        ring.nanos[at] = nanos(took).min(UNKNOWN - 1);
        ring.next = (at + 1) % KEPT;
        ring.known = KEPT.min(ring.known + 1);
        if ring.known >= WARM_UP && ring.next % EVERY == 0 {
            self.p95.store(ring.p95(), Ordering::Relaxed);
        }
    }
}

impl Ring {
    fn p95(&self) -> u64 {
        let mut sorted = self.nanos;
        let known = &mut sorted[..self.known];
        let rank = (known.len() * 95).div_ceil(100) - 1;
        *known.select_nth_unstable(rank).1
    }
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latency").field("p95", &self.p95()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(millis: impl IntoIterator<Item = u64>) -> Latency {
        let latency = Latency::default();
        millis.into_iter().for_each(|it| latency.record(Duration::from_millis(it)));
        latency
    }

    #[test]
    fn nineteen_durations_say_nothing_and_twenty_do() {
        assert_eq!(recorded(1..=19).p95(), None);
        assert_eq!(recorded(1..=20).p95(), Some(Duration::from_millis(19)));
    }

    #[test]
    fn it_is_the_nearest_rank_whatever_the_order() {
        assert_eq!(recorded(1..=100).p95(), Some(Duration::from_millis(95)));
        assert_eq!(recorded((1..=100).rev()).p95(), Some(Duration::from_millis(95)));
    }

    #[test]
    fn only_the_last_128_count() {
        let slow_then_fast = (0..500).map(|_| 900).chain((0..128).map(|_| 5));
        assert_eq!(recorded(slow_then_fast).p95(), Some(Duration::from_millis(5)));
    }

    #[test]
    fn an_absurd_duration_is_a_long_one_and_not_an_unknown_one() {
        let latency = Latency::default();
        (0..20).for_each(|_| latency.record(Duration::MAX));
        assert_eq!(latency.p95(), Some(Duration::from_nanos(u64::MAX - 1)));
    }
}
