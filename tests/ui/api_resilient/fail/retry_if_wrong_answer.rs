use resilient::api_resilient;

#[api_resilient(retry_if = |error| error.raw_os_error())]
async fn fetch() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(fetch());
}
