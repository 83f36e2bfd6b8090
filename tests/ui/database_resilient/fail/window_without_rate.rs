use resilient::database_resilient;

#[database_resilient(window = 100)]
async fn get_user() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(get_user());
}
