//! An answer, whole.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::error::HttpError;
use super::retry_after::retry_after;

/// An answer whose body is here already: it was read inside the attempt's time limit, up to
/// [`max_response_size`](super::HttpClientBuilder::max_response_size).
///
/// The trap: `Debug` shows the request, the status and the body's length, and neither headers nor body, which may hold
/// what is secret.
#[derive(Clone)]
pub struct HttpResponse {
    pub(super) request: Box<str>,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// It is an error that may pass, whatever its status.
    pub(crate) may_pass: bool,
}

impl HttpResponse {
    /// The request's method and address, without its query; after redirects those of the last one.
    pub fn request(&self) -> &str {
        &self.request
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The value of a header, where it is there and is text; of several the first.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body.
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// The body, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.body
    }

    /// The body as text.
    ///
    /// # Errors
    ///
    /// [`HttpError::Undecodable`] where it is not UTF-8.
    pub fn text(&self) -> Result<&str, HttpError> {
        std::str::from_utf8(&self.body).map_err(|error| {
            self.undecodable(format!("UTF-8: there is another byte after {}", error.valid_up_to()))
        })
    }

    /// The body, read as JSON.
    ///
    /// # Errors
    ///
    /// [`HttpError::Undecodable`] where it is no JSON, or not that of a `T`; it says in which line and column.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // Its own text cites what was found.
            let wanted = if error.is_data() { "the JSON of what was asked for" } else { "JSON" };
            self.undecodable(format!("{wanted}: line {}, column {}", error.line(), error.column()))
        })
    }

    /// How long the server asks to be left alone, by `Retry-After`.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers)
    }

    fn undecodable(&self, wanted: String) -> HttpError {
        HttpError::Undecodable { request: self.request.clone(), wanted: wanted.into() }
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("request", &self.request)
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
