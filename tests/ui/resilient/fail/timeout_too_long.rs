use resilient::resilient;

#[resilient(timeout = 1e300)]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
}
