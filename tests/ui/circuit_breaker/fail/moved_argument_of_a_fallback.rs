use resilient::circuit_breaker;

#[circuit_breaker(name = "database", fallback = cached)]
fn query(sql: String) -> Option<String> {
    Some(sql)
}

fn cached(sql: String) -> Option<String> {
    Some(sql)
}

fn main() {
    drop(query(String::new()));
    drop(cached(String::new()));
}
