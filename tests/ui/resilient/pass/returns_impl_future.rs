use resilient::resilient;

#[resilient]
fn charge(order: u32) -> impl Future<Output = std::io::Result<u32>> + Send {
    async move {
        tokio::task::yield_now().await;
        Ok(order)
    }
}

trait Payments {
    fn refund(&self) -> impl Future<Output = std::io::Result<u32>> + Send;
}

struct Client(u32);

impl Payments for Client {
    #[resilient]
    fn refund(&self) -> impl Future<Output = std::io::Result<u32>> + Send {
        async { Ok(self.0) }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(tokio::spawn(charge(2)).await.unwrap().unwrap(), 2);
    assert_eq!(Client(3).refund().await.unwrap(), 3);
}
