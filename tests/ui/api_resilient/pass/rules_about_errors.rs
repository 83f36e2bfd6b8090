use resilient::{ResilienceError, api_resilient};

#[derive(Debug, thiserror::Error)]
enum ApiError {
    #[error("status {0}")]
    Status(u16),
    #[error("no such page")]
    NotFound,
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Refused(#[from] ResilienceError),
}

const NOT_A_PAGE: u16 = 204;

fn is_busy(error: &ApiError) -> bool {
    matches!(error, ApiError::Status(429))
}

#[api_resilient(
    retry_on = ApiError::Status(500..=599 | 429) | ApiError::Io(_),
    ignore = ApiError::NotFound | ApiError::Status(NOT_A_PAGE),
    failure_if = String::is_empty,
)]
async fn fetch(status: u16) -> Result<String, ApiError> {
    match status {
        200 => Ok("page".to_owned()),
        404 => Err(ApiError::NotFound),
        _ => Err(ApiError::Status(status)),
    }
}

#[api_resilient(retry_on = ApiError::Io(error) if error.kind() == std::io::ErrorKind::TimedOut, ignore = _)]
fn guarded(page: &str) -> Result<usize, ApiError> {
    Ok(page.len())
}

#[api_resilient(retry_if = is_busy, failure_if = |page| page.len() > 100)]
async fn by_path() -> Result<Vec<u8>, ApiError> {
    Ok(Vec::new())
}

#[api_resilient(retry_if = |error| error.to_string().contains("busy"))]
async fn by_closure() -> anyhow::Result<u32> {
    Ok(1)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(fetch(200).await.unwrap(), "page");
    assert!(matches!(fetch(404).await, Err(ApiError::NotFound)));
    assert_eq!(guarded("page").unwrap(), 4);
    assert!(by_path().await.unwrap().is_empty());
    assert_eq!(by_closure().await.unwrap(), 1);
}
