//! A Redis client as it is put together.

use std::fmt;

use resilient_runtime::__private::text;

use super::client::{RedisClient, Standing};
use super::error::RedisError;
use super::server::Server;
use super::tls::Tls;
use crate::tuning::{Tuning, words};

const URL: &str = "redis://127.0.0.1:6379";
/// How many keys the fallback holds, unless the builder says otherwise.
const CAPACITY: u64 = 10_000;

/// A [`RedisClient`] as it is put together, by [`RedisClient::builder`].
///
/// Nothing said: the server that `PYNOMALY_REDIS_URL` names, else `redis://127.0.0.1:6379`; the layers and numbers of profile
/// `cache` (2 attempts of at most 5 s, a wait of 0.1 s, a breaker that opens after 3 failures in a row for 15 s); a fallback
/// of at most 10,000 keys.
///
/// What is wrong is told by [`build`](Self::build).
#[must_use = "nothing is made until `build`"]
pub struct RedisClientBuilder {
    url: Option<String>,
    tuning: Tuning,
    tls: Tls,
    fallback: bool,
    capacity: u64,
    writes_through: bool,
}

impl RedisClientBuilder {
    pub(super) fn new() -> Self {
        Self {
            url: None,
            tuning: Tuning::new("redis"),
            tls: Tls::default(),
            fallback: true,
            capacity: CAPACITY,
            writes_through: false,
        }
    }

    /// Where Redis is:
    ///
    /// - `redis://[[user]:password@]host[:port][/database]`, `rediss://..` by TLS, `unix:///path/to/socket`;
    /// - `redis+sentinel://[[user]:password@]host[:port],host[:port]/service[/database]`, where user and password are the
    ///   servers', and the sentinels' own are `?sentinel_username=..&sentinel_password=..`; `rediss+sentinel://..`;
    /// - `redis-cluster://[[user]:password@]host[:port],host[:port]`, some nodes of a cluster; `rediss-cluster://..`.
    ///
    /// `?protocol=resp3` is understood by all.
    ///
    /// The trap: what is not a letter, a digit or one of `-._~` in a password is written `%xx`.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    words! {
        in (tuning);

        /// The operation's name, and so the breaker's, the variables' and the health check's. Default `redis`:
        /// `PYNOMALY_OP_REDIS_TIMEOUT`.
        ///
        /// The trap: two clients of one name share their breaker. Give each server a client and a name.
        name;

        /// Limits each attempt, connecting included. Default: by profile, 5 s.
        timeout;

        /// Limits the whole call, waits included. Default: that of the calls around it.
        deadline;

        /// How often a command is tried at most. Default: by profile, twice.
        max_attempts;

        /// Any other word of the layers.
        ///
        /// ```no_run
        /// # use resilient_clients as resilient;
        /// # fn main() -> Result<(), resilient::RedisError> {
        /// use resilient::RedisClient;
        ///
        /// let sessions = RedisClient::builder()
        ///     .name("sessions")
        ///     .layers(|layers| layers.bulkhead_max_concurrent(100).failure_threshold(5))
        ///     .build()?;
        /// # Ok(())
        /// # }
        /// ```
        layers;
    }

    /// Trusts whom these certificates vouch for, and nobody else: PEM, one or more of them. Default: whom the system trusts, or the
    /// files that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    ///
    /// The trap: the URL has to be one of TLS, `rediss://..`. [`build`](Self::build) refuses any other, since nothing would be
    /// encrypted.
    ///
    /// ```no_run
    /// # use resilient_clients as resilient;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use resilient::RedisClient;
    ///
    /// let cache = RedisClient::builder()
    ///     .url("rediss://cache.internal")
    ///     .root_certificate(std::fs::read("authority.pem")?)
    ///     .client_certificate(std::fs::read("shop.pem")?, std::fs::read("shop.key")?)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn root_certificate(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.tls.trust(pem.as_ref());
        self
    }

    /// What is shown to a server that wants to see a certificate of its clients, as Redis does unless it is told
    /// `tls-auth-clients no`: the certificate and its key, both PEM. Default: none.
    pub fn client_certificate(mut self, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.tls.show(certificate.as_ref(), key.as_ref());
        self
    }

    /// Whether this process's memory stands in while Redis is away. Default true; with false a call then ends with its error.
    ///
    /// The trap: what is written to memory is seen by this process alone, and is gone when it ends or Redis is back. Where
    /// a write must not be lost, say false.
    pub fn fallback(mut self, stands_in: bool) -> Self {
        self.fallback = stands_in;
        self
    }

    /// How many keys the fallback holds at most, a field of a hash counting as one. Default 10,000; those that were used
    /// longest ago make room.
    ///
    /// The trap: it bounds their number, not their size.
    pub fn fallback_capacity(mut self, keys: u64) -> Self {
        self.capacity = keys;
        self
    }

    /// Whether Redis is told what memory took, once it is back. Default false: that is forgotten.
    ///
    /// With true, in the background and key by key, with what is left of its time to live:
    ///
    /// - what was set is set where Redis has no such key, or still has the value that this client last read or wrote
    ///   before the outage: what others wrote meanwhile stays;
    /// - what was removed is removed where Redis still has that value;
    /// - what was only counted is added to what Redis has;
    /// - fields of a hash are set where Redis does not have them.
    ///
    /// What this client writes to a key after the outage wins. What Redis does not take, being gone again, is dropped, and
    /// an event says how much. The user needs `EVAL`.
    ///
    /// The trap: who removed a key while only this client could not reach Redis may find it there again.
    pub fn write_through(mut self, tells: bool) -> Self {
        self.writes_through = tells;
        self
    }

    /// The client. Nothing is connected yet, and no server needs to be there.
    ///
    /// # Errors
    ///
    /// [`RedisError::InvalidAddress`], [`RedisError::Misconfigured`]; [`RedisError::Invalid`] for a certificate or a key that cannot be
    /// read.
    #[track_caller]
    pub fn build(self) -> Result<RedisClient, RedisError> {
        let url = match self.url {
            Some(url) => url,
            None => text("REDIS_URL").map_or_else(|| URL.to_owned(), |said| said.value),
        };
        let server = Server::parse(&url, self.tls.certificates()?)?;
        let Self { capacity, writes_through, .. } = self;
        let standing = self.fallback.then_some(Standing { capacity, writes_through });
        let operation = self.tuning.config("cache").classify::<RedisError>().build()?;
        Ok(RedisClient::new(server, operation, standing))
    }
}

impl fmt::Debug for RedisClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url: _, tuning, tls: _, fallback, capacity, writes_through } = self;
        f.debug_struct("RedisClientBuilder")
            .field("name", &tuning.name)
            .field("fallback", fallback)
            .field("capacity", capacity)
            .field("writes_through", writes_through)
            .finish_non_exhaustive()
    }
}
