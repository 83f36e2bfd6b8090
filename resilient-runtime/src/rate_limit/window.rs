//! The sliding window: when the last `rate` permits were for. It owns no lock, clock or listener.

use std::collections::VecDeque;
use std::time::Duration;

use super::Decision;
use crate::clock::Moment;

/// At most `rate` permits in any `per`. Oldest first; an instant in the future is somebody's who waits for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(VecDeque<Moment>);

impl Log {
    /// As if so many permits were taken just now.
    pub(super) fn taken_at(permits: usize, now: Moment) -> Self {
        Self(std::iter::repeat_n(now, permits).collect())
    }

    /// Takes `permits` for one instant, and says how long that must be waited for.
    pub(super) fn decide(
        &mut self,
        rate: u32,
        per: Duration,
        now: Moment,
        permits: u32,
        longest_wait: Duration,
    ) -> Decision<()> {
        if permits > rate {
            return Decision::Refused { retry_after: per };
        }
        let (rate, permits) = (size(rate), size(permits));
        let at = self.next(rate, per, now, permits);
        let wait = at.since(now);
        if wait > longest_wait || at == Moment::NEVER {
            return Decision::Refused { retry_after: wait };
        }
        self.0.extend(std::iter::repeat_n(at, permits));
        self.keep(rate);
        Decision::Granted { state: (), wait }
    }

    /// When so many permits, at most `rate`, are there together. Never before those that wait already.
    fn next(&self, rate: usize, per: Duration, now: Moment, permits: usize) -> Moment {
        let earliest = self.0.back().map_or(now, |last| now.max(*last));
        match (self.0.len() + permits).checked_sub(rate + 1).and_then(|leaving| self.0.get(leaving)) {
            Some(leaving) => earliest.max(leaving.saturating_add(per)),
            None => earliest,
        }
    }

    /// Goes on with another rate: what is older than the last `rate` permits says nothing.
    pub(super) fn keep(&mut self, rate: usize) {
        self.0.drain(..self.0.len().saturating_sub(rate));
    }

    /// No permit is for later than `farthest` from now: if one is, the clock was turned back, and they count as just
    /// taken.
    pub(super) fn make_credible(&mut self, now: Moment, farthest: Duration) {
        if self.0.back().is_some_and(|last| last.since(now) > farthest) {
            self.0.iter_mut().for_each(|at| *at = now.min(*at));
        }
    }

    /// Permits of the last `per`, those that are waited for included.
    pub(super) fn taken(&self, per: Duration, now: Moment) -> usize {
        self.0.len() - self.0.partition_point(|at| at.saturating_add(per) <= now)
    }

    /// When a permit is there.
    pub(super) fn free_at(&self, rate: u32, per: Duration, now: Moment) -> Moment {
        self.next(size(rate), per, now, 1)
    }

    /// When all are.
    pub(super) fn full_at(&self, per: Duration, now: Moment) -> Moment {
        self.0.back().map_or(now, |last| last.saturating_add(per).max(now))
    }
}

fn size(permits: u32) -> usize {
    usize::try_from(permits).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PER: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Moment {
        Moment::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_permit_is_there_again_exactly_one_per_later() {
        let mut log = Log::default();
        let mut take = |millis, longest| log.decide(2, PER, at(millis), 1, Duration::from_millis(longest));
        let now = Decision::Granted { state: (), wait: Duration::ZERO };
        let refused = |millis| Decision::Refused { retry_after: Duration::from_millis(millis) };
        assert_eq!((take(0, 0), take(400, 0), take(999, 0)), (now, now, refused(1)));
        assert_eq!((take(1_000, 0), take(1_000, 0), take(1_400, 0)), (now, refused(400), now));
    }

    #[test]
    fn permits_taken_together_are_for_one_instant() {
        let mut log = Log::default();
        assert!(matches!(log.decide(3, PER, at(0), 1, PER), Decision::Granted { .. }));
        assert!(matches!(log.decide(3, PER, at(500), 2, PER), Decision::Granted { .. }));
        let three = log.decide(3, PER, at(600), 3, PER);
        assert_eq!(three, Decision::Granted { state: (), wait: Duration::from_millis(900) });
        assert_eq!(log.decide(3, PER, at(5_000), 4, PER), Decision::Refused { retry_after: PER });
        assert_eq!(log.taken(PER, at(2_499)), 3);
        assert_eq!(log.taken(PER, at(2_500)), 0);
    }

    #[test]
    fn all_permits_are_there_one_per_after_the_last_was_taken() {
        let mut log = Log::default();
        assert_eq!(log.full_at(PER, at(300)), at(300));
        for millis in [0, 400] {
            log.decide(2, PER, at(millis), 1, Duration::ZERO);
        }
        assert_eq!(log.full_at(PER, at(500)), at(1_400));
        assert_eq!(log.full_at(PER, at(2_000)), at(2_000));
    }

    #[test]
    fn a_clock_turned_back_costs_no_more_than_one_per() {
        let mut log = Log::taken_at(2, at(3_600_000));
        log.make_credible(at(1_000), Duration::ZERO);
        assert_eq!(log.free_at(2, PER, at(1_000)), at(2_000));
        let mut waiting = Log::taken_at(2, at(1_500));
        waiting.make_credible(at(1_000), Duration::from_millis(500));
        assert_eq!(waiting.free_at(2, PER, at(1_000)), at(2_500));
    }

    proptest! {
        #[test]
        fn no_span_of_one_per_ever_holds_more_than_the_rate(
            rate in 1_u32..6,
            calls in prop::collection::vec((0_u64..400, 1_u32..4, 0_u64..1_500), 1..80),
        ) {
            let (mut log, mut now, mut granted) = (Log::default(), 0, Vec::new());
            for (passing, permits, longest) in calls {
                now += passing;
                let longest = Duration::from_millis(longest);
                if let Decision::Granted { wait, .. } = log.decide(rate, PER, at(now), permits, longest) {
                    prop_assert!(wait <= longest);
                    granted.extend((0..permits).map(|_| at(now).saturating_add(wait)));
                }
            }
            prop_assert!(granted.is_sorted());
            for from in &granted {
                let until = from.saturating_add(PER);
                let in_window = granted.iter().filter(|at| (*from..until).contains(at)).count();
                prop_assert!(in_window <= size(rate), "{in_window} from {from:?}");
            }
        }
    }
}
