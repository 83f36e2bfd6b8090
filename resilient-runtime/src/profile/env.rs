//! The environment and `.env`: the only file that reads them.

#![allow(clippy::disallowed_methods, reason = "everything else asks this file")]

use std::fmt;
use std::io;

use super::defaults::{DEFAULT, Profiles, name_in_variables};
use super::param::{PARAMS, Param, Value, param, read_flag, read_retries};
use super::problem::Problem;
use super::settings::{Refused, Settings};
use crate::by_name::ByName;
#[cfg(feature = "chaos")]
use crate::chaos::Variables as Chaos;

/// The prefix of every variable, unless [`PREFIX_VARIABLE`] or the builder names another.
pub(crate) const PREFIX: &str = "PYNOMALY";
const PREFIX_VARIABLE: &str = "RESILIENT_ENV_PREFIX";
const ENABLED: &str = "RESILIENCE_ENABLED";
/// What the clients and the pages about them are told: addresses and secrets, which only they can read.
const TEXTS: [&str; 9] = [
    "DATABASE_URL",
    "HTTP_BASE_URL",
    "REDIS_URL",
    "RESILIENCE_TOKEN",
    "S3_ACCESS_KEY_ID",
    "S3_ENDPOINT",
    "S3_REGION",
    "S3_SECRET_ACCESS_KEY",
    "S3_SESSION_TOKEN",
];
/// `MAX_RETRIES`, the other way to write [`MAX_ATTEMPTS`].
const MAX_RETRIES: &str = "MAX_RETRIES";
const MAX_ATTEMPTS: &str = "max_attempts";
const DOTENV: &str = ".env";
/// A larger `.env` is something else.
const DOTENV_LIMIT: usize = 1 << 20;

/// One variable as it was found.
pub(super) struct Pair {
    name: String,
    /// `None`: not UTF-8.
    value: Option<String>,
    from_dotenv: bool,
}

/// A snapshot of the variables, not yet understood.
///
/// It holds everything the process was given, so `Debug` shows the number of variables only.
pub(crate) struct Environment {
    pairs: Vec<Pair>,
    problems: Vec<Problem>,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("variables", &self.pairs.len()).finish_non_exhaustive()
    }
}

impl Environment {
    /// The process environment and `./.env`; the process environment is not changed.
    pub(crate) fn from_process() -> Self {
        let pairs = std::env::vars_os()
            .map(|(name, value)| Pair {
                name: name.to_string_lossy().into_owned(),
                value: value.into_string().ok(),
                from_dotenv: false,
            })
            .collect();
        let mut environment = Self { pairs, problems: Vec::new() };
        match std::fs::read(DOTENV) {
            Ok(content) => environment.add_dotenv(&content),
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => {}
            Err(error) => environment.problems.push(
                Problem::new(DOTENV, format!("the file cannot be read ({})", error.kind()))
                    .used("it is ignored"),
            ),
        }
        environment
    }

    /// These variables and no others: for tests in a scope.
    pub(crate) fn from_pairs<N: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let pairs = pairs
            .into_iter()
            .map(|(name, value)| Pair { name: name.into(), value: Some(value.into()), from_dotenv: false })
            .collect();
        Self { pairs, problems: Vec::new() }
    }

    /// What a `.env` file says, and nothing else.
    #[cfg(fuzzing)]
    pub(super) fn from_dotenv(content: &[u8]) -> Self {
        let mut environment = Self { pairs: Vec::new(), problems: Vec::new() };
        environment.add_dotenv(content);
        environment
    }

    /// Lines of a `.env` file. A line that cannot be read is reported by its number: its content may be a secret.
    fn add_dotenv(&mut self, content: &[u8]) {
        let content = content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content);
        if content.len() > DOTENV_LIMIT {
            let what = "the file is larger than 1 MiB";
            self.problems.push(Problem::new(DOTENV, what).used("it is ignored"));
            return;
        }
        let text = String::from_utf8_lossy(content);
        let mut searched = 0;
        for entry in dotenvy::from_read_iter(text.as_bytes()) {
            match entry {
                Ok((name, value)) => {
                    // A replacement character stands where the file was not UTF-8.
                    let value = (!value.contains('\u{FFFD}')).then_some(value);
                    self.pairs.push(Pair { name, value, from_dotenv: true });
                }
                Err(error) => {
                    let at = match &error {
                        dotenvy::Error::LineParse(line, _) => {
                            let line = line.lines().next().unwrap_or_default();
                            text[searched..].find(line).map(|offset| searched + offset)
                        }
                        _ => None,
                    };
                    let source = match at {
                        Some(at) => {
                            let number = text[..at].matches('\n').count() + 1;
                            searched = text[at..].find('\n').map_or(text.len(), |end| at + end + 1);
                            format!("{DOTENV}, line {number}")
                        }
                        None => DOTENV.to_owned(),
                    };
                    let problem = Problem::new(source, "the line cannot be read")
                        .allowed("NAME=value, quotes closed")
                        .used("it is ignored");
                    self.problems.push(problem);
                }
            }
        }
    }

    /// A variable of somebody else's: the process's own, else that of `.env`.
    #[cfg(any(feature = "checks", test))]
    pub(crate) fn variable(&self, name: &str) -> Option<Result<&str, NotUtf8>> {
        let is_meant = |pair: &Pair| {
            if cfg!(windows) { pair.name.eq_ignore_ascii_case(name) } else { pair.name == name }
        };
        let said = |in_dotenv| {
            self.pairs.iter().rev().find(move |pair| pair.from_dotenv == in_dotenv && is_meant(pair))
        };
        said(false).or_else(|| said(true)).map(|pair| pair.value.as_deref().ok_or(NotUtf8))
    }

    /// Reads what is meant for us: `prefix` if given, else the one in `RESILIENT_ENV_PREFIX`, else `PYNOMALY`.
    pub(crate) fn parse(&self, prefix: Option<&str>, profiles: &Profiles, operations: &[&str]) -> Parsed {
        let mut problems = self.problems.clone();
        let prefix = self.prefix(prefix, &mut problems);
        let mut parsed = parse(&self.pairs, &prefix, profiles, operations);
        problems.append(&mut parsed.problems);
        parsed.problems = problems;
        parsed
    }

    fn prefix(&self, explicit: Option<&str>, problems: &mut Vec<Problem>) -> String {
        let named = |from_dotenv| {
            self.pairs.iter().rev().find(|pair| {
                pair.from_dotenv == from_dotenv && pair.name.eq_ignore_ascii_case(PREFIX_VARIABLE)
            })
        };
        let (source, written) = match (explicit, named(false).or_else(|| named(true))) {
            (Some(prefix), _) => ("the builder's environment prefix", Some(prefix)),
            (None, Some(pair)) => (PREFIX_VARIABLE, pair.value.as_deref()),
            (None, None) => return PREFIX.to_owned(),
        };
        let prefix = written.unwrap_or_default().trim().trim_end_matches('_').to_ascii_uppercase();
        let usable = prefix.starts_with(|c: char| c.is_ascii_alphabetic())
            && prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if usable {
            return prefix;
        }
        let refused = Refused::new(
            "is not a prefix",
            "a letter, then letters, digits and underscores",
            written.unwrap_or_default(),
        );
        problems.push(Problem::refused(source, &refused).used(format!("using {PREFIX}")));
        PREFIX.to_owned()
    }
}

