use resilient::{ResilienceError, resilient};
use std::error::Error;

#[derive(Debug, thiserror::Error)]
enum PayError {
    #[error("declined")]
    Declined,
    #[error("refused: {source}")]
    Refused {
        #[from]
        source: ResilienceError,
    },
}

#[resilient(enable_retry = false)]
async fn own() -> Result<u32, PayError> {
    Err(PayError::Declined)
}

#[resilient]
async fn with_anyhow() -> anyhow::Result<u32> {
    let parsed = "1".parse::<u32>()?;
    anyhow::ensure!(parsed == 1, "not one");
    Ok(parsed)
}

#[resilient]
async fn boxed() -> Result<u32, Box<dyn Error + Send + Sync>> {
    Ok("1".parse()?)
}

#[resilient]
async fn boxed_here() -> Result<u32, Box<dyn Error>> {
    Ok("1".parse()?)
}

#[resilient]
fn io() -> std::io::Result<u32> {
    Ok(1)
}

#[resilient]
fn text() -> Result<u32, String> {
    Ok(1)
}

#[resilient]
fn ours() -> Result<u32, ResilienceError> {
    Ok(1)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert!(matches!(own().await, Err(PayError::Declined)));
    assert_eq!(with_anyhow().await.unwrap() + boxed().await.unwrap() + boxed_here().await.unwrap(), 3);
    assert_eq!(io().unwrap() + text().unwrap() + ours().unwrap(), 3);
}
