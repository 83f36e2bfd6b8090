//! Connections: from the pool, tried by the BEGIN that is due anyway, and closed unless their session ended well.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Pool, TransactionManager as _};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::backend::{Access, DatabaseBackend, Dialect, Options};
use super::error::DatabaseError;
use super::target::Target;

/// How long the pool may look for a connection before it is asked why it has none.
const PATIENCE: Duration = Duration::from_millis(50);
/// A connection that is closed in order gets so long for it.
const FAREWELL: Duration = Duration::from_secs(1);

/// The connections of one client.
pub(super) struct Connections<DB: DatabaseBackend> {
    pub(super) target: Target,
    options: Options<DB>,
    /// Made where it is first needed, since it belongs to the runtime that it is made in.
    pool: OnceLock<Pool<DB>>,
    pub(super) size: u32,
    wait: Duration,
    in_use: AtomicU32,
    /// One at a time asks why there is no connection.
    asking: Mutex<()>,
}

/// What the pool is like.
pub(super) struct Figures {
    pub(super) open: u32,
    pub(super) in_use: u32,
}

impl<DB: DatabaseBackend> Connections<DB> {
    pub(super) fn new(target: Target, size: u32, wait: Duration) -> Result<Self, DatabaseError> {
        let options =
            DB::options(&target.url).map_err(|error| DatabaseError::connecting(&target.address, error))?;
        let size = if target.is_in_memory() { 1 } else { size };
        Ok(Self::of(target, options, size, wait))
    }

    fn of(target: Target, options: Options<DB>, size: u32, wait: Duration) -> Self {
        let (pool, in_use, asking) = (OnceLock::new(), AtomicU32::new(0), Mutex::new(()));
        Self { target, options, pool, size, wait, in_use, asking }
    }

    /// The same for another runtime.
    pub(super) fn another(&self) -> Self {
        Self::of(self.target.clone(), self.options.clone(), self.size, self.wait)
    }

    fn pool(&self) -> &Pool<DB> {
        self.pool.get_or_init(|| {
            let options = PoolOptions::new()
                .max_connections(self.size)
                // Longer than anybody waits here: the limit is kept where its reason is known.
                .acquire_timeout(self.wait + FAREWELL);
            let options = if self.target.is_in_memory() {
                options.idle_timeout(None).max_lifetime(None)
            } else if self.target.dialect == Dialect::Sqlite {
                // Readers and the writer keep out of each other's way. Where it cannot be (a file that is read only, or locked
                // just now), the database works as before.
                options.after_connect(|connection, _| {
                    Box::pin(async move {
                        let _ = DB::fetch_optional(connection, "PRAGMA journal_mode = WAL").await;
                        Ok(())
                    })
                })
            } else {
                options
            };
            options.connect_lazy_with(self.options.clone())
        })
    }

    pub(super) fn figures(&self) -> Figures {
        let open = self.pool.get().map_or(0, Pool::size);
        Figures { open, in_use: self.in_use.load(Ordering::Relaxed) }
    }

    pub(super) async fn close(&self) {
        if let Some(pool) = self.pool.get() {
            pool.close().await;
        }
    }

    /// A connection in a transaction that has just begun.
    ///
    /// BEGIN is what shows whether an idle connection is still one: where it is not, the next is taken, and in the end a new
    /// one is made. One that does not answer was forgotten by something on the way, and so were the others.
    pub(super) async fn begin(
        self: &Arc<Self>,
        access: Access,
        until: Option<Instant>,
    ) -> Result<Connected<DB>, DatabaseError> {
        while let Some(mut connected) = self.idle() {
            let begun = match self.silence(until) {
                Some(silence) => timeout(silence, connected.begin(access, until)).await,
                None => Ok(connected.begin(access, until).await),
            };
            match begun {
                Ok(Ok(())) => return Ok(connected),
                // Let in once, and now thrown out: the next one will say whether that is so still.
                Ok(Err(DatabaseError::ConnectionLost { .. } | DatabaseError::Server(_))) => {}
                Ok(Err(other)) => return Err(other),
                Err(_) => while self.idle().is_some() {},
            }
        }
        let mut connected = Connected::new(self, self.acquire(until).await?);
        connected.begin(access, until).await?;
        Ok(connected)
    }

