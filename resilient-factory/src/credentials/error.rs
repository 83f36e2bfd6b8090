//! What cannot be used of a configuration.

use std::fmt;

/// Nobody reads more mistakes at once.
const MOST: usize = 100;

/// One setting that cannot be used.
///
/// `Display` is [`message`](Self::message). It names settings and variables, never what they hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigurationError {
    message: String,
    setting_name: Option<String>,
}

impl ConfigurationError {
    pub(super) fn new(message: impl Into<String>, setting_name: impl Into<String>) -> Self {
        Self { message: message.into(), setting_name: Some(setting_name.into()) }
    }

    /// About the whole of a text or file.
    pub(super) fn general(message: impl Into<String>) -> Self {
        Self { message: message.into(), setting_name: None }
    }

    /// What is wrong: `MEXC_API_KEY configured but MEXC_SECRET_KEY is missing`.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The setting to look at, as a variable would be named: `MEXC_SECRET_KEY`, `REQUEST_TIMEOUT`. `None` when it is the
    /// whole file.
    pub fn setting_name(&self) -> Option<&str> {
        self.setting_name.as_deref()
    }
}

/// Every setting that cannot be used, all of them (the first hundred) at once; there is at least one.
///
/// `Display` and `Debug` give one message as it is, and of several their number and a line for each. A factory's constructor
/// that returns it made no attempt that failed: it is the caller's mistake, as a [`BadRequest`](crate::BadRequest) is, told
/// at once and never repeated.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigurationErrors(Vec<ConfigurationError>);

impl ConfigurationErrors {
    pub(super) fn check(errors: Vec<ConfigurationError>) -> Result<(), Self> {
        let mut kept: Vec<ConfigurationError> = Vec::new();
        for error in errors {
            if kept.len() == MOST {
                kept.push(ConfigurationError::general("there is more that is wrong"));
                break;
            }
            if !kept.contains(&error) {
                kept.push(error);
            }
        }
        if kept.is_empty() { Ok(()) } else { Err(Self(kept)) }
    }

    /// What is wrong, in the order it is written.
    pub fn errors(&self) -> &[ConfigurationError] {
        &self.0
    }

    /// The message of the first.
    pub fn message(&self) -> &str {
        self.0.first().map_or("", ConfigurationError::message)
    }

    /// The setting of the first.
    pub fn setting_name(&self) -> Option<&str> {
        self.0.first().and_then(ConfigurationError::setting_name)
    }
}

impl From<ConfigurationError> for ConfigurationErrors {
    fn from(error: ConfigurationError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for ConfigurationErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.0.as_slice() {
            return fmt::Display::fmt(only, f);
        }
        write!(f, "{} settings cannot be used", self.0.len())?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

impl fmt::Debug for ConfigurationErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
