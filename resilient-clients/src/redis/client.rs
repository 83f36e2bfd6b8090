//! The Redis client.

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use redis::{Cmd, FromRedisValue, RedisResult, ToRedisArgs, Value};
use resilient_runtime::{
    CheckReport, HealthCheck, IntoDuration, ResilientOperation, State, breaker, register_health_check,
};
use tokio::time::timeout;

use super::blocking::BlockingRedisClient;
use super::builder::RedisClientBuilder;
use super::connection::RedisConnection;
use super::error::RedisError;
use super::fallback::{Fallback, Seen};
use super::link::Link;
use super::outage::{Known, Outages};
use super::server::Server;
use super::write_through::{Told, Untold};

/// How long a health check waits for Redis.
const CHECK_LIMIT: Duration = Duration::from_secs(2);
/// The longest time to live that is told to Redis, which adds it to its clock: a hundred years.
const LONGEST: u128 = 100 * 365 * 86_400 * 1000;
/// No connection has this number.
const NONE: u64 = 0;

/// A Redis client in the layers, which answers from this process's memory while Redis is away.
///
/// Defaults: profile `cache`: 2 attempts of at most 5 s each, connecting included, 0.1 s apart; a breaker named `redis` that
/// opens after 3 failures in a row for 15 s; a fallback of at most 10,000 keys. The server is the one that
/// `PYNOMALY_REDIS_URL` names, else `redis://127.0.0.1:6379`; it need not be there when the program starts. One connection
/// serves all calls; it is made by the first and replaced when it fails.
///
/// **While Redis is away**, which is when the breaker is open, or the attempts found no connection or no answer in time,
/// the fallback takes the call. It begins empty, so that a read of what only Redis has is `None`; what is written is read
/// again, until its time to live is over, by this process alone. With the first answer that Redis gives once the breaker is
/// closed the fallback is forgotten, and every read is Redis's again.
///
/// The trap: a write that the fallback took is acknowledged, and is lost when the outage or the program ends.
/// [`is_degraded`](Self::is_degraded) says that there is one, health says `degraded`, and
/// [`fallback(false)`](RedisClientBuilder::fallback) makes it an error instead.
///
/// Copies are cheap and share everything. While any of them lives, [`check_health`](resilient_runtime::check_health) asks
/// Redis too.
///
/// ```
/// # use resilient_clients as resilient;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), resilient::RedisError> {
/// use resilient::RedisClient;
///
/// // Nobody is there; the fallback answers.
/// let cache = RedisClient::builder().url("redis://127.0.0.1:1").max_attempts(1).build()?;
/// cache.set_with_ttl("greeting", "hello", "5m").await?;
/// assert_eq!(cache.get("greeting").await?, Some("hello".to_owned()));
/// assert_eq!(cache.incr("visits").await?, 1);
/// assert!(cache.is_degraded());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisClient(Arc<Inner>);

struct Inner {
    operation: ResilientOperation,
    link: Link,
    fallback: Option<Fallback>,
    outages: Outages,
    untold: Untold,
    check: OnceLock<HealthCheck>,
}

/// The client of the server that `PYNOMALY_REDIS_URL` names, else of `redis://127.0.0.1:6379`; the program starts without
/// one as well. See [`RedisClient`] for its defaults.
///
/// ```
/// # use resilient_clients as resilient;
/// let cache = resilient::redis_client()?;
/// # Ok::<(), resilient::RedisError>(())
/// ```
///
/// # Errors
///
/// [`RedisError::InvalidAddress`], where the variable holds none.
#[track_caller]
pub fn redis_client() -> Result<RedisClient, RedisError> {
    RedisClient::builder().build()
}

/// What stands in.
pub(super) struct Standing {
    pub(super) capacity: u64,
    pub(super) writes_through: bool,
}

/// Whether a command may be sent again when its answer was lost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeated {
    Safely,
    Never,
}

/// One command, and what of it the fallback has to know.
struct Command<'k> {
    wire: Cmd,
    key: &'k [u8],
    writes: bool,
    repeated: Repeated,
}

impl<'k> Command<'k> {
    fn read(name: &str, key: &'k [u8]) -> Self {
        let mut wire = redis::cmd(name);
        wire.arg(key);
        Self { wire, key, writes: false, repeated: Repeated::Safely }
    }

