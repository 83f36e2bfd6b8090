use resilient::database_resilient;

#[database_resilient(enable_retry = false, clone(name))]
async fn add_user(name: String) -> std::io::Result<String> {
    Ok(name)
}

fn main() {
    drop(add_user(String::new()));
}
