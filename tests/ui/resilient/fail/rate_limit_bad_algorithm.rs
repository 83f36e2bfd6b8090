use resilient::resilient;

#[resilient(rate_limit(rate = 1, algorithm = "token_bucket"))]
async fn charge(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

fn main() {
    drop(charge(1));
}
