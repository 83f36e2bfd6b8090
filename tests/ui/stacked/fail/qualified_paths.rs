use resilient::circuit_breaker;

#[circuit_breaker(name = "database")]
#[resilient::circuit_breaker(failure_threshold = 3)]
#[::resilient::with_timeout(0)]
async fn query() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(query());
}
