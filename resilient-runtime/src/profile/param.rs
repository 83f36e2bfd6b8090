//! The table of tunable parameters. Whatever handles "every parameter" walks it.

use std::fmt;
use std::time::Duration;

use super::duration::{self, NoDuration};
use super::problem::Problem;
use super::settings::{OFF, Refused, Settings, no_duration};
use crate::breaker::Window;
use crate::hedge::HedgeDelay;
use crate::rate_limit::Algorithm;
use crate::retry::{Backoff, Budget, Jitter};

pub(super) const DURATION: &str = "seconds (30, 0.5) or a unit (250ms, 1m30s)";
pub(super) const WINDOW: &str = "a number of calls (100) or a time (30s)";
const NO_TIMEOUT: &str =
    "a time above 0, or switch the limit off (ENABLE_TIMEOUT=false, enable_timeout = false)";
const ABOVE_ZERO: &str = "a time above 0 (30, 250ms)";
const COUNT: &str = "a whole number from 1 on (3)";
const AMOUNT: &str = "a whole number from 0 on (10)";
const RETRIES: &str = "a whole number from 0 on (2)";
const THRESHOLD: &str = "a whole number from 1 on (5), or off";
const FACTOR: &str = "a number of at least 1 (2.0)";
const RATE: &str = "a share above 0 and at most 1 (0.5)";
const FRACTION: &str = "a share from 0 to 1 (0.1)";
const FLAG: &str = "true or false (1/0, yes/no, on/off, t/f, y/n)";
const JITTER: &str = "true, false, equal, full, decorrelated or a share from 0 to 1 (0.1)";
const BACKOFF: &str = "constant, linear, exponential or fibonacci";
const BUDGET: &str = "default, none or a share of retries per call, above 0 and at most 1 (0.2)";
const EARNED: &str = "a budget whose ratio is from 0 to 1 and whose per_second is 0 or more, not both 0";
const ALGORITHM: &str = "gcra or sliding_window";
const HEDGE_DELAY: &str = "p95, seconds (0.1) or a unit (100ms)";
/// What a budget that is written as a share allows when there are hardly any calls.
const BUDGET_PER_SECOND: f64 = 1.0;

/// The value of one parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    Duration(Duration),
    Count(u32),
    Number(f64),
    Flag(bool),
    Jitter(Jitter),
    Window(Window),
    Backoff(Backoff),
    Budget(Budget),
    HedgeDelay(HedgeDelay),
    Algorithm(Algorithm),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duration(value) => humantime::format_duration(*value).fmt(f),
            Self::Count(OFF) => f.write_str("off"),
            Self::Count(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Flag(value) => value.fmt(f),
            Self::Jitter(value) => value.fmt(f),
            Self::Window(value) => value.fmt(f),
            Self::Backoff(value) => value.fmt(f),
            Self::Budget(value) => budget_text(*value).fmt(f),
            Self::HedgeDelay(value) => value.fmt(f),
            Self::Algorithm(value) => value.fmt(f),
        }
    }
}

/// Durations as seconds, numbers and flags as themselves, the rest as text.
#[cfg(feature = "serde")]
impl serde::Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Duration(value) => serializer.serialize_f64(value.as_secs_f64()),
            Self::Count(value) if *value != OFF => serializer.serialize_u32(*value),
            Self::Number(value) => serializer.serialize_f64(*value),
            Self::Flag(value) => serializer.serialize_bool(*value),
            other => serializer.collect_str(other),
        }
    }
}

/// Which values a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// `zero` says what to write instead of a refused 0; `None` allows it.
    Duration {
        zero: Option<&'static str>,
    },
    Count,
    /// A count that may be 0.
    Amount,
    /// A count, or `off`.
    Threshold,
    /// At least 1.
    Factor,
    /// In (0, 1].
    Rate,
    /// In [0, 1].
    Fraction,
    Flag,
    Jitter,
    Window,
    Backoff,
    Budget,
    HedgeDelay,
    Algorithm,
}

