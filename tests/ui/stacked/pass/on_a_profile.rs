#![deny(warnings)]

use resilient::{api_resilient, circuit_breaker, track_service_health};

#[track_service_health("pages")]
#[api_resilient(operation_name = "fetch", max_attempts = 2)]
#[circuit_breaker(name = "pages", failure_threshold = 3)]
async fn fetch(page: &str) -> std::io::Result<usize> {
    Ok(page.len())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(fetch("page").await.unwrap(), 4);
    assert!(resilient::breaker("pages").is_ok());
}
