use resilient::database_resilient;

#[database_resilient(timeout_mode = "thread")]
fn get_user<'a>(id: u32) -> std::io::Result<&'a str> {
    Ok(if id == 1 { "ann" } else { "ben" })
}

fn main() {
    drop(get_user(1));
}
