//! Where a request goes.

use std::fmt;

use http::Method;
use url::{Position, Url};

use super::error::HttpError;
use crate::Address;

/// A URL of HTTP, without the user and password that may have been written into it.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) url: Url,
    pub(super) credentials: Option<Credentials>,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: Option<String>,
}

/// Scheme, host and port: those of two URLs are one when one server answers for both.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Origin(String);

impl Target {
    pub(super) fn parse(text: &str) -> Result<Self, HttpError> {
        let address = Address::parse(text).map_err(HttpError::invalid)?;
        Self::of(address.url().clone())
    }

    pub(super) fn of(mut url: Url) -> Result<Self, HttpError> {
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(HttpError::invalid("its URL is neither http:// nor https://"));
        }
        let (user, password) = (decoded(url.username()), url.password().map(decoded));
        let credentials = (!user.is_empty() || password.is_some()).then_some(Credentials { user, password });
        url.set_username("")
            .and_then(|()| url.set_password(None))
            .map_err(|()| HttpError::invalid("its URL has a user and no host"))?;
        url.set_fragment(None);
        Ok(Self { url, credentials })
    }

    /// `path` below this base, or, where it is a whole URL itself, that one.
    ///
    /// It is appended, not resolved: what begins with slashes leads to no other host, and the base keeps its own path.
    pub(super) fn at(&self, path: &str) -> Result<Self, HttpError> {
        let is_whole = ["http://", "https://"]
            .into_iter()
            .any(|scheme| path.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)));
        if is_whole {
            return Self::parse(path);
        }
        let path = path.trim_start_matches(['/', '\\']);
        let base = &self.url[..Position::AfterPath];
        if path.is_empty() {
            return Ok(self.clone());
        }
        let between = if base.ends_with('/') || path.starts_with(['?', '#']) { "" } else { "/" };
        let joined = Self::parse(&format!("{base}{between}{path}"))?;
        if joined.origin() != self.origin() {
            return Err(HttpError::invalid("its path leads to another host"));
        }
        Ok(Self { credentials: self.credentials.clone(), ..joined })
    }

    /// What a breaker is kept for: the host, with its port where that is not the scheme's.
    pub(super) fn host(&self) -> &str {
        &self.url[Position::BeforeHost..Position::AfterPort]
    }

    pub(super) fn origin(&self) -> Origin {
        Origin(self.url[..Position::AfterPort].to_owned())
    }

    /// How a request is named in errors.
    pub(super) fn shown(&self, method: &Method) -> Box<str> {
        format!("{method} {}", &self.url[..Position::AfterPath]).into()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({})", &self.url[..Position::AfterPath])
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let mut rest = bytes.clone();
        let hex = (byte == b'%').then(|| Some(digit(rest.next()?)? << 4 | digit(rest.next()?)?)).flatten();
        if hex.is_some() {
            bytes = rest;
        }
        decoded.push(hex.unwrap_or(byte));
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_appended_to_the_base_and_leads_to_no_other_host() {
        for (base, path, url) in [
            ("https://a.com", "", "https://a.com/"),
            ("https://a.com", "/", "https://a.com/"),
            ("https://a.com", "users/7", "https://a.com/users/7"),
            ("https://a.com/v1", "/users/7?x=1", "https://a.com/v1/users/7?x=1"),
            ("https://a.com/v1/", "users", "https://a.com/v1/users"),
            ("https://a.com/v1", "?x=1", "https://a.com/v1?x=1"),
            ("https://a.com/v1?key=1", "users", "https://a.com/v1/users"),
            ("https://a.com", "//evil.com/x", "https://a.com/evil.com/x"),
            ("https://a.com", "\\\\evil.com/x", "https://a.com/evil.com/x"),
            ("https://a.com", "@evil.com", "https://a.com/@evil.com"),
            ("https://a.com", "https:evil.com", "https://a.com/https:evil.com"),
            ("https://a.com", "HTTP://b.com:81/x#f", "http://b.com:81/x"),
        ] {
            let target = Target::parse(base).unwrap().at(path).unwrap();
            assert_eq!(target.url.as_str(), url, "{base} {path}");
        }
    }

    #[test]
    fn user_and_password_leave_the_url_and_follow_to_paths_below_it_alone() {
        let base = Target::parse("https://ad%40min:p%C3%A4ss@a.com:444/v1").unwrap();
        let known = Credentials { user: "ad@min".into(), password: Some("päss".into()) };
        let here = base.at("/x").unwrap();
        assert_eq!((here.url.as_str(), here.host()), ("https://a.com:444/v1/x", "a.com:444"));
        assert!(here.credentials == Some(known));
        assert!(base.at("https://b.com").unwrap().credentials.is_none());
        assert_eq!(format!("{base:?}"), "Target(https://a.com:444/v1)");
    }

    #[test]
    fn what_is_no_url_of_http_is_refused_without_being_shown() {
        for text in ["hunter2", "ftp://hunter2@a.com", "data:hunter2", "http://", ""] {
            let error = Target::parse(text).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_breaker_is_kept_for_a_host_and_port() {
        for (url, host) in [
            ("https://A.com:443/x", "a.com"),
            ("http://a.com:443/x", "a.com:443"),
            ("http://[::1]:80", "[::1]"),
        ] {
            assert_eq!(Target::parse(url).unwrap().host(), host);
        }
    }
}
