//! What can go wrong with a request, and whether asking again may help.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use http::StatusCode;
use resilient_runtime::{Class, Classify, ConfigErrors, ResilienceError};
use thiserror::Error;

use super::response::HttpResponse;

/// Why a request has no good answer.
///
/// What counts as a failure and is tried again: no connection, a connection that breaks, an answer that breaks off, a time
/// limit, `408`, `425`, `429` and every `5xx`; `Retry-After` is the least wait. A certificate that is not trusted and a
/// redirect that is not followed count and are not tried again. Every other `4xx` is the caller's own and counts as none.
///
/// The trap: neither the text nor `Debug` holds a query, a password, a header or a body, so both may be logged. A path is
/// shown: what is secret does not belong there.
///
/// ```
/// # use resilient_clients as resilient;
/// use resilient::HttpError;
///
/// fn is_missing(error: &HttpError) -> bool {
///     error.status().is_some_and(|status| status == 404)
/// }
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HttpError {
    /// A layer refused the call, or cut it off at its time limit.
    #[error("{}{source}", At(.host))]
    Refused {
        /// The host whose breaker it was, with its port where that is not the scheme's; `None` outside of a request.
        host: Option<Box<str>>,
        /// What the layer says.
        source: ResilienceError,
    },
    /// An answer of `4xx` or `5xx`, its headers and body included.
    #[error("{} answered {}{}", .0.request(), .0.status(), ComeBack(.0.retry_after()))]
    Status(Box<HttpResponse>),
    /// There was no connection, so nothing was sent.
    #[error("{request} found no connection: {}", Cause(&**source))]
    NotConnected {
        /// Its method and address.
        request: Box<str>,
        /// What the system or TLS says.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The connection broke before there was an answer; whether the request arrived is not known.
    #[error("{request} was cut off before its answer: {}", Cause(&**source))]
    Disconnected {
        /// Its method and address.
        request: Box<str>,
        /// What the system says.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The answer broke off.
    #[error("the answer to {request} broke off after {received} bytes: {}", Cause(&**source))]
    BrokenOff {
        /// The request's method and address.
        request: Box<str>,
        /// How much of the body had come.
        received: usize,
        /// What the system says.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The answer arrived whole, and is not what was sent.
    #[error("the answer to {request} is damaged: {why}")]
    Damaged {
        /// The request's method and address.
        request: Box<str>,
        /// What does not match.
        why: &'static str,
    },
    /// The answer is larger than [`max_response_size`](super::HttpClientBuilder::max_response_size) lets it be.
    #[error("the answer to {request} is larger than {limit} bytes; `max_response_size` allows more")]
    TooLarge {
        /// The request's method and address.
        request: Box<str>,
        /// In bytes.
        limit: usize,
    },
    /// A redirect that is not followed.
    #[error("{request} was redirected and not followed: {why}")]
    Redirect {
        /// Its method and address.
        request: Box<str>,
        /// Why not.
        why: &'static str,
    },
    /// The body of an answer is not what was asked for.
    #[error("the answer to {request} is not {wanted}")]
    Undecodable {
        /// The request's method and address.
        request: Box<str>,
        /// What was asked for, and where the body differs; no piece of it.
        wanted: Box<str>,
    },
    /// The request cannot be made from what was said. Nothing was sent.
    #[error("no request can be made: {0}")]
    Invalid(Box<str>),
    /// The layers cannot be made from what was said of them.
    #[error(transparent)]
    Misconfigured(#[from] ConfigErrors),
}

impl From<ResilienceError> for HttpError {
    fn from(source: ResilienceError) -> Self {
        Self::Refused { host: None, source }
    }
}

impl HttpError {
    pub(super) fn invalid(what: impl fmt::Display) -> Self {
        Self::Invalid(what.to_string().into())
    }

    /// A refusal says of which host.
    pub(super) fn at(self, name: &str) -> Self {
        match self {
            Self::Refused { source, .. } => Self::Refused { host: Some(name.into()), source },
            other => other,
        }
    }

    /// What was answered, where there was an answer.
    pub fn status(&self) -> Option<StatusCode> {
        self.response().map(HttpResponse::status)
    }

    /// The answer, where there was one.
    pub fn response(&self) -> Option<&HttpResponse> {
        match self {
            Self::Status(response) => Some(response),
            _ => None,
        }
    }

    /// Whether the request certainly reached nobody: there was no connection, or a layer refused it.
    pub fn was_never_sent(&self) -> bool {
        match self {
            Self::NotConnected { .. } | Self::Invalid(_) | Self::Misconfigured(_) => true,
            Self::Refused { source, .. } => source.is_rejection(),
            _ => false,
        }
    }

    /// That the other side is not who it says it is does not pass by itself.
    fn is_untrusted(&self) -> bool {
        let Self::NotConnected { source, .. } = self else { return false };
        sources(&**source)
            .any(|error| matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))))
    }
}

/// Whether an answer with that status may be another one later.
fn may_pass(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        )
}

