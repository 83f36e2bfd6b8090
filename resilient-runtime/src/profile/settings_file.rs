//! Settings files: TOML with a table for each kind of operation and each operation.
//!
//! ```toml
//! [profiles.database]
//! timeout = "30s"
//! max_attempts = 4
//!
//! [operations.get_user]
//! enable_retry = false
//! bulkhead = { max_concurrent = 5 }
//! ```
//!
//! Keys are the attribute's words. No text of the file gets into a message but short plain values: a file that was
//! named by mistake may hold secrets.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::defaults::{Profiles, name_in_variables};
use super::env::nearest;
use super::file::{Entries, FileSaid, Place};
use super::param::{Kind, PARAMS, Param, Value, param, read_retries};
use super::problem::Problem;
use super::settings::Refused;
use crate::error::harmless;
use crate::retry::Budget;

/// A larger file is something else.
const LIMIT: u64 = 1 << 20;
/// So many mistakes in the notation are told; what follows a mistake may only seem to be one.
const MOST_MISTAKES: usize = 20;
/// So many other problems of one file are told: whoever has more has named another file.
const MOST_PROBLEMS: usize = 100;
const MAX_RETRIES: &str = "max_retries";
const MAX_ATTEMPTS: &str = "max_attempts";
/// The keys that hold a table, which is what the parameters in it begin with.
const NESTED: [&str; 3] = ["bulkhead", "rate_limit", "hedge"];
const IGNORED: &str = "it is ignored";
const LOWER: &str = "using the next lower source";

/// A settings file as it was read last.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SettingsFile {
    /// As messages show it.
    shown: Arc<str>,
    /// Absolute, so that it stays the same file when the process changes its folder.
    path: PathBuf,
    content: Result<Arc<str>, Box<Problem>>,
}

impl fmt::Debug for SettingsFile {
    /// The content may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SettingsFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SettingsFile {
    pub(crate) fn read(path: &Path) -> Self {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self::read_as(shown(path), absolute)
    }

    /// The same file as it is now.
    #[must_use]
    pub(crate) fn read_again(&self) -> Self {
        Self::read_as(Arc::clone(&self.shown), self.path.clone())
    }

    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        self.path == other.path
    }

    fn read_as(shown: Arc<str>, path: PathBuf) -> Self {
        let content = content(&path).map(Arc::from).map_err(|what| {
            let problem = Problem::new(&*shown, what).allowed("the path of a TOML file").used(IGNORED);
            Box::new(problem)
        });
        Self { shown, path, content }
    }

    /// What it says, for these kinds and operations, and everything in it that cannot be used.
    pub(super) fn understand(&self, profiles: &Profiles, operations: &[&str]) -> (FileSaid, Vec<Problem>) {
        match &self.content {
            Ok(text) => parse(text, &self.shown, profiles, operations),
            Err(problem) => (FileSaid::default(), vec![(**problem).clone()]),
        }
    }
}

/// Short enough for line and column to stay visible after it.
fn shown(path: &Path) -> Arc<str> {
    const MOST: usize = 120;
    let harmless = |text: String| -> String { text.chars().flat_map(harmless).collect() };
    let whole = path.display().to_string();
    match path.file_name() {
        Some(name) if whole.len() > MOST => harmless(name.to_string_lossy().into_owned()).into(),
        _ => harmless(whole).into(),
    }
}

