//! What is said about configuration that cannot be used.

use std::fmt;

use super::settings::Refused;
use crate::error::harmless;

/// One configured value that is not used, and what is used instead.
///
/// The value itself is shown only when it is at most 16 ASCII letters, digits, dots or signs: anything longer
/// might be a secret, and is kept neither here nor anywhere else.
///
/// `Display` is one sentence: ``PYNOMALY_DATABASE_TIMEOUT: `abc` is not a duration; write seconds (30, 0.5) or a
/// unit (250ms, 1m30s); using 30s from the database profile``.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Problem {
    source: String,
    shown: Option<String>,
    what: String,
    allowed: String,
    nearest: Option<String>,
    used: String,
}

impl Problem {
    /// `source` names the thing that is wrong, `what` is the clause that says so.
    pub(crate) fn new(source: impl AsRef<str>, what: impl Into<String>) -> Self {
        Self {
            source: printable(source.as_ref()),
            shown: None,
            what: what.into(),
            allowed: String::new(),
            nearest: None,
            used: String::new(),
        }
    }

    /// A value that was refused.
    pub(crate) fn refused(source: impl AsRef<str>, refused: &Refused) -> Self {
        let what = match &refused.shown {
            Some(shown) => format!("`{shown}` {}", refused.wrong),
            None => format!("the value {}", refused.wrong),
        };
        Self { shown: refused.shown.clone(), ..Self::new(source, what).allowed(refused.allowed) }
    }

    /// What may be written (follows "write").
    pub(crate) fn allowed(mut self, allowed: impl Into<String>) -> Self {
        self.allowed = allowed.into();
        self
    }

    /// The known name that is most like the unknown one.
    pub(crate) fn nearest(mut self, nearest: Option<String>) -> Self {
        self.nearest = nearest;
        self
    }

    /// What happens instead, a clause: `using 30s from the database profile`, `it is ignored`.
    pub(crate) fn used(mut self, used: impl Into<String>) -> Self {
        self.used = used.into();
        self
    }

    /// The variable, argument or file that is wrong.
    pub fn source_name(&self) -> &str {
        &self.source
    }

    /// The refused value, when it is short and plain enough to be shown.
    pub fn shown(&self) -> Option<&str> {
        self.shown.as_deref()
    }

    /// What may be written instead; empty for a name that is unknown.
    pub fn allowed_values(&self) -> &str {
        &self.allowed
    }

    /// The known name that is most like an unknown one.
    pub fn nearest_name(&self) -> Option<&str> {
        self.nearest.as_deref()
    }

    /// What is done instead: `using 30s from the database profile`.
    pub fn used_instead(&self) -> &str {
        &self.used
    }

    pub(crate) fn is_about_the_same_as(&self, other: &Self) -> bool {
        self.source == other.source && self.what == other.what
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.what)?;
        if !self.allowed.is_empty() {
            write!(f, "; write {}", self.allowed)?;
        }
        if let Some(nearest) = &self.nearest {
            write!(f, "; did you mean {nearest}?")?;
        }
        if !self.used.is_empty() {
            write!(f, "; {}", self.used)?;
        }
        Ok(())
    }
}

/// Two places that give one name different settings; the first wins.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Conflict {
    kind: &'static str,
    name: String,
    first: String,
    second: String,
    differences: Vec<String>,
}

impl Conflict {
    /// `first` and `second` are locations (`src/orders.rs:10`); a difference reads `failure_threshold 3 and 5`.
    pub(crate) fn new(
        kind: &'static str,
        name: impl Into<String>,
        first: impl Into<String>,
        second: impl Into<String>,
        differences: Vec<String>,
    ) -> Self {
        Self { kind, name: name.into(), first: first.into(), second: second.into(), differences }
    }

    /// What the name is of: `circuit breaker`, `bulkhead`, `rate limiter`, `retry budget`.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The name both places use.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The place whose settings are used.
    pub fn first(&self) -> &str {
        &self.first
    }

    /// The place whose settings are not used.
    pub fn second(&self) -> &str {
        &self.second
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, first, second, differences } = self;
        write!(f, "{kind} '{name}': {first} and {second} give it different settings")?;
        if !differences.is_empty() {
            write!(f, " ({})", differences.join(", "))?;
        }
        write!(f, "; write the same settings in both or two names; using those of {first}")
    }
}

/// Everything that is wrong with the configuration, all of it at once.
///
/// `Display` and `Debug` give the count, then one line for each problem and each conflict, so that
/// `init().unwrap()` and `fn main() -> Result<(), Box<dyn Error>>` print something a person can act on.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ConfigErrors {
    problems: Vec<Problem>,
    conflicts: Vec<Conflict>,
}

impl ConfigErrors {
    /// `Err` when there is anything to report. Of two problems about the same value the later one is kept: it was
    /// found with more knowledge of what is used instead.
    pub(crate) fn check(problems: Vec<Problem>, conflicts: Vec<Conflict>) -> Result<(), Self> {
        let mut kept: Vec<Problem> = Vec::with_capacity(problems.len());
        for problem in problems {
            match kept.iter_mut().find(|other| other.is_about_the_same_as(&problem)) {
                Some(earlier) => *earlier = problem,
                None => kept.push(problem),
            }
        }
        if kept.is_empty() && conflicts.is_empty() {
            return Ok(());
        }
        Err(Self { problems: kept, conflicts })
    }

