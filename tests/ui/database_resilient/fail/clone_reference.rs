use resilient::database_resilient;

#[database_resilient(clone(name))]
async fn add_user(name: &str) -> std::io::Result<usize> {
    Ok(name.len())
}

fn main() {
    drop(add_user("ann"));
}
