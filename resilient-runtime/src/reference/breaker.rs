//! The breaker's rules over a list of everything that happened.

use std::time::Duration;

use crate::breaker::{BreakerConfig, State, Window};
use crate::outcome::Outcome;
use crate::reason::TripReason;
use crate::reference::{nanos, window};

/// One thing that happened, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Happened {
    /// It was made or reset.
    Began(State),
    Entered(State, TripReason),
    /// OPEN began anew by hand.
    Prolonged,
    Ended {
        outcome: Outcome,
        slow: bool,
        /// In half-open: it says nothing about a rate.
        probe: bool,
    },
    Stale,
    Refused,
    ProbeLost,
    WouldHaveOpened {
        slow: bool,
    },
    /// The rate rules were given another window, or one at all.
    WindowBegan,
}

use Happened::{Began, Ended, Entered, ProbeLost, Prolonged, Refused, Stale, WindowBegan, WouldHaveOpened};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    era: u64,
    probe: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Refusal {
    Until(Duration, TripReason),
    Isolated,
}

/// What listeners hear.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Told {
    Changed {
        from: State,
        to: State,
        reason: TripReason,
    },
    /// A breaker that only measures would have opened.
    Exceeded(TripReason),
}

/// Everything that can be asked of a breaker.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figures {
    pub(crate) state: State,
    pub(crate) streak: u32,
    pub(crate) consecutive_successes: u64,
    pub(crate) successes: u64,
    pub(crate) failures: u64,
    pub(crate) ignored: u64,
    pub(crate) abandoned: u64,
    pub(crate) rejected: u64,
    pub(crate) stale: u64,
    pub(crate) lost_probes: u64,
    /// Successes, failures, ignored, abandoned, rejected since the last change of state.
    pub(crate) current: [u64; 5],
    pub(crate) probes_under_way: u32,
    pub(crate) lease_left: Option<Duration>,
    pub(crate) times_opened: u64,
    pub(crate) reopenings: u32,
    pub(crate) would_have_opened: u64,
    pub(crate) open_for: Option<Duration>,
    /// Passing, refusing, probing.
    pub(crate) times: [Duration; 3],
    pub(crate) retry_after: Option<Duration>,
    pub(crate) last_failure: Option<u64>,
    pub(crate) opened_because: Option<TripReason>,
    pub(crate) failing: bool,
    /// Successes, failures, slow successes, slow failures, abandoned.
    pub(crate) window: Option<[u32; 5]>,
    /// The shares of failures and of slow calls, once there are enough calls.
    pub(crate) rates: Option<[f64; 2]>,
}

#[derive(Clone, Debug)]
pub(crate) struct Breaker {
    config: BreakerConfig,
    state: State,
    /// Counts changes of state and resets; a result from an earlier one is stale.
    era: u64,
    history: Vec<(u64, Happened)>,
    /// Probes that hold a slot: number, and when its lease ends.
    probes: Vec<(u64, u64)>,
    next_probe: u64,
    /// While OPEN: its end, its length, what began it.
    until: u64,
    span: Duration,
    because: TripReason,
    told: Vec<Told>,
}

impl Breaker {
    /// `open_for` says how long OPEN lasts, should it begin so.
    pub(crate) fn new(config: BreakerConfig, now: u64, open_for: impl FnOnce() -> Duration) -> Self {
        let mut made = Self {
            state: State::Closed,
            era: 0,
            history: Vec::new(),
            probes: Vec::new(),
            next_probe: 0,
            until: 0,
            span: Duration::ZERO,
            because: TripReason::Manual,
            told: Vec::new(),
            config,
        };
        made.begin(now, open_for);
        made.told.clear();
        made
    }

