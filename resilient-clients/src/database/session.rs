//! Sessions: transactions that statements are run in.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::ops::{Deref, DerefMut};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;
use resilient_runtime::ResilienceError;
use sqlx::{Acquire, Any, Describe, Either, Execute, Executor, Transaction};
use tokio::time::{Sleep, sleep_until};

use super::backend::{DatabaseBackend, Later, Rows};
use super::connection::{Connected, Limit, Marks, now};
use super::error::DatabaseError;

/// A transaction of a session: `sqlx::query(..)` runs on `&mut` it.
///
/// Committed when the body of [`DatabaseClient::session`](super::DatabaseClient::session) returns `Ok`, rolled back when it
/// returns an error, panics, is dropped or takes too long. [`sqlx::Acquire::begin`] makes a savepoint in it.
///
/// The trap: it belongs to the body. Where it is kept beyond the body's end, the session is not committed.
pub struct DatabaseSession<DB: DatabaseBackend = Any> {
    connected: Option<Connected<DB>>,
    home: Option<Home<DB>>,
}

/// Where a body's session goes when the body is done with it.
pub(super) struct Home<DB: DatabaseBackend>(Arc<Mutex<Option<Connected<DB>>>>);

impl<DB: DatabaseBackend> Home<DB> {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// A session that comes back here.
    pub(super) fn lend(&self, connected: Connected<DB>) -> DatabaseSession<DB> {
        DatabaseSession { connected: Some(connected), home: Some(Self(Arc::clone(&self.0))) }
    }

    /// What came back.
    pub(super) fn take(&self) -> Option<Connected<DB>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<DB: DatabaseBackend> Drop for DatabaseSession<DB> {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            *home.0.lock().unwrap_or_else(PoisonError::into_inner) = self.connected.take();
        }
    }
}

impl<DB: DatabaseBackend> DatabaseSession<DB> {
    /// sqlx's own connection, for what has no statement, as `COPY`.
    ///
    /// The trap: `COMMIT` and `ROLLBACK` are the session's. Sent by hand they make what is told of its end untrue.
    ///
    /// # Panics
    ///
    /// Never: a session has its connection until it is dropped.
    pub fn connection(&mut self) -> &mut DB::Connection {
        let (connection, marks) = self.parts();
        // What happens there is not seen.
        marks.doubtful = true;
        connection
    }

    #[expect(clippy::expect_used, reason = "taken out by those that consume the session only")]
    fn parts(&mut self) -> (&mut DB::Connection, &mut Marks) {
        let Connected { connection, marks, .. } =
            self.connected.as_mut().expect("a session has a connection");
        (connection.as_mut().expect("a session has a connection"), marks)
    }

    /// For a statement that begins.
    fn statement(&mut self) -> (&mut DB::Connection, Watch<'_>) {
        let (connection, marks) = self.parts();
        // Until its end is seen. One that was dropped before leaves the mark for good.
        let dropped_before = marks.half_read;
        marks.half_read = true;
        let limit = marks.limit.map(|limit| (limit, Box::pin(sleep_until(limit.until()))));
        (connection, Watch { marks, dropped_before, limit })
    }

    async fn watched<T>(watch: Watch<'_>, future: Later<'_, T>) -> Result<T, sqlx::Error> {
        let mut watch = watch;
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(done) => {
                watch.ended(done.is_err());
                Poll::Ready(done)
            }
            Poll::Pending => watch.poll_late(cx).map(Err),
        })
        .await
    }
}

/// Sees how a statement ends.
struct Watch<'m> {
    marks: &'m mut Marks,
    dropped_before: bool,
    limit: Option<(Limit, Pin<Box<Sleep>>)>,
}

impl Watch<'_> {
    fn ended(&mut self, failed: bool) {
        self.marks.half_read = self.dropped_before;
        self.marks.doubtful |= failed;
    }

    /// Ready with the error when the session's time is over.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<sqlx::Error> {
        let Some((limit, sleep)) = &mut self.limit else { return Poll::Pending };
        sleep.as_mut().poll(cx).map(|()| {
            let refused = limit.error();
            self.marks.doubtful = true;
            sqlx::Error::Io(io::Error::from(refused))
        })
    }
}

impl Limit {
    pub(super) fn error(&self) -> ResilienceError {
        let Self { operation, began, span } = *self;
        ResilienceError::Timeout { operation, limit: span, elapsed: now() - began }
    }
}

