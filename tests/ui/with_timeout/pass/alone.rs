use resilient::{ResilienceError, with_timeout};
use std::time::Duration;

#[with_timeout]
async fn default() -> std::io::Result<u32> {
    Ok(1)
}

#[with_timeout("20ms")]
async fn short(page: String) -> anyhow::Result<String> {
    tokio::time::sleep(Duration::from_secs(60)).await;
    Ok(page)
}

#[with_timeout(seconds = 5)]
fn owned(page: String) -> std::io::Result<String> {
    Ok(page)
}

#[with_timeout(0.5, timeout_mode = "deadline")]
fn borrowed<'p>(page: &'p str) -> std::io::Result<&'p str> {
    Ok(page)
}

#[with_timeout(Duration::from_secs(1), fallback = blank)]
async fn expression(page: &str) -> usize {
    page.len()
}

async fn blank(_: &str) -> usize {
    0
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(default().await.unwrap(), 1);
    let error = short(String::new()).await.unwrap_err();
    assert!(error.downcast_ref::<ResilienceError>().is_some_and(ResilienceError::is_timeout));
    assert_eq!(owned("page".to_owned()).unwrap(), "page");
    assert_eq!(borrowed("page").unwrap(), "page");
    assert_eq!(expression("page").await, 4);
}
