//! Answers as this crate gives them: JSON that nobody caches and nobody takes for something else.

use std::time::Duration;

use axum::http::header::{self, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// JSON of `body`.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    typed(status, "application/json", serde_json::to_vec(body).unwrap_or_default())
}

/// Any text.
pub(crate) fn typed(status: StatusCode, media_type: &'static str, body: Vec<u8>) -> Response {
    let mut response = (status, body).into_response();
    harden(response.headers_mut());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// What every answer says.
pub(crate) fn harden(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// What went wrong, as RFC 9457 has it.
#[derive(Debug, Serialize)]
pub(crate) struct Trouble<'a> {
    status: u16,
    title: &'a str,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

impl<'a> Trouble<'a> {
    pub(crate) fn new(status: StatusCode, kind: &'a str, title: &'a str) -> Self {
        Self { status: status.as_u16(), title, kind, detail: None, retry_after: None }
    }

    pub(crate) fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// Whole seconds, at least one: `Retry-After` knows no less, and 0 asks for a storm.
    pub(crate) fn retry_after(self, span: Option<Duration>) -> Self {
        let seconds = span.map(|span| span.as_secs() + u64::from(span.subsec_nanos() > 0));
        Self { retry_after: seconds.map(|seconds| seconds.max(1)), ..self }
    }
}

impl IntoResponse for Trouble<'_> {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = typed(status, "application/problem+json", body);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
