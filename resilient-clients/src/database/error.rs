//! What a database can fail with, and what of it may be shown.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use resilient_runtime::{Class, Classify, ResilienceError};
use sqlx::error::ErrorKind;

use super::codes::Meaning;

/// Why a session did not do its work.
///
/// Nothing here shows a password, a parameter or a row: of what the server said, only the code and the names of tables and
/// constraints are shown. All of it is in [`DatabaseAnswer::database_error`], for whoever may see it.
///
/// Defaults: [`Unreachable`](Self::Unreachable), [`ConnectionLost`](Self::ConnectionLost) and most of
/// [`Server`](Self::Server) count for the breaker and are tried again; a [`Conflict`](Self::Conflict) is tried again and counts
/// for nothing, since a database that ends one of two sessions is well. What the statement or the body is to blame
/// for ([`Statement`](Self::Statement), [`RowNotFound`](Self::RowNotFound), [`Own`](Self::Own), ..) and a pool that is too
/// small do neither. A refused login, a wrong configuration and a commit without an answer count, and end the call.
///
/// ```
/// # use resilient_clients as resilient;
/// use resilient::DatabaseError;
///
/// fn status(error: &DatabaseError) -> u16 {
///     match error {
///         DatabaseError::RowNotFound => 404,
///         DatabaseError::Statement(answer) if answer.is_unique_violation() => 409,
///         // Nobody knows whether it was written: whoever asked has to look.
///         DatabaseError::CommitUnknown { .. } => 502,
///         _ => 503,
///     }
/// }
/// # assert_eq!(status(&DatabaseError::RowNotFound), 404);
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// What was said of the database cannot be used: its URL, a backend that is not compiled in, TLS.
    #[error("{0}")]
    Misconfigured(String),
    /// No connection could be made: nobody listens, nobody answers, the server starts or goes down.
    #[error("the database at {address} cannot be reached: {reason}")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// What stood in the way.
        reason: String,
    },
    /// The server does not let this user in, or has no such database.
    #[error("the database at {address} refuses the login (code {code})")]
    LoginRefused {
        /// Where it is.
        address: String,
        /// The server's code.
        code: String,
    },
    /// Every connection of the pool is in use, and none came free in time. It says nothing about the server.
    #[error(
        "no connection came free within {waited:?}: all {size} of the pool are in use \
         (`pool_size`, `pool_wait`)"
    )]
    PoolExhausted {
        /// How many connections the pool may have.
        size: u32,
        /// How long one was waited for.
        waited: Duration,
    },
    /// The connection ended in the middle of the session, whose work is undone.
    #[error("the connection to the database was lost: {reason}")]
    ConnectionLost {
        /// How it ended.
        reason: String,
    },
    /// Another session was in the way: a deadlock, a serialization failure, a lock. The work is undone.
    #[error("another session was in the way: {0}")]
    Conflict(DatabaseAnswer),
    /// The server could not do it, through no fault of the statement: it shuts down, has no room, cut it off.
    #[error("the database failed: {0}")]
    Server(DatabaseAnswer),
    /// The statement is wrong, or breaks a constraint.
    #[error("the database refused the statement: {0}")]
    Statement(DatabaseAnswer),
    /// One row was asked for, and there is none.
    #[error("no row was found where one was asked for")]
    RowNotFound,
    /// The answer or a parameter is not of the type that the program says it is.
    #[error("{0}")]
    Unfit(String),
    /// The body's own error; see [`DatabaseError::own`].
    // Not transparent, so that whoever looks among the sources finds it.
    #[error("{0}")]
    Own(#[source] Box<dyn StdError + Send + Sync>),
    /// An error ended the transaction, the body did not return it and went on: the session is not written.
    #[error(
        "an earlier error ended the transaction, and the body of the session went on after it: \
         return that error, or undo it with a savepoint"
    )]
    RolledBack,
    /// The connection was lost after COMMIT was sent and before the answer came.
    #[error(
        "COMMIT was sent and its answer is lost: {reason}; \
         the session is written or it is not, so look before it is done again"
    )]
    CommitUnknown {
        /// How the answer was lost.
        reason: String,
    },
    /// The session was used in a way that it cannot be.
    #[error("{0}")]
    Misused(&'static str),
    /// A layer refused the call or cut it off.
    #[error("{0}")]
    Refused(#[from] ResilienceError),
}

/// An error that the database answered with.
///
/// The trap: what [`database_error`](Self::database_error) says may hold parameters and rows, as PostgreSQL's `invalid input
/// syntax for type integer: "hunter2"` does. So neither `Display` nor `Debug` shows it.
pub struct DatabaseAnswer {
    error: Box<dyn sqlx::error::DatabaseError>,
    meaning: Meaning,
}

impl DatabaseAnswer {
    /// The code: SQLSTATE of PostgreSQL, number of MySQL and MariaDB, extended result code of SQLite.
    pub fn code(&self) -> String {
        code(&*self.error)
    }

    /// The name of the constraint that was broken, where the backend tells (PostgreSQL).
    pub fn constraint(&self) -> Option<&str> {
        self.error.constraint()
    }

    /// The name of the table, where the backend tells (PostgreSQL).
    pub fn table(&self) -> Option<&str> {
        self.error.table()
    }

    /// Whether there is such a row already.
    pub fn is_unique_violation(&self) -> bool {
        self.error.is_unique_violation()
    }

    /// Whether a row refers to one that is not there.
    pub fn is_foreign_key_violation(&self) -> bool {
        self.error.is_foreign_key_violation()
    }

    /// Whether a check says no.
    pub fn is_check_violation(&self) -> bool {
        self.error.is_check_violation()
    }

    /// All that the database said, parameters and rows included.
    pub fn database_error(&self) -> &(dyn sqlx::error::DatabaseError + 'static) {
        &*self.error
    }
}

impl fmt::Display for DatabaseAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.error.kind() {
            ErrorKind::UniqueViolation => "there is such a row already",
            ErrorKind::ForeignKeyViolation => "a row refers to one that is not there",
            ErrorKind::NotNullViolation => "a column may not be NULL",
            ErrorKind::CheckViolation => "a check says no",
            _ => match self.meaning {
                Meaning::Conflict => "the transaction was ended for it",
                Meaning::Unavailable => "it cannot do it now",
                Meaning::Broken => "it cannot do it",
                Meaning::Login => "access is denied",
                Meaning::Statement => "it cannot be done as it is written",
            },
        };
        f.write_str(what)?;
        if let Some(constraint) = self.constraint() {
            write!(f, ", constraint `{}`", harmless(constraint))?;
        }
        if let Some(table) = self.table() {
            write!(f, ", table `{}`", harmless(table))?;
        }
        write!(f, " (code {})", self.code())
    }
}

