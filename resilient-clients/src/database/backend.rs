//! The backends: what they have in common, and the few statements that each has in its own words.

use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures_core::Stream;
use sqlx::{Any, Connection, Database, Describe, Either, Execute, Executor};
use url::Url;

pub(super) type Options<DB> = <<DB as Database>::Connection as Connection>::Options;
pub(super) type Later<'e, T> = Pin<Box<dyn Future<Output = Result<T, sqlx::Error>> + Send + 'e>>;
pub(super) type Rows<'e, DB> = Pin<
    Box<
        dyn Stream<Item = Result<Either<<DB as Database>::QueryResult, <DB as Database>::Row>, sqlx::Error>>
            + Send
            + 'e,
    >,
>;

/// A kind of database that a client can be of: [`Any`], which the URL decides, or one of sqlx's own as `sqlx::Postgres`.
///
/// Implemented here only.
pub trait DatabaseBackend: sealed::Backend {}

pub(super) mod sealed {
    use super::{Arc, AtomicBool, Database, Describe, Dialect, Execute, Later, Options, Rows, Url};

    /// What sqlx has for each connection and cannot say of all: `&mut DB::Connection` is an executor.
    pub trait Backend: Database<Connection: Sized> {
        fn speaks(dialect: Dialect) -> bool;

        fn options(url: &Url) -> Result<Options<Self>, sqlx::Error>;

        /// Lets `cut` end what the connection is at, where the database runs in this process.
        fn interruptible(connection: &mut Self::Connection, cut: Arc<AtomicBool>) -> Later<'_, ()> {
            let _ = (connection, cut);
            Box::pin(std::future::ready(Ok(())))
        }

        fn fetch_many<'e, 'q: 'e, E>(connection: &'e mut Self::Connection, query: E) -> Rows<'e, Self>
        where
            E: 'q + Execute<'q, Self>;

        fn fetch_optional<'e, 'q: 'e, E>(
            connection: &'e mut Self::Connection,
            query: E,
        ) -> Later<'e, Option<Self::Row>>
        where
            E: 'q + Execute<'q, Self>;

        fn prepare_with<'e, 'q: 'e>(
            connection: &'e mut Self::Connection,
            sql: &'q str,
            parameters: &'e [Self::TypeInfo],
        ) -> Later<'e, Self::Statement<'q>>;

        fn describe<'e, 'q: 'e>(
            connection: &'e mut Self::Connection,
            sql: &'q str,
        ) -> Later<'e, Describe<Self>>;
    }
}

macro_rules! backend {
    ($database:ty, speaks: $speaks:pat $(, $own:item)?) => {
        impl DatabaseBackend for $database {}

        impl sealed::Backend for $database {
            fn speaks(dialect: Dialect) -> bool {
                matches!(dialect, $speaks)
            }

            fn options(url: &Url) -> Result<Options<Self>, sqlx::Error> {
                sqlx::ConnectOptions::from_url(url)
            }

            $($own)?

            fn fetch_many<'e, 'q: 'e, E>(connection: &'e mut Self::Connection, query: E) -> Rows<'e, Self>
            where
                E: 'q + Execute<'q, Self>,
            {
                Executor::fetch_many(connection, query)
            }

            fn fetch_optional<'e, 'q: 'e, E>(
                connection: &'e mut Self::Connection,
                query: E,
            ) -> Later<'e, Option<Self::Row>>
            where
                E: 'q + Execute<'q, Self>,
            {
                Executor::fetch_optional(connection, query)
            }

            fn prepare_with<'e, 'q: 'e>(
                connection: &'e mut Self::Connection,
                sql: &'q str,
                parameters: &'e [Self::TypeInfo],
            ) -> Later<'e, Self::Statement<'q>> {
                Executor::prepare_with(connection, sql, parameters)
            }

            fn describe<'e, 'q: 'e>(
                connection: &'e mut Self::Connection,
                sql: &'q str,
            ) -> Later<'e, Describe<Self>> {
                Executor::describe(connection, sql)
            }
        }
    };
}

backend!(Any, speaks: _);
#[cfg(feature = "mysql")]
backend!(sqlx::MySql, speaks: Dialect::MySql);
#[cfg(feature = "postgres")]
backend!(sqlx::Postgres, speaks: Dialect::Postgres);
#[cfg(feature = "sqlite")]
backend!(
    sqlx::Sqlite,
    speaks: Dialect::Sqlite,
    fn interruptible(connection: &mut Self::Connection, cut: Arc<AtomicBool>) -> Later<'_, ()> {
        /// Of SQLite's virtual machine, between two looks.
        const STEPS: i32 = 10_000;
        Box::pin(async move {
            let mut handle = connection.lock_handle().await?;
            handle.set_progress_handler(STEPS, move || !cut.load(std::sync::atomic::Ordering::Relaxed));
            Ok(())
        })
    }
);