/// What the variables say about one kind of operation, or about one operation.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) settings: Settings,
    /// Parameter and variable, for those in `settings`.
    variables: Vec<(&'static str, String)>,
    /// Variables that say something unusable about a parameter.
    pub(super) refused: Vec<(&'static str, String, Refused)>,
}

impl Said {
    /// The variable, as it was spelt, that gave this parameter its value.
    pub(super) fn variable(&self, parameter: &str) -> Option<&str> {
        self.variables.iter().find(|(name, _)| *name == parameter).map(|(_, variable)| variable.as_str())
    }
}

/// A variable is there, and nobody can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg(any(feature = "checks", test))]
#[cfg_attr(not(feature = "checks"), expect(unreachable_pub, reason = "factories only ask with the feature"))]
pub struct NotUtf8;

/// What a variable says that nobody reads here. It may be a secret, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(not(feature = "checks"), expect(unreachable_pub, reason = "clients only ask with the feature"))]
pub struct Text {
    /// The variable, as it was spelt.
    pub variable: String,
    /// Not empty.
    pub value: String,
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Text").field("variable", &self.variable).finish_non_exhaustive()
    }
}

/// The environment, understood.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parsed {
    /// Without the underscore.
    pub(crate) prefix: String,
    /// `PREFIX_RESILIENCE_ENABLED`: what it says, and how it was spelt.
    pub(super) enabled: Option<(bool, String)>,
    kinds: ByName<String, Said>,
    operations: ByName<String, Said>,
    texts: ByName<&'static str, Text>,
    /// Some variable is about one operation, known or not: another name may be what it means.
    pub(crate) names_operations: bool,
    #[cfg(feature = "chaos")]
    pub(crate) chaos: Chaos,
    /// What cannot be used, all of it.
    pub(crate) problems: Vec<Problem>,
}

impl Parsed {
    /// With what is wrong about chaos, now that everything is known.
    #[cfg(feature = "chaos")]
    pub(crate) fn with_chaos(mut self, allowed_in_code: bool) -> Self {
        self.chaos.conclude(&self.prefix, crate::chaos::RELEASE, allowed_in_code, &mut self.problems);
        self
    }

    /// The master switch, if it is written.
    #[cfg(test)]
    pub(crate) fn enabled(&self) -> Option<bool> {
        self.enabled.as_ref().map(|(enabled, _)| *enabled)
    }

    pub(super) fn kind(&self, kind: &str) -> Option<&Said> {
        self.kinds.get(&name_in_variables(kind))
    }

    pub(super) fn operation(&self, operation: &str) -> Option<&Said> {
        self.operations.get(&name_in_variables(operation))
    }

    /// What `PREFIX_<NAME>` says, one of [`TEXTS`].
    #[cfg(any(feature = "checks", test))]
    pub(crate) fn text(&self, name: &str) -> Option<&Text> {
        self.texts.get(name)
    }
}

/// What a variable's name, without the prefix, is about.
enum Meaning {
    Kind(String, Written),
    Operation(String, Written),
    /// With the nearest known name.
    Unknown(&'static str, Option<String>),
}

/// The parameter a variable ends in, and whether it is written as `MAX_RETRIES`.
#[derive(Clone, Copy)]
struct Written {
    param: &'static Param,
    retries: bool,
}

/// Every ending of a variable, longest first: the longest that fits is meant.
fn endings() -> Vec<(String, Written)> {
    let mut endings: Vec<_> =
        PARAMS.iter().map(|param| (param.suffix(), Written { param, retries: false })).collect();
    if let Some((_, param)) = param(MAX_ATTEMPTS) {
        endings.push((MAX_RETRIES.to_owned(), Written { param, retries: true }));
    }
    endings.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
    endings
}

/// Names that are known, as variables spell them.
struct Known<'a> {
    kinds: Vec<&'a str>,
    operations: Vec<String>,
    endings: Vec<(String, Written)>,
}

