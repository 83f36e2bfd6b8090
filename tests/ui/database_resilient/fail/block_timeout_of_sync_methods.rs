use resilient::database_resilient;

struct Client;

#[database_resilient(timeout = "2s")]
impl Client {
    fn charge(&self) -> std::io::Result<()> {
        Ok(())
    }

    async fn refund(&self) -> std::io::Result<()> {
        Ok(())
    }

    fn ping(host: &str) -> std::io::Result<usize> {
        Ok(host.len())
    }

    fn resolve(host: String) -> std::io::Result<usize> {
        Ok(host.len())
    }
}

fn main() {
    drop((Client.charge(), Client.refund(), Client::ping("a"), Client::resolve(String::new())));
}
