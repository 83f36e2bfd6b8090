//! What a configuration says about one component and about all.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use resilient_runtime::IntoDuration;

use super::document::Node;
use super::error::ConfigurationError;

/// The longest a request may take.
const LONGEST_REQUEST: Duration = Duration::from_secs(60);
/// Of the names to a setting, one inside the other.
const LONGEST_PATH: usize = 500;
const MOST_PER_SECOND: u32 = 100;
/// Requests per second, of those that are known to have a limit.
const KNOWN_LIMITS: [(&str, u32); 2] = [("gateio", 15), ("mexc", 18)];

/// What a configuration says about one component, keys aside.
///
/// Each number is taken from the component's own section, else from `network` (`rate_limiting` for the last), else it is
/// the default. Other settings of the section (`base_url`, ..) are texts under their names, nested ones under
/// `outer.inner` and `list.0`; `Debug` shows their names only, since one may be a secret.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExchangeConfig {
    /// The longest a request may take: more than 0 and up to 60 s. Default 10 s.
    pub request_timeout: Duration,
    /// The longest that connecting may take: more than 0. Default 5 s.
    pub connect_timeout: Duration,
    /// How often a request is tried again. Default 3.
    pub max_retries: u32,
    /// The wait before it is. Default 1 s.
    pub retry_delay: Duration,
    /// How many requests a second are allowed, 1 to 100. Default 18 for `mexc`, 15 for `gateio`, no limit for others.
    pub rate_limit_per_second: Option<u32>,
    pub(super) settings: BTreeMap<String, String>,
}

impl ExchangeConfig {
    pub(super) fn default_for(name: &str) -> Self {
        Self {
            request_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            max_retries: 3,
            retry_delay: Duration::from_secs(1),
            rate_limit_per_second: KNOWN_LIMITS
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, limit)| *limit),
            settings: BTreeMap::new(),
        }
    }

    /// Another setting of the section: `setting("base_url")`.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    /// The names of the other settings, sorted.
    pub fn setting_names(&self) -> impl Iterator<Item = &str> {
        self.settings.keys().map(String::as_str)
    }
}

impl fmt::Debug for ExchangeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangeConfig")
            .field("request_timeout", &self.request_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("max_retries", &self.max_retries)
            .field("retry_delay", &self.retry_delay)
            .field("rate_limit_per_second", &self.rate_limit_per_second)
            .field("settings", &self.settings.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// The numbers that were written in one place; the others come from the next.
#[derive(Clone, Default)]
pub(super) struct Numbers {
    request_timeout: Option<Duration>,
    connect_timeout: Option<Duration>,
    max_retries: Option<u32>,
    retry_delay: Option<Duration>,
    rate_limit_per_second: Option<u32>,
}

pub(super) const REQUEST_TIMEOUT: &str = "request_timeout";
pub(super) const CONNECT_TIMEOUT: &str = "connect_timeout";
pub(super) const MAX_RETRIES: &str = "max_retries";
pub(super) const RETRY_DELAY: &str = "retry_delay";
pub(super) const RATE_LIMIT: &str = "rate_limit_per_second";

impl Numbers {
    pub(super) fn apply(&self, config: &mut ExchangeConfig) {
        config.request_timeout = self.request_timeout.unwrap_or(config.request_timeout);
        config.connect_timeout = self.connect_timeout.unwrap_or(config.connect_timeout);
        config.max_retries = self.max_retries.unwrap_or(config.max_retries);
        config.retry_delay = self.retry_delay.unwrap_or(config.retry_delay);
        config.rate_limit_per_second = self.rate_limit_per_second.or(config.rate_limit_per_second);
    }

    /// Takes the setting of that name; `shown` is how an error names it.
    pub(super) fn take(&mut self, name: &str, text: &str, shown: &str) -> Result<(), ConfigurationError> {
        let refuse = |what: String| ConfigurationError::new(format!("{shown} must be {what}"), shown);
        match name {
            REQUEST_TIMEOUT => {
                let range = "between 0 and 60 seconds";
                let timeout = duration(text).map_err(|got| refuse(format!("{range}, {got}")))?;
                if timeout.is_zero() || timeout > LONGEST_REQUEST {
                    return Err(refuse(format!("{range}, got {}", timeout.as_secs_f64())));
                }
                self.request_timeout = Some(timeout);
            }
            CONNECT_TIMEOUT => {
                let range = "more than 0 seconds";
                let timeout = duration(text).map_err(|got| refuse(format!("{range}, {got}")))?;
                if timeout.is_zero() {
                    return Err(refuse(format!("{range}, got 0")));
                }
                self.connect_timeout = Some(timeout);
            }
            RETRY_DELAY => {
                self.retry_delay =
                    Some(duration(text).map_err(|got| refuse(format!("0 seconds or more, {got}")))?);
            }
            MAX_RETRIES => {
                self.max_retries = Some(whole(text).map_err(|got| refuse(format!("a whole number, {got}")))?);
            }
            RATE_LIMIT => {
                let range = format!("between 1 and {MOST_PER_SECOND}");
                let limit = whole(text).map_err(|got| refuse(format!("{range}, {got}")))?;
                if !(1..=MOST_PER_SECOND).contains(&limit) {
                    return Err(refuse(format!("{range}, got {limit}")));
                }
                self.rate_limit_per_second = Some(limit);
            }
            _ => {}
        }
        Ok(())
    }
}

/// `10`, `0.5`, `250ms`; else what an error says it got. What is no number may be a secret.
fn duration(text: &str) -> Result<Duration, String> {
    text.into_duration().map_err(|_| match text.trim().parse::<f64>() {
        Ok(number) => format!("got {number}"),
        Err(_) => "got no length of time (write seconds, or a unit: 250ms)".to_owned(),
    })
}

fn whole(text: &str) -> Result<u32, String> {
    let text = text.trim();
    let number = || text.parse::<f64>().map_err(|_| "got no number".to_owned());
    text.parse().or_else(|_| match number()? {
        // As `18.0`.
        number if number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number) =>
        {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range and whole")]
            Ok(number as u32)
        }
        number => Err(format!("got {number}")),
    })
}

/// Every text under `node`, with the path to it; an error names what is too deep inside of long names.
pub(super) fn texts<'a>(
    node: &'a Node,
    path: &str,
    found: &mut Vec<(String, &'a str)>,
) -> Result<(), ConfigurationError> {
    if path.len() > LONGEST_PATH {
        let what = format!("the path to a setting is longer than {LONGEST_PATH} bytes");
        return Err(ConfigurationError::general(what));
    }
    let inner = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match node {
        Node::Nothing => Ok(()),
        Node::Text(text) => {
            found.push((path.to_owned(), text));
            Ok(())
        }
        Node::List(items) => {
            items.iter().enumerate().try_for_each(|(at, item)| texts(item, &inner(&at.to_string()), found))
        }
        Node::Table(entries) => entries.iter().try_for_each(|(name, node)| texts(node, &inner(name), found)),
    }
}
