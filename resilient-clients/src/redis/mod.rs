//! Redis: one server, sentinels or a cluster, with this process's memory to stand in while it is away.

mod blocking;
mod builder;
mod client;
mod connection;
mod error;
mod fallback;
mod link;
mod outage;
mod server;
mod tls;
mod write_through;

pub use blocking::BlockingRedisClient;
pub use builder::RedisClientBuilder;
pub use client::{RedisClient, redis_client};
pub use connection::RedisConnection;
pub use error::{RedisAnswer, RedisError};
