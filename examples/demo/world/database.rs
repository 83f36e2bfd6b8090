//! A SQLite file, and a second connection that locks it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use resilient::{Class, Classify, ResilienceError};
use rusqlite::{Connection, ErrorCode};

use crate::live::Live;

/// What a database function can fail with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DbError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("the worker ended early: {0}")]
    Worker(#[from] tokio::task::JoinError),
    /// Where the library's refusals and time-outs go: the one thing a guarded function's error type needs.
    #[error(transparent)]
    Resilience(#[from] ResilienceError),
}

/// Said once, here: which errors may go away by themselves. A locked file does, a wrong statement does not.
impl Classify for DbError {
    fn class(&self) -> Class {
        match self {
            Self::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Class::Transient,
                Some(ErrorCode::ConstraintViolation) => Class::Caller,
                _ => Class::Permanent,
            },
            Self::Worker(_) => Class::Permanent,
            Self::Resilience(error) => error.class(),
        }
    }
}

pub(crate) struct Database {
    file: PathBuf,
    live: Arc<Live>,
}

impl Database {
    pub(crate) fn create(file: PathBuf, live: &Arc<Live>) -> anyhow::Result<Self> {
        open(&file)?.execute("CREATE TABLE orders (item TEXT NOT NULL UNIQUE)", [])?;
        Ok(Self { file, live: Arc::clone(live) })
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Keeps everyone else out of the file until the lock is dropped.
    pub(crate) fn lock(&self) -> rusqlite::Result<Lock> {
        let connection = open(&self.file)?;
        connection.execute_batch("BEGIN EXCLUSIVE")?;
        self.live.world("database", "another connection locks the whole file");
        Ok(Lock { _connection: connection })
    }
}

/// Opens the file. SQLite's own waiting is off: here waiting is the library's part.
pub(crate) fn open(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(Duration::ZERO)?;
    Ok(connection)
}

/// An exclusive transaction of another connection; closing it rolls back.
pub(crate) struct Lock {
    _connection: Connection,
}
