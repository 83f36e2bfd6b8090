use resilient::resilient;

#[resilient(timeout = "0s")]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
}
