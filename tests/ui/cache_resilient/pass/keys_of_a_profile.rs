use resilient::cache_resilient;

#[cache_resilient(
    operation_name = "look_up",
    name = "redis",
    timeout_seconds = 2,
    deadline = "10s",
    max_retries = 1,
    base_delay = 0.01,
    max_delay = "50ms",
    exponential_base = 3,
    jitter = "decorrelated",
    retry_on_open,
    exhausted = "wrap",
    failure_threshold = "off",
    failure_rate = 0.5,
    window = "30s",
    min_calls = 10,
    slow_call_rate = 0.9,
    slow_call_duration = "1s",
    success_threshold = 3,
    half_open_max_calls = 1,
    recovery_timeout = 5,
    recovery_backoff = 2.0,
    max_recovery_timeout = "1m",
    recovery_jitter = 0.1,
    breaker_scope = "call",
    critical
)]
async fn look_up(key: &str) -> std::io::Result<usize> {
    Ok(key.len())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(look_up("ann").await.unwrap(), 3);
    resilient::validate().unwrap();
}