impl Classify for HttpError {
    fn class(&self) -> Class {
        match self {
            Self::Refused { source, .. } => source.class(),
            Self::Status(response) if response.may_pass || may_pass(response.status()) => Class::Transient,
            Self::NotConnected { .. } if self.is_untrusted() => Class::Permanent,
            Self::NotConnected { .. }
            | Self::Disconnected { .. }
            | Self::BrokenOff { .. }
            | Self::Damaged { .. } => Class::Transient,
            Self::Redirect { .. } => Class::Permanent,
            Self::Status(_)
            | Self::TooLarge { .. }
            | Self::Undecodable { .. }
            | Self::Invalid(_)
            | Self::Misconfigured(_) => Class::Caller,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { source, .. } => source.retry_after(),
            Self::Status(response) => response.retry_after(),
            _ => None,
        }
    }
}

/// `error` and its sources, what an `io::Error` wraps included.
fn sources<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|inner| inner as _).or_else(move || error.source())
    })
}

/// What is at the bottom of an error: what the layers above it say is said by ours.
struct Cause<'e>(&'e (dyn StdError + 'static));

impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deepest = sources(self.0).last().unwrap_or(self.0);
        fmt::Display::fmt(deepest, f)
    }
}

struct At<'e>(&'e Option<Box<str>>);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |host| write!(f, "{host}: "))
    }
}

struct ComeBack(Option<Duration>);

impl fmt::Display for ComeBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |wait| write!(f, "; it asks to come back in {} s", wait.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderMap, HeaderValue, RETRY_AFTER};

    use super::*;

    fn status(retry_after: Option<&'static str>) -> HttpError {
        let value = retry_after.map(|value| (RETRY_AFTER, HeaderValue::from_static(value)));
        HttpError::Status(Box::new(HttpResponse {
            request: "GET http://a/b".into(),
            status: StatusCode::SERVICE_UNAVAILABLE,
            headers: HeaderMap::from_iter(value),
            body: bytes::Bytes::new(),
            may_pass: false,
        }))
    }

    fn limited() -> HttpError {
        let retry_after = Duration::from_secs(3);
        HttpError::from(ResilienceError::RateLimited { name: "http", retry_after })
    }

    #[test]
    fn an_error_says_when_to_come_back_where_the_server_or_a_layer_does() {
        assert_eq!(limited().retry_after(), Some(Duration::from_secs(3)));
        assert_eq!(status(Some("7")).retry_after(), Some(Duration::from_secs(7)));
        assert_eq!(status(None).retry_after(), None);
        assert_eq!(HttpError::invalid("no URL").retry_after(), None);
        assert_eq!(
            status(Some("7")).to_string(),
            "GET http://a/b answered 503 Service Unavailable; it asks to come back in 7 s"
        );
        assert_eq!(status(None).to_string(), "GET http://a/b answered 503 Service Unavailable");
    }

    #[test]
    fn what_was_refused_before_it_began_was_never_sent() {
        assert!(limited().was_never_sent());
        assert!(HttpError::invalid("no URL").was_never_sent());
        assert!(!status(None).was_never_sent());
        let (operation, limit) = ("http", Duration::from_secs(1));
        let cut_off = HttpError::from(ResilienceError::Timeout { operation, limit, elapsed: limit });
        assert!(!cut_off.was_never_sent(), "it may have arrived");
    }
}
