//! What the rate rules look back on: the last N results, or the results of the last so much time.

use std::collections::VecDeque;
use std::time::Duration;

use super::config::Window;
use crate::clock::{When, nanos};

/// Buckets of a time window. A bucket shorter than 20 ms would be finer than the clock of a busy machine.
const BUCKETS: u32 = 10;
const SHORTEST_BUCKET: Duration = Duration::from_millis(20);
/// Of a bucket this long a tick is hardly a part. Nanoseconds.
const LONG_BUCKET: u64 = 1_000_000_000;

/// One result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) failed: bool,
    pub(super) slow: bool,
    /// Dropped before it ended: in no rate, but all of a window's being so says something.
    pub(super) abandoned: bool,
}

/// Sums over the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) successes: u32,
    pub(super) failures: u32,
    pub(super) slow_successes: u32,
    pub(super) slow_failures: u32,
    pub(super) abandoned: u32,
}

impl Totals {
    pub(super) fn calls(&self) -> u32 {
        self.successes.saturating_add(self.failures)
    }

    pub(super) fn slow(&self) -> u32 {
        self.slow_successes.saturating_add(self.slow_failures)
    }

    fn cells(&mut self, sample: Sample) -> (&mut u32, Option<&mut u32>) {
        match sample {
            Sample { abandoned: true, .. } => (&mut self.abandoned, None),
            Sample { failed: true, slow, .. } => {
                (&mut self.failures, slow.then_some(&mut self.slow_failures))
            }
            Sample { slow, .. } => (&mut self.successes, slow.then_some(&mut self.slow_successes)),
        }
    }

    fn add(&mut self, sample: Sample) {
        let (all, slow) = self.cells(sample);
        *all = all.saturating_add(1);
        if let Some(slow) = slow {
            *slow = slow.saturating_add(1);
        }
    }

    fn remove(&mut self, sample: Sample) {
        let (all, slow) = self.cells(sample);
        *all = all.saturating_sub(1);
        if let Some(slow) = slow {
            *slow = slow.saturating_sub(1);
        }
    }

    fn subtract(&mut self, other: &Self) {
        self.successes = self.successes.saturating_sub(other.successes);
        self.failures = self.failures.saturating_sub(other.failures);
        self.slow_successes = self.slow_successes.saturating_sub(other.slow_successes);
        self.slow_failures = self.slow_failures.saturating_sub(other.slow_failures);
        self.abandoned = self.abandoned.saturating_sub(other.abandoned);
    }
}

/// A window and what is in it.
#[derive(Clone, Debug)]
pub(super) struct Results {
    totals: Totals,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Count { size: usize, oldest: usize, ring: Vec<Sample> },
    Time { bucket: u64, buckets: u64, filled: VecDeque<(u64, Totals)> },
}

impl Results {
    pub(super) fn new(window: Window) -> Self {
        let kind = match window {
            Window::Count(size) => Kind::Count { size: size as usize, oldest: 0, ring: Vec::new() },
            Window::Time(span) => {
                let fine = span / BUCKETS >= SHORTEST_BUCKET;
                let buckets = u64::from(if fine { BUCKETS } else { 1 });
                Kind::Time { bucket: (nanos(span) / buckets).max(1), buckets, filled: VecDeque::new() }
            }
        };
        Self { totals: Totals::default(), kind }
    }

    /// Whether one more quick success would change nothing: a full count window of nothing but those.
    pub(super) fn is_saturated(&self) -> bool {
        let Kind::Count { size, .. } = self.kind else { return false };
        let only = Totals { successes: self.totals.successes, ..Totals::default() };
        self.totals == only && self.totals.successes as usize == size
    }

    pub(super) fn clear(&mut self) {
        self.totals = Totals::default();
        match &mut self.kind {
            Kind::Count { oldest, ring, .. } => {
                ring.clear();
                *oldest = 0;
            }
            Kind::Time { filled, .. } => filled.clear(),
        }
    }

    /// Whether time alone takes nothing out of it.
    pub(super) fn is_timeless(&self) -> bool {
        matches!(self.kind, Kind::Count { .. })
    }

    pub(super) fn push(&mut self, when: &impl When, sample: Sample) {
        let index = self.expire(when);
        match &mut self.kind {
            Kind::Count { size, oldest, ring } => {
                if ring.len() < *size {
                    ring.push(sample);
                } else {
                    self.totals.remove(std::mem::replace(&mut ring[*oldest], sample));
                    *oldest = if *oldest + 1 == *size { 0 } else { *oldest + 1 };
                }
            }
            Kind::Time { filled, .. } => {
                // A clock that stepped back writes into the newest bucket, so the order of buckets holds.
                match filled.back_mut() {
                    Some((newest, totals)) if *newest >= index => totals.add(sample),
                    _ => {
                        let mut totals = Totals::default();
                        totals.add(sample);
                        filled.push_back((index, totals));
                    }
                }
            }
        }
        self.totals.add(sample);
        if index == u64::MAX {
            // At the end of time nothing lasts.
            self.expire(when);
        }
    }

    /// The sums as of `when`.
    pub(super) fn totals(&mut self, when: &impl When) -> Totals {
        self.expire(when);
        self.totals
    }

