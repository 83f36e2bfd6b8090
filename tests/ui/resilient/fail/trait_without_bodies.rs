use resilient::resilient;

#[resilient]
trait Payments {
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
