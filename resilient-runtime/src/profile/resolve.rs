//! Merges what every source says about one operation into what is in force.

use std::fmt;
use std::time::Duration;

use super::defaults::{self, DEFAULT, Profiles, name_in_variables};
use super::env::{Parsed, Said, from};
use super::file::Entries;
use super::param::{Group, PARAMS, Param, Value, param};
use super::problem::Problem;
use super::settings::{OFF, Refused, Settings};
use crate::breaker::Window;
use crate::hedge::HedgeDelay;
use crate::rate_limit::Algorithm;
use crate::retry::{Backoff, Budget, Jitter, Retry};

/// Where a value in force comes from. `Display` is what `explain` prints.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A test scope.
    ScopeOverride,
    /// `PREFIX_OP_<NAME>_<PARAM>`.
    Environment {
        /// The variable as it is spelt.
        variable: String,
    },
    /// A settings file's table of this operation.
    File {
        /// The file as it was named.
        path: String,
        /// The line, from 1.
        line: usize,
    },
    /// The attribute's argument.
    Attribute,
    /// `PREFIX_<TYPE>_<PARAM>`.
    TypeEnvironment {
        /// The variable as it is spelt.
        variable: String,
    },
    /// A settings file's table of this kind of operation.
    TypeFile {
        /// The file as it was named.
        path: String,
        /// The line, from 1.
        line: usize,
    },
    /// The profile of this kind of operation.
    Profile(String),
    /// `PREFIX_DEFAULT_<PARAM>`.
    DefaultEnvironment {
        /// The variable as it is spelt.
        variable: String,
    },
    /// The attribute's word brings it: `#[with_timeout]`.
    Word(String),
    /// Nobody said anything.
    BuiltIn,
    /// Nobody said anything, and another parameter decides.
    Same(&'static str),
    /// `PREFIX_RESILIENCE_ENABLED=false` switched it off.
    MasterSwitch {
        /// The variable as it is spelt.
        variable: String,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScopeOverride => f.write_str("test scope"),
            Self::Attribute => f.write_str("attribute"),
            Self::Environment { variable }
            | Self::TypeEnvironment { variable }
            | Self::DefaultEnvironment { variable }
            | Self::MasterSwitch { variable } => f.write_str(variable),
            Self::File { path, line } | Self::TypeFile { path, line } => write!(f, "{path}:{line}"),
            Self::Profile(name) => write!(f, "{name} profile"),
            Self::Word(word) => write!(f, "#[{word}]"),
            Self::BuiltIn => f.write_str("built-in"),
            Self::Same(parameter) => write!(f, "same as {parameter}"),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Source {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Source {
    /// `using 30s from the database profile`.
    fn using(&self, value: Value) -> String {
        match self {
            Self::BuiltIn => from(value, format_args!("the built-in default")),
            Self::Environment { .. }
            | Self::TypeEnvironment { .. }
            | Self::DefaultEnvironment { .. }
            | Self::MasterSwitch { .. }
            | Self::File { .. }
            | Self::TypeFile { .. }
            | Self::Word(_) => from(value, format_args!("from {self}")),
            Self::Same(_) => from(value, format_args!("{self}")),
            Self::ScopeOverride | Self::Attribute | Self::Profile(_) => {
                from(value, format_args!("from the {self}"))
            }
        }
    }
}

/// The layers an operation's attributes ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each layer is there or is not")]
pub(crate) struct Layers {
    pub(crate) fallback: bool,
    pub(crate) deadline: bool,
    pub(crate) retry: bool,
    pub(crate) hedge: bool,
    pub(crate) breaker: bool,
    /// The breaker is outside the retries (`breaker_scope = "call"`).
    pub(crate) breaker_per_call: bool,
    pub(crate) rate_limit: bool,
    pub(crate) timeout: bool,
    pub(crate) bulkhead: bool,
    pub(crate) health: bool,
}

impl Layers {
    pub(crate) const NONE: Self = Self {
        fallback: false,
        deadline: false,
        retry: false,
        hedge: false,
        breaker: false,
        breaker_per_call: false,
        rate_limit: false,
        timeout: false,
        bulkhead: false,
        health: false,
    };

    fn reads(self, group: Group) -> bool {
        match group {
            Group::Timeout => self.timeout,
            Group::Deadline => self.deadline,
            Group::Retry => self.retry,
            Group::Budget => self.retry || self.hedge,
            Group::Hedge => self.hedge,
            Group::Breaker => self.breaker,
            Group::RateLimit => self.rate_limit,
            Group::Bulkhead => self.bulkhead,
        }
    }

    pub(super) fn shows(self, param: &Param) -> bool {
        self.reads(param.group)
    }
}

/// Everything that can say something about one operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) operation: &'a str,
    /// `default` when the author named none.
    pub(crate) operation_type: &'a str,
    /// The attributes written, outermost first.
    pub(crate) words: &'a [&'a str],
    /// `src/orders.rs:10`.
    pub(crate) location: &'a str,
    pub(crate) layers: Layers,
    /// Of the test scope, the most specific first.
    pub(crate) overrides: &'a [&'a Settings],
    pub(crate) attribute: Option<&'a Settings>,
    pub(crate) profiles: &'a Profiles,
    pub(crate) environment: &'a Parsed,
}

