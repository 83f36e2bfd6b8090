use resilient::database_resilient;

struct User(String);

impl User {
    #[database_resilient]
    async fn add(self) -> std::io::Result<String> {
        Ok(self.0)
    }
}

fn main() {
    drop(User(String::new()).add());
}
