use resilient::database_resilient;

struct Client;

#[database_resilient]
impl Client {
    fn charge(&self) -> Result<(), u8> {
        Ok(())
    }

    async fn refund(&self) -> Result<(), u8> {
        Ok(())
    }
}

fn main() {
    drop((Client.charge(), Client.refund()));
}
