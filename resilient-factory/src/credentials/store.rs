//! Where the credentials of a component are looked for.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::Path;

use resilient_runtime::__private::variable;
use secrecy::ExposeSecret;

use super::document::{LIMIT, Node, of_toml, too_large};
use super::error::{ConfigurationError, ConfigurationErrors};
use super::pair::Credentials;
use super::reading::{Reading, variables_of};
use super::settings::ExchangeConfig;
use super::yaml::of_yaml;

/// No key of less than this many characters is one.
const SHORTEST_KEY: usize = 10;

/// Credentials and settings of components, by name; upper and lower case are the same.
///
/// They are looked for in this order: what was given in code ([`with`](Self::with)), the environment
/// (`MEXC_API_KEY` and `MEXC_SECRET_KEY` for `mexc`; every character but letters and digits is `_`), the text or file the
/// store was made from. The environment is that of the process, then `./.env`, then nothing; in a test's
/// [`Scope`](https://docs.rs/resilient/latest/resilient/testing/struct.Scope.html) it is the scope's. It is read with
/// the library's configuration, so what changes later is seen after `resilient::reload()`.
///
/// Both keys come from one place. Only where no place has both are they put together: an API key from the file, its secret
/// from the environment.
///
/// A text has the shape
///
/// ```yaml
/// exchanges:
///   mexc:
///     api_key: "${MEXC_API_KEY}"
///     secret_key: "${MEXC_SECRET_KEY}"
///     base_url: "${MEXC_URL:https://api.mexc.com}"
/// network: { request_timeout: 10, connect_timeout: 5, max_retries: 3, retry_delay: 1 }
/// rate_limiting: { mexc_requests_per_second: 18 }
/// ```
///
/// or the same in TOML (`[exchanges.mexc]`). What else is at the top is left alone. Variables are put into values after
/// the text was parsed, so a key may hold quotes, colons and line ends, and what a variable holds is not searched for
/// further ones. `${VAR}` of a variable that is not set is empty, with a warning that names it. `${VAR:default}`: the
/// default is all up to the next `}` and may hold colons. `$${` is the text `${`. Any other `${` is an error. An
/// unquoted scalar is its text: `007` stays `007`.
///
/// The traps: keys are wiped from memory when they are dropped, the text they were read from is not. And a variable that is
/// set and empty is empty: its default is for one that is not set.
///
/// ```
/// use resilient_factory::credentials::{CredentialStore, Credentials};
///
/// let store = CredentialStore::from_yaml(
///     "exchanges: { mexc: { api_key: \"${MEXC_API_KEY}\", secret_key: \"${MEXC_SECRET_KEY}\", base_url: \"https://api.mexc.com\" } }",
/// )?
/// .with("gateio", Credentials::new("key-of-gateio", "secret-of-gateio-0123"));
///
/// assert!(!store.credentials("mexc")?.has_private_access()); // no such variables here
/// assert!(store.credentials("GateIO")?.has_private_access());
/// assert_eq!(store.exchange_config("mexc").setting("base_url"), Some("https://api.mexc.com"));
/// assert_eq!(store.safe_summary()["mexc_credentials_configured"], false);
/// # Ok::<(), resilient_factory::credentials::ConfigurationErrors>(())
/// ```
#[derive(Clone, Default)]
pub struct CredentialStore {
    given: BTreeMap<String, Credentials>,
    reading: Reading,
}

impl CredentialStore {
    /// The environment alone, and what is given in code.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of a YAML text. Aliases, anchors and `<<` are followed, within bounds: 1 MiB, 10 000 values, 64 deep.
    ///
    /// # Errors
    /// Everything that is wrong with it at once: no YAML, a key without its secret, a key that is too short or has white
    /// space in it, a number out of its range, a `${` that names nothing.
    pub fn from_yaml(text: &str) -> Result<Self, ConfigurationErrors> {
        Self::read(&of_yaml(text, "the text")?)
    }

