use resilient::circuit_breaker;

#[circuit_breaker(failure_threshold = 2.5)]
fn query() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(query());
}
