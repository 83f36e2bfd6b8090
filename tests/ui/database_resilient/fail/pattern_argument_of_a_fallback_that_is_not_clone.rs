use resilient::database_resilient;

struct User(u32);

#[database_resilient(fallback = cached)]
async fn add_user(User(id): User) -> Option<u32> {
    Some(id)
}

async fn cached(user: User) -> Option<u32> {
    Some(user.0)
}

fn main() {
    drop(add_user(User(1)));
    drop(cached(User(1)));
}
