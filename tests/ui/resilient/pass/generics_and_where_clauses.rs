use resilient::{ResilienceError, resilient};
use std::fmt::{Debug, Display};

#[resilient]
async fn charge<T, E>(order: T, failing: Option<E>) -> Result<String, E>
where
    T: Display,
    E: From<ResilienceError> + Clone + Debug,
{
    match &failing {
        Some(error) => Err(error.clone()),
        None => Ok(order.to_string()),
    }
}

#[resilient]
fn refund<T: Display + ?Sized>(order: &T) -> std::io::Result<String> {
    Ok(order.to_string())
}

struct Queue<T>(Vec<T>);

impl<T> Queue<T>
where
    T: Clone,
{
    #[resilient]
    fn first<U>(&self, map: impl Fn(T) -> U) -> std::io::Result<U> {
        self.0.first().cloned().map(&map).ok_or_else(|| std::io::Error::other("empty"))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(charge(1, None::<String>).await.unwrap(), "1");
    assert_eq!(refund("book").unwrap(), "book");
    assert_eq!(Queue(vec![1]).first(|id| id + 1).unwrap(), 2);
}
