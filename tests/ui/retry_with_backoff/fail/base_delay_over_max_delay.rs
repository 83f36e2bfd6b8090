use resilient::retry_with_backoff;

#[retry_with_backoff(base_delay = "10s", max_delay = 5)]
fn download() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(download());
}
