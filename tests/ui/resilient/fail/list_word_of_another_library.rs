use resilient::resilient;

#[resilient(bulkhead(maxConcurrentCalls = 25), rate_limit(limitForPeriod = 10, limit_refresh_period = "1s"))]
async fn charge(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

fn main() {
    drop(charge(1));
}
