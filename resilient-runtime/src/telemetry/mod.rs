//! How the library is seen from outside.

#[cfg(feature = "metrics")]
pub mod metrics;
pub(crate) mod outcome;
pub(crate) mod spans;
pub(crate) mod tracing;
