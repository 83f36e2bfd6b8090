use resilient::database_resilient;

struct User(u32);

#[database_resilient(clone(user))]
async fn add_user(user: User) -> std::io::Result<u32> {
    let taken = user;
    Ok(taken.0)
}

fn main() {
    drop(add_user(User(1)));
}
