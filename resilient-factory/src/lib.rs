//! Factories behind [`resilient`](https://docs.rs/resilient); use them through that crate.
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
