#![deny(unused_imports)]

mod inner {
    use resilient::{circuit_breaker, retry_with_backoff as again, with_timeout};

    #[again(max_retries = 1)]
    #[circuit_breaker(name = "pages")]
    #[with_timeout(5)]
    pub(crate) async fn fetch() -> std::io::Result<u32> {
        Ok(1)
    }
}

mod globs {
    use resilient::*;

    #[retry_with_backoff(max_retries = 1)]
    #[circuit_breaker(name = "other_pages")]
    pub(crate) fn fetch() -> std::io::Result<u32> {
        Ok(1)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(inner::fetch().await.unwrap() + globs::fetch().unwrap(), 2);
}
