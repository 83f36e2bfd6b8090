#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

/// The crate `http`, whose methods, headers and statuses the HTTP client and the layer speak.
#[cfg(feature = "http")]
pub use resilient_clients::http_types as http;
/// The crate `redis`, whose commands go through [`RedisClient::call`].
#[cfg(feature = "redis")]
pub use resilient_clients::redis_driver as redis;
/// The crate `sqlx`, of the version that the database client is built on.
#[cfg(feature = "database")]
pub use resilient_clients::sqlx;
#[cfg(feature = "clients")]
#[doc(inline)]
pub use resilient_clients::{Address, InvalidAddress};
#[cfg(feature = "database")]
#[doc(inline)]
pub use resilient_clients::{
    BlockingDatabaseClient, BlockingDatabaseSession, DatabaseAnswer, DatabaseBackend, DatabaseClient,
    DatabaseClientBuilder, DatabaseError, DatabaseSession, OpenDatabaseSession, database_client,
};
#[cfg(feature = "http")]
#[doc(inline)]
pub use resilient_clients::{
    BlockingHttpClient, HttpClient, HttpClientBuilder, HttpError, HttpRequest, HttpResponse, http_client,
};
#[cfg(feature = "redis")]
#[doc(inline)]
pub use resilient_clients::{
    BlockingRedisClient, RedisAnswer, RedisClient, RedisClientBuilder, RedisConnection, RedisError,
    redis_client,
};
#[cfg(feature = "s3")]
#[doc(inline)]
pub use resilient_clients::{
    BlockingS3Client, Progress, S3Client, S3ClientBuilder, S3Error, S3Object, S3Stream, s3_client,
};
#[cfg(feature = "tower")]
#[doc(inline)]
pub use resilient_clients::{OperationLayer, OperationService, tower};
#[cfg(feature = "factory")]
#[doc(inline)]
pub use resilient_factory as factory;
#[cfg(feature = "factory")]
#[doc(inline)]
pub use resilient_macros::component;
#[doc(inline)]
pub use resilient_macros::{
    api_resilient, bulkhead, cache_resilient, circuit_breaker, database_resilient, fallback, file_resilient,
    hedge, ml_resilient, rate_limit, resilient, retry_with_backoff, track_service_health, with_timeout,
};
#[doc(hidden)]
pub use resilient_runtime::__private;
#[cfg(feature = "chaos")]
#[doc(inline)]
pub use resilient_runtime::chaos;
#[cfg(feature = "metrics")]
#[doc(inline)]
pub use resilient_runtime::metrics;
#[doc(inline)]
pub use resilient_runtime::{
    Algorithm, AnyResult, AsyncFallbackChain, Backoff, BreakerConfig, BreakerSnapshot, Budget, Builder,
    Bulkhead, BulkheadConfig, BulkheadPermit, BulkheadSnapshot, CircuitBreaker, Class, Classify,
    ConfigErrors, Conflict, ContextBuilder, Counts, Deadline, ErrorKind, Event, EventKind, Explanation,
    FallbackChain, HealthConfig, HealthStatus, Hedge, HedgeDelay, HedgedOperation, IllegalTransition,
    IntoAlgorithm, IntoBackoff, IntoBudget, IntoDuration, IntoHedgeDelay, IntoJitter, IntoWindow,
    InvalidGrpcTimeout, Jitter, KeyedBreakers, OFF, Operation, OperationBuilder, Permit, Problem,
    RateLimitConfig, RateLimiter, RateLimiterSnapshot, Refused, ResilienceConfig, ResilienceContext,
    ResilienceError, ResilienceHealth, ResilientOperation, RetryBudget, RetryPolicy, Returning, Row,
    ServiceHealth, ServiceMetrics, ServiceStatistics, ServiceThresholds, Settings, Skipped, Source, State,
    StopReason, Subscription, Takes, TimeInStates, TimeoutPolicy, TripReason, UnknownBreaker,
    UnknownBulkhead, UnknownOperation, UnknownRateLimiter, UnknownService, Window, WindowSnapshot,
    WithDeadline, WorkerThreads, WorstCase, breaker, breakers, builder, bulkhead, explain, init,
    keyed_breaker, keyed_breakers, operations, rate_limiter, reload, reset_resilience_state,
    resilience_health, resilient_context, service_health, skipped, subscribe, testing, validate,
};
#[cfg(feature = "checks")]
#[doc(inline)]
pub use resilient_runtime::{CheckReport, HealthCheck, check_health, register_health_check};
#[cfg(feature = "reload")]
#[doc(inline)]
pub use resilient_runtime::{Watch, watch};
#[cfg(feature = "axum")]
#[doc(inline)]
pub use resilient_web as web;
#[cfg(feature = "axum")]
#[doc(inline)]
pub use resilient_web::{ResilienceRouter, resilience_router};
