use resilient::database_resilient;

#[derive(Clone, Debug, PartialEq)]
struct User(String);

fn insert(user: User) -> std::io::Result<User> {
    Ok(user)
}

#[database_resilient(clone(user, tags))]
async fn add_user(user: User, tags: Vec<u32>) -> std::io::Result<(User, usize)> {
    let count = tags.into_iter().count();
    Ok((insert(user)?, count))
}

#[database_resilient(enable_timeout = false, clone(user))]
fn add_at_once(user: User) -> std::io::Result<User> {
    insert(user)
}

#[database_resilient]
fn add_on_a_thread(user: User) -> std::io::Result<User> {
    insert(user)
}

#[database_resilient(enable_retry = false)]
async fn add_once(user: User) -> std::io::Result<User> {
    insert(user)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let user = || User("ann".to_owned());
    assert_eq!(add_user(user(), vec![1]).await.unwrap(), (user(), 1));
    assert_eq!(add_at_once(user()).unwrap(), user());
    assert_eq!(add_on_a_thread(user()).unwrap(), user());
    assert_eq!(add_once(user()).await.unwrap(), user());
}
