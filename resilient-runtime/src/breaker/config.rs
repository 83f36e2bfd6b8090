//! What a breaker is told: thresholds, windows, times. Refused when built, never clamped in silence.

use std::fmt;
use std::time::Duration;

/// What the rate rules look back on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The last so many results.
    Count(u32),
    /// The results of the last so much time, in ten sliding buckets; under 200 ms in one, which forgets all at once.
    Time(Duration),
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(calls) => write!(f, "{calls} calls"),
            Self::Time(span) => write!(f, "{}", humantime::format_duration(*span)),
        }
    }
}

/// What a [`CircuitBreaker`](crate::CircuitBreaker) is told.
///
/// Defaults: opens after 5 consecutive failures, stays open 60 s, closes after 2 successful probes, 2 probes at a
/// time; the rate rules are off.
///
/// The trap: `failure_rate` and `slow_call_rate` say nothing below `min_calls` (20) results in the window (100
/// calls), so a breaker with little traffic is opened by the consecutive rule alone.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::{BreakerConfig, CircuitBreaker, Window};
/// use std::time::Duration;
///
/// let config = BreakerConfig::new()
///     .failure_threshold(3)
///     .recovery_timeout(Duration::from_secs(30))
///     .failure_rate(0.5)
///     .window(Window::Time(Duration::from_secs(10)));
/// let breaker = CircuitBreaker::new("db", config)?;
/// # Ok::<(), resilient_runtime::ConfigErrors>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct BreakerConfig {
    pub(crate) failure_threshold: u32,
    pub(crate) success_threshold: u32,
    pub(crate) recovery_timeout: Duration,
    pub(crate) failure_rate: Option<f64>,
    pub(crate) window: Window,
    pub(crate) min_calls: u32,
    pub(crate) slow_call_rate: Option<f64>,
    pub(crate) slow_call_duration: Option<Duration>,
    pub(crate) half_open_max_calls: Option<u32>,
    pub(crate) recovery_backoff: f64,
    pub(crate) max_recovery_timeout: Option<Duration>,
    pub(crate) recovery_jitter: f64,
    pub(crate) probe_lease: Option<Duration>,
    pub(crate) initial_state: super::State,
    pub(crate) critical: bool,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            failure_threshold: 5,
            success_threshold: 2,
            recovery_timeout: Duration::from_secs(60),
            failure_rate: None,
            window: Window::Count(100),
            min_calls: 20,
            slow_call_rate: None,
            slow_call_duration: None,
            half_open_max_calls: None,
            recovery_backoff: 1.0,
            max_recovery_timeout: None,
            recovery_jitter: 0.0,
            probe_lease: None,
            initial_state: super::State::Closed,
            critical: false,
        }
    }
}

