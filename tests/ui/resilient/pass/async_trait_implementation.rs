use async_trait::async_trait;
use resilient::{circuit_breaker, resilient, retry_with_backoff};

#[async_trait]
trait Payments: Send {
    async fn charge(&self, order: String) -> std::io::Result<usize>;
    async fn refund(&mut self, order: u32, (low, high): (u32, u32)) -> std::io::Result<u32>;
    async fn close(self: Box<Self>) -> std::io::Result<()>;
}

struct Client(u32);

#[async_trait]
impl Payments for Client {
    #[resilient(base_delay = "1ms")]
    async fn charge(&self, order: String) -> std::io::Result<usize> {
        tokio::task::yield_now().await;
        Ok(order.len() + self.0 as usize)
    }

    #[retry_with_backoff(base_delay = "1ms")]
    #[circuit_breaker(name = "refunds")]
    async fn refund(&mut self, order: u32, (low, high): (u32, u32)) -> std::io::Result<u32> {
        self.0 += order;
        if self.0 < 4 { Err(std::io::Error::other("busy")) } else { Ok(self.0 + low + high) }
    }

    #[resilient]
    async fn close(self: Box<Self>) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut client: Box<dyn Payments> = Box::new(Client(1));
    assert_eq!(client.charge("book".to_owned()).await.unwrap(), 5);
    assert_eq!(client.refund(2, (10, 20)).await.unwrap(), 35);
    tokio::spawn(client.close()).await.unwrap().unwrap();
}
