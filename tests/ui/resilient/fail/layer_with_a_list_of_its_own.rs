use resilient::{ResilienceError, resilient};

#[resilient(retry(max_attempts = 3), circuit_breaker(failure_threshold = 5))]
async fn fetch() -> Result<u32, ResilienceError> {
    Ok(1)
}

fn main() {}
