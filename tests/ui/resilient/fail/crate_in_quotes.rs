use resilient::resilient;

#[resilient(crate = "resilient")]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
}