    fn write(name: &str, key: &'k [u8]) -> Self {
        Self { writes: true, ..Self::read(name, key) }
    }

    fn with(mut self, argument: impl ToRedisArgs) -> Self {
        self.wire.arg(argument);
        self
    }
}

impl RedisClient {
    /// A client as it is put together.
    pub fn builder() -> RedisClientBuilder {
        RedisClientBuilder::new()
    }

    pub(super) fn new(server: Server, operation: ResilientOperation, fallback: Option<Standing>) -> Self {
        let name = operation.name();
        let inner = Arc::new(Inner {
            operation,
            link: Link::new(Arc::new(server)),
            fallback: fallback
                .map(|Standing { capacity, writes_through }| Fallback::new(name, capacity, writes_through)),
            outages: Outages::default(),
            untold: Untold::default(),
            check: OnceLock::new(),
        });
        let weak = Arc::downgrade(&inner);
        let check = register_health_check(name, move || checked(weak.clone()));
        inner.check.get_or_init(|| check);
        Self(inner)
    }

    /// The same client for code that is not async.
    pub fn blocking(&self) -> BlockingRedisClient {
        BlockingRedisClient::of(self.clone())
    }

    /// What the key holds, as text, bytes, a number or whatever else is made from a Redis value; `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`RedisError`]; a value that is no `T` is [`RedisError::Unreadable`].
    pub async fn get<T: FromRedisValue>(&self, key: impl AsRef<[u8]>) -> Result<Option<T>, RedisError> {
        let key = key.as_ref();
        let found = self
            .ask(
                Command::read("GET", key),
                |fallback, it| fallback.get(it.outage, key),
                |fallback, found: &Option<Vec<u8>>| Some(Seen::of(fallback, found.as_deref())),
            )
            .await?;
        read(found)
    }

    /// Makes the key hold `value`, for ever.
    ///
    /// # Errors
    ///
    /// [`RedisError`].
    pub fn set(
        &self,
        key: impl AsRef<[u8]>,
        value: impl ToRedisArgs,
    ) -> impl Future<Output = Result<(), RedisError>> + Send {
        let (key, value) = (key.as_ref().to_vec(), single(&value));
        async move { self.store(&key, value?, None).await }
    }

    /// Makes the key hold `value` for so long: a `Duration`, a number of seconds, a text such as `"5m"`; at least 1 ms.
    ///
    /// # Errors
    ///
    /// [`RedisError`].
    pub fn set_with_ttl(
        &self,
        key: impl AsRef<[u8]>,
        value: impl ToRedisArgs,
        ttl: impl IntoDuration,
    ) -> impl Future<Output = Result<(), RedisError>> + Send {
        let (key, value, ttl) = (key.as_ref().to_vec(), single(&value), time_to_live(ttl));
        async move { self.store(&key, value?, Some(ttl?)).await }
    }

    async fn store(&self, key: &[u8], value: Vec<u8>, ttl: Option<Duration>) -> Result<(), RedisError> {
        let mut command = Command::write("SET", key).with(&value);
        if let Some(ttl) = ttl {
            command = command.with("PX").with(milliseconds(ttl));
        }
        let instead = |fallback: &Fallback, it: Away| {
            fallback.set(it.outage, key, value.clone(), ttl)?;
            Ok(Value::Okay)
        };
        self.ask(command, instead, |fallback, _| Some(fallback.digest(&value))).await.map(drop)
    }

    /// Removes the key; whether it was there.
    ///
    /// # Errors
    ///
    /// [`RedisError`].
    pub async fn del(&self, key: impl AsRef<[u8]>) -> Result<bool, RedisError> {
        let key = key.as_ref();
        let instead = |fallback: &Fallback, it: Away| fallback.del(it.outage, key);
        self.ask(Command::write("DEL", key), instead, |_, _| Some(Seen::Nothing)).await
    }

    /// What a field of a hash holds.
    ///
    /// # Errors
    ///
    /// [`RedisError`]; a value that is no `T` is [`RedisError::Unreadable`].
    pub async fn hget<T: FromRedisValue>(
        &self,
        key: impl AsRef<[u8]>,
        field: impl AsRef<[u8]>,
    ) -> Result<Option<T>, RedisError> {
        let (key, field) = (key.as_ref(), field.as_ref());
        let command = Command::read("HGET", key).with(field);
        let instead = |fallback: &Fallback, it: Away| fallback.hget(it.outage, key, field);
        read(self.ask(command, instead, |_, _| None).await?)
    }

