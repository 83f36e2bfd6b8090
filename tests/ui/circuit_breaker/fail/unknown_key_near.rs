use resilient::circuit_breaker;

#[circuit_breaker(failure_treshold = 3)]
fn query() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(query());
}