    /// At least one problem.
    pub(crate) fn of(problems: Vec<Problem>) -> Self {
        Self { problems, conflicts: Vec::new() }
    }

    /// Of a change that was not made: what `others` do not say as well.
    #[inline]
    pub(crate) fn besides(mut self, others: Option<&Self>) -> Result<(), Self> {
        if let Some(others) = others {
            self.problems
                .retain(|problem| !others.problems.iter().any(|it| it.is_about_the_same_as(problem)));
            self.conflicts.retain(|conflict| !others.conflicts.contains(conflict));
        }
        for problem in &mut self.problems {
            "nothing is changed".clone_into(&mut problem.used);
        }
        if self.problems.is_empty() && self.conflicts.is_empty() { Ok(()) } else { Err(self) }
    }

    /// Each message is about `source`.
    pub(crate) fn from_messages(source: &str, messages: impl IntoIterator<Item = String>) -> Self {
        let problems = messages.into_iter().map(|message| Problem::new(source, message)).collect();
        Self { problems, conflicts: Vec::new() }
    }

    /// Values and names that cannot be used.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Circuit breakers that two places configure differently.
    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len() + self.conflicts.len();
        write!(f, "{count} configuration problem{}", if count == 1 { "" } else { "s" })?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        for conflict in &self.conflicts {
            write!(f, "\n  {conflict}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The value, when it may be shown: at most 16 ASCII letters, digits, dots or signs.
pub(super) fn shown(value: &str) -> Option<String> {
    let value = value.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-');
    (!value.is_empty() && value.len() <= 16 && value.chars().all(plain)).then(|| value.to_owned())
}

/// A name as a log line can carry it: harmless, and bounded.
fn printable(name: &str) -> String {
    const MOST: usize = 160;
    let mut out = String::with_capacity(name.len().min(MOST));
    for (n, c) in name.chars().enumerate() {
        if n == MOST {
            out.push_str("...");
            break;
        }
        out.extend(harmless(c));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_plain_values_are_shown() {
        for value in ["abc", "-1", "3.5", "1e400", "NaN", "0123456789abcdef", "+2"] {
            assert_eq!(shown(value).as_deref(), Some(value));
        }
        for value in ["", " ", "0123456789abcdef0", "p@ss", "postgres://u:p@h", "a b", "50%", "ünï", "a\nb"]
        {
            assert_eq!(shown(value), None, "{value}");
        }
    }

    #[test]
    fn a_problem_is_one_sentence() {
        let refused =
            Refused { wrong: "is not a duration", allowed: "seconds (30)", shown: Some("abc".to_owned()) };
        let problem =
            Problem::refused("PYNOMALY_ML_TIMEOUT", &refused).used("using 300s from the ml profile");
        assert_eq!(
            problem.to_string(),
            "PYNOMALY_ML_TIMEOUT: `abc` is not a duration; write seconds (30); using 300s from the ml profile"
        );
        assert_eq!(problem.shown(), Some("abc"));
        assert_eq!(problem.allowed_values(), "seconds (30)");
    }

    #[test]
    fn names_cannot_inject_into_a_log_line() {
        let problem = Problem::new("PYNOMALY_\u{1b}[31m\nX\u{202e}", "unknown variable");
        let text = problem.to_string();
        assert!(text.chars().all(|c| c == ' ' || c.is_ascii_graphic()), "{text:?}");
        assert!(Problem::new("X".repeat(10_000), "y").source_name().len() < 200);
    }

    #[test]
    fn errors_list_the_count_first_and_then_everything() {
        let conflict = Conflict::new(
            "circuit breaker",
            "db",
            "a.rs:1",
            "b.rs:2",
            vec!["failure_threshold 3 and 5".to_owned()],
        );
        let errors = ConfigErrors::check(
            vec![Problem::new("A", "is wrong"), Problem::new("B", "too")],
            vec![conflict],
        )
        .unwrap_err();
        assert_eq!(
            errors.to_string(),
            "3 configuration problems\n  A: is wrong\n  B: too\n  circuit breaker 'db': a.rs:1 and b.rs:2 give it \
             different settings (failure_threshold 3 and 5); write the same settings in both or two names; using \
             those of a.rs:1"
        );
        assert_eq!(format!("{errors:?}"), errors.to_string());
        assert_eq!((errors.problems().len(), errors.conflicts().len()), (2, 1));
    }

    #[test]
    fn the_same_problem_is_listed_once_with_the_better_answer() {
        let vague = Problem::new("A", "is wrong").used("using the next lower source");
        let exact = Problem::new("A", "is wrong").used("using 5s");
        let errors = ConfigErrors::check(vec![vague, exact.clone()], vec![]).unwrap_err();
        assert_eq!(errors.problems(), [exact]);
        assert!(ConfigErrors::check(vec![], vec![]).is_ok());
    }
}