    /// Makes a field of a hash hold `value`; whether it is new.
    ///
    /// # Errors
    ///
    /// [`RedisError`].
    pub fn hset(
        &self,
        key: impl AsRef<[u8]>,
        field: impl AsRef<[u8]>,
        value: impl ToRedisArgs,
    ) -> impl Future<Output = Result<bool, RedisError>> + Send {
        let (key, field, value) = (key.as_ref().to_vec(), field.as_ref().to_vec(), single(&value));
        async move {
            let value = value?;
            let command = Command::write("HSET", &key).with(&field).with(&value);
            let instead = |fallback: &Fallback, it: Away| fallback.hset(it.outage, &key, &field, value);
            self.ask(command, instead, |_, _| None).await
        }
    }

    /// Makes the key end after so long, at least 1 ms; whether it is there.
    ///
    /// # Errors
    ///
    /// [`RedisError`].
    pub fn expire(
        &self,
        key: impl AsRef<[u8]>,
        ttl: impl IntoDuration,
    ) -> impl Future<Output = Result<bool, RedisError>> + Send {
        let (key, ttl) = (key.as_ref().to_vec(), time_to_live(ttl));
        async move {
            let ttl = ttl?;
            let command = Command::write("PEXPIRE", &key).with(milliseconds(ttl));
            let instead = |fallback: &Fallback, it: Away| fallback.expire(it.outage, &key, ttl);
            self.ask(command, instead, |_, _| None).await
        }
    }

    /// Adds 1 to the number that the key holds, 0 where there is none; the sum.
    ///
    /// The trap: where the answer is lost it is not known whether Redis counted, and nothing is sent again. The fallback then
    /// counts for itself; without one it is [`RedisError::Unanswered`].
    ///
    /// # Errors
    ///
    /// [`RedisError`]; a value that is no number is [`RedisError::Rejected`].
    pub async fn incr(&self, key: impl AsRef<[u8]>) -> Result<i64, RedisError> {
        self.incr_by(key, 1).await
    }

    /// As [`incr`](Self::incr), by any number.
    ///
    /// # Errors
    ///
    /// [`RedisError`]; a value that is no number is [`RedisError::Rejected`].
    pub async fn incr_by(&self, key: impl AsRef<[u8]>, by: i64) -> Result<i64, RedisError> {
        let key = key.as_ref();
        let command = Command { repeated: Repeated::Never, ..Command::write("INCRBY", key).with(by) };
        let instead = |fallback: &Fallback, it: Away| fallback.incr(it.outage, key, by, it.was_sent);
        self.ask(command, instead, |fallback, sum: &i64| Some(fallback.digest(sum.to_string().as_bytes())))
            .await
    }