/// The text, or what is wrong with the file.
fn content(path: &Path) -> Result<String, String> {
    use std::io::Read;

    let unreadable = |error: &io::Error| format!("the file cannot be read ({})", error.kind());
    // A pipe would keep whoever opens it.
    if !std::fs::metadata(path).map_err(|error| unreadable(&error))?.is_file() {
        return Err("it is no file".to_owned());
    }
    let file = std::fs::File::open(path).map_err(|error| unreadable(&error))?;
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > LIMIT {
        return Err("the file is larger than 1 MiB".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "the file is not UTF-8".to_owned())
}

/// Reads a file's text. Pure: no file, no clock.
pub(super) fn parse(
    text: &str,
    path: &Arc<str>,
    profiles: &Profiles,
    operations: &[&str],
) -> (FileSaid, Vec<Problem>) {
    let mut reader = Reader { text, path, problems: Vec::new() };
    let (table, mistakes) = DeTable::parse_recoverable(text);
    if !mistakes.is_empty() {
        for mistake in mistakes.iter().take(MOST_MISTAKES) {
            let at = mistake.span().map_or(text.len(), |span| span.start);
            let what = format!("the TOML cannot be read: {}", mistake.message());
            reader.tell(at, |place| Problem::new(place, what).used("the file is ignored"));
        }
        return (FileSaid::default(), reader.in_order());
    }
    let said = reader.file(table.get_ref(), profiles, operations);
    (said, reader.in_order())
}

struct Reader<'a> {
    text: &'a str,
    path: &'a Arc<str>,
    /// With where they are.
    problems: Vec<(usize, Problem)>,
}