    fn idle(self: &Arc<Self>) -> Option<Connected<DB>> {
        self.pool().try_acquire().map(|idle| Connected::new(self, idle))
    }

    /// How long an idle connection may take to answer. SQLite has no connection that could be lost, and waits for locks.
    fn silence(&self, until: Option<Instant>) -> Option<Duration> {
        let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(now()) / 3);
        (self.target.dialect != Dialect::Sqlite).then(|| self.wait.min(left))
    }

    /// A connection that is free, or a new one.
    ///
    /// The pool tries again and again to connect to a server that refuses, and at the end says only that time is over. So
    /// beside it a connection is made that tells what is wrong, unless it is slots that are lacking.
    async fn acquire(&self, until: Option<Instant>) -> Result<PoolConnection<DB>, DatabaseError> {
        let began = now();
        // What is waited for in vain is told as such, before the attempt is over.
        let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(began) / 10 * 9);
        let wait = self.wait.min(left);
        let mut acquired = pin!(self.pool().acquire());
        let mut reason = pin!(self.reason());
        let mut late = pin!(sleep_until(began + wait));
        poll_fn(|cx| {
            if let Poll::Ready(acquired) = acquired.as_mut().poll(cx) {
                return Poll::Ready(acquired.map_err(|error| self.connecting(error)));
            }
            if let Poll::Ready(reason) = reason.as_mut().poll(cx) {
                return Poll::Ready(Err(reason));
            }
            late.as_mut().poll(cx).map(|()| Err(self.late(wait)))
        })
        .await
    }

    /// Why there is no connection, once that is known; for ever where there should be one.
    async fn reason(&self) -> DatabaseError {
        let mut pause = PATIENCE;
        loop {
            sleep(pause).await;
            if self.in_use.load(Ordering::Relaxed) < self.size {
                let _one_at_a_time = self.asking.lock().await;
                match self.connect().await {
                    Ok(connection) => {
                        let _ = timeout(FAREWELL, connection.close()).await;
                    }
                    Err(error) => return error,
                }
            }
            pause = (pause * 2).min(FAREWELL);
        }
    }

    fn late(&self, waited: Duration) -> DatabaseError {
        if self.in_use.load(Ordering::Relaxed) >= self.size {
            return DatabaseError::PoolExhausted { size: self.size, waited };
        }
        DatabaseError::Unreachable {
            address: self.target.address.clone(),
            reason: format!("no answer within {waited:?}"),
        }
    }

    async fn connect(&self) -> Result<DB::Connection, DatabaseError> {
        self.options.connect().await.map_err(|error| self.connecting(error))
    }

    fn connecting(&self, error: sqlx::Error) -> DatabaseError {
        DatabaseError::connecting(&self.target.address, error)
    }

    /// Asks the server something: over an idle connection, and where there is none that works over a new one.
    pub(super) async fn ask(self: &Arc<Self>) -> Result<(), DatabaseError> {
        if let Some(mut idle) = self.idle()
            && let Some(connection) = &mut idle.connection
            && let Ok(Ok(_)) =
                timeout(FAREWELL / 2, DB::fetch_optional(connection, self.target.dialect.ask())).await
        {
            idle.give_back();
            return Ok(());
        }
        let mut connection = self.connect().await?;
        DB::fetch_optional(&mut connection, self.target.dialect.ask())
            .await
            .map_err(|error| self.connecting(error))?;
        let _ = timeout(FAREWELL, connection.close()).await;
        Ok(())
    }
}

/// The runtime's time, by which connections and waits live.
#[expect(clippy::disallowed_methods, reason = "a server keeps to no clock of a test")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// A connection that a session has. Unless it is given back it is closed: what it was at is not known.
pub(super) struct Connected<DB: DatabaseBackend> {
    /// There until it is given back or closed.
    pub(super) connection: Option<PoolConnection<DB>>,
    pub(super) marks: Marks,
    connections: Arc<Connections<DB>>,
    cut: Arc<AtomicBool>,
}