impl BreakerConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Consecutive failures that open it. Default 5; [`OFF`](crate::OFF) turns the rule off.
    pub fn failure_threshold(mut self, failures: u32) -> Self {
        self.failure_threshold = failures;
        self
    }

    /// Successful probes that close it. Default 2.
    pub fn success_threshold(mut self, successes: u32) -> Self {
        self.success_threshold = successes;
        self
    }

    /// How long it stays open before a probe is let through. Default 60 s.
    pub fn recovery_timeout(mut self, span: Duration) -> Self {
        self.recovery_timeout = span;
        self
    }

    /// The share of failures in the window that opens it, in (0, 1]. Default: off.
    pub fn failure_rate(mut self, share: f64) -> Self {
        self.failure_rate = Some(share);
        self
    }

    /// What the rates look back on. Default: the last 100 calls.
    pub fn window(mut self, window: Window) -> Self {
        self.window = window;
        self
    }

    /// How many results the window must hold before a rate counts. Default 20; at most the size of a count window.
    pub fn min_calls(mut self, calls: u32) -> Self {
        self.min_calls = calls;
        self
    }

    /// The share of slow calls in the window that opens it, in (0, 1]; needs `slow_call_duration`. Default: off.
    pub fn slow_call_rate(mut self, share: f64) -> Self {
        self.slow_call_rate = Some(share);
        self
    }

    /// A call is slow when it took longer than this. Default: none.
    pub fn slow_call_duration(mut self, span: Duration) -> Self {
        self.slow_call_duration = Some(span);
        self
    }

    /// How many probes may be under way at once. Default: `success_threshold`.
    pub fn half_open_max_calls(mut self, calls: u32) -> Self {
        self.half_open_max_calls = Some(calls);
        self
    }

    /// Each re-opening lasts this many times the one before. Default 1.0 (constant).
    pub fn recovery_backoff(mut self, factor: f64) -> Self {
        self.recovery_backoff = factor;
        self
    }

    /// The longest re-opening. Default: none.
    pub fn max_recovery_timeout(mut self, span: Duration) -> Self {
        self.max_recovery_timeout = Some(span);
        self
    }

    /// Lengthens each opening by up to this share of it, so that many processes do not probe at once. Default 0.0.
    pub fn recovery_jitter(mut self, share: f64) -> Self {
        self.recovery_jitter = share;
        self
    }

    /// How long a probe may take before its slot is given to another. Default: `recovery_timeout`, or twice the
    /// attempt timeout where that is longer.
    pub fn probe_lease(mut self, span: Duration) -> Self {
        self.probe_lease = Some(span);
        self
    }

    /// The state it begins in. Default [`State::Closed`](super::State::Closed).
    pub fn initial_state(mut self, state: super::State) -> Self {
        self.initial_state = state;
        self
    }

    /// Whether the whole service is unhealthy while this breaker is open. Default false.
    pub fn critical(mut self, critical: bool) -> Self {
        self.critical = critical;
        self
    }

    /// Everything that is wrong with it, each as `parameter must be …`.
    #[inline]
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut refuse = |bad: bool, text: &str| {
            if bad {
                problems.push(text.to_owned());
            }
        };
        let bad_rate = |rate: Option<f64>| rate.is_some_and(|rate| !(rate > 0.0 && rate <= 1.0));
        let zero = |span: Option<Duration>| span.is_some_and(|span| span.is_zero());
        refuse(self.failure_threshold == 0, "failure_threshold must be positive (OFF turns the rule off)");
        refuse(self.success_threshold == 0, "success_threshold must be positive");
        refuse(self.recovery_timeout.is_zero(), "recovery_timeout must be positive");
        refuse(self.half_open_max_calls == Some(0), "half_open_max_calls must be positive");
        refuse(self.min_calls == 0, "min_calls must be positive");
        refuse(bad_rate(self.failure_rate), "failure_rate must be over 0.0 and at most 1.0");
        refuse(bad_rate(self.slow_call_rate), "slow_call_rate must be over 0.0 and at most 1.0");
        refuse(
            self.slow_call_rate.is_some() != self.slow_call_duration.is_some(),
            "slow_call_rate and slow_call_duration must be given together",
        );
        refuse(zero(self.slow_call_duration), "slow_call_duration must be positive");
        refuse(zero(self.max_recovery_timeout), "max_recovery_timeout must be positive");
        refuse(zero(self.probe_lease), "probe_lease must be positive");
        refuse(
            matches!(self.window, Window::Count(0) | Window::Time(Duration::ZERO)),
            "window must be positive",
        );
        refuse(
            !(self.recovery_backoff >= 1.0 && self.recovery_backoff.is_finite()),
            "recovery_backoff must be at least 1.0",
        );
        refuse(!(0.0..=1.0).contains(&self.recovery_jitter), "recovery_jitter must be between 0.0 and 1.0");
        problems
    }

    /// Whether results go through a window at all.
    pub(crate) fn has_window(&self) -> bool {
        self.failure_rate.is_some() || self.slow_call_rate.is_some()
    }

    /// `min_calls`, no more than a count window can hold.
    pub(crate) fn effective_min_calls(&self) -> u32 {
        match self.window {
            Window::Count(size) => self.min_calls.min(size),
            Window::Time(_) => self.min_calls,
        }
    }

    pub(crate) fn probes(&self) -> u32 {
        self.half_open_max_calls.unwrap_or(self.success_threshold)
    }

    pub(crate) fn lease(&self) -> Duration {
        self.probe_lease.unwrap_or(self.recovery_timeout)
    }

    /// Whether `other` asks for the same breaker. The probe lease follows each function's own time limit.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        Self { probe_lease: None, ..self.clone() } == Self { probe_lease: None, ..other.clone() }
    }

    /// Each setting as people read it.
    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        let Self {
            failure_threshold,
            success_threshold,
            recovery_timeout,
            failure_rate,
            window,
            min_calls,
            slow_call_rate,
            slow_call_duration,
            half_open_max_calls: _,
            recovery_backoff,
            max_recovery_timeout,
            recovery_jitter,
            probe_lease: _,
            initial_state: _,
            critical,
        } = self;
        vec![
            ("failure_threshold", threshold(*failure_threshold)),
            ("success_threshold", success_threshold.to_string()),
            ("recovery_timeout", format!("{recovery_timeout:?}")),
            ("failure_rate", or_off(*failure_rate)),
            ("window", window.to_string()),
            ("min_calls", min_calls.to_string()),
            ("slow_call_rate", or_off(*slow_call_rate)),
            ("slow_call_duration", or_off(*slow_call_duration)),
            ("half_open_max_calls", self.probes().to_string()),
            ("recovery_backoff", recovery_backoff.to_string()),
            ("max_recovery_timeout", or_off(*max_recovery_timeout)),
            ("recovery_jitter", recovery_jitter.to_string()),
            ("critical", critical.to_string()),
        ]
    }
}

/// The largest number is the rule switched off.
fn threshold(failures: u32) -> String {
    or_off(Some(failures).filter(|failures| *failures != u32::MAX))
}

fn or_off<T: fmt::Debug>(value: Option<T>) -> String {
    value.map_or_else(|| "off".to_owned(), |value| format!("{value:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_that_shrinks_or_never_ends_is_refused() {
        for (factor, fine) in
            [(1.0, true), (2.0, true), (0.5, false), (f64::INFINITY, false), (f64::NAN, false)]
        {
            let problems = BreakerConfig::new().recovery_backoff(factor).problems();
            assert_eq!(problems.is_empty(), fine, "{factor}: {problems:?}");
        }
    }
}
