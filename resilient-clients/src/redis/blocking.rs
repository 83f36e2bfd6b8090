//! The Redis client for code that is not async.

use std::future::Future;

use redis::{FromRedisValue, RedisResult, ToRedisArgs};
use resilient_runtime::{CheckReport, IntoDuration};

use super::client::RedisClient;
use super::connection::RedisConnection;
use super::error::RedisError;
use crate::blocking::wait_here;

/// The [`RedisClient`] for code that is not async: the same commands, layers, fallback and errors. Made by
/// [`RedisClient::blocking`].
///
/// The trap: it may be called on a worker of a tokio runtime, and blocks that worker.
///
/// ```
/// # use resilient_clients as resilient;
/// # fn main() -> Result<(), resilient::RedisError> {
/// use resilient::RedisClient;
///
/// // Nobody is there; the fallback answers.
/// let cache = RedisClient::builder().url("redis://127.0.0.1:1").max_attempts(1).build()?.blocking();
/// cache.set_with_ttl("greeting", "hello", "5m")?;
/// assert_eq!(cache.get("greeting")?, Some("hello".to_owned()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct BlockingRedisClient(RedisClient);

impl BlockingRedisClient {
    pub(super) fn of(client: RedisClient) -> Self {
        Self(client)
    }

    /// As [`RedisClient::get`].
    ///
    /// # Errors
    ///
    /// [`RedisError`].
    pub fn get<T: FromRedisValue>(&self, key: impl AsRef<[u8]>) -> Result<Option<T>, RedisError> {
        waited(self.0.get(key))
    }

    /// As [`RedisClient::set`].
    ///
    /// # Errors
    ///
    /// [`RedisError`].
    pub fn set(&self, key: impl AsRef<[u8]>, value: impl ToRedisArgs) -> Result<(), RedisError> {
        waited(self.0.set(key, value))
    }

    /// As [`RedisClient::set_with_ttl`].
    ///
    /// # Errors
    ///
    /// [`RedisError`].
    pub fn set_with_ttl(
        &self,
        key: impl AsRef<[u8]>,
        value: impl ToRedisArgs,
        ttl: impl IntoDuration,
    ) -> Result<(), RedisError> {
        waited(self.0.set_with_ttl(key, value, ttl))
    }

    /// As [`RedisClient::del`].
    ///
    /// # Errors
    ///
    /// [`RedisError`].
    pub fn del(&self, key: impl AsRef<[u8]>) -> Result<bool, RedisError> {
        waited(self.0.del(key))
    }

    /// As [`RedisClient::hget`].
    ///
    /// # Errors
    ///
    /// [`RedisError`].
    pub fn hget<T: FromRedisValue>(
        &self,
        key: impl AsRef<[u8]>,
        field: impl AsRef<[u8]>,
    ) -> Result<Option<T>, RedisError> {
        waited(self.0.hget(key, field))
    }

    /// As [`RedisClient::hset`].
    ///
    /// # Errors
    ///
    /// [`RedisError`].
    pub fn hset(
        &self,
        key: impl AsRef<[u8]>,
        field: impl AsRef<[u8]>,
        value: impl ToRedisArgs,
    ) -> Result<bool, RedisError> {
        waited(self.0.hset(key, field, value))
    }

    /// As [`RedisClient::expire`].
    ///
    /// # Errors
    ///
    /// [`RedisError`].
    pub fn expire(&self, key: impl AsRef<[u8]>, ttl: impl IntoDuration) -> Result<bool, RedisError> {
        waited(self.0.expire(key, ttl))
    }

    /// As [`RedisClient::incr`].
    ///
    /// # Errors
    ///
    /// [`RedisError`].
    pub fn incr(&self, key: impl AsRef<[u8]>) -> Result<i64, RedisError> {
        waited(self.0.incr(key))
    }

    /// As [`RedisClient::incr_by`].
    ///
    /// # Errors
    ///
    /// [`RedisError`].
    pub fn incr_by(&self, key: impl AsRef<[u8]>, by: i64) -> Result<i64, RedisError> {
        waited(self.0.incr_by(key, by))
    }

    /// As [`RedisClient::call`]: what is done with the connection is async here too.
    ///
    /// # Errors
    ///
    /// [`RedisError`].
    pub fn call<T, F>(&self, work: impl Fn(RedisConnection) -> F) -> Result<T, RedisError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        waited(self.0.call(work))
    }

    /// As [`RedisClient::call_once`].
    ///
    /// # Errors
    ///
    /// [`RedisError`].
    pub fn call_once<T, F>(&self, work: impl Fn(RedisConnection) -> F) -> Result<T, RedisError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        waited(self.0.call_once(work))
    }

    /// As [`RedisClient::is_degraded`].
    pub fn is_degraded(&self) -> bool {
        self.0.is_degraded()
    }

    /// As [`RedisClient::health_check`].
    pub fn health_check(&self) -> CheckReport {
        wait_here(self.0.health_check()).unwrap_or_else(|unable| CheckReport::unhealthy(unable.to_string()))
    }
}

fn waited<T>(call: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
    wait_here(call).unwrap_or_else(|unable| Err(RedisError::Invalid(unable.to_string().into())))
}
