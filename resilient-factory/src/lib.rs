//! Factories behind [`resilient`](https://docs.rs/resilient); use them through that crate.
#![forbid(unsafe_code)]

#[cfg(feature = "credentials")]
pub mod credentials;
pub mod failover;
#[cfg(feature = "serializers")]
pub mod serializers;
pub mod startup;
