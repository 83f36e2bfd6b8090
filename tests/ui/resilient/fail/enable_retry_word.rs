use resilient::resilient;

#[resilient(enable_retry = "no")]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
}
