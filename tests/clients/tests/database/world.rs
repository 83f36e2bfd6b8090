//! A database of a test's own, and what its tests look at.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use resilient::{CircuitBreaker, DatabaseClient, DatabaseClientBuilder, DatabaseError, sqlx};
use resilient_clients_tests::{Certified, Process, Proxy, mariadb, postgres, printed, until_async};
use tempfile::TempDir;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How many connections the clients of the tests have.
pub(crate) const SLOTS: u32 = 4;
/// Never in an error.
pub(crate) const SECRET: &str = "hunter2-parameter";
/// Longer than anything takes that works.
pub(crate) const LONG: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
    MariaDb,
}

pub(crate) struct World {
    pub(crate) backend: Backend,
    /// Before the server, which it outlives.
    pub(crate) proxy: Option<Proxy>,
    pub(crate) server: Option<Process>,
    folder: TempDir,
    /// Of this test alone in the process.
    name: String,
    /// For what is not tested: past the proxy, and with all the time that a loaded machine needs.
    patient: DatabaseClient,
}

impl World {
    fn new(backend: Backend, server: Option<Process>) -> Self {
        static WORLDS: AtomicU32 = AtomicU32::new(0);
        let name = format!("database_{}", WORLDS.fetch_add(1, Ordering::Relaxed));
        let proxy = server.as_ref().map(|server| Proxy::start(server.address()));
        let folder = TempDir::new().unwrap();
        let url = match (backend, &server) {
            (Backend::Postgres, Some(server)) => {
                format!("{}?application_name=patient", postgres::url(server.address()))
            }
            (Backend::MariaDb, Some(server)) => mariadb::url(server.address()),
            _ => format!("sqlite:{}", file_in(&folder).display()),
        };
        let patient = DatabaseClient::builder().url(url).name(format!("{name}_patient"));
        let patient = patient.layers(|it| it.base_delay("50ms").max_attempts(10).failure_threshold(100));
        Self { backend, proxy, server, folder, name, patient: patient.build().unwrap() }
    }

    pub(crate) fn sqlite() -> Self {
        Self::new(Backend::Sqlite, None)
    }

    pub(crate) fn postgres() -> Self {
        Self::postgres_with(None)
    }

    pub(crate) fn mariadb() -> Self {
        Self::mariadb_with(None)
    }

    pub(crate) fn postgres_with(certified: Option<&Certified>) -> Self {
        let tls = certified.map(|it| (it.certificate.as_str(), it.key.as_str()));
        Self::new(Backend::Postgres, Some(postgres::start(Path::new(env!("CARGO_TARGET_TMPDIR")), tls)))
    }

    pub(crate) fn mariadb_with(certified: Option<&Certified>) -> Self {
        let tls = certified.map(|it| (it.certificate.as_str(), it.key.as_str()));
        Self::new(Backend::MariaDb, Some(mariadb::start(Path::new(env!("CARGO_TARGET_TMPDIR")), tls)))
    }

    pub(crate) fn url(&self) -> String {
        match (self.backend, &self.proxy) {
            (Backend::Postgres, Some(proxy)) => postgres::url(proxy.address()),
            (Backend::MariaDb, Some(proxy)) => mariadb::url(proxy.address()),
            _ => format!("sqlite:{}", self.file().display()),
        }
    }

    pub(crate) fn file(&self) -> PathBuf {
        file_in(&self.folder)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("a server has a proxy before it")
    }

    pub(crate) fn server(&self) -> &Process {
        self.server.as_ref().expect("the backend is a server")
    }

    /// With what the URL says besides, by the backend's own name for it: PostgreSQL's first.
    pub(crate) fn url_with(&self, said: &[(&str, &str); 2]) -> String {
        let (name, value) = said[usize::from(self.backend == Backend::MariaDb)];
        format!("{}?{name}={value}", self.url())
    }

    /// A client with short waits.
    pub(crate) fn builder(&self) -> DatabaseClientBuilder {
        DatabaseClient::builder().url(self.url()).name(&self.name).pool_size(SLOTS).timeout("5s").layers(
            |layers| layers.base_delay("20ms").max_delay("100ms").recovery_timeout("200ms").budget("none"),
        )
    }

