#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub use resilient_macros::{
    api_resilient, cache_resilient, circuit_breaker, database_resilient, file_resilient, ml_resilient,
    resilient, retry_with_backoff, track_service_health, with_timeout,
};
#[doc(hidden)]
pub use resilient_runtime::__private;
pub use resilient_runtime::*;
