//! A rate limit: three searches in six seconds; a fourth is told when to come back, or waits for its turn.
//!
//! `cargo run --example rate_limit` prints five calls that may not wait, and four that may.

#![allow(clippy::disallowed_methods, reason = "it measures real time")]

use std::time::{Duration, Instant};

use resilient::{RateLimitConfig, RateLimiter, ResilienceError, rate_limit};

/// Three at once after a quiet time (`burst` is `rate`), then one every two seconds.
#[rate_limit(name = "search", rate = 3, per = "6s")]
fn search(word: &str) -> Result<String, ResilienceError> {
    Ok(format!("3 pages about {word}"))
}

/// One every 100 ms; who comes too early waits, for half a second at most.
#[rate_limit(name = "mail", rate = 1, per = "100ms", max_wait = "500ms")]
async fn send_mail(_to: &str) -> Result<(), ResilienceError> {
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    for word in ["oak", "ash", "elm", "fir", "yew"] {
        match search(word) {
            Ok(found) => println!("{found}"),
            Err(refused) => println!("{word}: {refused}"),
        }
    }

    let begun = Instant::now();
    for to in ["ann", "bob", "cyd", "dan"] {
        send_mail(to).await?;
        println!("mail to {to} after about {} ms", begun.elapsed().as_millis() / 100 * 100);
    }

    println!("\nThe same as an object:");
    let imports = RateLimiter::new("imports", RateLimitConfig::new(2).per(Duration::from_secs(20)).burst(1))?;
    println!("first: {:?}", imports.call(|| Ok::<_, ResilienceError>("imported"))?);
    println!("second: {}", imports.try_acquire().unwrap_err());
    Ok(())
}
