use resilient::resilient;

const ATTEMPTS: &str = "3";

#[resilient(max_attempts = ATTEMPTS)]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
}