/// Rows, watched.
struct Watched<'e, DB: DatabaseBackend> {
    rows: Rows<'e, DB>,
    watch: Watch<'e>,
}

impl<DB: DatabaseBackend> Stream for Watched<'_, DB> {
    type Item = Result<Either<DB::QueryResult, DB::Row>, sqlx::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { rows, watch } = self.get_mut();
        match rows.as_mut().poll_next(cx) {
            Poll::Ready(next) => {
                if !matches!(next, Some(Ok(_))) {
                    watch.ended(matches!(next, Some(Err(_))));
                }
                Poll::Ready(next)
            }
            Poll::Pending => watch.poll_late(cx).map(|late| Some(Err(late))),
        }
    }
}

impl<'c, DB: DatabaseBackend> Executor<'c> for &'c mut DatabaseSession<DB> {
    type Database = DB;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> Rows<'e, DB>
    where
        'c: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let (connection, watch) = self.statement();
        Box::pin(Watched::<DB> { rows: DB::fetch_many(connection, query), watch })
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> Later<'e, Option<DB::Row>>
    where
        'c: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let (connection, watch) = self.statement();
        Box::pin(DatabaseSession::<DB>::watched(watch, DB::fetch_optional(connection, query)))
    }

    fn prepare_with<'e, 'q: 'e>(
        self,
        sql: &'q str,
        parameters: &'e [DB::TypeInfo],
    ) -> Later<'e, DB::Statement<'q>>
    where
        'c: 'e,
    {
        let (connection, watch) = self.statement();
        Box::pin(DatabaseSession::<DB>::watched(watch, DB::prepare_with(connection, sql, parameters)))
    }

    fn describe<'e, 'q: 'e>(self, sql: &'q str) -> Later<'e, Describe<DB>>
    where
        'c: 'e,
    {
        let (connection, watch) = self.statement();
        Box::pin(DatabaseSession::<DB>::watched(watch, DB::describe(connection, sql)))
    }
}

impl<'t, DB: DatabaseBackend> Acquire<'t> for &'t mut DatabaseSession<DB> {
    type Database = DB;
    type Connection = &'t mut DB::Connection;

    fn acquire(self) -> Later<'t, Self::Connection> {
        Box::pin(std::future::ready(Ok(self.connection())))
    }

    fn begin(self) -> Later<'t, Transaction<'t, DB>> {
        Transaction::begin(self.connection(), None)
    }
}

impl<DB: DatabaseBackend> fmt::Debug for DatabaseSession<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let marks = self.connected.as_ref().map(|connected| &connected.marks);
        f.debug_struct("DatabaseSession").field("marks", &marks).finish_non_exhaustive()
    }
}

/// A session that is open until [`commit`](Self::commit); see [`DatabaseClient::begin`](super::DatabaseClient::begin).
///
/// Rolled back when it is dropped. All of it has the time of one attempt (`timeout`, 30 s): a statement that goes beyond
/// fails with [`ResilienceError::Timeout`].
#[must_use = "a session that is dropped is rolled back"]
pub struct OpenDatabaseSession<DB: DatabaseBackend = Any>(DatabaseSession<DB>);

impl<DB: DatabaseBackend> OpenDatabaseSession<DB> {
    pub(super) fn new(connected: Connected<DB>) -> Self {
        Self(DatabaseSession { connected: Some(connected), home: None })
    }

    /// Writes what was done in the session.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::CommitUnknown`] where the answer is lost: it is written or it is not. After any other error nothing is.
    pub async fn commit(mut self) -> Result<(), DatabaseError> {
        let Some(mut connected) = self.0.connected.take() else { return Ok(()) };
        let limit = connected.marks.limit;
        connected.commit(limit).await?;
        connected.give_back();
        Ok(())
    }

    /// Undoes what was done in the session, as dropping it does, but leaves the connection to the next session.
    pub async fn roll_back(mut self) {
        if let Some(connected) = self.0.connected.take() {
            let until = connected.marks.limit.map(|limit| limit.until());
            connected.roll_back(until).await;
        }
    }
}

impl<DB: DatabaseBackend> Deref for OpenDatabaseSession<DB> {
    type Target = DatabaseSession<DB>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<DB: DatabaseBackend> DerefMut for OpenDatabaseSession<DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<DB: DatabaseBackend> fmt::Debug for OpenDatabaseSession<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OpenDatabaseSession").field(&self.0).finish()
    }
}
