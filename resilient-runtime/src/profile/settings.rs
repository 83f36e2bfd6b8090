//! What one source says about an operation, and the conversions that let people say it their way.

use std::fmt;
use std::time::Duration;

use super::duration::{self, LONGEST, NoDuration};
use super::param;
use super::problem::shown;
use crate::breaker::Window;
use crate::hedge::HedgeDelay;
use crate::rate_limit::Algorithm;
use crate::retry::{Backoff, Budget, Jitter};

/// `failure_threshold = "off"`: consecutive failures never open the circuit breaker.
pub const OFF: u32 = u32::MAX;

/// Why a value was refused, and what may be written instead.
///
/// Kept beside the [`Settings`] it was meant for, never thrown: `validate()` reports it, and the next lower source
/// is used in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// A clause: `is not a duration`.
    pub(crate) wrong: &'static str,
    /// What may be written.
    pub(crate) allowed: &'static str,
    /// The value, when it is short and plain enough to be shown.
    pub(crate) shown: Option<String>,
}

impl Refused {
    pub(crate) fn new(wrong: &'static str, allowed: &'static str, value: &str) -> Self {
        Self { wrong, allowed, shown: shown(value) }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.shown {
            Some(shown) => write!(f, "`{shown}` {}; write {}", self.wrong, self.allowed),
            None => write!(f, "the value {}; write {}", self.wrong, self.allowed),
        }
    }
}

