use resilient::{retry_with_backoff, with_timeout};

#[retry_with_backoff(deadline = "2s")]
#[with_timeout(5)]
async fn query() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(query());
}
