use resilient::resilient;
use std::pin::{Pin, pin};

struct Client(u32);

impl Client {
    #[resilient]
    async fn charge(self: Pin<&mut Self>) -> std::io::Result<u32> {
        Ok(self.as_ref().0)
    }

    #[resilient]
    fn refund(mut self: Pin<&mut Self>) -> std::io::Result<u32> {
        self.as_mut().get_mut().0 += 1;
        Ok(self.0)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut client = pin!(Client(1));
    assert_eq!(client.as_mut().charge().await.unwrap(), 1);
    assert_eq!(client.as_mut().refund().unwrap(), 2);
}
