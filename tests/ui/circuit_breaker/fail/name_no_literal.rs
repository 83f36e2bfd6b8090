use resilient::circuit_breaker;

const NAME: &str = "database";

#[circuit_breaker(name = NAME)]
fn query() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(query());
}
