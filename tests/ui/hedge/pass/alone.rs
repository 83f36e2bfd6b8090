use async_trait::async_trait;
use resilient::hedge;
use std::sync::atomic::{AtomicU32, Ordering};

static RUNS: AtomicU32 = AtomicU32::new(0);

async fn slow_at_first() {
    if RUNS.fetch_add(1, Ordering::Relaxed) == 0 {
        std::future::pending::<()>().await;
    }
}

#[hedge(delay = "1ms", idempotent = true, clone(order))]
async fn send(order: String, tag: &str, mut count: u32) -> std::io::Result<String> {
    slow_at_first().await;
    count += 1;
    Ok(order + tag + &count.to_string())
}

struct Client(u32);

impl Client {
    #[hedge(max_hedges = 2, idempotent = true, budget = "none", fallback = Self::none)]
    async fn count(&self, ids: Vec<u32>) -> Option<u32> {
        slow_at_first().await;
        Some(self.0 + ids.iter().sum::<u32>())
    }

    async fn none(&self, _: Vec<u32>) -> Option<u32> {
        None
    }
}

#[async_trait]
trait Store {
    async fn load(&self, id: String) -> std::io::Result<String>;
}

#[async_trait]
impl Store for Client {
    #[hedge(delay = 0.001, idempotent = true, clone(id))]
    async fn load(&self, id: String) -> std::io::Result<String> {
        slow_at_first().await;
        Ok(id)
    }
}

fn is_send<T: Send>(value: T) -> T {
    value
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(is_send(send("a".to_owned(), "b", 1)).await.unwrap(), "ab2");
    RUNS.store(1, Ordering::Relaxed);
    assert_eq!(is_send(Client(1).count(vec![1, 2])).await, Some(4));
    RUNS.store(0, Ordering::Relaxed);
    assert_eq!(Client(1).load("x".to_owned()).await.unwrap(), "x");
}
