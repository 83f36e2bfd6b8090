//! The state of everything, for people and monitoring.

#[cfg(feature = "checks")]
mod checks;
mod service;

use std::collections::BTreeMap;

#[cfg(feature = "checks")]
pub(crate) use checks::Checks;
#[cfg(feature = "checks")]
pub use checks::{CheckReport, HealthCheck, check_health, register_health_check};
pub use service::{
    HealthConfig, HealthStatus, ServiceHealth, ServiceMetrics, ServiceStatistics, ServiceThresholds,
};

use crate::breaker::{Breaker, BreakerSnapshot, State};
use crate::bulkhead::BulkheadSnapshot;
use crate::family::Family;
use crate::rate_limit::RateLimiterSnapshot;
use crate::runtime::{Runtime, WORKERS};
use crate::site::sites;

/// The state of everything at one moment; with the feature `serde` it serialises to the keys of
/// Pynomaly's `get_resilience_health()` and more, and `json` adds `to_json`.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ResilienceHealth {
    /// `healthy` while every breaker is closed and every tracked service well; `degraded` while any breaker is open,
    /// half-open, forced open or failing over its rate, or any service is not well; `unhealthy` only while a breaker
    /// marked `critical` is open. One key of a breaker that is kept by key degrades it too, and never more than that.
    pub overall_health: HealthStatus,
    /// Names of the breakers that are open, by themselves or by hand. One whose time is over is among them until a call
    /// comes.
    pub open_breakers: Vec<&'static str>,
    /// Names of the breakers that are half-open, or closed with a failure rate over their limit.
    pub degraded_breakers: Vec<&'static str>,
    /// Every breaker.
    pub circuit_breakers: BTreeMap<&'static str, BreakerSnapshot>,
    /// Breakers that are kept by key: by name, never by key.
    pub keyed_circuit_breakers: BTreeMap<&'static str, KeyedBreakers>,
    /// Every bulkhead.
    pub bulkheads: BTreeMap<&'static str, BulkheadSnapshot>,
    /// Every rate limiter.
    pub rate_limiters: BTreeMap<&'static str, RateLimiterSnapshot>,
    /// Every service that `#[track_service_health]` names.
    pub services: BTreeMap<&'static str, ServiceMetrics>,
    /// Failed calls as a share of all, over all breakers; 0.0 when there were none.
    pub overall_failure_rate: f64,
    /// How many functions are annotated.
    pub operations: usize,
    /// The threads of sync time limits.
    pub workers: WorkerThreads,
}

/// The breakers of one name that are kept by key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct KeyedBreakers {
    /// Keys that are remembered.
    pub keys: usize,
    /// Of these, keys whose breaker refuses calls.
    pub open: usize,
    /// Of these, keys whose breaker lets probes through.
    pub half_open: usize,
}

impl KeyedBreakers {
    #[inline]
    fn of(family: &Family<Breaker>) -> Self {
        let mut of = Self::default();
        for (_, breaker) in family.members() {
            of.keys += 1;
            match breaker.state() {
                State::Open | State::ForcedOpen => of.open += 1,
                State::HalfOpen => of.half_open += 1,
                State::Closed | State::Disabled | State::MetricsOnly => {}
            }
        }
        of
    }
}

/// The threads of sync time limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct WorkerThreads {
    /// Running a call.
    pub active: usize,
    /// Waiting for one.
    pub idle: usize,
    /// Still running a call whose caller has left; part of `active`.
    pub stuck: usize,
}

impl ResilienceHealth {
    #[inline]
    pub(crate) fn of(runtime: &Runtime) -> Self {
        let circuit_breakers = by_name(&runtime.breakers(), |it| (it.name(), it.snapshot()));
        let services = by_name(&runtime.services(), |it| (it.name(), it.metrics()));
        let keyed_circuit_breakers =
            by_name(&runtime.keyed_breaker_families(), |(name, family)| (*name, KeyedBreakers::of(family)));
        let refuses = |snapshot: &&BreakerSnapshot| matches!(snapshot.state, State::Open | State::ForcedOpen);
        let falters = |snapshot: &&BreakerSnapshot| snapshot.state == State::HalfOpen || snapshot.failing;
        let open: Vec<_> = circuit_breakers.values().filter(refuses).collect();
        let degraded: Vec<_> = circuit_breakers.values().filter(falters).collect();
        let unwell = |service: &ServiceMetrics| {
            matches!(service.status, HealthStatus::Degraded | HealthStatus::Unhealthy)
        };
        let overall_health = if open.iter().any(|snapshot| snapshot.critical) {
            HealthStatus::Unhealthy
        } else if !open.is_empty()
            || !degraded.is_empty()
            || services.values().any(unwell)
            || keyed_circuit_breakers.values().any(|keyed| keyed.open + keyed.half_open > 0)
        {
            HealthStatus::Degraded
        } else {
            HealthStatus::Healthy
        };
        let sum = |count: fn(&BreakerSnapshot) -> u64| circuit_breakers.values().map(count).sum::<u64>();
        let (failed, total) = (sum(|snapshot| snapshot.failed_calls), sum(|snapshot| snapshot.total_calls));
        Self {
            overall_health,
            open_breakers: open.iter().map(|snapshot| snapshot.name).collect(),
            degraded_breakers: degraded.iter().map(|snapshot| snapshot.name).collect(),
            overall_failure_rate: if total == 0 { 0.0 } else { failed as f64 / total as f64 },
            circuit_breakers,
            keyed_circuit_breakers,
            bulkheads: by_name(&runtime.bulkheads(), |it| (it.name(), it.snapshot())),
            rate_limiters: by_name(&runtime.rate_limiters(), |it| (it.name(), it.snapshot())),
            services,
            operations: sites().count(),
            workers: WorkerThreads { active: WORKERS.active(), idle: WORKERS.idle(), stuck: WORKERS.stuck() },
        }
    }

    /// The whole as JSON. Needs the feature `json`.
    #[cfg(feature = "json")]
    pub fn to_json(&self) -> String {
        // Names and numbers: nothing in it can fail to serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// They come in the order of their names, so that collecting compares each with the next and looks for no place.
fn by_name<T, S>(all: &[T], shown: fn(&T) -> (&'static str, S)) -> BTreeMap<&'static str, S> {
    all.iter().map(shown).collect()
}
