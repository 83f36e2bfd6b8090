use resilient::resilient;
use std::sync::Arc;

struct Client(u32);

impl Client {
    #[resilient]
    async fn charge(self: Arc<Self>) -> std::io::Result<u32> {
        let shared = Arc::clone(&self);
        Ok(shared.0)
    }

    #[resilient]
    fn refund(self: Arc<Self>) -> std::io::Result<u32> {
        Ok(self.0)
    }

    #[resilient]
    async fn shared(self: &Arc<Self>) -> std::io::Result<usize> {
        Ok(Arc::strong_count(self))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let client = Arc::new(Client(1));
    assert_eq!(tokio::spawn(Arc::clone(&client).charge()).await.unwrap().unwrap(), 1);
    assert_eq!(Arc::clone(&client).refund().unwrap(), 1);
    assert_eq!(client.shared().await.unwrap(), 1);
}
