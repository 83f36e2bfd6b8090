//! The breaker's rules: a pure function of its state, the moment, and what happened. It owns no lock, clock or
//! listener.

use std::sync::Arc;
use std::time::Duration;

use super::config::BreakerConfig;
use super::window::{Results, Sample, Totals};
use super::{Generation, State, Ticket};
use crate::clock::{Moment, When, nanos, scaled};
use crate::outcome::Outcome;
use crate::reason::TripReason;

/// Of a lease this long a tick is hardly a part.
const LONG_LEASE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(super) struct Machine {
    /// Shared with the machines that are told the same.
    config: Arc<BreakerConfig>,
    phase: Phase,
    generation: Generation,
    streak: u32,
    failures: u64,
    /// If there were any.
    last_failure: Moment,
    /// When it came into its state.
    since: Moment,
    results: Option<Box<Results>>,
    /// Nothing yet for most of those that never did anything but work.
    past: Option<Box<Past>>,
}

/// What a machine looks back on.
#[derive(Clone, Copy, Debug, Default)]
struct Past {
    reopenings: u32,
    opened_because: Option<TripReason>,
    /// What it spent in its states before, see [`Machine::times`]; nanoseconds.
    spent: [u64; 3],
    failures_before: u64,
    abandoned: u64,
    abandoned_before: u64,
    stale: u64,
    lost_probes: u64,
    times_opened: u64,
    would_have_opened: u64,
}

/// What only changes under the lock; successes, ignored results and refusals are counted beside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    pub(super) failures: u64,
    pub(super) failures_before: u64,
    pub(super) abandoned: u64,
    pub(super) abandoned_before: u64,
    pub(super) stale: u64,
    pub(super) lost_probes: u64,
    pub(super) times_opened: u64,
    pub(super) would_have_opened: u64,
    pub(super) last_failure: Option<Moment>,
}

#[derive(Clone, Debug, PartialEq)]
enum Phase {
    Closed,
    Open { until: Moment, span: Duration },
    HalfOpen(Box<Trial>),
    ForcedOpen,
    Disabled,
    MetricsOnly { told_failures: bool, told_slow: bool },
}

/// What the half-open state has come to.
#[derive(Clone, Debug, Default, PartialEq)]
struct Trial {
    successes: u32,
    /// The number of the latest probe.
    latest: u32,
    probes: Vec<Probe>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Probe {
    number: u32,
    lease: Duration,
    lease_ends: Moment,
}

/// The state was changed, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Transition {
    pub(super) from: State,
    pub(super) to: State,
    pub(super) reason: TripReason,
}

/// Why a call was not admitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Refusal {
    Open { retry_after: Duration, reason: TripReason },
    Isolated,
}

/// What recording did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Recorded {
    pub(super) counted: bool,
    pub(super) transition: Option<Transition>,
    /// What a breaker that only measures would have opened for.
    pub(super) exceeded: [Option<TripReason>; 2],
}

impl Machine {
    pub(super) fn new(config: Arc<BreakerConfig>, now: Moment) -> Self {
        let mut machine = Self {
            phase: Phase::Closed,
            generation: Generation::FIRST,
            streak: 0,
            failures: 0,
            last_failure: now,
            since: now,
            results: results(&config),
            past: None,
            config,
        };
        let _ = machine.set(now, machine.config.initial_state, None, 0.0);
        machine
    }

    pub(super) fn config(&self) -> &Arc<BreakerConfig> {
        &self.config
    }

    pub(super) fn reconfigure(&mut self, config: Arc<BreakerConfig>) {
        let asks = |config: &BreakerConfig| config.has_window().then_some(config.window);
        if asks(&config) != asks(&self.config) {
            self.results = results(&config);
        }
        self.config = config;
    }

    pub(super) fn allow_probes(&mut self, lease: Duration) {
        let lease = Some(self.config.lease().max(lease));
        if self.config.probe_lease != lease {
            Arc::make_mut(&mut self.config).probe_lease = lease;
        }
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures
    }

