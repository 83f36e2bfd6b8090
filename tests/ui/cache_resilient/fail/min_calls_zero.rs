use resilient::cache_resilient;

#[cache_resilient(failure_rate = 0.5, min_calls = 0)]
async fn look_up() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(look_up());
}