impl Reader<'_> {
    fn place(&self, at: usize) -> Place {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            path: Arc::clone(self.path),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    fn tell(&mut self, at: usize, problem: impl FnOnce(String) -> Problem) {
        if self.has_told_enough() {
            return;
        }
        let problem = problem(self.place(at).to_string());
        self.problems.push((at, problem));
    }

    /// What is more costs time and is told nobody.
    fn has_told_enough(&self) -> bool {
        self.problems.len() >= MOST_PROBLEMS
    }

    fn unknown(&mut self, at: usize, what: &str, nearest: Option<String>) {
        self.tell(at, |place| Problem::new(place, what).nearest(nearest).used(IGNORED));
    }

    fn in_order(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|(at, _)| *at);
        if self.has_told_enough() {
            let more = Problem::new(&**self.path, "there may be more that is wrong with the file");
            self.problems.push((self.text.len(), more));
        }
        self.problems.into_iter().map(|(_, problem)| problem).collect()
    }

    fn file(&mut self, table: &DeTable<'_>, profiles: &Profiles, operations: &[&str]) -> FileSaid {
        let mut said = FileSaid::default();
        for (key, value) in table {
            let (at, name) = (key.span().start, key.get_ref().as_ref());
            match name {
                "profiles" => {
                    let Some(kinds) = self.table(value, "tables such as [profiles.database]") else {
                        continue;
                    };
                    for (kind, value) in kinds {
                        let (at, name) = (kind.span().start, name_in_variables(kind.get_ref()));
                        if profiles.kinds().any(|known| known == name) {
                            let entries = said.profiles.get_or_make(name, Entries::default);
                            self.table_of_one(value, entries);
                        } else if !self.has_told_enough() {
                            let known: Vec<_> = profiles.kinds().map(str::to_ascii_lowercase).collect();
                            let nearest =
                                nearest(&name.to_ascii_lowercase(), known.iter().map(String::as_str));
                            let what = "no function is of a kind with this name";
                            self.unknown(at, what, nearest.map(|name| format!("[profiles.{name}]")));
                        }
                    }
                }
                "operations" => {
                    let Some(names) = self.table(value, "tables such as [operations.get_user]") else {
                        continue;
                    };
                    for (operation, value) in names {
                        let (at, name) = (operation.span().start, operation.get_ref().as_ref());
                        if operations.contains(&name) {
                            let entries = said.operations.get_or_make(name.to_owned(), Entries::default);
                            self.table_of_one(value, entries);
                        } else if !self.has_told_enough() {
                            let nearest = nearest(name, operations.iter().copied());
                            let written = nearest.map(|name| format!("[operations.{}]", as_key(&name)));
                            self.unknown(at, "no operation has this name", written);
                        }
                    }
                }
                _ => {
                    let nearest = nearest(name, ["profiles", "operations"].into_iter());
                    self.tell(at, |place| {
                        Problem::new(place, "the file has no such table")
                            .allowed("[profiles.<type>] or [operations.<name>]")
                            .nearest(nearest)
                            .used(IGNORED)
                    });
                }
            }
        }
        said
    }

    fn table<'v, 'i>(
        &mut self,
        value: &'v Spanned<DeValue<'i>>,
        allowed: &'static str,
    ) -> Option<&'v DeTable<'i>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(table),
            other => {
                let refused = Refused { wrong: is_a(other), allowed, shown: None };
                self.tell(value.span().start, |place| Problem::refused(place, &refused).used(IGNORED));
                None
            }
        }
    }

    /// The table of one kind or of one operation.
    fn table_of_one(&mut self, value: &Spanned<DeValue<'_>>, entries: &mut Entries) {
        let Some(table) = self.table(value, "a table of settings") else { return };
        for (key, value) in table {
            match key.get_ref().as_ref() {
                group if NESTED.contains(&group) => {
                    let allowed = "a table of settings such as { max_concurrent = 5 }";
                    let Some(nested) = self.table(value, allowed) else { continue };
                    for (key, value) in nested {
                        let name = format!("{group}_{}", key.get_ref());
                        match param(&name) {
                            Some((_, param)) => self.entry(key.span().start, value, param, false, entries),
                            None => self.unknown_key(key.span().start, key.get_ref(), Some(group)),
                        }
                    }
                }
                MAX_RETRIES => {
                    if let Some((_, param)) = param(MAX_ATTEMPTS) {
                        self.entry(key.span().start, value, param, true, entries);
                    }
                }
                name => match param(name).filter(|(_, param)| group_of(param).is_none()) {
                    Some((_, param)) => self.entry(key.span().start, value, param, false, entries),
                    None => self.unknown_key(key.span().start, name, None),
                },
            }
        }
    }

    fn unknown_key(&mut self, at: usize, name: &str, group: Option<&str>) {
        if self.has_told_enough() {
            return;
        }
        let nearest = if let Some(group) = group {
            let prefix = format!("{group}_");
            nearest(name, PARAMS.iter().filter_map(|param| param.name.strip_prefix(&prefix)))
        } else {
            let names = PARAMS.iter().map(|param| param.name).chain([MAX_RETRIES]).chain(NESTED);
            nearest(name, names).map(|name| match param(&name).and_then(|(_, param)| group_of(param)) {
                Some((group, key)) => format!("{group} = {{ {key} = .. }}"),
                None => name,
            })
        };
        self.unknown(at, "no parameter has this name", nearest);
    }

    fn entry(
        &mut self,
        at: usize,
        value: &Spanned<DeValue<'_>>,
        param: &'static Param,
        retries: bool,
        entries: &mut Entries,
    ) {
        if let Some(other) = entries.place(param.name) {
            self.tell(at, |place| {
                Problem::new(place, format!("{other} says the same thing"))
                    .allowed("one of the two")
                    .used(format!("using {other}"))
            });
            return;
        }
        match self.value(value, param, retries) {
            Ok(value) => {
                (param.set)(&mut entries.settings, value);
                entries.places.push((param.name, self.place(at)));
            }
            Err(Some(refused)) => {
                let at = value.span().start;
                self.tell(at, |place| Problem::refused(place, &refused).used(LOWER));
            }
            // What is wrong inside of it was told.
            Err(None) => {}
        }
    }

    fn value(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        param: &Param,
        retries: bool,
    ) -> Result<Value, Option<Refused>> {
        let read = |text: &str| if retries { read_retries(text) } else { param.read(text) };
        let takes = takes(param.kind);
        let wrong_type =
            || Refused { wrong: is_a(value.get_ref()), allowed: param.kind.allowed(), shown: None };
        let text = match value.get_ref() {
            DeValue::String(text) if takes.text => text.to_string(),
            DeValue::String(text) => return Err(Some(Refused::new("is a text", param.kind.allowed(), text))),
            DeValue::Integer(number) if takes.whole => whole(number),
            DeValue::Float(number) if takes.number => number.as_str().to_owned(),
            DeValue::Boolean(flag) if takes.flag => flag.to_string(),
            DeValue::Table(table) if param.kind == Kind::Budget => return self.budget(table, param),
            _ => return Err(Some(wrong_type())),
        };
        read(&text).map_err(Some)
    }

    /// `budget = { ratio = 0.2, per_second = 1 }`
    fn budget(&mut self, table: &DeTable<'_>, param: &Param) -> Result<Value, Option<Refused>> {
        let (mut ratio, mut per_second) = (None, None);
        let mut is_whole = true;
        for (key, value) in table {
            let slot = match key.get_ref().as_ref() {
                "ratio" => &mut ratio,
                "per_second" => &mut per_second,
                other => {
                    let nearest = nearest(other, ["ratio", "per_second"].into_iter());
                    self.unknown(key.span().start, "a budget has no such key", nearest);
                    is_whole = false;
                    continue;
                }
            };
            *slot = match value.get_ref() {
                DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
                DeValue::Integer(number) => whole(number).parse::<f64>().ok(),
                other => {
                    let refused = Refused { wrong: is_a(other), allowed: "a number (0.2)", shown: None };
                    self.tell(value.span().start, |place| Problem::refused(place, &refused).used(LOWER));
                    is_whole = false;
                    None
                }
            };
        }
        if !is_whole {
            return Err(None);
        }
        let budget = Budget::Ratio { ratio: ratio.unwrap_or(0.0), per_second: per_second.unwrap_or(0.0) };
        param.checked(Value::Budget(budget)).map_err(Some)
    }
}

