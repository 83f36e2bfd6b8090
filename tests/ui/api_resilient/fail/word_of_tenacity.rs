use resilient::api_resilient;

#[api_resilient(stop_after_attempt = 3)]
async fn fetch() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(fetch());
}
