#![forbid(unsafe_code)]
#![deny(warnings, unused, unreachable_code, rust_2018_idioms, single_use_lifetimes, unused_qualifications)]
#![deny(missing_docs, missing_debug_implementations, unreachable_pub, unused_lifetimes, let_underscore_drop)]
#![deny(trivial_casts, trivial_numeric_casts, variant_size_differences, unused_results, unit_bindings)]
#![deny(
    redundant_lifetimes,
    redundant_imports,
    meta_variable_misuse,
    ambiguous_negative_literals,
    non_ascii_idents
)]
//! Nothing of the expansion is reported in the user's crate.

use resilient::{circuit_breaker, resilient, retry_with_backoff, track_service_health, with_timeout};

#[resilient(max_attempts = 2, base_delay = 1e-3, jitter = false)]
async fn charge(order: u32, mut tag: String, _unused: &str) -> std::io::Result<String> {
    tag.push('!');
    Ok(format!("{tag}{order}"))
}

#[retry_with_backoff]
#[circuit_breaker(name = "strictest", fallback = again)]
#[with_timeout(5)]
#[track_service_health("strictest")]
fn refund(order: u32) -> Option<u32> {
    Some(order)
}

fn again(order: u32) -> Option<u32> {
    Some(order)
}

#[resilient]
async fn nothing() -> std::io::Result<()> {
    Ok(())
}

#[resilient]
async fn always_fails() -> std::io::Result<std::convert::Infallible> {
    Err(std::io::Error::other("down"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(charge(1, String::new(), "").await.unwrap(), "!1");
    assert_eq!(refund(1), Some(1));
    nothing().await.unwrap();
    drop(always_fails());
}
