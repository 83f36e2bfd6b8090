//! Factories behind [`resilient`](https://docs.rs/resilient); use them through that crate.
#![forbid(unsafe_code)]

mod boxed;
#[cfg(feature = "credentials")]
pub mod credentials;
mod factory;
pub mod failover;
#[cfg(feature = "serializers")]
pub mod serializers;
pub mod startup;

pub use boxed::{BoxError, BoxFuture};
pub use factory::{Asked, BadRequest, Factory, FactoryBuilder, FactoryError};
