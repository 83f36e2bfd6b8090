use resilient::{database_resilient, retry_with_backoff};

#[database_resilient(max_attempts = 3)]
#[retry_with_backoff(max_retries = 3)]
async fn query() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(query());
}
