use resilient::api_resilient;

fn is_busy(status: &u16) -> bool {
    *status == 429
}

#[api_resilient(retry_if = is_busy)]
async fn fetch() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(fetch());
    assert!(is_busy(&429));
}
