use resilient::circuit_breaker;

#[circuit_breaker(name = "my database")]
fn query() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(query());
}
