use resilient::resilient;

#[resilient(deadline = 0)]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
}
