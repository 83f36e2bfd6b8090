//! What the tour breaks: an HTTP server, a cache and a database file, all on this machine, all real.

mod cache;
mod database;
mod http;

use std::sync::Arc;

pub(crate) use cache::Cache;
pub(crate) use database::{Database, DbError, open};
pub(crate) use http::{Answer, Http};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::live::Live;

pub(crate) struct World {
    pub(crate) http: Http,
    pub(crate) cache: Cache,
    pub(crate) database: Database,
    /// Gone, with the database in it, when the world is dropped.
    pub(crate) folder: TempDir,
}

impl World {
    /// Starts everything, on ports that are free.
    pub(crate) fn start(runtime: &Runtime, live: &Arc<Live>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        runtime.block_on(async {
            Ok(Self {
                http: Http::start(live).await?,
                cache: Cache::start(live).await?,
                database: Database::create(folder.path().join("shop.db"), live)?,
                folder,
            })
        })
    }
}
