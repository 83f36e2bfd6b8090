//! The HTTP client for code that is not async.

use std::sync::Arc;

use http::Method;
use resilient_runtime::CheckReport;

use super::client::HttpClient;
use super::error::HttpError;
use super::request::HttpRequest;
use super::response::HttpResponse;
use crate::blocking::wait;

/// The [`HttpClient`] for code that is not async: the same requests, layers and errors.
///
/// The work is done on one thread, which all blocking clients of the process share; the deadline, the span and the test
/// scope around a call go with it.
///
/// The trap: it may be called on a worker of a tokio runtime, and blocks that worker.
///
/// ```no_run
/// # use resilient_clients as resilient;
/// # fn main() -> Result<(), resilient::HttpError> {
/// let github = resilient::http_client("https://api.github.com")?.blocking();
/// println!("{}", github.get("/zen").send()?.text()?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct BlockingHttpClient {
    client: HttpClient,
}

impl BlockingHttpClient {
    pub(super) fn of(client: HttpClient) -> Self {
        Self { client }
    }

    /// As [`HttpClient::get`].
    pub fn get(&self, path: impl AsRef<str>) -> HttpRequest<Self> {
        self.request(Method::GET, path)
    }

    /// As [`HttpClient::post`].
    pub fn post(&self, path: impl AsRef<str>) -> HttpRequest<Self> {
        self.request(Method::POST, path)
    }

    /// As [`HttpClient::put`].
    pub fn put(&self, path: impl AsRef<str>) -> HttpRequest<Self> {
        self.request(Method::PUT, path)
    }

    /// As [`HttpClient::patch`].
    pub fn patch(&self, path: impl AsRef<str>) -> HttpRequest<Self> {
        self.request(Method::PATCH, path)
    }

    /// As [`HttpClient::delete`].
    pub fn delete(&self, path: impl AsRef<str>) -> HttpRequest<Self> {
        self.request(Method::DELETE, path)
    }

    /// As [`HttpClient::request`].
    pub fn request(&self, method: Method, path: impl AsRef<str>) -> HttpRequest<Self> {
        HttpRequest::new(self.clone(), method, self.client.inner.settings.base.at(path.as_ref()))
    }

    /// As [`HttpClient::health_check`].
    pub fn health_check(&self) -> CheckReport {
        let client = self.client.clone();
        checked(wait(async move { client.health_check().await }))
    }

    /// As [`HttpClient::health_check_at`].
    pub fn health_check_at(&self, path: impl AsRef<str>) -> CheckReport {
        let (client, path) = (self.client.clone(), path.as_ref().to_owned());
        checked(wait(async move { client.health_check_at(path).await }))
    }
}

fn checked(report: Result<CheckReport, crate::blocking::Unable>) -> CheckReport {
    report.unwrap_or_else(|unable| CheckReport::unhealthy(unable.to_string()))
}

impl HttpRequest<BlockingHttpClient> {
    /// Sends it, as often as the layers say, and waits for the answer.
    ///
    /// # Errors
    ///
    /// As of [`HttpRequest::send`] in async code.
    pub fn send(self) -> Result<HttpResponse, HttpError> {
        let (BlockingHttpClient { client }, call) = self.into_call()?;
        let inner = Arc::clone(&client.inner);
        wait(async move { inner.execute(call).await }).map_err(HttpError::invalid)?
    }
}
