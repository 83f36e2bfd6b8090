use resilient::resilient;

struct Client;

#[resilient]
impl Client {
    async fn charge(&self) -> std::io::Result<()> {
        Ok(())
    }
}

fn main() {
    drop(Client.charge());
}