impl fmt::Debug for DatabaseAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseAnswer")
            .field("code", &self.code())
            .field("constraint", &self.constraint())
            .field("table", &self.table())
            .finish_non_exhaustive()
    }
}

impl DatabaseError {
    /// An error of the body's own, as "the account is empty": the session is rolled back, the error is the caller's, who
    /// finds it with [`own_error`](Self::own_error). It is not tried again and counts for nothing.
    ///
    /// ```
    /// # use resilient_clients as resilient;
    /// use resilient::DatabaseError;
    ///
    /// #[derive(Debug, thiserror::Error)]
    /// #[error("the account is empty")]
    /// struct Empty;
    ///
    /// let error = DatabaseError::own(Empty);
    /// assert!(error.own_error::<Empty>().is_some());
    /// assert_eq!(error.to_string(), "the account is empty");
    /// ```
    pub fn own(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Own(error.into())
    }

    /// The body's own error, where this is one and of that type.
    pub fn own_error<X: StdError + 'static>(&self) -> Option<&X> {
        match self {
            Self::Own(error) => error.downcast_ref(),
            _ => None,
        }
    }

    /// What the database answered, where it did.
    pub fn answer(&self) -> Option<&DatabaseAnswer> {
        match self {
            Self::Conflict(answer) | Self::Server(answer) | Self::Statement(answer) => Some(answer),
            _ => None,
        }
    }

    /// An error that came before there was a connection.
    pub(super) fn connecting(address: &str, error: sqlx::Error) -> Self {
        let address = address.to_owned();
        // A certificate that is refused comes as data that is invalid.
        let no_tls = match &error {
            sqlx::Error::Tls(_) => true,
            sqlx::Error::Io(error) => error.kind() == io::ErrorKind::InvalidData,
            _ => false,
        };
        match error {
            _ if no_tls => Self::Misconfigured(format!(
                "no TLS with the database at {address}: the server has none, or its certificate is not trusted; \
                 `sslmode` (MySQL: `ssl-mode`) in the URL says how much is asked for"
            )),
            sqlx::Error::Database(error) => match Meaning::of(&*error) {
                Meaning::Login => Self::LoginRefused { address, code: code(&*error) },
                Meaning::Conflict | Meaning::Unavailable => {
                    let reason = format!("it does not take connections now (code {})", code(&*error));
                    Self::Unreachable { address, reason }
                }
                meaning => Self::answered(DatabaseAnswer { error, meaning }),
            },
            sqlx::Error::Configuration(_) | sqlx::Error::InvalidArgument(_) => {
                Self::Misconfigured(format!("what is said of the database at {address} cannot be used"))
            }
            other => match Self::from(other) {
                Self::ConnectionLost { reason } => Self::Unreachable { address, reason },
                other => other,
            },
        }
    }

    fn answered(answer: DatabaseAnswer) -> Self {
        match answer.meaning {
            Meaning::Conflict => Self::Conflict(answer),
            Meaning::Statement => Self::Statement(answer),
            Meaning::Unavailable | Meaning::Broken | Meaning::Login => Self::Server(answer),
        }
    }

    /// COMMIT failed with this: is it certain that nothing was written?
    pub(super) fn of_commit(self) -> Self {
        match self {
            Self::Conflict(_) | Self::Statement(_) | Self::RolledBack | Self::Misused(_) => self,
            other => Self::CommitUnknown { reason: other.to_string() },
        }
    }

    /// Whether the connection can still be used after it.
    pub(super) fn leaves_connection(&self) -> bool {
        !matches!(
            self,
            Self::ConnectionLost { .. } | Self::Server(_) | Self::Refused(_) | Self::CommitUnknown { .. }
        )
    }
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        let lost = |reason: &str| Self::ConnectionLost { reason: reason.to_owned() };
        match error {
            sqlx::Error::Database(error) => {
                let meaning = Meaning::of(&*error);
                Self::answered(DatabaseAnswer { error, meaning })
            }
            // The time limit that a session puts between a statement and its caller, who is handed sqlx's errors.
            sqlx::Error::Io(error) => match error.downcast::<ResilienceError>() {
                Ok(refused) => Self::Refused(refused),
                Err(error) => Self::ConnectionLost { reason: reason_of(&error) },
            },
            sqlx::Error::RowNotFound => Self::RowNotFound,
            sqlx::Error::Protocol(_) => lost("its answer cannot be read"),
            sqlx::Error::WorkerCrashed => lost("its thread ended"),
            sqlx::Error::PoolTimedOut => lost("the pool gave none"),
            sqlx::Error::PoolClosed => {
                Self::Misused("the client was closed, and cannot begin a session any more")
            }
            sqlx::Error::BeginFailed | sqlx::Error::InvalidSavePointStatement => {
                Self::Misused("a transaction was begun within the session by hand: `begin` makes a savepoint")
            }
            sqlx::Error::Tls(_) => lost("TLS failed"),
            sqlx::Error::Configuration(_) | sqlx::Error::InvalidArgument(_) => {
                Self::Misconfigured("what is said of the database cannot be used".to_owned())
            }
            other => Self::Unfit(unfit(&other)),
        }
    }
}

