//! How many permits were granted lately, counted in one word for each thread.

use std::time::Duration;

use crate::clock::{Moment, nanos};

/// How time is cut into periods, and which number each has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Periods {
    /// Nanoseconds.
    pub(super) per: u64,
    /// The number of the first.
    pub(super) first: u64,
}

impl Periods {
    /// Numbers that none of what was counted before has: only who counts writes there, so nobody else can put it to zero.
    pub(super) const fn anew(self, per: Duration) -> Self {
        // 2^24 by the golden ratio: far from each other, however many follow.
        Self { per: nanos(per), first: self.first.wrapping_add(0x009E_3779) & Recent::PERIODS }
    }

    fn at(self, now: Moment) -> u64 {
        (now.as_nanos() / self.per.max(1)).wrapping_add(self.first) & Recent::PERIODS
    }
}

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
    #[inline]
    pub(super) fn granted(self, permits: u32, periods: Periods, now: Moment) -> Self {
        let at_now = self.at(periods, now);
        Self { running: at_now.running + u64::from(permits), ..at_now }
    }

    #[inline]
    fn at(self, periods: Periods, now: Moment) -> Self {
        let period = periods.at(now);
        match period.wrapping_sub(self.period) & Self::PERIODS {
            0 => self,
            1 => Self { period, before: self.running, running: 0 },
            _ => Self { period, before: 0, running: 0 },
        }
    }

    /// Permits over the last period, the part of it that lies in the one before taken in proportion. `all` were
    /// counted by `now`.
    pub(super) fn permits(all: &[u64], periods: Periods, now: Moment) -> f64 {
        let at_now = all.iter().map(|word| Self::of(*word).at(periods, now));
        let (before, running) = at_now.fold((0, 0), |sum, one| (sum.0 + one.before, sum.1 + one.running));
        let length = periods.per.max(1);
        let over = (now.as_nanos() % length) as f64 / length as f64;
        running as f64 + before as f64 * (1.0 - over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_period() {
        let (per, at) = (Duration::from_secs(2), |millis: u64| Moment::from_nanos(millis * 1_000_000));
        let periods = Periods { per: nanos(per), first: 0 };
        let mut words = [0, 0];
        for tenth in 0..40 {
            let word = &mut words[usize::from(tenth % 3 == 0)];
            *word = Recent::of(*word).granted(1, periods, at(tenth * 100)).word();
        }
        for (millis, rate) in [(3_999, 10.0), (4_000, 10.0), (5_000, 5.0), (6_000, 0.0), (9_000, 0.0)] {
            let seen = Recent::permits(&words, periods, at(millis)) / per.as_secs_f64();
            assert!((seen - rate).abs() < 0.01, "{seen} at {millis} ms");
        }
    }

    #[test]
    fn what_was_counted_by_other_numbers_says_nothing() {
        let (per, now) = (Duration::from_secs(1), Moment::from_nanos(5_500_000_000));
        let before = Periods { per: nanos(per), first: 0 };
        let word = Recent::of(0).granted(7, before, now).word();
        let mut periods = before;
        for _ in 0..10_000 {
            periods = periods.anew(per);
            assert_eq!(Recent::permits(&[word], periods, now).to_bits(), 0.0_f64.to_bits());
        }
        let again = Recent::of(word).granted(1, periods, now).word();
        assert_eq!(Recent::permits(&[again], periods, now).to_bits(), 1.0_f64.to_bits());
    }

    #[test]
    fn no_number_of_permits_spills_over() {
        let (periods, now) = (Periods { per: 1_000_000_000, first: 0 }, Moment::from_nanos(5_000_000_000));
        let full = Recent::of(0).granted(u32::MAX, periods, now).word();
        let recent = Recent::of(Recent::of(full).granted(u32::MAX, periods, now).word());
        assert_eq!((recent.period, recent.before, recent.running), (5, 0, Recent::MOST));
    }
}
