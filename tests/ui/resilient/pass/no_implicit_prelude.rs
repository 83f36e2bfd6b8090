#![no_implicit_prelude]

use ::resilient::{circuit_breaker, resilient, retry_with_backoff, track_service_health, with_timeout};
use ::std::result::Result::{self, Ok};

#[resilient(jitter = "full", window = 10, failure_rate = 0.5, ignore = _, failure_if = |order| *order == 0)]
async fn charge(order: u32, tag: ::std::string::String) -> Result<u32, ::std::io::Error> {
    ::std::mem::drop(::std::clone::Clone::clone(&tag));
    Ok(order)
}

#[retry_with_backoff]
#[circuit_breaker(fallback = again)]
#[with_timeout(5)]
#[track_service_health("refunds")]
fn refund(mut order: u32) -> Result<u32, ::std::io::Error> {
    order += 1;
    Ok(order)
}

fn again(order: u32) -> Result<u32, ::std::io::Error> {
    Ok(order)
}

fn main() {
    ::std::mem::drop(charge(1, ::std::string::String::new()));
    ::std::assert_eq!(refund(1).unwrap(), 2);
}
