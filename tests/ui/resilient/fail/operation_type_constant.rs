use resilient::resilient;

const KIND: &str = "payments";

#[resilient(operation_type = KIND)]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
}
