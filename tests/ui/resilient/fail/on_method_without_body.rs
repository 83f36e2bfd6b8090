use resilient::resilient;

trait Payments {
    #[resilient]
    fn charge(&self) -> std::io::Result<()>;
}

struct Client;

impl Payments for Client {
    fn charge(&self) -> std::io::Result<()> {
        Ok(())
    }
}

fn main() {
    drop(Client.charge());
}
