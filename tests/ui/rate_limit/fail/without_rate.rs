use resilient::rate_limit;

#[rate_limit]
async fn charge(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

fn main() {
    drop(charge(1));
}
