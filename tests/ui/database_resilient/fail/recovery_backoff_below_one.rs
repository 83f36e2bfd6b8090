use resilient::database_resilient;

#[database_resilient(recovery_backoff = 0.5)]
async fn get_user() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(get_user());
}
