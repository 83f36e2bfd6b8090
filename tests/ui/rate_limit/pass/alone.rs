use resilient::rate_limit;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

#[rate_limit(rate = 1, per = MINUTE, burst = 2, algorithm = "gcra", name = "api", key = format!("{host}:{port}"))]
fn crawl(host: &str, port: u16) -> std::io::Result<usize> {
    Ok(host.len() + usize::from(port))
}

#[rate_limit(rate = 1, per = "1min", max_wait = "1ms", algorithm = "sliding_window")]
async fn once(id: u32) -> std::io::Result<u32> {
    Ok(id)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert!(crawl("a", 1).is_ok() && crawl("a", 1).is_ok() && crawl("a", 2).is_ok());
    assert!(crawl("a", 1).is_err());
    assert!(once(1).await.is_ok());
    assert!(once(1).await.is_err());
}
