use resilient::{Backoff, Jitter, Window, resilient};
use std::time::Duration;

const ATTEMPTS: u32 = 2;
const SECOND: Duration = Duration::from_secs(1);

mod limits {
    pub(crate) static RATE: f64 = 0.5;

    pub(crate) fn timeout() -> std::time::Duration {
        std::time::Duration::from_secs(5)
    }
}

fn growing(retry: u32) -> Duration {
    Duration::from_millis(u64::from(retry))
}

#[resilient(
    timeout = limits::timeout(),
    deadline = SECOND * 20,
    max_attempts = ATTEMPTS + 1,
    base_delay = SECOND / 1000,
    max_delay = 2.5,
    jitter = Jitter::None,
    backoff = Backoff::Constant,
    failure_threshold = { let base = 2; base * 2 },
    failure_rate = limits::RATE,
    window = Window::Count(50),
    min_calls = if cfg!(debug_assertions) { 5 } else { 10 },
    recovery_timeout = "1m30s",
)]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

#[resilient(backoff = growing, jitter = "full", max_retries = u32::MAX - 1, timeout = 3_u64)]
async fn refund() -> std::io::Result<u32> {
    Ok(1)
}

#[resilient(backoff = |retry| Duration::from_millis(u64::from(retry)), jitter = 0.1, timeout = "250ms")]
async fn close() -> std::io::Result<u32> {
    Ok(1)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(charge().await.unwrap() + refund().await.unwrap() + close().await.unwrap(), 3);
    resilient::validate().unwrap();
}
