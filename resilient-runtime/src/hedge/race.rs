//! The rules of a race: which lane starts when, and whose answer is the race's. No clock, no future, no thread.

use std::ops::ControlFlow;
use std::time::Duration;

/// How a lane's answer is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// It wins at once.
    Good,
    /// Another lane may do better. The next one starts so much later, by default at once; with `None` there is no
    /// next one, and those under way go on.
    Bad { next_in: Option<Duration> },
    /// As [`Judged::Bad`], but there is nothing in it to hand out as long as another lane had an answer.
    Nothing,
    /// No lane can do better: it ends the race as it is.
    Final,
}

impl Judged {
    /// Bad, and the next lane starts at once.
    pub(crate) const BAD: Self = Self::Bad { next_in: Some(Duration::ZERO) };
}

/// A lane's answer that says how it is to be taken.
pub(crate) trait Answer {
    fn judged(&self) -> Judged;
}

impl<T> Answer for (T, Judged) {
    fn judged(&self) -> Judged {
        self.1
    }
}

/// One race: lanes are numbered from 0, the primary, in the order they start.
#[derive(Debug)]
pub(crate) struct Race<T> {
    delay: Duration,
    most: u32,
    started: u32,
    running: u32,
    /// Lanes that start at once, in place of so many that failed.
    due: u32,
    /// Before the next lane, counted from the last start or answer.
    wait: Duration,
    stopped: bool,
    /// Of the answers so far, the one to hand out when no lane wins: the lowest rank.
    kept: Option<(u64, T)>,
}

impl<T: Answer> Race<T> {
    /// A race of at most `max_hedges` lanes beside the primary; [`Duration::MAX`] starts the next only when one failed.
    pub(crate) fn new(delay: Duration, max_hedges: u32) -> Self {
        Self {
            delay,
            most: max_hedges.saturating_add(1),
            started: 0,
            running: 0,
            due: 1,
            wait: delay,
            stopped: false,
            kept: None,
        }
    }

    /// The next lane starts; this is its number. The wait for the one after it begins anew.
    pub(crate) fn start(&mut self) -> u32 {
        let number = self.started;
        self.started += 1;
        self.running += 1;
        self.due = self.due.saturating_sub(1);
        self.wait = self.delay;
        number
    }

    /// How long after the last start or answer the next lane starts; `None`: not by the passing of time.
    pub(crate) fn wait(&self) -> Option<Duration> {
        if self.stopped || self.started >= self.most {
            None
        } else if self.due > 0 {
            Some(Duration::ZERO)
        } else {
            (self.wait != Duration::MAX).then_some(self.wait)
        }
    }

    /// No further lane starts.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
    }

    /// A lane ended. `Break` is the race's answer; whatever else runs is to be dropped.
    pub(crate) fn answered(&mut self, lane: u32, answer: T) -> ControlFlow<T> {
        const NOTHING: u64 = 1 << 32;
        let judged = answer.judged();
        self.running -= 1;
        let rank = match judged {
            Judged::Good | Judged::Final => {
                self.kept = None;
                return ControlFlow::Break(answer);
            }
            Judged::Nothing => NOTHING + u64::from(lane),
            Judged::Bad { .. } => u64::from(lane),
        };
        self.kept = self.kept.take().into_iter().chain([(rank, answer)]).min_by_key(|(rank, _)| *rank);
        match judged {
            Judged::Bad { next_in: None } => self.stop(),
            Judged::Bad { next_in: Some(wait) } if !wait.is_zero() => self.wait = wait,
            _ => self.due += 1,
        }
        self.over()
    }

    /// `Break` once every lane has ended and none will follow.
    pub(crate) fn over(&mut self) -> ControlFlow<T> {
        if self.running > 0 || self.wait().is_some() {
            return ControlFlow::Continue(());
        }
        match self.kept.take() {
            Some((_, answer)) => ControlFlow::Break(answer),
            None => ControlFlow::Continue(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Spoken = (&'static str, Judged);

    const DELAY: Duration = Duration::from_millis(500);
    const GO_ON: ControlFlow<Spoken> = ControlFlow::Continue(());

    fn race(max_hedges: u32) -> Race<Spoken> {
        let mut race = Race::new(DELAY, max_hedges);
        assert_eq!((race.wait(), race.start()), (Some(Duration::ZERO), 0));
        race
    }

    #[test]
    fn lanes_start_one_delay_apart_until_there_are_enough() {
        let mut race = race(2);
        assert_eq!((race.wait(), race.start()), (Some(DELAY), 1));
        assert_eq!((race.wait(), race.start()), (Some(DELAY), 2));
        assert_eq!(race.wait(), None);
    }

    #[test]
    fn each_failure_starts_a_lane_at_once_and_the_delay_anew() {
        let mut race = race(3);
        race.start();
        assert_eq!(race.answered(0, ("first", Judged::BAD)), GO_ON);
        assert_eq!(race.answered(1, ("second", Judged::BAD)), GO_ON);
        assert_eq!((race.wait(), race.start()), (Some(Duration::ZERO), 2));
        assert_eq!((race.wait(), race.start()), (Some(Duration::ZERO), 3));
        assert_eq!(race.wait(), None);
    }

    #[test]
    fn a_lane_may_ask_for_time_or_for_an_end() {
        let mut race = race(9);
        let later = Judged::Bad { next_in: Some(Duration::from_secs(3)) };
        assert_eq!(race.answered(0, ("busy", later)), GO_ON);
        assert_eq!((race.wait(), race.start()), (Some(Duration::from_secs(3)), 1));
        assert_eq!((race.wait(), race.start()), (Some(DELAY), 2));
        assert_eq!(race.answered(1, ("go away", Judged::Bad { next_in: None })), GO_ON);
        assert_eq!(race.wait(), None);
        assert_eq!(race.answered(2, ("late", Judged::BAD)), ControlFlow::Break(("busy", later)));
    }

    #[test]
    fn the_lowest_lane_that_had_an_answer_speaks_for_all() {
        let mut race = race(2);
        race.start();
        race.start();
        assert_eq!(race.answered(2, ("third", Judged::BAD)), GO_ON);
        assert_eq!(race.answered(0, ("panicked", Judged::Nothing)), GO_ON);
        assert_eq!(race.answered(1, ("second", Judged::BAD)), ControlFlow::Break(("second", Judged::BAD)));
    }

    #[test]
    fn the_lowest_of_the_lanes_without_an_answer_speaks_when_there_is_none() {
        let mut race = race(2);
        race.start();
        race.start();
        let panicked = |name| (name, Judged::Nothing);
        assert_eq!(race.answered(2, panicked("third")), GO_ON);
        assert_eq!(race.answered(0, panicked("first")), GO_ON);
        assert_eq!(race.answered(1, panicked("second")), ControlFlow::Break(panicked("first")));
    }

    #[test]
    fn good_and_final_answers_end_it_at_once() {
        for judged in [Judged::Good, Judged::Final] {
            let mut race = race(2);
            race.start();
            assert_eq!(race.answered(1, ("second", judged)), ControlFlow::Break(("second", judged)));
        }
    }

    #[test]
    fn an_endless_delay_waits_for_failures_alone() {
        let mut race = Race::new(Duration::MAX, 1);
        race.start();
        assert_eq!(race.wait(), None);
        assert_eq!(race.over(), GO_ON);
        assert_eq!(race.answered(0, ("first", Judged::BAD)), GO_ON);
        assert_eq!((race.wait(), race.start()), (Some(Duration::ZERO), 1));
        assert_eq!(race.answered(1, ("second", Judged::BAD)), ControlFlow::Break(("first", Judged::BAD)));
    }
}