/// The layer that reads a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Timeout,
    Deadline,
    Retry,
    /// Retries and hedges are paid from the same budget.
    Budget,
    Hedge,
    Breaker,
    RateLimit,
    Bulkhead,
}

/// One tunable parameter.
pub(super) struct Param {
    /// As in the attribute; upper-cased it ends the variable's name.
    pub(super) name: &'static str,
    pub(super) group: Group,
    pub(super) kind: Kind,
    /// `s`, `calls` or nothing.
    pub(super) unit: &'static str,
    /// `None`: off, or taken from another parameter.
    pub(super) built_in: Option<Value>,
    pub(super) get: fn(&Settings) -> Option<Value>,
    /// A value of another kind is not kept.
    pub(super) set: fn(&mut Settings, Value),
}

macro_rules! param {
    ($name:ident, $group:ident, $value:ident, $kind:expr, $unit:literal, $built_in:expr) => {
        Param {
            name: stringify!($name),
            group: Group::$group,
            kind: $kind,
            unit: $unit,
            built_in: $built_in,
            get: |settings| settings.$name.map(Value::$value),
            set: |settings, value| {
                if let Value::$value(value) = value {
                    settings.$name = Some(value);
                }
            },
        }
    };
}

const TIME: Kind = Kind::Duration { zero: Some(ABOVE_ZERO) };
const LIMIT: Kind = Kind::Duration { zero: Some(NO_TIMEOUT) };
const WAIT: Kind = Kind::Duration { zero: None };

const fn seconds(seconds: u64) -> Value {
    Value::Duration(Duration::from_secs(seconds))
}

/// Every tunable parameter, in the order `explain` prints them.
#[rustfmt::skip]
pub(super) static PARAMS: [Param; 37] = [
    param!(deadline, Deadline, Duration, TIME, "s", None),
    param!(enable_retry, Retry, Flag, Kind::Flag, "", Some(Value::Flag(true))),
    param!(max_attempts, Retry, Count, Kind::Count, "calls", Some(Value::Count(3))),
    param!(base_delay, Retry, Duration, WAIT, "s", Some(seconds(1))),
    param!(max_delay, Retry, Duration, TIME, "s", Some(seconds(60))),
    param!(exponential_base, Retry, Number, Kind::Factor, "", Some(Value::Number(2.0))),
    param!(backoff, Retry, Backoff, Kind::Backoff, "", Some(Value::Backoff(Backoff::Exponential))),
    param!(jitter, Retry, Jitter, Kind::Jitter, "", Some(Value::Jitter(Jitter::Equal))),
    param!(budget, Budget, Budget, Kind::Budget, "", Some(Value::Budget(Budget::Tokens))),
    param!(enable_hedge, Hedge, Flag, Kind::Flag, "", Some(Value::Flag(true))),
    param!(hedge_delay, Hedge, HedgeDelay, Kind::HedgeDelay, "s", Some(Value::HedgeDelay(HedgeDelay::P95))),
    param!(hedge_max_hedges, Hedge, Count, Kind::Count, "calls", Some(Value::Count(1))),
    param!(enable_circuit_breaker, Breaker, Flag, Kind::Flag, "", Some(Value::Flag(true))),
    param!(failure_threshold, Breaker, Count, Kind::Threshold, "calls", Some(Value::Count(5))),
    param!(success_threshold, Breaker, Count, Kind::Count, "calls", Some(Value::Count(2))),
    param!(half_open_max_calls, Breaker, Count, Kind::Count, "calls", None),
    param!(recovery_timeout, Breaker, Duration, TIME, "s", Some(seconds(60))),
    param!(recovery_backoff, Breaker, Number, Kind::Factor, "", Some(Value::Number(1.0))),
    param!(max_recovery_timeout, Breaker, Duration, TIME, "s", None),
    param!(recovery_jitter, Breaker, Number, Kind::Fraction, "", Some(Value::Number(0.0))),
    param!(failure_rate, Breaker, Number, Kind::Rate, "", None),
    param!(slow_call_rate, Breaker, Number, Kind::Rate, "", None),
    param!(slow_call_duration, Breaker, Duration, TIME, "s", None),
    param!(window, Breaker, Window, Kind::Window, "", Some(Value::Window(Window::Count(100)))),
    param!(min_calls, Breaker, Count, Kind::Count, "calls", Some(Value::Count(20))),
    param!(enable_rate_limit, RateLimit, Flag, Kind::Flag, "", Some(Value::Flag(true))),
    param!(rate_limit_rate, RateLimit, Count, Kind::Count, "calls", Some(Value::Count(100))),
    param!(rate_limit_per, RateLimit, Duration, TIME, "s", Some(seconds(1))),
    param!(rate_limit_burst, RateLimit, Count, Kind::Count, "calls", None),
    param!(rate_limit_max_wait, RateLimit, Duration, WAIT, "s", Some(seconds(0))),
    param!(rate_limit_algorithm, RateLimit, Algorithm, Kind::Algorithm, "", Some(Value::Algorithm(Algorithm::Gcra))),
    param!(enable_timeout, Timeout, Flag, Kind::Flag, "", Some(Value::Flag(true))),
    param!(timeout, Timeout, Duration, LIMIT, "s", Some(seconds(5))),
    param!(enable_bulkhead, Bulkhead, Flag, Kind::Flag, "", Some(Value::Flag(true))),
    param!(bulkhead_max_concurrent, Bulkhead, Count, Kind::Amount, "calls", Some(Value::Count(10))),
    param!(bulkhead_max_queue, Bulkhead, Count, Kind::Amount, "calls", None),
    param!(bulkhead_max_wait, Bulkhead, Duration, WAIT, "s", None),
];

