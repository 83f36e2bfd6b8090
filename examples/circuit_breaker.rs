//! A circuit breaker: after three failures in a row it refuses calls, and the service is left alone until a probe
//! succeeds.
//!
//! `cargo run --example circuit_breaker` prints seven calls, the breaker's changes of state, and its figures.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use resilient::{EventKind, circuit_breaker};

static DOWN: AtomicBool = AtomicBool::new(true);

#[circuit_breaker(name = "payments", failure_threshold = 3, success_threshold = 1, recovery_timeout = 1.2)]
fn pay(cents: u32) -> io::Result<String> {
    if DOWN.load(Ordering::Relaxed) {
        return Err(io::Error::other("connection refused"));
    }
    Ok(format!("paid {cents}"))
}

fn call(n: u32) {
    match pay(100 * n) {
        Ok(answer) => println!("call {n}: {answer}"),
        Err(error) => println!("call {n}: {error}"),
    }
}

fn main() -> Result<(), resilient::UnknownBreaker> {
    let _listening = resilient::subscribe(|event| {
        if let EventKind::Transition { .. } = event.kind {
            println!("   {}", event.kind);
        }
    });

    (1..=5).for_each(call);
    println!("\nThe service is back; the breaker's 1.2 s pass ..\n");
    DOWN.store(false, Ordering::Relaxed);
    sleep(Duration::from_millis(1250));
    (6..=7).for_each(call);

    let payments = resilient::breaker("payments")?.snapshot();
    println!(
        "\n{} calls reached the service, {} were refused",
        payments.total_calls, payments.rejected_calls
    );
    Ok(())
}
