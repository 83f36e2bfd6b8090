use resilient::resilient;

#[resilient(timeout = 0, max_atempts = 3, backoff = "expo", jitter = 1.5, failure_rate = 50)]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
}