/// The parameter of this name and its place in [`PARAMS`].
pub(super) fn param(name: &str) -> Option<(usize, &'static Param)> {
    PARAMS.iter().enumerate().find(|(_, param)| param.name == name)
}

impl Kind {
    /// What may be written, in a file.
    #[cfg(feature = "reload")]
    pub(super) fn allowed(self) -> &'static str {
        match self {
            Self::Duration { .. } => DURATION,
            Self::Count => COUNT,
            Self::Amount => AMOUNT,
            Self::Threshold => THRESHOLD,
            Self::Factor => FACTOR,
            Self::Rate => RATE,
            Self::Fraction => FRACTION,
            Self::Flag => "true or false",
            Self::Jitter => JITTER,
            Self::Window => WINDOW,
            Self::Backoff => BACKOFF,
            Self::Budget => BUDGET,
            Self::HedgeDelay => HEDGE_DELAY,
            Self::Algorithm => ALGORITHM,
        }
    }
}

impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Param {
    /// `MAX_ATTEMPTS`: what follows the prefix and the type in a variable's name.
    pub(super) fn suffix(&self) -> String {
        self.name.to_ascii_uppercase()
    }

    /// A text as a value of this parameter, in its range.
    pub(super) fn read(&self, text: &str) -> Result<Value, Refused> {
        let value = match self.kind {
            Kind::Duration { .. } => {
                Value::Duration(duration::parse(text).map_err(|why| no_duration(why, text))?)
            }
            Kind::Count => Value::Count(read_count(text, COUNT)?),
            Kind::Amount => Value::Count(read_count(text, AMOUNT)?),
            Kind::Threshold if text.trim().eq_ignore_ascii_case("off") => Value::Count(OFF),
            Kind::Threshold => Value::Count(read_count(text, THRESHOLD)?),
            Kind::Factor => Value::Number(read_number(text, FACTOR)?),
            Kind::Rate => Value::Number(read_number(text, RATE)?),
            Kind::Fraction => Value::Number(read_number(text, FRACTION)?),
            Kind::Flag => Value::Flag(read_flag(text)?),
            Kind::Jitter => Value::Jitter(read_jitter(text)?),
            Kind::Window => Value::Window(read_window(text)?),
            Kind::Backoff => Value::Backoff(read_backoff(text)?),
            Kind::Budget => Value::Budget(read_budget(text)?),
            Kind::HedgeDelay => Value::HedgeDelay(read_hedge_delay(text)?),
            Kind::Algorithm => Value::Algorithm(read_algorithm(text)?),
        };
        self.in_range(value).map_err(|(wrong, allowed)| Refused::new(wrong, allowed, text))?;
        Ok(value)
    }

    /// A value that was not read from a text, if it is in its range.
    #[cfg(feature = "reload")]
    pub(super) fn checked(&self, value: Value) -> Result<Value, Refused> {
        let refuse = |(wrong, allowed)| Refused::new(wrong, allowed, &value.to_string());
        self.in_range(value).map(|()| value).map_err(refuse)
    }

    /// What a source says about this parameter: `Ok(None)` is nothing, `Err` is something that cannot be used.
    pub(super) fn said(&self, settings: &Settings) -> Result<Option<Value>, Refused> {
        if let Some(refused) = settings.rejection(self.name) {
            return Err(refused.clone());
        }
        let Some(value) = (self.get)(settings) else { return Ok(None) };
        match self.in_range(value) {
            Ok(()) => Ok(Some(value)),
            Err((wrong, allowed)) => {
                // As the author wrote it: 0, not 0s.
                let text = match value {
                    Value::Duration(Duration::ZERO) => "0".to_owned(),
                    other => other.to_string(),
                };
                Err(Refused::new(wrong, allowed, &text))
            }
        }
    }

    /// `Err` holds what is wrong and what is allowed.
    fn in_range(&self, value: Value) -> Result<(), (&'static str, &'static str)> {
        let number = |value: f64, low: bool, allowed| match value {
            _ if !value.is_finite() => Err(("is not a finite number", allowed)),
            _ if low => Err(("is too small", allowed)),
            _ => Ok(()),
        };
        match (self.kind, value) {
            (Kind::Duration { zero: Some(instead) }, Value::Duration(Duration::ZERO)) => {
                Err(("is no time", instead))
            }
            (Kind::Count, Value::Count(0)) => Err(("is too small", COUNT)),
            (Kind::Threshold, Value::Count(0)) => Err(("is too small", THRESHOLD)),
            (Kind::Factor, Value::Number(value)) => number(value, value < 1.0, FACTOR),
            (Kind::Rate, Value::Number(value)) if value > 1.0 && value.is_finite() => {
                Err(("is too large", RATE))
            }
            (Kind::Rate, Value::Number(value)) => number(value, value <= 0.0, RATE),
            (Kind::Fraction, Value::Number(value)) if value > 1.0 && value.is_finite() => {
                Err(("is too large", FRACTION))
            }
            (Kind::Fraction, Value::Number(value)) => number(value, value < 0.0, FRACTION),
            (Kind::Jitter, Value::Jitter(Jitter::Fraction(share))) if !(0.0..=1.0).contains(&share) => {
                Err(("is not a share from 0 to 1", JITTER))
            }
            (Kind::Window, Value::Window(Window::Count(0) | Window::Time(Duration::ZERO))) => {
                Err(("holds nothing", WINDOW))
            }
            (Kind::Budget, Value::Budget(Budget::Ratio { ratio, per_second })) => {
                let is_share = (0.0..=1.0).contains(&ratio);
                let is_rate = per_second.is_finite() && per_second >= 0.0;
                if is_share && is_rate && (ratio > 0.0 || per_second > 0.0) {
                    Ok(())
                } else {
                    Err(("is no budget", EARNED))
                }
            }
            _ => Ok(()),
        }
    }
}