/// `bulkhead` and `max_concurrent`, of a parameter that is written in a table of its own.
fn group_of(param: &Param) -> Option<(&'static str, &'static str)> {
    NESTED.into_iter().find_map(|group| {
        let key = param.name.strip_prefix(group)?.strip_prefix('_')?;
        Some((group, key))
    })
}

/// Decimal, whatever base it is written in; too large a one stays as it is and is refused as that.
fn whole(number: &toml::de::DeInteger<'_>) -> String {
    let digits = number.as_str();
    i64::from_str_radix(digits, number.radix())
        .map_or_else(|_| digits.to_owned(), |number| number.to_string())
}

/// A name as a key of TOML: quoted where it must be.
fn as_key(name: &str) -> String {
    let is_bare = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if is_bare { name.to_owned() } else { format!("{name:?}") }
}

/// The types of TOML in which a parameter can be written.
#[expect(clippy::struct_excessive_bools, reason = "each type is taken or is not")]
#[derive(Clone, Copy)]
struct Takes {
    text: bool,
    whole: bool,
    number: bool,
    flag: bool,
}

fn takes(kind: Kind) -> Takes {
    let none = Takes { text: false, whole: false, number: false, flag: false };
    match kind {
        Kind::Flag => Takes { flag: true, ..none },
        Kind::Count | Kind::Amount => Takes { whole: true, ..none },
        Kind::Threshold | Kind::Window => Takes { whole: true, text: true, ..none },
        Kind::Factor | Kind::Rate | Kind::Fraction => Takes { whole: true, number: true, ..none },
        Kind::Jitter => Takes { flag: true, number: true, text: true, ..none },
        Kind::Duration { .. } | Kind::HedgeDelay | Kind::Budget => {
            Takes { whole: true, number: true, text: true, ..none }
        }
        Kind::Backoff | Kind::Algorithm => Takes { text: true, ..none },
    }
}

