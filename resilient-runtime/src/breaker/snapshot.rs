//! A breaker as it was at one moment, for people and monitoring.

use std::time::Duration;

use super::machine::{Machine, reaches};
use super::{Count, Counters, State};
use crate::clock::{Clock, Moment};
use crate::reason::TripReason;

/// A breaker as it was at one moment.
///
/// Lifetime counts run from the breaker's making or its last `reset`; `current` counts from its last change of
/// state. An OPEN breaker whose time is over still says `open`, with `retry_after` 0: it changes when a call comes.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct BreakerSnapshot {
    /// The breaker's name.
    pub name: &'static str,
    /// Its state.
    pub state: State,
    /// Failures since the last success.
    pub failure_count: u32,
    /// Successes since the last failure or change of state.
    pub consecutive_successes: u64,
    /// Failed calls as a share of failed and successful ones, over the lifetime; 0.0 when there were none.
    pub failure_rate: f64,
    /// Successful and failed calls, over the lifetime.
    pub total_calls: u64,
    /// Successful calls, over the lifetime.
    pub successful_calls: u64,
    /// Failed calls, over the lifetime.
    pub failed_calls: u64,
    /// Refused calls, over the lifetime.
    pub rejected_calls: u64,
    /// The same as `rejected_calls`, under the name dashboards of Pynomaly read.
    pub blocked_calls: u64,
    /// Calls that failed by their caller's own fault.
    pub ignored_calls: u64,
    /// Calls dropped before they ended.
    pub abandoned_calls: u64,
    /// Results that came after the state had changed, and changed nothing.
    pub stale_results: u64,
    /// Probes whose lease ran out.
    pub lost_probes: u64,
    /// Probes under way.
    pub probes_under_way: u32,
    /// How many probes may be under way at once.
    pub half_open_max_calls: u32,
    /// Seconds until the first probe under way counts as lost, and another may take its place; `None` when there is
    /// none.
    pub probe_lease_left: Option<f64>,
    /// How often it opened.
    pub times_opened: u64,
    /// How often in a row a probe failed and it opened again.
    pub reopenings: u32,
    /// How often it would have opened while it only measured: once for each kind of rule until it is told to do
    /// something else.
    pub would_have_opened: u64,
    /// Seconds that it stays open this time, grown and spread by `recovery_backoff` and `recovery_jitter`; `None`
    /// unless it is open.
    pub open_for: Option<f64>,
    /// What it spent in its states.
    pub time_in_states: TimeInStates,
    /// Seconds until a refused caller may come back; `None` when calls pass, or when only a person can close it.
    pub retry_after: Option<f64>,
    /// When the last failure was, in seconds since 1970.
    pub last_failure_time: Option<f64>,
    /// When the next call may pass, in seconds since 1970.
    pub next_attempt_time: Option<f64>,
    /// What opened it, while it is open.
    pub opened_because: Option<TripReason>,
    /// Consecutive failures that open it; [`OFF`](crate::OFF), `null` in JSON, where that rule is off.
    #[cfg_attr(feature = "serde", serde(serialize_with = "unless_off"))]
    pub failure_threshold: u32,
    /// Successful probes that close it.
    pub success_threshold: u32,
    /// How long it stays open, in seconds.
    pub recovery_timeout: f64,
    /// Whether it is closed although a rate is over its limit, as one that only measures may be.
    pub failing: bool,
    /// Whether the whole service is unhealthy while it is open.
    pub critical: bool,
    /// Counts since the last change of state.
    pub current: Counts,
    /// What the rate rules see; `None` while no rate rule is on.
    pub window: Option<WindowSnapshot>,
}

#[cfg(feature = "serde")]
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
fn unless_off<S: serde::Serializer>(failures: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&Some(*failures).filter(|failures| *failures != u32::MAX), serializer)
}

/// Seconds that a breaker spent in its states, since it was made or reset.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TimeInStates {
    /// Calls passed: closed, disabled, or only measuring.
    pub closed: f64,
    /// Calls were refused: open or forced open. A breaker whose time is over is open until a call comes.
    pub open: f64,
    /// Probes were let through.
    pub half_open: f64,
}

/// Counts since the last change of state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Counts {
    /// Successful and failed calls.
    pub calls: u64,
    /// Successful calls.
    pub successes: u64,
    /// Failed calls.
    pub failures: u64,
    /// Calls that failed by their caller's own fault.
    pub ignored: u64,
    /// Calls dropped before they ended.
    pub abandoned: u64,
    /// Refused calls.
    pub rejected: u64,
}

/// What the rate rules see.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct WindowSnapshot {
    /// Results in the window.
    pub calls: u32,
    /// Successful ones.
    pub successes: u32,
    /// Failed ones.
    pub failures: u32,
    /// Slow ones.
    pub slow: u32,
    /// Slow and successful ones.
    pub slow_successes: u32,
    /// Slow and failed ones.
    pub slow_failures: u32,
    /// Calls dropped before they ended; in no rate.
    pub abandoned: u32,
    /// Failures as a share of results; `None` below `min_calls`.
    pub failure_rate: Option<f64>,
    /// The share of failures that opens it; `None` where that rule is off.
    pub failure_rate_limit: Option<f64>,
    /// Slow calls as a share of results; `None` below `min_calls`.
    pub slow_call_rate: Option<f64>,
    /// The share of slow calls that opens it; `None` where that rule is off.
    pub slow_call_rate_limit: Option<f64>,
    /// How many results there must be before a rate counts.
    pub min_calls: u32,
}

