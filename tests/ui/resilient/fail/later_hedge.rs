use resilient::resilient;

#[resilient(hedge(delay = "50ms"))]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
}
