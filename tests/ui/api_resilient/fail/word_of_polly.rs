use resilient::api_resilient;

#[api_resilient(break_duration = 30)]
async fn fetch() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(fetch());
}