    pub(super) fn tally(&self) -> Tally {
        let past = self.past();
        Tally {
            failures: self.failures,
            failures_before: past.failures_before,
            abandoned: past.abandoned,
            abandoned_before: past.abandoned_before,
            stale: past.stale,
            lost_probes: past.lost_probes,
            times_opened: past.times_opened,
            would_have_opened: past.would_have_opened,
            last_failure: (self.failures > 0).then_some(self.last_failure),
        }
    }

    fn past(&self) -> Past {
        self.past.as_deref().copied().unwrap_or_default()
    }

    fn past_mut(&mut self) -> &mut Past {
        self.past.get_or_insert_default()
    }

    pub(super) fn generation(&self) -> Generation {
        self.generation
    }

    pub(super) fn streak(&self) -> u32 {
        self.streak
    }

    pub(super) fn state(&self) -> State {
        match self.phase {
            Phase::Closed => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen(_) => State::HalfOpen,
            Phase::ForcedOpen => State::ForcedOpen,
            Phase::Disabled => State::Disabled,
            Phase::MetricsOnly { .. } => State::MetricsOnly,
        }
    }

    /// Whether a success has nothing to change here.
    pub(super) fn is_clean(&self) -> bool {
        match self.phase {
            Phase::Closed | Phase::MetricsOnly { .. } => {
                let times_calls = self.config.slow_call_rate.is_some();
                let settled = |results: &Results| !times_calls && results.is_saturated();
                self.streak == 0 && self.results.as_deref().is_none_or(settled)
            }
            Phase::Disabled => true,
            _ => false,
        }
    }

    /// How many successes one after the other would change nothing but the window and the streak, which they end. A
    /// success never makes a share of failures larger.
    pub(super) fn spare_successes(&self) -> u32 {
        /// As many as are put into the window in one go under the lock.
        const MOST: u32 = 64;
        let (Phase::Closed | Phase::MetricsOnly { .. }, Some(results)) = (&self.phase, &self.results) else {
            return 0;
        };
        if self.config.slow_call_rate.is_some() || !results.is_timeless() || self.is_clean() {
            return 0;
        }
        let totals = results.latest_totals();
        let calls = totals.calls();
        let is_full = calls >= self.config.effective_min_calls();
        if is_full && !reaches(totals.failures, calls, self.config.failure_rate) { MOST } else { 0 }
    }

    /// So many successes that were to spare.
    pub(super) fn succeed(&mut self, successes: u64) {
        let Some(results) = self.results.as_deref_mut().filter(|_| successes > 0) else { return };
        self.streak = 0;
        for _ in 0..successes {
            results.push(&Moment::ZERO, Sample::default());
        }
    }

    /// When OPEN ends, and what began it.
    pub(super) fn open_until(&self) -> Option<(Moment, TripReason)> {
        match self.phase {
            Phase::Open { until, .. } => Some((until, self.opened_because())),
            _ => None,
        }
    }

    /// Nothing lasts longer than it was to last because the clock was turned back.
    fn keep_terms(&mut self, now: Moment) {
        match &mut self.phase {
            Phase::Open { until, span } => *until = now.saturating_add(*span).min(*until),
            Phase::HalfOpen(trial) => {
                for Probe { lease, lease_ends, .. } in &mut trial.probes {
                    *lease_ends = now.saturating_add(*lease).min(*lease_ends);
                }
            }
            _ => {}
        }
    }

    /// When a refused caller may come back: the end of OPEN, or of the first probe's lease.
    pub(super) fn blocked_until(&mut self, now: Moment) -> Option<Moment> {
        self.keep_terms(now);
        match &self.phase {
            Phase::Open { until, .. } => Some(*until),
            Phase::HalfOpen(trial) if trial.is_full(&self.config) => trial.first_lease_end(),
            _ => None,
        }
    }

