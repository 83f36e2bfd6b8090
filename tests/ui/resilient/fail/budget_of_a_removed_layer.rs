use resilient::resilient;

#[resilient(budget = 0.2, enable_retry = false)]
async fn charge(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

fn main() {
    drop(charge(1));
}
