//! A hedge: an answer that is slow in coming is asked for a second time, and the first good one wins.
//!
//! `cargo run --example hedge` prints what happens where the first replica hangs, by attribute and by object.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use resilient::{EventKind, Hedge, ResilienceError, hedge};

static ASKED: AtomicU32 = AtomicU32::new(0);

/// Every other replica hangs.
async fn replica() -> Result<String, ResilienceError> {
    let number = ASKED.fetch_add(1, Ordering::Relaxed) + 1;
    if number % 2 == 1 {
        std::future::pending::<()>().await;
    }
    Ok(format!("answer of replica {number}"))
}

/// In service `delay = "p95"`, the default, is the better word: what 95 of 100 good answers took less than.
#[hedge(operation_name = "lookup", delay = "50ms", idempotent = true)]
async fn lookup(key: &str) -> Result<String, ResilienceError> {
    Ok(format!("{key}: {}", replica().await?))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ResilienceError> {
    let _listening = resilient::subscribe(|event| {
        if let EventKind::HedgeStarted { attempt, .. } = event.kind {
            println!("  no answer for 50 ms: attempt {attempt} begins beside the first");
        }
    });

    println!("lookup(\"price\")");
    println!("  => {}", lookup("price").await?);

    println!("Hedge::call_async(replica)");
    let hedge = Hedge::new(Duration::from_millis(50)).with_max_hedges(2);
    println!("  => {}", hedge.call_async(replica).await?);
    Ok(())
}
