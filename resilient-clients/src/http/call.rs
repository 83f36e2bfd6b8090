//! One request, as often as it has to be sent.

use std::error::Error as StdError;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use http::header::HeaderValue;
use http::{HeaderMap, Method};
use resilient_runtime::Deadline;

use super::body::Payload;
use super::client::Inner;
use super::error::HttpError;
use super::redirect;
use super::response::HttpResponse;
use super::target::Target;

/// Looks at what an attempt came to, inside of it: what is refused here counts and is tried again as any other.
pub(crate) type Check =
    Arc<dyn Fn(Result<HttpResponse, HttpError>) -> Result<HttpResponse, HttpError> + Send + Sync>;

/// How much of the body is kept of an answer that is an error.
const MAX_ERROR_SIZE: usize = 64 << 10;

/// A request, ready to be sent.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) headers: HeaderMap,
    pub(super) payload: Payload,
    pub(super) repeats: Repeats,
    pub(super) check: Option<Check>,
}

/// After which failures a request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeats {
    /// After any: to send it twice is to send it once.
    Always,
    /// After those that left it unsent.
    IfUnsent,
    /// After none: its body is gone.
    Never,
}

impl Inner {
    /// The answer to `call`, or to where its answers redirect it: each host behind its own breaker, all of them under the
    /// deadline of the first.
    pub(super) async fn execute(&self, mut call: Call) -> Result<HttpResponse, HttpError> {
        let deadline = OnceLock::new();
        for followed in 0.. {
            let operation = self.operation(call.repeats).for_key(call.target.host());
            let attempts = operation.call_async(|| self.attempt(&call, &deadline));
            let answer = match deadline.get().cloned() {
                Some(deadline) => Deadline::attach_to(&deadline, attempts).await,
                None => attempts.await,
            };
            let response = answer.map_err(|error: HttpError| error.at(call.target.host()))?;
            let Some(next) = redirect::next(&response, &call, followed, self.settings.redirects)? else {
                return Ok(response);
            };
            call = next;
        }
        unreachable!("redirects are counted")
    }

    async fn attempt(&self, call: &Call, around: &OnceLock<Deadline>) -> Result<HttpResponse, HttpError> {
        let Call { method, target, headers, payload, .. } = call;
        let mut request = self.transport.request(method.clone(), target.url.clone());
        if target.origin() == self.settings.base.origin() {
            request = request.headers(self.settings.headers.clone());
        }
        if let Some(known) = &target.credentials {
            request = request.basic_auth(&known.user, known.password.as_ref());
        }
        request = request.headers(headers.clone());
        if let Some(deadline) = Deadline::current() {
            if let Some(name) = &self.settings.deadline_header {
                request = request.header(name, HeaderValue::from(deadline.as_millis()));
            }
            let _ = around.set(deadline);
        }
        let Some(body) = payload.taken() else {
            return Err(HttpError::invalid("its body is a stream, which was sent before"));
        };
        if !payload.is_empty() {
            request = request.body(body);
        }
        let name = target.shown(method);
        let answer = request.send().await.map_err(|error| unanswered(&name, error))?;
        let read = self.read(name, method, answer).await;
        match &call.check {
            Some(check) => check(read),
            None => read,
        }
    }

    async fn read(
        &self,
        request: Box<str>,
        method: &Method,
        mut answer: reqwest::Response,
    ) -> Result<HttpResponse, HttpError> {
        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        let is_error = status.is_client_error() || status.is_server_error();
        let limit = if is_error { MAX_ERROR_SIZE } else { self.settings.max_response_size };
        let announced = answer.content_length().filter(|_| method != Method::HEAD).unwrap_or(0);
        let body = match usize::try_from(announced) {
            Ok(announced) if announced <= limit || is_error => {
                body(&request, &mut answer, announced, limit).await
            }
            _ => Err(HttpError::TooLarge { request: request.clone(), limit }),
        };
        // The status says more than what is wrong with the text that explains it.
        let body = if is_error { body.unwrap_or_default() } else { body? };
        let response = HttpResponse { request, status, headers, body, may_pass: false };
        if is_error { Err(HttpError::Status(Box::new(response))) } else { Ok(response) }
    }
}

async fn body(
    request: &str,
    answer: &mut reqwest::Response,
    announced: usize,
    limit: usize,
) -> Result<Bytes, HttpError> {
    // What is announced need not come.
    let mut body = BytesMut::with_capacity(announced.min(limit).min(1 << 20));
    loop {
        let chunk = answer.chunk().await.map_err(|error| HttpError::BrokenOff {
            request: request.into(),
            received: body.len(),
            source: error.without_url().into(),
        })?;
        let Some(chunk) = chunk else { return Ok(body.freeze()) };
        if chunk.len() > limit - body.len() {
            return Err(HttpError::TooLarge { request: request.into(), limit });
        }
        body.extend_from_slice(&chunk);
    }
}

/// Why there is no answer at all.
fn unanswered(request: &str, error: reqwest::Error) -> HttpError {
    let request = request.into();
    if error.is_builder() {
        return HttpError::invalid("a header or the URL is none that can be sent");
    }
    let is_unsent = error.is_connect();
    let source: Box<dyn StdError + Send + Sync> = error.without_url().into();
    if is_unsent {
        HttpError::NotConnected { request, source }
    } else {
        HttpError::Disconnected { request, source }
    }
}
