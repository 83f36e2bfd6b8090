//! A request as it is put together.

use std::error::Error as StdError;
use std::fmt;

use bytes::Bytes;
use futures_core::Stream;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use serde::Serialize;

use super::body::Payload;
use super::builder::header;
use super::call::{Call, Check, Repeats};
use super::client::HttpClient;
use super::error::HttpError;
use super::response::HttpResponse;
use super::target::{Credentials, Target};
use super::tls;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request of an [`HttpClient`] or a [`BlockingHttpClient`](super::BlockingHttpClient), not sent yet.
///
/// What is wrong with it is told by `send`.
#[must_use = "nothing is sent until `send`"]
pub struct HttpRequest<C = HttpClient> {
    client: C,
    method: Method,
    target: Result<Target, HttpError>,
    headers: HeaderMap,
    payload: Payload,
    repeats: Option<Repeats>,
    check: Option<Check>,
    problem: Option<HttpError>,
}

impl<C> HttpRequest<C> {
    pub(super) fn new(client: C, method: Method, target: Result<Target, HttpError>) -> Self {
        let (headers, payload) = (HeaderMap::new(), Payload::none());
        Self { client, method, target, headers, payload, repeats: None, check: None, problem: None }
    }

    /// One more pair of the URL's query.
    pub fn query(mut self, name: impl AsRef<str>, value: impl fmt::Display) -> Self {
        if let Ok(target) = &mut self.target {
            target.url.query_pairs_mut().append_pair(name.as_ref(), &value.to_string());
        }
        self
    }

    /// A header; one that was said before is replaced.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        match header(name.as_ref(), value.as_ref()) {
            Ok((name, value)) => drop(self.headers.insert(name, value)),
            Err(problem) => self.problem = Some(problem),
        }
        self
    }

    /// A token, as `Authorization: Bearer ..`.
    pub fn bearer_auth(mut self, token: impl fmt::Display) -> Self {
        match HeaderValue::try_from(format!("Bearer {token}")) {
            Ok(mut value) => {
                value.set_sensitive(true);
                self.headers.insert(AUTHORIZATION, value);
            }
            Err(_) => self.problem = Some(HttpError::invalid("the token has letters that it may not have")),
        }
        self
    }

    /// User and password, as `Authorization: Basic ..`.
    pub fn basic_auth(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        if let Ok(target) = &mut self.target {
            target.credentials = Some(Credentials { user: user.into(), password: Some(password.into()) });
        }
        self
    }

    /// The body. It is kept so that it can be sent again.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.payload = Payload::Whole(body.into());
        self
    }

    /// The body as JSON, with `Content-Type: application/json`.
    pub fn json<T: Serialize + ?Sized>(mut self, body: &T) -> Self {
        if let Ok(json) = serde_json::to_vec(body) {
            self.headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            self.body(json)
        } else {
            self.problem = Some(HttpError::invalid("the body cannot be written as JSON"));
            self
        }
    }

    /// The body as a stream, which is not kept.
    ///
    /// The trap: it can be sent once, so the request is never tried again, whatever its method and key.
    pub fn stream<S, E>(mut self, body: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        self.payload = Payload::once(body);
        self
    }

    /// The key by which the server knows a request that it has seen: the same in every attempt, sent as
    /// `Idempotency-Key`. With it `POST` and `PATCH` are tried again as any other.
    ///
    /// The trap: only for servers that heed it. To any other it is a promise of yours that twice is as good as once.
    pub fn idempotency_key(self, key: impl AsRef<str>) -> Self {
        self.header(IDEMPOTENCY_KEY, key)
    }

    /// An [`idempotency_key`](Self::idempotency_key) made of 128 random bits, unless there is one.
    pub fn idempotent(mut self) -> Self {
        if self.headers.contains_key(IDEMPOTENCY_KEY) {
            return self;
        }
        match tls::random() {
            Ok(random) => self.idempotency_key(uuid(random)),
            Err(problem) => {
                self.problem = Some(problem);
                self
            }
        }
    }

    /// To send it twice is to send it once, whatever its method.
    #[cfg(feature = "s3")]
    pub(crate) fn repeatable(mut self) -> Self {
        self.repeats = Some(Repeats::Always);
        self
    }

    #[cfg(feature = "s3")]
    pub(crate) fn checked(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }

    pub(super) fn into_call(self) -> Result<(C, Call), HttpError> {
        let Self { client, method, target, headers, payload, repeats, check, problem } = self;
        if let Some(problem) = problem {
            return Err(problem);
        }
        let by_method = match payload {
            Payload::Once(_) => Repeats::Never,
            Payload::Whole(_) if method.is_idempotent() || headers.contains_key(IDEMPOTENCY_KEY) => {
                Repeats::Always
            }
            Payload::Whole(_) => Repeats::IfUnsent,
        };
        let repeats = repeats.unwrap_or(by_method);
        Ok((client, Call { method, target: target?, headers, payload, repeats, check }))
    }
}

impl HttpRequest {
    /// Sends it, as often as the layers say.
    ///
    /// Dropped, it is over: the connection is closed, and a slot in a bulkhead is given back.
    ///
    /// # Errors
    ///
    /// The last attempt's [`HttpError`], or a layer's refusal.
    pub async fn send(self) -> Result<HttpResponse, HttpError> {
        let (client, call) = self.into_call()?;
        client.inner.execute(call).await
    }
}

impl<C> fmt::Debug for HttpRequest<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("target", &self.target)
            .field("body", &self.payload)
            .finish_non_exhaustive()
    }
}

/// Version 4 of RFC 9562.
fn uuid(random: [u8; 16]) -> String {
    let bits = u128::from_be_bytes(random) & !(0xf << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_is_a_uuid_of_version_4_and_no_other() {
        let keys: std::collections::HashSet<_> = (0..1000).map(|_| uuid(tls::random().unwrap())).collect();
        assert_eq!(keys.len(), 1000);
        for key in keys {
            assert_eq!((key.len(), &key[14..15]), (36, "4"), "{key}");
            assert!("89ab".contains(&key[19..20]), "{key}");
        }
    }
}