impl Classify for DatabaseError {
    fn class(&self) -> Class {
        match self {
            Self::Unreachable { .. } | Self::ConnectionLost { .. } => Class::Transient,
            Self::Conflict(_) => Class::Contention,
            Self::Server(answer) if answer.meaning == Meaning::Unavailable => Class::Transient,
            Self::Server(_)
            | Self::Misconfigured(_)
            | Self::LoginRefused { .. }
            | Self::CommitUnknown { .. } => Class::Permanent,
            Self::PoolExhausted { .. }
            | Self::Statement(_)
            | Self::RowNotFound
            | Self::Unfit(_)
            | Self::Own(_)
            | Self::RolledBack
            | Self::Misused(_) => Class::Caller,
            Self::Refused(refused) => refused.class(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refused) => Classify::retry_after(refused),
            _ => None,
        }
    }
}

fn code(error: &(dyn sqlx::error::DatabaseError + 'static)) -> String {
    #[cfg(feature = "mysql")]
    if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return error.number().to_string();
    }
    error.code().map_or_else(|| "none".to_owned(), |code| harmless(&code))
}

/// What the system says; what is no system's is told by its kind, since anybody may have written it.
pub(super) fn reason_of(error: &io::Error) -> String {
    if let Some(code) = error.raw_os_error() {
        return io::Error::from_raw_os_error(code).to_string();
    }
    if error.to_string().starts_with("failed to lookup address information") {
        return "its name is not known".to_owned();
    }
    error.kind().to_string()
}

fn unfit(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::ColumnNotFound(name) => format!("the answer has no column `{}`", harmless(name)),
        sqlx::Error::ColumnIndexOutOfBounds { index, len } => {
            format!("the answer has {len} columns, and number {index} was asked for")
        }
        sqlx::Error::TypeNotFound { type_name } => {
            format!("the database has no type `{}`", harmless(type_name))
        }
        sqlx::Error::ColumnDecode { index, source } => {
            format!("column {} cannot be read: {}", harmless(index), types(source.as_ref()))
        }
        sqlx::Error::Decode(source) => format!("the answer cannot be read: {}", types(source.as_ref())),
        sqlx::Error::Encode(_) => "a parameter cannot be written as its type".to_owned(),
        sqlx::Error::AnyDriverError(_) => {
            "a type is not among those that all backends have: take the client of the backend, as \
             `DatabaseClient<Postgres>`"
                .to_owned()
        }
        _ => "the answer does not fit what was asked for".to_owned(),
    }
}

/// What sqlx itself says of types; what a type of somebody's own says may hold the value.
fn types(error: &(dyn StdError + 'static)) -> String {
    let text = error.to_string();
    if text.starts_with("mismatched types; ") || text.starts_with("unexpected null; ") {
        harmless(&text)
    } else {
        "its value is not one of that type".to_owned()
    }
}

/// The beginning of a text of the server's, which cannot forge a line or command a terminal.
fn harmless(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_debug).collect()
}
