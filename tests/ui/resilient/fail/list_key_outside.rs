use resilient::resilient;

#[resilient(max_concurrent = 10, rate = 5, max_wait = "1s")]
async fn charge(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

fn main() {
    drop(charge(1));
}
