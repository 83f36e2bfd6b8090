//! An HTTP client as it is put together.

use std::fmt;

use http::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use rustls::pki_types::CertificateDer;

use super::client::{HttpClient, Settings};
use super::error::HttpError;
use super::target::Target;
use super::tls;
use crate::tuning::{Tuning, words};

/// How large the body of an answer may be, unless the builder says otherwise: 16 MiB.
const MAX_RESPONSE_SIZE: usize = 16 << 20;
const REDIRECTS: u32 = 10;
const DEADLINE_HEADER: HeaderName = HeaderName::from_static("x-timeout-ms");
const AGENT: HeaderValue = HeaderValue::from_static(concat!("resilient/", env!("CARGO_PKG_VERSION")));

/// An [`HttpClient`] as it is put together, by [`HttpClient::builder`].
///
/// Nothing said: the layers and numbers of profile `api` (5 attempts of at most 60 s, waits from 1 s to 30 s, a breaker for
/// each host that opens after 5 failures in a row for 60 s), answers of at most 16 MiB, at most 10 redirects, no proxy.
///
/// What is wrong is told by [`build`](Self::build).
#[must_use = "nothing is made until `build`"]
pub struct HttpClientBuilder {
    base: Result<Target, HttpError>,
    pub(crate) tuning: Tuning,
    headers: HeaderMap,
    max_response_size: usize,
    redirects: u32,
    deadline_header: Option<HeaderName>,
    proxy: Proxy,
    roots: Vec<CertificateDer<'static>>,
    health_path: Option<String>,
    is_registered: bool,
    problem: Option<HttpError>,
}

pub(super) enum Proxy {
    None,
    Environment,
    Of(String),
}

impl HttpClientBuilder {
    pub(super) fn new(base: &str) -> Self {
        Self {
            base: Target::parse(base),
            tuning: Tuning::new("http"),
            headers: HeaderMap::from_iter([(USER_AGENT, AGENT)]),
            max_response_size: MAX_RESPONSE_SIZE,
            redirects: REDIRECTS,
            deadline_header: Some(DEADLINE_HEADER),
            proxy: Proxy::None,
            roots: Vec::new(),
            health_path: None,
            is_registered: true,
            problem: None,
        }
    }

    words! {
        in (tuning);

        /// The operation's name, and so the breakers', the variables' and the health check's. Default `http`:
        /// `PYNOMALY_OP_HTTP_TIMEOUT`.
        ///
        /// The trap: two clients of one name share their breakers, host by host. Give each service a client and a name.
        name;

        /// Limits each attempt, the reading of its answer included. Default: by profile, 60 s.
        timeout;

        /// Limits the whole call, waits and redirects included. Default: that of the calls around it.
        deadline;

        /// How often a request is sent at most. Default: by profile, 5 times.
        max_attempts;

        /// Any other word of the layers.
        ///
        /// ```no_run
        /// # use resilient_clients as resilient;
        /// # fn main() -> Result<(), resilient::HttpError> {
        /// use resilient::HttpClient;
        ///
        /// let partner = HttpClient::builder("https://api.example.com")
        ///     .layers(|layers| layers.bulkhead_max_concurrent(20).failure_rate(0.5))
        ///     .build()?;
        /// # Ok(())
        /// # }
        /// ```
        layers;
    }

