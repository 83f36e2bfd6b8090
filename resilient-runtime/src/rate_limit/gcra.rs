//! The generic cell rate algorithm: one instant, from which everything follows. It owns no lock, clock or listener.
//!
//! The instant is when the limiter will be full again ("theoretical arrival time" in ITU-T I.371, where the algorithm
//! is from). A permit moves it on by one interval; it lies in the past when nothing is taken.

use std::time::Duration;

use super::Decision;
use crate::clock::{Moment, from_nanos_f64, nanos};

/// How fast permits come, and how many may be saved up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// Nanoseconds from one permit to the next, rounded up: never more than the rate.
    pub(super) interval: u64,
    /// Nanoseconds from empty to full.
    pub(super) filling: u64,
}

impl Pace {
    pub(super) fn new(rate: u32, per: Duration, burst: u32) -> Self {
        let interval = nanos(per).div_ceil(u64::from(rate.max(1))).max(1);
        Self { interval, filling: interval.saturating_mul(u64::from(burst)) }
    }

    /// `full_at` moved by `permits`, and how long they must be waited for.
    #[inline]
    pub(super) fn decide(
        self,
        full_at: Moment,
        now: Moment,
        permits: u32,
        longest_wait: Duration,
    ) -> Decision<Moment> {
        let cost = self.interval.saturating_mul(u64::from(permits));
        let next = Moment::from_nanos(full_at.max(now).as_nanos().saturating_add(cost));
        let wait = next.nanos_since(now).saturating_sub(self.filling);
        if cost > self.filling || next == Moment::NEVER {
            // More at once than there ever are.
            return Decision::Refused { retry_after: Duration::from_nanos(wait.max(self.interval)) };
        }
        if wait == 0 {
            return Decision::Granted { state: next, wait: Duration::ZERO };
        }
        let wait = Duration::from_nanos(wait);
        if wait > longest_wait {
            return Decision::Refused { retry_after: wait };
        }
        Decision::Granted { state: next, wait }
    }

    /// No reservation leads further than `farthest` beyond a full limiter: if this one does, the clock was turned back.
    #[inline]
    pub(super) fn credible(self, full_at: Moment, now: Moment, farthest: Duration) -> Moment {
        if full_at.nanos_since(now) <= self.filling {
            return full_at;
        }
        full_at.min(now.saturating_add(Duration::from_nanos(self.filling)).saturating_add(farthest))
    }

    /// Permits that are taken and have not come back.
    pub(super) fn taken(self, full_at: Moment, now: Moment) -> f64 {
        nanos(full_at.since(now)) as f64 / self.interval as f64
    }

    /// When it is full if so many are taken.
    pub(super) fn full_at(self, taken: f64, now: Moment) -> Moment {
        now.saturating_add(from_nanos_f64(taken * self.interval as f64))
    }

