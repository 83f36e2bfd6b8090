//! Chaos from the environment: `PREFIX_CHAOS_*`, and `PREFIX_OP_<NAME>_CHAOS_*` for one operation.

use std::time::Duration;

use super::settings::{RATE, Rates, Said, coerced};
use crate::by_name::ByName;
use crate::profile::{IntoDuration, Problem, Refused, name_in_variables, nearest, read_flag};

const ENABLED: &str = "CHAOS_ENABLED";
const ALLOW_RELEASE: &str = "CHAOS_ALLOW_RELEASE";

/// What a variable about faults says, by its ending.
const FAULTS: [(&str, Read); 4] = [
    ("CHAOS_ERROR_RATE", |said, text| read_rate(text).map(|rate| said.error_rate = Some(rate))),
    ("CHAOS_LATENCY", |said, text| read_latency(text).map(|latency| said.latency = Some(latency))),
    ("CHAOS_LATENCY_RATE", |said, text| read_rate(text).map(|rate| said.latency_rate = Some(rate))),
    ("CHAOS_PANIC_RATE", |said, text| read_rate(text).map(|rate| said.panic_rate = Some(rate))),
];

/// Endings of a variable about one operation.
const ENDINGS: [&str; 4] = [FAULTS[0].0, FAULTS[1].0, FAULTS[2].0, FAULTS[3].0];

type Read = fn(&mut Said, &str) -> Result<(), Refused>;

/// What the variables say about chaos.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Variables {
    /// What the switch says, and how it was spelt.
    enabled: Option<(bool, String)>,
    allow_release: bool,
    everywhere: Said,
    /// By name in variables.
    operations: ByName<String, Said>,
}

impl Variables {
    /// The names there are, without the prefix, to find the one that was meant.
    pub(crate) const NAMES: [&str; 6] =
        [ENABLED, ALLOW_RELEASE, ENDINGS[0], ENDINGS[1], ENDINGS[2], ENDINGS[3]];
    /// The same for the end of a variable about one operation.
    pub(crate) const ENDINGS: [&str; 4] = ENDINGS;

    /// Takes the variable `rest`, named without the prefix and in upper case; `None` when it is not about chaos.
    /// `name` is its name as it was spelt, `value` is none where it is not UTF-8.
    pub(crate) fn read(
        &mut self,
        rest: &str,
        name: &str,
        value: Option<&str>,
        operations: &[String],
    ) -> Option<Result<(), Problem>> {
        let text = value.ok_or(Refused { wrong: "is not UTF-8", allowed: "plain text", shown: None });
        let read = match rest {
            ENABLED => {
                text.and_then(read_flag).map(|enabled| self.enabled = Some((enabled, name.to_owned())))
            }
            ALLOW_RELEASE => text.and_then(read_flag).map(|allow| self.allow_release = allow),
            _ => {
                let (operation, read) = match rest.strip_prefix("OP_") {
                    None => (None, FAULTS.iter().find(|(ending, _)| *ending == rest)?.1),
                    Some(rest) => {
                        let (operation, read) = FAULTS.iter().find_map(|(ending, read)| {
                            Some((rest.strip_suffix(ending)?.strip_suffix('_')?, read))
                        })?;
                        if !operations.iter().any(|known| known == operation) {
                            return Some(Err(unknown_operation(name, operation, operations)));
                        }
                        (Some(operation), *read)
                    }
                };
                let said = match operation {
                    None => &mut self.everywhere,
                    Some(operation) => self.operations.get_or_make(operation.to_owned(), Said::default),
                };
                text.and_then(|text| read(said, text))
            }
        };
        Some(read.map_err(|refused| Problem::refused(name, &refused).used("it is ignored")))
    }

    /// Everything is read. `allowed_in_code`: `allow_chaos_in_release` was called.
    pub(crate) fn conclude(
        &mut self,
        prefix: &str,
        release: bool,
        allowed_in_code: bool,
        problems: &mut Vec<Problem>,
    ) {
        self.allow_release |= allowed_in_code;
        let Some((true, variable)) = &self.enabled else { return };
        let problem = if release && !self.allow_release {
            not_in_release(variable, prefix)
        } else if self.rates().next().is_none() {
            let what = "nothing says how much to inject";
            Problem::new(variable, what)
                .allowed(format!(
                    "{prefix}_CHAOS_ERROR_RATE, {prefix}_CHAOS_LATENCY or {prefix}_CHAOS_PANIC_RATE"
                ))
                .used("nothing is injected")
        } else {
            return;
        };
        problems.push(problem);
        self.enabled = None;
    }

    /// Whether chaos may begin in a release build.
    pub(super) fn allows_release(&self) -> bool {
        self.allow_release
    }

    /// The variable that says that there must be no chaos.
    pub(super) fn forbidden_by(&self) -> Option<&str> {
        self.enabled.as_ref().filter(|(enabled, _)| !enabled).map(|(_, variable)| variable.as_str())
    }

    pub(super) fn is_on(&self) -> bool {
        matches!(self.enabled, Some((true, _)))
    }

    pub(super) fn everywhere(&self) -> Said {
        self.everywhere
    }

    /// What is said about that operation, and about all where it is not.
    pub(super) fn of(&self, operation: &str) -> Said {
        let own = if self.operations.values().is_empty() {
            None
        } else {
            self.operations.get(&name_in_variables(operation))
        };
        own.copied().unwrap_or_default().or(self.everywhere)
    }

    pub(super) fn is_about(&self, operation: &str) -> bool {
        self.operations.get(&name_in_variables(operation)).is_some()
    }

    fn rates(&self) -> impl Iterator<Item = Rates> {
        let operations = self.operations.values().iter().map(|said| said.or(self.everywhere).rates());
        operations.chain([self.everywhere.rates()]).filter(|rates| !rates.are_zero())
    }
}

/// Chaos was asked for by `source`, in a release build.
pub(super) fn not_in_release(source: &str, prefix: &str) -> Problem {
    Problem::new(source, "this is a release build")
        .allowed(format!(
            "{prefix}_CHAOS_ALLOW_RELEASE=true, or call `allow_chaos_in_release`, if it is meant"
        ))
        .used("nothing is injected")
}

/// `name` ends as a variable about faults does, and no operation has the name before that.
fn unknown_operation(name: &str, operation: &str, operations: &[String]) -> Problem {
    let nearest = nearest(operation, operations.iter().map(String::as_str));
    let spelt = name.to_ascii_uppercase();
    let nearest =
        nearest.map(|known| spelt.replacen(&format!("_OP_{operation}_"), &format!("_OP_{known}_"), 1));
    Problem::new(name, "no operation has this name").nearest(nearest).used("it is ignored")
}

fn read_rate(text: &str) -> Result<f64, Refused> {
    let text = text.trim();
    let wrong = if text.is_empty() { "is empty" } else { "is not a number" };
    let rate: f64 = text.parse().map_err(|_| Refused::new(wrong, RATE, text))?;
    coerced(rate)
}

fn read_latency(text: &str) -> Result<Duration, Refused> {
    text.into_duration()
}
