use resilient::database_resilient;

#[derive(Clone)]
struct User(u32);

impl User {
    #[database_resilient]
    async fn add(mut self) -> std::io::Result<u32> {
        self.0 += 1;
        Ok(self.0)
    }
}

fn main() {
    drop(User(1).add());
}