    /// Whole permits that are there now.
    pub(super) fn available(self, full_at: Moment, now: Moment) -> u32 {
        let left = self.filling.saturating_sub(nanos(full_at.since(now)));
        u32::try_from(left / self.interval).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    /// Plays `(now, permits, longest wait)` in milliseconds; a wait of `None` is a refusal.
    fn play(pace: Pace, steps: &[(u64, u32, u64)]) -> Vec<Option<u64>> {
        let mut full_at = Moment::ZERO;
        let play = |(now, permits, longest): &(u64, u32, u64)| {
            let now = Moment::from_nanos(now * MS);
            match pace.decide(full_at, now, *permits, Duration::from_millis(*longest)) {
                Decision::Granted { state, wait } => {
                    full_at = state;
                    Some(nanos(wait) / MS)
                }
                Decision::Refused { .. } => None,
            }
        };
        steps.iter().map(play).collect()
    }

    #[test]
    fn a_burst_passes_at_once_and_then_one_an_interval() {
        let pace = Pace::new(10, Duration::from_secs(1), 3);
        let steps = [(0, 1, 0), (0, 1, 0), (0, 1, 0), (0, 1, 0), (99, 1, 0), (100, 1, 0), (150, 1, 0)];
        assert_eq!(play(pace, &steps), [Some(0), Some(0), Some(0), None, None, Some(0), None]);
        assert_eq!(play(pace, &[(10_000, 3, 0), (10_000, 1, 0)]), [Some(0), None]);
    }

    #[test]
    fn a_refusal_takes_nothing_and_a_reservation_waits_its_turn() {
        let pace = Pace::new(10, Duration::from_secs(1), 1);
        let steps = [(0, 1, 0), (0, 1, 99), (0, 1, 100), (0, 1, 150), (0, 1, 200), (250, 1, 50)];
        assert_eq!(play(pace, &steps), [Some(0), None, Some(100), None, Some(200), Some(50)]);
    }

    #[test]
    fn more_than_the_burst_at_once_is_never_granted() {
        let pace = Pace::new(10, Duration::from_secs(1), 3);
        let decision = pace.decide(Moment::ZERO, Moment::ZERO, 4, Duration::MAX);
        assert_eq!(decision, Decision::Refused { retry_after: Duration::from_millis(100) });
    }

    #[test]
    fn an_interval_is_never_too_short() {
        for rate in [1, 3, 7, 1_000, 999_999_937, u32::MAX] {
            let pace = Pace::new(rate, Duration::from_secs(1), rate);
            assert!(pace.interval * u64::from(rate) >= 1_000_000_000, "{rate}");
        }
        assert_eq!(Pace::new(4, Duration::from_secs(1), 2), Pace { interval: 250 * MS, filling: 500 * MS });
    }

    #[test]
    fn the_ends_of_time_overflow_nothing() {
        let slowest = Pace::new(1, Duration::MAX, u32::MAX);
        for full_at in [Moment::ZERO, Moment::NEVER] {
            for now in [Moment::ZERO, Moment::NEVER] {
                for permits in [0, 1, u32::MAX] {
                    let _ = slowest.decide(full_at, now, permits, Duration::MAX);
                }
                let _ = slowest.credible(full_at, now, Duration::MAX);
                let _ = slowest.full_at(slowest.taken(full_at, now), now);
                let _ = slowest.available(full_at, now);
            }
        }
    }

    proptest! {
        #[test]
        fn no_span_ever_holds_more_than_the_burst_and_the_rate(
            rate in 1_u32..9,
            burst in 1_u32..9,
            calls in prop::collection::vec((0_u64..400, 1_u32..4, 0_u64..1_500), 1..80),
        ) {
            let pace = Pace::new(rate, Duration::from_secs(1), burst);
            let (mut full_at, mut now, mut granted) = (Moment::ZERO, Moment::ZERO, Vec::new());
            for (passing, permits, longest) in calls {
                now = now.saturating_add(Duration::from_millis(passing));
                let longest = Duration::from_millis(longest);
                if let Decision::Granted { state, wait } = pace.decide(full_at, now, permits, longest) {
                    prop_assert!(wait <= longest);
                    full_at = state;
                    granted.extend((0..permits).map(|_| now.saturating_add(wait)));
                }
            }
            for (n, from) in granted.iter().enumerate() {
                for (m, until) in granted.iter().enumerate().skip(n) {
                    let saved_up = until.since(*from).as_secs_f64() * f64::from(rate);
                    prop_assert!((m - n + 1) as f64 <= f64::from(burst) + saved_up + 1e-6);
                }
            }
        }
    }

    #[test]
    fn a_clock_turned_back_costs_no_more_than_an_empty_limiter() {
        let pace = Pace::new(10, Duration::from_secs(1), 10);
        let (now, hour_ahead) = (Moment::from_nanos(MS), Moment::from_nanos(3_600_000 * MS));
        let full_at = pace.credible(hour_ahead, now, Duration::ZERO);
        assert_eq!(full_at.since(now), Duration::from_secs(1));
        assert_eq!(pace.available(full_at, now), 0);
    }
}
