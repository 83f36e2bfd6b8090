//! The clients behind [`resilient`](https://docs.rs/resilient): a database, Redis, HTTP, S3, each in the library's own layers.
//!
//! Depend on `resilient`; it re-exports everything here.
#![forbid(unsafe_code)]

#[cfg(feature = "address")]
mod address;
#[cfg(any(feature = "database", feature = "http", feature = "redis"))]
mod blocking;
#[cfg(feature = "database")]
mod database;
#[cfg(feature = "http")]
mod http;
#[cfg(any(feature = "http", feature = "redis"))]
mod pem;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "s3")]
mod s3;
#[cfg(feature = "tower")]
pub mod tower;
#[cfg(any(feature = "database", feature = "http", feature = "redis"))]
mod tuning;

/// The crate `http`, whose methods, headers and statuses the client speaks.
#[cfg(feature = "http")]
pub use ::http as http_types;
/// The crate `redis`, whose commands go through [`RedisClient::call`].
#[cfg(feature = "redis")]
pub use ::redis as redis_driver;

#[cfg(feature = "address")]
pub use address::{Address, InvalidAddress};
#[cfg(feature = "database")]
pub use database::{
    BlockingDatabaseClient, BlockingDatabaseSession, DatabaseAnswer, DatabaseBackend, DatabaseClient,
    DatabaseClientBuilder, DatabaseError, DatabaseSession, OpenDatabaseSession, database_client,
};
#[cfg(feature = "http")]
pub use http::{
    BlockingHttpClient, HttpClient, HttpClientBuilder, HttpError, HttpRequest, HttpResponse, http_client,
};
#[cfg(feature = "redis")]
pub use redis::{
    BlockingRedisClient, RedisAnswer, RedisClient, RedisClientBuilder, RedisConnection, RedisError,
    redis_client,
};
#[cfg(feature = "s3")]
pub use s3::{BlockingS3Client, Progress, S3Client, S3ClientBuilder, S3Error, S3Object, S3Stream, s3_client};
#[cfg(feature = "database")]
pub use sqlx;
#[cfg(feature = "tower")]
#[doc(inline)]
pub use tower::{OperationLayer, OperationService};
