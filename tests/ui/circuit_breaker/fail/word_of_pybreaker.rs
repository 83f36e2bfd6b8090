use resilient::circuit_breaker;

#[circuit_breaker(fail_max = 3, reset_timeout = 30)]
fn query() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(query());
}
