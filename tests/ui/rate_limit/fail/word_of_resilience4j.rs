use resilient::rate_limit;

#[rate_limit(limitForPeriod = 10, limitRefreshPeriod = "1s", timeoutDuration = 0)]
async fn charge(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

fn main() {
    drop(charge(1));
}
