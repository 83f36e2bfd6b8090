//! A refusal as an answer.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use resilient_runtime::{ErrorKind, ResilienceError};

use crate::answer::Trouble;

/// When a place or a thread may be free again: nobody knows, but not at once.
const SOON: Duration = Duration::from_secs(1);

/// Any error of a handler, as an answer: what the library refused or cut off becomes 503, 504 or 429 with `Retry-After`,
/// anything else 500.
///
/// `?` makes it of every error. The [`ResilienceError`] is found however it is wrapped. The body is a small
/// `application/problem+json` with fixed sentences: neither the error's text nor a name of the program's is in it.
///
/// | what happened | status | `Retry-After` |
/// |---|---|---|
/// | the breaker is open | 503 | when it lets a probe through |
/// | the breaker is forced open | 503 | - |
/// | the bulkhead is full, no worker thread is free | 503 | 1 s |
/// | the rate limiter has no permit | 429 | when there is one |
/// | a time limit or deadline passed | 504 | - |
/// | the attempts are exhausted (`exhausted = "wrap"`), by a time limit | 503, 504 | - |
/// | anything else | 500 | - |
///
/// The trap: the answer says nothing of the error, so whoever wants to log it takes it from the answer's extensions,
/// where it is as an `Arc<WebError>`.
///
/// ```
/// # use resilient_runtime as resilient;
/// # use resilient_web as web;
/// use axum::response::IntoResponse;
/// use resilient::ResilienceError;
/// use web::WebError;
///
/// async fn handler() -> Result<String, WebError> {
///     let answer: Result<String, std::io::Error> = Err(ResilienceError::Isolated { name: "db" }.into());
///     Ok(answer?)
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(handler().await.into_response().status(), 503);
/// # }
/// ```
pub struct WebError(Box<dyn StdError + Send + Sync>);

impl WebError {
    /// The error itself.
    pub fn get(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.0
    }
}

impl<E: Into<Box<dyn StdError + Send + Sync>>> From<E> for WebError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Debug for WebError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for WebError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        let mut response = refusal(&*self.0).unwrap_or_else(|| {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Trouble::new(status, "error", "Something went wrong here").into_response()
        });
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// The answer to a call that the library refused or cut off; `None` where `error` is something else.
///
/// It is [`WebError`]'s, for an error type that has an `IntoResponse` of its own.
///
/// The trap: thiserror's `#[error(transparent)]` hides the error it holds, and what is hidden is not found; write
/// `#[error("{0}")]`.
///
/// ```
/// # use resilient_runtime as resilient;
/// # use resilient_web as web;
/// use axum::http::StatusCode;
/// use axum::response::{IntoResponse, Response};
/// use resilient::ResilienceError;
///
/// #[derive(Debug, thiserror::Error)]
/// enum ShopError {
///     #[error("no such order")]
///     NoSuchOrder,
///     #[error("{0}")]
///     Refused(#[from] ResilienceError),
/// }
///
/// impl IntoResponse for ShopError {
///     fn into_response(self) -> Response {
///         match self {
///             Self::NoSuchOrder => StatusCode::NOT_FOUND.into_response(),
///             refused => web::refusal(&refused).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR.into_response()),
///         }
///     }
/// }
/// # assert_eq!(ShopError::from(ResilienceError::Isolated { name: "db" }).into_response().status(), 503);
/// ```
pub fn refusal(error: &(dyn StdError + 'static)) -> Option<Response> {
    ResilienceError::find(error).map(|refused| trouble_of(refused).into_response())
}

fn trouble_of(refused: &ResilienceError) -> Trouble<'static> {
    const AWAY: (StatusCode, &str) =
        (StatusCode::SERVICE_UNAVAILABLE, "Something this service depends on is not available");
    const BUSY: (StatusCode, &str) = (StatusCode::SERVICE_UNAVAILABLE, "The service is busy");
    const LATE: (StatusCode, &str) = (StatusCode::GATEWAY_TIMEOUT, "The answer took too long");
    let kind = refused.kind();
    let ((status, title), retry_after) = match kind {
        ErrorKind::CircuitOpen => (AWAY, refused.retry_after()),
        ErrorKind::RateLimited => {
            ((StatusCode::TOO_MANY_REQUESTS, "Too many requests"), refused.retry_after())
        }
        ErrorKind::BulkheadFull | ErrorKind::QueueTimeout => (BUSY, Some(SOON)),
        ErrorKind::Timeout | ErrorKind::DeadlineExceeded => (LATE, None),
        ErrorKind::RetriesExhausted => {
            let last = refused.source().and_then(|source| ResilienceError::find(source));
            let was_late = last.is_some_and(|last| last.is_timeout() || last.is_deadline_exceeded());
            (if was_late { LATE } else { AWAY }, None)
        }
        _ => (AWAY, None),
    };
    Trouble::new(status, kind.as_str(), title).retry_after(retry_after)
}