/// What is known of a session's statements.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// A statement was begun and its answer not read to the end.
    pub(super) half_read: bool,
    /// One failed, or went unseen: the transaction may be over.
    pub(super) doubtful: bool,
    /// When statements are cut off here, since no layer around them can.
    pub(super) limit: Option<Limit>,
}

/// The end of a session that no layer ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) operation: &'static str,
    pub(super) began: Instant,
    pub(super) span: Duration,
}

impl Limit {
    pub(super) fn until(&self) -> Instant {
        self.began + self.span
    }
}

impl<DB: DatabaseBackend> Connected<DB> {
    fn new(connections: &Arc<Connections<DB>>, connection: PoolConnection<DB>) -> Self {
        connections.in_use.fetch_add(1, Ordering::Relaxed);
        Self {
            connection: Some(connection),
            marks: Marks::default(),
            connections: Arc::clone(connections),
            cut: Arc::default(),
        }
    }

    async fn begin(&mut self, access: Access, until: Option<Instant>) -> Result<(), DatabaseError> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        DB::interruptible(connection, Arc::clone(&self.cut)).await?;
        let left = until.map(|until| until.saturating_duration_since(now()));
        // A little later than here, so that there is one error for it.
        let limit = left.map(|left| left + left / 8 + PATIENCE);
        let begin = self.connections.target.dialect.begin(access, limit);
        DB::TransactionManager::begin(connection, Some(begin.into())).await?;
        Ok(())
    }

    /// COMMIT. An error says whether it is certain that nothing was written.
    pub(super) async fn commit(&mut self, limit: Option<Limit>) -> Result<(), DatabaseError> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let until = limit.map(|limit| limit.until());
        if DB::TransactionManager::get_transaction_depth(connection) != 1 {
            let misused = "the session ends inside of a savepoint: commit it or roll it back first";
            return Err(DatabaseError::Misused(misused));
        }
        if self.marks.doubtful
            && let Some(still_open) = self.connections.target.dialect.still_open()
        {
            match in_time(until, DB::fetch_optional(connection, still_open.as_str())).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    return Err(match DatabaseError::from(error) {
                        DatabaseError::Statement(_) => DatabaseError::RolledBack,
                        other => other,
                    });
                }
                Err(late) => return Err(DatabaseError::ConnectionLost { reason: late.to_owned() }),
            }
        }
        if let Some(limit) = limit.filter(|limit| limit.until() <= now()) {
            // It was not sent, and so nothing was written.
            return Err(limit.error().into());
        }
        match in_time(until, DB::TransactionManager::commit(connection)).await {
            Ok(done) => done.map_err(|error| DatabaseError::from(error).of_commit()),
            Err(late) => Err(DatabaseError::CommitUnknown { reason: late.to_owned() }),
        }
    }

    /// ROLLBACK, and back to the pool; closed where that does not work.
    pub(super) async fn roll_back(mut self, until: Option<Instant>) {
        let Some(connection) = &mut self.connection else { return };
        let soon = now() + FAREWELL;
        let until = until.map_or(soon, |until| until.min(soon));
        if DB::TransactionManager::get_transaction_depth(connection) == 1
            && !self.marks.half_read
            && let Ok(Ok(())) = in_time(Some(until), DB::TransactionManager::rollback(connection)).await
        {
            self.give_back();
        }
    }

    /// Back to the pool, unless an answer was not read to its end.
    pub(super) fn give_back(mut self) {
        if !self.marks.half_read {
            drop(self.connection.take());
        }
    }
}

impl<DB: DatabaseBackend> Drop for Connected<DB> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.cut.store(true, Ordering::Relaxed);
            // The slot is free at once, and the server learns by the end of the connection.
            drop(connection.detach());
        }
        self.connections.in_use.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn in_time<T>(until: Option<Instant>, future: impl Future<Output = T>) -> Result<T, &'static str> {
    match until {
        Some(until) => timeout_at(until, future).await.map_err(|_| "no answer within the time limit"),
        None => Ok(future.await),
    }
}