/// What one source (an attribute, a profile, a test scope) says about an operation. What it leaves out comes from
/// the next lower source.
///
/// Setters take what people write: a [`Duration`], a number of seconds or a text with a unit. A value that cannot
/// be used (negative seconds, `NaN`, an unreadable text) does not panic and is not lost: `validate()` and
/// `init()` report it, and the next lower source is used.
///
/// Trap: `max_attempts` counts the first call, `max_retries` does not; both set the same field.
///
/// ```
/// # use resilient_runtime::{Settings, Window};
/// use std::time::Duration;
///
/// let settings = Settings::new().timeout("250ms").max_retries(2).base_delay(0.1).window(50);
/// assert_eq!(settings.timeout, Some(Duration::from_millis(250)));
/// assert_eq!(settings.max_attempts, Some(3));
/// assert_eq!(settings.window, Some(Window::Count(50)));
/// assert_eq!(settings.failure_threshold, None);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Limit of one attempt. Built-in: 5 s.
    pub timeout: Option<Duration>,
    /// Limit of the whole call, waits included. Built-in: none.
    pub deadline: Option<Duration>,
    /// Attempts, the first call included. Built-in: 3.
    pub max_attempts: Option<u32>,
    /// Wait before the first retry. Built-in: 1 s.
    pub base_delay: Option<Duration>,
    /// Longest wait between attempts. Built-in: 60 s.
    pub max_delay: Option<Duration>,
    /// Growth of the wait from one retry to the next, at least 1. Built-in: 2.
    pub exponential_base: Option<f64>,
    /// Spread of the wait. Built-in: [`Jitter::Equal`].
    pub jitter: Option<Jitter>,
    /// How the wait grows. Built-in: [`Backoff::Exponential`].
    pub backoff: Option<Backoff>,
    /// Consecutive failures that open the circuit breaker; [`OFF`] = they never do. Built-in: 5.
    pub failure_threshold: Option<u32>,
    /// Successful probes that close it again. Built-in: 2.
    pub success_threshold: Option<u32>,
    /// How long it stays open before the first probe. Built-in: 60 s.
    pub recovery_timeout: Option<Duration>,
    /// Share of failures in the window that opens it, above 0 and at most 1. Built-in: off.
    pub failure_rate: Option<f64>,
    /// What the rates look back on. Built-in: 100 calls.
    pub window: Option<Window>,
    /// Calls in the window before a rate counts; more than a counted window holds means all it holds. Built-in: 20.
    pub min_calls: Option<u32>,
    /// Share of slow calls in the window that opens it, above 0 and at most 1. Built-in: off.
    pub slow_call_rate: Option<f64>,
    /// From which time on a call is slow. Built-in: none.
    pub slow_call_duration: Option<Duration>,
    /// Probes at the same time while half open. Built-in: `success_threshold`.
    pub half_open_max_calls: Option<u32>,
    /// Growth of the open time from one re-opening to the next, at least 1. Built-in: 1.
    pub recovery_backoff: Option<f64>,
    /// Longest open time. Built-in: none.
    pub max_recovery_timeout: Option<Duration>,
    /// Spread of the open time, a share from 0 to 1. Built-in: 0.
    pub recovery_jitter: Option<f64>,
    /// What the retries and hedges of this operation are paid from. Built-in: [`Budget::Tokens`].
    pub budget: Option<Budget>,
    /// How long an attempt may go without an answer before a hedge is started beside it. Built-in:
    /// [`HedgeDelay::P95`].
    pub hedge_delay: Option<HedgeDelay>,
    /// Hedges of one attempt. Built-in: 1.
    pub hedge_max_hedges: Option<u32>,
    /// Calls per [`rate_limit_per`](Self::rate_limit_per). Built-in: 100.
    pub rate_limit_rate: Option<u32>,
    /// The time in which so many calls may start. Built-in: 1 s.
    pub rate_limit_per: Option<Duration>,
    /// Calls that may start at once after a pause. Built-in: as many as `rate_limit_rate`.
    pub rate_limit_burst: Option<u32>,
    /// How long a call waits for its turn before it is refused. Built-in: 0.
    pub rate_limit_max_wait: Option<Duration>,
    /// How the calls are counted. Built-in: [`Algorithm::Gcra`].
    pub rate_limit_algorithm: Option<Algorithm>,
    /// Calls at the same time; 0 refuses every call. Built-in: 10.
    pub bulkhead_max_concurrent: Option<u32>,
    /// Calls that may wait for a place. Built-in: 0, or any number where `bulkhead_max_wait` is set.
    pub bulkhead_max_queue: Option<u32>,
    /// How long a call waits for a place. Built-in: none, or as long as the attempt may take where
    /// `bulkhead_max_queue` is set.
    pub bulkhead_max_wait: Option<Duration>,
    /// Whether the attempt limit is in force. Built-in: true.
    pub enable_timeout: Option<bool>,
    /// Whether failed attempts are repeated. Built-in: true.
    pub enable_retry: Option<bool>,
    /// Whether the circuit breaker counts and refuses. Built-in: true.
    pub enable_circuit_breaker: Option<bool>,
    /// Whether slow attempts are hedged. Built-in: true.
    pub enable_hedge: Option<bool>,
    /// Whether the rate limit is in force. Built-in: true.
    pub enable_rate_limit: Option<bool>,
    /// Whether the bulkhead is in force. Built-in: true.
    pub enable_bulkhead: Option<bool>,
    pub(super) rejected: Vec<(&'static str, Refused)>,
}

/// One setter: the conversion's value is kept, or its refusal is.
macro_rules! converted {
    ($($(#[$doc:meta])* $name:ident: $conversion:ident, $convert:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name(mut self, value: impl $conversion) -> Self {
            self.rejected.retain(|(parameter, _)| *parameter != stringify!($name));
            match value.$convert() {
                Ok(value) => self.$name = Some(value),
                Err(refused) => {
                    self.$name = None;
                    self.rejected.push((stringify!($name), refused));
                }
            }
            self
        }
    )*};
}

