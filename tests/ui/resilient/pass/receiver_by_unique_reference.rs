use resilient::resilient;

struct Client(u32);

impl Client {
    #[resilient(base_delay = "1ms")]
    async fn charge(&mut self, order: u32) -> std::io::Result<u32> {
        self.0 += order;
        if self.0 < 6 { Err(std::io::Error::other("busy")) } else { Ok(self.0) }
    }

    #[resilient(base_delay = "1ms")]
    fn refund(&mut self) -> std::io::Result<u32> {
        self.0 -= 1;
        if self.0 > 4 { Err(std::io::Error::other("busy")) } else { Ok(self.0) }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut client = Client(0);
    assert_eq!(client.charge(2).await.unwrap(), 6);
    assert_eq!(client.refund().unwrap(), 4);
}
