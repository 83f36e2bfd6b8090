use resilient::circuit_breaker;

#[circuit_breaker(name = "database")]
fn query() -> u32 {
    1
}

fn main() {
    assert_eq!(query(), 1);
}