impl Known<'_> {
    /// Every way to read `text` as `<NAME>_<ENDING>`, the longest ending first.
    fn splits<'t>(&self, text: &'t str) -> impl Iterator<Item = (&'t str, Written)> {
        self.endings.iter().filter_map(move |(ending, written)| {
            let name = text.strip_suffix(ending.as_str())?.strip_suffix('_')?;
            (!name.is_empty()).then_some((name, *written))
        })
    }

    fn meaning(&self, rest: &str) -> Meaning {
        let of_operation = rest.strip_prefix("OP_");
        if let Some(text) = of_operation {
            let known = self.splits(text).find(|(name, _)| self.operations.iter().any(|known| known == name));
            if let Some((name, written)) = known {
                return Meaning::Operation(name.to_owned(), written);
            }
        }
        if let Some((name, written)) = self.splits(rest).find(|(name, _)| self.kinds.contains(name)) {
            return Meaning::Kind(name.to_owned(), written);
        }
        match of_operation {
            Some(text) => self.unknown_operation(text),
            None => Meaning::Unknown("no variable has this name", self.nearest_variable(rest)),
        }
    }

    fn unknown_operation(&self, text: &str) -> Meaning {
        let ending_of = |name: &str| text.strip_prefix(name)?.strip_prefix('_');
        if let Some((name, ending)) = self
            .operations
            .iter()
            .filter_map(|name| Some((name, ending_of(name)?)))
            .max_by_key(|(n, _)| n.len())
        {
            let endings = self.endings.iter().map(|(ending, _)| ending.as_str());
            #[cfg(feature = "chaos")]
            let endings = endings.chain(Chaos::ENDINGS);
            let nearest = nearest(ending, endings).map(|ending| format!("OP_{name}_{ending}"));
            return Meaning::Unknown("no parameter has this name", nearest);
        }
        let Some((name, _)) = self.splits(text).next() else {
            return Meaning::Unknown("no operation and no parameter has this name", None);
        };
        let ending = &text[name.len()..];
        let nearest = nearest(name, self.operations.iter().map(String::as_str));
        let nearest = nearest.map(|name| format!("OP_{name}{ending}"));
        Meaning::Unknown("no operation has this name", nearest)
    }

    fn nearest_variable(&self, rest: &str) -> Option<String> {
        let names: Vec<String> = self
            .kinds
            .iter()
            .flat_map(|kind| self.endings.iter().map(move |(ending, _)| format!("{kind}_{ending}")))
            .collect();
        let names = names.iter().map(String::as_str).chain([ENABLED]).chain(TEXTS);
        #[cfg(feature = "chaos")]
        let names = names.chain(Chaos::NAMES);
        nearest(rest, names)
    }
}

/// The most similar name, when at least half of it is the same.
pub(crate) fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    if unknown.len() > 200 {
        return None;
    }
    known
        .map(|name| (strsim::normalized_levenshtein(unknown, name), name))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name.to_owned())
}

/// The variables under `prefix`. Pure: no environment, no clock.
///
/// `profiles` are the known kinds of operation, `operations` the known operations. Of several spellings of one
/// variable the upper-case one is used, and the process wins over `.env`.
pub(super) fn parse(pairs: &[Pair], prefix: &str, profiles: &Profiles, operations: &[&str]) -> Parsed {
    let known = Known {
        kinds: profiles.kinds().collect(),
        operations: operations.iter().map(|name| name_in_variables(name)).collect(),
        endings: endings(),
    };
    let mut parsed = Parsed { prefix: prefix.to_owned(), ..Parsed::default() };
    // In the order of names, MAX_ATTEMPTS comes before MAX_RETRIES, which it beats.
    for (rest, pair) in under_prefix(pairs, prefix, &mut parsed.problems) {
        if rest == ENABLED {
            match pair.value.as_deref().map_or_else(not_text, read_flag) {
                Ok(enabled) => parsed.enabled = Some((enabled, pair.name.clone())),
                Err(refused) => {
                    parsed.problems.push(
                        Problem::refused(&pair.name, &refused).used("using true, the built-in default"),
                    );
                }
            }
            continue;
        }
        if let Some(name) = TEXTS.into_iter().find(|name| *name == rest) {
            match pair.value.as_deref().map_or_else(not_text, not_empty) {
                Ok(value) => parsed.texts.insert(name, Text { variable: pair.name.clone(), value }),
                Err(refused) => {
                    parsed.problems.push(Problem::refused(&pair.name, &refused).used("it is ignored"));
                }
            }
            continue;
        }
        parsed.names_operations |= rest.starts_with("OP_");
        let meaning = known.meaning(&rest);
        #[cfg(feature = "chaos")]
        if let Meaning::Unknown(..) = meaning {
            let read = parsed.chaos.read(&rest, &pair.name, pair.value.as_deref(), &known.operations);
            if let Some(read) = read {
                parsed.problems.extend(read.err());
                continue;
            }
        }
        let (said, written) = match meaning {
            Meaning::Kind(kind, written) => (parsed.kinds.get_or_make(kind, Said::default), written),
            Meaning::Operation(operation, written) => {
                (parsed.operations.get_or_make(operation, Said::default), written)
            }
            Meaning::Unknown(what, nearest) => {
                let nearest = nearest.map(|name| format!("{prefix}_{name}"));
                parsed.problems.push(Problem::new(&pair.name, what).nearest(nearest).used("it is ignored"));
                continue;
            }
        };
        let read = |text: &str| if written.retries { read_retries(text) } else { written.param.read(text) };
        match pair.value.as_deref().map_or_else(not_text, read) {
            Ok(value) => {
                if let Some(other) = said.variable(written.param.name) {
                    let what = format!("{other} says the same thing");
                    parsed.problems.push(
                        Problem::new(&pair.name, what)
                            .allowed("one of the two")
                            .used(format!("using {other}")),
                    );
                    continue;
                }
                (written.param.set)(&mut said.settings, value);
                said.variables.push((written.param.name, pair.name.clone()));
            }
            Err(refused) => said.refused.push((written.param.name, pair.name.clone(), refused)),
        }
    }
    report_refused(&mut parsed, profiles);
    parsed
}

