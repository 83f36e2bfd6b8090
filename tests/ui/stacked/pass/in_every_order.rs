#![deny(warnings)]

use resilient::{circuit_breaker, retry_with_backoff, track_service_health, with_timeout};
use std::sync::atomic::{AtomicU32, Ordering};

macro_rules! orders {
    ($($name:ident: $first:meta, $second:meta, $third:meta, $fourth:meta;)*) => {
        $(
            #[$first]
            #[$second]
            #[$third]
            #[$fourth]
            async fn $name(calls: &AtomicU32) -> std::io::Result<u32> {
                match calls.fetch_add(1, Ordering::Relaxed) {
                    0 => Err(std::io::Error::other("busy")),
                    _ => Ok(calls.load(Ordering::Relaxed)),
                }
            }
        )*

        #[tokio::main(flavor = "current_thread")]
        async fn main() {
            $(assert_eq!($name(&AtomicU32::new(0)).await.unwrap(), 2);)*
        }
    };
}

orders! {
    rbth: retry_with_backoff(base_delay = "1ms"), circuit_breaker(name = "a"), with_timeout(5), track_service_health("a");
    htbr: track_service_health("b"), with_timeout(5), circuit_breaker(name = "b"), retry_with_backoff(base_delay = "1ms");
    btrh: circuit_breaker(name = "c"), with_timeout(5), retry_with_backoff(base_delay = "1ms"), track_service_health("c");
    trhb: with_timeout(5), retry_with_backoff(base_delay = "1ms"), track_service_health("d"), circuit_breaker(name = "d");
}
