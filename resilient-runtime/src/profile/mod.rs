//! Configuration: what an operation is told, by whom, and what happens when it is told nonsense.
//!
//! One table ([`param`]) lists every tunable parameter with its kind, range, unit and built-in value. Reading
//! the environment, merging by precedence, checking attribute values and `explain` all walk that table.
//!
//! Precedence, highest first: test scope, `PREFIX_OP_<NAME>_<PARAM>`, `[operations.<name>]` of a settings file,
//! attribute, `PREFIX_<TYPE>_<PARAM>`, `[profiles.<type>]`, profile in code, `PREFIX_DEFAULT_<PARAM>`,
//! `[profiles.default]`, the attribute word's own defaults, built-in.
//!
//! A value that cannot be used never stops a call and is never lost: the next lower source is used, and a
//! [`Problem`] says which value it was, what is allowed and what is used instead.

mod defaults;
mod duration;
mod env;
mod explain;
mod file;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod param;
mod problem;
mod resolve;
mod settings;
#[cfg(feature = "reload")]
mod settings_file;

pub use explain::{Explanation, Row, WorstCase};
pub use problem::{ConfigErrors, Conflict, Problem};
pub use resolve::Source;
pub use settings::{
    IntoAlgorithm, IntoBackoff, IntoBudget, IntoDuration, IntoHedgeDelay, IntoJitter, IntoWindow, OFF,
    Refused, Settings,
};

pub(crate) use defaults::Profiles;
#[cfg(feature = "checks")]
pub use defaults::name_in_variables;
#[cfg(all(feature = "chaos", not(feature = "checks")))]
pub(crate) use defaults::name_in_variables;
#[cfg(any(feature = "chaos", feature = "checks"))]
pub(crate) use env::nearest;
pub(crate) use env::{Environment, Parsed};
#[cfg(feature = "checks")]
pub use env::{NotUtf8, Text};
pub(crate) use explain::Subject;
#[cfg(feature = "chaos")]
pub(crate) use param::read_flag;
pub(crate) use param::{check, usable};
pub(crate) use resolve::{Layers, Request, Resolved, resolve};
#[cfg(feature = "reload")]
pub(crate) use settings_file::SettingsFile;
