use resilient::cache_resilient;

#[cache_resilient(max_attempts = 5_000_000_000)]
async fn look_up() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(look_up());
}
