//! How the library is seen from outside.

#[cfg(feature = "metrics")]
pub mod metrics;
pub(crate) mod tracing;
