use resilient::resilient;

#[resilient(hedge, idempotent = true)]
fn charge(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

fn main() {
    drop(charge(1));
}
