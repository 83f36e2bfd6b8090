//! Faults on purpose (feature `chaos`): see that the layers do what they are for, before it is needed.
//!
//! `cargo run --example chaos` prints how many of a hundred calls fail without faults, with faults, and without again.

use resilient::chaos::{self, Chaos};
use resilient::{ResilienceError, resilient};

/// It never fails by itself.
#[resilient(
    operation_name = "get_user",
    max_attempts = 4,
    base_delay = "1ms",
    failure_threshold = "off",
    budget = "none"
)]
fn get_user(id: u32) -> Result<u32, ResilienceError> {
    Ok(id)
}

fn failed() -> usize {
    (0..100).filter(|id| get_user(*id).is_err()).count()
}

fn main() -> Result<(), resilient::ConfigErrors> {
    // A release build refuses to inject anything unless this, or a variable, says that it is meant.
    resilient::builder().allow_chaos_in_release().init()?;

    println!("without faults:           {} of 100 calls failed", failed());

    let some = chaos::inject("get_user", Chaos::new().error_rate(0.3))?;
    let hidden = failed() < 10 && some.hits() > 20;
    println!("3 of 10 attempts fail:    the retries hide nearly all of it: {hidden}");
    drop(some);

    let all = chaos::inject("get_user", Chaos::new().error_rate(1.0))?;
    println!("every attempt fails:      {} of 100 calls failed, {} attempts suffered", failed(), all.hits());
    if let Err(error) = get_user(1) {
        println!("                          {error}");
    }
    drop(all);

    println!("after it:                 {} of 100 calls failed", failed());
    Ok(())
}