/// What the server speaks. MariaDB and MySQL differ in comments that only one of them reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    MySql,
    Postgres,
    Sqlite,
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Write,
    Read,
}

impl Dialect {
    pub(super) fn of(scheme: &str) -> Option<Self> {
        match scheme {
            "mysql" | "mariadb" => Some(Self::MySql),
            "postgres" | "postgresql" => Some(Self::Postgres),
            "sqlite" => Some(Self::Sqlite),
            _ => None,
        }
    }

    /// Its name, which is its feature's too.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::MySql => "mysql",
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
        }
    }

    pub(super) fn is_compiled_in(self) -> bool {
        match self {
            Self::MySql => cfg!(feature = "mysql"),
            Self::Postgres => cfg!(feature = "postgres"),
            Self::Sqlite => cfg!(feature = "sqlite"),
        }
    }

    /// Begins a transaction in which the server gives up by itself what takes longer than `limit`.
    pub(super) fn begin(self, access: Access, limit: Option<Duration>) -> String {
        let millis = limit.map(|limit| limit.as_millis().clamp(1, 2_000_000_000));
        let mut sql = String::new();
        let written = match (self, access) {
            (Self::Postgres, _) => {
                sql.push_str(if access == Access::Read { "BEGIN READ ONLY" } else { "BEGIN" });
                // The second frees the locks of a client that is gone without a word.
                millis.map_or(Ok(()), |millis| {
                    write!(
                        sql,
                        "; SET LOCAL statement_timeout = {millis}\
                         ; SET LOCAL idle_in_transaction_session_timeout = {millis}"
                    )
                })
            }
            (Self::MySql, _) => {
                // The first comment is MariaDB's, which passes over the second; MySQL reads that one.
                let limited = millis.map_or(Ok(()), |millis| {
                    write!(
                        sql,
                        "SET SESSION /*M! max_statement_time = {}.{:03}, */ /*!50708 max_execution_time = {millis}, */ \
                         innodb_lock_wait_timeout = {}; ",
                        millis / 1000,
                        millis % 1000,
                        millis.div_ceil(1000),
                    )
                });
                let begin =
                    if access == Access::Read { "START TRANSACTION READ ONLY" } else { "START TRANSACTION" };
                limited.and_then(|()| write!(sql, "{begin}; SAVEPOINT {BEGUN}"))
            }
            (Self::Sqlite, _) => {
                let (query_only, begin) = match access {
                    Access::Read => (1, "BEGIN"),
                    // With the lock from the start: a reader that turns into a writer would have to be undone.
                    Access::Write => (0, "BEGIN IMMEDIATE"),
                };
                // What is waited for in vain is told as such, before the time is over.
                let busy = millis.map_or(5000, |millis| millis * 2 / 3);
                write!(sql, "PRAGMA query_only = {query_only}; PRAGMA busy_timeout = {busy}; {begin}")
            }
        };
        debug_assert!(written.is_ok(), "a string takes what is written");
        sql
    }

    /// Fails where the transaction that was begun is over already. `None`: COMMIT itself does.
    pub(super) fn still_open(self) -> Option<String> {
        match self {
            Self::Postgres => Some("SELECT 1".to_owned()),
            Self::MySql => Some(format!("RELEASE SAVEPOINT {BEGUN}")),
            Self::Sqlite => None,
        }
    }

    /// Answers where the database does.
    pub(super) fn ask(self) -> &'static str {
        match self {
            Self::MySql | Self::Postgres => "SELECT 1",
            // Has to read the file.
            Self::Sqlite => "SELECT count(*) FROM sqlite_master",
        }
    }
}

/// A savepoint that is there as long as the transaction is.
const BEGUN: &str = "resilient_begun";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_limit_is_that_of_the_attempt() {
        let limit = Some(Duration::from_millis(2_500));
        assert_eq!(
            Dialect::Postgres.begin(Access::Write, limit),
            "BEGIN; SET LOCAL statement_timeout = 2500; SET LOCAL idle_in_transaction_session_timeout = 2500"
        );
        assert_eq!(
            Dialect::MySql.begin(Access::Read, limit),
            "SET SESSION /*M! max_statement_time = 2.500, */ /*!50708 max_execution_time = 2500, */ \
             innodb_lock_wait_timeout = 3; START TRANSACTION READ ONLY; SAVEPOINT resilient_begun"
        );
        assert_eq!(
            Dialect::Sqlite.begin(Access::Write, limit),
            "PRAGMA query_only = 0; PRAGMA busy_timeout = 1666; BEGIN IMMEDIATE"
        );
    }

    #[test]
    fn a_limit_that_rounds_to_nothing_is_none_to_no_server() {
        let short = Some(Duration::from_micros(3));
        assert!(Dialect::Postgres.begin(Access::Write, short).contains("statement_timeout = 1;"));
        assert!(Dialect::MySql.begin(Access::Write, short).contains("max_statement_time = 0.001,"));
    }
}
