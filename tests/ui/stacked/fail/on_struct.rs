use resilient::{circuit_breaker, with_timeout};

#[with_timeout(5)]
#[circuit_breaker(name = "database")]
struct Database;

fn main() {
    drop(Database);
}
