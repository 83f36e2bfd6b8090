//! The attributes in a crate of edition 2021 that takes no warning, clippy's pedantic ones included.
//!
//! Compiling it is most of the test.
#![deny(warnings, clippy::all, clippy::pedantic)]
#![forbid(unsafe_code)]

pub mod every_attribute;
pub mod shapes;
pub mod without_prelude;

use resilient::ResilienceError;

/// What the guarded functions here fail with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The other side is busy.
    #[error("busy")]
    Busy,
    /// There is no such thing.
    #[error("nothing there")]
    NotFound,
    /// The library refused.
    #[error(transparent)]
    Refused(#[from] ResilienceError),
}

/// The usual alias.
pub type Result<T, E = Error> = std::result::Result<T, E>;
