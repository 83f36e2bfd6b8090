use resilient::resilient;

#[resilient(timeout = , max_attempts = 2)]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
}
