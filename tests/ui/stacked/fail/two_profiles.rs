use resilient::{api_resilient, database_resilient};

#[database_resilient]
#[api_resilient(max_attempts = 3)]
async fn query() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(query());
}
