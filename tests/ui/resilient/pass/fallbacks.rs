use resilient::resilient;

#[resilient(enable_retry = false, fallback = from_cache)]
async fn charge(order: &str, limit: Option<u32>) -> Option<u32> {
    Some(limit? + u32::try_from(order.len()).ok()?)
}

async fn from_cache(order: &str, limit: Option<u32>) -> Option<u32> {
    order.parse().ok().or(limit)
}

struct Client(u32);

impl Client {
    #[resilient(enable_retry = false, fallback = Self::guess)]
    fn refund(&mut self, order: u32) -> std::io::Result<u32> {
        self.0 += order;
        Err(std::io::Error::other("down"))
    }

    fn guess(&mut self, order: u32) -> std::io::Result<u32> {
        Ok(self.0 * 10 + order)
    }
}

#[resilient(fallback = either::<T>)]
async fn generic<T: Clone + Default>(value: T) -> std::io::Result<T> {
    Ok(value.clone())
}

async fn either<T: Clone + Default>(value: T) -> std::io::Result<T> {
    drop(value);
    Ok(T::default())
}

#[resilient(fallback = nothing)]
async fn log() {
    tokio::task::yield_now().await;
}

async fn nothing() {}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(charge("book", Some(1)).await, Some(5));
    assert_eq!(Client(0).refund(2).unwrap(), 22);
    assert_eq!(generic(1).await.unwrap(), 1);
    log().await;
}
