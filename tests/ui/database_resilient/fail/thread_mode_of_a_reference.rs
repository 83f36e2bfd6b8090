use resilient::database_resilient;

#[database_resilient(timeout_mode = "thread")]
fn get_user(name: &str) -> std::io::Result<usize> {
    Ok(name.len())
}

fn main() {
    drop(get_user("ann"));
}