    /// How long OPEN lasts this time.
    pub(super) fn open_span(&self) -> Option<Duration> {
        match self.phase {
            Phase::Open { span, .. } => Some(span),
            _ => None,
        }
    }

    /// How often in a row a probe failed and OPEN began again.
    pub(super) fn reopenings(&self) -> u32 {
        self.past.as_ref().map_or(0, |past| past.reopenings)
    }

    fn opened_because(&self) -> TripReason {
        self.past.as_ref().and_then(|past| past.opened_because).unwrap_or(TripReason::Manual)
    }

    /// Probes under way that hold their lease, and when the first of them loses it.
    pub(super) fn probes_under_way(&self, now: Moment) -> (u32, Option<Moment>) {
        let Phase::HalfOpen(trial) = &self.phase else { return (0, None) };
        let leases = || trial.probes.iter().map(|probe| probe.lease_ends).filter(|ends| now < *ends);
        (u32::try_from(leases().count()).unwrap_or(u32::MAX), leases().min())
    }

    /// Since it was made or reset: how long calls passed, were refused, and were let through as probes.
    pub(super) fn times(&self, now: Moment) -> [Duration; 3] {
        let mut times = self.past().spent.map(Duration::from_nanos);
        let time = &mut times[self.kind_of_time()];
        *time = time.saturating_add(now.since(self.since));
        times
    }

    fn kind_of_time(&self) -> usize {
        match self.phase {
            Phase::Closed | Phase::Disabled | Phase::MetricsOnly { .. } => 0,
            Phase::Open { .. } | Phase::ForcedOpen => 1,
            Phase::HalfOpen(_) => 2,
        }
    }

    pub(super) fn totals(&mut self, now: Moment) -> Option<Totals> {
        self.results.as_mut().map(|results| results.totals(&now))
    }

    /// Admits a call, or says when to come back. The end of OPEN and the first probe's slot are one step.
    pub(super) fn admit(&mut self, when: &impl When) -> (Result<Ticket, Refusal>, Option<Transition>) {
        let now = match &self.phase {
            Phase::HalfOpen(trial) if !trial.is_full(&self.config) && self.config.lease() >= LONG_LEASE => {
                when.lately()
            }
            _ => when.exactly(),
        };
        self.keep_terms(now);
        let mut transition = None;
        if let Phase::Open { until, .. } = self.phase {
            if now < until {
                let refusal = Refusal::Open { retry_after: until.since(now), reason: self.opened_because() };
                return (Err(refusal), None);
            }
            transition = Some(self.enter(now, State::HalfOpen, half_open(), TripReason::RecoveryTimeout));
        }
        let generation = self.generation;
        let lease = self.config.lease();
        match &mut self.phase {
            Phase::Closed | Phase::Disabled | Phase::MetricsOnly { .. } => {
                (Ok(Ticket { generation, probe: 0 }), transition)
            }
            // OPEN was turned into HALF_OPEN above.
            Phase::ForcedOpen | Phase::Open { .. } => (Err(Refusal::Isolated), transition),
            Phase::HalfOpen(trial) => {
                let lost = trial.forget_lost_probes(now);
                let admitted = if trial.is_full(&self.config) {
                    let free = trial.first_lease_end().unwrap_or(now);
                    let reason = TripReason::RecoveryTimeout;
                    Err(Refusal::Open { retry_after: free.since(now), reason })
                } else {
                    Ok(Ticket { generation, probe: trial.begin_probe(now, lease) })
                };
                self.past_mut().lost_probes += lost;
                (admitted, transition)
            }
        }
    }