    /// A client, and the tables of the tests.
    pub(crate) async fn client(&self) -> DatabaseClient {
        self.client_of(self.builder()).await
    }

    pub(crate) async fn client_of(&self, builder: DatabaseClientBuilder) -> DatabaseClient {
        self.make_tables().await;
        builder.build().unwrap()
    }

    pub(crate) async fn make_tables(&self) {
        for table in [
            "CREATE TABLE IF NOT EXISTS numbers (n BIGINT NOT NULL)",
            "CREATE TABLE IF NOT EXISTS users (name VARCHAR(80) PRIMARY KEY)",
        ] {
            let made = self.patient.session(async |mut session| {
                sqlx::query(table).execute(&mut session).await?;
                Ok(())
            });
            made.await.unwrap();
        }
    }

    /// With the placeholders of the backend.
    pub(crate) fn sql(&self, sql: &str) -> String {
        match self.backend {
            Backend::MariaDb => {
                (1..=9).fold(sql.to_owned(), |sql, number| sql.replace(&format!("${number}"), "?"))
            }
            _ => sql.to_owned(),
        }
    }

    pub(crate) async fn insert(&self, client: &DatabaseClient, n: i64) -> Result<(), DatabaseError> {
        let sql = self.sql("INSERT INTO numbers (n) VALUES ($1)");
        let sql = &sql;
        client
            .session(async |mut session| {
                sqlx::query(sql).bind(n).execute(&mut session).await?;
                Ok(())
            })
            .await
    }

    /// Every number that was written, in order.
    pub(crate) async fn numbers(&self) -> Vec<i64> {
        let read = self
            .patient
            .read(async |mut session| {
                Ok(sqlx::query_scalar("SELECT n FROM numbers ORDER BY n").fetch_all(&mut session).await?)
            })
            .await;
        read.unwrap()
    }

    /// The number that a query finds.
    pub(crate) async fn number(&self, query: &str) -> i64 {
        let read = self
            .patient
            .read(async |mut session| Ok(sqlx::query_scalar(query).fetch_one(&mut session).await?))
            .await;
        read.unwrap()
    }

    pub(crate) fn breaker(&self) -> CircuitBreaker {
        resilient::breaker(&self.name).unwrap()
    }

    /// Waits until the breaker refuses calls.
    pub(crate) async fn until_refused(&self) {
        let refused = || self.breaker().snapshot().rejected_calls;
        let before = refused();
        until_async(async || refused() > before).await;
    }

    /// Waits until the open breaker would let a probe through.
    pub(crate) async fn until_probed(&self) {
        until_async(async || self.breaker().retry_after().is_zero()).await;
    }
}

/// No session is under way any more, or was forgotten: what is rolled back may take a moment.
pub(crate) async fn assert_idle(client: &DatabaseClient) {
    until_async(async || client.health_check().await.details["pool_in_use"] == "0").await;
}

fn file_in(folder: &TempDir) -> PathBuf {
    folder.path().join("test.db")
}

/// Takes every slot of the pool at once: none was leaked.
pub(crate) async fn take_all_slots(client: &DatabaseClient) {
    let barrier = Arc::new(Barrier::new(SLOTS as usize));
    let mut tasks = JoinSet::new();
    for _ in 0..SLOTS {
        let (client, barrier) = (client.clone(), Arc::clone(&barrier));
        tasks.spawn(async move {
            let barrier = &barrier;
            client
                .read(async |mut session| {
                    sqlx::query("SELECT 1").execute(&mut session).await?;
                    barrier.wait().await;
                    Ok(())
                })
                .await
        });
    }
    let all = timeout(LONG, tasks.join_all()).await.expect("every slot is free");
    for taken in all {
        taken.unwrap();
    }
}

/// Shows neither password nor parameter, whichever way it is shown.
pub(crate) fn assert_harmless(error: &DatabaseError) {
    let shown = printed(error);
    assert!(!shown.contains("hunter2"), "{shown}");
}
