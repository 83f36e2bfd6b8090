use resilient::resilient;

#[resilient(hedge, idempotent = true)]
async fn charge(order: String) -> std::io::Result<String> {
    Ok(order)
}

fn main() {
    drop(charge(String::new()));
}
