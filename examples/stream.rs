//! Functions that return a stream (feature `stream`): begun again until the first item, never after it.
//!
//! `cargo run --example stream` prints a subscription that fails twice before its first item, and one that breaks off
//! after it.

use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::stream::{self, BoxStream, StreamExt};
use resilient::{EventKind, ResilienceError, resilient};

#[derive(Debug, thiserror::Error)]
enum FeedError {
    #[error("the feed is down")]
    Down,
    #[error("{0}")]
    Refused(#[from] ResilienceError),
}

static BEGUN: AtomicU32 = AtomicU32::new(0);

/// `timeout` limits the wait for the first item, `deadline` the whole stream.
#[resilient(operation_name = "prices", base_delay = "20ms", jitter = false, timeout = "1s", deadline = "1h")]
fn prices(items: Vec<Result<u32, ()>>) -> BoxStream<'static, Result<u32, FeedError>> {
    let down = BEGUN.fetch_add(1, Ordering::Relaxed) < 2;
    let items = if down { vec![Err(())] } else { items };
    stream::iter(items).map(|item| item.map_err(|()| FeedError::Down)).boxed()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), resilient::UnknownBreaker> {
    let _listening = resilient::subscribe(|event| {
        let told = matches!(event.kind, EventKind::RetryScheduled { .. } | EventKind::Finished { .. });
        if told {
            println!("  {}", event.kind);
        }
    });
    for (what, items) in [
        ("fails twice, then gives all of it:", vec![Ok(10), Ok(11), Ok(12)]),
        ("breaks off after the first item:", vec![Ok(10), Err(())]),
    ] {
        println!("{what}");
        let mut prices = prices(items);
        while let Some(price) = prices.next().await {
            match price {
                Ok(price) => println!("  => {price}"),
                Err(error) => println!("  => error: {error}"),
            }
        }
        println!();
    }
    let breaker = resilient::breaker("prices")?.snapshot();
    println!("the breaker saw {} good and {} failed", breaker.successful_calls, breaker.failed_calls);
    Ok(())
}
