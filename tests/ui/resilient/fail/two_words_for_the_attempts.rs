use resilient::resilient;

#[resilient(max_attempts = 3, max_retries = 2)]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
}