macro_rules! plain {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {$(
        $(#[$doc])*
        pub fn $name(mut self, value: $type) -> Self {
            self.$name = Some(value);
            self
        }
    )*};
}

impl Settings {
    /// Says nothing: every field comes from a lower source.
    pub const fn new() -> Self {
        Self {
            timeout: None,
            deadline: None,
            max_attempts: None,
            base_delay: None,
            max_delay: None,
            exponential_base: None,
            jitter: None,
            backoff: None,
            failure_threshold: None,
            success_threshold: None,
            recovery_timeout: None,
            failure_rate: None,
            window: None,
            min_calls: None,
            slow_call_rate: None,
            slow_call_duration: None,
            half_open_max_calls: None,
            recovery_backoff: None,
            max_recovery_timeout: None,
            recovery_jitter: None,
            enable_timeout: None,
            enable_retry: None,
            enable_circuit_breaker: None,
            budget: None,
            hedge_delay: None,
            hedge_max_hedges: None,
            rate_limit_rate: None,
            rate_limit_per: None,
            rate_limit_burst: None,
            rate_limit_max_wait: None,
            rate_limit_algorithm: None,
            bulkhead_max_concurrent: None,
            bulkhead_max_queue: None,
            bulkhead_max_wait: None,
            enable_hedge: None,
            enable_rate_limit: None,
            enable_bulkhead: None,
            rejected: Vec::new(),
        }
    }

    converted! {
        /// Limit of one attempt, above 0; to have none say `enable_timeout(false)`.
        timeout: IntoDuration, into_duration;
        /// Limit of the whole call, waits included, above 0.
        deadline: IntoDuration, into_duration;
        /// Wait before the first retry, 0 or more.
        base_delay: IntoDuration, into_duration;
        /// Longest wait between attempts, above 0.
        max_delay: IntoDuration, into_duration;
        /// How long the circuit breaker stays open before the first probe, above 0.
        recovery_timeout: IntoDuration, into_duration;
        /// From which time on a call is slow, above 0.
        slow_call_duration: IntoDuration, into_duration;
        /// Longest time the circuit breaker stays open, above 0.
        max_recovery_timeout: IntoDuration, into_duration;
        /// Spread of the waits: `true`, `false`, `"full"`, `"decorrelated"` or a share such as `0.1`.
        jitter: IntoJitter, into_jitter;
        /// How the waits grow: `"constant"`, `"linear"`, `"exponential"`, `"fibonacci"` or a function.
        backoff: IntoBackoff, into_backoff;
        /// What the rates look back on: a number of calls (`100`) or a time (`"30s"`).
        window: IntoWindow, into_window;
        /// What retries and hedges are paid from: `"default"`, `"none"`, a share of the calls such as `0.2`, or a
        /// [`Budget`].
        budget: IntoBudget, into_budget;
        /// How long an attempt may go without an answer before a hedge starts: a time, or `"p95"`.
        hedge_delay: IntoHedgeDelay, into_hedge_delay;
        /// The time in which `rate_limit_rate` calls may start, above 0.
        rate_limit_per: IntoDuration, into_duration;
        /// How long a call waits for its turn before it is refused, 0 or more.
        rate_limit_max_wait: IntoDuration, into_duration;
        /// How the calls are counted: `"gcra"` or `"sliding_window"`.
        rate_limit_algorithm: IntoAlgorithm, into_algorithm;
        /// How long a call waits for a place in the bulkhead, 0 or more.
        bulkhead_max_wait: IntoDuration, into_duration;
    }

    plain! {
        /// Attempts, the first call included, at least 1.
        max_attempts: u32;
        /// Growth of the wait from one retry to the next, at least 1.
        exponential_base: f64;
        /// Consecutive failures that open the circuit breaker, at least 1, or [`OFF`].
        failure_threshold: u32;
        /// Successful probes that close the circuit breaker, at least 1.
        success_threshold: u32;
        /// Share of failures that opens the circuit breaker, above 0 and at most 1.
        failure_rate: f64;
        /// Calls in the window before a rate counts, at least 1.
        min_calls: u32;
        /// Share of slow calls that opens the circuit breaker, above 0 and at most 1; needs `slow_call_duration`.
        slow_call_rate: f64;
        /// Probes at the same time while half open, at least 1.
        half_open_max_calls: u32;
        /// Growth of the open time from one re-opening to the next, at least 1.
        recovery_backoff: f64;
        /// Spread of the open time, a share from 0 to 1.
        recovery_jitter: f64;
        /// Whether the attempt limit is in force.
        enable_timeout: bool;
        /// Whether failed attempts are repeated.
        enable_retry: bool;
        /// Whether the circuit breaker counts and refuses.
        enable_circuit_breaker: bool;
        /// Hedges of one attempt, at least 1.
        hedge_max_hedges: u32;
        /// Calls per `rate_limit_per`, at least 1.
        rate_limit_rate: u32;
        /// Calls that may start at once after a pause, at least 1.
        rate_limit_burst: u32;
        /// Calls at the same time; 0 refuses every call.
        bulkhead_max_concurrent: u32;
        /// Calls that may wait for a place in the bulkhead, 0 or more.
        bulkhead_max_queue: u32;
        /// Whether slow attempts are hedged.
        enable_hedge: bool;
        /// Whether the rate limit is in force.
        enable_rate_limit: bool;
        /// Whether the bulkhead is in force.
        enable_bulkhead: bool;
    }

    /// Attempts without the first call: sets `max_attempts` to one more.
    pub fn max_retries(self, retries: u32) -> Self {
        self.max_attempts(retries.saturating_add(1))
    }

    /// The refusal of this parameter's conversion, if it was refused.
    pub(crate) fn rejection(&self, parameter: &str) -> Option<&Refused> {
        self.rejected.iter().find(|(name, _)| *name == parameter).map(|(_, refused)| refused)
    }

    /// Takes from `lower` what `self` does not say; a refused value is said, and stays refused.
    pub(crate) fn fill_from(&mut self, lower: &Self) {
        for param in &param::PARAMS {
            if (param.get)(self).is_none() && self.rejection(param.name).is_none() {
                if let Some(value) = (param.get)(lower) {
                    (param.set)(self, value);
                } else if let Some(refused) = lower.rejection(param.name) {
                    self.rejected.push((param.name, refused.clone()));
                }
            }
        }
    }
}

mod sealed {
    pub trait Sealed {}
}
use sealed::Sealed;

/// What can be written where a duration is wanted: a [`Duration`], a number (seconds), or a text such as `"250ms"`,
/// `"1m30s"`, `"0.5"`.
///
/// Longer than about 584 years is cut to that. Implemented here only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no length of time",
    note = "write a `Duration`, a number of seconds, or a text such as \"250ms\""
)]
pub trait IntoDuration: Sealed {
    /// The duration, or why there is none.
    ///
    /// # Errors
    /// Negative, not finite, or a text that is no duration.
    fn into_duration(self) -> Result<Duration, Refused>;
}