/// What is in force for one operation, every parameter with a value, and who said so.
///
/// The parameters are consistent: `base_delay <= max_delay`, `min_calls` fits a counted window,
/// `slow_call_rate` is there only with `slow_call_duration`, a bulkhead without `bulkhead_max_wait` has a
/// `bulkhead_max_queue`.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each layer is on or off")]
pub(crate) struct Resolved {
    /// The master switch. Off: everything but fallback lets calls pass, unless one of the `enable_` says otherwise.
    pub(crate) enabled: bool,
    pub(crate) timeout: Duration,
    pub(crate) deadline: Option<Duration>,
    pub(crate) max_attempts: u32,
    pub(crate) base_delay: Duration,
    pub(crate) max_delay: Duration,
    pub(crate) exponential_base: f64,
    pub(crate) jitter: Jitter,
    pub(crate) backoff: Backoff,
    /// [`OFF`]: consecutive failures never open the breaker.
    pub(crate) failure_threshold: u32,
    pub(crate) success_threshold: u32,
    pub(crate) recovery_timeout: Duration,
    pub(crate) failure_rate: Option<f64>,
    pub(crate) window: Window,
    pub(crate) min_calls: u32,
    pub(crate) slow_call_rate: Option<f64>,
    pub(crate) slow_call_duration: Option<Duration>,
    pub(crate) half_open_max_calls: u32,
    pub(crate) recovery_backoff: f64,
    pub(crate) max_recovery_timeout: Option<Duration>,
    pub(crate) recovery_jitter: f64,
    pub(crate) budget: Budget,
    pub(crate) hedge_delay: HedgeDelay,
    pub(crate) hedge_max_hedges: u32,
    pub(crate) rate_limit_rate: u32,
    pub(crate) rate_limit_per: Duration,
    pub(crate) rate_limit_burst: u32,
    pub(crate) rate_limit_max_wait: Duration,
    pub(crate) rate_limit_algorithm: Algorithm,
    /// 0 refuses every call.
    pub(crate) bulkhead_max_concurrent: u32,
    /// `None`: any number of calls may wait.
    pub(crate) bulkhead_max_queue: Option<u32>,
    /// `None`: calls wait as long as the attempt may take.
    pub(crate) bulkhead_max_wait: Option<Duration>,
    pub(crate) enable_timeout: bool,
    pub(crate) enable_retry: bool,
    pub(crate) enable_circuit_breaker: bool,
    pub(crate) enable_hedge: bool,
    pub(crate) enable_rate_limit: bool,
    pub(crate) enable_bulkhead: bool,
    /// In the order of [`PARAMS`].
    sources: Vec<Source>,
    /// What cannot be used, or contradicts itself. What variables of a kind of operation say wrongly is in
    /// [`Parsed::problems`].
    pub(crate) problems: Vec<Problem>,
    /// What is allowed, but may surprise.
    pub(crate) notes: Vec<String>,
}

impl Resolved {
    /// Who said so; built-in for a name that is no parameter.
    pub(crate) fn source(&self, parameter: &str) -> &Source {
        param(parameter).and_then(|(n, _)| self.sources.get(n)).unwrap_or(&Source::BuiltIn)
    }

    pub(crate) fn retry(&self) -> Retry {
        Retry {
            max_attempts: self.max_attempts,
            base_delay: self.base_delay,
            max_delay: self.max_delay,
            exponential_base: self.exponential_base,
            jitter: self.jitter,
            backoff: self.backoff,
        }
    }

    /// The values in force, as one source would say them.
    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::new();
        settings.timeout = Some(self.timeout);
        settings.deadline = self.deadline;
        settings.max_attempts = Some(self.max_attempts);
        settings.base_delay = Some(self.base_delay);
        settings.max_delay = Some(self.max_delay);
        settings.exponential_base = Some(self.exponential_base);
        settings.jitter = Some(self.jitter);
        settings.backoff = Some(self.backoff);
        settings.failure_threshold = Some(self.failure_threshold);
        settings.success_threshold = Some(self.success_threshold);
        settings.recovery_timeout = Some(self.recovery_timeout);
        settings.failure_rate = self.failure_rate;
        settings.window = Some(self.window);
        settings.min_calls = Some(self.min_calls);
        settings.slow_call_rate = self.slow_call_rate;
        settings.slow_call_duration = self.slow_call_duration;
        settings.half_open_max_calls = Some(self.half_open_max_calls);
        settings.recovery_backoff = Some(self.recovery_backoff);
        settings.max_recovery_timeout = self.max_recovery_timeout;
        settings.recovery_jitter = Some(self.recovery_jitter);
        settings.enable_timeout = Some(self.enable_timeout);
        settings.enable_retry = Some(self.enable_retry);
        settings.enable_circuit_breaker = Some(self.enable_circuit_breaker);
        settings.budget = Some(self.budget);
        settings.hedge_delay = Some(self.hedge_delay);
        settings.hedge_max_hedges = Some(self.hedge_max_hedges);
        settings.rate_limit_rate = Some(self.rate_limit_rate);
        settings.rate_limit_per = Some(self.rate_limit_per);
        settings.rate_limit_burst = Some(self.rate_limit_burst);
        settings.rate_limit_max_wait = Some(self.rate_limit_max_wait);
        settings.rate_limit_algorithm = Some(self.rate_limit_algorithm);
        settings.bulkhead_max_concurrent = Some(self.bulkhead_max_concurrent);
        settings.bulkhead_max_queue = self.bulkhead_max_queue;
        settings.bulkhead_max_wait = self.bulkhead_max_wait;
        settings.enable_hedge = Some(self.enable_hedge);
        settings.enable_rate_limit = Some(self.enable_rate_limit);
        settings.enable_bulkhead = Some(self.enable_bulkhead);
        settings
    }
}

