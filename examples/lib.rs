//! Runnable examples of `resilient`; start with `cargo run --example demo`.
