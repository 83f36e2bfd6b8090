use resilient::{circuit_breaker, retry_with_backoff, track_service_health, with_timeout};

#[retry_with_backoff(max_retry = 3)]
#[circuit_breaker(name = "data base")]
#[with_timeout(seconds = 0)]
#[track_service_health]
async fn query() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(query());
}
