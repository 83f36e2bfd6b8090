#![deny(warnings)]

use resilient::{resilient, retry_with_backoff, track_service_health};
use std::error::Error;
use std::fmt::Display;

#[resilient]
async fn collected(orders: Vec<u32>) -> std::io::Result<Vec<u64>> {
    Ok(orders.iter().map(|order| (*order).into()).collect())
}

#[resilient]
async fn default<T: Default>() -> std::io::Result<T> {
    Ok(Default::default())
}

#[resilient(enable_retry = false)]
async fn failing(text: &str) -> Result<u32, Box<dyn Error + Send + Sync>> {
    if text.is_empty() {
        return Err("empty".into());
    }
    Err(text)?;
    Ok(1)
}

#[track_service_health("bytes")]
async fn bytes() -> &'static [u8] {
    b"abc"
}

#[retry_with_backoff]
fn shown(loud: bool) -> Box<dyn Display> {
    if loud {
        return Box::new("LOUD");
    }
    Box::new(1)
}

#[track_service_health("opaque")]
async fn opaque() -> impl Display {
    1
}

#[resilient]
async fn panics() -> std::io::Result<u32> {
    panic!("never called")
}

#[resilient]
fn serves() -> std::io::Result<std::convert::Infallible> {
    loop {
        std::thread::park();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(collected(vec![1]).await.unwrap(), [1]);
    assert_eq!(default::<u32>().await.unwrap(), 0);
    assert_eq!(failing("down").await.unwrap_err().to_string(), "down");
    assert_eq!(bytes().await, b"abc");
    assert_eq!(shown(true).to_string() + &opaque().await.to_string(), "LOUD1");
    drop((panics(), serves as fn() -> _));
}
