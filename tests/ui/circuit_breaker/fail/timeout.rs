use resilient::circuit_breaker;

#[circuit_breaker(name = "database", timeout = 5)]
fn query() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(query());
}
