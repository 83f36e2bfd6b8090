use resilient::resilient;

struct Client(String);

impl Client {
    #[resilient]
    async fn name(self) -> std::io::Result<usize> {
        Ok(self.0.len())
    }

    #[resilient]
    fn close(self) -> std::io::Result<usize> {
        Ok(self.0.len())
    }

    #[resilient(enable_retry = false)]
    async fn into_name(mut self) -> std::io::Result<String> {
        self.0.push('!');
        Ok(self.0)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let client = || Client("ann".to_owned());
    assert_eq!(client().name().await.unwrap(), 3);
    assert_eq!(client().close().unwrap(), 3);
    assert_eq!(client().into_name().await.unwrap(), "ann!");
}
