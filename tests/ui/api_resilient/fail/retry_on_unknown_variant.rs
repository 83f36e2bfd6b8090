use resilient::{ResilienceError, api_resilient};

#[derive(Debug, thiserror::Error)]
enum ApiError {
    #[error("busy")]
    Busy,
    #[error(transparent)]
    Refused(#[from] ResilienceError),
}

#[api_resilient(retry_on = ApiError::Bussy)]
async fn fetch() -> Result<u32, ApiError> {
    Err(ApiError::Busy)
}

fn main() {
    drop(fetch());
}
