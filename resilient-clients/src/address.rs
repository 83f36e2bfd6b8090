//! Where a server is, and how that may be shown.

use std::fmt;

use url::Url;

/// Where a server is: a URL whose user, password, query and fragment are never shown.
///
/// The trap: a path is shown. What is secret does not belong there.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Url);

/// A text that is no URL. It may hold a password, so it is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidAddress(url::ParseError);

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// [`InvalidAddress`], where it is none.
    pub fn parse(text: &str) -> Result<Self, InvalidAddress> {
        Url::parse(text).map(Self).map_err(InvalidAddress)
    }

    /// The whole URL, with all that is secret in it.
    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        shown.set_query(None);
        shown.set_fragment(None);
        // Refused only where there is no host, and so no user either.
        let _ = shown.set_username("");
        let _ = shown.set_password(None);
        f.write_str(shown.as_str())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl fmt::Display for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a URL: {}", self.0)
    }
}

impl std::error::Error for InvalidAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_in_a_url_is_never_shown() {
        for (url, shown) in [
            ("postgres://admin:hunter2@db:5432/prod?sslkey=hunter2", "postgres://db:5432/prod"),
            ("redis://:hunter2@cache/0#hunter2", "redis://cache/0"),
            ("https://hunter2@api.example.com/v1?token=hunter2", "https://api.example.com/v1"),
            ("sqlite:data.db?key=hunter2", "sqlite:data.db"),
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(format!("{address:?}"), format!("Address({shown})"));
            assert_eq!(address.url().as_str(), url);
        }
    }

    #[test]
    fn what_is_no_url_is_refused_without_being_shown() {
        let refused = Address::parse("hunter2 is the password").unwrap_err();
        assert_eq!(refused.to_string(), "not a URL: relative URL without a base");
        assert!(!format!("{refused:?}").contains("hunter2"));
    }
}
