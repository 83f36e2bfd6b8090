use resilient::{circuit_breaker, retry_with_backoff, track_service_health};

#[retry_with_backoff]
#[circuit_breaker(name = "database")]
#[track_service_health("database")]
async fn query() -> u32 {
    1
}

fn main() {
    drop(query());
}
