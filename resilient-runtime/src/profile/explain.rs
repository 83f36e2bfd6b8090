//! What is in force for one operation, for people (`Display`) and for tools (`Serialize`, feature `serde`).

use std::fmt;
use std::time::Duration;

use super::defaults::name_in_variables;
use super::param::{PARAMS, Value};
use super::problem::Problem;
use super::resolve::{Layers, Resolved, Source};
use crate::hedge::HedgeDelay;
use crate::retry::Retry;

/// What is said about an operation besides its numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) operation: &'a str,
    /// `shop::orders::charge`.
    pub(crate) function: &'a str,
    pub(crate) file: &'a str,
    pub(crate) line: u32,
    /// Outermost first.
    pub(crate) attributes: &'a [&'a str],
    pub(crate) layers: Layers,
    pub(crate) operation_type: &'a str,
    pub(crate) breaker: Option<&'a str>,
    pub(crate) rate_limiter: Option<&'a str>,
    pub(crate) bulkhead: Option<&'a str>,
    /// Of retries and hedges.
    pub(crate) budget: Option<&'a str>,
    /// How the attempt limit works here: `poll`, `thread`, `deadline`.
    pub(crate) timeout_mode: Option<&'a str>,
    /// Whether the caller is released when a limit expires; not so where the body runs in place.
    pub(crate) released_at_limit: bool,
    /// Of the variables, without the underscore.
    pub(crate) prefix: &'a str,
}

/// What is in force for one operation, and who said so.
///
/// `Display` is a table for people; serialized (feature `serde`), durations are seconds.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Explanation {
    operation: String,
    function: String,
    file: String,
    line: u32,
    attributes: Vec<String>,
    operation_type: String,
    breaker: Option<String>,
    rate_limiter: Option<String>,
    bulkhead: Option<String>,
    budget: Option<String>,
    enabled: bool,
    layers: Vec<&'static str>,
    timeout_mode: Option<String>,
    variables: String,
    worst_case: WorstCase,
    parameters: Vec<Row>,
    problems: Vec<Problem>,
    notes: Vec<String>,
}

/// One parameter in force.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Row {
    parameter: &'static str,
    value: Option<Value>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "str::is_empty"))]
    #[cfg_attr(not(feature = "serde"), expect(dead_code, reason = "people read it in the value"))]
    unit: &'static str,
    source: Source,
}

impl Row {
    /// The parameter, as in the attribute.
    pub fn parameter(&self) -> &'static str {
        self.parameter
    }

    /// The value as text: `30s`, `off`.
    pub fn value(&self) -> String {
        self.value.map_or_else(|| "off".to_owned(), |value| value.to_string())
    }

    /// Who said so.
    pub fn source(&self) -> &Source {
        &self.source
    }
}

/// The longest one call can take, attempts and waits together. Waits that a server asks for are not in it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct WorstCase {
    /// In seconds; none without a time limit.
    #[cfg_attr(feature = "serde", serde(serialize_with = "in_seconds"))]
    limit: Option<Duration>,
    /// Whether the caller is released then; if not, it holds only as far as the body obeys the deadline it can see.
    released: bool,
    attempts: u32,
    #[cfg_attr(feature = "serde", serde(serialize_with = "in_seconds"))]
    waits: Option<Duration>,
}

#[cfg(feature = "serde")]
#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
fn in_seconds<S: serde::Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&time.map(|time| time.as_secs_f64()), serializer)
}

impl WorstCase {
    /// The longest time of one call; `None` is unbounded.
    pub fn limit(&self) -> Option<Duration> {
        self.limit
    }

    #[inline]
    fn of(resolved: &Resolved, subject: &Subject<'_>) -> Self {
        let layers = subject.layers;
        let attempts = if layers.retry && resolved.enable_retry { resolved.max_attempts } else { 1 };
        let waits = Retry { max_attempts: attempts, ..resolved.retry() }.longest_wait();
        let of_attempts = (layers.timeout && resolved.enable_timeout)
            .then(|| of_attempt(resolved, layers).saturating_mul(attempts).saturating_add(waits));
        let deadline = resolved.deadline.filter(|_| layers.deadline);
        let limit = match (of_attempts, deadline) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { limit, released: subject.released_at_limit, attempts, waits: Some(waits) }
    }
}

