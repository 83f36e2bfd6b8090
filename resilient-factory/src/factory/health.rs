//! How well a factory is: a machine that is told what happened and when, and owns no clock.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::rules::HealthRules;

/// How well a factory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FactoryState {
    /// It makes what it is asked for.
    Healthy,
    /// Some builds failed lately; others are asked first.
    Degraded,
    /// Many failed lately; it is asked only where nothing else is left.
    Failed,
    /// It failed, and is given another try: because enough time has passed, or because somebody asked for that.
    Recovering,
}

impl FactoryState {
    /// The state as status and logs spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Recovering => "recovering",
        }
    }
}

impl fmt::Display for FactoryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A factory's health at one moment: a copy, which changes nothing and does not change.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FactoryHealth {
    /// How well it is.
    pub state: FactoryState,
    /// When a build ended last, or the factory was made: seconds since 1970.
    pub last_check: f64,
    /// The builds that failed within the window and were not healed since; the last 1000 at most.
    pub error_count: usize,
    /// The builds that succeeded, since the factory was made.
    pub success_count: u64,
    /// What the last build that failed said, if any did since the factory was made.
    pub last_error: Option<String>,
}

/// How many errors are remembered.
pub(super) const MOST_ERRORS: usize = 1000;

/// What a factory's builds came to, and what that makes of it. Times are of one clock and may go back, which counts as
/// standing still.
#[derive(Debug)]
pub(super) struct Health {
    rules: HealthRules,
    /// When the errors were that no success has healed, the oldest first.
    errors: VecDeque<Duration>,
    /// Since when it is failed; after `recovery_timeout` it is recovering, and after a further window it is not failed any
    /// more.
    failed: Option<Duration>,
    /// Successes since the last error.
    streak: u32,
    successes: u64,
    /// How many tries to recover are underway.
    probes: u32,
}

/// How a try to recover ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    Worked,
    Failed,
    /// Nobody knows: it was given up, or the request was bad.
    Abandoned,
}

impl Health {
    pub(super) fn new(rules: HealthRules) -> Self {
        Self { rules, errors: VecDeque::new(), failed: None, streak: 0, successes: 0, probes: 0 }
    }

    pub(super) fn state(&self, now: Duration) -> FactoryState {
        if self.probes > 0 { FactoryState::Recovering } else { self.by_itself(now) }
    }

    /// The state where nobody tries to make it recover.
    fn by_itself(&self, now: Duration) -> FactoryState {
        let HealthRules { window, degraded_after, recovery_timeout, .. } = self.rules;
        match self.failed.map(|since| now.saturating_sub(since)) {
            Some(past) if past < recovery_timeout => FactoryState::Failed,
            Some(past) if past.saturating_sub(recovery_timeout) < window => FactoryState::Recovering,
            _ if self.errors(now) >= degraded_after => FactoryState::Degraded,
            _ => FactoryState::Healthy,
        }
    }

    /// How many errors count.
    pub(super) fn errors(&self, now: Duration) -> usize {
        self.errors.iter().filter(|at| now.saturating_sub(**at) < self.rules.window).count()
    }

    pub(super) fn successes(&self) -> u64 {
        self.successes
    }

    pub(super) fn succeeded(&mut self, now: Duration) {
        self.forget(now);
        self.successes += 1;
        self.streak = self.streak.saturating_add(1);
        if self.streak >= self.rules.healed_after {
            self.heal();
        }
    }

    pub(super) fn erred(&mut self, now: Duration) {
        let state = self.by_itself(now);
        self.forget(now);
        if self.errors.len() == MOST_ERRORS {
            self.errors.pop_front();
        }
        self.errors.push_back(now);
        self.streak = 0;
        let fails = match state {
            FactoryState::Failed => false,
            FactoryState::Recovering => true,
            FactoryState::Healthy | FactoryState::Degraded => self.errors.len() >= self.rules.failed_after,
        };
        if fails {
            self.failed = Some(now);
        }
    }

    /// Somebody tries to make it recover.
    pub(super) fn probe(&mut self) {
        self.probes += 1;
    }

