//! The client: sessions in the library's layers.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use resilient_runtime::{
    __private as private, CheckReport, Deadline, HealthCheck, ResilientOperation, register_health_check,
};
use sqlx::Any;
use tokio::time::timeout;

use super::backend::{Access, DatabaseBackend};
use super::blocking::BlockingDatabaseClient;
use super::connection::{Connections, Figures, Limit, now};
use super::error::DatabaseError;
use super::session::{DatabaseSession, Home, OpenDatabaseSession};
use super::target::Target;
use crate::tuning::{Tuning, words};

/// How long a health check waits for an answer.
const CHECK_LIMIT: Duration = Duration::from_secs(2);
/// Where nothing else is said.
const DEFAULT_URL: &str = "sqlite:resilient.db";

/// A client of a database on sqlx: sessions, which are transactions, in the library's own layers.
///
/// Every session goes through one operation, named `database`, with the numbers of the profile of that name: 3 attempts of at
/// most 30 s, waits from 0.5 s to 10 s, a breaker that opens after 3 failures in a row for 30 s. An attempt is the connection,
/// BEGIN, the body and COMMIT. The server is told the attempt's limit, so that it stops too: PostgreSQL by `statement_timeout`,
/// MariaDB by `max_statement_time`, MySQL by `max_execution_time` (which is for reading alone), SQLite by `busy_timeout`.
/// [`DatabaseError`] says what counts and what is tried again.
///
/// - **No acknowledged write is lost, and none is doubled.** A COMMIT whose answer is lost is never sent again: it is
///   [`DatabaseError::CommitUnknown`]. A body that goes on after an error that ended its transaction is not told that it was
///   written.
/// - **A statement that is cut off gives its slot back.** Its connection is closed and never used again. The pool has 10
///   connections (`pool_size`), one is waited for 5 s (`pool_wait`); idle ones are tried by the BEGIN that is due anyway.
/// - **A server that is away is told as such**, at once and with the reason ([`DatabaseError::Unreachable`]), and not as a pool
///   that gave none.
/// - **Without a word it is SQLite**: the file `resilient.db` in the working directory, made where it is not there, with WAL,
///   every commit on the disk. `PREFIX_DATABASE_URL` names another (`sqlite:`, `postgres://`, `mysql://`, `mariadb://`), each behind
///   the feature of its name. `sqlite:data/shop.db` is relative, `sqlite:///data/shop.db` is not.
/// - **A server on another machine has to show its certificate** (rustls, whom the system trusts), unless the URL says
///   otherwise: `?sslmode=disable`, for MySQL `?ssl-mode=DISABLED`.
///
/// `DB` is [`Any`]: the URL decides which backend it is, and statements are sqlx's, with the types that all backends have
/// (numbers, texts, bytes, booleans) and the backend's own placeholders. A program that knows its backend says so and has all of its
/// types and words: `DatabaseClient::<sqlx::Postgres>::native()`. One type with a parameter serves both, since a client over `Any` alone
/// would keep dates, UUIDs and JSON from those who know, and one for each backend could not follow a URL.
///
/// Copies are cheap and share everything. While any lives, [`check_health`](resilient_runtime::check_health) asks the database
/// too.
///
/// The trap: a client belongs to the tokio runtime that it is first used in, as its connections do. And SQLite over `Any` cannot be
/// interrupted: a statement that computes for long without giving a row is cut off for its caller, and runs on to its end on its own
/// thread; `DatabaseClient::<sqlx::Sqlite>` ends it there too.
///
/// ```
/// # use resilient_clients as resilient;
/// use resilient::{DatabaseClient, DatabaseError, sqlx};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), DatabaseError> {
/// let db = DatabaseClient::builder().url("sqlite::memory:").build()?; // or `resilient::database_client()?`
/// db.session(async |mut session| {
///     sqlx::query("CREATE TABLE users (name TEXT)").execute(&mut session).await?;
///     sqlx::query("INSERT INTO users VALUES ($1)").bind("ada").execute(&mut session).await?;
///     Ok(())
/// })
/// .await?;
/// let names: Vec<String> = db
///     .read(async |mut session| {
///         Ok(sqlx::query_scalar("SELECT name FROM users").fetch_all(&mut session).await?)
///     })
///     .await?;
/// assert_eq!(names, ["ada"]);
/// # Ok(())
/// # }
/// ```
pub struct DatabaseClient<DB: DatabaseBackend = Any> {
    shared: Arc<Shared<DB>>,
}

struct Shared<DB: DatabaseBackend> {
    operation: ResilientOperation,
    connections: Arc<Connections<DB>>,
    /// Until the last copy is gone.
    _check: HealthCheck,
}