/// One source, in its place.
enum Level<'a> {
    Scope(&'a Settings),
    Operation(&'a Said),
    OperationFile(&'a Entries),
    Attribute(&'a Settings),
    Kind(&'a Said),
    KindFile(&'a Entries),
    Profile(&'a Settings),
    Default(&'a Said),
    Word(&'a str, Box<Settings>),
}

impl Level<'_> {
    fn settings(&self) -> &Settings {
        match self {
            Self::Scope(settings) | Self::Attribute(settings) | Self::Profile(settings) => settings,
            Self::Operation(said) | Self::Kind(said) | Self::Default(said) => &said.settings,
            Self::OperationFile(entries) | Self::KindFile(entries) => &entries.settings,
            Self::Word(_, settings) => settings,
        }
    }

    fn source(&self, request: &Request<'_>, parameter: &str) -> Source {
        let variable = |said: &Said| said.variable(parameter).unwrap_or_default().to_owned();
        let place = |entries: &Entries| {
            entries.place(parameter).map_or_else(Default::default, |at| (at.path.to_string(), at.line))
        };
        match self {
            Self::Scope(_) => Source::ScopeOverride,
            Self::Operation(said) => Source::Environment { variable: variable(said) },
            Self::OperationFile(entries) => {
                let (path, line) = place(entries);
                Source::File { path, line }
            }
            Self::KindFile(entries) => {
                let (path, line) = place(entries);
                Source::TypeFile { path, line }
            }
            Self::Attribute(_) => Source::Attribute,
            Self::Kind(said) => Source::TypeEnvironment { variable: variable(said) },
            Self::Profile(_) => Source::Profile(request.operation_type.to_owned()),
            Self::Default(said) => Source::DefaultEnvironment { variable: variable(said) },
            Self::Word(word, _) => Source::Word((*word).to_owned()),
        }
    }

    /// Value, or the refusals with the name of what was refused.
    fn said(&self, request: &Request<'_>, param: &Param) -> (Option<Value>, Vec<(String, Refused)>) {
        let name = param.name;
        let mut refusals = Vec::new();
        if let Self::Operation(said) = self {
            let of_param = said.refused.iter().filter(|(parameter, ..)| *parameter == name);
            refusals.extend(of_param.map(|(_, variable, refused)| (variable.clone(), refused.clone())));
        }
        match param.said(self.settings()) {
            Ok(value) => (value, refusals),
            Err(refused) => {
                let Request { operation, operation_type, location, .. } = request;
                let owner = match self {
                    Self::Scope(_) => format!("{name} of `{operation}` in the test scope"),
                    Self::Profile(_) => format!("{name} in the {operation_type} profile"),
                    _ => format!("{name} of `{operation}` ({location})"),
                };
                refusals.push((owner, refused));
                (None, refusals)
            }
        }
    }
}

/// Highest first.
fn levels<'a>(request: &Request<'a>) -> Vec<Level<'a>> {
    let Request { operation, operation_type, words, overrides, attribute, profiles, environment, .. } =
        *request;
    let mut levels: Vec<Level<'a>> = overrides.iter().map(|settings| Level::Scope(settings)).collect();
    levels.extend(environment.operation(operation).map(Level::Operation));
    levels.extend(profiles.file.operation(operation).map(Level::OperationFile));
    levels.extend(attribute.map(Level::Attribute));
    let profile = profiles.get(operation_type).map(Level::Profile);
    let in_file = |kind: &str| profiles.file.profile(kind).map(Level::KindFile);
    let default = environment.kind(DEFAULT).map(Level::Default).into_iter().chain(in_file(DEFAULT));
    if name_in_variables(operation_type) == name_in_variables(DEFAULT) {
        levels.extend(default.chain(profile));
    } else {
        levels.extend(environment.kind(operation_type).map(Level::Kind));
        levels.extend(in_file(operation_type));
        levels.extend(profile.into_iter().chain(default));
    }
    levels.extend(words.iter().filter_map(|word| Some(Level::Word(word, Box::new(defaults::word(word)?)))));
    levels
}

/// What is in force for one operation. Never fails: what cannot be used is in [`Resolved::problems`], and the next
/// lower source is used.
pub(crate) fn resolve(request: &Request<'_>) -> Resolved {
    let levels = levels(request);
    let mut merged = Settings::new();
    let mut sources = Vec::with_capacity(PARAMS.len());
    let mut problems = Vec::new();
    for param in &PARAMS {
        let mut winner = None;
        let mut refusals = Vec::new();
        for level in &levels {
            let (value, refused) = level.said(request, param);
            refusals.extend(refused);
            winner = winner.or_else(|| Some((value?, level.source(request, param.name))));
        }
        let (value, source) = match winner {
            Some((value, source)) => (Some(value), source),
            None => (param.built_in, Source::BuiltIn),
        };
        let used = value.map_or_else(|| "it is ignored".to_owned(), |value| source.using(value));
        problems.extend(
            refusals.iter().map(|(name, refused)| Problem::refused(name, refused).used(used.as_str())),
        );
        if let Some(value) = value {
            (param.set)(&mut merged, value);
        }
        sources.push(source);
    }
    problems.extend(without_layer(request));
    let mut resolved = Resolved { sources, problems, ..concrete(&merged) };
    check_delays(&mut resolved, request);
    check_breaker(&mut resolved, request);
    check_limits(&mut resolved, request);
    check_rate_limit(&mut resolved, request);
    check_bulkhead(&mut resolved, request);
    check_hedge(&mut resolved, request);
    switch_off(&mut resolved, request);
    resolved
}

/// Variables and lines of this operation that no layer of it reads.
fn without_layer(request: &Request<'_>) -> Vec<Problem> {
    let said = request.environment.operation(request.operation);
    let entries = request.profiles.file.operation(request.operation);
    PARAMS
        .iter()
        .filter(|param| !request.layers.shows(param))
        .flat_map(|param| {
            let layer = match param.group {
                Group::Timeout => "timeout",
                Group::Deadline => "deadline",
                Group::Retry | Group::Budget => "retry",
                Group::Hedge => "hedge",
                Group::Breaker => "circuit breaker",
                Group::RateLimit => "rate limit",
                Group::Bulkhead => "bulkhead",
            };
            let Request { operation, location, .. } = request;
            let what = format!("`{operation}` ({location}) has no {layer} layer");
            let variable = said.and_then(|said| said.variable(param.name)).map(ToOwned::to_owned);
            let line = entries.and_then(|entries| entries.place(param.name)).map(ToString::to_string);
            let wrong = move |source| Problem::new(source, what.as_str()).used("it is ignored");
            variable.into_iter().chain(line).map(wrong)
        })
        .collect()
}

/// The merged values as plain fields.
fn concrete(merged: &Settings) -> Resolved {
    let Settings {
        timeout: Some(timeout),
        max_attempts: Some(max_attempts),
        base_delay: Some(base_delay),
        max_delay: Some(max_delay),
        exponential_base: Some(exponential_base),
        jitter: Some(jitter),
        backoff: Some(backoff),
        failure_threshold: Some(failure_threshold),
        success_threshold: Some(success_threshold),
        recovery_timeout: Some(recovery_timeout),
        window: Some(window),
        min_calls: Some(min_calls),
        recovery_backoff: Some(recovery_backoff),
        recovery_jitter: Some(recovery_jitter),
        enable_timeout: Some(enable_timeout),
        enable_retry: Some(enable_retry),
        enable_circuit_breaker: Some(enable_circuit_breaker),
        budget: Some(budget),
        hedge_delay: Some(hedge_delay),
        hedge_max_hedges: Some(hedge_max_hedges),
        rate_limit_rate: Some(rate_limit_rate),
        rate_limit_per: Some(rate_limit_per),
        rate_limit_max_wait: Some(rate_limit_max_wait),
        rate_limit_algorithm: Some(rate_limit_algorithm),
        bulkhead_max_concurrent: Some(bulkhead_max_concurrent),
        enable_hedge: Some(enable_hedge),
        enable_rate_limit: Some(enable_rate_limit),
        enable_bulkhead: Some(enable_bulkhead),
        ..
    } = *merged
    else {
        unreachable!("these parameters have a built-in value in the table")
    };
    Resolved {
        enabled: true,
        timeout,
        deadline: merged.deadline,
        max_attempts,
        base_delay,
        max_delay,
        exponential_base,
        jitter,
        backoff,
        failure_threshold,
        success_threshold,
        recovery_timeout,
        failure_rate: merged.failure_rate,
        window,
        min_calls,
        slow_call_rate: merged.slow_call_rate,
        slow_call_duration: merged.slow_call_duration,
        half_open_max_calls: merged.half_open_max_calls.unwrap_or(success_threshold),
        recovery_backoff,
        max_recovery_timeout: merged.max_recovery_timeout,
        recovery_jitter,
        enable_timeout,
        enable_retry,
        enable_circuit_breaker,
        budget,
        hedge_delay,
        hedge_max_hedges,
        rate_limit_rate,
        rate_limit_per,
        rate_limit_max_wait,
        rate_limit_algorithm,
        bulkhead_max_concurrent,
        rate_limit_burst: merged.rate_limit_burst.unwrap_or(rate_limit_rate),
        bulkhead_max_queue: merged.bulkhead_max_queue,
        bulkhead_max_wait: merged.bulkhead_max_wait,
        enable_hedge,
        enable_rate_limit,
        enable_bulkhead,
        sources: Vec::new(),
        problems: Vec::new(),
        notes: Vec::new(),
    }
}

/// A time above its own cap: the cap is used.
fn above_cap(
    resolved: &Resolved,
    request: &Request<'_>,
    (name, time): (&str, Duration),
    (cap_name, cap): (&str, Duration),
) -> Problem {
    let Request { operation, location, .. } = request;
    let (time, cap) = (Value::Duration(time), Value::Duration(cap));
    let (source, cap_source) = (resolved.source(name), resolved.source(cap_name));
    Problem::new(
        format!("{name} of `{operation}` ({location})"),
        format!("{time} ({source}) is above {cap_name}, {cap} ({cap_source})"),
    )
    .allowed(format!("{name} = {cap} or less, or a larger {cap_name}"))
    .used(format!("using {cap}"))
}

/// Whether somebody said so for this very function, rather than for its kind.
fn is_written(source: &Source) -> bool {
    is_outside_of_code(source) || *source == Source::Attribute
}

/// Whether somebody said so for this very function, and not in its code.
fn is_outside_of_code(source: &Source) -> bool {
    matches!(source, Source::ScopeOverride | Source::Environment { .. } | Source::File { .. })
}

fn check_delays(resolved: &mut Resolved, request: &Request<'_>) {
    let (base, most) = (resolved.base_delay, resolved.max_delay);
    if base > most {
        // A cap that somebody wrote simply wins over a delay that nobody wrote.
        if request.layers.retry && is_written(resolved.source("base_delay")) {
            let problem = above_cap(resolved, request, ("base_delay", base), ("max_delay", most));
            resolved.problems.push(problem);
        }
        resolved.base_delay = most;
    }
}

fn check_breaker(resolved: &mut Resolved, request: &Request<'_>) {
    let Request { operation, location, layers, .. } = request;
    let mut tell = |problem: Problem| {
        if layers.breaker {
            resolved.problems.push(problem);
        }
    };
    if resolved.slow_call_rate.is_some() && resolved.slow_call_duration.is_none() {
        let name = format!("slow_call_rate of `{operation}` ({location})");
        let what = "nothing says from which time on a call is slow";
        tell(
            Problem::new(name, what).allowed("slow_call_duration as well").used("slow calls are not counted"),
        );
        resolved.slow_call_rate = None;
    }
    if let Some(most) = resolved.max_recovery_timeout.filter(|most| resolved.recovery_timeout > *most) {
        let recovery = ("recovery_timeout", resolved.recovery_timeout);
        let problem = above_cap(resolved, request, recovery, ("max_recovery_timeout", most));
        if layers.breaker {
            resolved.problems.push(problem);
        }
        resolved.recovery_timeout = most;
    }
    let has_rate = resolved.failure_rate.is_some() || resolved.slow_call_rate.is_some();
    match resolved.window {
        Window::Count(held) if resolved.min_calls > held => {
            if has_rate && layers.breaker {
                let asked = resolved.min_calls;
                resolved.notes.push(format!("min_calls is {held}, all the window holds, not {asked}"));
            }
            resolved.min_calls = held;
        }
        _ => {}
    }
    resolved.follows("half_open_max_calls", "success_threshold");
    if layers.breaker && resolved.failure_threshold == OFF && !has_rate {
        resolved
            .notes
            .push("no rule opens the circuit breaker: failure_threshold is off, no rate is set".to_owned());
    }
    let failures = resolved.failure_threshold;
    let sees_attempts = layers.breaker && !layers.breaker_per_call && resolved.enable_circuit_breaker;
    if sees_attempts && layers.retry && resolved.enable_retry && resolved.max_attempts > failures {
        resolved.notes.push(format!(
            "the circuit breaker opens after {failures} failures in a row, so of {} attempts the later ones are \
             refused; raise failure_threshold, or let it see calls: breaker_scope = \"call\"",
            resolved.max_attempts
        ));
    }
    if layers.breaker && resolved.slow_call_duration.is_some() && resolved.slow_call_rate.is_none() {
        resolved.notes.push("slow calls open nothing: slow_call_rate is not set".to_owned());
    }
}

fn check_limits(resolved: &mut Resolved, request: &Request<'_>) {
    let Some(deadline) = resolved.deadline else { return };
    let written = Value::Duration(deadline);
    if !request.layers.deadline {
        let source = resolved.source("deadline");
        resolved
            .notes
            .push(format!("the deadline of {written} ({source}) has no layer here and is not in force"));
    } else if request.layers.timeout && resolved.enable_timeout && resolved.timeout > deadline {
        if is_written(resolved.source("timeout")) {
            let timeout = ("timeout", resolved.timeout);
            let problem = above_cap(resolved, request, timeout, ("deadline", deadline));
            resolved.problems.push(problem);
        } else {
            let timeout = Value::Duration(resolved.timeout);
            resolved
                .notes
                .push(format!("the deadline of {written} cuts an attempt before its timeout of {timeout}"));
        }
    }
}

impl Resolved {
    fn follows(&mut self, parameter: &str, other: &'static str) {
        let source = param(parameter).map(|(n, _)| &mut self.sources[n]);
        if let Some(source) = source.filter(|source| **source == Source::BuiltIn) {
            *source = Source::Same(other);
        }
    }

    /// The shorter of the attempt's and the call's limit, of those that are there and on.
    fn shortest_limit(&self, layers: Layers) -> Option<(&'static str, Duration)> {
        let timeout =
            (layers.timeout && self.enable_timeout).then_some(("the attempt's timeout", self.timeout));
        let deadline = self.deadline.filter(|_| layers.deadline).map(|deadline| ("the deadline", deadline));
        timeout.into_iter().chain(deadline).min_by_key(|(_, limit)| *limit)
    }
}

fn check_rate_limit(resolved: &mut Resolved, request: &Request<'_>) {
    if resolved.rate_limit_algorithm == Algorithm::SlidingWindow {
        if request.layers.rate_limit && *resolved.source("rate_limit_burst") != Source::BuiltIn {
            resolved.notes.push("rate_limit_burst is not used: a sliding window has no bursts".to_owned());
        }
        resolved.rate_limit_burst = resolved.rate_limit_rate;
    }
    resolved.follows("rate_limit_burst", "rate_limit_rate");
    let wait = resolved.rate_limit_max_wait;
    let both = request.layers.rate_limit && request.layers.deadline;
    if let Some(deadline) = resolved.deadline.filter(|deadline| both && wait > *deadline) {
        let (wait, deadline) = (Value::Duration(wait), Value::Duration(deadline));
        resolved.notes.push(format!("the deadline of {deadline} cuts the rate_limit_max_wait of {wait}"));
    }
}

fn check_bulkhead(resolved: &mut Resolved, request: &Request<'_>) {
    if resolved.bulkhead_max_wait.is_none() && resolved.bulkhead_max_queue.is_none() {
        resolved.bulkhead_max_queue = Some(0);
    }
    if !request.layers.bulkhead {
        return;
    }
    let limit = resolved.shortest_limit(request.layers);
    let waits = match (resolved.bulkhead_max_queue, resolved.bulkhead_max_wait) {
        _ if resolved.bulkhead_max_concurrent == 0 => {
            Some("bulkhead_max_concurrent is 0: every call is refused".to_owned())
        }
        (Some(0), Some(wait)) if !wait.is_zero() => {
            Some("bulkhead_max_wait is not used: bulkhead_max_queue is 0, so no call waits".to_owned())
        }
        (Some(1..), None) if limit.is_none() => Some(
            "calls wait for a place without limit: no bulkhead_max_wait, no timeout, no deadline".to_owned(),
        ),
        (_, Some(wait)) => limit.filter(|(_, limit)| wait > *limit).map(|(name, limit)| {
            let (wait, limit) = (Value::Duration(wait), Value::Duration(limit));
            format!("{name} of {limit} cuts the bulkhead_max_wait of {wait}")
        }),
        _ => None,
    };
    resolved.notes.extend(waits);
}

fn check_hedge(resolved: &mut Resolved, request: &Request<'_>) {
    let Request { layers, .. } = request;
    let retries = layers.retry && resolved.enable_retry && resolved.max_attempts > 1;
    if retries && resolved.budget == Budget::None {
        let attempts = resolved.max_attempts;
        resolved
            .notes
            .push(format!("the budget is none: while the target is down, each call becomes {attempts}"));
    }
    if !layers.hedge {
        return;
    }
    match (resolved.hedge_delay, resolved.shortest_limit(*layers)) {
        (HedgeDelay::Fixed(delay), Some((name, limit))) if delay >= limit => {
            let (delay, limit) = (Value::Duration(delay), Value::Duration(limit));
            resolved.notes.push(format!(
                "no slow attempt is hedged: {name} of {limit} ends it before the hedge_delay of {delay}"
            ));
        }
        _ => {}
    }
    if layers.bulkhead && resolved.bulkhead_max_concurrent == 1 {
        resolved
            .notes
            .push("a hedge finds no place beside its attempt: bulkhead_max_concurrent is 1".to_owned());
    }
}

/// The master switch, which only what is said about this very operation outside of its code beats: a scope's, a
/// variable's or a file's `enable_ = true`. In code `true` says no more than that the layer is there, and an operator who
/// switches everything off means that, too.
fn switch_off(resolved: &mut Resolved, request: &Request<'_>) {
    let Some((false, variable)) = &request.environment.enabled else { return };
    resolved.enabled = false;
    let switched = Source::MasterSwitch { variable: variable.clone() };
    for (n, param) in PARAMS.iter().enumerate() {
        let layer = match param.name {
            "enable_timeout" => &mut resolved.enable_timeout,
            "enable_retry" => &mut resolved.enable_retry,
            "enable_circuit_breaker" => &mut resolved.enable_circuit_breaker,
            "enable_hedge" => &mut resolved.enable_hedge,
            "enable_rate_limit" => &mut resolved.enable_rate_limit,
            "enable_bulkhead" => &mut resolved.enable_bulkhead,
            "deadline" => {
                if resolved.deadline.take().is_some() {
                    resolved.sources[n] = switched.clone();
                }
                continue;
            }
            _ => continue,
        };
        if *layer && !is_outside_of_code(&resolved.sources[n]) {
            *layer = false;
            resolved.sources[n] = switched.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::env::Environment;
    use super::*;

    const ALL: Layers = Layers {
        fallback: true,
        deadline: true,
        retry: true,
        hedge: true,
        breaker: true,
        breaker_per_call: false,
        rate_limit: true,
        timeout: true,
        bulkhead: true,
        health: true,
    };

    /// An operation `load` of kind `database`; change what the test is about.
    struct Case {
        kind: &'static str,
        words: Vec<&'static str>,
        layers: Layers,
        scope: Option<Settings>,
        attribute: Settings,
        environment: Vec<(&'static str, &'static str)>,
        profiles: Profiles,
    }

    impl Default for Case {
        fn default() -> Self {
            Self {
                kind: "database",
                words: vec!["database_resilient"],
                layers: ALL,
                scope: None,
                attribute: Settings::new(),
                environment: Vec::new(),
                profiles: Profiles::built_in(),
            }
        }
    }

    impl Case {
        fn resolve(&self) -> Resolved {
            let environment = Environment::from_pairs(self.environment.iter().copied()).parse(
                None,
                &self.profiles,
                &["load"],
            );
            resolve(&Request {
                operation: "load",
                operation_type: self.kind,
                words: &self.words,
                location: "src/db.rs:7",
                layers: self.layers,
                overrides: self.scope.as_ref().as_slice(),
                attribute: Some(&self.attribute),
                profiles: &self.profiles,
                environment: &environment,
            })
        }

        fn problems(&self) -> Vec<String> {
            self.resolve().problems.iter().map(ToString::to_string).collect()
        }
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_highest_source_that_says_something_wins() {
        // Each step takes the highest source away.
        let mut case = Case {
            kind: "database",
            words: vec!["with_timeout"],
            scope: Some(Settings::new().timeout(1)),
            attribute: Settings::new().timeout(3),
            environment: vec![
                ("PYNOMALY_DEFAULT_TIMEOUT", "6"),
                ("PYNOMALY_DATABASE_TIMEOUT", "4"),
                ("PYNOMALY_OP_LOAD_TIMEOUT", "2"),
            ],
            ..Case::default()
        };
        case.profiles.set("database", Settings::new().timeout(5));
        let see = |case: &Case| {
            let resolved = case.resolve();
            assert_eq!(resolved.problems, []);
            (resolved.timeout, resolved.source("timeout").to_string())
        };
        assert_eq!(see(&case), (secs(1), "test scope".into()));
        case.scope = None;
        assert_eq!(see(&case), (secs(2), "PYNOMALY_OP_LOAD_TIMEOUT".into()));
        case.environment.pop();
        assert_eq!(see(&case), (secs(3), "attribute".into()));
        case.attribute = Settings::new();
        assert_eq!(see(&case), (secs(4), "PYNOMALY_DATABASE_TIMEOUT".into()));
        case.environment.pop();
        assert_eq!(see(&case), (secs(5), "database profile".into()));
        case.kind = "payments";
        assert_eq!(see(&case), (secs(6), "PYNOMALY_DEFAULT_TIMEOUT".into()));
        case.environment.pop();
        assert_eq!(see(&case), (secs(30), "#[with_timeout]".into()));
        case.words.clear();
        assert_eq!(see(&case), (secs(5), "built-in".into()));
    }

    #[test]
    fn the_default_kind_reads_its_variable_above_its_profile() {
        let mut case = Case { kind: "default", words: vec!["resilient"], ..Case::default() };
        case.profiles.set("default", Settings::new().timeout(8));
        assert_eq!(case.resolve().timeout, secs(8));
        case.environment = vec![("PYNOMALY_DEFAULT_TIMEOUT", "6")];
        let resolved = case.resolve();
        assert_eq!(resolved.timeout, secs(6));
        let variable = "PYNOMALY_DEFAULT_TIMEOUT".to_owned();
        assert_eq!(*resolved.source("timeout"), Source::DefaultEnvironment { variable });
    }

    #[test]
    fn the_five_profiles_and_the_built_ins_are_the_seeds() {
        for (kind, timeout, attempts, base, most, failures, recovery) in [
            ("default", 5, 3, 1.0, 60, 5, 60),
            ("database", 30, 3, 0.5, 10, 3, 30),
            ("cache", 5, 2, 0.1, 1, 3, 15),
            ("api", 60, 5, 1.0, 30, 5, 60),
            ("file", 10, 3, 0.2, 5, 3, 30),
            ("ml", 300, 2, 5.0, 30, 2, 120),
        ] {
            let resolved = Case { kind, ..Case::default() }.resolve();
            assert_eq!(resolved.problems, [], "{kind}");
            assert_eq!(resolved.timeout, secs(timeout), "{kind}");
            assert_eq!(resolved.max_attempts, attempts, "{kind}");
            assert_eq!(resolved.base_delay, Duration::from_secs_f64(base), "{kind}");
            assert_eq!(resolved.max_delay, secs(most), "{kind}");
            assert_eq!(resolved.failure_threshold, failures, "{kind}");
            assert_eq!(resolved.recovery_timeout, secs(recovery), "{kind}");
            assert!((resolved.exponential_base - 2.0).abs() < f64::EPSILON);
            assert_eq!(resolved.jitter, Jitter::Equal);
            assert_eq!(resolved.backoff, Backoff::Exponential);
            assert_eq!((resolved.success_threshold, resolved.half_open_max_calls), (2, 2));
            assert_eq!((resolved.window, resolved.min_calls), (Window::Count(100), 20));
            assert_eq!((resolved.failure_rate, resolved.slow_call_rate), (None, None));
            assert_eq!((resolved.deadline, resolved.max_recovery_timeout), (None, None));
            assert!(resolved.enabled && resolved.enable_retry);
            assert!(resolved.enable_timeout && resolved.enable_circuit_breaker);
        }
    }

    #[test]
    fn the_plain_words_bring_their_own_numbers() {
        let case = Case {
            kind: "default",
            words: vec!["retry_with_backoff", "circuit_breaker", "with_timeout"],
            ..Case::default()
        };
        let resolved = case.resolve();
        assert_eq!(resolved.max_attempts, 4);
        assert_eq!((resolved.base_delay, resolved.max_delay), (Duration::from_millis(100), secs(10)));
        assert_eq!(resolved.jitter, Jitter::Fraction(0.1));
        assert_eq!(resolved.timeout, secs(30));
        assert_eq!(resolved.recovery_timeout, secs(60));
        assert_eq!(resolved.source("failure_threshold").to_string(), "#[circuit_breaker]");
    }

    #[test]
    fn a_refused_value_is_reported_with_what_is_used_instead() {
        let case = Case {
            attribute: Settings::new().timeout(-1).max_attempts(0),
            environment: vec![("PYNOMALY_OP_LOAD_MAX_DELAY", "never"), ("PYNOMALY_DATABASE_TIMEOUT", "4")],
            ..Case::default()
        };
        assert_eq!(
            case.problems(),
            [
                "max_attempts of `load` (src/db.rs:7): `0` is too small; write a whole number from 1 on (3); using 3 \
                 from the database profile",
                "PYNOMALY_OP_LOAD_MAX_DELAY: `never` is not a duration; write seconds (30, 0.5) or a unit (250ms, \
                 1m30s); using 10s from the database profile",
                "timeout of `load` (src/db.rs:7): `-1` is negative; write seconds (30, 0.5) or a unit (250ms, \
                 1m30s); using 4s from PYNOMALY_DATABASE_TIMEOUT",
            ]
        );
    }

    #[test]
    fn a_refused_value_in_code_is_told_with_whose_it_is() {
        let mut case = Case { scope: Some(Settings::new().timeout("soon")), ..Case::default() };
        case.profiles.set("database", Settings::new().max_attempts(0));
        let [attempts, timeout] = case.problems().try_into().unwrap();
        assert!(attempts.starts_with("max_attempts in the database profile: `0`"), "{attempts}");
        assert!(timeout.starts_with("timeout of `load` in the test scope: `soon`"), "{timeout}");
    }

    #[test]
    fn a_refused_value_that_something_higher_hides_is_reported_all_the_same() {
        let case = Case {
            scope: Some(Settings::new().timeout(9)),
            attribute: Settings::new().timeout("soon"),
            ..Case::default()
        };
        let [problem] = case.problems().try_into().unwrap();
        assert!(problem.ends_with("using 9s from the test scope"), "{problem}");
    }

    #[test]
    fn a_cap_below_a_delay_that_nobody_wrote_just_wins() {
        let case = Case { attribute: Settings::new().max_delay("200ms"), ..Case::default() };
        assert_eq!(case.resolve().base_delay, Duration::from_millis(200));
        assert_eq!(case.problems(), [""; 0]);
    }

    #[test]
    fn a_written_base_delay_above_the_cap_is_the_cap_and_is_reported() {
        let attribute = Settings::new().base_delay("500ms").max_delay("200ms");
        let mut case = Case { attribute, ..Case::default() };
        let resolved = case.resolve();
        assert_eq!(resolved.base_delay, Duration::from_millis(200));
        assert_eq!(
            case.problems(),
            ["base_delay of `load` (src/db.rs:7): 500ms (attribute) is above max_delay, 200ms (attribute); \
              write base_delay = 200ms or less, or a larger max_delay; using 200ms"]
        );
        case.layers.retry = false;
        assert_eq!(case.problems(), [""; 0]);
        case.layers.retry = true;
        case.attribute = Settings::new().base_delay("200ms").max_delay("200ms");
        assert_eq!(case.problems(), [""; 0], "a delay may be its cap");
    }

    #[test]
    fn recovery_above_its_cap_is_the_cap_and_is_reported() {
        let mut case = Case { attribute: Settings::new().max_recovery_timeout(10), ..Case::default() };
        let resolved = case.resolve();
        assert_eq!(resolved.recovery_timeout, secs(10));
        assert_eq!(resolved.problems.len(), 1);
        case.attribute = Settings::new().recovery_timeout(10).max_recovery_timeout(10);
        assert_eq!(case.problems(), [""; 0], "it may be its cap");
    }

    #[test]
    fn slow_calls_need_a_time() {
        let case = Case { attribute: Settings::new().slow_call_rate(0.5), ..Case::default() };
        assert_eq!(case.resolve().slow_call_rate, None);
        assert_eq!(
            case.problems(),
            [
                "slow_call_rate of `load` (src/db.rs:7): nothing says from which time on a call is slow; write \
              slow_call_duration as well; slow calls are not counted"
            ]
        );
        let attribute = Settings::new().slow_call_rate(0.5).slow_call_duration("2s");
        let resolved = Case { attribute, ..Case::default() }.resolve();
        assert_eq!((resolved.slow_call_rate, resolved.problems.len()), (Some(0.5), 0));
    }

    #[test]
    fn a_counted_window_bounds_min_calls() {
        let resolved =
            Case { attribute: Settings::new().window(10).failure_rate(0.5), ..Case::default() }.resolve();
        assert_eq!((resolved.min_calls, resolved.problems.len(), resolved.notes.len()), (10, 0, 1));
        let resolved = Case { attribute: Settings::new().window("30s"), ..Case::default() }.resolve();
        assert_eq!((resolved.min_calls, resolved.notes.len()), (20, 0));
        let rate = || Settings::new().failure_rate(0.5);
        for (attribute, breaker, notes) in [
            (rate().window(10).min_calls(10), true, 0),
            (rate().window(10).min_calls(11), true, 1),
            (rate().window(10).min_calls(11), false, 0),
            (Settings::new().window(10).min_calls(11), true, 0),
        ] {
            let case = Case { attribute, layers: Layers { breaker, ..ALL }, ..Case::default() };
            let resolved = case.resolve();
            assert_eq!((resolved.min_calls, resolved.notes.len()), (10, notes), "{:?}", case.attribute);
        }
    }

    #[test]
    fn a_breaker_that_one_call_can_open_is_noted_where_it_sees_the_attempts() {
        let attempts = |most: u32| Settings::new().max_attempts(most).failure_threshold(3);
        let one_more = || attempts(4);
        for (attribute, layers, notes) in [
            (one_more(), ALL, 1),
            (attempts(3), ALL, 0),
            (one_more(), Layers { breaker: false, ..ALL }, 0),
            (one_more(), Layers { breaker_per_call: true, ..ALL }, 0),
            (one_more(), Layers { retry: false, ..ALL }, 0),
            (one_more().enable_circuit_breaker(false), ALL, 0),
            (one_more().enable_retry(false), ALL, 0),
        ] {
            let case = Case { layers, attribute, ..Case::default() };
            assert_eq!(case.resolve().notes.len(), notes, "{:?} {layers:?}", case.attribute);
        }
    }

    #[test]
    fn probes_at_a_time_follow_the_success_threshold() {
        let resolved = Case { attribute: Settings::new().success_threshold(7), ..Case::default() }.resolve();
        assert_eq!(resolved.half_open_max_calls, 7);
        assert_eq!(resolved.source("half_open_max_calls").to_string(), "same as success_threshold");
        let attribute = Settings::new().success_threshold(7).half_open_max_calls(1);
        assert_eq!(Case { attribute, ..Case::default() }.resolve().half_open_max_calls, 1);
    }

    #[test]
    fn a_limit_above_the_deadline_is_noted() {
        let resolved = Case { attribute: Settings::new().deadline(10), ..Case::default() }.resolve();
        assert_eq!(resolved.notes, ["the deadline of 10s cuts an attempt before its timeout of 30s"]);
        let mut case = Case { environment: vec![("PYNOMALY_DEFAULT_DEADLINE", "10")], ..Case::default() };
        for (attribute, timeout) in [
            (Settings::new(), false),
            (Settings::new().enable_timeout(false), true),
            (Settings::new().timeout(10), true),
        ] {
            case.attribute = attribute;
            case.layers.timeout = timeout;
            let resolved = case.resolve();
            assert_eq!((resolved.notes.len(), resolved.problems.len()), (0, 0), "{:?}", case.attribute);
        }
        case.layers.deadline = false;
        assert_eq!(
            case.resolve().notes,
            ["the deadline of 10s (PYNOMALY_DEFAULT_DEADLINE) has no layer here and is not in force"]
        );
    }

    #[test]
    fn a_breaker_that_nothing_opens_is_noted() {
        let attribute = Settings::new().failure_threshold(OFF);
        assert_eq!(Case { attribute, ..Case::default() }.resolve().notes.len(), 1);
    }

    #[test]
    fn a_variable_for_a_layer_the_operation_lacks_is_reported() {
        let mut case = Case { environment: vec![("PYNOMALY_OP_LOAD_MAX_ATTEMPTS", "9")], ..Case::default() };
        assert_eq!(case.problems(), [""; 0]);
        case.layers.retry = false;
        assert_eq!(
            case.problems(),
            ["PYNOMALY_OP_LOAD_MAX_ATTEMPTS: `load` (src/db.rs:7) has no retry layer; it is ignored"]
        );
    }

    #[test]
    fn the_master_switch_turns_everything_off() {
        let resolved = Case {
            attribute: Settings::new().deadline(100),
            environment: vec![
                ("PYNOMALY_RESILIENCE_ENABLED", "false"),
                ("PYNOMALY_DATABASE_ENABLE_RETRY", "true"),
            ],
            ..Case::default()
        }
        .resolve();
        assert!(!resolved.enabled && !resolved.enable_retry);
        assert!(!resolved.enable_timeout && !resolved.enable_circuit_breaker);
        assert_eq!(resolved.deadline, None);
        assert_eq!(resolved.source("enable_retry").to_string(), "PYNOMALY_RESILIENCE_ENABLED");
        assert_eq!(resolved.problems, []);
    }

    /// CF-015, where code does not count as specific: see [`switch_off`].
    #[test]
    fn a_variable_of_the_operation_beats_the_master_switch_and_its_attribute_does_not() {
        let resolved = Case {
            attribute: Settings::new().enable_timeout(true).enable_circuit_breaker(false),
            environment: vec![
                ("PYNOMALY_RESILIENCE_ENABLED", "no"),
                ("PYNOMALY_OP_LOAD_ENABLE_RETRY", "true"),
            ],
            ..Case::default()
        }
        .resolve();
        assert!(!resolved.enabled && resolved.enable_retry);
        assert!(!resolved.enable_timeout && !resolved.enable_circuit_breaker);
        assert_eq!(resolved.source("enable_timeout").to_string(), "PYNOMALY_RESILIENCE_ENABLED");
        assert_eq!(resolved.source("enable_circuit_breaker"), &Source::Attribute);
    }

    #[test]
    fn the_other_layers_are_switched_off_as_well() {
        let resolved = Case {
            environment: vec![
                ("PYNOMALY_RESILIENCE_ENABLED", "false"),
                ("PYNOMALY_OP_LOAD_ENABLE_BULKHEAD", "true"),
            ],
            ..Case::default()
        }
        .resolve();
        assert!(!resolved.enable_hedge && !resolved.enable_rate_limit && resolved.enable_bulkhead);
    }

    #[test]
    fn a_bulkhead_lets_wait_what_is_said_about_waiting() {
        let waiting = |attribute: Settings| {
            let resolved = Case { attribute, ..Case::default() }.resolve();
            (resolved.bulkhead_max_queue, resolved.bulkhead_max_wait)
        };
        assert_eq!(waiting(Settings::new()), (Some(0), None));
        assert_eq!(waiting(Settings::new().bulkhead_max_queue(5)), (Some(5), None));
        assert_eq!(waiting(Settings::new().bulkhead_max_wait(5)), (None, Some(secs(5))));
        let both = Settings::new().bulkhead_max_wait(5).bulkhead_max_queue(5);
        assert_eq!(waiting(both), (Some(5), Some(secs(5))));
    }

    #[test]
    fn a_burst_follows_the_rate() {
        let burst = |attribute: Settings| {
            let resolved = Case { attribute, ..Case::default() }.resolve();
            let source = resolved.source("rate_limit_burst").to_string();
            (resolved.rate_limit_burst, source, resolved.notes)
        };
        let of_rate = Settings::new().rate_limit_rate(7);
        assert_eq!(burst(of_rate.clone()), (7, "same as rate_limit_rate".into(), vec![]));
        let of_rate_alone = of_rate.clone();
        let written = of_rate.rate_limit_burst(9);
        assert_eq!(burst(written.clone()), (9, "attribute".into(), vec![]));
        let note = "rate_limit_burst is not used: a sliding window has no bursts".to_owned();
        let sliding = written.rate_limit_algorithm("sliding_window");
        assert_eq!(burst(sliding), (7, "attribute".into(), vec![note]));
        let nobody_wrote_it = of_rate_alone.rate_limit_algorithm("sliding_window");
        assert_eq!(burst(nobody_wrote_it), (7, "same as rate_limit_rate".into(), vec![]));
    }

    #[test]
    fn what_may_surprise_about_waits_hedges_and_budgets_is_noted() {
        let limited = || Settings::new().timeout(5).deadline(20);
        for (attribute, note) in [
            (limited().bulkhead_max_wait(5), None),
            (
                limited().bulkhead_max_wait(6),
                Some("the attempt's timeout of 5s cuts the bulkhead_max_wait of 6s"),
            ),
            (
                limited().bulkhead_max_concurrent(0).bulkhead_max_wait(6),
                Some("bulkhead_max_concurrent is 0: every call is refused"),
            ),
            (
                limited().bulkhead_max_queue(0).bulkhead_max_wait(1),
                Some("bulkhead_max_wait is not used: bulkhead_max_queue is 0, so no call waits"),
            ),
            (limited().bulkhead_max_queue(0).bulkhead_max_wait(0), None),
            (limited().bulkhead_max_queue(3), None),
            (
                Settings::new().enable_timeout(false).bulkhead_max_queue(3),
                Some("calls wait for a place without limit: no bulkhead_max_wait, no timeout, no deadline"),
            ),
            (
                limited().bulkhead_max_concurrent(1),
                Some("a hedge finds no place beside its attempt: bulkhead_max_concurrent is 1"),
            ),
            (limited().rate_limit_max_wait(20), None),
            (
                limited().rate_limit_max_wait(21),
                Some("the deadline of 20s cuts the rate_limit_max_wait of 21s"),
            ),
            (limited().hedge_delay(4.9), None),
            (
                limited().hedge_delay(5),
                Some(
                    "no slow attempt is hedged: the attempt's timeout of 5s ends it before the hedge_delay of 5s",
                ),
            ),
            (limited().budget(0.2), None),
            (limited().budget("none").max_attempts(1), None),
            (
                limited().budget("none"),
                Some("the budget is none: while the target is down, each call becomes 3"),
            ),
        ] {
            let mut case = Case { attribute, ..Case::default() };
            let resolved = case.resolve();
            assert_eq!(resolved.problems, []);
            assert_eq!(resolved.notes, Vec::from_iter(note.map(str::to_owned)));
            case.layers = Layers { deadline: true, timeout: true, ..Layers::NONE };
            assert_eq!(case.resolve().notes, [""; 0], "a layer that is not there says nothing");
        }
    }

    #[test]
    fn what_is_in_force_can_be_said_again() {
        let resolved = Case::default().resolve();
        let again = Case { kind: "default", attribute: resolved.settings(), ..Case::default() }.resolve();
        assert_eq!(again.settings(), resolved.settings());
        assert!(
            PARAMS
                .iter()
                .all(|param| { param.built_in.is_none() || *again.source(param.name) == Source::Attribute })
        );
    }
}
