//! The runtime behind [`resilient`](https://docs.rs/resilient): breakers, retries, time limits, profiles, health.
//!
//! Depend on `resilient`; it re-exports everything here together with the attributes.

#[doc(hidden)]
#[path = "private/mod.rs"]
pub mod __private;
mod api;
mod breaker;
mod bulkhead;
mod by_name;
mod caught;
#[cfg(feature = "chaos")]
pub mod chaos;
mod circuit_breaker;
mod clock;
mod context;
mod counters;
mod deadline;
mod error;
mod event;
mod execution;
mod fallback_chain;
mod family;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod hedge;
mod hedging;
#[cfg(all(test, any(resilient_loom, resilient_shuttle)))]
mod interleavings;
mod name;
mod operation;
mod outcome;
mod policy;
mod policy_ref;
mod profile;
mod rate_limit;
mod rate_limiter;
mod reason;
#[cfg(any(fuzzing, all(test, not(any(resilient_loom, resilient_shuttle)))))]
mod reference;
mod registry;
mod retry;
mod retry_budget;
mod runtime;
mod site;
mod skipped;
mod sync;
mod telemetry;
pub mod testing;
mod tick;
mod timeout;
mod unusual;
#[cfg(feature = "reload")]
mod watch;

pub use api::{
    Builder, Operation, breaker, breakers, builder, explain, init, operations, reload,
    reset_resilience_state, resilience_health, service_health, subscribe, validate,
};
pub use api::{bulkhead, keyed_breaker, keyed_breakers, rate_limiter};
pub use breaker::{BreakerConfig, BreakerSnapshot, Counts, State, TimeInStates, Window, WindowSnapshot};
pub use bulkhead::{Bulkhead, BulkheadConfig, BulkheadPermit, BulkheadSnapshot};
pub use circuit_breaker::{CircuitBreaker, IllegalTransition, Permit};
pub use deadline::{Deadline, InvalidGrpcTimeout, WithDeadline};
pub use error::{ErrorKind, ResilienceError};
pub use event::{Event, EventKind, Subscription};
pub use fallback_chain::{AsyncFallbackChain, FallbackChain};
#[cfg(feature = "checks")]
pub use health::{CheckReport, HealthCheck, check_health, register_health_check};
pub use health::{
    HealthConfig, HealthStatus, KeyedBreakers, ResilienceHealth, ServiceHealth, ServiceMetrics,
    ServiceStatistics, ServiceThresholds, WorkerThreads,
};
pub use hedge::HedgeDelay;
pub use hedging::Hedge;
pub use operation::{
    AnyResult, ContextBuilder, HedgedOperation, OperationBuilder, ResilienceConfig, ResilienceContext,
    ResilientOperation, RetryPolicy, Returning, Takes, TimeoutPolicy, resilient_context,
};
pub use outcome::{Class, Classify};
pub use profile::{
    ConfigErrors, Conflict, Explanation, IntoAlgorithm, IntoBackoff, IntoBudget, IntoDuration,
    IntoHedgeDelay, IntoJitter, IntoWindow, OFF, Problem, Refused, Row, Settings, Source, WorstCase,
};
pub use rate_limit::{Algorithm, RateLimitConfig, RateLimiterSnapshot};
pub use rate_limiter::RateLimiter;
pub use reason::{StopReason, TripReason};
pub use registry::{UnknownBreaker, UnknownBulkhead, UnknownOperation, UnknownRateLimiter, UnknownService};
pub use retry::{Backoff, Budget, Jitter};
pub use retry_budget::RetryBudget;
pub use skipped::{Skipped, skipped};
#[cfg(feature = "metrics")]
pub use telemetry::metrics;
#[cfg(feature = "reload")]
pub use watch::{Watch, watch};
