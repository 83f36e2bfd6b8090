//! Where an answer says that the answer is.

use http::header::{
    ACCEPT, ACCEPT_LANGUAGE, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, USER_AGENT,
};
use http::{HeaderMap, HeaderName, Method, StatusCode};

use super::body::Payload;
use super::call::{Call, Repeats};
use super::error::HttpError;
use super::response::HttpResponse;
use super::target::Target;

/// What another host may be told; everything else may be a secret of the first.
const HARMLESS: [HeaderName; 4] = [ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, USER_AGENT];

/// The request that `response` leads to, unless it is the answer itself.
pub(super) fn next(
    response: &HttpResponse,
    call: &Call,
    followed: u32,
    at_most: u32,
) -> Result<Option<Call>, HttpError> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let Some(location) = response.headers().get(LOCATION).filter(|_| is_redirect && at_most > 0) else {
        return Ok(None);
    };
    let refuse = |why| Err(HttpError::Redirect { request: response.request().into(), why });
    if followed >= at_most {
        return refuse("there were too many before");
    }
    let joined = location.to_str().ok().and_then(|location| call.target.url.join(location).ok());
    let Some(target) = joined.and_then(|url| Target::of(url).ok()) else {
        return refuse("it leads to no URL of HTTP");
    };
    if call.target.url.scheme() == "https" && target.url.scheme() != "https" {
        return refuse("it leads from HTTPS to HTTP");
    }
    let is_here = target.origin() == call.target.origin();
    let becomes_get = match response.status() {
        StatusCode::SEE_OTHER => call.method != Method::HEAD,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => call.method == Method::POST,
        _ => false,
    };
    let mut headers = call.headers.clone();
    if !is_here {
        headers = kept(&headers);
    }
    if becomes_get {
        for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING] {
            headers.remove(name);
        }
        let (method, payload) = (Method::GET, Payload::none());
        let target = credited(target, call, is_here);
        return Ok(Some(Call {
            method,
            target,
            headers,
            payload,
            repeats: Repeats::Always,
            check: call.check.clone(),
        }));
    }
    if call.repeats == Repeats::Never {
        return refuse("its body was a stream, which is sent once");
    }
    if !is_here && !call.payload.is_empty() {
        return refuse("it would send the body to another host");
    }
    let target = credited(target, call, is_here);
    let (method, payload) = (call.method.clone(), call.payload.clone());
    Ok(Some(Call { method, target, headers, payload, repeats: call.repeats, check: call.check.clone() }))
}

/// The same server is told again who asks; another is told only what the redirect itself says.
fn credited(target: Target, call: &Call, is_here: bool) -> Target {
    let credentials = if is_here { call.target.credentials.clone() } else { None };
    Target { credentials, ..target }
}

fn kept(headers: &HeaderMap) -> HeaderMap {
    headers
        .iter()
        .filter(|(name, _)| HARMLESS.contains(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
