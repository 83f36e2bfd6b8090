//! A block of calls that share one configuration, one breaker and one deadline: Python's `with resilient_context(..)`.
//!
//! `cargo run --example context` prints a bulk job whose last item does not fit into the block's deadline.

use std::thread::sleep;
use std::time::Duration;

use resilient::{ResilienceError, resilient_context};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let block = resilient_context("database", "activate_all") // numbers and variables of `database`
        .deadline("350ms")
        .timeout("200ms")
        .max_attempts(2)
        .build()?;
    println!(
        "layers: {}\n",
        block.operation().explain().map_or_else(String::new, |all| all.layers().join(" > "))
    );

    for user in block.call(|| Ok::<_, ResilienceError>([1, 2, 3, 4]))? {
        let activated = block.call(|| {
            sleep(Duration::from_millis(100));
            Ok::<_, ResilienceError>(format!("user {user} is active"))
        });
        match activated {
            Ok(done) => println!("{done}"),
            Err(error) => println!("user {user}: {error}"),
        }
    }
    println!("left of the block's deadline: {} ms", block.remaining().unwrap_or_default().as_millis());
    Ok(())
}
