use resilient::retry_with_backoff;

#[retry_with_backoff(max_retries = -1)]
fn download() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(download());
}
