use resilient::api_resilient;

#[api_resilient(retry_on = _, retry_if = |_| true)]
async fn fetch() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(fetch());
}