    /// Does anything else with the connection, in the layers. There is no fallback for it.
    ///
    /// The trap: it is done again after a failure, and after an answer that was lost. What must not be done twice belongs in
    /// [`call_once`](Self::call_once).
    ///
    /// ```no_run
    /// # mod resilient {
    /// #     pub use resilient_clients::{RedisError, redis_client, redis_driver as redis};
    /// # }
    /// # async fn ranked() -> Result<(), resilient::RedisError> {
    /// use resilient::redis::AsyncCommands as _;
    ///
    /// let redis = resilient::redis_client()?;
    /// let best: Vec<String> =
    ///     redis.call(async |mut connection| connection.zrevrange("scores", 0, 9).await).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`RedisError`].
    pub async fn call<T, F>(&self, work: impl Fn(RedisConnection) -> F) -> Result<T, RedisError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let known = self.0.outages.known();
        let answer = self.0.through(Repeated::Safely, work).await;
        Inner::told(&self.0, known, &answer);
        answer
    }

    /// As [`call`](Self::call), for what must not be done twice: it is repeated only while it certainly was not begun.
    ///
    /// # Errors
    ///
    /// [`RedisError`]; where the answer was lost, [`RedisError::Unanswered`] or a time limit's
    /// [`RedisError::Refused`].
    pub async fn call_once<T, F>(&self, work: impl Fn(RedisConnection) -> F) -> Result<T, RedisError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let known = self.0.outages.known();
        let answer = self.0.through(Repeated::Never, work).await;
        Inner::told(&self.0, known, &answer);
        answer
    }

    /// Whether the fallback answers at present: it took the last call that found Redis away, and Redis has not been back
    /// since.
    pub fn is_degraded(&self) -> bool {
        self.0.outages.known().is_away()
    }

    /// Asks Redis itself, past the breaker and over a connection of its own, for at most 2 s.
    ///
    /// `healthy`: it answers. `degraded`: it does not and the fallback stands in, or it answers and the breaker is not closed
    /// yet. `unhealthy`: it does not answer and there is no fallback.
    pub async fn health_check(&self) -> CheckReport {
        self.0.health().await
    }

    /// Asks Redis, and what stands in where Redis is away; `saw` is what Redis's answer says of the text that the key holds.
    async fn ask<T: FromRedisValue>(
        &self,
        command: Command<'_>,
        instead: impl FnOnce(&Fallback, Away) -> Result<T, RedisError>,
        saw: impl FnOnce(&Fallback, &T) -> Option<Seen>,
    ) -> Result<T, RedisError> {
        let Inner { outages, fallback, untold, .. } = &*self.0;
        let Command { wire, key, writes, repeated } = command;
        let wire = &wire;
        let known = outages.known();
        if writes {
            untold.forget(key).await;
        }
        let answer = self
            .0
            .through(repeated, async |mut connection| wire.query_async::<T>(&mut connection).await)
            .await;
        Inner::told(&self.0, known, &answer);
        let Some(fallback) = fallback else { return answer };
        match &answer {
            Ok(answer) => {
                if writes && outages.known().is_away() {
                    // Redis has it now, and the fallback may have what came before.
                    fallback.forget(key);
                }
                if let Some(seen) = saw(fallback, answer) {
                    fallback.saw(key, seen);
                }
            }
            Err(error) if error.is_absence() => {
                let (outage, begins) = outages.away();
                if begins {
                    let client = self.0.operation.name();
                    tracing::warn!(target: "resilient", client, reason = %error, "redis is away, and memory stands in");
                }
                return instead(fallback, Away { outage, was_sent: error.may_have_been_sent() });
            }
            Err(_) => {}
        }
        answer
    }
}

/// What the fallback has to know of the call that it takes.
#[derive(Clone, Copy)]
struct Away {
    outage: u64,
    /// Redis may have carried it out, all the same.
    was_sent: bool,
}