/// What can be written for `jitter`: a [`Jitter`], a `bool`, a share such as `0.1`, or one of the texts `"equal"`,
/// `"full"`, `"decorrelated"`, `"none"`. Implemented here only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no jitter",
    note = "write `true`, `false`, a share such as 0.1, \"full\" or \"decorrelated\""
)]
pub trait IntoJitter: Sealed {
    /// The jitter, or why there is none.
    ///
    /// # Errors
    /// A share that is no number, or a text that names no jitter.
    fn into_jitter(self) -> Result<Jitter, Refused>;
}

/// What can be written for `window`: a [`Window`], a number (calls), a [`Duration`], or a text such as `"100"` or
/// `"30s"`. Implemented here only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no window",
    note = "write a number of calls, a `Duration`, or a text such as \"30s\""
)]
pub trait IntoWindow: Sealed {
    /// The window, or why there is none.
    ///
    /// # Errors
    /// Negative, or a text that is neither a count nor a time.
    fn into_window(self) -> Result<Window, Refused>;
}

/// What can be written for `backoff`: a [`Backoff`], one of [`Backoff::WORDS`], or a `fn(u32) -> Duration`.
/// Implemented here only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no backoff",
    note = "write \"constant\", \"linear\", \"exponential\", \"fibonacci\", or a path to a `fn(u32) -> Duration`"
)]
pub trait IntoBackoff: Sealed {
    /// The backoff, or why there is none.
    ///
    /// # Errors
    /// A text that names no backoff.
    fn into_backoff(self) -> Result<Backoff, Refused>;
}

