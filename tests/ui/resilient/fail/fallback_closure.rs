use resilient::resilient;

#[resilient(fallback = || Ok(1))]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
}