/// Every value of `settings` that cannot be used; `owner` says whose they are (`circuit breaker 'db'`).
pub(crate) fn check(settings: &Settings, owner: &str) -> Vec<Problem> {
    PARAMS
        .iter()
        .filter_map(|param| {
            let refused = param.said(settings).err()?;
            Some(Problem::refused(format!("{} of {owner}", param.name), &refused))
        })
        .collect()
}

/// What of `settings` can be used; the rest is as if it had not been said.
pub(crate) fn usable(settings: &Settings) -> Settings {
    let mut usable = Settings::new();
    for param in &PARAMS {
        if let Ok(Some(value)) = param.said(settings) {
            (param.set)(&mut usable, value);
        }
    }
    usable
}

/// `3` and `3.0`, not `3.5`.
fn read_count(text: &str, allowed: &'static str) -> Result<u32, Refused> {
    let text = text.trim();
    let digits = match text.split_once('.') {
        Some((whole, rest)) if !rest.is_empty() && rest.bytes().all(|b| b == b'0') => whole,
        _ => text,
    };
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
    let refuse = |wrong| Err(Refused::new(wrong, allowed, text));
    if text.is_empty() {
        return refuse("is empty");
    }
    if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return refuse("is not a whole number");
    }
    match (digits.parse::<u32>(), digits.starts_with('-')) {
        (Ok(count), _) => Ok(count),
        (Err(_), true) => refuse("is too small"),
        (Err(_), false) => refuse("is too large"),
    }
}

