use resilient::{database_resilient, with_timeout};

#[database_resilient(enable_timeout = false)]
#[with_timeout(5)]
async fn query() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(query());
}
