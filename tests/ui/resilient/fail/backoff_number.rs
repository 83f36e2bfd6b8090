use resilient::resilient;

#[resilient(backoff = 2)]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
}