/// Retries, which do not count the first call, as attempts, which do.
pub(super) fn read_retries(text: &str) -> Result<Value, Refused> {
    Ok(Value::Count(read_count(text, RETRIES)?.saturating_add(1)))
}

fn read_number(text: &str, allowed: &'static str) -> Result<f64, Refused> {
    let text = text.trim();
    let wrong = if text.is_empty() { "is empty" } else { "is not a number" };
    text.parse().map_err(|_| Refused::new(wrong, allowed, text))
}

pub(crate) fn read_flag(text: &str) -> Result<bool, Refused> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" | "t" | "y" => Ok(true),
        "false" | "0" | "no" | "off" | "f" | "n" => Ok(false),
        "" => Err(Refused::new("is empty", FLAG, text)),
        _ => Err(Refused::new("is neither true nor false", FLAG, text)),
    }
}

/// `1` and `0` are true and false here, as for every flag; a share is written `1.0`, `0.1`.
pub(super) fn read_jitter(text: &str) -> Result<Jitter, Refused> {
    if let Ok(flag) = read_flag(text) {
        return Ok(if flag { Jitter::Equal } else { Jitter::None });
    }
    match text.trim().to_ascii_lowercase().as_str() {
        "equal" => Ok(Jitter::Equal),
        "none" => Ok(Jitter::None),
        "full" => Ok(Jitter::Full),
        "decorrelated" => Ok(Jitter::Decorrelated),
        "" => Err(Refused::new("is empty", JITTER, text)),
        word => word
            .parse::<f64>()
            .map(Jitter::Fraction)
            .map_err(|_| Refused::new("is not a kind of jitter", JITTER, text)),
    }
}

pub(super) fn read_window(text: &str) -> Result<Window, Refused> {
    let word = text.trim().to_ascii_lowercase();
    let calls = word.strip_suffix("calls").map_or(word.as_str(), str::trim_end);
    if calls.bytes().any(|b| b.is_ascii_alphabetic()) {
        return match duration::parse(text) {
            // `1e3` is neither: a bare number here is a number of calls.
            Ok(span) if word.parse::<f64>().is_err() => Ok(Window::Time(span)),
            Err(NoDuration::Negative) => Err(Refused::new("is negative", WINDOW, text)),
            _ => Err(Refused::new("is neither a number of calls nor a time", WINDOW, text)),
        };
    }
    read_count(calls, WINDOW).map(Window::Count).map_err(|refused| Refused::new(refused.wrong, WINDOW, text))
}

pub(super) fn read_backoff(text: &str) -> Result<Backoff, Refused> {
    let wrong = if text.trim().is_empty() { "is empty" } else { "is not a kind of backoff" };
    Backoff::from_word(text.trim()).ok_or_else(|| Refused::new(wrong, BACKOFF, text))
}

