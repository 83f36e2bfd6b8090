use resilient::database_resilient;

#[database_resilient(enable_timeout = false, timeout = 5)]
async fn get_user() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(get_user());
}
