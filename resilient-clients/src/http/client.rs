//! The HTTP client.

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use http::header::HeaderName;
use http::{HeaderMap, Method};
use resilient_runtime::__private::text;
use resilient_runtime::{
    CheckReport, HealthCheck, ResilienceConfig, ResilientOperation, register_health_check,
};

use super::blocking::BlockingHttpClient;
use super::builder::HttpClientBuilder;
use super::call::Repeats;
use super::error::HttpError;
use super::request::HttpRequest;
use super::target::Target;

/// How long a health check may take.
const CHECK: Duration = Duration::from_secs(2);

/// An HTTP client below `base_url`, with the layers and numbers of profile `api`; see [`HttpClient`].
///
/// ```no_run
/// # use resilient_clients as resilient;
/// # async fn run() -> Result<(), resilient::HttpError> {
/// let github = resilient::http_client("https://api.github.com")?;
/// let answer = github.get("/zen").send().await?;
/// println!("{}", answer.text()?);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`HttpError::Invalid`]: it is no URL of HTTP.
#[track_caller]
pub fn http_client(base_url: impl AsRef<str>) -> Result<HttpClient, HttpError> {
    HttpClient::builder(base_url).build()
}

/// An HTTP client whose requests are retried, limited in time, and refused while their host is known to be down.
///
/// Every request goes through one operation, named `http`, with the numbers of profile `api`: 5 attempts of at most 60 s,
/// the reading of the answer included, waits from 1 s to 30 s, `Retry-After` obeyed. Each host has a breaker of its own,
/// which opens after 5 failures in a row for 60 s: one dead host does not refuse another. [`HttpError`] says what counts as
/// a failure.
///
/// Sent again is what may be: `GET`, `HEAD`, `PUT`, `DELETE`, `OPTIONS`, `TRACE`. `POST` and `PATCH` are sent again with an
/// [`idempotency_key`](HttpRequest::idempotency_key), or when there was no connection, so that nothing was sent.
///
/// A request says in `x-timeout-ms` how many milliseconds are left of the deadline around it, if there is one. Redirects are
/// followed, 10 at most, never from HTTPS to HTTP; each hop is a call to its own host, and another host is told neither
/// headers nor body. Whole URLs work in place of paths. HTTP/1.1 is spoken, TLS by rustls, and whom the system trusts is
/// trusted. No proxy is used, whatever the environment says, unless
/// [`proxy_from_environment`](HttpClientBuilder::proxy_from_environment) asks it.
///
/// Copies are cheap and share everything. While any lives, [`check_health`](resilient_runtime::check_health) asks the server
/// too.
///
/// The trap: an answer of `4xx` or `5xx` is an [`HttpError`], with the answer inside; and bodies are held in memory, answers
/// of at most 16 MiB.
///
/// ```no_run
/// # use resilient_clients as resilient;
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use resilient::HttpClient;
///
/// let shop = HttpClient::builder("https://shop.example.com/api")
///     .name("shop") // PYNOMALY_OP_SHOP_TIMEOUT and so on
///     .header("authorization", "Bearer ..")
///     .timeout("2s")
///     .build()?;
/// let orders: Vec<u64> = shop.get("/orders").query("state", "open").send().await?.json()?;
/// shop.post("/orders").idempotent().json(&orders).send().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HttpClient {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) transport: reqwest::Client,
    pub(super) settings: Settings,
    /// One operation of one name, told thrice what it may repeat.
    always: ResilientOperation,
    if_unsent: ResilientOperation,
    never: ResilientOperation,
    check: OnceLock<HealthCheck>,
}

pub(super) struct Settings {
    pub(super) base: Target,
    pub(super) name: String,
    pub(super) headers: HeaderMap,
    pub(super) max_response_size: usize,
    pub(super) redirects: u32,
    pub(super) deadline_header: Option<HeaderName>,
    pub(super) health_path: Option<String>,
    pub(super) is_registered: bool,
}

impl Inner {
    pub(super) fn operation(&self, repeats: Repeats) -> &ResilientOperation {
        match repeats {
            Repeats::Always => &self.always,
            Repeats::IfUnsent => &self.if_unsent,
            Repeats::Never => &self.never,
        }
    }

    /// What the server answers to a request that goes past every layer.
    async fn check(&self, path: Option<&str>) -> CheckReport {
        self.check_by(Method::GET, path).await
    }

    async fn check_by(&self, method: Method, path: Option<&str>) -> CheckReport {
        let base = &self.settings.base;
        let asked = match path.map_or_else(|| Ok(base.clone()), |path| base.at(path)) {
            Ok(target) => target,
            Err(error) => return CheckReport::unhealthy(error.to_string()),
        };
        let host = asked.host().to_owned();
        let report = match tokio::time::timeout(CHECK, self.ask(method, asked)).await {
            Err(_) => CheckReport::unhealthy(format!("no answer within {} s", CHECK.as_secs())),
            Ok(Err(_)) => CheckReport::unhealthy("no answer: the connection was refused or broke"),
            Ok(Ok(status)) => {
                let is_well = if path.is_some() { status.is_success() } else { !status.is_server_error() };
                if is_well {
                    CheckReport::healthy()
                } else {
                    CheckReport::unhealthy(format!("it answers {status}"))
                }
                .detail("http_status", status.as_str())
            }
        };
        report.detail("host", host)
    }

