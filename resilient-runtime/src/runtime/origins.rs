//! Where the configuration of one runtime comes from, and what was made of it.

use std::fmt;
use std::sync::Arc;

use super::Runtime;
use crate::by_name::ByName;
use crate::context::Context;
#[cfg(feature = "reload")]
use crate::profile::SettingsFile;
use crate::profile::{ConfigErrors, Environment, Parsed, Profiles, Settings};
use crate::site::{Site, sites};

/// Where configuration comes from, and what was made of it.
#[derive(Clone, Default)]
pub(crate) struct Origins {
    pub(crate) prefix: Option<String>,
    /// Instead of the process's own: a scope's.
    pub(crate) variables: Option<Vec<(String, String)>>,
    pub(crate) profiles: ByName<String, Settings>,
    /// By operation; `*` is every operation.
    pub(crate) overrides: ByName<String, Settings>,
    /// Somebody said that faults may be injected in a release build.
    #[cfg(feature = "chaos")]
    pub(crate) chaos_in_release: bool,
    /// Read before it got here: whoever understands it holds a lock.
    #[cfg(feature = "reload")]
    pub(crate) file: Option<SettingsFile>,
    /// Operations that are no annotated functions, with their kinds.
    pub(crate) declared: ByName<&'static str, Vec<&'static str>>,
    pub(crate) understood: Option<Arc<Understood>>,
    /// Counts the changes. What was made from it before one is not kept.
    pub(crate) changes: u64,
}

/// Configuration as it was read last.
#[derive(Debug)]
pub(crate) struct Understood {
    pub(super) read: Arc<Environment>,
    pub(super) profiles: Profiles,
    pub(super) environment: Parsed,
    pub(super) overrides: ByName<String, Settings>,
}

impl fmt::Debug for Origins {
    /// Variables may hold secrets: their number only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { prefix, variables, profiles, overrides, .. } = self;
        f.debug_struct("Origins")
            .field("prefix", prefix)
            .field("variables", &variables.as_ref().map(Vec::len))
            .field("profiles", profiles)
            .field("overrides", overrides)
            .finish_non_exhaustive()
    }
}

impl Origins {
    /// Files as they are now; variables are read when they are understood.
    #[cfg_attr(not(feature = "reload"), expect(clippy::unused_self, reason = "there are no files"))]
    pub(crate) fn read_again(&mut self) {
        #[cfg(feature = "reload")]
        if let Some(file) = &mut self.file {
            *file = file.read_again();
        }
    }

    /// All that is wrong, save what would be wrong without any variable and file as well.
    #[inline]
    pub(super) fn problems_besides_code(&self) -> Result<(), ConfigErrors> {
        // On trial, in runtimes of their own: nothing is made, changed or told.
        let errors_of = |origins: Self| Runtime::new(Context::system(), origins, false).validate().err();
        let Some(errors) = errors_of(self.clone()) else { return Ok(()) };
        let mut in_code = Self {
            variables: Some(Vec::new()),
            #[cfg(feature = "reload")]
            file: None,
            ..self.clone()
        };
        in_code.understood = Some(Arc::new(in_code.understand()));
        errors.besides(errors_of(in_code).as_ref())
    }

    /// Whether one more operation of that kind may change what is understood. Where nothing says a word about single
    /// operations it does not, and those made in code may be many.
    #[cfg_attr(not(feature = "reload"), expect(clippy::unused_self, reason = "there are no files"))]
    pub(super) fn is_changed_by_operation_of(&self, understood: &Understood, kind: &str) -> bool {
        #[cfg(feature = "reload")]
        if self.file.is_some() {
            return true;
        }
        understood.environment.names_operations || !understood.profiles.knows(kind)
    }

    pub(super) fn understand(&self) -> Understood {
        let environment = match &self.variables {
            Some(pairs) => Environment::from_pairs(pairs.iter().cloned()),
            None => Environment::from_process(),
        };
        self.understand_as_read(Arc::new(environment))
    }

    pub(super) fn understand_as_read(&self, read: Arc<Environment>) -> Understood {
        let mut profiles = Profiles::built_in();
        for site in sites() {
            profiles.declare(site.spec().operation_type);
        }
        for kind in self.declared.values().iter().flatten() {
            profiles.declare(kind);
        }
        for (kind, settings) in self.profiles.iter() {
            profiles.set(kind, settings.clone());
        }
        let declared = self.declared.names().copied();
        let operations: Vec<_> = sites().map(Site::operation).chain(declared).collect();
        #[cfg(feature = "reload")]
        let of_file = self.file.as_ref().map(|file| profiles.read(file, &operations)).unwrap_or_default();
        #[cfg(not(feature = "reload"))]
        let of_file = Vec::new();
        let mut environment = read.parse(self.prefix.as_deref(), &profiles, &operations);
        environment.problems.extend(of_file);
        #[cfg(feature = "chaos")]
        let environment = environment.with_chaos(self.chaos_in_release);
        Understood { read, profiles, environment, overrides: self.overrides.clone() }
    }
}
