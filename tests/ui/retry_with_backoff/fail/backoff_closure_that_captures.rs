use resilient::retry_with_backoff;

#[retry_with_backoff(backoff = |retry| std::time::Duration::from_secs(u64::from(retry) * seconds))]
fn download(seconds: u64) -> std::io::Result<u64> {
    Ok(seconds)
}

fn main() {
    drop(download(1));
}
