#![deny(warnings)]

use resilient::{retry_with_backoff, with_timeout};

/// Fetches.
#[inline]
#[retry_with_backoff(max_retries = 1)]
#[must_use]
#[resilient::circuit_breaker(name = "pages")]
#[allow(unused_variables)]
#[with_timeout(5)]
#[::resilient::track_service_health("pages")]
/// More words.
async fn fetch(page: &str, unused: u32) -> std::io::Result<usize> {
    Ok(page.len())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(fetch("page", 1).await.unwrap(), 4);
}
