//! Retries: an error that may pass is tried again, any other is final.
//!
//! `cargo run --example retry` prints what happens in two calls, and how each ends.

use std::sync::atomic::{AtomicU32, Ordering};

use resilient::{EventKind, retry_with_backoff};

#[derive(Debug, thiserror::Error)]
enum DbError {
    #[error("the connection was reset")]
    Reset,
    #[error("no table '{0}'")]
    NoTable(String),
}

static CALLS: AtomicU32 = AtomicU32::new(0);

/// 4 attempts, with waits of 50, 100 and 200 ms; `jitter = false` only so that this prints the same each time.
#[retry_with_backoff(
    operation_name = "count_rows",
    max_retries = 3,
    base_delay = "50ms",
    jitter = false,
    retry_on = DbError::Reset
)]
fn count_rows(table: &str) -> Result<u32, DbError> {
    match table {
        "users" if CALLS.fetch_add(1, Ordering::Relaxed) < 2 => Err(DbError::Reset),
        "users" => Ok(42),
        other => Err(DbError::NoTable(other.to_owned())),
    }
}

fn main() {
    let _listening = resilient::subscribe(|event| {
        let told = matches!(event.kind, EventKind::RetryScheduled { .. } | EventKind::Finished { .. });
        if told {
            println!("  {}", event.kind);
        }
    });
    for table in ["users", "orders"] {
        println!("count_rows({table:?})");
        match count_rows(table) {
            Ok(rows) => println!("  => {rows} rows\n"),
            Err(error) => println!("  => error: {error}\n"),
        }
    }
}