/// As it is written: a share alone where the rest is what a share brings.
fn budget_text(budget: Budget) -> String {
    match budget {
        Budget::Ratio { ratio, per_second: BUDGET_PER_SECOND } if ratio > 0.0 => ratio.to_string(),
        other => other.to_string(),
    }
}

/// A share of the calls, with one retry per second besides.
fn share(ratio: f64, text: &str) -> Result<Budget, Refused> {
    let refuse = |wrong| Err(Refused::new(wrong, BUDGET, text));
    match ratio {
        _ if !ratio.is_finite() => refuse("is not a finite number"),
        _ if ratio <= 0.0 => refuse("is too small"),
        _ if ratio > 1.0 => refuse("is too large"),
        _ => Ok(Budget::Ratio { ratio, per_second: BUDGET_PER_SECOND }),
    }
}

pub(super) fn read_budget(text: &str) -> Result<Budget, Refused> {
    match text.trim().to_ascii_lowercase().as_str() {
        "none" => Ok(Budget::None),
        "default" => Ok(Budget::Tokens),
        "" => Err(Refused::new("is empty", BUDGET, text)),
        word => match word.parse() {
            Ok(ratio) => share(ratio, text),
            Err(_) => Err(Refused::new("is no budget", BUDGET, text)),
        },
    }
}

pub(super) fn read_hedge_delay(text: &str) -> Result<HedgeDelay, Refused> {
    if text.trim().eq_ignore_ascii_case("p95") {
        return Ok(HedgeDelay::P95);
    }
    let delay = duration::parse(text);
    delay.map(HedgeDelay::Fixed).map_err(|why| Refused { allowed: HEDGE_DELAY, ..no_duration(why, text) })
}

