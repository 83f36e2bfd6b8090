//! What a settings file says, as it is merged with the other sources.

use std::fmt;
use std::sync::Arc;

use super::defaults::name_in_variables;
use super::settings::Settings;
use crate::by_name::ByName;

/// Where in a file something is written; lines and columns begin at 1.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) path: Arc<str>,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path, self.line, self.column)
    }
}

/// What one table says; every value can be used.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries {
    pub(super) settings: Settings,
    /// For each parameter in `settings`.
    pub(super) places: Vec<(&'static str, Place)>,
}

impl Entries {
    pub(super) fn place(&self, parameter: &str) -> Option<&Place> {
        self.places.iter().find(|(name, _)| *name == parameter).map(|(_, place)| place)
    }
}

/// A settings file, understood; empty without one.
#[derive(Clone, Debug, Default)]
pub(super) struct FileSaid {
    /// By kind, as variables spell it.
    pub(super) profiles: ByName<String, Entries>,
    /// By the operation's own name.
    pub(super) operations: ByName<String, Entries>,
}

impl FileSaid {
    pub(super) fn profile(&self, kind: &str) -> Option<&Entries> {
        self.profiles.get(&name_in_variables(kind))
    }

    pub(super) fn operation(&self, operation: &str) -> Option<&Entries> {
        self.operations.get(operation)
    }
}
