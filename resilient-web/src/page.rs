//! The dashboard: one page that needs nothing from elsewhere and runs nothing but its own script.

use std::sync::LazyLock;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::answer;

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");
const HTML: &str = include_str!("page/page.html");

struct Page {
    html: String,
    policy: HeaderValue,
    tag: HeaderValue,
}

static PAGE: LazyLock<Page> = LazyLock::new(|| {
    let (style, script) = (hash(STYLE), hash(SCRIPT));
    let html = HTML.replace("/*style*/", STYLE).replace("/*script*/", SCRIPT);
    let policy = format!(
        "default-src 'none'; script-src '{script}'; style-src '{style}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    );
    let tag = format!("\"{}\"", hash(&html));
    let value =
        |text: String| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    Page { policy: value(policy), tag: value(tag), html }
});

fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// `GET /resilience/`.
pub(crate) async fn page(request: Request) -> Response {
    let Page { html, policy, tag } = &*PAGE;
    let mut response = if request.headers().get(header::IF_NONE_MATCH) == Some(tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        answer::typed(StatusCode::OK, "text/html; charset=utf-8", html.clone().into())
    };
    let headers = response.headers_mut();
    answer::harden(headers);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::ETAG, tag.clone());
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    let same_origin = HeaderValue::from_static("same-origin");
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), same_origin.clone());
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), same_origin);
    response
}

/// `GET /resilience`: its links are relative to the folder.
pub(crate) async fn folder() -> Response {
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, "resilience/")]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_the_script_and_the_style_as_they_are_in_the_page() {
        let Page { html, policy, .. } = &*PAGE;
        let policy = policy.to_str().unwrap();
        for (begin, end) in [("<script>", "</script>"), ("<style>", "</style>")] {
            let parts: Vec<_> = html.split(begin).collect();
            assert_eq!(parts.len(), 2, "one {begin}");
            let (inline, _) = parts[1].split_once(end).unwrap();
            assert!(policy.contains(&format!("'{}'", hash(inline))), "{begin}");
        }
        assert!(!policy.contains("unsafe") && policy.starts_with("default-src 'none';"));
    }

    #[test]
    fn the_page_asks_for_nothing_from_elsewhere_and_makes_no_markup_of_texts() {
        let Page { html, .. } = &*PAGE;
        for word in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"]
        {
            assert!(!html.contains(word), "{word}");
        }
        let elsewhere = html.replace("http://www.w3.org/2000/svg", "");
        for word in ["http://", "https://", "src=", "@import", "url(", " onclick", " onload", " style="] {
            assert!(!elsewhere.contains(word), "{word}");
        }
    }
}
