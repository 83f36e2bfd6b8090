//! From a parsed text to sections, with every mistake in it.

use std::collections::BTreeMap;

use resilient_runtime::__private::{name_in_variables, nearest, variable};

use super::document::{LIMIT, Node};
use super::error::ConfigurationError;
use super::pair::Credentials;
use super::settings::{
    CONNECT_TIMEOUT, ExchangeConfig, MAX_RETRIES, Numbers, RATE_LIMIT, REQUEST_TIMEOUT, RETRY_DELAY, texts,
};
use super::substitution::{Refused, substitute};

const SECTIONS: &str = "exchanges";
const NETWORK: &str = "network";
const LIMITS: &str = "rate_limiting";
const TABLES: [&str; 3] = [SECTIONS, NETWORK, LIMITS];
const NUMBERS: [&str; 4] = [REQUEST_TIMEOUT, CONNECT_TIMEOUT, MAX_RETRIES, RETRY_DELAY];
/// What others call ours.
const SYNONYMS: [(&str, &str); 9] = [
    ("key", API_KEY),
    ("access_key", API_KEY),
    ("secret", SECRET_KEY),
    ("api_secret", SECRET_KEY),
    ("timeout", REQUEST_TIMEOUT),
    ("retries", MAX_RETRIES),
    ("backoff", RETRY_DELAY),
    ("rate_limit", RATE_LIMIT),
    ("requests_per_second", RATE_LIMIT),
];
const LIMIT_ENDING: &str = "_requests_per_second";
const API_KEY: &str = "api_key";
const SECRET_KEY: &str = "secret_key";
/// What names of components have in common with those of people: nobody's is longer.
const LONGEST_NAME: usize = 100;
/// All values together, once variables are in them.
const MOST_SUBSTITUTED: usize = 4 * LIMIT;
/// Nobody reads more of them.
const MOST_WARNINGS: usize = 100;

/// What one text says about one component.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) credentials: Credentials,
    pub(super) config: ExchangeConfig,
    /// A key cannot be used, and that was said.
    pub(super) has_refused_key: bool,
}

/// What one text says, by the components' names in lower case.
#[derive(Clone, Default)]
pub(super) struct Reading {
    pub(super) sections: BTreeMap<String, Section>,
    /// For components without a section.
    pub(super) network: Numbers,
    pub(super) limits: BTreeMap<String, Numbers>,
    pub(super) mistakes: Vec<ConfigurationError>,
    pub(super) warnings: Vec<String>,
    substituted: usize,
}

impl Reading {
    pub(super) fn of(document: &Node) -> Self {
        let mut reading = Self::default();
        if let Node::Table(entries) = document {
            reading.suspect(entries, &TABLES, "the text");
        }
        if let Some(network) = reading.table(document, NETWORK) {
            reading.network(network);
        }
        if let Some(limits) = reading.table(document, LIMITS) {
            reading.limits(limits);
        }
        if let Some(sections) = reading.table(document, SECTIONS) {
            for (name, section) in sections {
                reading.section(name, section);
            }
        }
        reading
    }

    /// What is said about a component that has no section.
    pub(super) fn config_without_section(&self, name: &str) -> ExchangeConfig {
        let mut config = ExchangeConfig::default_for(name);
        self.network.apply(&mut config);
        if let Some(limit) = self.limits.get(name) {
            limit.apply(&mut config);
        }
        config
    }

