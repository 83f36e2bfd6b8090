use resilient::{circuit_breaker, with_timeout};

#[circuit_breaker(name = "database")]
#[with_timeout(seconds = 5)]
fn query(sql: &str) -> std::io::Result<usize> {
    Ok(sql.len())
}

fn main() {
    drop(query("select 1"));
}
