use resilient::retry_with_backoff;

#[retry_with_backoff(bulkhead(max_concurrent = 1), rate = 3)]
async fn charge(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

fn main() {
    drop(charge(1));
}