impl<DB: DatabaseBackend> Clone for DatabaseClient<DB> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<DB: DatabaseBackend> fmt::Debug for DatabaseClient<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseClient")
            .field("name", &self.shared.operation.name())
            .field("address", &self.shared.connections.target.address)
            .field("pool_size", &self.shared.connections.size)
            .finish_non_exhaustive()
    }
}

impl DatabaseClient {
    /// A client whose backend is that of the URL.
    pub fn builder() -> DatabaseClientBuilder {
        DatabaseClientBuilder::new()
    }
}

impl<DB: DatabaseBackend> DatabaseClient<DB> {
    fn new(operation: ResilientOperation, connections: Arc<Connections<DB>>) -> Self {
        let asked = Arc::downgrade(&connections);
        let check = register_health_check(operation.name(), move || {
            let asked = asked.upgrade();
            async move {
                match asked {
                    Some(connections) => check(&connections).await,
                    None => CheckReport::unhealthy("its client is gone"),
                }
            }
        });
        Self { shared: Arc::new(Shared { operation, connections, _check: check }) }
    }

    /// A client of this backend and no other, with its own types: `DatabaseClient::<sqlx::Postgres>::native()`.
    pub fn native() -> DatabaseClientBuilder<DB> {
        DatabaseClientBuilder::new()
    }

    /// Runs `body` in a transaction and commits it: one attempt is the beginning, the body and the commit.
    ///
    /// The body may run several times, each time in a transaction of its own; what failed is rolled back. It is rolled back
    /// as well when the body panics, takes too long or is dropped.
    ///
    /// The trap: what the body does besides the database stays done. And SQLite has one writer at a time: a session that only
    /// reads is better off with [`read`](Self::read).
    ///
    /// ```no_run
    /// # use resilient_clients as resilient;
    /// use resilient::{DatabaseError, database_client, sqlx};
    ///
    /// # async fn example() -> Result<(), DatabaseError> {
    /// let db = database_client()?;
    /// let (from, to, amount) = (1_i64, 2_i64, 50_i64);
    /// db.session(async |mut session| {
    ///     for (account, change) in [(from, -amount), (to, amount)] {
    ///         sqlx::query("UPDATE accounts SET balance = balance + $1 WHERE id = $2")
    ///             .bind(change)
    ///             .bind(account)
    ///             .execute(&mut session)
    ///             .await?;
    ///     }
    ///     Ok(())
    /// })
    /// .await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The body's last error, a layer's refusal, or [`DatabaseError::CommitUnknown`]: the connection was lost while COMMIT was
    /// under way, nobody knows whether the session was written, and it was not tried again.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn session<T, F>(&self, body: impl Fn(DatabaseSession<DB>) -> F) -> Result<T, DatabaseError>
    where
        F: Future<Output = Result<T, DatabaseError>>,
    {
        self.run(Access::Write, false, body).await
    }

    /// Runs `body` in a transaction that cannot write, and so locks nobody out.
    ///
    /// As [`session`](Self::session) otherwise. A lost answer to its COMMIT is no mystery: it is tried again.
    ///
    /// ```no_run
    /// # use resilient_clients as resilient;
    /// use resilient::{DatabaseError, database_client, sqlx};
    ///
    /// # async fn example(id: i64) -> Result<(), DatabaseError> {
    /// let db = database_client()?;
    /// let name: String = db
    ///     .read(async |mut session| {
    ///         Ok(sqlx::query_scalar("SELECT name FROM users WHERE id = $1").bind(id).fetch_one(&mut session).await?)
    ///     })
    ///     .await?;
    /// # drop(name);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The body's last error, or a layer's refusal.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn read<T, F>(&self, body: impl Fn(DatabaseSession<DB>) -> F) -> Result<T, DatabaseError>
    where
        F: Future<Output = Result<T, DatabaseError>>,
    {
        self.run(Access::Read, false, body).await
    }

