//! Runnable examples of `resilient`; start with `cargo run --example demo`, the tour.
//!
//! A file for each pattern, a screenful each: `combined`, `retry`, `budget`, `circuit_breaker`, `timeout`, `deadline`,
//! `bulkhead`, `rate_limit`, `hedge`, `fallback`, `keyed`, `impl_block`, `context`, `policy_objects`, `stream`, `reload`,
//! `chaos`; of several files, `exchange_factory`. All of the crate's features are on here.
