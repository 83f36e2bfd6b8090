use resilient::resilient;

#[resilient(timeout = "30s", deadline = 10)]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
}