    /// A session that is committed by hand, for code that does not fit into a body.
    ///
    /// The layers are around its beginning: it waits, is refused and tried again as a call is. What is done in it is done
    /// once. It has the time of one attempt for all of it.
    ///
    /// The trap: nothing that fails in it counts for the breaker. Where the work fits into a body, [`session`](Self::session)
    /// does more.
    ///
    /// ```no_run
    /// # use resilient_clients as resilient;
    /// use resilient::{DatabaseError, database_client, sqlx};
    ///
    /// # async fn example() -> Result<(), DatabaseError> {
    /// let db = database_client()?;
    /// let mut session = db.begin().await?;
    /// sqlx::query("DELETE FROM carts WHERE age > 30").execute(&mut *session).await?;
    /// session.commit().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// No connection, or a layer's refusal.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn begin(&self) -> Result<OpenDatabaseSession<DB>, DatabaseError> {
        let Shared { operation, connections, .. } = &*self.shared;
        let connected = operation
            .call_async(|| async {
                let limit = self.limit();
                let mut connected =
                    connections.begin(Access::Write, limit.map(|limit| limit.until())).await?;
                connected.marks.limit = limit;
                Ok::<_, DatabaseError>(connected)
            })
            .await?;
        Ok(OpenDatabaseSession::new(connected))
    }

    /// The limit of the attempt that begins now.
    fn limit(&self) -> Option<Limit> {
        let operation = &self.shared.operation;
        let around = Deadline::current().map(|deadline| deadline.remaining());
        let span = operation.timeout().into_iter().chain(around).min()?;
        Some(Limit { operation: operation.name(), began: now(), span })
    }

    /// `in_place`: the body blocks, so that no layer can cut its statements off.
    pub(super) async fn run<T, F>(
        &self,
        access: Access,
        in_place: bool,
        body: impl Fn(DatabaseSession<DB>) -> F,
    ) -> Result<T, DatabaseError>
    where
        F: Future<Output = Result<T, DatabaseError>>,
    {
        let (body, committing) = (&body, &AtomicBool::new(false));
        let attempts = self.shared.operation.call_async(|| async move {
            // An attempt that was cut off while its COMMIT was under way: no other may follow.
            if committing.load(Ordering::Relaxed) {
                return Err(cut_off());
            }
            let limit = self.limit();
            let until = limit.map(|limit| limit.until());
            let mut connected = self.shared.connections.begin(access, until).await?;
            connected.marks.limit = limit.filter(|_| in_place);
            let home = Home::new();
            let done = body(home.lend(connected)).await;
            let Some(mut connected) = home.take() else {
                return Err(done.err().unwrap_or(DatabaseError::Misused(
                    "the session was kept beyond the end of its body, and so it was not committed",
                )));
            };
            let done = match done {
                Ok(done) => done,
                Err(error) => {
                    if error.leaves_connection() {
                        connected.roll_back(until).await;
                    }
                    return Err(error);
                }
            };
            committing.store(access == Access::Write, Ordering::Relaxed);
            let committed = connected.commit(limit).await;
            committing.store(false, Ordering::Relaxed);
            match committed {
                Ok(()) => {
                    connected.give_back();
                    Ok(done)
                }
                Err(DatabaseError::CommitUnknown { reason }) if access == Access::Read => {
                    Err(DatabaseError::ConnectionLost { reason })
                }
                Err(error) => Err(error),
            }
        });
        let outcome = attempts.await;
        if outcome.is_err() && committing.load(Ordering::Relaxed) { Err(cut_off()) } else { outcome }
    }

    /// Asks the database, past all layers, and waits at most 2 s.
    ///
    /// `healthy` with the backend's name and the pool's figures, or `unhealthy` with what is wrong; no address, no user. It is
    /// part of [`check_health`](resilient_runtime::check_health) under the client's name as long as a copy of the client lives.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn health_check(&self) -> CheckReport {
        check(&self.shared.connections).await
    }

    /// The client for code that is not async. It shares the layers with this one, and has a pool of its own, of the same size: a
    /// connection belongs to the runtime that it was made in.
    pub fn blocking(&self) -> BlockingDatabaseClient<DB> {
        let Shared { operation, connections, .. } = &*self.shared;
        BlockingDatabaseClient::new(Self::new(operation.clone(), Arc::new(connections.another())))
    }

    /// Closes all connections, once the sessions that have them have ended. What is begun afterwards fails.
    pub async fn close(&self) {
        self.shared.connections.close().await;
    }
}

fn cut_off() -> DatabaseError {
    DatabaseError::CommitUnknown { reason: "no answer within the time limit".to_owned() }
}

async fn check<DB: DatabaseBackend>(connections: &Arc<Connections<DB>>) -> CheckReport {
    let began = now();
    let mut report = match timeout(CHECK_LIMIT, connections.ask()).await {
        Ok(Ok(())) => CheckReport::healthy(),
        Ok(Err(error)) => CheckReport::unhealthy(match error {
            DatabaseError::LoginRefused { .. } => "it refuses the login",
            DatabaseError::Misconfigured(_) => "it is not configured rightly",
            DatabaseError::Unreachable { .. } | DatabaseError::ConnectionLost { .. } => {
                "it cannot be reached"
            }
            _ => "it answers with an error",
        }),
        Err(_) => CheckReport::unhealthy(format!("no answer within {} s", CHECK_LIMIT.as_secs())),
    };
    report.response_time = began.elapsed();
    let Figures { open, in_use } = connections.figures();
    report
        .detail("backend", connections.target.dialect.name())
        .detail("pool_size", connections.size.to_string())
        .detail("pool_open", open.to_string())
        .detail("pool_in_use", in_use.to_string())
}