/// Where the lock-free counters stood at certain times; kept under the lock.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    successes_at_failure: u64,
    /// Nothing before the first change of state or reset.
    past: Option<Box<[[u64; 3]; 2]>>,
}

fn sums(counters: &Counters) -> [u64; 3] {
    [Count::Success, Count::Ignored, Count::Rejected].map(|count| counters.sum(count))
}

impl Marks {
    pub(super) fn reset(counters: &Counters) -> Self {
        let now = sums(counters);
        Self { past: Some(Box::new([now; 2])), successes_at_failure: now[0] }
    }

    pub(super) fn begin_episode(&mut self, counters: &Counters) {
        let now = sums(counters);
        self.past.get_or_insert_default()[1] = now;
        self.successes_at_failure = now[0];
    }

    pub(super) fn break_streak(&mut self, counters: &Counters) {
        self.successes_at_failure = counters.sum(Count::Success);
    }

    /// When it was made or reset, and when its state last changed.
    fn past(&self) -> [[u64; 3]; 2] {
        self.past.as_deref().copied().unwrap_or_default()
    }
}

pub(super) fn take(
    name: &'static str,
    machine: &mut Machine,
    marks: &Marks,
    counters: &Counters,
    clock: &Clock,
    now: Moment,
) -> BreakerSnapshot {
    let totals = machine.totals(now);
    let blocked_until = machine.blocked_until(now);
    let (state, tally, config) = (machine.state(), machine.tally(), machine.config());
    let sums = sums(counters);
    let [made, episode] = marks.past();
    let [successful_calls, ignored_calls, rejected_calls] =
        [0, 1, 2].map(|count: usize| sums[count].wrapping_sub(made[count]));
    let [successes, ignored, rejected] =
        [0, 1, 2].map(|count: usize| sums[count].wrapping_sub(episode[count]));
    let failed_calls = tally.failures;
    let failures = tally.failures - tally.failures_before;
    let total_calls = successful_calls + failed_calls;
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let failing = totals.is_some_and(|totals| {
        let calls = totals.calls();
        matches!(state, State::Closed | State::MetricsOnly)
            && calls >= config.effective_min_calls()
            && (reaches(totals.failures, calls, config.failure_rate)
                || reaches(totals.slow(), calls, config.slow_call_rate))
    });
    let seconds = |span: Duration| span.as_secs_f64();
    let (probes_under_way, first_lease_ends) = machine.probes_under_way(now);
    let [closed, open, half_open] = machine.times(now).map(seconds);
    BreakerSnapshot {
        name,
        state,
        failure_count: machine.streak(),
        consecutive_successes: sums[0].wrapping_sub(marks.successes_at_failure),
        failure_rate: share(failed_calls, total_calls),
        total_calls,
        successful_calls,
        failed_calls,
        rejected_calls,
        blocked_calls: rejected_calls,
        ignored_calls,
        abandoned_calls: tally.abandoned,
        stale_results: tally.stale,
        lost_probes: tally.lost_probes,
        probes_under_way,
        half_open_max_calls: config.probes(),
        probe_lease_left: first_lease_ends.map(|ends| seconds(ends.since(now))),
        times_opened: tally.times_opened,
        reopenings: machine.reopenings(),
        would_have_opened: tally.would_have_opened,
        open_for: machine.open_span().map(seconds),
        time_in_states: TimeInStates { closed, open, half_open },
        retry_after: blocked_until.map(|until| seconds(until.since(now))),
        last_failure_time: tally.last_failure.map(|at| clock.unix_seconds(at)),
        next_attempt_time: blocked_until.map(|until| clock.unix_seconds(until)),
        opened_because: machine.open_until().map(|(_, reason)| reason),
        failure_threshold: config.failure_threshold,
        success_threshold: config.success_threshold,
        recovery_timeout: seconds(config.recovery_timeout),
        failing,
        critical: config.critical,
        current: Counts {
            calls: successes + failures,
            successes,
            failures,
            ignored,
            abandoned: tally.abandoned - tally.abandoned_before,
            rejected,
        },
        window: totals.map(|totals| {
            let calls = totals.calls();
            let known = calls >= config.effective_min_calls() && calls > 0;
            let rate = |part: u32| known.then(|| f64::from(part) / f64::from(calls));
            WindowSnapshot {
                calls,
                successes: totals.successes,
                failures: totals.failures,
                slow: totals.slow(),
                slow_successes: totals.slow_successes,
                slow_failures: totals.slow_failures,
                abandoned: totals.abandoned,
                failure_rate: rate(totals.failures),
                failure_rate_limit: config.failure_rate,
                slow_call_rate: rate(totals.slow()),
                slow_call_rate_limit: config.slow_call_rate,
                min_calls: config.effective_min_calls(),
            }
        }),
    }
}
