use resilient::circuit_breaker;

#[circuit_breaker(enable_circuit_breaker = false)]
fn query() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(query());
}
