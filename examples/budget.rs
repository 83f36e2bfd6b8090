//! A retry budget: while everything fails, retries are a share of the calls and not a multiple of them.
//!
//! `cargo run --example budget` prints how often a dead service is asked, with and without one.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use resilient::{ResilientOperation, RetryBudget, RetryPolicy, retry_with_backoff};

static ASKED: AtomicU32 = AtomicU32::new(0);

fn ask() -> io::Result<()> {
    ASKED.fetch_add(1, Ordering::Relaxed);
    Err(io::Error::other("dead"))
}

#[retry_with_backoff(max_attempts = 4, base_delay = 0, budget = "none")]
fn unbounded() -> io::Result<()> {
    ask()
}

/// A retry for ten calls that go well, and one a second besides: ten in the ten seconds it looks back on.
#[retry_with_backoff(max_attempts = 4, base_delay = 0, budget(ratio = 0.1, per_second = 1))]
fn bounded() -> io::Result<()> {
    ask()
}

fn asked(name: &str, call: impl Fn() -> io::Result<()>) {
    ASKED.store(0, Ordering::Relaxed);
    let failed = (0..100).filter(|_| call().is_err()).count();
    println!("{name:<42} {failed} calls failed, {} attempts", ASKED.load(Ordering::Relaxed));
}

fn main() -> Result<(), resilient::ConfigErrors> {
    asked("budget = \"none\"", unbounded);
    asked("budget(ratio = 0.1, per_second = 1)", bounded);

    // One budget for two operations: 100 tokens, a retry takes 5. Retries that succeed give theirs back.
    let shared = RetryBudget::tokens("orders-db", 100, 5)?;
    let retry = RetryPolicy::new().with_max_attempts(4).with_base_delay(0);
    for name in ["read_order", "write_order"] {
        let operation = ResilientOperation::builder(name)
            .with_retry(retry.clone())
            .with_retry_budget(shared.clone())
            .build()?;
        asked(&format!("{name}, of 100 tokens they share"), || operation.call(ask));
    }
    println!("tokens left: {}", shared.available());
    Ok(())
}
