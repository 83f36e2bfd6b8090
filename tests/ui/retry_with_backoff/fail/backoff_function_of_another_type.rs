use resilient::retry_with_backoff;
use std::time::Duration;

fn delay(retry: u64) -> Duration {
    Duration::from_secs(retry)
}

#[retry_with_backoff(backoff = delay)]
fn download() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(download());
    drop(delay(1));
}