/// The answer to a request whose time was over when it came.
pub(crate) fn too_late() -> Response {
    trouble_of(&ResilienceError::DeadlineExceeded { operation: "request", limit: None }).into_response()
}

#[cfg(test)]
mod tests {
    use std::io;

    use axum::body::to_bytes;
    use axum::http::header;
    use resilient_runtime::TripReason;

    use super::*;

    fn second() -> Duration {
        Duration::from_secs(1)
    }

    #[tokio::test]
    async fn each_refusal_has_its_status_and_says_when_to_come_back() {
        let (name, operation, elapsed) = ("hunter2", "hunter2", second());
        let millis = Duration::from_millis;
        let reason = TripReason::ConsecutiveFailures(3);
        let timeout = || ResilienceError::Timeout { operation, limit: second(), elapsed };
        let exhausted = |source: ResilienceError| ResilienceError::RetriesExhausted {
            operation,
            attempts: 3,
            source: source.into(),
        };
        for (refused, status, kind, retry_after) in [
            (
                ResilienceError::CircuitOpen { name, retry_after: millis(12_400), reason },
                503,
                "circuit_open",
                Some("13"),
            ),
            (
                ResilienceError::CircuitOpen { name, retry_after: Duration::ZERO, reason },
                503,
                "circuit_open",
                Some("1"),
            ),
            (ResilienceError::Isolated { name }, 503, "isolated", None),
            (
                ResilienceError::BulkheadFull { name, max_concurrent: 1, waiting: 0, waited: elapsed },
                503,
                "bulkhead_full",
                Some("1"),
            ),
            (ResilienceError::QueueTimeout { operation, workers: 1 }, 503, "queue_timeout", Some("1")),
            (ResilienceError::RateLimited { name, retry_after: millis(1) }, 429, "rate_limited", Some("1")),
            (timeout(), 504, "timeout", None),
            (ResilienceError::DeadlineExceeded { operation, limit: None }, 504, "deadline_exceeded", None),
            (exhausted(timeout()), 504, "retries_exhausted", None),
            (exhausted(ResilienceError::Isolated { name }), 503, "retries_exhausted", None),
        ] {
            // However it is wrapped.
            let response = WebError::from(io::Error::from(refused)).into_response();
            assert_eq!(response.status(), status);
            let header = response.headers().get(header::RETRY_AFTER);
            assert_eq!(header.map(|value| value.to_str().unwrap()), retry_after, "{kind}");
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
            let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
            let body = String::from_utf8(body.to_vec()).unwrap();
            assert!(body.contains(&format!(r#""kind":"{kind}""#)), "{body}");
            assert!(!body.contains("hunter2"), "{body}");
        }
    }

    #[tokio::test]
    async fn another_error_is_500_says_nothing_and_can_be_logged() {
        let error = io::Error::other("password hunter2 was refused");
        assert!(refusal(&error).is_none());
        let response = WebError::from(error).into_response();
        assert_eq!(response.status(), 500);
        let logged = response.extensions().get::<Arc<WebError>>().unwrap();
        assert_eq!(logged.get().to_string(), "password hunter2 was refused");
        let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("hunter2"));
    }
}
