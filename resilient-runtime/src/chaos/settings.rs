//! What is injected and how often, as a value; and what that means for one attempt.

use std::time::Duration;

use crate::profile::{IntoDuration, Problem, Refused};

pub(super) const RATE: &str = "a share of the attempts from 0 to 1 (0.1)";

/// Which faults are injected, and into which share of the attempts.
///
/// Defaults: none. A rate under 0 is 0 and one over 1 is 1; the faults are drawn independently of each other.
///
/// The trap: `latency` without `latency_rate` is added to every attempt.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::chaos::Chaos;
///
/// let chaos = Chaos::new().error_rate(0.1).latency("200ms").latency_rate(0.2).panic_rate(0.01);
/// assert_eq!(chaos.to_string(), "errors 10 %, 200 ms of latency 20 %, panics 1 %");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "it does nothing until `chaos::inject`"]
pub struct Chaos {
    pub(super) said: Said,
    refused: Vec<(&'static str, Refused)>,
}

/// What one source says of each fault.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(super) error_rate: Option<f64>,
    pub(super) latency: Option<Duration>,
    pub(super) latency_rate: Option<f64>,
    pub(super) panic_rate: Option<f64>,
}

impl Chaos {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn of(said: Said) -> Self {
        Self { said, refused: Vec::new() }
    }

    /// The share of attempts that fail with [`ResilienceError::Injected`](crate::ResilienceError::Injected) in place of
    /// running the function. Default 0.
    ///
    /// An injected error counts as any other: it is retried, and the breaker and the health of the service see it. A
    /// function whose layers cannot refuse (one that is only retried, say) gets none.
    pub fn error_rate(mut self, rate: f64) -> Self {
        self.said.error_rate = self.rate("error_rate", rate);
        self
    }

    /// What is waited before the function runs, within the attempt's time limit. Default: nothing.
    pub fn latency(mut self, latency: impl IntoDuration) -> Self {
        match latency.into_duration() {
            Ok(latency) => self.said.latency = Some(latency),
            Err(refused) => self.refused.push(("latency", refused)),
        }
        self
    }

    /// The share of attempts that `latency` is added to. Default 1.
    pub fn latency_rate(mut self, rate: f64) -> Self {
        self.said.latency_rate = self.rate("latency_rate", rate);
        self
    }

    /// The share of attempts that panic in place of running the function. Default 0.
    pub fn panic_rate(mut self, rate: f64) -> Self {
        self.said.panic_rate = self.rate("panic_rate", rate);
        self
    }

    fn rate(&mut self, setting: &'static str, rate: f64) -> Option<f64> {
        match coerced(rate) {
            Ok(rate) => Some(rate),
            Err(refused) => {
                self.refused.push((setting, refused));
                None
            }
        }
    }

    /// What is wrong with it, about the faults of `operation`.
    pub(super) fn problems(&self, operation: &str) -> Vec<Problem> {
        let source = |setting: &str| format!("chaos for '{operation}', {setting}");
        let refused =
            |(setting, refused): &(&'static str, Refused)| Problem::refused(source(setting), refused);
        let mut problems: Vec<Problem> = self.refused.iter().map(refused).collect();
        if problems.is_empty() && self.said.latency.is_none() && self.said.latency_rate.is_some() {
            let problem = Problem::new(source("latency_rate"), "there is no latency to add");
            problems.push(problem.allowed("`.latency(\"200ms\")` too"));
        }
        problems.into_iter().map(|problem| problem.used("nothing is injected")).collect()
    }
}

impl std::fmt::Display for Chaos {
    /// `errors 10 %, 200 ms of latency 20 %`; `nothing`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.said.rates().fmt(f)
    }
}

/// The rate within [0, 1].
pub(super) fn coerced(rate: f64) -> Result<f64, Refused> {
    if rate.is_nan() {
        return Err(Refused::new("is not a number", RATE, "NaN"));
    }
    Ok(rate.clamp(0.0, 1.0))
}

impl Said {
    /// What `lower` says where this says nothing.
    pub(super) fn or(self, lower: Self) -> Self {
        Self {
            error_rate: self.error_rate.or(lower.error_rate),
            latency: self.latency.or(lower.latency),
            latency_rate: self.latency_rate.or(lower.latency_rate),
            panic_rate: self.panic_rate.or(lower.panic_rate),
        }
    }

    pub(super) fn rates(self) -> Rates {
        let latency = self.latency.unwrap_or_default();
        let latency_rate = if latency.is_zero() { 0.0 } else { self.latency_rate.unwrap_or(1.0) };
        Rates {
            error: self.error_rate.unwrap_or(0.0),
            latency,
            latency_rate,
            panic: self.panic_rate.unwrap_or(0.0),
        }
    }
}

/// The faults of one operation, each with its share of the attempts in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rates {
    error: f64,
    latency: Duration,
    latency_rate: f64,
    panic: f64,
}

impl Rates {
    pub(super) fn are_zero(self) -> bool {
        self.error == 0.0 && self.latency_rate == 0.0 && self.panic == 0.0
    }