    /// Of a TOML text, within the same bounds.
    ///
    /// # Errors
    /// As [`from_yaml`](Self::from_yaml).
    pub fn from_toml(text: &str) -> Result<Self, ConfigurationErrors> {
        Self::read(&of_toml(text, "the text")?)
    }

    /// Of a file, whose name ends in `.yaml`, `.yml` or `.toml`.
    ///
    /// # Errors
    /// As [`from_yaml`](Self::from_yaml); besides, a file that cannot be read, is larger than 1 MiB, no UTF-8, or of
    /// another ending.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigurationErrors> {
        let path = path.as_ref();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let shown: String =
            path.display().to_string().chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        let read = match &*ending.to_ascii_lowercase() {
            "yaml" | "yml" => of_yaml,
            "toml" => of_toml,
            _ => {
                let what = format!("{shown}: name it `.yaml`, `.yml` or `.toml`, after what is in it");
                return Err(ConfigurationError::general(what).into());
            }
        };
        Self::read(&read(&content(path, &shown)?, &shown)?)
    }

    fn read(document: &Node) -> Result<Self, ConfigurationErrors> {
        let mut reading = Reading::of(document);
        let mut mistakes = std::mem::take(&mut reading.mistakes);
        let store = Self { given: BTreeMap::new(), reading };
        for (name, section) in &store.reading.sections {
            if !section.has_refused_key {
                mistakes.extend(store.find(name).1);
            }
        }
        ConfigurationErrors::check(mistakes)?;
        Ok(store)
    }

    /// With these credentials for `name`, before those of any other place; [`Credentials::public`] means none.
    pub fn with(mut self, name: impl AsRef<str>, credentials: Credentials) -> Self {
        self.given.insert(name.as_ref().to_lowercase(), credentials);
        self
    }

    /// The credentials of a component; both keys are missing where no place has any.
    ///
    /// What [`Credentials::validate`] has to say is told to `tracing` as a warning, the preview at debug level.
    ///
    /// # Errors
    /// One key without the other, a key of less than 10 characters or with white space in it; all of it at once.
    pub fn credentials(&self, name: &str) -> Result<Credentials, ConfigurationErrors> {
        let (credentials, mistakes) = self.find(&name.to_lowercase());
        ConfigurationErrors::check(mistakes)?;
        for warning in credentials.validate() {
            tracing::warn!(component = name, "{warning}");
        }
        if credentials.has_private_access() {
            tracing::debug!(component = name, api_key = credentials.preview(), "{credentials}");
        } else {
            tracing::debug!(component = name, "{credentials}");
        }
        Ok(credentials)
    }

    /// Whether the credentials of each of these components can be used, having none included: for a program's start.
    ///
    /// # Errors
    /// What is wrong with all of them.
    pub fn check<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<(), ConfigurationErrors> {
        let mistakes = names.into_iter().flat_map(|name| self.find(&name.to_lowercase()).1).collect();
        ConfigurationErrors::check(mistakes)
    }

    /// Whether there are both keys, and both can be used.
    pub fn has_credentials(&self, name: &str) -> bool {
        let (credentials, mistakes) = self.find(&name.to_lowercase());
        mistakes.is_empty() && credentials.has_private_access()
    }

    /// The settings of a component, keys aside; the defaults where nothing is said.
    pub fn exchange_config(&self, name: &str) -> ExchangeConfig {
        let name = name.to_lowercase();
        match self.reading.sections.get(&name) {
            Some(section) => section.config.clone(),
            None => self.reading.config_without_section(&name),
        }
    }

    /// The components that the text and the code name, in lower case, sorted. The environment is not searched for more.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.given.keys().chain(self.reading.sections.keys()).cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    /// For each of [`names`](Self::names), `<name>_credentials_configured`: whether there are both keys. Nothing else, so
    /// that it can be logged and shown.
    pub fn safe_summary(&self) -> BTreeMap<String, bool> {
        let said = |name: String| (format!("{name}_credentials_configured"), self.has_credentials(&name));
        self.names().into_iter().map(said).collect()
    }

    /// What may be meant otherwise, a sentence each: variables that nobody set, names that are nearly ours. They went to
    /// `tracing` as well; the first hundred are kept.
    pub fn warnings(&self) -> &[String] {
        &self.reading.warnings
    }

    /// What there is for a component, and all that is wrong with it.
    fn find(&self, name: &str) -> (Credentials, Vec<ConfigurationError>) {
        let variables = variables_of(name);
        let mut mistakes = Vec::new();
        let found = match self.given.get(name) {
            Some(given) => given.clone(),
            None => self.find_elsewhere(name, &variables, &mut mistakes),
        };
        check_pair(&found, &variables, &mut mistakes);
        (found, mistakes)
    }

    fn find_elsewhere(
        &self,
        name: &str,
        variables: &[String; 2],
        mistakes: &mut Vec<ConfigurationError>,
    ) -> Credentials {
        let [api, secret] = variables.each_ref().map(|name| match variable(name) {
            Some(Ok(value)) => value,
            Some(Err(_)) => {
                let what = format!("the environment variable {name} is not UTF-8");
                mistakes.push(ConfigurationError::new(what, name));
                String::new()
            }
            None => String::new(),
        });
        let said = Credentials::new(api, secret);
        let Some(section) = self.reading.sections.get(name) else { return said };
        let written = &section.credentials;
        if said.has_private_access() || written.is_empty() {
            return said;
        }
        if !written.has_private_access() {
            return said.or(written);
        }
        if said.contradicts(written) {
            let [api, secret] = variables;
            tracing::warn!(
                component = name,
                "only one of {api} and {secret} is set: both keys are taken from the file"
            );
        }
        written.clone()
    }
}

