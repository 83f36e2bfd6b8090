use resilient::database_resilient;

#[database_resilient(max_recovery_timeout = "5m")]
async fn get_user() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(get_user());
}