    fn table<'a>(&mut self, document: &'a Node, name: &str) -> Option<&'a [(String, Node)]> {
        let node = document.at(name)?;
        if let Node::Table(entries) = node {
            return Some(entries);
        }
        self.refuse(format!("`{name}` must be a table"), name);
        None
    }

    fn refuse(&mut self, message: String, setting: &str) {
        self.mistakes.push(ConfigurationError::new(message, setting));
    }

    fn network(&mut self, entries: &[(String, Node)]) {
        self.suspect(entries, &NUMBERS, "`network`");
        let mut numbers = Numbers::default();
        for (name, node) in entries.iter().filter(|(name, _)| NUMBERS.contains(&name.as_str())) {
            self.number(&mut numbers, name, node, &name_in_variables(name));
        }
        self.network = numbers;
    }

    fn limits(&mut self, entries: &[(String, Node)]) {
        for (name, node) in entries {
            let Some(component) = name.strip_suffix(LIMIT_ENDING).filter(|it| it.len() <= LONGEST_NAME)
            else {
                let name = plain(name);
                self.warn(format!("`{name}` in `{LIMITS}` is not read: write `<name>{LIMIT_ENDING}`"));
                continue;
            };
            let shown = shown(component, RATE_LIMIT);
            let mut numbers = Numbers::default();
            self.number(&mut numbers, RATE_LIMIT, node, &shown);
            self.limits.insert(component.to_lowercase(), numbers);
        }
    }

    fn number(&mut self, numbers: &mut Numbers, name: &str, node: &Node, shown: &str) {
        if let Some(text) = self.text(node, shown) {
            self.mistakes.extend(numbers.take(name, &text, shown).err());
        }
    }

    /// Warns of names that look as if others were meant, of which `known` are all and none is written.
    fn suspect(&mut self, entries: &[(String, Node)], known: &[&str], place: &str) {
        let is_written = |name: &str| entries.iter().any(|(written, _)| written == name);
        let missing: Vec<&str> = known.iter().copied().filter(|name| !is_written(name)).collect();
        for (name, _) in entries.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
            let lower = name.to_ascii_lowercase();
            let synonym = SYNONYMS.iter().find(|(other, ours)| *other == lower && missing.contains(ours));
            let meant = synonym.map(|(_, ours)| (*ours).to_owned());
            if let Some(meant) = meant.or_else(|| nearest(&lower, missing.iter().copied())) {
                self.warn(format!("`{}` in {place} is none of ours: did you mean `{meant}`?", plain(name)));
            }
        }
    }

    fn warn(&mut self, warning: String) {
        if self.warnings.len() < MOST_WARNINGS && !self.warnings.contains(&warning) {
            tracing::warn!("{warning}");
            self.warnings.push(warning);
        }
    }

    fn section(&mut self, name: &str, node: &Node) {
        let (name, written) = (name.to_lowercase(), name);
        if written.is_empty() || written.len() > LONGEST_NAME {
            let what = format!("a name under `{SECTIONS}` has 1 to {LONGEST_NAME} bytes");
            return self.refuse(what, SECTIONS);
        }
        let of_variable = name_in_variables(written);
        if self.sections.contains_key(&name) {
            let what = format!("{of_variable} has two sections, and upper and lower case are one name");
            return self.refuse(what, &of_variable);
        }
        let entries = match node {
            Node::Nothing => &[][..],
            Node::Table(entries) => entries,
            _ => {
                let what = format!("the section of {of_variable} must be a table");
                return self.refuse(what, &of_variable);
            }
        };
        let known = [&[API_KEY, SECRET_KEY, RATE_LIMIT], NUMBERS.as_slice()].concat();
        self.suspect(entries, &known, &format!("the section of {of_variable}"));
        let before = self.mistakes.len();
        let [api, secret] = [API_KEY, SECRET_KEY].map(|key| match node.at(key) {
            Some(node) => self.text(node, &shown(written, key)).unwrap_or_default(),
            None => String::new(),
        });
        let has_refused_key = self.mistakes.len() > before;
        let (mut config, mut numbers) = (self.config_without_section(&name), Numbers::default());
        for (key, node) in entries {
            if [API_KEY, SECRET_KEY].contains(&key.as_str()) {
                continue;
            }
            if known.contains(&key.as_str()) {
                self.number(&mut numbers, key, node, &shown(written, key));
                continue;
            }
            let mut found = Vec::new();
            if let Err(mistake) = texts(node, key, &mut found) {
                self.mistakes.push(mistake);
            }
            for (path, text) in found {
                if let Some(text) = self.substituted(text, &shown(written, &path)) {
                    config.settings.insert(path, text);
                }
            }
        }
        numbers.apply(&mut config);
        let credentials = Credentials::new(api, secret);
        self.sections.insert(name, Section { credentials, config, has_refused_key });
    }

    /// A scalar with its variables; `None` when there is none, which is told unless it was left empty.
    fn text(&mut self, node: &Node, shown: &str) -> Option<String> {
        match node {
            Node::Nothing => None,
            Node::Text(text) => self.substituted(text, shown),
            Node::List(_) | Node::Table(_) => {
                self.refuse(format!("{shown} must be one value, no list and no table"), shown);
                None
            }
        }
    }

    fn substituted(&mut self, text: &str, shown: &str) -> Option<String> {
        let (mistakes, warnings) = (&mut self.mistakes, &mut self.warnings);
        let left = MOST_SUBSTITUTED.saturating_sub(self.substituted);
        let substituted = substitute(text, left, |reference| {
            match (variable(reference.name), reference.default) {
                (Some(Ok(value)), _) => value,
                (Some(Err(_)), _) => {
                    let what = format!("the environment variable {} is not UTF-8", reference.name);
                    mistakes.push(ConfigurationError::new(what, shown));
                    String::new()
                }
                (None, Some(default)) => default.to_owned(),
                (None, None) => {
                    let name: String = reference.name.chars().take(LONGEST_NAME).collect();
                    let warning = format!("environment variable {name} not set: {shown} gets an empty value");
                    if warnings.len() < MOST_WARNINGS && !warnings.contains(&warning) {
                        tracing::warn!(variable = %name, setting = %shown, "environment variable not set - using empty value");
                        warnings.push(warning);
                    }
                    String::new()
                }
            }
        });
        let what = match substituted {
            Ok(text) => {
                self.substituted += text.len();
                return Some(text);
            }
            Err(Refused::Malformed) => {
                "a `${` that names no variable: write `${NAME}` or `${NAME:default}`, and `$${` for the text `${`"
            }
            Err(Refused::TooLong) => "variables that make the values longer than 4 MiB in all",
        };
        self.refuse(format!("{shown} has {what}"), shown);
        None
    }
}

/// A name as it is written, short and on one line.
fn plain(name: &str) -> String {
    name.escape_debug().take(LONGEST_NAME).collect()
}

/// `MEXC_API_KEY`: a setting of a component, as its variable is named.
pub(super) fn shown(component: &str, setting: &str) -> String {
    format!("{}_{}", name_in_variables(component), name_in_variables(setting))
}

/// The variables of a component's two keys.
pub(super) fn variables_of(component: &str) -> [String; 2] {
    [shown(component, API_KEY), shown(component, SECRET_KEY)]
}