impl Inner {
    /// Through the layers, on the connection. Each attempt is one try: to connect where there is no connection, and to have
    /// an answer.
    async fn through<T, F>(
        &self,
        repeated: Repeated,
        work: impl Fn(RedisConnection) -> F,
    ) -> Result<T, RedisError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        // Of the connection on which an attempt waits for its answer. It stays where the attempt is cut off.
        let waits_on = AtomicU64::new(NONE);
        let (waits_on, work) = (&waits_on, &work);
        let answer = self
            .operation
            .call_async(async || {
                if self.cut_off(waits_on) && repeated == Repeated::Never {
                    return Err(RedisError::Unanswered { counted: true });
                }
                let (number, mut connection) =
                    self.link.connect().await.map_err(|error| RedisError::of(&error))?;
                if repeated == Repeated::Never {
                    connection.stands().await.map_err(|error| {
                        self.link.discard(number);
                        RedisError::of(&error)
                    })?;
                }
                waits_on.store(number, Ordering::Relaxed);
                let answer = work(connection).await;
                waits_on.store(NONE, Ordering::Relaxed);
                answer.map_err(|error| {
                    if RedisError::breaks_the_connection(&error) {
                        self.link.discard(number);
                    }
                    match RedisError::of(&error) {
                        RedisError::Unreachable(_) if repeated == Repeated::Never => {
                            RedisError::Unanswered { counted: false }
                        }
                        other => other,
                    }
                })
            })
            .await;
        self.cut_off(waits_on);
        answer
    }

    /// Whether the last attempt was cut off while it waited for its answer. Its connection may hang for ever.
    fn cut_off(&self, waits_on: &AtomicU64) -> bool {
        let number = waits_on.swap(NONE, Ordering::Relaxed);
        if number != NONE {
            self.link.discard(number);
        }
        number != NONE
    }

    /// What a call that began when `known` was so says of an outage.
    fn told<T>(this: &Arc<Self>, known: Known, answer: &Result<T, RedisError>) {
        let answered = answer.as_ref().err().is_none_or(RedisError::is_answer);
        if !answered || !known.is_away() || !this.is_closed() {
            return;
        }
        let Some(outage) = this.outages.back(known) else { return };
        tracing::info!(target: "resilient", client = this.operation.name(), "redis is back");
        let Some(fallback) = &this.fallback else { return };
        let untold = this.untold.take_over(fallback.written(outage));
        fallback.clear(outage);
        if untold {
            let this = Arc::clone(this);
            tokio::spawn(async move { this.tell().await });
        }
    }

    /// Tells Redis what was written while it was away.
    async fn tell(&self) {
        let Some(fallback) = &self.fallback else { return };
        let Told { written, left_alone, lost } = self.untold.tell(&self.link, fallback).await;
        let client = self.operation.name();
        tracing::info!(target: "resilient", client, written, left_alone, lost, "redis was told what memory took");
    }

    /// While the breaker lets only probes through, others are refused and go to the fallback.
    fn is_closed(&self) -> bool {
        breaker(self.operation.name()).ok().is_none_or(|breaker| {
            !matches!(breaker.state(), State::Open | State::HalfOpen | State::ForcedOpen)
        })
    }

    async fn health(&self) -> CheckReport {
        let ask = async {
            let mut connection = self.link.server().connect().await?;
            redis::cmd("PING").query_async::<Value>(&mut connection).await
        };
        let wrong = match timeout(CHECK_LIMIT, ask).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(RedisError::of(&error)).filter(|error| !error.is_answer()),
            Err(_) => Some(RedisError::Unreachable(std::io::ErrorKind::TimedOut)),
        };
        let Some(fallback) = &self.fallback else {
            return match wrong {
                None => CheckReport::healthy(),
                Some(wrong) => CheckReport::unhealthy(wrong.to_string()),
            };
        };
        let report = match wrong {
            Some(wrong) => CheckReport::degraded(format!("{wrong}; memory stands in")),
            None if self.outages.known().is_away() => {
                CheckReport::degraded("Redis answers again; memory stands in until the next call succeeds")
            }
            None => return CheckReport::healthy(),
        };
        report.detail("fallback_keys", fallback.len().to_string())
    }
}

async fn checked(inner: Weak<Inner>) -> CheckReport {
    match inner.upgrade() {
        Some(inner) => inner.health().await,
        None => CheckReport::healthy(),
    }
}

impl fmt::Debug for RedisClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { operation, link, fallback, outages, untold: _, check: _ } = &*self.0;
        f.debug_struct("RedisClient")
            .field("name", &operation.name())
            .field("server", link.server())
            .field("fallback", &fallback.is_some())
            .field("degraded", &outages.known().is_away())
            .finish()
    }
}

/// A value as the one argument it is.
fn single(value: &impl ToRedisArgs) -> Result<Vec<u8>, RedisError> {
    let mut arguments = value.to_redis_args();
    match (arguments.pop(), arguments.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(RedisError::Invalid("a value is one text, number or row of bytes".into())),
    }
}

fn time_to_live(ttl: impl IntoDuration) -> Result<Duration, RedisError> {
    match ttl.into_duration() {
        Ok(ttl) if !ttl.is_zero() => Ok(ttl),
        Ok(_) => Err(RedisError::Invalid("a time to live of nothing; `del` removes a key".into())),
        Err(_) => Err(RedisError::Invalid(
            "a time to live is a duration, a number of seconds or a text such as \"5m\"".into(),
        )),
    }
}

/// What Redis counts in, rounded up.
pub(super) fn milliseconds(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_nanos().div_ceil(1_000_000).min(LONGEST)).unwrap_or(u64::MAX)
}

fn read<T: FromRedisValue>(found: Option<Vec<u8>>) -> Result<Option<T>, RedisError> {
    let Some(bytes) = found else { return Ok(None) };
    T::from_redis_value(Value::BulkString(bytes))
        .map(Some)
        .map_err(|_| RedisError::Unreadable(type_name::<T>()))
}
