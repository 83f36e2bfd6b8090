use resilient::database_resilient;

#[database_resilient(recovery_backoff = 2, recovery_timeout = "2m", max_recovery_timeout = "1m")]
async fn get_user() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(get_user());
}
