use resilient::resilient;

struct Client(u32);

impl Client {
    #[resilient]
    async fn charge(self: Box<Self>) -> std::io::Result<u32> {
        Ok(self.0)
    }

    #[resilient]
    fn refund(self: Box<Self>) -> std::io::Result<u32> {
        Ok(self.0)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(Box::new(Client(1)).charge().await.unwrap(), 1);
    assert_eq!(Box::new(Client(2)).refund().unwrap(), 2);
}