    /// Records how an admitted call ended. `luck` draws from [0, 1).
    pub(super) fn record(
        &mut self,
        when: &impl When,
        ticket: Ticket,
        outcome: Outcome,
        took: Option<Duration>,
        luck: impl FnOnce() -> f64,
    ) -> Recorded {
        if ticket.generation != self.generation || !self.give_back(ticket) {
            self.past_mut().stale += 1;
            return Recorded::default();
        }
        let counted = Recorded { counted: true, ..Recorded::default() };
        if matches!(self.phase, Phase::Disabled) {
            return Recorded::default();
        }
        match outcome {
            Outcome::Failure => {
                self.failures += 1;
                self.last_failure = when.lately();
                self.streak = self.streak.saturating_add(1);
            }
            Outcome::Success => self.streak = 0,
            Outcome::Abandoned => self.past_mut().abandoned += 1,
            Outcome::Ignored => {}
        }
        match &mut self.phase {
            Phase::HalfOpen(trial) => match outcome {
                Outcome::Failure => {
                    let past = self.past_mut();
                    past.reopenings = past.reopenings.saturating_add(1);
                    let transition = self.open(when.exactly(), TripReason::ProbeFailed, luck());
                    Recorded { transition: Some(transition), ..counted }
                }
                Outcome::Success => {
                    trial.successes += 1;
                    if trial.successes < self.config.success_threshold {
                        return counted;
                    }
                    let transition =
                        self.enter(when.exactly(), State::Closed, Phase::Closed, TripReason::Recovered);
                    Recorded { transition: Some(transition), ..counted }
                }
                Outcome::Ignored | Outcome::Abandoned => counted,
            },
            Phase::Closed | Phase::MetricsOnly { .. } => {
                if outcome == Outcome::Ignored {
                    return counted;
                }
                let slow = self.config.slow_call_duration.is_some_and(|limit| took > Some(limit));
                if let Some(results) = &mut self.results {
                    let (failed, abandoned) = (outcome == Outcome::Failure, outcome == Outcome::Abandoned);
                    results.push(when, Sample { failed, slow, abandoned });
                }
                let [failing, slow] = self.broken_rules();
                if let Phase::MetricsOnly { told_failures, told_slow } = &mut self.phase {
                    // Each kind of rule is told once.
                    let tell = |reason: Option<TripReason>, told: &mut bool| {
                        reason.filter(|_| !std::mem::replace(told, true))
                    };
                    let exceeded = [tell(failing, told_failures), tell(slow, told_slow)];
                    self.past_mut().would_have_opened += exceeded.iter().flatten().count() as u64;
                    return Recorded { exceeded, ..counted };
                }
                match failing.or(slow) {
                    Some(reason) => {
                        let transition = self.open(when.exactly(), reason, luck());
                        Recorded { transition: Some(transition), ..counted }
                    }
                    None => counted,
                }
            }
            Phase::Open { .. } | Phase::ForcedOpen | Phase::Disabled => counted,
        }
    }

    /// Returns a probe's slot; false when the ticket holds none any more.
    fn give_back(&mut self, ticket: Ticket) -> bool {
        if ticket.probe == 0 {
            return true;
        }
        let Phase::HalfOpen(trial) = &mut self.phase else { return false };
        let held = trial.probes.len();
        trial.probes.retain(|probe| probe.number != ticket.probe);
        trial.probes.len() < held
    }

    /// The rules that the latest result broke: the first of those about failures, and the one about slow calls.
    fn broken_rules(&self) -> [Option<TripReason>; 2] {
        let streak = self.streak;
        let consecutive =
            (streak >= self.config.failure_threshold).then_some(TripReason::ConsecutiveFailures(streak));
        let Some(results) = &self.results else { return [consecutive, None] };
        let (totals, min_calls) = (results.latest_totals(), self.config.effective_min_calls());
        let calls = totals.calls();
        if calls == 0 && totals.abandoned >= min_calls {
            return [consecutive.or(Some(TripReason::Abandoned(totals.abandoned))), None];
        }
        let broken = |part: u32, limit: Option<f64>, reason: fn(f32, u32) -> TripReason| {
            let over = calls >= min_calls && reaches(part, calls, limit);
            over.then(|| reason(percent(f64::from(part) / f64::from(calls)), calls))
        };
        let failure_rate = |percent, calls| TripReason::FailureRate { percent, calls };
        let slow_call_rate = |percent, calls| TripReason::SlowCallRate { percent, calls };
        [
            consecutive.or(broken(totals.failures, self.config.failure_rate, failure_rate)),
            broken(totals.slow(), self.config.slow_call_rate, slow_call_rate),
        ]
    }

