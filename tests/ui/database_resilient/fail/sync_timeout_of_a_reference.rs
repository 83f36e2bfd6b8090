use resilient::database_resilient;

#[database_resilient(timeout = 5)]
fn get_user(name: &str) -> std::io::Result<usize> {
    Ok(name.len())
}

fn main() {
    drop(get_user("ann"));
}
