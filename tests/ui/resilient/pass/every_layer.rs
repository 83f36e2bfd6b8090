use resilient::{ResilienceError, resilient};
use std::pin::Pin;

#[derive(Clone, Debug)]
struct Down;

impl From<ResilienceError> for Down {
    fn from(_: ResilienceError) -> Self {
        Self
    }
}

#[resilient(
    bulkhead(max_concurrent = 10, max_queue = 5, max_wait = "1s"),
    rate_limit(rate = 100, per = "1s", name = "orders"),
    hedge(delay = "p95", max_hedges = 2),
    budget(ratio = 0.2, per_second = 1),
    idempotent = true,
    key = host,
    base_delay = 0,
    deadline = "1min",
    fallback_chain = [replica, none],
    fallback_on = Down
)]
async fn later(host: &str, id: u64) -> Result<u64, Down> {
    if host.is_empty() { Err(Down) } else { Ok(id) }
}

async fn replica(_host: &str, _id: u64, error: Down) -> Result<u64, Down> {
    Err(error)
}

async fn none(_host: &str, _id: u64) -> Result<u64, Down> {
    Ok(0)
}

#[resilient(bulkhead, rate_limit(rate = 100), budget = 0.5, key = id, enable_timeout = false)]
fn at_once(id: u64) -> Result<u64, Down> {
    Ok(id)
}

#[resilient(bulkhead(max_concurrent = 1), rate_limit(rate = 1), timeout = "1s")]
fn on_a_thread(id: u64) -> Result<u64, Down> {
    Ok(id)
}

#[resilient(enable_bulkhead = true, hedge, idempotent = true, key = id)]
fn boxed(id: u64) -> Pin<Box<dyn Future<Output = Result<u64, Down>> + Send>> {
    Box::pin(async move { Ok(id) })
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(later("a", 1).await.unwrap(), 1);
    assert_eq!(later("", 1).await.unwrap(), 0);
    assert_eq!(at_once(2).unwrap(), 2);
    assert_eq!(on_a_thread(3).unwrap(), 3);
    assert_eq!(boxed(4).await.unwrap(), 4);
}
