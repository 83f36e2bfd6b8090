//! An HTTP client in the library's layers.

mod blocking;
mod body;
mod builder;
mod call;
mod chunks;
mod client;
mod error;
mod redirect;
mod request;
mod response;
mod retry_after;
mod target;
mod tls;

pub use blocking::BlockingHttpClient;
pub use builder::HttpClientBuilder;
#[cfg(feature = "s3")]
pub(crate) use call::Check;
#[cfg(feature = "s3")]
pub(crate) use chunks::{BoxError, Chunks, chunks};
pub use client::{HttpClient, http_client};
pub use error::HttpError;
pub use request::HttpRequest;
pub use response::HttpResponse;

/// For tests.
#[cfg(test)]
pub(crate) fn headers(pairs: &[(&'static str, &str)]) -> ::http::HeaderMap {
    let header = |(name, value): &(&'static str, &str)| {
        (::http::HeaderName::from_static(name), value.parse().unwrap())
    };
    pairs.iter().map(header).collect()
}