    /// Changes the state by hand. A change to the state it is in changes nothing, except that OPEN begins anew.
    pub(super) fn set(
        &mut self,
        now: Moment,
        to: State,
        span: Option<Duration>,
        luck: f64,
    ) -> Option<Transition> {
        if to == State::Open {
            let was_open = self.state() == State::Open;
            let transition = self.open(now, TripReason::Manual, luck);
            if let (Some(span), Phase::Open { .. }) = (span, &self.phase) {
                self.phase = Phase::Open { until: now.saturating_add(span), span };
            }
            if was_open {
                self.past_mut().times_opened -= 1;
                return None;
            }
            return Some(transition);
        }
        if self.state() == to {
            return None;
        }
        let phase = match to {
            State::Closed => Phase::Closed,
            State::HalfOpen => half_open(),
            State::ForcedOpen => Phase::ForcedOpen,
            State::Disabled => Phase::Disabled,
            State::MetricsOnly | State::Open => Phase::MetricsOnly { told_failures: false, told_slow: false },
        };
        Some(self.enter(now, to, phase, TripReason::Manual))
    }

    /// Begins again as if just made with `config`; results of calls admitted before are stale.
    pub(super) fn reset(&mut self, config: Arc<BreakerConfig>, now: Moment) -> Option<Transition> {
        let (from, generation) = (self.state(), self.generation);
        *self = Self::new(config, now);
        self.generation = generation.after(2);
        let to = self.state();
        (from != to).then_some(Transition { from, to, reason: TripReason::Reset })
    }

    fn open(&mut self, now: Moment, reason: TripReason, luck: f64) -> Transition {
        let config = &self.config;
        let exponent = i32::try_from(self.reopenings()).unwrap_or(i32::MAX);
        let growth = config.recovery_backoff.powi(exponent);
        let longest = config.max_recovery_timeout.unwrap_or(Duration::MAX);
        let span = scaled(config.recovery_timeout, growth).min(longest.max(config.recovery_timeout));
        let span =
            scaled(span, 1.0 + config.recovery_jitter * luck).min(longest.max(config.recovery_timeout));
        let past = self.past_mut();
        past.times_opened += 1;
        past.opened_because = Some(reason);
        self.enter(now, State::Open, Phase::Open { until: now.saturating_add(span), span }, reason)
    }

    fn enter(&mut self, now: Moment, to: State, phase: Phase, reason: TripReason) -> Transition {
        let from = self.state();
        let (times, failures) = (self.times(now).map(nanos), self.failures);
        let past = self.past_mut();
        past.spent = times;
        past.failures_before = failures;
        past.abandoned_before = past.abandoned;
        if !matches!(to, State::Open | State::HalfOpen) {
            past.reopenings = 0;
        }
        self.since = now;
        self.phase = phase;
        self.generation = self.generation.after(1);
        if to != State::Open {
            // An OPEN breaker keeps what opened it, for whoever asks.
            self.streak = 0;
            if let Some(results) = &mut self.results {
                results.clear();
            }
        }
        Transition { from, to, reason }
    }
}

/// Whether `part` of `calls` is the share `limit`, or more.
pub(super) fn reaches(part: u32, calls: u32, limit: Option<f64>) -> bool {
    // What should be the limit itself may fall short of it by a rounding.
    limit.is_some_and(|limit| f64::from(part) >= (limit - 1e-9) * f64::from(calls))
}

#[allow(clippy::cast_possible_truncation, reason = "a percentage for people")]
fn percent(share: f64) -> f32 {
    (share * 100.0) as f32
}

