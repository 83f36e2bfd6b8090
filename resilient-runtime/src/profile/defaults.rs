//! What is in force when nobody says anything about an operation itself: the profiles by kind of operation and by
//! attribute word.

use std::time::Duration;

use super::file::FileSaid;
use super::settings::Settings;
#[cfg(feature = "reload")]
use super::{Problem, settings_file::SettingsFile};
use crate::by_name::ByName;
use crate::retry::Jitter;

/// The kind of operation whose author named none.
pub(super) const DEFAULT: &str = "default";

/// Timeout s, attempts, base delay ms, max delay s, failures, recovery s.
const PROFILES: [(&str, u64, u32, u64, u64, u32, u64); 5] = [
    ("database", 30, 3, 500, 10, 3, 30),
    ("cache", 5, 2, 100, 1, 3, 15),
    ("api", 60, 5, 1_000, 30, 5, 60),
    ("file", 10, 3, 200, 5, 3, 30),
    ("ml", 300, 2, 5_000, 30, 2, 120),
];

/// The profiles in code, by kind of operation. A kind without numbers of its own has an empty one.
#[derive(Clone, Debug)]
pub(crate) struct Profiles {
    in_code: ByName<String, Settings>,
    /// Of a settings file, which says something about operations, too.
    pub(super) file: FileSaid,
}

impl Profiles {
    /// `default` (empty) and the five kinds.
    pub(crate) fn built_in() -> Self {
        let mut in_code = ByName::default();
        in_code.insert(name_in_variables(DEFAULT), Settings::new());
        for (name, timeout, attempts, base_delay, max_delay, failures, recovery) in PROFILES {
            let settings = Settings {
                timeout: Some(Duration::from_secs(timeout)),
                max_attempts: Some(attempts),
                base_delay: Some(Duration::from_millis(base_delay)),
                max_delay: Some(Duration::from_secs(max_delay)),
                failure_threshold: Some(failures),
                recovery_timeout: Some(Duration::from_secs(recovery)),
                ..Settings::new()
            };
            in_code.insert(name_in_variables(name), settings);
        }
        Self { in_code, file: FileSaid::default() }
    }

    /// Makes `kind` known, so that `PREFIX_<KIND>_*` is read.
    pub(crate) fn declare(&mut self, kind: &str) {
        self.in_code.get_or_make(name_in_variables(kind), Settings::new);
    }

    /// Whether `kind` is known.
    pub(crate) fn knows(&self, kind: &str) -> bool {
        self.get(kind).is_some()
    }

    /// Gives `kind` its numbers in code; what they leave out stays as it was.
    pub(crate) fn set(&mut self, kind: &str, mut settings: Settings) {
        let known = self.in_code.get_or_make(name_in_variables(kind), Settings::new);
        settings.fill_from(known);
        *known = settings;
    }

    pub(crate) fn get(&self, kind: &str) -> Option<&Settings> {
        self.in_code.get(&name_in_variables(kind))
    }

    /// Takes what a settings file says, in place of what one said before; all that cannot be used is returned.
    #[cfg(feature = "reload")]
    pub(crate) fn read(&mut self, file: &SettingsFile, operations: &[&str]) -> Vec<Problem> {
        let (said, problems) = file.understand(self, operations);
        self.file = said;
        problems
    }

    /// Kinds as variables spell them: `DATABASE`.
    pub(super) fn kinds(&self) -> impl Iterator<Item = &str> {
        self.in_code.names().map(String::as_str)
    }
}

/// A name as variables spell it: upper case, everything but letters and digits is `_`.
#[cfg_attr(not(feature = "checks"), expect(unreachable_pub, reason = "factories only ask with the feature"))]
pub fn name_in_variables(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// What the plain words (`#[retry_with_backoff]`, `#[circuit_breaker]`, `#[with_timeout]`) bring with them.
pub(super) fn word(word: &str) -> Option<Settings> {
    Some(match word {
        "retry_with_backoff" => Settings {
            max_attempts: Some(4),
            base_delay: Some(Duration::from_millis(100)),
            max_delay: Some(Duration::from_secs(10)),
            exponential_base: Some(2.0),
            jitter: Some(Jitter::Fraction(0.1)),
            ..Settings::new()
        },
        "circuit_breaker" => Settings {
            failure_threshold: Some(5),
            recovery_timeout: Some(Duration::from_secs(60)),
            ..Settings::new()
        },
        "with_timeout" => Settings { timeout: Some(Duration::from_secs(30)), ..Settings::new() },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::param::check;
    use super::*;

    #[test]
    fn every_number_in_code_is_in_range() {
        let profiles = Profiles::built_in();
        for kind in profiles.kinds() {
            assert_eq!(check(profiles.get(kind).unwrap(), kind), []);
        }
        for name in ["retry_with_backoff", "circuit_breaker", "with_timeout"] {
            assert_eq!(check(&word(name).unwrap(), name), []);
        }
        assert_eq!(word("resilient"), None);
    }

    #[test]
    fn a_profile_in_code_overlays_the_one_it_names() {
        let mut profiles = Profiles::built_in();
        profiles.set("Database", Settings::new().timeout(7));
        let database = profiles.get("database").unwrap();
        assert_eq!(database.timeout, Some(Duration::from_secs(7)));
        assert_eq!(database.max_attempts, Some(3));
        profiles.declare("pay-ments");
        assert_eq!(profiles.get("pay_ments"), Some(&Settings::new()));
        assert_eq!(profiles.get("other"), None);
    }
}
