use resilient::resilient;

struct Client(u32);

impl Client {
    #[resilient]
    async fn charge(&self, order: u32) -> std::io::Result<u32> {
        Ok(self.0 + order)
    }

    #[resilient]
    fn refund(self: &Self) -> std::io::Result<u32> {
        Ok(self.0)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(Client(1).charge(2).await.unwrap(), 3);
    assert_eq!(Client(1).refund().unwrap(), 1);
}
