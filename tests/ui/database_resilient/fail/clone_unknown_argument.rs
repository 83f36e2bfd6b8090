use resilient::database_resilient;

#[database_resilient(clone(usr))]
async fn add_user(user: String, tag: u32) -> std::io::Result<String> {
    Ok(format!("{user} {tag}"))
}

fn main() {
    drop(add_user(String::new(), 1));
}
