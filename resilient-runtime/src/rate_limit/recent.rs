//! How many permits were granted lately, counted in one word beside the limiter's state.

use std::time::Duration;

use crate::clock::{Moment, nanos};

/// The permits granted in the `per` that runs and in the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recent {
    /// Which `per` it is, modulo 2^24.
    period: u64,
    before: u64,
    running: u64,
}

impl Recent {
    const PERIODS: u64 = (1 << 24) - 1;
    const MOST: u64 = (1 << 20) - 1;

    pub(super) const fn of(word: u64) -> Self {
        Self { period: word >> 40, before: word >> 20 & Self::MOST, running: word & Self::MOST }
    }

    pub(super) fn word(self) -> u64 {
        self.period << 40 | self.before.min(Self::MOST) << 20 | self.running.min(Self::MOST)
    }

    #[must_use]
    pub(super) fn granted(self, permits: u32, per: Duration, now: Moment) -> Self {
        let at_now = self.at(per, now);
        Self { running: at_now.running + u64::from(permits), ..at_now }
    }

    fn at(self, per: Duration, now: Moment) -> Self {
        let period = (now.as_nanos() / nanos(per).max(1)) & Self::PERIODS;
        match period.wrapping_sub(self.period) & Self::PERIODS {
            0 => self,
            1 => Self { period, before: self.running, running: 0 },
            _ => Self { period, before: 0, running: 0 },
        }
    }

    /// Permits per second over the last `per`, the part of it that lies in the period before taken in proportion.
    pub(super) fn per_second(self, per: Duration, now: Moment) -> f64 {
        let at_now = self.at(per, now);
        let length = nanos(per).max(1);
        let over = (now.as_nanos() % length) as f64 / length as f64;
        (at_now.running as f64 + at_now.before as f64 * (1.0 - over)) / per.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_period() {
        let (per, at) = (Duration::from_secs(2), |millis: u64| Moment::from_nanos(millis * 1_000_000));
        let mut recent = Recent::of(0);
        for tenth in 0..40 {
            recent = Recent::of(recent.granted(1, per, at(tenth * 100)).word());
        }
        for (millis, rate) in [(3_999, 10.0), (4_000, 10.0), (5_000, 5.0), (6_000, 0.0), (9_000, 0.0)] {
            let seen = recent.per_second(per, at(millis));
            assert!((seen - rate).abs() < 0.01, "{seen} at {millis} ms");
        }
    }

    #[test]
    fn no_number_of_permits_spills_over() {
        let (per, now) = (Duration::from_secs(1), Moment::from_nanos(5_000_000_000));
        let full = Recent::of(0).granted(u32::MAX, per, now).word();
        let recent = Recent::of(Recent::of(full).granted(u32::MAX, per, now).word());
        assert_eq!((recent.period, recent.before, recent.running), (5, 0, Recent::MOST));
    }
}
