use resilient::api_resilient;

#[api_resilient(retry_on = "Timeout")]
async fn fetch() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(fetch());
}
