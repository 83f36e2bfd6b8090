use resilient::resilient;

#[resilient(max_attempts = attempts)]
async fn charge(attempts: u32) -> std::io::Result<u32> {
    Ok(attempts)
}

fn main() {
    drop(charge(1));
}
