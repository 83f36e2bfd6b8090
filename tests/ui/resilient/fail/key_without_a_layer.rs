use resilient::resilient;

#[resilient(key = order, enable_circuit_breaker = false)]
async fn charge(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

fn main() {
    drop(charge(1));
}