    fn begin(&mut self, now: u64, open_for: impl FnOnce() -> Duration) {
        self.history.clear();
        self.probes.clear();
        self.era += 1;
        self.state = State::Closed;
        self.history.push((now, Began(State::Closed)));
        let first = self.config.initial_state;
        if first == State::Open {
            self.open(now, TripReason::Manual, None, open_for);
        } else if first != State::Closed {
            self.enter(now, first, TripReason::Manual);
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// What listeners must have heard since this was last asked.
    pub(crate) fn told(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.told)
    }

    pub(crate) fn config(&self) -> &BreakerConfig {
        &self.config
    }

    /// The instants at which a probe's lease, OPEN, or a result's stay in the window ends.
    pub(crate) fn edges(&self) -> Vec<u64> {
        let mut edges: Vec<u64> = self.probes.iter().map(|(_, ends)| *ends).collect();
        if self.state == State::Open {
            edges.push(self.until);
        }
        let latest = self.history.iter().rev().take(5).map(|(at, _)| *at);
        edges.extend(latest.filter_map(|at| window::forgotten(self.config.window, at)));
        edges
    }

    pub(crate) fn admit(&mut self, now: u64) -> Result<Ticket, Refusal> {
        if self.state == State::Open && now >= self.until {
            self.enter(now, State::HalfOpen, TripReason::RecoveryTimeout);
        }
        let answer = match self.state {
            State::Closed | State::Disabled | State::MetricsOnly => Ok(Ticket { era: self.era, probe: None }),
            State::ForcedOpen => Err(Refusal::Isolated),
            State::Open => Err(Refusal::Until(Duration::from_nanos(self.until - now), self.because)),
            State::HalfOpen => self.probe(now),
        };
        if answer.is_err() {
            self.history.push((now, Refused));
        }
        answer
    }

    /// A slot whose lease is over is taken back when another asks for one.
    fn probe(&mut self, now: u64) -> Result<Ticket, Refusal> {
        let (over, held): (Vec<_>, Vec<_>) = self.probes.iter().partition(|(_, ends)| *ends <= now);
        self.history.extend(over.iter().map(|_| (now, ProbeLost)));
        self.probes = held;
        if self.probes.len() as u64 >= u64::from(self.slots()) {
            let first = self.probes.iter().map(|(_, ends)| *ends).min().unwrap_or(now);
            return Err(Refusal::Until(Duration::from_nanos(first - now), TripReason::RecoveryTimeout));
        }
        self.next_probe += 1;
        self.probes.push((self.next_probe, now.saturating_add(nanos(self.lease()))));
        Ok(Ticket { era: self.era, probe: Some(self.next_probe) })
    }

    /// Those that hold their lease.
    pub(crate) fn probes_under_way(&self, now: u64) -> usize {
        self.probes.iter().filter(|(_, ends)| *ends > now).count()
    }

    fn slots(&self) -> u32 {
        self.config.half_open_max_calls.unwrap_or(self.config.success_threshold)
    }

    fn lease(&self) -> Duration {
        self.config.probe_lease.unwrap_or(self.config.recovery_timeout)
    }

    /// Answers whether the result counted.
    pub(crate) fn record(
        &mut self,
        now: u64,
        ticket: Ticket,
        outcome: Outcome,
        took: Option<Duration>,
        open_for: impl FnOnce() -> Duration,
    ) -> bool {
        let holds = |number| self.probes.iter().any(|(held, _)| *held == number);
        if ticket.era != self.era || ticket.probe.is_some_and(|number| !holds(number)) {
            self.history.push((now, Stale));
            return false;
        }
        self.probes.retain(|(held, _)| Some(*held) != ticket.probe);
        if self.state == State::Disabled {
            return false;
        }
        let probe = self.state == State::HalfOpen;
        let slow = self.config.slow_call_duration.is_some_and(|limit| took.is_some_and(|took| took > limit));
        self.history.push((now, Ended { outcome, slow, probe }));
        match (self.state, outcome) {
            (_, Outcome::Ignored) | (State::HalfOpen, Outcome::Abandoned) => {}
            (State::HalfOpen, Outcome::Failure) => self.open(now, TripReason::ProbeFailed, None, open_for),
            (State::HalfOpen, Outcome::Success) => {
                if self.successes_here() >= u64::from(self.config.success_threshold) {
                    self.enter(now, State::Closed, TripReason::Recovered);
                }
            }
            (State::MetricsOnly, _) => {
                for (slow, reason) in [false, true].into_iter().zip(self.broken_rules(now)) {
                    let told = self.here().any(|it| it == WouldHaveOpened { slow });
                    if let Some(reason) = reason.filter(|_| !told) {
                        self.history.push((now, WouldHaveOpened { slow }));
                        self.told.push(Told::Exceeded(reason));
                    }
                }
            }
            _ => {
                if let Some(reason) = self.broken_rules(now).into_iter().flatten().next() {
                    self.open(now, reason, None, open_for);
                }
            }
        }
        true
    }

    /// By hand.
    pub(crate) fn set(
        &mut self,
        now: u64,
        to: State,
        span: Option<Duration>,
        open_for: impl FnOnce() -> Duration,
    ) {
        if to == State::Open {
            self.open(now, TripReason::Manual, span, open_for);
        } else if to != self.state {
            self.enter(now, to, TripReason::Manual);
        }
    }

    pub(crate) fn reset(&mut self, now: u64, config: BreakerConfig, open_for: impl FnOnce() -> Duration) {
        let from = self.state;
        self.config = config;
        self.begin(now, open_for);
        self.told.clear();
        if from != self.state {
            self.told.push(Told::Changed { from, to: self.state, reason: TripReason::Reset });
        }
    }

    pub(crate) fn reconfigure(&mut self, now: u64, config: BreakerConfig) {
        let window = |config: &BreakerConfig| {
            let asked = config.failure_rate.is_some() || config.slow_call_rate.is_some();
            asked.then_some(config.window)
        };
        if window(&config) != window(&self.config) {
            self.history.push((now, WindowBegan));
        }
        self.config = config;
    }

    pub(crate) fn allow_probes(&mut self, lease: Duration) {
        self.config.probe_lease = Some(self.lease().max(lease));
    }

    /// How long OPEN may last now: grown by each failed probe in a row up to the cap, which is never under the first;
    /// then spread upwards, up to the cap.
    pub(crate) fn open_span(&self, reopenings: u32) -> [f64; 2] {
        let first = nanos(self.config.recovery_timeout) as f64;
        let cap =
            self.config.max_recovery_timeout.map_or(f64::INFINITY, |cap| (nanos(cap) as f64).max(first));
        let most = u64::MAX as f64;
        let mut grown = first;
        // Further growth than this is beyond every cap.
        for _ in 0..reopenings.min(5_000) {
            grown *= self.config.recovery_backoff;
        }
        let low = grown.min(cap).min(most);
        [low, (low * (1.0 + self.config.recovery_jitter)).min(cap).min(most)]
    }

    fn open(
        &mut self,
        now: u64,
        reason: TripReason,
        by_hand: Option<Duration>,
        open_for: impl FnOnce() -> Duration,
    ) {
        let again = self.state == State::Open;
        let reopenings = self.reopenings() + u32::from(reason == TripReason::ProbeFailed);
        self.span = by_hand.unwrap_or_else(|| {
            let (span, [low, high]) = (open_for(), self.open_span(reopenings));
            let nanos = nanos(span) as f64;
            let slack = 1.0 + high * 1e-9;
            assert!(
                (low - slack..=high + slack).contains(&nanos),
                "OPEN for {span:?}, expected {low}..={high} ns after {reopenings} failed probes"
            );
            span
        });
        self.until = now.saturating_add(nanos(self.span));
        self.because = reason;
        self.probes.clear();
        self.era += 1;
        if again {
            self.history.push((now, Prolonged));
        } else {
            self.told.push(Told::Changed { from: self.state, to: State::Open, reason });
            self.state = State::Open;
            self.history.push((now, Entered(State::Open, reason)));
        }
    }

    fn enter(&mut self, now: u64, to: State, reason: TripReason) {
        self.told.push(Told::Changed { from: self.state, to, reason });
        self.state = to;
        self.probes.clear();
        self.next_probe = 0;
        self.era += 1;
        self.history.push((now, Entered(to, reason)));
    }

    /// What happened, the latest first.
    fn back(&self) -> impl Iterator<Item = Happened> {
        self.history.iter().rev().map(|(_, happened)| *happened)
    }

    /// What happened since the last change of state, the latest first.
    fn here(&self) -> impl Iterator<Item = Happened> {
        self.back().take_while(|it| !matches!(it, Began(_) | Entered(..)))
    }

    fn successes_here(&self) -> u64 {
        self.here().filter(|it| matches!(it, Ended { outcome: Outcome::Success, .. })).count() as u64
    }

    /// Failures with no success between them. What opened it is kept while it is open.
    fn streak(&self) -> u32 {
        let ends = |it: &Happened| match it {
            Began(_) | Ended { outcome: Outcome::Success, .. } => true,
            Entered(to, _) => *to != State::Open,
            _ => false,
        };
        let failures = self.back().take_while(|it| !ends(it));
        let failures = failures.filter(|it| matches!(it, Ended { outcome: Outcome::Failure, .. })).count();
        u32::try_from(failures).unwrap_or(u32::MAX)
    }

    /// Failed probes in a row.
    fn reopenings(&self) -> u32 {
        let ends = |it: &Happened| match it {
            Began(_) => true,
            Entered(to, _) => !matches!(to, State::Open | State::HalfOpen),
            _ => false,
        };
        let failed = self.back().take_while(|it| !ends(it));
        let failed = failed.filter(|it| *it == Entered(State::Open, TripReason::ProbeFailed)).count();
        u32::try_from(failed).unwrap_or(u32::MAX)
    }

    /// What the rate rules look back on: how each ended, and whether it was slow.
    fn in_window(&self, now: u64) -> Vec<(Outcome, bool)> {
        let ends = |it: &Happened| match it {
            Began(_) | WindowBegan => true,
            Entered(to, _) => *to != State::Open,
            _ => false,
        };
        let results = self.history.iter().rev().take_while(|(_, it)| !ends(it));
        let mut results: Vec<(u64, (Outcome, bool))> = results
            .filter_map(|(at, it)| match it {
                Ended { outcome, slow, probe: false } if *outcome != Outcome::Ignored => {
                    Some((*at, (*outcome, *slow)))
                }
                _ => None,
            })
            .collect();
        results.reverse();
        window::forget(self.config.window, &mut results, now);
        results.into_iter().map(|(_, result)| result).collect()
    }

    fn sums(&self, now: u64) -> Option<[u32; 5]> {
        if self.config.failure_rate.is_none() && self.config.slow_call_rate.is_none() {
            return None;
        }
        let results = self.in_window(now);
        let count = |outcome, only_slow: bool| {
            let counted = results.iter().filter(|(ended, slow)| *ended == outcome && (*slow || !only_slow));
            u32::try_from(counted.count()).unwrap_or(u32::MAX)
        };
        let (success, failure) = (Outcome::Success, Outcome::Failure);
        Some([
            count(success, false),
            count(failure, false),
            count(success, true),
            count(failure, true),
            count(Outcome::Abandoned, false),
        ])
    }

    fn min_calls(&self) -> u32 {
        match self.config.window {
            Window::Count(size) => self.config.min_calls.min(size),
            Window::Time(_) => self.config.min_calls,
        }
    }

    /// The rule about failures that is broken, and the one about slow calls.
    fn broken_rules(&self, now: u64) -> [Option<TripReason>; 2] {
        let streak = self.streak();
        if self.sums(now).is_none() {
            let consecutive = streak >= self.config.failure_threshold;
            return [consecutive.then_some(TripReason::ConsecutiveFailures(streak)), None];
        }
        let [successes, failures, slow_successes, slow_failures, abandoned] =
            self.sums(now).unwrap_or_default();
        let (calls, slow) = (successes + failures, slow_successes + slow_failures);
        let enough = calls >= self.min_calls();
        let percent = |part: u32| percent(part, calls);
        let about_failures = if streak >= self.config.failure_threshold {
            Some(TripReason::ConsecutiveFailures(streak))
        } else if calls == 0 && abandoned >= self.min_calls() {
            Some(TripReason::Abandoned(abandoned))
        } else if enough && over(failures, calls, self.config.failure_rate) {
            Some(TripReason::FailureRate { percent: percent(failures), calls })
        } else {
            None
        };
        let too_slow = enough && calls > 0 && over(slow, calls, self.config.slow_call_rate);
        [about_failures, too_slow.then(|| TripReason::SlowCallRate { percent: percent(slow), calls })]
    }

    pub(crate) fn figures(&self, now: u64) -> Figures {
        let count = |wanted: &dyn Fn(&Happened) -> bool| {
            self.history.iter().filter(|(_, it)| wanted(it)).count() as u64
        };
        let ended = |wanted| move |it: &Happened| matches!(it, Ended { outcome, .. } if *outcome == wanted);
        let here = |wanted| self.here().filter(ended(wanted)).count() as u64;
        let consecutive = self.here().take_while(|it| !ended(Outcome::Failure)(it));
        let leases = || self.probes.iter().map(|(_, ends)| *ends);
        let window = self.sums(now);
        let calls = window.map_or(0, |sums| sums[0] + sums[1]);
        let known = window.filter(|_| calls >= self.min_calls() && calls > 0);
        let passes = matches!(self.state, State::Closed | State::MetricsOnly);
        let full = self.probes.len() as u64 >= u64::from(self.slots());
        let blocked_until = match self.state {
            State::Open => Some(self.until),
            State::HalfOpen if full => leases().min(),
            _ => None,
        };
        let is_open = self.state == State::Open;
        Figures {
            state: self.state,
            streak: self.streak(),
            consecutive_successes: consecutive.filter(ended(Outcome::Success)).count() as u64,
            successes: count(&ended(Outcome::Success)),
            failures: count(&ended(Outcome::Failure)),
            ignored: count(&ended(Outcome::Ignored)),
            abandoned: count(&ended(Outcome::Abandoned)),
            rejected: count(&|it| *it == Refused),
            stale: count(&|it| *it == Stale),
            lost_probes: count(&|it| *it == ProbeLost),
            current: [
                here(Outcome::Success),
                here(Outcome::Failure),
                here(Outcome::Ignored),
                here(Outcome::Abandoned),
                self.here().filter(|it| *it == Refused).count() as u64,
            ],
            probes_under_way: u32::try_from(self.probes_under_way(now)).unwrap_or(u32::MAX),
            lease_left: leases()
                .filter(|ends| *ends > now)
                .min()
                .map(|ends| Duration::from_nanos(ends - now)),
            times_opened: count(&|it| matches!(it, Entered(State::Open, _))),
            reopenings: self.reopenings(),
            would_have_opened: count(&|it| matches!(it, WouldHaveOpened { .. })),
            open_for: is_open.then_some(self.span),
            times: self.times(now),
            retry_after: blocked_until.map(|until| Duration::from_nanos(until.saturating_sub(now))),
            last_failure: self
                .history
                .iter()
                .rev()
                .find(|(_, it)| ended(Outcome::Failure)(it))
                .map(|(at, _)| *at),
            opened_because: is_open.then_some(self.because),
            failing: passes
                && known.is_some_and(|sums| {
                    over(sums[1], calls, self.config.failure_rate)
                        || over(sums[2] + sums[3], calls, self.config.slow_call_rate)
                }),
            window,
            rates: known
                .map(|sums| [sums[1], sums[2] + sums[3]].map(|part| f64::from(part) / f64::from(calls))),
        }
    }

    fn times(&self, now: u64) -> [Duration; 3] {
        let mut times = [Duration::ZERO; 3];
        let mut changes = self.history.iter().filter_map(|(at, it)| match it {
            Began(state) | Entered(state, _) => Some((*at, *state)),
            _ => None,
        });
        let mut last = changes.next();
        for next in changes.map(Some).chain([None]) {
            let (Some((from, state)), until) = (last, next.map_or(now, |(at, _)| at)) else { break };
            let kind = match state {
                State::Closed | State::Disabled | State::MetricsOnly => 0,
                State::Open | State::ForcedOpen => 1,
                State::HalfOpen => 2,
            };
            times[kind] = times[kind].saturating_add(Duration::from_nanos(until - from));
            last = next;
        }
        times
    }
}

/// Limits are whole percents here, so that no rounding comes into it.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a percentage")]
fn over(part: u32, calls: u32, limit: Option<f64>) -> bool {
    limit.is_some_and(|limit| u64::from(part) * 100 >= (limit * 100.0).round() as u64 * u64::from(calls))
}

#[allow(clippy::cast_possible_truncation, reason = "a percentage for people")]
fn percent(part: u32, calls: u32) -> f32 {
    (f64::from(part) * 100.0 / f64::from(calls)) as f32
}
