use resilient::resilient;

#[resilient(operation_name = "")]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
}