/// What is wrong with a pair of keys, in words that name their variables.
fn check_pair(pair: &Credentials, variables: &[String; 2], mistakes: &mut Vec<ConfigurationError>) {
    let keys = [pair.api_key(), pair.secret_key()];
    let [api, secret] = variables;
    for (has, name, lacks, other) in [(keys[0], api, keys[1], secret), (keys[1], secret, keys[0], api)] {
        if has.is_some() && lacks.is_none() {
            let what = format!("{name} configured but {other} is missing");
            mistakes.push(ConfigurationError::new(what, other));
        }
    }
    for (key, name) in keys.into_iter().zip(variables) {
        let Some(key) = key.map(ExposeSecret::expose_secret) else { continue };
        if key.chars().nth(SHORTEST_KEY - 1).is_none() {
            let what = format!("{name} appears to be too short (minimum {SHORTEST_KEY} characters)");
            mistakes.push(ConfigurationError::new(what, name));
        }
        if key.contains(char::is_whitespace) {
            let what = format!("{name} contains invalid whitespace characters");
            mistakes.push(ConfigurationError::new(what, name));
        }
    }
}

/// Names, and which of them have credentials; no values.
impl fmt::Debug for CredentialStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialStore")
            .field("given", &self.given)
            .field("read", &self.reading.sections)
            .finish_non_exhaustive()
    }
}

fn content(path: &Path, shown: &str) -> Result<String, ConfigurationError> {
    let unreadable = |error: &std::io::Error| {
        ConfigurationError::general(format!("{shown} cannot be read ({})", error.kind()))
    };
    // A pipe would keep whoever opens it.
    if !std::fs::metadata(path).map_err(|error| unreadable(&error))?.is_file() {
        return Err(ConfigurationError::general(format!("{shown} is no file")));
    }
    let file = std::fs::File::open(path).map_err(|error| unreadable(&error))?;
    let mut bytes = Vec::new();
    file.take(LIMIT as u64 + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() > LIMIT {
        return Err(too_large(shown));
    }
    String::from_utf8(bytes).map_err(|_| ConfigurationError::general(format!("{shown} is not UTF-8")))
}
