use resilient::resilient;

#[resilient(rate_limit(per = "1s"))]
async fn charge(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

fn main() {
    drop(charge(1));
}
