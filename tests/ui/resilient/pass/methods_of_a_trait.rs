use resilient::resilient;

trait Payments {
    fn refund(&self, order: u32) -> std::io::Result<u32>;

    async fn charge(&mut self, order: u32) -> std::io::Result<u32>;

    #[resilient]
    async fn both(&mut self, order: u32) -> std::io::Result<u32>
    where
        Self: Sized,
    {
        Ok(self.charge(order).await? + self.refund(order)?)
    }
}

struct Client<T>(T);

impl<T: Into<u32> + Copy> Payments for Client<T> {
    #[resilient]
    fn refund(&self, order: u32) -> std::io::Result<u32> {
        Ok(self.0.into() + order)
    }

    #[resilient]
    async fn charge(&mut self, order: u32) -> std::io::Result<u32> {
        Ok(self.0.into() * order)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(Client(3_u8).both(2).await.unwrap(), 11);
}
