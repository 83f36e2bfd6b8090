use resilient::api_resilient;

#[api_resilient(failureRateThreshold = 50)]
async fn fetch() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(fetch());
}
