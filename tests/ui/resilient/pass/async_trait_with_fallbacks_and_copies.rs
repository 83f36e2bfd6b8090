use async_trait::async_trait;
use resilient::resilient;
use std::sync::Arc;

#[derive(Clone)]
struct Order(u32);

#[async_trait]
trait Payments: Send + Sync {
    async fn charge(&self, order: Order) -> Option<u32>;
    async fn refund(&self, order: Order, seen: &mut Vec<u32>) -> std::io::Result<u32>;
    async fn tag<'a>(&'a self, tag: &'a str) -> std::io::Result<&'a str>;
    async fn shared(self: Arc<Self>, order: Order) -> std::io::Result<u32>;
    async fn once(self, order: Order) -> std::io::Result<u32>
    where
        Self: Sized;
    async fn new(order: Order) -> std::io::Result<Self>
    where
        Self: Sized;
}

struct Client(u32);

impl Client {
    async fn guess(&self, order: Order) -> Option<u32> {
        Some(self.0 * 10 + order.0)
    }
}

#[async_trait]
impl Payments for Client {
    #[resilient(fallback = Self::guess, enable_retry = false, failure_if = |charged| *charged == Some(2))]
    async fn charge(&self, order: Order) -> Option<u32> {
        Some(self.0 + order.0)
    }

    #[resilient(base_delay = "1ms")]
    async fn refund(&self, mut order: Order, seen: &mut Vec<u32>) -> std::io::Result<u32> {
        order.0 += self.0;
        seen.push(order.0);
        tokio::task::yield_now().await;
        if seen.len() < 2 { Err(std::io::Error::other("busy")) } else { Ok(order.0) }
    }

    #[resilient]
    async fn tag<'a>(&'a self, tag: &'a str) -> std::io::Result<&'a str> {
        Ok(tag)
    }

    #[resilient]
    async fn shared(self: Arc<Self>, order: Order) -> std::io::Result<u32> {
        tokio::task::yield_now().await;
        Ok(self.0 + order.0)
    }

    #[resilient(enable_retry = false)]
    async fn once(self, order: Order) -> std::io::Result<u32> {
        let owned = self;
        Ok(owned.0 + order.0)
    }

    #[resilient(clone(order))]
    async fn new(order: Order) -> std::io::Result<Self> {
        let owned = order;
        Ok(Self(owned.0))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let client = Client::new(Order(1)).await.unwrap();
    assert_eq!(client.charge(Order(1)).await, Some(11));
    let mut seen = Vec::new();
    assert_eq!(client.refund(Order(1), &mut seen).await.unwrap(), 2);
    assert_eq!(seen, [2, 2], "each attempt starts from the argument as it came");
    assert_eq!(client.tag("book").await.unwrap(), "book");
    assert_eq!(tokio::spawn(Arc::new(Client(1)).shared(Order(2))).await.unwrap().unwrap(), 3);
    assert_eq!(client.once(Order(1)).await.unwrap(), 2);
}
