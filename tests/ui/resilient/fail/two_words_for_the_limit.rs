use resilient::resilient;

#[resilient(timeout = 1, timeout_seconds = 2)]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
}
