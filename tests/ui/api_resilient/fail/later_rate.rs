use resilient::api_resilient;

#[api_resilient(rate = 10, per = "1s")]
async fn fetch() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(fetch());
}
