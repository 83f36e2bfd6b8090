//! The README's first example, with a database that is locked once: `cargo run --example quickstart`.

use std::sync::atomic::{AtomicBool, Ordering};

use resilient::{ResilienceError, database_resilient};

#[derive(Debug, thiserror::Error)]
enum DbError {
    #[error("the database is locked")]
    Locked,
    #[error("no such user")]
    NotFound,
    #[error("{0}")]
    Refused(#[from] ResilienceError),
}

/// The first attempt meets a lock.
static LOCKED: AtomicBool = AtomicBool::new(true);

/// 3 attempts with growing waits, 30 s each at most, and a breaker that opens after 3 failures in a row.
#[database_resilient(operation_name = "get_user", ignore = DbError::NotFound)]
async fn get_user(id: u64) -> Result<String, DbError> {
    match id {
        0 => Err(DbError::NotFound),
        _ if LOCKED.swap(false, Ordering::Relaxed) => Err(DbError::Locked),
        id => Ok(format!("user {id}")),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    resilient::init()?; // optional: a wrong environment variable stops the start, not the first call
    println!("{}", get_user(7).await?);
    println!("{}", resilient::explain("get_user")?);
    println!("{}", resilient::resilience_health().overall_health);
    Ok(())
}