    /// The sums as of the latest result.
    pub(super) fn latest_totals(&self) -> Totals {
        self.totals
    }

    /// Takes out what is too old; the number of the present bucket.
    fn expire(&mut self, when: &impl When) -> u64 {
        let Kind::Time { bucket, buckets, filled } = &mut self.kind else { return 0 };
        let now = if *bucket >= LONG_BUCKET { when.lately() } else { when.exactly() };
        let index = now.as_nanos() / *bucket;
        while let Some((oldest, totals)) = filled.front() {
            if oldest.saturating_add(*buckets) > index {
                break;
            }
            self.totals.subtract(totals);
            filled.pop_front();
        }
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Late, Moment};

    const OK: Sample = Sample { failed: false, slow: false, abandoned: false };
    const BAD: Sample = Sample { failed: true, slow: false, abandoned: false };

    fn at(millis: u64) -> Moment {
        Moment::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_count_window_forgets_the_oldest_result() {
        let mut window = Results::new(Window::Count(4));
        let mut failures = Vec::new();
        for sample in [BAD, OK, OK, OK, OK] {
            window.push(&Moment::ZERO, sample);
            failures.push(window.totals(&Moment::ZERO).failures);
        }
        assert_eq!(failures, [1, 1, 1, 1, 0]);
        assert_eq!(window.totals(&Moment::ZERO).calls(), 4);
    }

    #[test]
    fn a_count_window_is_saturated_by_successes_alone() {
        let mut window = Results::new(Window::Count(3));
        for (sample, saturated) in
            [(OK, false), (BAD, false), (OK, false), (OK, false), (OK, true), (OK, true), (BAD, false)]
        {
            window.push(&Moment::ZERO, sample);
            assert_eq!(window.is_saturated(), saturated);
        }
        let mut window = Results::new(Window::Time(Duration::from_secs(1)));
        window.push(&Moment::ZERO, OK);
        assert!(!window.is_saturated(), "time passes");
    }

    #[test]
    fn buckets_of_a_second_or_more_go_by_the_last_tick() {
        for (span, failures) in [(10_000, 1), (9_990, 0)] {
            let mut window = Results::new(Window::Time(Duration::from_millis(span)));
            window.push(&at(0), BAD);
            assert_eq!(window.totals(&Late { exactly: at(span), by: 1 }).failures, failures);
            assert_eq!(window.totals(&at(span)).failures, 0);
        }
    }

    #[test]
    fn a_result_one_window_old_is_out() {
        let mut window = Results::new(Window::Time(Duration::from_secs(10)));
        window.push(&at(0), BAD);
        assert_eq!(window.totals(&at(9_999)).failures, 1);
        assert_eq!(window.totals(&at(10_000)).failures, 0);
    }

    #[test]
    fn a_time_window_takes_room_for_its_buckets_and_not_for_its_results() {
        let mut window = Results::new(Window::Time(Duration::from_secs(10)));
        for step in 0..1_000 {
            window.push(&at(step), BAD);
        }
        let Kind::Time { filled, .. } = &window.kind else { panic!("a window of time") };
        assert!(filled.len() <= 2, "{} buckets in one of 10 s", filled.len());
    }

    #[test]
    fn a_gap_longer_than_the_window_leaves_nothing_behind() {
        let mut window = Results::new(Window::Time(Duration::from_secs(1)));
        for step in 0..10 {
            window.push(&at(step * 100), BAD);
        }
        assert_eq!(window.totals(&at(900)).failures, 10);
        window.push(&at(60_000), OK);
        assert_eq!(window.totals(&at(60_000)), Totals { successes: 1, ..Totals::default() });
    }

    #[test]
    fn a_clock_that_steps_back_loses_nothing() {
        let mut window = Results::new(Window::Time(Duration::from_secs(10)));
        window.push(&at(5_000), BAD);
        window.push(&at(1_000), BAD);
        assert_eq!(window.totals(&at(5_000)).failures, 2);
    }

    #[test]
    fn a_window_agrees_with_a_list_of_everything() {
        let mut rng = fastrand::Rng::with_seed(7);
        for size in [1_u32, 3, 100] {
            let mut window = Results::new(Window::Count(size));
            let mut all = Vec::new();
            for _ in 0..1_000 {
                let sample = Sample { failed: rng.bool(), slow: rng.bool(), abandoned: rng.u8(..) < 20 };
                window.push(&Moment::ZERO, sample);
                all.push(sample);
                let mut expected = Totals::default();
                all.iter().rev().take(size as usize).for_each(|sample| expected.add(*sample));
                assert_eq!(window.totals(&Moment::ZERO), expected);
            }
        }
        let mut window = Results::new(Window::Time(Duration::from_secs(1)));
        let (mut all, mut now) = (Vec::new(), 0);
        for _ in 0..2_000 {
            now += rng.u64(0..150);
            let sample = Sample { failed: rng.bool(), slow: rng.bool(), abandoned: rng.u8(..) < 20 };
            window.push(&at(now), sample);
            all.push((now, sample));
            let mut expected = Totals::default();
            let inside = |then: &u64| then / 100 + 10 > now / 100;
            all.iter().filter(|(then, _)| inside(then)).for_each(|(_, sample)| expected.add(*sample));
            assert_eq!(window.totals(&at(now)), expected);
        }
    }
}
