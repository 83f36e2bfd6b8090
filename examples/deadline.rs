//! Deadlines: a request says how long its caller waits, and everything inside keeps to that.
//!
//! `cargo run --example deadline` serves a request that came with `grpc-timeout: 200m`: it hands on what is left of it,
//! also to a task, and begins no retry that would come too late.

use std::io;

use resilient::{Deadline, EventKind, retry_with_backoff, with_timeout};

/// What is left of the deadline around the code, in steps of 20 ms, so that this prints the same each time.
fn left() -> String {
    match Deadline::current() {
        Some(deadline) => format!("about {} ms left", deadline.as_millis().div_ceil(20) * 20),
        None => "no deadline".to_owned(),
    }
}

/// Waits of 80 ms and 160 ms; the second does not fit into what is left.
#[retry_with_backoff(operation_name = "store", max_attempts = 5, base_delay = "80ms", jitter = false)]
async fn store() -> io::Result<()> {
    println!("store: {}", left());
    Err(io::Error::other("locked"))
}

/// 10 s are its own limit; the one around it is nearer.
#[with_timeout(10, operation_name = "search")]
async fn search() -> io::Result<()> {
    std::future::pending().await
}

async fn serve() {
    println!("a plain task: {}", tokio::spawn(async { left() }).await.unwrap());
    println!("an attached one: {}", tokio::spawn(Deadline::attach(async { left() })).await.unwrap());
    let sent = Deadline::current().map(|deadline| deadline.to_grpc_timeout());
    println!("a header for the next service: {}", if sent.is_some() { "grpc-timeout" } else { "none" });
    println!("store: {}", store().await.unwrap_err());
    println!("search: {}", search().await.unwrap_err());
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _listening = resilient::subscribe(|event| {
        let told = matches!(event.kind, EventKind::RetryScheduled { .. } | EventKind::Finished { .. });
        if told {
            println!("  {}", event.kind);
        }
    });
    println!("outside a request: {}", left());
    let deadline = Deadline::from_grpc_timeout("200m")?;
    deadline.attach_to(serve()).await;
    println!("after it: {}, expired: {}", left(), deadline.is_expired());
    Ok(())
}
