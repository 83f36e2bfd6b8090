//! The clients behind [`resilient`](https://docs.rs/resilient): a database, Redis, HTTP, S3, each in the library's own layers.
//!
//! Depend on `resilient`; it re-exports everything here.
#![forbid(unsafe_code)]

mod address;

pub use address::{Address, InvalidAddress};