fn not_text<T>() -> Result<T, Refused> {
    Err(Refused { wrong: "is not UTF-8", allowed: "plain text", shown: None })
}

fn not_empty(text: &str) -> Result<String, Refused> {
    let text = text.trim();
    let empty = || Refused { wrong: "is empty", allowed: "a value, or no such variable", shown: None };
    if text.is_empty() { Err(empty()) } else { Ok(text.to_owned()) }
}

/// The variables that are ours, once each, named without the prefix and in upper case.
fn under_prefix<'a>(pairs: &'a [Pair], prefix: &str, problems: &mut Vec<Problem>) -> Vec<(String, &'a Pair)> {
    let mut found: ByName<String, Vec<&'a Pair>> = ByName::default();
    for pair in pairs {
        let name = pair.name.to_ascii_uppercase();
        if name == PREFIX_VARIABLE {
            continue;
        }
        if let Some(rest) = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')) {
            found.get_or_make(rest.to_owned(), Vec::new).push(pair);
        }
    }
    let choose = |(rest, spellings): (&String, &Vec<&'a Pair>)| {
        let mut spellings = spellings.clone();
        if spellings.iter().any(|pair| !pair.from_dotenv) {
            spellings.retain(|pair| !pair.from_dotenv);
        }
        let canonical = format!("{prefix}_{rest}");
        // Stable: among equal spellings the last one stays last, and the last one counts.
        spellings.sort_by(|a, b| (a.name == canonical).cmp(&(b.name == canonical)).then(b.name.cmp(&a.name)));
        let chosen = *spellings.last()?;
        let mut names: Vec<&str> = spellings.iter().map(|pair| pair.name.as_str()).collect();
        names.dedup();
        if names.len() > 1 {
            names.reverse();
            problems.push(
                Problem::new(&canonical, format!("it is spelt in {} ways", names.len()))
                    .allowed("it once")
                    .used(format!("using {}", chosen.name)),
            );
        } else if spellings.len() > 1 && chosen.from_dotenv {
            problems.push(
                Problem::new(&chosen.name, format!("{DOTENV} says it {} times", spellings.len()))
                    .allowed("it once")
                    .used("using the last one"),
            );
        }
        Some((rest.clone(), chosen))
    };
    found.iter().filter_map(choose).collect()
}

/// Tells of every unusable value, once all that can be used instead is known.
fn report_refused(parsed: &mut Parsed, profiles: &Profiles) {
    let default = name_in_variables(DEFAULT);
    let mut problems = Vec::new();
    for (kind, said) in parsed.kinds.iter() {
        for (parameter, variable, refused) in &said.refused {
            let Some((_, param)) = param(parameter) else { continue };
            let in_file = |kind: &str| {
                let entries = profiles.file.profile(kind)?;
                let place = entries.place(parameter)?;
                Some(from(
                    (param.get)(&entries.settings)?,
                    format_args!("from {}:{}", place.path, place.line),
                ))
            };
            let in_profile = || {
                let value = param.said(profiles.get(kind)?).ok()??;
                Some(from(value, format_args!("from the {} profile", kind.to_ascii_lowercase())))
            };
            let in_kind = |kind: &str| {
                let said = parsed.kinds.get(kind)?;
                Some(from((param.get)(&said.settings)?, format_args!("from {}", said.variable(parameter)?)))
            };
            let used = in_kind(kind)
                .or_else(|| in_file(kind))
                .or_else(in_profile)
                .or_else(|| in_kind(&default))
                .or_else(|| in_file(&default))
                .or_else(|| Some(from(param.built_in?, format_args!("the built-in default"))))
                .unwrap_or_else(|| "it is ignored".to_owned());
            problems.push(Problem::refused(variable, refused).used(used));
        }
    }
    for (_, said) in parsed.operations.iter() {
        for (_, variable, refused) in &said.refused {
            problems.push(Problem::refused(variable, refused).used("using the next lower source"));
        }
    }
    parsed.problems.append(&mut problems);
}

