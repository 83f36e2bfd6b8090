use resilient::database_resilient;

struct User(u32);

fn insert(user: User) -> std::io::Result<u32> {
    Ok(user.0)
}

#[database_resilient]
async fn add_user(user: User) -> std::io::Result<u32> {
    insert(user)
}

fn main() {
    drop(add_user(User(1)));
}