fn is_a(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "is a text",
        DeValue::Integer(_) | DeValue::Float(_) => "is a number",
        DeValue::Boolean(_) => "is true or false",
        DeValue::Datetime(_) => "is a date",
        DeValue::Array(_) => "is a list",
        DeValue::Table(_) => "is a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hedge::HedgeDelay;
    use crate::profile::Settings;

    const OPERATIONS: [&str; 2] = ["get_user", "shop::orders::charge"];

    fn read(text: &str) -> (FileSaid, Vec<String>) {
        let (said, problems) = parse(text, &"r.toml".into(), &Profiles::built_in(), &OPERATIONS);
        (said, problems.iter().map(ToString::to_string).collect())
    }

    #[track_caller]
    fn settings(table: &str) -> Settings {
        let (said, problems) = read(&format!("[operations.get_user]\n{table}"));
        assert_eq!(problems, [""; 0], "{table}");
        said.operation("get_user").map(|entries| entries.settings.clone()).unwrap_or_default()
    }

    #[track_caller]
    fn problem(table: &str) -> String {
        let (_, problems) = read(&format!("[operations.get_user]\n{table}"));
        let [problem] = problems.as_slice() else { panic!("{table}: {problems:#?}") };
        problem.clone()
    }

    #[test]
    fn a_file_that_is_something_else_is_not_told_line_by_line() {
        let lines = (0..20_000).map(|n| format!("key_{n} = 1\n")).collect::<Vec<_>>().concat();
        for text in [format!("[profiles.database]\n{lines}"), lines.clone(), format!("[operations]\n{lines}")]
        {
            let (_, problems) = read(&text);
            assert_eq!(problems.len(), MOST_PROBLEMS + 1);
            assert_eq!(problems[MOST_PROBLEMS], "r.toml: there may be more that is wrong with the file");
        }
    }

    #[test]
    fn kinds_and_operations_have_tables() {
        let (said, problems) = read(
            "[profiles.Database]\ntimeout = \"30s\"\n\n[operations.\"shop::orders::charge\"]\nmax_attempts = 4\n\
             [operations.get_user.bulkhead]\nmax_concurrent = 5\n",
        );
        assert_eq!(problems, [""; 0]);
        let database = said.profile("database").unwrap();
        assert_eq!(database.settings, Settings::new().timeout(30));
        assert_eq!(database.place("timeout").unwrap().to_string(), "r.toml:2:1");
        let charge = said.operation("shop::orders::charge").unwrap();
        assert_eq!(charge.settings, Settings::new().max_attempts(4));
        let user = said.operation("get_user").unwrap();
        assert_eq!(user.settings, Settings::new().bulkhead_max_concurrent(5));
        assert_eq!(user.place("bulkhead_max_concurrent").unwrap().to_string(), "r.toml:7:1");
        assert!(said.profile("api").is_none());
    }

    #[test]
    fn values_are_written_as_in_the_attribute() {
        for (table, expected) in [
            ("", Settings::new()),
            ("timeout = 30\ndeadline = 1.5", Settings::new().timeout(30).deadline(1.5)),
            ("max_retries = 3", Settings::new().max_attempts(4)),
            ("max_attempts = 0x10", Settings::new().max_attempts(16)),
            ("enable_retry = false\njitter = true", Settings::new().enable_retry(false).jitter(true)),
            ("jitter = 0.1\nbackoff = 'linear'", Settings::new().jitter(0.1).backoff("linear")),
            ("failure_threshold = 'off'", Settings::new().failure_threshold(crate::OFF)),
            ("failure_rate = 1\nwindow = '30s'", Settings::new().failure_rate(1.0).window("30s")),
            ("window = 50", Settings::new().window(50)),
            ("budget = 'none'", Settings::new().budget("none")),
            ("budget = 0.2", Settings::new().budget(0.2)),
            (
                "budget = { ratio = 0.2, per_second = 3 }",
                Settings::new().budget(Budget::Ratio { ratio: 0.2, per_second: 3.0 }),
            ),
            (
                "bulkhead = { max_concurrent = 0, max_queue = 5, max_wait = '1s' }",
                Settings::new().bulkhead_max_concurrent(0).bulkhead_max_queue(5).bulkhead_max_wait(1),
            ),
            (
                "rate_limit = { rate = 10, per = '1m', burst = 3, algorithm = 'sliding_window' }",
                Settings::new()
                    .rate_limit_rate(10)
                    .rate_limit_per(60)
                    .rate_limit_burst(3)
                    .rate_limit_algorithm("sliding_window"),
            ),
            (
                "hedge.delay = 'p95'\nhedge.max_hedges = 2",
                Settings::new().hedge_delay(HedgeDelay::P95).hedge_max_hedges(2),
            ),
        ] {
            assert_eq!(settings(table), expected, "{table}");
        }
    }

    #[test]
    fn every_parameter_can_be_written() {
        for param in &PARAMS {
            let value = match param.kind {
                Kind::Duration { .. } | Kind::Window | Kind::HedgeDelay => "'250ms'",
                Kind::Count | Kind::Amount | Kind::Threshold | Kind::Factor => "7",
                Kind::Rate | Kind::Fraction | Kind::Budget => "0.5",
                Kind::Flag | Kind::Jitter => "false",
                Kind::Backoff => "'linear'",
                Kind::Algorithm => "'sliding_window'",
            };
            let line = match group_of(param) {
                Some((group, key)) => format!("{group}.{key} = {value}"),
                None => format!("{} = {value}", param.name),
            };
            let read = settings(&line);
            assert_eq!((param.get)(&read), param.read(value.trim_matches('\'')).ok(), "{line}");
        }
    }

    #[test]
    fn everything_wrong_is_told_at_once_in_the_order_of_the_file() {
        let (said, problems) = read(
            "[operations.get_usr]\ntimeout = 1\n[operations.get_user]\ntimout = 1\n  max_attempts = 'four'\n\
             [profiles.databas]\n[profiles.api]\ntimeout = 0\njitter = 1.5\nbulkhead = 5\n[retries]\n",
        );
        assert_eq!(
            problems,
            [
                "r.toml:1:13: no operation has this name; did you mean [operations.get_user]?; it is ignored",
                "r.toml:4:1: no parameter has this name; did you mean timeout?; it is ignored",
                "r.toml:5:18: `four` is a text; write a whole number from 1 on (3); using the next lower source",
                "r.toml:6:11: no function is of a kind with this name; did you mean [profiles.database]?; it is \
                 ignored",
                "r.toml:8:11: `0` is no time; write a time above 0, or switch the limit off (ENABLE_TIMEOUT=false, \
                 enable_timeout = false); using the next lower source",
                "r.toml:9:10: `1.5` is not a share from 0 to 1; write true, false, equal, full, decorrelated or a \
                 share from 0 to 1 (0.1); using the next lower source",
                "r.toml:10:12: the value is a number; write a table of settings such as { max_concurrent = 5 }; it \
                 is ignored",
                "r.toml:11:2: the file has no such table; write [profiles.<type>] or [operations.<name>]; it is \
                 ignored",
            ]
        );
        assert_eq!(said.operation("get_user").unwrap().settings, Settings::new());
    }

    #[test]
    fn a_wrong_type_says_what_can_be_written() {
        for (table, beginning) in [
            ("enable_retry = 1", "r.toml:2:16: the value is a number; write true or false"),
            ("max_attempts = 1.5", "r.toml:2:16: the value is a number; write a whole number"),
            ("max_attempts = -1", "r.toml:2:16: `-1` is too small; write a whole number"),
            ("timeout = true", "r.toml:2:11: the value is true or false; write seconds"),
            ("timeout = [1]", "r.toml:2:11: the value is a list; write seconds"),
            ("timeout = 1979-05-27", "r.toml:2:11: the value is a date; write seconds"),
            ("timeout = nan", "r.toml:2:11: `nan` is not a finite time; write seconds"),
            ("backoff = 1", "r.toml:2:11: the value is a number; write constant"),
            ("jitter = 1", "r.toml:2:10: the value is a number; write true"),
            ("budget = {}", "r.toml:2:10: the value is no budget; write a budget whose ratio"),
            ("budget = { ratio = 2.0 }", "r.toml:2:10: the value is no budget; write a budget whose ratio"),
            ("budget = { ratio = '2' }", "r.toml:2:20: the value is a text; write a number"),
            ("budget = { rate = 2 }", "r.toml:2:12: a budget has no such key; did you mean ratio?"),
            ("hedge = { delay = 'p99' }", "r.toml:2:19: `p99` is not a duration; write p95, seconds"),
            (
                "hedge = { max_hedge = 1 }",
                "r.toml:2:11: no parameter has this name; did you mean max_hedges?",
            ),
            (
                "bulkhead_max_concurrent = 1",
                "r.toml:2:1: no parameter has this name; did you mean bulkhead = { max_concurrent = .. }?",
            ),
            (
                "max_attempts = 3\nmax_retries = 2",
                "r.toml:3:1: r.toml:2:1 says the same thing; write one of the two; using r.toml:2:1",
            ),
        ] {
            assert!(problem(table).starts_with(beginning), "{}", problem(table));
        }
    }

    #[test]
    fn a_kind_in_two_spellings_is_one_kind() {
        let (said, problems) =
            read("[profiles.api]\ntimeout = 1\njitter = false\n[profiles.API]\ntimeout = 2\n");
        assert_eq!(
            problems,
            ["r.toml:2:1: r.toml:5:1 says the same thing; write one of the two; using r.toml:5:1"]
        );
        assert_eq!(said.profile("api").unwrap().settings, Settings::new().timeout(2).jitter(false));
    }

    #[test]
    fn notation_that_cannot_be_read_is_told_by_its_place_and_never_printed() {
        let (said, problems) = read("[operations.get_user]\ntimeout = 1\npassword = hunter2-secret\n[x\n");
        assert!(said.operations.values().is_empty(), "half a file is no file");
        assert!(problems.len() > 1, "{problems:#?}");
        assert!(problems[0].starts_with("r.toml:3:"), "{problems:#?}");
        assert!(problems.iter().all(|problem| !problem.contains("hunter2")), "{problems:#?}");
        let (_, problems) = read("[operations.get_user]\ntimeout = 1\ntimeout = 2\n");
        assert!(
            problems[0].starts_with("r.toml:3:1: the TOML cannot be read: duplicate key"),
            "{problems:#?}"
        );
    }

    #[test]
    fn nothing_of_a_file_that_was_named_by_mistake_gets_into_a_message() {
        let secret = "tok_live-0123456789abcdef-SECRET";
        for text in [
            format!("{secret} = 1"),
            format!("[\"{secret}\"]"),
            format!("[operations.\"{secret}\"]\na = 1"),
            format!("[operations]\nget_user = \"{secret}\""),
            format!("[operations.get_user]\ntimeout = \"{secret}\""),
            format!("[operations.get_user]\nmax_attempts = \"{secret}\""),
            format!("[operations.get_user]\n\"{secret}\" = \"{secret}\""),
            format!("[operations.get_user]\nbudget = {{ \"{secret}\" = 1 }}"),
            format!("[profiles.\"{secret}\"]"),
            format!("{secret}\n{secret} = {secret}"),
        ] {
            let (_, problems) = read(&text);
            assert!(!problems.is_empty(), "{text}");
            assert!(problems.iter().all(|problem| !problem.contains("SECRET")), "{problems:#?}");
        }
    }

    #[test]
    fn no_text_panics() {
        let mut random = fastrand::Rng::with_seed(11);
        let pieces = [
            "[",
            "]",
            "profiles",
            "operations",
            ".",
            "get_user",
            "database",
            "\n",
            "=",
            "timeout",
            "\"",
            "'",
            "1",
            "{",
            "}",
            ",",
            "budget",
            "ratio",
            "ü",
            "\u{0}",
            "#",
            "0x",
            "1e999",
            "-",
            "bulkhead",
            "max_wait",
            "nan",
        ];
        for _ in 0..20_000 {
            let text: String =
                (0..random.usize(0..24)).map(|_| pieces[random.usize(0..pieces.len())]).collect();
            let (said, _) = read(&text);
            for entries in said.operations.values().iter().chain(said.profiles.values()) {
                for param in &PARAMS {
                    assert!(param.said(&entries.settings).is_ok(), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn a_file_that_is_not_there_or_is_none_is_one_problem() {
        let folder = env!("CARGO_MANIFEST_DIR");
        for (path, what) in [
            (format!("{folder}/no-such.toml"), "the file cannot be read (entity not found)"),
            (folder.to_owned(), "it is no file"),
        ] {
            let file = SettingsFile::read(Path::new(&path));
            let (said, problems) = file.understand(&Profiles::built_in(), &OPERATIONS);
            let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
            assert_eq!(problem.source_name(), path);
            assert!(problem.to_string().contains(what), "{problem}");
            assert!(said.profiles.values().is_empty() && file == file.read_again());
        }
    }
}
