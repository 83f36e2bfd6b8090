use resilient::resilient;

#[resilient(bulkhead(max_concurrent = -1), rate_limit(rate = 0, per = 0, burst = 0), budget(ratio = 0, per_second = -1))]
async fn charge(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

fn main() {
    drop(charge(1));
}
