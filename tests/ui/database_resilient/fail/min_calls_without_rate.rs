use resilient::database_resilient;

#[database_resilient(min_calls = 10)]
async fn get_user() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(get_user());
}