/// The longest one attempt can take, with its wait for the rate limit and its hedges. A wait for a place in the
/// bulkhead is within the timeout.
fn of_attempt(resolved: &Resolved, layers: Layers) -> Duration {
    let turn = if layers.rate_limit && resolved.enable_rate_limit {
        resolved.rate_limit_max_wait
    } else {
        Duration::ZERO
    };
    let alone = resolved.timeout.saturating_add(turn);
    if !(layers.hedge && resolved.enable_hedge) {
        return alone;
    }
    // The next one starts after the delay, or when the one before has failed.
    let between = match resolved.hedge_delay {
        HedgeDelay::Fixed(delay) => delay.min(alone),
        HedgeDelay::P95 => alone,
    };
    alone.saturating_add(between.saturating_mul(resolved.hedge_max_hedges))
}

impl fmt::Display for WorstCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limit {
            None => f.write_str("unbounded: no time limit")?,
            Some(limit) => write!(f, "{}", Value::Duration(limit))?,
        }
        if let Some(waits) = self.waits.filter(|_| self.attempts > 1) {
            write!(f, " ({} attempts, waits of at most {})", self.attempts, Value::Duration(waits))?;
        }
        if self.limit.is_some() && !self.released {
            f.write_str(", as far as the body obeys the deadline it can see")?;
        }
        Ok(())
    }
}

impl Explanation {
    #[inline]
    pub(crate) fn new(subject: &Subject<'_>, resolved: &Resolved) -> Self {
        let settings = resolved.settings();
        let parameters = PARAMS
            .iter()
            .filter(|param| subject.layers.shows(param))
            .map(|param| Row {
                parameter: param.name,
                value: (param.get)(&settings),
                unit: param.unit,
                source: resolved.source(param.name).clone(),
            })
            .collect();
        Self {
            operation: subject.operation.to_owned(),
            function: subject.function.to_owned(),
            file: subject.file.to_owned(),
            line: subject.line,
            attributes: subject.attributes.iter().map(|word| (*word).to_owned()).collect(),
            operation_type: subject.operation_type.to_owned(),
            breaker: subject.breaker.map(ToOwned::to_owned),
            rate_limiter: subject.rate_limiter.map(ToOwned::to_owned),
            bulkhead: subject.bulkhead.map(ToOwned::to_owned),
            budget: subject.budget.map(ToOwned::to_owned),
            enabled: resolved.enabled,
            layers: names(subject.layers),
            timeout_mode: subject.timeout_mode.map(ToOwned::to_owned),
            variables: format!("{}_OP_{}_<PARAMETER>", subject.prefix, name_in_variables(subject.operation)),
            worst_case: WorstCase::of(resolved, subject),
            parameters,
            problems: resolved.problems.clone(),
            notes: resolved.notes.clone(),
        }
    }

    /// The operation's name.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// The layers, outermost first.
    pub fn layers(&self) -> &[&'static str] {
        &self.layers
    }

    /// The parameters its layers read, with value and source.
    pub fn parameters(&self) -> &[Row] {
        &self.parameters
    }

    /// The longest one call can take.
    pub fn worst_case(&self) -> WorstCase {
        self.worst_case
    }

    /// What is configured and cannot be used.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// What is allowed, but may surprise.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Outermost first.
#[inline]
fn names(layers: Layers) -> Vec<&'static str> {
    let per_call = layers.breaker && layers.breaker_per_call;
    [
        (layers.fallback, "fallback"),
        (layers.deadline, "deadline"),
        (per_call, "circuit breaker"),
        (layers.retry, "retry"),
        (layers.hedge, "hedge"),
        (layers.breaker && !per_call, "circuit breaker"),
        (layers.rate_limit, "rate limit"),
        (layers.timeout, "timeout"),
        (layers.bulkhead, "bulkhead"),
        (layers.health, "health"),
        (true, "function"),
    ]
    .into_iter()
    .filter_map(|(there, name)| there.then_some(name))
    .collect()
}

