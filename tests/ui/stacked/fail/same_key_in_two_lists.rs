use resilient::{circuit_breaker, retry_with_backoff};

#[retry_with_backoff(max_attempts = 3, operation_name = "query")]
#[circuit_breaker(name = "database", operation_name = "query")]
fn query() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(query());
}