/// `using 30s from the database profile`.
pub(super) fn from(value: Value, source: fmt::Arguments<'_>) -> String {
    let source = source.to_string();
    let comma = if source.starts_with("from ") { "" } else { "," };
    format!("using {value}{comma} {source}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::param::Kind;
    use super::super::problem::ConfigErrors;
    use super::*;

    const OPERATIONS: [&str; 4] = ["load_user", "shop::orders::charge", "slow", "slow_recovery"];

    fn environment(pairs: &[(&str, &str)]) -> Parsed {
        Environment::from_pairs(pairs.iter().copied()).parse(None, &Profiles::built_in(), &OPERATIONS)
    }

    fn only_problem(pairs: &[(&str, &str)]) -> String {
        let parsed = environment(pairs);
        let [problem] = parsed.problems.as_slice() else {
            panic!("one problem wanted of {pairs:?}, got {:?}", parsed.problems)
        };
        problem.to_string()
    }

    /// The 39 variables of the seed: type, parameter, default.
    const SEED: [(&str, &str, &str); 38] = [
        ("DEFAULT", "TIMEOUT", "5.0"),
        ("DATABASE", "TIMEOUT", "30.0"),
        ("API", "TIMEOUT", "60.0"),
        ("CACHE", "TIMEOUT", "5.0"),
        ("FILE", "TIMEOUT", "10.0"),
        ("ML", "TIMEOUT", "300.0"),
        ("DEFAULT", "MAX_ATTEMPTS", "3"),
        ("DATABASE", "MAX_ATTEMPTS", "3"),
        ("API", "MAX_ATTEMPTS", "5"),
        ("CACHE", "MAX_ATTEMPTS", "2"),
        ("FILE", "MAX_ATTEMPTS", "3"),
        ("ML", "MAX_ATTEMPTS", "2"),
        ("DEFAULT", "BASE_DELAY", "1.0"),
        ("DEFAULT", "MAX_DELAY", "60.0"),
        ("DEFAULT", "EXPONENTIAL_BASE", "2.0"),
        ("DEFAULT", "JITTER", "true"),
        ("DATABASE", "BASE_DELAY", "0.5"),
        ("DATABASE", "MAX_DELAY", "10.0"),
        ("API", "BASE_DELAY", "1.0"),
        ("API", "MAX_DELAY", "30.0"),
        ("CACHE", "BASE_DELAY", "0.1"),
        ("CACHE", "MAX_DELAY", "1.0"),
        ("FILE", "BASE_DELAY", "0.2"),
        ("FILE", "MAX_DELAY", "5.0"),
        ("ML", "BASE_DELAY", "5.0"),
        ("ML", "MAX_DELAY", "30.0"),
        ("DEFAULT", "FAILURE_THRESHOLD", "5"),
        ("DEFAULT", "RECOVERY_TIMEOUT", "60.0"),
        ("DATABASE", "FAILURE_THRESHOLD", "3"),
        ("DATABASE", "RECOVERY_TIMEOUT", "30.0"),
        ("API", "FAILURE_THRESHOLD", "5"),
        ("API", "RECOVERY_TIMEOUT", "60.0"),
        ("CACHE", "FAILURE_THRESHOLD", "3"),
        ("CACHE", "RECOVERY_TIMEOUT", "15.0"),
        ("FILE", "FAILURE_THRESHOLD", "3"),
        ("FILE", "RECOVERY_TIMEOUT", "30.0"),
        ("ML", "FAILURE_THRESHOLD", "2"),
        ("ML", "RECOVERY_TIMEOUT", "120.0"),
    ];

    fn parameter(ending: &str) -> &'static Param {
        param(&ending.to_ascii_lowercase()).expect("a parameter of the table").1
    }

    #[test]
    fn every_variable_of_the_seed_is_read_and_its_default_is_ours() {
        let profiles = Profiles::built_in();
        let mut pairs = vec![("PYNOMALY_RESILIENCE_ENABLED".to_owned(), "true".to_owned())];
        for (kind, ending, default) in SEED {
            let param = parameter(ending);
            let profile = profiles.get(kind).unwrap();
            let in_code = (param.get)(profile).or(param.built_in).unwrap();
            assert_eq!(param.read(default).unwrap(), in_code, "{kind}_{ending}");
            pairs.push((format!("PYNOMALY_{kind}_{ending}"), default.to_owned()));
        }
        assert_eq!(pairs.len(), 39);
        let parsed = Environment::from_pairs(pairs).parse(None, &profiles, &[]);
        assert_eq!(parsed.problems, []);
        assert_eq!(parsed.enabled(), Some(true));
        for (kind, ending, default) in SEED {
            let param = parameter(ending);
            let said = parsed.kind(kind).unwrap();
            assert_eq!((param.get)(&said.settings), param.read(default).ok(), "{kind}_{ending}");
            assert_eq!(said.variable(param.name), Some(format!("PYNOMALY_{kind}_{ending}").as_str()));
        }
    }

    #[test]
    fn every_parameter_is_a_variable_of_every_kind_and_operation() {
        for param in &PARAMS {
            let value = match param.kind {
                Kind::Duration { .. } | Kind::Window | Kind::HedgeDelay => "250ms",
                Kind::Count | Kind::Amount | Kind::Threshold | Kind::Factor => "7",
                Kind::Rate | Kind::Fraction | Kind::Budget => "0.5",
                Kind::Algorithm => "sliding_window",
                Kind::Flag | Kind::Jitter => "no",
                Kind::Backoff => "linear",
            };
            for owner in ["DEFAULT", "ML", "OP_LOAD_USER", "OP_SHOP__ORDERS__CHARGE"] {
                let name = format!("pynomaly_{owner}_{}", param.name);
                let parsed = environment(&[(&name, value)]);
                assert_eq!(parsed.problems, [], "{name}");
                let said = match owner {
                    "OP_LOAD_USER" => parsed.operation("load_user"),
                    "OP_SHOP__ORDERS__CHARGE" => parsed.operation("shop::orders::charge"),
                    kind => parsed.kind(kind),
                };
                assert_eq!((param.get)(&said.unwrap().settings), param.read(value).ok(), "{name}");
            }
        }
    }

    #[test]
    fn every_wrong_value_of_every_variable_is_reported_and_not_used() {
        for (kind, ending, default) in SEED.into_iter().chain([("RESILIENCE", "ENABLED", "true")]) {
            let name = format!("PYNOMALY_{kind}_{ending}");
            let mut values = vec!["", " ", "abc", "1e400", "NaN", "-1"];
            let whole = matches!(ending, "MAX_ATTEMPTS" | "FAILURE_THRESHOLD");
            if whole {
                values.push("3.5");
            }
            if !matches!(ending, "JITTER" | "ENABLED" | "BASE_DELAY") {
                values.push("0");
            }
            for value in values {
                let parsed = environment(&[(&name, value)]);
                let [problem] = parsed.problems.as_slice() else {
                    panic!("{name}={value}: {:?}", parsed.problems)
                };
                let text = problem.to_string();
                assert!(text.starts_with(&format!("{name}: ")), "{text}");
                assert!(text.contains("; write "), "{text}");
                assert!(text.contains("; using "), "{text}");
                assert_eq!(problem.shown(), (!value.trim().is_empty()).then_some(value), "{text}");
                assert_eq!(parsed.enabled(), None);
                if let Some(said) = parsed.kind(kind) {
                    assert_eq!(said.settings, Settings::new(), "{text}");
                }
            }
            let misspelt = format!("PYNOMALY_{kind}_{ending}S");
            let text = only_problem(&[(&misspelt, default)]);
            assert_eq!(
                text,
                format!("{misspelt}: no variable has this name; did you mean {name}?; it is ignored")
            );
        }
    }

    #[test]
    fn what_is_used_instead_is_named_with_its_source() {
        assert_eq!(
            only_problem(&[("PYNOMALY_DATABASE_TIMEOUT", "abc")]),
            "PYNOMALY_DATABASE_TIMEOUT: `abc` is not a duration; write seconds (30, 0.5) or a unit (250ms, 1m30s); \
             using 30s from the database profile"
        );
        assert!(
            only_problem(&[("PYNOMALY_DATABASE_JITTER", "abc"), ("PYNOMALY_DEFAULT_JITTER", "full")])
                .ends_with("using full from PYNOMALY_DEFAULT_JITTER")
        );
        assert!(
            only_problem(&[("PYNOMALY_DEFAULT_TIMEOUT", "abc")]).ends_with("using 5s, the built-in default")
        );
        assert!(only_problem(&[("PYNOMALY_API_DEADLINE", "abc")]).ends_with("; it is ignored"));
        assert_eq!(
            only_problem(&[("PYNOMALY_RESILIENCE_ENABLED", "maybe")]),
            "PYNOMALY_RESILIENCE_ENABLED: `maybe` is neither true nor false; write true or false (1/0, yes/no, \
             on/off, t/f, y/n); using true, the built-in default"
        );
    }

    #[test]
    fn names_are_read_in_any_case() {
        let parsed =
            environment(&[("pynomaly_Database_timeout", "7"), ("Pynomaly_Resilience_Enabled", "OFF")]);
        assert_eq!(parsed.problems, []);
        assert_eq!(parsed.enabled(), Some(false));
        let said = parsed.kind("database").unwrap();
        assert_eq!(said.settings.timeout, Some(Duration::from_secs(7)));
        assert_eq!(said.variable("timeout"), Some("pynomaly_Database_timeout"));
    }

    #[test]
    fn one_variable_in_two_spellings_is_reported() {
        let pairs =
            [("pynomaly_ml_timeout", "1"), ("PYNOMALY_ML_TIMEOUT", "2"), ("Pynomaly_ml_timeout", "3")];
        assert_eq!(
            only_problem(&pairs),
            "PYNOMALY_ML_TIMEOUT: it is spelt in 3 ways; write it once; using PYNOMALY_ML_TIMEOUT"
        );
        let parsed = environment(&pairs);
        assert_eq!(parsed.kind("ml").unwrap().settings.timeout, Some(Duration::from_secs(2)));
    }

    #[test]
    fn max_retries_is_max_attempts_without_the_first_call() {
        let parsed = environment(&[("PYNOMALY_API_MAX_RETRIES", "0")]);
        assert_eq!(parsed.problems, []);
        let said = parsed.kind("api").unwrap();
        assert_eq!(said.settings.max_attempts, Some(1));
        assert_eq!(said.variable("max_attempts"), Some("PYNOMALY_API_MAX_RETRIES"));

        let both = [("PYNOMALY_API_MAX_RETRIES", "4"), ("PYNOMALY_API_MAX_ATTEMPTS", "3")];
        assert_eq!(
            only_problem(&both),
            "PYNOMALY_API_MAX_RETRIES: PYNOMALY_API_MAX_ATTEMPTS says the same thing; write one of the two; using \
             PYNOMALY_API_MAX_ATTEMPTS"
        );
        assert_eq!(environment(&both).kind("api").unwrap().settings.max_attempts, Some(3));

        assert_eq!(
            only_problem(&[("PYNOMALY_API_MAX_RETRIES", "4"), ("PYNOMALY_API_MAX_ATTEMPTS", "3.5")]),
            "PYNOMALY_API_MAX_ATTEMPTS: `3.5` is not a whole number; write a whole number from 1 on (3); using 5 \
             from PYNOMALY_API_MAX_RETRIES"
        );
    }

    #[test]
    fn the_longest_parameter_is_meant_unless_only_another_split_names_an_operation() {
        let parsed = environment(&[
            ("PYNOMALY_OP_SLOW_RECOVERY_TIMEOUT", "9"),
            ("PYNOMALY_OP_LOAD_USER_MAX_RECOVERY_TIMEOUT", "8"),
        ]);
        assert_eq!(parsed.problems, []);
        assert_eq!(parsed.operation("slow").unwrap().settings.recovery_timeout, Some(Duration::from_secs(9)));
        assert!(parsed.operation("slow_recovery").is_none());
        assert_eq!(
            parsed.operation("load_user").unwrap().settings.max_recovery_timeout,
            Some(Duration::from_secs(8))
        );

        let environment = Environment::from_pairs([("PYNOMALY_OP_SLOW_RECOVERY_TIMEOUT", "9")]);
        let parsed = environment.parse(None, &Profiles::built_in(), &["slow_recovery"]);
        assert_eq!(parsed.operation("slow_recovery").unwrap().settings.timeout, Some(Duration::from_secs(9)));
    }

    #[test]
    fn unknown_operations_and_parameters_get_the_nearest_name() {
        assert_eq!(
            only_problem(&[("PYNOMALY_OP_LOAD_USRE_TIMEOUT", "9")]),
            "PYNOMALY_OP_LOAD_USRE_TIMEOUT: no operation has this name; did you mean \
             PYNOMALY_OP_LOAD_USER_TIMEOUT?; it is ignored"
        );
        assert_eq!(
            only_problem(&[("PYNOMALY_OP_LOAD_USER_TIMOUT", "9")]),
            "PYNOMALY_OP_LOAD_USER_TIMOUT: no parameter has this name; did you mean \
             PYNOMALY_OP_LOAD_USER_TIMEOUT?; it is ignored"
        );
        assert_eq!(
            only_problem(&[("PYNOMALY_RESILIENCE__DATABASE_TIMEOUT", "9")]),
            "PYNOMALY_RESILIENCE__DATABASE_TIMEOUT: no variable has this name; did you mean \
             PYNOMALY_DATABASE_TIMEOUT?; it is ignored"
        );
        assert!(only_problem(&[("PYNOMALY_PAYMENTS_TIMEOUT", "9")]).contains("no variable has this name"));
        assert!(only_problem(&[("PYNOMALY_OP_", "9")]).contains("it is ignored"));
        assert!(only_problem(&[("PYNOMALY_", "9")]).contains("it is ignored"));
    }

    #[test]
    fn a_kind_of_ones_own_has_variables() {
        let mut profiles = Profiles::built_in();
        profiles.declare("card-payments");
        let environment = Environment::from_pairs([("PYNOMALY_CARD_PAYMENTS_TIMEOUT", "9")]);
        let parsed = environment.parse(None, &profiles, &[]);
        assert_eq!(parsed.problems, []);
        assert_eq!(parsed.kind("card-payments").unwrap().settings.timeout, Some(Duration::from_secs(9)));
    }

    #[test]
    fn the_prefix_comes_from_the_builder_then_from_its_variable() {
        let pairs = [
            ("RESILIENT_ENV_PREFIX", "resilient_"),
            ("RESILIENT_API_TIMEOUT", "1"),
            ("SHOP_API_TIMEOUT", "2"),
            ("PYNOMALY_API_TIMEOUT", "3"),
        ];
        for (explicit, prefix, seconds) in [(None, "RESILIENT", 1), (Some("SHOP"), "SHOP", 2)] {
            let parsed = Environment::from_pairs(pairs).parse(explicit, &Profiles::built_in(), &[]);
            assert_eq!(parsed.problems, []);
            assert_eq!(parsed.prefix, prefix);
            let timeout = parsed.kind("api").unwrap().settings.timeout;
            assert_eq!(timeout, Some(Duration::from_secs(seconds)));
        }
        for bad in ["", "_", "1X", "A B", "A-B", "Ü"] {
            let parsed = environment(&[("RESILIENT_ENV_PREFIX", bad), ("PYNOMALY_API_TIMEOUT", "3")]);
            assert_eq!(parsed.prefix, "PYNOMALY");
            assert_eq!(parsed.problems.len(), 1, "{bad}");
            assert!(parsed.kind("api").is_some());
        }
    }

    #[test]
    fn a_value_that_is_not_utf_8_is_reported() {
        let pairs = [Pair { name: "PYNOMALY_API_TIMEOUT".to_owned(), value: None, from_dotenv: false }];
        let parsed = parse(&pairs, "PYNOMALY", &Profiles::built_in(), &[]);
        assert_eq!(
            parsed.problems[0].to_string(),
            "PYNOMALY_API_TIMEOUT: the value is not UTF-8; write plain text; using 1m from the api profile"
        );
    }

    fn with_dotenv(pairs: &[(&str, &str)], content: &[u8]) -> Environment {
        let mut environment = Environment::from_pairs(pairs.iter().copied());
        environment.add_dotenv(content);
        environment
    }

    #[test]
    fn the_process_wins_over_the_file() {
        let file = b"\xEF\xBB\xBF# settings\nexport PYNOMALY_API_TIMEOUT=1\r\nPYNOMALY_ML_TIMEOUT=\"2\" # two\n\nOTHER=x\n";
        let parsed =
            with_dotenv(&[("pynomaly_api_timeout", "9")], file).parse(None, &Profiles::built_in(), &[]);
        assert_eq!(parsed.problems, []);
        assert_eq!(parsed.kind("api").unwrap().settings.timeout, Some(Duration::from_secs(9)));
        assert_eq!(parsed.kind("ml").unwrap().settings.timeout, Some(Duration::from_secs(2)));
    }

    #[test]
    fn any_variable_can_be_asked_for_by_its_own_name_and_the_process_wins_over_the_file() {
        let file = b"MEXC_API_KEY=from-file\nEMPTY=x\nTWICE=1\nTWICE=2\nODD=\xFF\n";
        let pairs = [("MEXC_API_KEY", " from process "), ("EMPTY", ""), ("PYNOMALY_API_TIMEOUT", "9")];
        let environment = with_dotenv(&pairs, file);
        assert_eq!(environment.variable("MEXC_API_KEY"), Some(Ok(" from process ")));
        assert_eq!(environment.variable("EMPTY"), Some(Ok("")));
        assert_eq!(environment.variable("TWICE"), Some(Ok("2")));
        assert_eq!(environment.variable("ODD"), Some(Err(NotUtf8)));
        assert_eq!(environment.variable("PYNOMALY_API_TIMEOUT"), Some(Ok("9")));
        for other in ["", "MEXC_API", "MEXC_API_KEY2"] {
            assert_eq!(environment.variable(other), None);
        }
        assert_eq!(environment.variable("mexc_api_key").is_some(), cfg!(windows));
    }

    #[test]
    fn the_file_may_name_the_prefix() {
        let file = b"RESILIENT_ENV_PREFIX=SHOP\nSHOP_API_TIMEOUT=4\n";
        let parsed = with_dotenv(&[], file).parse(None, &Profiles::built_in(), &[]);
        assert_eq!(parsed.problems, []);
        assert_eq!(parsed.kind("api").unwrap().settings.timeout, Some(Duration::from_secs(4)));
    }

    #[test]
    fn a_line_that_cannot_be_read_is_reported_by_number_and_never_printed() {
        let file = b"PYNOMALY_API_TIMEOUT=1\nhunter2 is my password\nPYNOMALY_ML_TIMEOUT=2\n\nX='hunter2\n";
        let environment = with_dotenv(&[], file);
        let parsed = environment.parse(None, &Profiles::built_in(), &[]);
        let texts: Vec<String> = parsed.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                ".env, line 2: the line cannot be read; write NAME=value, quotes closed; it is ignored",
                ".env, line 5: the line cannot be read; write NAME=value, quotes closed; it is ignored",
            ]
        );
        assert_eq!(parsed.kind("api").unwrap().settings.timeout, Some(Duration::from_secs(1)));
        assert_eq!(parsed.kind("ml").unwrap().settings.timeout, Some(Duration::from_secs(2)));
        assert!(!format!("{environment:?} {parsed:?}").contains("hunter2"));
    }

    #[test]
    fn a_variable_twice_in_the_file_is_reported() {
        let file = b"PYNOMALY_API_TIMEOUT=1\nPYNOMALY_API_TIMEOUT=2\n";
        let parsed = with_dotenv(&[], file).parse(None, &Profiles::built_in(), &[]);
        assert_eq!(
            parsed.problems[0].to_string(),
            "PYNOMALY_API_TIMEOUT: .env says it 2 times; write it once; using the last one"
        );
        assert_eq!(parsed.kind("api").unwrap().settings.timeout, Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_file_that_is_not_text_or_far_too_large_does_no_harm() {
        let parsed =
            with_dotenv(&[], b"PYNOMALY_API_TIMEOUT=\xFF\xFE\n").parse(None, &Profiles::built_in(), &[]);
        assert!(parsed.problems[0].to_string().contains("is not UTF-8"), "{:?}", parsed.problems);
        let huge = vec![b'x'; DOTENV_LIMIT + 1];
        assert_eq!(with_dotenv(&[], &huge).problems.len(), 1);
    }

    #[test]
    fn secrets_are_never_shown() {
        let secret = "postgres://admin:hunter2@db/prod";
        let mut pairs: Vec<(String, String)> = SEED
            .iter()
            .map(|(kind, ending, _)| (format!("PYNOMALY_{kind}_{ending}"), secret.to_owned()))
            .collect();
        for name in [
            "PYNOMALY_RESILIENCE_ENABLED",
            "PYNOMALY_SECRET_KEY",
            "PYNOMALY_OP_X_TIMEOUT",
            "RESILIENT_ENV_PREFIX",
        ] {
            pairs.push((name.to_owned(), secret.to_owned()));
        }
        let environment = Environment::from_pairs(pairs);
        let parsed = environment.parse(None, &Profiles::built_in(), &OPERATIONS);
        let debug = format!("{environment:?} {parsed:?}");
        let errors = ConfigErrors::check(parsed.problems, vec![]).unwrap_err();
        assert_eq!(errors.problems().len(), 38 + 4);
        let text = format!("{debug} {errors} {errors:?} {}", serde_json::to_string(&errors).unwrap());
        assert!(!text.contains("hunter2") && !text.contains("postgres"), "{text}");
    }

    #[test]
    fn addresses_and_tokens_are_kept_as_they_are_and_never_shown() {
        let parsed = environment(&[
            ("pynomaly_database_url", " postgres://admin:hunter2@db/prod "),
            ("PYNOMALY_RESILIENCE_TOKEN", "hunter2"),
        ]);
        assert_eq!(parsed.problems, []);
        let url = parsed.text("DATABASE_URL").unwrap();
        assert_eq!(
            (&*url.variable, &*url.value),
            ("pynomaly_database_url", "postgres://admin:hunter2@db/prod")
        );
        assert!(parsed.text("REDIS_URL").is_none());
        assert!(!format!("{parsed:?}").contains("hunter2"));
        assert_eq!(
            only_problem(&[("PYNOMALY_REDIS_URL", " ")]),
            "PYNOMALY_REDIS_URL: the value is empty; write a value, or no such variable; it is ignored"
        );
        assert!(
            only_problem(&[("PYNOMALY_DATABASE_URI", "x")]).contains("did you mean PYNOMALY_DATABASE_URL")
        );
    }

    #[test]
    fn no_environment_and_no_file_panics() {
        let mut random = fastrand::Rng::with_seed(11);
        let pieces = [
            "PYNOMALY",
            "pynomaly",
            "_",
            "OP",
            "DATABASE",
            "DEFAULT",
            "LOAD_USER",
            "SLOW",
            "RECOVERY",
            "TIMEOUT",
            "MAX_RETRIES",
            "MAX_ATTEMPTS",
            "RESILIENCE_ENABLED",
            "RESILIENT_ENV_PREFIX",
            "=",
            "'",
            "\"",
            "\\",
            "#",
            "$",
            "{",
            "}",
            "\n",
            "\r",
            " ",
            "1",
            "-",
            ".",
            "e",
            "inf",
            "250ms",
            "\u{FFFD}",
            "ü",
            "\0",
            "export ",
        ];
        let profiles = Profiles::built_in();
        for _ in 0..5_000 {
            let mut text = |most: usize| -> String {
                (0..random.usize(0..most)).map(|_| pieces[random.usize(0..pieces.len())]).collect()
            };
            let file = text(30);
            let environment = with_dotenv(&[(&text(8), &text(4)), (&text(8), &text(4))], file.as_bytes());
            let parsed = environment.parse(None, &profiles, &OPERATIONS);
            for problem in &parsed.problems {
                assert!(!problem.to_string().contains('\n'), "{problem:?}");
            }
        }
        for _ in 0..5_000 {
            let bytes: Vec<u8> = (0..random.usize(0..60)).map(|_| random.u8(..)).collect();
            let _ = with_dotenv(&[], &bytes);
        }
    }

    #[test]
    fn the_process_can_be_read() {
        let environment = Environment::from_process();
        assert!(format!("{environment:?}").starts_with("Environment { variables: "));
    }
}
