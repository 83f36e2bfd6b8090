//! How the library is seen from outside.

pub(crate) mod tracing;
