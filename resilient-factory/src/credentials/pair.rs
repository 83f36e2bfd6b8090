//! An API key and its secret.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// Nobody learns more of a key than this many characters at each end.
const MOST_SHOWN: usize = 4;

/// An API key and its secret key, either or both of which may be missing.
///
/// Default: both missing, which is public access. An empty text is a missing key. Both are wiped from memory when the
/// last copy is dropped, and neither `Debug` nor `Display` shows anything of them.
///
/// The trap: [`validate`](Self::validate) only warns; what stops a start is what
/// [`CredentialStore::credentials`](super::CredentialStore::credentials) refuses.
///
/// ```
/// use resilient_factory::credentials::{Credentials, ExposeSecret};
///
/// let credentials = Credentials::new("mx0vglKp2sQe8TzY", "e5f1c0a9d8b7463521aa");
/// assert!(credentials.has_private_access());
/// assert!(credentials.validate().is_empty());
/// assert_eq!(credentials.preview(), "mx...zY");
/// assert_eq!(credentials.secret_key().unwrap().expose_secret(), "e5f1c0a9d8b7463521aa");
/// assert_eq!(format!("{credentials}"), "private access");
/// ```
#[derive(Clone, Default)]
pub struct Credentials {
    api_key: Option<SecretString>,
    secret_key: Option<SecretString>,
}

impl Credentials {
    /// Of two texts or [`SecretString`]s; an empty one is a missing one.
    pub fn new(api_key: impl Into<SecretString>, secret_key: impl Into<SecretString>) -> Self {
        let given = |secret: SecretString| (!secret.expose_secret().is_empty()).then_some(secret);
        Self { api_key: given(api_key.into()), secret_key: given(secret_key.into()) }
    }

    /// Neither key.
    pub fn public() -> Self {
        Self::default()
    }

    /// The key that says who asks, if there is one; [`ExposeSecret`](super::ExposeSecret) reads it.
    pub fn api_key(&self) -> Option<&SecretString> {
        self.api_key.as_ref()
    }

    /// The key that proves it, if there is one.
    pub fn secret_key(&self) -> Option<&SecretString> {
        self.secret_key.as_ref()
    }

    /// Whether there are both keys.
    pub fn has_private_access(&self) -> bool {
        self.api_key.is_some() && self.secret_key.is_some()
    }

    /// What looks odd about the keys that are there: an API key of less than 10 characters, a secret key of less than 20,
    /// white space in either. Empty: nothing.
    pub fn validate(&self) -> Vec<&'static str> {
        let [api, secret] = [self.api_key.as_ref(), self.secret_key.as_ref()];
        let is_short = |key: Option<&SecretString>, least: usize| {
            key.is_some_and(|key| key.expose_secret().chars().nth(least - 1).is_none())
        };
        let is_spaced = |key: Option<&SecretString>| {
            key.is_some_and(|key| key.expose_secret().contains(char::is_whitespace))
        };
        [
            (is_short(api, 10), "API key appears too short"),
            (is_spaced(api), "API key contains spaces"),
            (is_short(secret, 20), "Secret key appears too short"),
            (is_spaced(secret), "Secret key contains spaces"),
        ]
        .into_iter()
        .filter_map(|(is_so, warning)| is_so.then_some(warning))
        .collect()
    }

    /// Enough of the API key to tell it from another, and never more than a quarter of it: its first and its last
    /// characters, one of each for 9 characters, two for 16, four for 32 and more. `***` for none and for up to 8
    /// characters.
    ///
    /// Of the secret key there is no preview. A control character is shown as `\u{FFFD}`.
    pub fn preview(&self) -> String {
        let key = self.api_key.as_ref().map_or("", |key| key.expose_secret());
        let length = key.chars().count();
        let shown = (length / 8).min(MOST_SHOWN);
        if length <= 8 {
            return "***".to_owned();
        }
        let printable = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        let first = key.chars().take(shown).map(printable);
        let last = key.chars().skip(length - shown).map(printable);
        first.chain("...".chars()).chain(last).collect()
    }

    /// `self`, with the keys it lacks taken from `other`.
    pub(super) fn or(self, other: &Self) -> Self {
        Self {
            api_key: self.api_key.or_else(|| other.api_key.clone()),
            secret_key: self.secret_key.or_else(|| other.secret_key.clone()),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.api_key.is_none() && self.secret_key.is_none()
    }

    /// Whether a key that both have is another one in `other`.
    pub(super) fn contradicts(&self, other: &Self) -> bool {
        let differ = |a: &Option<SecretString>, b: &Option<SecretString>| match (a, b) {
            (Some(a), Some(b)) => a.expose_secret() != b.expose_secret(),
            _ => false,
        };
        differ(&self.api_key, &other.api_key) || differ(&self.secret_key, &other.secret_key)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |key: &Option<SecretString>| if key.is_some() { "[redacted]" } else { "[missing]" };
        f.debug_struct("Credentials")
            .field("api_key", &format_args!("{}", said(&self.api_key)))
            .field("secret_key", &format_args!("{}", said(&self.secret_key)))
            .finish()
    }
}

/// `private access` or `public mode only`.
impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.has_private_access() { "private access" } else { "public mode only" })
    }
}
