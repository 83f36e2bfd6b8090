use resilient::resilient;

#[resilient(exhausted = "wrapped")]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
}