    /// A header of every request to the base URL's own host: never sent to another, by redirect or whole URL.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        match header(name.as_ref(), value.as_ref()) {
            Ok((name, value)) => drop(self.headers.insert(name, value)),
            Err(problem) => self.problem = Some(problem),
        }
        self
    }

    /// How large the body of an answer may be, in bytes. Default 16 MiB. A larger one is [`HttpError::TooLarge`].
    pub fn max_response_size(mut self, bytes: usize) -> Self {
        self.max_response_size = bytes;
        self
    }

    /// How many redirects are followed. Default 10; with 0 a redirect is the answer.
    pub fn redirects(mut self, at_most: u32) -> Self {
        self.redirects = at_most;
        self
    }

    /// The header in which a request says how many milliseconds are left of the deadline around it. Default
    /// `x-timeout-ms`.
    pub fn deadline_header(mut self, name: impl AsRef<str>) -> Self {
        match HeaderName::from_bytes(name.as_ref().as_bytes()) {
            Ok(name) => self.deadline_header = Some(name),
            Err(_) => self.problem = Some(HttpError::invalid("the deadline's header is no name of a header")),
        }
        self
    }

    /// No request says what is left of its deadline.
    pub fn without_deadline_header(mut self) -> Self {
        self.deadline_header = None;
        self
    }

    /// Sends every request through a proxy.
    ///
    /// The trap: hosts keep a breaker each, and a dead proxy opens them all.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Proxy::Of(url.into());
        self
    }

    /// Asks `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` which requests go through a proxy. Default: none do,
    /// whatever these say.
    pub fn proxy_from_environment(mut self) -> Self {
        self.proxy = Proxy::Environment;
        self
    }

    /// Trusts whom these certificates vouch for, as well as whom the system trusts: PEM, one or more of them.
    pub fn root_certificate(mut self, pem: impl AsRef<[u8]>) -> Self {
        match tls::certificates(pem.as_ref()) {
            Ok(certificates) => self.roots.extend(certificates),
            Err(problem) => self.problem = Some(problem),
        }
        self
    }

    /// What [`health_check`](HttpClient::health_check) asks for, and expects a `2xx` from. Default: the base URL, from which
    /// any answer below 500 will do.
    pub fn health_path(mut self, path: impl Into<String>) -> Self {
        self.health_path = Some(path.into());
        self
    }

    #[cfg(feature = "s3")]
    pub(crate) fn base(mut self, url: impl AsRef<str>) -> Self {
        self.base = Target::parse(url.as_ref());
        self
    }

    /// Whoever builds on it has a health check of its own.
    #[cfg(feature = "s3")]
    pub(crate) fn unregistered(mut self) -> Self {
        self.is_registered = false;
        self
    }

    /// The client. Nothing is sent yet, so the server need not be there.
    ///
    /// # Errors
    ///
    /// [`HttpError::Invalid`] or [`HttpError::Misconfigured`]: what was said cannot be meant.
    #[track_caller]
    pub fn build(self) -> Result<HttpClient, HttpError> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let name = self.tuning.name.clone();
        let config = self.tuning.config("api").keyed();
        let transport = transport(self.proxy, self.roots)?;
        HttpClient::new(
            config.classify::<HttpError>(),
            transport,
            Settings {
                base: self.base?,
                name,
                headers: self.headers,
                max_response_size: self.max_response_size,
                redirects: self.redirects,
                deadline_header: self.deadline_header,
                health_path: self.health_path,
                is_registered: self.is_registered,
            },
        )
    }
}

/// What sends requests, once each: no retry, no redirect, no limit of its own.
fn transport(proxy: Proxy, roots: Vec<CertificateDer<'static>>) -> Result<reqwest::Client, HttpError> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls::config(roots)?)
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .http1_only();
    match proxy {
        Proxy::Environment => {}
        Proxy::None => builder = builder.no_proxy(),
        Proxy::Of(url) => {
            // Neither error may show it.
            let refused = || HttpError::invalid("the proxy's URL is neither http:// nor https://");
            Target::parse(&url).map_err(|_| refused())?;
            let proxy = reqwest::Proxy::all(url).map_err(|_| refused())?;
            builder = builder.no_proxy().proxy(proxy);
        }
    }
    builder.build().map_err(|error| HttpError::invalid(error.without_url()))
}

/// A header whose value may be a secret, so that an error does not show it.
pub(super) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), HttpError> {
    let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
        return Err(HttpError::invalid("a header's name has letters that it may not have"));
    };
    let Ok(value) = HeaderValue::from_str(value) else {
        return Err(HttpError::invalid(format_args!(
            "the value of header `{name}` has letters that it may not have"
        )));
    };
    Ok((name, value))
}

impl fmt::Debug for HttpClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClientBuilder").field("name", &self.tuning.name).finish_non_exhaustive()
    }
}
