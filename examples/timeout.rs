//! Time limits of async functions, of sync ones on a worker thread, and of sync ones in place.
//!
//! `cargo run --example timeout` prints how a quick and a slow call of each end, and after how long.

#![allow(clippy::disallowed_methods, reason = "it measures real time")]

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use resilient::{Deadline, with_timeout};

const STEP: Duration = Duration::from_millis(20);

/// Dropped at its limit, wherever it waits.
#[with_timeout("100ms")]
async fn download(steps: u32) -> io::Result<u32> {
    tokio::time::sleep(STEP * steps).await;
    Ok(steps)
}

/// Owns its arguments, so it runs on a worker thread: its caller goes on at the limit, its late result is dropped.
#[with_timeout("100ms")]
fn resize(steps: u32) -> io::Result<u32> {
    sleep(STEP * steps);
    Ok(steps)
}

/// Borrows, so it runs in place. Nothing can stop it: it looks at what time is left, and stops by itself.
#[with_timeout("100ms", timeout_mode = "deadline")]
fn sum(steps: &[u32]) -> io::Result<u32> {
    let mut done = 0;
    for _ in steps {
        if Deadline::current().is_some_and(|deadline| deadline.remaining() < STEP) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "gave up in time"));
        }
        sleep(STEP);
        done += 1;
    }
    Ok(done)
}

fn print(what: &str, begun: Instant, result: io::Result<u32>) {
    let took = (begun.elapsed().as_millis() + 10) / 20 * 20;
    match result {
        Ok(steps) => println!("{what:<28} {steps} steps after about {took} ms"),
        Err(error) => println!("{what:<28} {error}, after about {took} ms"),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for steps in [2, 50] {
        print("async, dropped:", Instant::now(), download(steps).await);
        print("sync, on a worker thread:", Instant::now(), resize(steps));
        print("sync, in place:", Instant::now(), sum(&vec![1; steps as usize]));
    }
}
