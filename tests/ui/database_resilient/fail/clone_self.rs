use resilient::database_resilient;

#[derive(Clone)]
struct User(String);

impl User {
    #[database_resilient(clone(self))]
    async fn add(self) -> std::io::Result<String> {
        Ok(self.0)
    }
}

fn main() {
    drop(User(String::new()).add());
}
