use resilient::{database_resilient, resilient};

struct Client;

#[database_resilient(operation_name = "client", max_attempts = 0, base_delay = Self::DELAY, clone(order))]
impl Client {
    const DELAY: f64 = 0.5;

    fn charge(&self, order: String) -> std::io::Result<String> {
        Ok(order)
    }

    async fn refund(&self, order: String) -> std::io::Result<String> {
        Ok(order)
    }

    #[resilient(max_delay = "soon")]
    fn close(&self) -> std::io::Result<f64> {
        Ok(Self::DELAY)
    }
}

fn main() {
    drop((Client.charge(String::new()), Client.refund(String::new()), Client.close()));
}