/// What can be written for `budget`: a [`Budget`], a share of the calls such as `0.2` (with one retry per second
/// besides), or one of the texts `"default"`, `"none"`, `"0.2"`. Implemented here only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no budget",
    note = "write \"default\", \"none\", a share of the calls such as 0.2, or a `Budget`"
)]
pub trait IntoBudget: Sealed {
    /// The budget, or why there is none.
    ///
    /// # Errors
    /// A share outside of 0 to 1, or a text that names no budget.
    fn into_budget(self) -> Result<Budget, Refused>;
}

/// What can be written for `hedge_delay`: a [`HedgeDelay`], `"p95"`, or what [`IntoDuration`] takes. Implemented here
/// only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no delay of a hedge",
    note = "write \"p95\", a `Duration`, a number of seconds, or a text such as \"100ms\""
)]
pub trait IntoHedgeDelay: Sealed {
    /// The delay, or why there is none.
    ///
    /// # Errors
    /// Negative, not finite, or a text that is neither `p95` nor a duration.
    fn into_hedge_delay(self) -> Result<HedgeDelay, Refused>;
}

/// What can be written for `rate_limit_algorithm`: an [`Algorithm`], or one of [`Algorithm::WORDS`]. Implemented here
/// only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no algorithm of a rate limit",
    note = "write \"gcra\" or \"sliding_window\""
)]
pub trait IntoAlgorithm: Sealed {
    /// The algorithm, or why there is none.
    ///
    /// # Errors
    /// A text that names no algorithm.
    fn into_algorithm(self) -> Result<Algorithm, Refused>;
}

/// What a number or a text is refused with when it is no duration.
pub(super) fn no_duration(why: NoDuration, value: &str) -> Refused {
    let wrong = match why {
        NoDuration::Nonsense if value.trim().is_empty() => "is empty",
        NoDuration::Nonsense => "is not a duration",
        NoDuration::Negative => "is negative",
        NoDuration::NotFinite => "is not a finite time",
    };
    Refused::new(wrong, param::DURATION, value)
}

impl Sealed for Duration {}
impl Sealed for &str {}
impl Sealed for String {}
impl Sealed for &String {}
impl Sealed for bool {}
impl Sealed for Jitter {}
impl Sealed for Window {}
impl Sealed for Backoff {}
impl Sealed for Budget {}
impl Sealed for HedgeDelay {}
impl Sealed for Algorithm {}
impl Sealed for fn(u32) -> Duration {}

impl IntoDuration for Duration {
    fn into_duration(self) -> Result<Duration, Refused> {
        Ok(self.min(LONGEST))
    }
}

impl IntoDuration for &str {
    fn into_duration(self) -> Result<Duration, Refused> {
        duration::parse(self).map_err(|why| no_duration(why, self))
    }
}

impl IntoJitter for bool {
    fn into_jitter(self) -> Result<Jitter, Refused> {
        Ok(if self { Jitter::Equal } else { Jitter::None })
    }
}

impl IntoJitter for Jitter {
    fn into_jitter(self) -> Result<Jitter, Refused> {
        Ok(self)
    }
}

impl IntoJitter for &str {
    fn into_jitter(self) -> Result<Jitter, Refused> {
        param::read_jitter(self)
    }
}

impl IntoWindow for Window {
    fn into_window(self) -> Result<Window, Refused> {
        Ok(self)
    }
}

impl IntoWindow for Duration {
    fn into_window(self) -> Result<Window, Refused> {
        Ok(Window::Time(self.min(LONGEST)))
    }
}

impl IntoWindow for &str {
    fn into_window(self) -> Result<Window, Refused> {
        param::read_window(self)
    }
}

