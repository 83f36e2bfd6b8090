use resilient::{circuit_breaker, retry_with_backoff};

#[retry_with_backoff]
#[circuit_breaker(name = "database", max_attempts = 3)]
fn query() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(query());
}