impl fmt::Display for Explanation {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.operation)?;
        let attributes: Vec<String> = self.attributes.iter().map(|word| format!("#[{word}]")).collect();
        let mode = self.timeout_mode.as_ref().filter(|_| self.layers.contains(&"timeout"));
        let lines = [
            ("function", Some(format!("{} ({}:{})", self.function, self.file, self.line))),
            ("attributes", Some(attributes.join(" "))),
            ("type", Some(self.operation_type.clone())),
            ("breaker", self.breaker.clone()),
            ("rate limiter", self.rate_limiter.clone()),
            ("bulkhead", self.bulkhead.clone()),
            ("budget", self.budget.clone().filter(|name| *name != self.operation)),
            ("layers", Some(self.layers.join(" > "))),
            ("timeout mode", mode.cloned()),
            ("switch", (!self.enabled).then(|| "off: RESILIENCE_ENABLED is false".to_owned())),
            ("variables", Some(self.variables.clone())),
            ("worst case", Some(self.worst_case.to_string())),
        ];
        for (label, text) in lines {
            if let Some(text) = text {
                writeln!(f, "  {label:<12}  {text}")?;
            }
        }
        if !self.parameters.is_empty() {
            let values: Vec<String> = self.parameters.iter().map(Row::value).collect();
            let value_width = values.iter().map(String::len).fold("value".len(), usize::max);
            let names = self.parameters.iter().map(|row| row.parameter.len());
            let name_width = names.fold("parameter".len(), usize::max);
            writeln!(f, "\n  {:<name_width$}  {:<value_width$}  source", "parameter", "value")?;
            for (row, value) in self.parameters.iter().zip(&values) {
                writeln!(f, "  {:<name_width$}  {value:<value_width$}  {}", row.parameter, row.source)?;
            }
        }
        for problem in &self.problems {
            write!(f, "\n  problem: {problem}")?;
        }
        for note in &self.notes {
            write!(f, "\n  note: {note}")?;
        }
        if !(self.problems.is_empty() && self.notes.is_empty()) {
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::defaults::Profiles;
    use super::super::env::Environment;
    use super::super::resolve::{Request, resolve};
    use super::super::settings::Settings;
    use super::*;
    use crate::retry::Backoff;

    const LAYERS: Layers = Layers { retry: true, breaker: true, timeout: true, ..Layers::NONE };

    fn explain(layers: Layers, released: bool, attribute: &Settings, pairs: &[(&str, &str)]) -> Explanation {
        let profiles = Profiles::built_in();
        let environment = Environment::from_pairs(pairs.iter().copied()).parse(None, &profiles, &["load"]);
        let resolved = resolve(&Request {
            operation: "load",
            operation_type: "database",
            words: &["database_resilient"],
            location: "src/db.rs:7",
            layers,
            overrides: &[],
            attribute: Some(attribute),
            profiles: &profiles,
            environment: &environment,
        });
        let subject = Subject {
            operation: "load",
            function: "shop::db::load",
            file: "src/db.rs",
            line: 7,
            attributes: &["database_resilient"],
            layers,
            operation_type: "database",
            breaker: Some("load"),
            rate_limiter: None,
            bulkhead: None,
            budget: Some("load"),
            timeout_mode: Some("poll"),
            released_at_limit: released,
            prefix: "PYNOMALY",
        };
        Explanation::new(&subject, &resolved)
    }

    fn worst(attribute: &Settings) -> Option<Duration> {
        explain(Layers { deadline: true, ..LAYERS }, true, attribute, &[]).worst_case().limit()
    }

    #[test]
    fn every_value_is_printed_with_its_source() {
        let attribute = Settings::new().max_attempts(4).min_calls(5);
        let pairs = [("PYNOMALY_DATABASE_TIMEOUT", "2"), ("PYNOMALY_OP_LOAD_JITTER", "false")];
        let text = explain(LAYERS, true, &attribute, &pairs).to_string();
        assert_eq!(
            text,
            "\
load
  function      shop::db::load (src/db.rs:7)
  attributes    #[database_resilient]
  type          database
  breaker       load
  layers        retry > circuit breaker > timeout > function
  timeout mode  poll
  variables     PYNOMALY_OP_LOAD_<PARAMETER>
  worst case    11s 500ms (4 attempts, waits of at most 3s 500ms)

  parameter               value        source
  enable_retry            true         built-in
  max_attempts            4            attribute
  base_delay              500ms        database profile
  max_delay               10s          database profile
  exponential_base        2            built-in
  backoff                 exponential  built-in
  jitter                  false        PYNOMALY_OP_LOAD_JITTER
  budget                  default      built-in
  enable_circuit_breaker  true         built-in
  failure_threshold       3            database profile
  success_threshold       2            built-in
  half_open_max_calls     2            same as success_threshold
  recovery_timeout        30s          database profile
  recovery_backoff        1            built-in
  max_recovery_timeout    off          built-in
  recovery_jitter         0            built-in
  failure_rate            off          built-in
  slow_call_rate          off          built-in
  slow_call_duration      off          built-in
  window                  100 calls    built-in
  min_calls               5            attribute
  enable_timeout          true         built-in
  timeout                 2s           PYNOMALY_DATABASE_TIMEOUT

  note: the circuit breaker opens after 3 failures in a row, so of 4 attempts the later ones are refused; raise failure_threshold, or let it see calls: breaker_scope = \"call\"
"
        );
    }

    #[test]
    fn only_the_layers_that_are_there_are_shown() {
        let layers = Layers { retry: false, breaker: false, ..LAYERS };
        let explanation = explain(layers, true, &Settings::new(), &[]);
        let names: Vec<_> = explanation.parameters().iter().map(Row::parameter).collect();
        assert_eq!(names, ["enable_timeout", "timeout"]);
        assert_eq!(explanation.layers(), ["timeout", "function"]);
        assert_eq!(explanation.worst_case().limit(), Some(Duration::from_secs(30)));
        let per_call = Layers { breaker_per_call: true, fallback: true, health: true, ..LAYERS };
        assert_eq!(
            explain(per_call, true, &Settings::new(), &[]).layers(),
            ["fallback", "circuit breaker", "retry", "timeout", "health", "function"]
        );
        let all = Layers { deadline: true, hedge: true, rate_limit: true, bulkhead: true, ..LAYERS };
        assert_eq!(
            explain(all, true, &Settings::new(), &[]).layers(),
            [
                "deadline",
                "retry",
                "hedge",
                "circuit breaker",
                "rate limit",
                "timeout",
                "bulkhead",
                "function"
            ]
        );
    }

    #[test]
    fn the_worst_case_adds_attempts_and_longest_waits() {
        let plain = Settings::new().timeout(1).max_attempts(4).base_delay(1).max_delay(100);
        let seconds = |settings: Settings| worst(&settings).map(|time| time.as_secs_f64());
        assert_eq!(seconds(plain.clone()), Some(4.0 + 7.0));
        assert_eq!(seconds(plain.clone().max_delay(2)), Some(4.0 + 5.0));
        assert_eq!(seconds(plain.clone().backoff("constant")), Some(4.0 + 3.0));
        assert_eq!(seconds(plain.clone().backoff("linear")), Some(4.0 + 6.0));
        assert_eq!(seconds(plain.clone().backoff("fibonacci")), Some(4.0 + 4.0));
        assert_eq!(seconds(plain.clone().jitter(0.5)), Some(4.0 + 10.5));
        assert_eq!(seconds(plain.clone().jitter("decorrelated").max_delay(10)), Some(4.0 + 30.0));
        assert_eq!(seconds(plain.clone().deadline(5)), Some(5.0));
        assert_eq!(seconds(plain.clone().enable_retry(false)), Some(1.0));
        assert_eq!(seconds(plain.clone().enable_timeout(false)), None);
        assert_eq!(seconds(plain.clone().enable_timeout(false).deadline(5)), Some(5.0));
        assert_eq!(seconds(plain.max_attempts(1)), Some(1.0));
    }

    #[test]
    fn the_worst_case_counts_waits_for_a_turn_and_late_hedges() {
        let layers = Layers { hedge: true, rate_limit: true, bulkhead: true, ..LAYERS };
        let seconds = |settings: Settings| {
            let settings = settings.timeout(2).max_attempts(1);
            let limit = explain(layers, true, &settings, &[]).worst_case().limit();
            limit.map(|time| time.as_secs_f64())
        };
        let plain = Settings::new().enable_hedge(false).bulkhead_max_wait(9);
        assert_eq!(seconds(plain.clone()), Some(2.0), "the wait for a place is within the timeout");
        assert_eq!(seconds(plain.clone().rate_limit_max_wait(3)), Some(5.0));
        assert_eq!(seconds(plain.rate_limit_max_wait(3).enable_rate_limit(false)), Some(2.0));
        let hedged = Settings::new().hedge_delay(0.5).hedge_max_hedges(2);
        assert_eq!(seconds(hedged.clone()), Some(3.0));
        assert_eq!(seconds(hedged.clone().hedge_delay(0)), Some(2.0));
        assert_eq!(seconds(hedged.clone().hedge_delay("1h")), Some(6.0), "each starts when one has failed");
        assert_eq!(seconds(hedged.hedge_delay("p95").rate_limit_max_wait(1)), Some(9.0));
    }

    #[test]
    fn the_worst_case_saturates_and_ends() {
        for backoff in Backoff::WORDS {
            let absurd = Settings::new()
                .timeout(Duration::MAX)
                .max_attempts(u32::MAX)
                .base_delay(Duration::from_nanos(1))
                .max_delay(Duration::MAX)
                .exponential_base(f64::MAX)
                .backoff(backoff);
            assert!(worst(&absurd) > Some(Duration::from_secs(1 << 40)), "{backoff}");
            let slow = absurd.timeout(1).exponential_base(1.0);
            assert!(worst(&slow).is_some(), "{backoff}");
        }
    }

    #[test]
    fn a_limit_that_releases_nobody_says_so() {
        let text = explain(LAYERS, false, &Settings::new(), &[]).to_string();
        assert!(text.contains("as far as the body obeys the deadline"), "{text}");
        let text = explain(LAYERS, true, &Settings::new().enable_timeout(false), &[]).to_string();
        assert!(text.contains("unbounded: no time limit"), "{text}");
    }

    #[test]
    fn problems_notes_and_the_switch_are_shown() {
        let attribute = Settings::new().timeout("soon").window(10).failure_rate(0.5);
        let text = explain(LAYERS, true, &attribute, &[("PYNOMALY_RESILIENCE_ENABLED", "0")]).to_string();
        assert!(text.contains("\n  problem: timeout of `load`"), "{text}");
        assert!(text.contains("\n  note: min_calls is 10"), "{text}");
        assert!(text.contains("RESILIENCE_ENABLED is false"), "{text}");
    }

    #[test]
    fn it_serializes_with_durations_in_seconds() {
        let attribute = Settings::new().timeout("250ms").failure_threshold(super::super::settings::OFF);
        let explanation = explain(LAYERS, true, &attribute, &[]);
        let json = serde_json::to_value(&explanation).unwrap();
        let row = |name: &str| {
            let rows = json["parameters"].as_array().unwrap();
            rows.iter().find(|row| row["parameter"] == name).unwrap().clone()
        };
        assert_eq!(row("timeout")["value"], 0.25);
        assert_eq!(row("timeout")["unit"], "s");
        assert_eq!(row("timeout")["source"], "attribute");
        assert_eq!(row("failure_threshold")["value"], "off");
        assert_eq!(row("failure_rate")["value"], serde_json::Value::Null);
        assert_eq!(row("window")["value"], "100 calls");
        assert_eq!(row("budget")["value"], "default");
        assert_eq!(json["layers"][0], "retry");
        assert_eq!(json["worst_case"]["attempts"], 3);
    }
}
