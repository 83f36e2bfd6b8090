use resilient::database_resilient;

struct Users(Vec<u32>);

impl Users {
    #[database_resilient]
    async fn first(&mut self) -> std::io::Result<&mut u32> {
        self.0.first_mut().ok_or_else(|| std::io::Error::other("empty"))
    }
}

fn main() {
    drop(Users(vec![1]).first());
}
