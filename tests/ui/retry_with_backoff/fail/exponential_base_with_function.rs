use resilient::retry_with_backoff;

fn delay(retry: u32) -> std::time::Duration {
    std::time::Duration::from_secs(retry.into())
}

#[retry_with_backoff(backoff = delay, exponential_base = 2)]
fn download() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(download());
}
