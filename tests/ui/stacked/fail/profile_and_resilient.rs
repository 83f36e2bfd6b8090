use resilient::{cache_resilient, resilient};

#[cache_resilient]
#[resilient(operation_type = "payments")]
async fn query() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(query());
}
