use resilient::resilient;
use std::pin::Pin;

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[resilient]
fn charge(order: u32) -> Pin<Box<dyn Future<Output = std::io::Result<u32>> + Send>> {
    let twice = order * 2;
    Box::pin(async move { Ok(twice) })
}

#[resilient]
fn refund<'a>(tag: &'a str) -> BoxFuture<'a, std::io::Result<&'a str>> {
    Box::pin(async move {
        tokio::task::yield_now().await;
        Ok(tag)
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(tokio::spawn(charge(2)).await.unwrap().unwrap(), 4);
    assert_eq!(refund("book").await.unwrap(), "book");
}
