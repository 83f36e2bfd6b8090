use resilient::{ResilienceError, api_resilient};

#[api_resilient(exhausted = "wrap", max_attempts = 2, base_delay = "1ms")]
async fn fetch() -> anyhow::Result<u32> {
    anyhow::bail!("down")
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let error = fetch().await.unwrap_err();
    assert!(error.downcast_ref::<ResilienceError>().is_some_and(ResilienceError::is_retries_exhausted));
}