pub(super) fn read_algorithm(text: &str) -> Result<Algorithm, Refused> {
    let wrong = if text.trim().is_empty() { "is empty" } else { "is not an algorithm" };
    Algorithm::from_word(text.trim()).ok_or_else(|| Refused::new(wrong, ALGORITHM, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> &'static Param {
        param(name).expect("a parameter of the table").1
    }

    #[test]
    fn every_parameter_has_its_own_name_and_reaches_its_own_field() {
        for (n, param) in PARAMS.iter().enumerate() {
            let sample = match param.kind {
                Kind::Duration { .. } => Value::Duration(Duration::from_secs(7)),
                Kind::Count | Kind::Amount | Kind::Threshold => Value::Count(7),
                Kind::Factor => Value::Number(7.0),
                Kind::Rate | Kind::Fraction => Value::Number(0.7),
                Kind::Flag => Value::Flag(false),
                Kind::Jitter => Value::Jitter(Jitter::Full),
                Kind::Window => Value::Window(Window::Count(7)),
                Kind::Backoff => Value::Backoff(Backoff::Linear),
                Kind::Budget => Value::Budget(Budget::None),
                Kind::HedgeDelay => Value::HedgeDelay(HedgeDelay::Fixed(Duration::from_secs(7))),
                Kind::Algorithm => Value::Algorithm(Algorithm::SlidingWindow),
            };
            let mut settings = Settings::new();
            (param.set)(&mut settings, sample);
            for (m, other) in PARAMS.iter().enumerate() {
                assert_eq!((other.get)(&settings), (n == m).then_some(sample), "{param:?} {other:?}");
            }
            assert_eq!(param.said(&settings), Ok(Some(sample)));
        }
    }

    #[test]
    fn every_built_in_value_is_in_range() {
        for param in &PARAMS {
            if let Some(value) = param.built_in {
                assert_eq!(param.in_range(value), Ok(()), "{param:?}");
            }
        }
    }

    #[test]
    fn what_is_shown_can_be_written_back() {
        for (name, text) in [
            ("timeout", "250ms"),
            ("max_attempts", "3"),
            ("failure_threshold", "off"),
            ("exponential_base", "1.5"),
            ("failure_rate", "0.5"),
            ("enable_retry", "false"),
            ("jitter", "decorrelated"),
            ("jitter", "0.1"),
            ("window", "100 calls"),
            ("window", "30s"),
            ("backoff", "fibonacci"),
            ("budget", "none"),
            ("budget", "default"),
            ("budget", "0.2"),
            ("hedge_delay", "p95"),
            ("hedge_delay", "100ms"),
            ("rate_limit_algorithm", "gcra"),
            ("rate_limit_algorithm", "sliding_window"),
            ("bulkhead_max_concurrent", "0"),
        ] {
            let value = named(name).read(text).unwrap();
            assert_eq!(value.to_string(), text, "{name}");
            assert_eq!(named(name).read(&value.to_string()), Ok(value));
        }
    }

    #[test]
    fn booleans_are_read_as_the_seed_reads_them() {
        for text in ["true", "TRUE", "1", "yes", "Yes", "on", "t", "y", " on "] {
            assert_eq!(read_flag(text), Ok(true), "{text}");
        }
        for text in ["false", "0", "no", "NO", "off", "f", "n"] {
            assert_eq!(read_flag(text), Ok(false), "{text}");
        }
        for text in ["", "2", "maybe", "truee", "-1", "1.0"] {
            assert!(read_flag(text).is_err(), "{text}");
        }
    }

    #[test]
    fn whole_numbers_may_end_in_zeros_only() {
        let attempts = named("max_attempts");
        for text in ["3", "3.0", "3.00", "+3", " 3 "] {
            assert_eq!(attempts.read(text), Ok(Value::Count(3)), "{text}");
        }
        for text in ["3.5", "3.", ".0", "3e0", "", "abc", "-1", "0", "99999999999", "0x3", "٣", "+", "--1"] {
            assert!(attempts.read(text).is_err(), "{text}");
        }
        assert_eq!(read_retries("0"), Ok(Value::Count(1)));
        assert_eq!(read_retries("4294967295"), Ok(Value::Count(u32::MAX)));
        assert!(read_retries("-1").is_err());
    }

    #[test]
    fn ranges_hold() {
        for (name, good, bad) in [
            ("timeout", "0.001", "0"),
            ("max_delay", "1", "0s"),
            ("base_delay", "0", "-1"),
            ("exponential_base", "1", "0.99"),
            ("recovery_backoff", "1.0", "0"),
            ("failure_rate", "1", "0"),
            ("failure_rate", "0.01", "1.01"),
            ("slow_call_rate", "1.0", "-0.5"),
            ("recovery_jitter", "0", "1.5"),
            ("recovery_jitter", "1", "-0.1"),
            ("jitter", "1.0", "1.5"),
            ("jitter", "0.0", "-0.1"),
            ("window", "1", "0"),
            ("window", "1ms", "0s"),
            ("failure_threshold", "off", "0"),
            ("min_calls", "1", "0"),
            ("exponential_base", "2", "NaN"),
            ("exponential_base", "2", "inf"),
            ("failure_rate", "1", "inf"),
            ("timeout", "1", "inf"),
            ("timeout", "1", "NaN"),
            ("jitter", "full", "NaN"),
            ("window", "60s", "inf"),
            ("window", "10 calls", "1e3"),
            ("bulkhead_max_concurrent", "0", "-1"),
            ("bulkhead_max_queue", "0", "1.5"),
            ("bulkhead_max_wait", "0", "-1"),
            ("rate_limit_rate", "1", "0"),
            ("rate_limit_per", "1ms", "0"),
            ("rate_limit_burst", "1", "0"),
            ("rate_limit_max_wait", "0", "soon"),
            ("rate_limit_algorithm", "GCRA", "leaky"),
            ("hedge_delay", "0", "-1"),
            ("hedge_delay", "P95", "p99"),
            ("hedge_max_hedges", "1", "0"),
            ("budget", "1", "0"),
            ("budget", "0.01", "1.01"),
            ("budget", "None", "off"),
            ("budget", "default", "NaN"),
        ] {
            assert!(named(name).read(good).is_ok(), "{name} {good}");
            assert!(named(name).read(bad).is_err(), "{name} {bad}");
        }
    }

    #[test]
    fn a_refused_text_is_told_in_which_way_it_is_wrong() {
        for (name, text, wrong) in [
            ("recovery_jitter", "-0.1", "is too small"),
            ("recovery_jitter", "1.1", "is too large"),
            ("failure_rate", "0", "is too small"),
            ("failure_rate", "1.1", "is too large"),
            ("budget", "0", "is too small"),
            ("budget", "1.1", "is too large"),
            ("enable_retry", " ", "is empty"),
            ("enable_retry", "perhaps", "is neither true nor false"),
            ("window", "-5s", "is negative"),
            ("window", "soon", "is neither a number of calls nor a time"),
        ] {
            assert_eq!(named(name).read(text).unwrap_err().wrong, wrong, "{name} {text}");
        }
    }

    #[test]
    fn a_budget_earns_from_calls_or_with_time_and_a_share_of_them_alone_is_written_as_one() {
        let (budget, good) = (named("budget"), [(0.0, 1.0), (0.5, 0.0), (1.0, 0.5), (0.5, 1.0)]);
        let value = |(ratio, per_second)| Value::Budget(Budget::Ratio { ratio, per_second });
        for earned in good {
            assert_eq!(budget.in_range(value(earned)), Ok(()), "{earned:?}");
        }
        let bad = [(0.0, 0.0), (-0.1, 1.0), (1.1, 1.0), (0.5, -1.0), (0.5, f64::INFINITY), (f64::NAN, 1.0)];
        for earned in bad {
            assert_eq!(budget.in_range(value(earned)), Err(("is no budget", EARNED)), "{earned:?}");
        }
        let shown = good.map(|earned| value(earned).to_string());
        let both = |ratio, per_second| format!("ratio = {ratio}, per_second = {per_second}");
        assert_eq!(shown, [both("0", "1"), both("0.5", "0"), both("1", "0.5"), "0.5".to_owned()]);
    }

    #[cfg(feature = "json")]
    #[test]
    fn in_json_a_count_is_a_number_and_what_is_off_is_a_word() {
        let json = |value: Value| serde_json::to_string(&value).unwrap();
        assert_eq!(json(Value::Count(3)), "3");
        assert_eq!(json(Value::Count(OFF)), "\"off\"");
    }

    #[test]
    fn a_timeout_of_zero_is_told_how_to_switch_the_limit_off() {
        let refused = named("timeout").read("0").unwrap_err();
        assert!(refused.allowed.contains("ENABLE_TIMEOUT=false"));
        assert!(refused.allowed.contains("enable_timeout = false"));
    }

    #[test]
    fn values_set_by_expressions_are_checked_as_well() {
        let mut settings = Settings::new().max_attempts(0).exponential_base(f64::NAN).timeout("soon");
        settings.deadline = Some(Duration::ZERO);
        let problems: Vec<String> = check(&settings, "op").iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            [
                "deadline of op: `0` is no time; write a time above 0 (30, 250ms)",
                "max_attempts of op: `0` is too small; write a whole number from 1 on (3)",
                "exponential_base of op: `NaN` is not a finite number; write a number of at least 1 (2.0)",
                "timeout of op: `soon` is not a duration; write seconds (30, 0.5) or a unit (250ms, 1m30s)",
            ]
        );
    }

    #[test]
    fn no_text_panics() {
        let mut random = fastrand::Rng::with_seed(7);
        let alphabet: Vec<char> = "0123456789.+-eEinfNaNsmhdy %µ\u{0}\u{202e}ü".chars().collect();
        for _ in 0..20_000 {
            let text: String =
                (0..random.usize(0..12)).map(|_| alphabet[random.usize(0..alphabet.len())]).collect();
            for param in &PARAMS {
                if let Ok(value) = param.read(&text) {
                    assert_eq!(param.in_range(value), Ok(()), "{param:?} {text:?}");
                }
            }
        }
    }
}
