use resilient::{ResilienceError, bulkhead};

#[bulkhead(max_concurrent = 1)]
fn nested(depth: u32) -> Result<u32, ResilienceError> {
    if depth == 0 { Ok(0) } else { nested(depth - 1) }
}

#[bulkhead(max_concurrent = 2, max_queue = 5, max_wait = "1s", name = "db", key = tenant)]
async fn load(tenant: &str, id: u64) -> std::io::Result<String> {
    tokio::task::yield_now().await;
    Ok(format!("{tenant}{id}"))
}

#[bulkhead(fallback_value = 0)]
async fn no_result(id: u64) -> u64 {
    id
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(nested(0).unwrap(), 0);
    assert_eq!(nested(1).unwrap_err().kind(), resilient::ErrorKind::BulkheadFull);
    assert_eq!(load("a", 1).await.unwrap(), "a1");
    assert_eq!(no_result(3).await, 3);
}
