//! Factories: components by name, whatever goes wrong on the way. Use them through [`resilient`](https://docs.rs/resilient).
//!
//! - [`Factory`] makes components of one kind, each by a constructor that was registered or listed with
//!   `#[resilient::component]`, with retries and a time limit, keeps what it made, and knows how well it is.
//! - [`Failover`] asks several factories, the healthy first, and never gives what was not asked for without saying so ([`Made`]).
//! - [`startup`] starts many components at once, under a strategy, holds them and closes them.
#![cfg_attr(
    feature = "credentials",
    doc = "- [`credentials`] has keys by name, from code, the environment, YAML and TOML."
)]
#![cfg_attr(
    feature = "serializers",
    doc = "- [`serializers`] are components too: formats, compressions, and envelopes that show every change."
)]
#![forbid(unsafe_code)]

/// What `#[component]` expands to. No promise is made about any of it.
#[doc(hidden)]
#[allow(missing_docs, reason = "not for people")]
pub mod __private {
    pub use crate::factory::linked::{AsyncConstructor, Linked, SyncConstructor, asynchronous, sync};
    pub use inventory;
}
mod boxed;
#[cfg(feature = "credentials")]
pub mod credentials;
mod factory;
mod failover;
#[cfg(feature = "serializers")]
pub mod serializers;
pub mod startup;

pub use boxed::{BoxError, BoxFuture};
pub use factory::{
    Asked, BadRequest, Factory, FactoryBuilder, FactoryError, FactoryHealth, FactoryState, FactoryStatistics,
    HealthRules, Plugin, Registrations,
};
pub use failover::{
    FactoryStatus, Failover, FailoverBuilder, FailoverError, FailoverGuard, Made, RegistryStatus, Selection,
};