impl IntoBackoff for Backoff {
    fn into_backoff(self) -> Result<Backoff, Refused> {
        Ok(self)
    }
}

impl IntoBackoff for fn(u32) -> Duration {
    fn into_backoff(self) -> Result<Backoff, Refused> {
        Ok(Backoff::Custom(self))
    }
}

impl IntoBackoff for &str {
    fn into_backoff(self) -> Result<Backoff, Refused> {
        param::read_backoff(self)
    }
}

impl IntoBudget for Budget {
    fn into_budget(self) -> Result<Budget, Refused> {
        Ok(self)
    }
}

impl IntoBudget for &str {
    fn into_budget(self) -> Result<Budget, Refused> {
        param::read_budget(self)
    }
}

impl IntoHedgeDelay for HedgeDelay {
    fn into_hedge_delay(self) -> Result<HedgeDelay, Refused> {
        Ok(self)
    }
}

impl IntoHedgeDelay for Duration {
    fn into_hedge_delay(self) -> Result<HedgeDelay, Refused> {
        self.into_duration().map(HedgeDelay::Fixed)
    }
}

impl IntoHedgeDelay for &str {
    fn into_hedge_delay(self) -> Result<HedgeDelay, Refused> {
        param::read_hedge_delay(self)
    }
}

impl IntoAlgorithm for Algorithm {
    fn into_algorithm(self) -> Result<Algorithm, Refused> {
        Ok(self)
    }
}

impl IntoAlgorithm for &str {
    fn into_algorithm(self) -> Result<Algorithm, Refused> {
        param::read_algorithm(self)
    }
}

macro_rules! owned_text {
    ($($text:ty),*) => {$(
        impl IntoDuration for $text {
            fn into_duration(self) -> Result<Duration, Refused> {
                self.as_str().into_duration()
            }
        }
        impl IntoJitter for $text {
            fn into_jitter(self) -> Result<Jitter, Refused> {
                self.as_str().into_jitter()
            }
        }
        impl IntoWindow for $text {
            fn into_window(self) -> Result<Window, Refused> {
                self.as_str().into_window()
            }
        }
        impl IntoBackoff for $text {
            fn into_backoff(self) -> Result<Backoff, Refused> {
                self.as_str().into_backoff()
            }
        }
        impl IntoBudget for $text {
            fn into_budget(self) -> Result<Budget, Refused> {
                self.as_str().into_budget()
            }
        }
        impl IntoHedgeDelay for $text {
            fn into_hedge_delay(self) -> Result<HedgeDelay, Refused> {
                self.as_str().into_hedge_delay()
            }
        }
        impl IntoAlgorithm for $text {
            fn into_algorithm(self) -> Result<Algorithm, Refused> {
                self.as_str().into_algorithm()
            }
        }
    )*};
}
owned_text!(String, &String);