    async fn ask(&self, method: Method, target: Target) -> Result<http::StatusCode, reqwest::Error> {
        let mut request = self.transport.request(method, target.url.clone());
        if target.origin() == self.settings.base.origin() {
            request = request.headers(self.settings.headers.clone());
        }
        if let Some(known) = &target.credentials {
            request = request.basic_auth(&known.user, known.password.as_ref());
        }
        Ok(request.send().await?.status())
    }
}

/// Known by its name for as long as any copy of the client lives.
fn register(inner: &Arc<Inner>) -> HealthCheck {
    let known: Weak<Inner> = Arc::downgrade(inner);
    register_health_check(inner.settings.name.clone(), move || {
        let inner = known.upgrade();
        async move {
            match inner {
                Some(inner) => inner.check(inner.settings.health_path.as_deref()).await,
                None => CheckReport::unhealthy("the client is gone"),
            }
        }
    })
}

impl HttpClient {
    /// A client below `base_url`, to be put together. A user and a password in the URL are sent as basic authentication, to
    /// that host only.
    pub fn builder(base_url: impl AsRef<str>) -> HttpClientBuilder {
        HttpClientBuilder::new(base_url.as_ref())
    }

    /// The client below `PYNOMALY_HTTP_BASE_URL`.
    ///
    /// # Errors
    ///
    /// [`HttpError::Invalid`]: the variable is not set, or is no URL of HTTP; it is named, not shown.
    #[track_caller]
    pub fn from_environment() -> Result<Self, HttpError> {
        let Some(said) = text("HTTP_BASE_URL") else {
            return Err(HttpError::invalid("no variable PYNOMALY_HTTP_BASE_URL says where to"));
        };
        Self::builder(&said.value)
            .build()
            .map_err(|error| HttpError::invalid(format_args!("{}: {error}", said.variable)))
    }

    pub(super) fn new(
        config: ResilienceConfig,
        transport: reqwest::Client,
        settings: Settings,
    ) -> Result<Self, HttpError> {
        let if_unsent = config.clone().retry_if(HttpError::was_never_sent).build()?;
        let never = config.clone().retry_if(|_: &HttpError| false).build()?;
        let always = config.build()?;
        let check = OnceLock::new();
        let inner = Arc::new(Inner { transport, settings, always, if_unsent, never, check });
        if inner.settings.is_registered {
            let _ = inner.check.set(register(&inner));
        }
        Ok(Self { inner })
    }

    /// A `GET` of `path`, which is appended to the base URL, or of a whole URL. It is sent by
    /// [`send`](HttpRequest::send).
    pub fn get(&self, path: impl AsRef<str>) -> HttpRequest {
        self.request(Method::GET, path)
    }

    /// A `POST`, as [`get`](Self::get).
    ///
    /// The trap: it is sent once, unless it is [`idempotent`](HttpRequest::idempotent) or there was no connection.
    pub fn post(&self, path: impl AsRef<str>) -> HttpRequest {
        self.request(Method::POST, path)
    }

    /// A `PUT`, as [`get`](Self::get).
    pub fn put(&self, path: impl AsRef<str>) -> HttpRequest {
        self.request(Method::PUT, path)
    }

    /// A `PATCH`, as [`get`](Self::get), and sent once as a [`post`](Self::post).
    pub fn patch(&self, path: impl AsRef<str>) -> HttpRequest {
        self.request(Method::PATCH, path)
    }

    /// A `DELETE`, as [`get`](Self::get).
    pub fn delete(&self, path: impl AsRef<str>) -> HttpRequest {
        self.request(Method::DELETE, path)
    }

    /// A request of any method, as [`get`](Self::get).
    pub fn request(&self, method: Method, path: impl AsRef<str>) -> HttpRequest {
        HttpRequest::new(self.clone(), method, self.inner.settings.base.at(path.as_ref()))
    }

    /// The same client for code that is not async.
    pub fn blocking(&self) -> BlockingHttpClient {
        BlockingHttpClient::of(self.clone())
    }

    /// Whether `path`, or the base, answers to `method`.
    #[cfg(feature = "s3")]
    pub(crate) async fn check_by(&self, method: Method, path: Option<&str>) -> CheckReport {
        self.inner.check_by(method, path).await
    }

    /// Whether the server answers, asked past every layer, within 2 s: what
    /// [`health_path`](HttpClientBuilder::health_path) says, or the base URL. Redirects are not followed.
    pub async fn health_check(&self) -> CheckReport {
        self.inner.check(self.inner.settings.health_path.as_deref()).await
    }

    /// Whether `path` answers with a `2xx`, as [`health_check`](Self::health_check).
    pub async fn health_check_at(&self, path: impl AsRef<str>) -> CheckReport {
        self.inner.check(Some(path.as_ref())).await
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient")
            .field("name", &self.inner.settings.name)
            .field("base", &self.inner.settings.base)
            .finish_non_exhaustive()
    }
}
