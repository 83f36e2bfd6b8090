use resilient::retry_with_backoff;

#[retry_with_backoff(backoff = "constant", exponential_base = 2)]
fn download() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(download());
}