    /// As [`probe`](Self::probe), unless somebody does already; whether it was done.
    pub(super) fn probe_alone(&mut self) -> bool {
        let alone = self.probes == 0;
        if alone {
            self.probe();
        }
        alone
    }

    /// The try has ended; what it built was told of by itself.
    pub(super) fn probed(&mut self, now: Duration, probe: Probe) {
        self.probes -= 1;
        match probe {
            Probe::Worked => self.heal(),
            Probe::Failed => self.failed = Some(now),
            Probe::Abandoned => {}
        }
    }

    fn heal(&mut self) {
        self.errors.clear();
        self.failed = None;
    }

    /// What does not count any more.
    fn forget(&mut self, now: Duration) {
        let window = self.rules.window;
        self.errors.retain(|at| now.saturating_sub(*at) < window);
        if !matches!(self.by_itself(now), FactoryState::Failed | FactoryState::Recovering) {
            self.failed = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FactoryState::{Degraded, Failed, Healthy, Recovering};

    const NANO: Duration = Duration::from_nanos(1);

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn before(seconds: u64) -> Duration {
        s(seconds).saturating_sub(NANO)
    }

    fn health() -> Health {
        Health::new(HealthRules::new())
    }

    /// Failed since `at`.
    fn failed(at: Duration) -> Health {
        let mut health = health();
        for _ in 0..5 {
            health.erred(at);
        }
        health
    }

    #[test]
    fn s000_04_one_error_is_healthy_two_to_four_are_degraded_five_are_failed() {
        let mut health = health();
        assert_eq!(health.state(s(0)), Healthy);
        for (errors, state) in
            [(1, Healthy), (2, Degraded), (3, Degraded), (4, Degraded), (5, Failed), (6, Failed)]
        {
            health.erred(s(0));
            assert_eq!((health.errors(s(0)), health.state(s(0))), (errors, state));
        }
    }

    #[test]
    fn s000_05_five_successes_leave_a_failed_factory_failed_and_the_sixth_heals_it_and_zeroes_its_errors() {
        let mut health = failed(s(0));
        for _ in 0..5 {
            health.succeeded(s(1));
            assert_eq!((health.state(s(1)), health.errors(s(1))), (Failed, 5));
        }
        health.succeeded(s(1));
        assert_eq!((health.state(s(1)), health.errors(s(1)), health.successes()), (Healthy, 0, 6));
        health.erred(s(2));
        assert_eq!(health.state(s(2)), Healthy, "one error after that is one");
    }

    #[test]
    fn d000_08_successes_before_the_last_error_heal_nothing() {
        let mut health = health();
        for _ in 0..100 {
            health.succeeded(s(0));
        }
        for _ in 0..5 {
            health.erred(s(1));
        }
        for successes in 1..6 {
            health.succeeded(s(2));
            assert_eq!(health.state(s(2)), Failed, "after {successes}");
        }
        health.erred(s(3));
        for _ in 0..5 {
            health.succeeded(s(4));
        }
        assert_eq!(health.state(s(4)), Failed, "the error between began the count anew");
        health.succeeded(s(4));
        assert_eq!(health.state(s(4)), Healthy);
    }

    #[test]
    fn an_error_counts_for_exactly_the_window() {
        let mut health = health();
        health.erred(s(10));
        health.erred(s(20));
        assert_eq!((health.state(before(70)), health.errors(before(70))), (Degraded, 2));
        assert_eq!((health.state(s(70)), health.errors(s(70))), (Healthy, 1));
        assert_eq!((health.errors(before(80)), health.errors(s(80))), (1, 0));
        // What is too old does not add up with what is new.
        for _ in 0..3 {
            health.erred(s(70));
        }
        assert_eq!((health.state(s(70)), health.errors(s(70))), (Degraded, 4));
        health.erred(s(70));
        assert_eq!(health.state(s(70)), Failed);
    }

    #[test]
    fn d000_08_a_failed_factory_recovers_after_exactly_its_timeout_and_is_healthy_after_a_window_without_errors()
     {
        let health = failed(s(100));
        assert_eq!(health.state(before(130)), Failed);
        assert_eq!(health.state(s(130)), Recovering);
        assert_eq!(health.state(before(190)), Recovering);
        assert_eq!((health.state(s(190)), health.errors(s(190))), (Healthy, 0));
    }

    #[test]
    fn errors_of_a_failed_factory_do_not_prolong_that() {
        let mut health = failed(s(100));
        health.erred(before(130));
        assert_eq!(health.state(before(130)), Failed);
        assert_eq!(health.state(s(130)), Recovering);
    }

    #[test]
    fn an_error_of_a_recovering_factory_makes_it_failed_for_the_whole_timeout_again() {
        let mut health = failed(s(100));
        health.erred(s(150));
        assert_eq!(health.state(before(180)), Failed);
        assert_eq!(health.state(s(180)), Recovering);
        assert_eq!(health.state(before(240)), Recovering);
        assert_eq!(health.state(s(240)), Healthy);
    }

    #[test]
    fn a_recovering_factory_is_healthy_after_six_successes_and_not_before() {
        let mut health = failed(s(100));
        for _ in 0..5 {
            health.succeeded(s(131));
            assert_eq!(health.state(s(131)), Recovering);
        }
        health.succeeded(s(131));
        assert_eq!(health.state(s(131)), Healthy);
    }

    #[test]
    fn what_was_forgotten_by_time_is_forgotten_for_good() {
        let mut health = failed(s(0));
        health.erred(s(90));
        assert_eq!((health.state(s(90)), health.errors(s(90))), (Healthy, 1));
        health.succeeded(s(91));
        assert_eq!(health.failed, None);
    }

    #[test]
    fn who_tries_to_recover_is_seen_while_that_lasts() {
        let mut health = failed(s(0));
        health.probe();
        assert_eq!(health.state(s(1)), Recovering);
        health.probe();
        health.probed(s(2), Probe::Abandoned);
        assert_eq!(health.state(s(2)), Recovering, "another still tries");
        assert!(!health.probe_alone());
        health.probed(s(2), Probe::Abandoned);
        assert_eq!((health.state(s(2)), health.errors(s(2))), (Failed, 5), "nobody knows more than before");
        assert!(health.probe_alone());
        health.probed(s(3), Probe::Worked);
        assert_eq!((health.state(s(3)), health.errors(s(3))), (Healthy, 0));
        health.probe();
        health.probed(s(4), Probe::Failed);
        assert_eq!((health.state(before(34)), health.state(s(34))), (Failed, Recovering));
    }

    #[test]
    fn an_error_of_another_build_while_somebody_tries_counts_as_it_would_have() {
        let mut health = health();
        health.probe();
        health.erred(s(0));
        health.probed(s(0), Probe::Abandoned);
        assert_eq!((health.state(s(0)), health.errors(s(0))), (Healthy, 1));
    }

    #[test]
    fn a_try_that_works_zeroes_the_errors_of_a_degraded_factory_too() {
        let mut health = health();
        for _ in 0..4 {
            health.erred(s(0));
        }
        health.probe();
        health.succeeded(s(1));
        health.probed(s(1), Probe::Worked);
        health.erred(s(2));
        assert_eq!((health.state(s(2)), health.errors(s(2))), (Healthy, 1));
    }

    #[test]
    fn no_storm_of_errors_takes_more_memory_than_a_thousand() {
        let mut health = health();
        for _ in 0..5000 {
            health.erred(s(0));
        }
        assert_eq!((health.errors(s(0)), health.errors.len()), (1000, 1000));
    }

    #[test]
    fn time_that_goes_back_stands_still() {
        let mut health = failed(s(100));
        assert_eq!((health.state(s(50)), health.errors(s(50))), (Failed, 5));
        health.erred(s(50));
        assert_eq!(health.state(s(130)), Recovering);
    }

    #[test]
    fn a_timeout_longer_than_the_window_is_a_timeout_all_the_same() {
        let rules = HealthRules::new().recovery_timeout("5m");
        let mut health = Health::new(rules);
        for _ in 0..5 {
            health.erred(s(0));
        }
        assert_eq!(
            (health.state(s(299)), health.state(s(300)), health.state(s(360))),
            (Failed, Recovering, Healthy)
        );
    }
}
