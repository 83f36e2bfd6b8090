//! The client side of HTTP: one error type for both clients, and what its values mean.

use std::error::Error;
use std::time::Duration;

use resilient::{Class, Classify, ResilienceError};

/// What calling an API can fail with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("the server answered {status}")]
    Status { status: u16, retry_after: Option<Duration> },
    #[error("{}", root(.0))]
    Reqwest(#[from] reqwest::Error),
    #[error(transparent)]
    Ureq(#[from] ureq::Error),
    /// Where the library's refusals and time-outs go: the one thing a guarded function's error type needs.
    #[error(transparent)]
    Resilience(#[from] ResilienceError),
}

/// Said once, here, and followed by every guarded function that returns this error.
impl Classify for ApiError {
    fn class(&self) -> Class {
        match self {
            Self::Status { status: 429 | 500..=599, .. } | Self::Reqwest(_) | Self::Ureq(_) => {
                Class::Transient
            }
            Self::Status { .. } => Class::Caller,
            Self::Resilience(error) => error.class(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// The async client. Neither client asks the environment for a proxy: everything is on this machine.
pub(crate) fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build()
}

/// The sync client.
pub(crate) fn agent() -> ureq::Agent {
    let config =
        ureq::Agent::config_builder().proxy(None).http_status_as_error(false).max_idle_connections(0);
    config.build().into()
}

/// The body of a good answer, the status of another one.
pub(crate) async fn read(answer: reqwest::Response) -> Result<String, ApiError> {
    let retry_after = answer.headers().get("retry-after").map(reqwest::header::HeaderValue::as_bytes);
    good(answer.status().as_u16(), retry_after)?;
    Ok(answer.text().await?)
}

/// The sync twin of [`read`].
pub(crate) fn read_sync(mut answer: ureq::http::Response<ureq::Body>) -> Result<String, ApiError> {
    let retry_after = answer.headers().get("retry-after").map(ureq::http::HeaderValue::as_bytes);
    good(answer.status().as_u16(), retry_after)?;
    Ok(answer.body_mut().read_to_string()?)
}

fn good(status: u16, retry_after: Option<&[u8]>) -> Result<(), ApiError> {
    let seconds = retry_after.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
    if status < 400 {
        Ok(())
    } else {
        Err(ApiError::Status { status, retry_after: seconds.map(Duration::from_secs) })
    }
}

/// The innermost cause: what a person wants to read first.
fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