macro_rules! floats {
    ($($float:ty),*) => {$(
        impl Sealed for $float {}
        impl IntoDuration for $float {
            fn into_duration(self) -> Result<Duration, Refused> {
                // Through the text: 0.1_f32 means a tenth, not 0.10000000149.
                let text = self.to_string();
                duration::parse(&text).map_err(|why| no_duration(why, &text))
            }
        }
        impl IntoJitter for $float {
            fn into_jitter(self) -> Result<Jitter, Refused> {
                Ok(Jitter::Fraction(self.into()))
            }
        }
        impl IntoBudget for $float {
            fn into_budget(self) -> Result<Budget, Refused> {
                param::read_budget(&self.to_string())
            }
        }
        impl IntoHedgeDelay for $float {
            fn into_hedge_delay(self) -> Result<HedgeDelay, Refused> {
                self.into_duration().map(HedgeDelay::Fixed)
            }
        }
    )*};
}
floats!(f64, f32);

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Sealed for $integer {}
        impl IntoDuration for $integer {
            fn into_duration(self) -> Result<Duration, Refused> {
                u64::try_from(self)
                    .map(|seconds| Duration::from_secs(seconds).min(LONGEST))
                    .map_err(|_| no_duration(NoDuration::Negative, &self.to_string()))
            }
        }
        impl IntoHedgeDelay for $integer {
            fn into_hedge_delay(self) -> Result<HedgeDelay, Refused> {
                self.into_duration().map(HedgeDelay::Fixed)
            }
        }
        impl IntoWindow for $integer {
            fn into_window(self) -> Result<Window, Refused> {
                u32::try_from(self)
                    .map(Window::Count)
                    .map_err(|_| Refused::new("is not a number of calls", param::WINDOW, &self.to_string()))
            }
        }
    )*};
}
integers!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_is_const_and_says_nothing() {
        const NOTHING: Settings = Settings::new();
        assert_eq!(NOTHING, Settings::default());
        assert!(param::PARAMS.iter().all(|param| (param.get)(&NOTHING).is_none()));
    }

    #[test]
    fn durations_are_taken_as_people_write_them() {
        let seconds = |settings: Settings| settings.timeout.map(|t| t.as_secs_f64());
        assert_eq!(seconds(Settings::new().timeout(5)), Some(5.0));
        assert_eq!(seconds(Settings::new().timeout(5_u64)), Some(5.0));
        assert_eq!(seconds(Settings::new().timeout(0.25)), Some(0.25));
        assert_eq!(seconds(Settings::new().timeout(0.1_f32)), Some(0.1));
        assert_eq!(seconds(Settings::new().timeout("250ms")), Some(0.25));
        assert_eq!(seconds(Settings::new().timeout(String::from("1m30s"))), Some(90.0));
        assert_eq!(seconds(Settings::new().timeout(Duration::from_millis(7))), Some(0.007));
        assert_eq!(Settings::new().timeout(u64::MAX).timeout, Some(LONGEST));
        assert_eq!(Settings::new().timeout(Duration::MAX).timeout, Some(LONGEST));
        assert_eq!(Settings::new().timeout(f64::MAX).timeout, Some(LONGEST));
    }

    #[test]
    fn jitter_window_and_backoff_are_taken_as_people_write_them() {
        fn same(_: u32) -> Duration {
            Duration::ZERO
        }
        assert_eq!(Settings::new().jitter(true).jitter, Some(Jitter::Equal));
        assert_eq!(Settings::new().jitter(false).jitter, Some(Jitter::None));
        assert_eq!(Settings::new().jitter(0.1).jitter, Some(Jitter::Fraction(0.1)));
        assert_eq!(Settings::new().jitter("Full").jitter, Some(Jitter::Full));
        assert_eq!(Settings::new().jitter(Jitter::Decorrelated).jitter, Some(Jitter::Decorrelated));
        assert_eq!(Settings::new().window(100).window, Some(Window::Count(100)));
        assert_eq!(Settings::new().window(100_u32).window, Some(Window::Count(100)));
        assert_eq!(Settings::new().window("30s").window, Some(Window::Time(Duration::from_secs(30))));
        let span = Duration::from_secs(1);
        assert_eq!(Settings::new().window(span).window, Some(Window::Time(span)));
        assert_eq!(Settings::new().backoff("linear").backoff, Some(Backoff::Linear));
        let custom = Settings::new().backoff(same as fn(u32) -> Duration).backoff;
        assert!(matches!(custom, Some(Backoff::Custom(_))));
    }

    #[test]
    fn budgets_hedges_and_algorithms_are_taken_as_people_write_them() {
        let fifth = Budget::Ratio { ratio: 0.2, per_second: 1.0 };
        assert_eq!(Settings::new().budget("none").budget, Some(Budget::None));
        assert_eq!(Settings::new().budget("Default").budget, Some(Budget::Tokens));
        assert_eq!(Settings::new().budget(0.2).budget, Some(fifth));
        assert_eq!(Settings::new().budget(0.2_f32).budget, Some(fifth));
        assert_eq!(Settings::new().budget(String::from("0.2")).budget, Some(fifth));
        assert_eq!(Settings::new().budget(fifth).budget, Some(fifth));
        let delay = |settings: Settings| settings.hedge_delay;
        let tenth = Some(HedgeDelay::Fixed(Duration::from_millis(100)));
        assert_eq!(delay(Settings::new().hedge_delay("p95")), Some(HedgeDelay::P95));
        assert_eq!(delay(Settings::new().hedge_delay("100ms")), tenth);
        assert_eq!(delay(Settings::new().hedge_delay(0.1)), tenth);
        assert_eq!(delay(Settings::new().hedge_delay(Duration::from_millis(100))), tenth);
        assert_eq!(delay(Settings::new().hedge_delay(0)), Some(HedgeDelay::Fixed(Duration::ZERO)));
        let algorithm = |settings: Settings| settings.rate_limit_algorithm;
        assert_eq!(
            algorithm(Settings::new().rate_limit_algorithm("sliding_window")),
            Some(Algorithm::SlidingWindow)
        );
        assert_eq!(algorithm(Settings::new().rate_limit_algorithm(Algorithm::Gcra)), Some(Algorithm::Gcra));
        assert!(Settings::new().budget(0.0).rejection("budget").is_some());
        assert!(Settings::new().budget(f64::NAN).rejection("budget").is_some());
        assert!(Settings::new().budget("off").rejection("budget").is_some());
        assert!(Settings::new().hedge_delay(-1).rejection("hedge_delay").is_some());
        assert!(Settings::new().hedge_delay("p99").rejection("hedge_delay").is_some());
        assert!(Settings::new().rate_limit_algorithm("leaky").rejection("rate_limit_algorithm").is_some());
    }

    #[test]
    fn a_refused_conversion_is_kept_and_neither_panics_nor_sets() {
        for settings in [
            Settings::new().timeout(-1),
            Settings::new().timeout(-0.5),
            Settings::new().timeout(f64::NAN),
            Settings::new().timeout(f32::INFINITY),
            Settings::new().timeout("soon"),
            Settings::new().timeout(""),
            Settings::new().timeout(3).timeout("soon"),
        ] {
            assert_eq!(settings.timeout, None);
            assert!(settings.rejection("timeout").is_some(), "{settings:?}");
        }
        assert!(Settings::new().window(-1).rejection("window").is_some());
        assert!(Settings::new().jitter("some").rejection("jitter").is_some());
        assert!(Settings::new().backoff("cubic").rejection("backoff").is_some());
    }

    #[test]
    fn the_last_value_written_counts() {
        let settings = Settings::new().timeout("soon").timeout(2);
        assert_eq!(settings.timeout, Some(Duration::from_secs(2)));
        assert_eq!(settings.rejection("timeout"), None);
    }

    #[test]
    fn max_retries_stores_one_more_and_saturates() {
        assert_eq!(Settings::new().max_retries(0).max_attempts, Some(1));
        assert_eq!(Settings::new().max_retries(3).max_attempts, Some(4));
        assert_eq!(Settings::new().max_retries(u32::MAX).max_attempts, Some(u32::MAX));
    }

    #[test]
    fn a_refused_value_never_shows_a_secret() {
        let settings = Settings::new().timeout("postgres://user:hunter2@db/prod");
        assert!(!format!("{settings:?}").contains("hunter2"));
        assert!(!settings.rejection("timeout").unwrap().to_string().contains("hunter2"));
    }

    #[test]
    fn filling_keeps_what_is_said_and_what_was_refused() {
        let mut upper = Settings::new().timeout(1).max_delay("nonsense");
        upper.fill_from(&Settings::new().timeout(9).max_delay(9).min_calls(7).base_delay("bad"));
        assert_eq!(upper.timeout, Some(Duration::from_secs(1)));
        assert_eq!(upper.max_delay, None);
        assert_eq!(upper.min_calls, Some(7));
        assert!(upper.rejection("base_delay").is_some());
    }
}
