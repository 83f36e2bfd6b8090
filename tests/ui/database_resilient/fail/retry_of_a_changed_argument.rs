use resilient::database_resilient;

struct User(u32);

#[database_resilient]
async fn add_user(mut user: User) -> std::io::Result<u32> {
    user.0 += 1;
    Ok(user.0)
}

fn main() {
    drop(add_user(User(1)));
}
