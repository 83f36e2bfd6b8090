use resilient::circuit_breaker;

#[circuit_breaker(expected_exception = ConnectionError)]
fn query() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(query());
}
