//! A bulkhead: no more than two reports at once, one more may wait, and what finds no room is refused at once.
//!
//! `cargo run --example bulkhead` starts four and prints what becomes of each; then it does the same with the object.

use std::time::Duration;

use resilient::{Bulkhead, BulkheadConfig, ResilienceError, bulkhead};

#[bulkhead(name = "reports", max_concurrent = 2, max_queue = 1)]
async fn report(number: u32) -> Result<(), ResilienceError> {
    println!("report {number} begins");
    tokio::time::sleep(Duration::from_millis(50 * u64::from(number))).await;
    println!("report {number} is done");
    Ok(())
}

async fn ask(number: u32) {
    if let Err(refused) = report(number).await {
        println!("report {number}: {refused}");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let watch = async {
        let reports = resilient::bulkhead("reports")?;
        println!("{} run, {} wait", reports.active_count(), reports.waiting_count());
        Ok::<_, resilient::UnknownBulkhead>(())
    };
    let (.., seen) = tokio::join!(biased; ask(1), ask(2), ask(3), ask(4), watch);
    seen?;

    println!("\nThe same as an object, in sync code:");
    let pool = Bulkhead::new("pool", BulkheadConfig::new().max_concurrent(1))?;
    let connection = pool.try_acquire()?;
    println!("second: {}", pool.call(|| Ok::<_, ResilienceError>("connected")).unwrap_err());
    drop(connection);
    println!("after the first is gone: {}", pool.call(|| Ok::<_, ResilienceError>("connected"))?);
    Ok(())
}