    /// The faults of one attempt. `luck` is a draw in [0, 1), asked for only where something may happen.
    pub(super) fn draw(self, can_fail: bool, mut luck: impl FnMut() -> f64) -> Option<Hit> {
        let mut hit = |rate: f64| rate > 0.0 && luck() < rate;
        let delay = if hit(self.latency_rate) { self.latency } else { Duration::ZERO };
        let end = if hit(self.panic) {
            Some(Fault::Panic)
        } else if can_fail && hit(self.error) {
            Some(Fault::Error)
        } else {
            None
        };
        (end.is_some() || !delay.is_zero()).then_some(Hit { delay, end })
    }
}

impl std::fmt::Display for Rates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let latency = format!("{} of latency", crate::error::Span(self.latency));
        let kinds = [("errors", self.error), (&latency, self.latency_rate), ("panics", self.panic)];
        let mut separator = "";
        for (kind, rate) in kinds.into_iter().filter(|(_, rate)| *rate > 0.0) {
            let percent = rate * 100.0;
            let digits = if (percent - percent.round()).abs() < 1e-9 { 0 } else { 2 };
            write!(f, "{separator}{kind} {percent:.digits$} %")?;
            separator = ", ";
        }
        if separator.is_empty() { f.write_str("nothing") } else { Ok(()) }
    }
}

/// What one attempt suffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    /// Before anything else.
    pub(crate) delay: Duration,
    /// What happens in the function's place; with `None` it runs.
    pub(crate) end: Option<Fault>,
}

impl Hit {
    pub(crate) fn faults(self) -> impl Iterator<Item = Fault> {
        let latency = (!self.delay.is_zero()).then_some(Fault::Latency(self.delay));
        latency.into_iter().chain(self.end)
    }
}

/// What happens to an attempt on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A wait before the function runs.
    Latency(Duration),
    /// [`ResilienceError::Injected`](crate::ResilienceError::Injected) in the function's place.
    Error,
    /// A panic in the function's place.
    Panic,
}

#[cfg(feature = "metrics")]
impl Fault {
    /// The fault as metrics spell it, without its length.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Latency(_) => "latency",
            Self::Error => "error",
            Self::Panic => "panic",
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Latency(latency) => write!(f, "{} of latency", crate::error::Span(*latency)),
            Self::Error => f.write_str("an error"),
            Self::Panic => f.write_str("a panic"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(chaos: &Chaos, luck: f64) -> bool {
        chaos.said.rates().draw(true, || luck).is_some()
    }

    #[test]
    fn ch_001_a_fault_is_injected_when_the_draw_is_below_the_rate_within_0_and_1() {
        for (rate, injected) in [(0.0, false), (0.5, false), (-1.0, false), (1.0, true), (1.1, true)] {
            assert_eq!(hits(&Chaos::new().error_rate(rate), 0.5), injected, "{rate}");
            assert_eq!(hits(&Chaos::new().panic_rate(rate), 0.5), injected, "{rate}");
            assert_eq!(hits(&Chaos::new().latency(1).latency_rate(rate), 0.5), injected, "{rate}");
        }
        assert!(hits(&Chaos::new().error_rate(f64::INFINITY), 0.999_999));
        assert!(!hits(&Chaos::new().error_rate(f64::NEG_INFINITY), 0.0));
    }

    #[test]
    fn no_luck_is_spent_on_what_cannot_happen() {
        let refuse = || -> f64 { panic!("drawn") };
        assert_eq!(Chaos::new().latency(0).latency_rate(0.5).said.rates().draw(true, refuse), None);
        assert_eq!(Chaos::new().error_rate(1.0).said.rates().draw(false, refuse), None);
    }

    #[test]
    fn the_faults_of_one_attempt_are_drawn_independently() {
        let chaos = Chaos::new().error_rate(1.0).latency("200ms").panic_rate(0.5);
        let mut draws = [0.9, 0.9, 0.9].into_iter();
        let fault = chaos.said.rates().draw(true, || draws.next().unwrap()).unwrap();
        assert_eq!(fault, Hit { delay: Duration::from_millis(200), end: Some(Fault::Error) });
        let fault = chaos.said.rates().draw(true, || 0.1).unwrap();
        assert_eq!(fault.end, Some(Fault::Panic), "which comes before the error");
    }

    #[test]
    fn what_cannot_be_used_is_said_all_at_once() {
        let chaos = Chaos::new().error_rate(f64::NAN).latency("-1s").panic_rate(f64::NAN);
        let texts: Vec<String> = chaos.problems("get_user").iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "chaos for 'get_user', error_rate: `NaN` is not a number; write a share of the attempts from 0 to 1 \
                 (0.1); nothing is injected",
                "chaos for 'get_user', latency: `-1s` is negative; write seconds (30, 0.5) or a unit (250ms, 1m30s); \
                 nothing is injected",
                "chaos for 'get_user', panic_rate: `NaN` is not a number; write a share of the attempts from 0 to 1 \
                 (0.1); nothing is injected",
            ]
        );
        let [problem] = &Chaos::new().latency_rate(0.5).problems("*")[..] else { panic!() };
        assert_eq!(
            problem.to_string(),
            "chaos for '*', latency_rate: there is no latency to add; write `.latency(\"200ms\")` too; nothing is \
             injected"
        );
    }

    #[test]
    fn it_reads_as_people_say_it() {
        assert_eq!(Chaos::new().to_string(), "nothing");
        assert_eq!(Chaos::new().error_rate(0.0).latency(2).to_string(), "2 s of latency 100 %");
        assert_eq!(Chaos::new().error_rate(0.0125).to_string(), "errors 1.25 %");
    }
}
