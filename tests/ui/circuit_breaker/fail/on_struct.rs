use resilient::circuit_breaker;

#[circuit_breaker]
pub struct Database;

fn main() {
    drop(Database);
}