fn half_open() -> Phase {
    Phase::HalfOpen(Box::default())
}

fn results(config: &BreakerConfig) -> Option<Box<Results>> {
    config.has_window().then(|| Box::new(Results::new(config.window)))
}

impl Trial {
    fn is_full(&self, config: &BreakerConfig) -> bool {
        self.probes.len() as u64 >= u64::from(config.probes())
    }

    fn first_lease_end(&self) -> Option<Moment> {
        self.probes.iter().map(|probe| probe.lease_ends).min()
    }

    /// Probes whose lease is over count no more; how many there were.
    fn forget_lost_probes(&mut self, now: Moment) -> u64 {
        let held = self.probes.len();
        self.probes.retain(|probe| now < probe.lease_ends);
        (held - self.probes.len()) as u64
    }

    /// The number of a probe that begins.
    fn begin_probe(&mut self, now: Moment, lease: Duration) -> u32 {
        self.latest = self.latest.checked_add(1).unwrap_or(1);
        let lease_ends = now.saturating_add(lease);
        self.probes.push(Probe { number: self.latest, lease, lease_ends });
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::Window;
    use super::*;
    use crate::clock::Late;

    fn ended(machine: &mut Machine, outcome: Outcome) {
        let ticket = machine.admit(&Moment::ZERO).0.expect("admitted");
        machine.record(&Moment::ZERO, ticket, outcome, None, || 0.0);
    }

    /// What the healthy path asks instead of taking the lock.
    #[test]
    fn a_success_has_nothing_to_tell_a_machine_that_is_clean() {
        let mut machine = Machine::new(BreakerConfig::new().failure_threshold(2).into(), Moment::ZERO);
        assert!(machine.is_clean());
        ended(&mut machine, Outcome::Failure);
        assert!(!machine.is_clean(), "a success ends the streak");
        ended(&mut machine, Outcome::Success);
        assert!(machine.is_clean());
        ended(&mut machine, Outcome::Failure);
        ended(&mut machine, Outcome::Failure);
        assert!(!machine.is_clean(), "open");
        let _ = machine.set(Moment::ZERO, State::Disabled, None, 0.0);
        assert!(machine.is_clean());
        let _ = machine.set(Moment::ZERO, State::MetricsOnly, None, 0.0);
        assert!(machine.is_clean());
        let _ = machine.set(Moment::ZERO, State::HalfOpen, None, 0.0);
        assert!(!machine.is_clean(), "a success counts for the recovery");
    }

    const SECOND: Duration = Duration::from_secs(1);

    /// How long ago the last tick was.
    const BY: u64 = 4;

    fn late(exactly: u64) -> Late {
        Late { exactly: Moment::from_nanos(exactly), by: BY }
    }

    /// Nobody may ask.
    struct Unasked;

    impl When for Unasked {
        fn exactly(&self) -> Moment {
            panic!("the time was asked for")
        }

        fn lately(&self) -> Moment {
            self.exactly()
        }
    }

    #[test]
    fn what_begins_or_ends_a_state_is_exact_and_the_last_tick_will_do_for_the_rest() {
        let config = BreakerConfig::new().failure_threshold(2).recovery_timeout(SECOND).success_threshold(1);
        let mut machine = Machine::new(config.into(), Moment::ZERO);
        let ticket = machine.admit(&late(10)).0.unwrap();
        machine.record(&late(10), ticket, Outcome::Failure, None, || 0.0);
        assert_eq!(machine.tally().last_failure, Some(Moment::from_nanos(10 - BY)));
        machine.record(&late(20), ticket, Outcome::Failure, None, || 0.0);
        let until = Moment::from_nanos(20).saturating_add(SECOND);
        assert_eq!(machine.open_until().map(|(until, _)| until), Some(until));
        assert!(machine.admit(&late(until.as_nanos() - 1)).0.is_err());
        let ticket = machine.admit(&late(until.as_nanos())).0.unwrap();
        let closes = late(until.as_nanos() + 7);
        machine.record(&closes, ticket, Outcome::Success, None, || 0.0);
        assert_eq!(machine.times(closes.exactly())[2], Duration::from_nanos(7));
    }

    #[test]
    fn only_a_long_lease_begins_with_the_last_tick_and_only_while_a_place_is_free() {
        for (lease, early) in [(SECOND, BY), (Duration::from_nanos(999_999_999), 0)] {
            let config = BreakerConfig::new().probe_lease(lease).half_open_max_calls(2);
            let mut machine = Machine::new(config.into(), Moment::ZERO);
            let _ = machine.set(Moment::ZERO, State::HalfOpen, None, 0.0);
            let ends = Moment::from_nanos(100 - early).saturating_add(lease);
            assert!([(); 2].iter().all(|()| machine.admit(&late(100)).0.is_ok()));
            assert_eq!(machine.probes_under_way(Moment::ZERO), (2, Some(ends)));
            assert!(machine.admit(&late(ends.as_nanos() - 1)).0.is_err());
            assert!(machine.admit(&late(ends.as_nanos())).0.is_ok());
        }
    }

    #[test]
    fn a_result_that_ends_no_state_asks_for_no_time() {
        let rates = BreakerConfig::new().failure_rate(0.5).min_calls(10);
        let mut machine = Machine::new(rates.into(), Moment::ZERO);
        let ticket = Ticket { generation: machine.generation(), probe: 0 };
        for outcome in [Outcome::Success, Outcome::Ignored, Outcome::Abandoned] {
            assert!(machine.record(&Unasked, ticket, outcome, None, || 0.0).counted);
        }
        let _ = machine.set(Moment::ZERO, State::HalfOpen, None, 0.0);
        let probe = machine.admit(&Moment::ZERO).0.unwrap();
        assert!(machine.record(&Unasked, probe, Outcome::Success, None, || 0.0).counted);
    }

    #[test]
    fn successes_are_to_spare_where_no_time_and_no_rate_can_make_one_of_them_matter() {
        let rates = || {
            BreakerConfig::new().failure_threshold(10).failure_rate(0.5).min_calls(4).window(Window::Count(4))
        };
        let spare = |config: BreakerConfig, state: State, outcomes: &[Outcome]| {
            let mut machine = Machine::new(config.into(), Moment::ZERO);
            let _ = machine.set(Moment::ZERO, state, None, 0.0);
            for outcome in outcomes {
                ended(&mut machine, *outcome);
            }
            machine.spare_successes() > 0
        };
        let (good, bad) = (Outcome::Success, Outcome::Failure);
        assert!(spare(rates(), State::Closed, &[good, good, good, bad]));
        assert!(
            !spare(rates(), State::Closed, &[good, good, bad]),
            "the next result is the first that counts"
        );
        assert!(!spare(rates(), State::Closed, &[good; 4]), "clean: nobody has to borrow");
        assert!(!spare(rates(), State::MetricsOnly, &[good, good, bad, bad]), "the rate is reached");
        let timed = rates().window(Window::Time(SECOND));
        assert!(!spare(timed, State::Closed, &[good, good, good, bad]), "time passes");
        let slow = rates().slow_call_rate(0.5).slow_call_duration(SECOND);
        assert!(!spare(slow, State::Closed, &[good, good, good, bad]), "a success may be slow");
        assert!(!spare(rates(), State::HalfOpen, &[bad]));
    }

    #[test]
    fn a_window_is_clean_once_it_holds_successes_alone() {
        let config = BreakerConfig::new().failure_rate(0.5).window(Window::Count(2)).min_calls(2);
        let mut machine = Machine::new(config.into(), Moment::ZERO);
        assert!(!machine.is_clean());
        ended(&mut machine, Outcome::Success);
        ended(&mut machine, Outcome::Success);
        assert!(machine.is_clean());
    }
}
