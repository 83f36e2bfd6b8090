//! A database client in the library's layers.

mod backend;
mod blocking;
mod client;
mod codes;
mod connection;
mod error;
mod session;
mod target;

pub use backend::DatabaseBackend;
pub use blocking::{BlockingDatabaseClient, BlockingDatabaseSession};
pub use client::{DatabaseClient, DatabaseClientBuilder, database_client};
pub use error::{DatabaseAnswer, DatabaseError};
pub use session::{DatabaseSession, OpenDatabaseSession};
