use resilient::api_resilient;

#[api_resilient(max_attempts = -1)]
async fn fetch() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(fetch());
}
