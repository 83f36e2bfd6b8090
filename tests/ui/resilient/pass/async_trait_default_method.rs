use async_trait::async_trait;
use resilient::resilient;
use std::rc::Rc;

#[async_trait(?Send)]
trait Payments {
    async fn once(&self, order: &str) -> std::io::Result<Rc<str>>;

    #[resilient]
    async fn charge<T>(&self, order: &str, tag: T) -> std::io::Result<Rc<str>>
    where
        T: std::fmt::Display + Clone + 'static,
    {
        self.once(&format!("{order}{tag}")).await
    }
}

struct Client;

#[async_trait(?Send)]
impl Payments for Client {
    async fn once(&self, order: &str) -> std::io::Result<Rc<str>> {
        Ok(order.into())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(&*Client.charge("book", 7).await.unwrap(), "book7");
}
