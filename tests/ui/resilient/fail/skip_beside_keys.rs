use resilient::{database_resilient, resilient};

struct Client;

#[database_resilient]
impl Client {
    fn ping(&self) -> std::io::Result<()> {
        Ok(())
    }

    #[resilient(skip, max_attempts = 2)]
    fn charge(&self) -> std::io::Result<()> {
        Ok(())
    }
}

fn main() {
    drop(Client.ping().and_then(|()| Client.charge()));
}
