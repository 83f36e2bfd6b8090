//! What a failover tells of its factories.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{FactoryState, FactoryStatistics};

/// The factories of a [`Failover`](crate::Failover) at one moment: a copy, with the keys that they are told under.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RegistryStatus {
    /// How many factories there are.
    pub total_factories: usize,
    /// How many of them are healthy.
    pub healthy_factories: usize,
    /// Each by its id.
    pub factories: BTreeMap<String, FactoryStatus>,
}

/// One factory of a [`RegistryStatus`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FactoryStatus {
    /// How well it is.
    pub health_state: FactoryState,
    /// As [`FactoryHealth::error_count`](crate::FactoryHealth::error_count).
    pub error_count: usize,
    /// As [`FactoryHealth::success_count`](crate::FactoryHealth::success_count).
    pub success_count: u64,
    /// Its weight.
    pub weight: f64,
    /// Its counts.
    pub stats: FactoryStatistics,
}
