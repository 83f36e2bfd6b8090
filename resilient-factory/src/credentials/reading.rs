//! From a parsed text to sections, with every mistake in it.

use std::collections::BTreeMap;

use resilient_runtime::__private::{name_in_variables, variable};

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
        for (name, node) in entries {
            if ![REQUEST_TIMEOUT, CONNECT_TIMEOUT, MAX_RETRIES, RETRY_DELAY].contains(&name.as_str()) {
                continue;
            }
            let shown = name_in_variables(name);
            let mut numbers = std::mem::take(&mut self.network);
            self.number(&mut numbers, name, node, &shown);
            self.network = numbers;
        }
    }

    fn limits(&mut self, entries: &[(String, Node)]) {
        for (name, node) in entries {
            let Some(component) = name.strip_suffix(LIMIT_ENDING) else { continue };
            let shown = shown(component, RATE_LIMIT);
            let mut numbers = Numbers::default();
            self.number(&mut numbers, RATE_LIMIT, node, &shown);
            self.limits.insert(component.to_lowercase(), numbers);
        }
    }

    fn number(&mut self, numbers: &mut Numbers, name: &str, node: &Node, shown: &str) -> bool {
        let Some(text) = self.text(node, shown) else { return true };
        match numbers.take(name, &text, shown) {
            Ok(taken) => taken,
            Err(mistake) => {
                self.mistakes.push(mistake);
                true
            }
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
            if [REQUEST_TIMEOUT, CONNECT_TIMEOUT, MAX_RETRIES, RETRY_DELAY, RATE_LIMIT]
                .contains(&key.as_str())
            {
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

/// `MEXC_API_KEY`: a setting of a component, as its variable is named.
pub(super) fn shown(component: &str, setting: &str) -> String {
    format!("{}_{}", name_in_variables(component), name_in_variables(setting))
}

/// The variables of a component's two keys.
pub(super) fn variables_of(component: &str) -> [String; 2] {
    [shown(component, API_KEY), shown(component, SECRET_KEY)]
}
