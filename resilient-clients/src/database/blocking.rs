//! The client for code that is not async.

use std::fmt;
use std::future::{Future, ready};

use resilient_runtime::CheckReport;
use sqlx::{Any, Execute, Executor as _};

use super::backend::{Access, DatabaseBackend};
use super::client::DatabaseClient;
use super::error::DatabaseError;
use super::session::DatabaseSession;
use crate::blocking::{Unable, wait_here};

/// A [`DatabaseClient`] that blocks the thread it is called on; see [`DatabaseClient::blocking`].
///
/// It may be called on any thread, that of an async runtime too, which is then blocked like any other.
pub struct BlockingDatabaseClient<DB: DatabaseBackend = Any>(DatabaseClient<DB>);

impl<DB: DatabaseBackend> BlockingDatabaseClient<DB> {
    pub(super) fn new(client: DatabaseClient<DB>) -> Self {
        Self(client)
    }

    /// As [`DatabaseClient::session`]. The body runs on this thread; each of its statements has what time is left.
    ///
    /// ```no_run
    /// # use resilient_clients as resilient;
    /// use resilient::{DatabaseError, database_client, sqlx};
    ///
    /// # fn example() -> Result<(), DatabaseError> {
    /// let db = database_client()?.blocking();
    /// db.session(|session| {
    ///     session.execute(sqlx::query("INSERT INTO users (name) VALUES ($1)").bind("ada"))?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`DatabaseClient::session`].
    pub fn session<T>(
        &self,
        body: impl Fn(&mut BlockingDatabaseSession<DB>) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        self.run(Access::Write, body)
    }

    /// As [`DatabaseClient::read`].
    ///
    /// # Errors
    ///
    /// As [`DatabaseClient::read`].
    pub fn read<T>(
        &self,
        body: impl Fn(&mut BlockingDatabaseSession<DB>) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        self.run(Access::Read, body)
    }

    fn run<T>(
        &self,
        access: Access,
        body: impl Fn(&mut BlockingDatabaseSession<DB>) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        waited(self.0.run(access, true, |session| ready(body(&mut BlockingDatabaseSession(session)))))?
    }

    /// As [`DatabaseClient::health_check`].
    pub fn health_check(&self) -> CheckReport {
        wait_here(self.0.health_check()).unwrap_or_else(|unable| CheckReport::unhealthy(unable.to_string()))
    }
}

impl<DB: DatabaseBackend> Clone for BlockingDatabaseClient<DB> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<DB: DatabaseBackend> fmt::Debug for BlockingDatabaseClient<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BlockingDatabaseClient").field(&self.0).finish()
    }
}

/// A [`DatabaseSession`] whose statements block.
pub struct BlockingDatabaseSession<DB: DatabaseBackend = Any>(DatabaseSession<DB>);

impl<DB: DatabaseBackend> BlockingDatabaseSession<DB> {
    /// Runs a statement for what it does.
    ///
    /// # Errors
    ///
    /// What the database says to it, or that the session's time is over.
    pub fn execute<'q>(
        &mut self,
        query: impl Execute<'q, DB> + 'q,
    ) -> Result<DB::QueryResult, DatabaseError> {
        Ok(waited((&mut self.0).execute(query))??)
    }

    /// The row that a query finds.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute), and [`DatabaseError::RowNotFound`].
    pub fn fetch_one<'q>(&mut self, query: impl Execute<'q, DB> + 'q) -> Result<DB::Row, DatabaseError> {
        Ok(waited((&mut self.0).fetch_one(query))??)
    }

    /// The first row that a query finds, if there is one.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub fn fetch_optional<'q>(
        &mut self,
        query: impl Execute<'q, DB> + 'q,
    ) -> Result<Option<DB::Row>, DatabaseError> {
        Ok(waited((&mut self.0).fetch_optional(query))??)
    }

    /// Every row that a query finds.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub fn fetch_all<'q>(&mut self, query: impl Execute<'q, DB> + 'q) -> Result<Vec<DB::Row>, DatabaseError> {
        Ok(waited((&mut self.0).fetch_all(query))??)
    }

    /// Waits for anything async with the session, as `sqlx::query_as(..).fetch_all(session)`.
    ///
    /// The trap: what is not a statement of the session is not cut off when its time is over.
    ///
    /// # Errors
    ///
    /// What `work` says.
    pub fn run<T, E>(
        &mut self,
        work: impl AsyncFnOnce(&mut DatabaseSession<DB>) -> Result<T, E>,
    ) -> Result<T, DatabaseError>
    where
        DatabaseError: From<E>,
    {
        Ok(waited(work(&mut self.0))??)
    }
}

impl<DB: DatabaseBackend> fmt::Debug for BlockingDatabaseSession<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BlockingDatabaseSession").field(&self.0).finish()
    }
}

fn waited<F: Future>(future: F) -> Result<F::Output, DatabaseError> {
    wait_here(future).map_err(|unable| match unable {
        Unable::WaitsForItself => {
            DatabaseError::Misused("a blocking client was called from within a blocking client's own work")
        }
        Unable::NoThread(_) => DatabaseError::Misconfigured(unable.to_string()),
    })
}
