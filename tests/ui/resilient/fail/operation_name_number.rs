use resilient::resilient;

#[resilient(operation_name = 5)]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
}