/// Says what a [`DatabaseClient`] is like. [`build`](Self::build) connects to nothing yet.
#[must_use = "nothing is made until `build`"]
pub struct DatabaseClientBuilder<DB: DatabaseBackend = Any> {
    url: Option<String>,
    tuning: Tuning,
    pool_size: u32,
    pool_wait: Duration,
    of: PhantomData<fn() -> DB>,
}

impl<DB: DatabaseBackend> fmt::Debug for DatabaseClientBuilder<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tuning, pool_size, pool_wait, .. } = self;
        f.debug_struct("DatabaseClientBuilder")
            .field("name", &tuning.name)
            .field("pool_size", pool_size)
            .field("pool_wait", pool_wait)
            .finish_non_exhaustive()
    }
}

impl<DB: DatabaseBackend> DatabaseClientBuilder<DB> {
    fn new() -> Self {
        Self {
            url: None,
            tuning: Tuning::new("database"),
            pool_size: 10,
            pool_wait: Duration::from_secs(5),
            of: PhantomData,
        }
    }

    /// Where the database is. Default: what `PREFIX_DATABASE_URL` says, and else `sqlite:resilient.db`.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    words! {
        in (tuning);

        /// The operation's name, and so the breaker's, the health check's and that of variables as `PREFIX_OP_DATABASE_TIMEOUT`.
        /// Default: `database`. Two clients of one name share a breaker.
        name;

        /// The limit of one attempt: connection, BEGIN, body and COMMIT. The server keeps it too. Default: 30 s, that of the profile
        /// `database`.
        timeout;

        /// The limit of a session with all its attempts and waits. Default: none.
        deadline;

        /// How often a session is begun at most, the first time included. Default: 3, that of the profile `database`.
        max_attempts;

        /// Tunes the layers with all the words that there are: `.layers(|layers| layers.failure_threshold(5).base_delay("100ms"))`.
        /// Variables and profiles apply as they do to attributes.
        layers;
    }

    /// How many connections there may be at once. Default: 10; 1 for a database in memory, which is gone with its
    /// connection.
    pub fn pool_size(mut self, size: u32) -> Self {
        self.pool_size = size;
        self
    }

    /// How long a connection is waited for, one that is free or a new one; never longer than nine tenths of an attempt.
    /// Default: 5 s.
    pub fn pool_wait(mut self, wait: Duration) -> Self {
        self.pool_wait = wait;
        self
    }

    /// The client. It connects when it is first used.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Misconfigured`]: a URL that is none or of another backend, a backend that is not compiled in, a pool of
    /// size 0, a wrong value of a layer.
    #[track_caller]
    pub fn build(self) -> Result<DatabaseClient<DB>, DatabaseError> {
        let said = || private::text("DATABASE_URL").map(|text| text.value);
        let url = self.url.or_else(said).unwrap_or_else(|| DEFAULT_URL.to_owned());
        let target = Target::read(&url)?;
        if !DB::speaks(target.dialect) {
            return Err(DatabaseError::Misconfigured(format!(
                "the database's URL is of {}, and the client is one of {} only",
                target.dialect.name(),
                DB::NAME
            )));
        }
        if self.pool_size == 0 {
            let what = "`pool_size` is 0, which lets no session begin: at least 1";
            return Err(DatabaseError::Misconfigured(what.to_owned()));
        }
        sqlx::any::install_default_drivers();
        let layers = self.tuning.config("database");
        let operation = layers
            .classify::<DatabaseError>()
            .build()
            .map_err(|why| DatabaseError::Misconfigured(why.to_string()))?;
        let connections = Arc::new(Connections::new(target, self.pool_size, self.pool_wait)?);
        Ok(DatabaseClient::new(operation, connections))
    }
}

/// A client of the database that `PREFIX_DATABASE_URL` names (`PYNOMALY_DATABASE_URL`), or else of the file `resilient.db` in
/// the working directory, which is made where it is not there.
///
/// # Errors
///
/// As [`DatabaseClientBuilder::build`].
#[track_caller]
pub fn database_client() -> Result<DatabaseClient, DatabaseError> {
    DatabaseClient::builder().build()
}
