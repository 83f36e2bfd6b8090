//! What holds of SQLite, which is nobody's server: files, locks, threads and processes that are killed.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use resilient::{DatabaseClient, DatabaseError, HealthStatus, ResilienceError, State, sqlx};
use resilient_clients_tests::now;
use tokio::time::timeout;

use crate::world::{LONG, SLOTS, World, assert_harmless, take_all_slots};

pub(crate) async fn a_file_whose_folder_is_away_is_told_and_used_once_it_is_there(world: &World) {
    let folder = world.folder().join("later");
    let url = format!("sqlite:{}/file.db", folder.display());
    let client = world.builder().url(url).build().unwrap();
    for _ in 0..3 {
        let error = client.read(async |_| Ok(())).await.unwrap_err();
        assert!(matches!(&error, DatabaseError::Server(answer) if answer.code() == "14"), "{error:?}");
        assert_harmless(&error);
    }
    assert_eq!(world.breaker().state(), State::Open);
    assert_eq!(client.health_check().await.status, HealthStatus::Unhealthy);
    std::fs::create_dir(&folder).unwrap();
    assert_eq!(client.health_check().await.status, HealthStatus::Healthy);
    world.until_probed().await;
    for _ in 0..2 {
        client.read(async |_| Ok(())).await.unwrap();
    }
    assert_eq!(world.breaker().state(), State::Closed);
    take_all_slots(&client).await;
}

/// Where the process that is to be killed finds its file.
const FILE: &str = "RESILIENT_TEST_FILE";

/// Not a test: what [`a_writer_that_is_killed_loses_nothing_that_it_was_told_is_written`] starts and kills.
#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "it is told by the test that starts it")]
async fn writes_until_it_is_killed() {
    let Ok(file) = std::env::var(FILE) else { return };
    let client = DatabaseClient::builder().url(format!("sqlite:{file}")).build().unwrap();
    for n in 1_i64.. {
        let written = client
            .session(async |mut session| {
                sqlx::query("INSERT INTO numbers (n) VALUES ($1)").bind(n).execute(&mut session).await?;
                Ok(())
            })
            .await;
        written.unwrap();
        println!("written {n}");
    }
}

pub(crate) async fn a_writer_that_is_killed_loses_nothing_that_it_was_told_is_written(world: &World) {
    let client = world.client().await;
    for _ in 0..3 {
        let before = world.numbers().await.len();
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "embedded::writes_until_it_is_killed", "--nocapture"])
            .env(FILE, world.file())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let told = BufReader::new(writer.stdout.take().unwrap());
        let mut written = 0;
        for line in told.lines() {
            written += usize::from(line.unwrap().starts_with("written"));
            if written == 20 {
                writer.kill().unwrap();
            }
        }
        writer.wait().unwrap();
        assert!(written >= 20);
        let there = world.numbers().await.len() - before;
        assert!(there == written || there == written + 1, "{written} were told, {there} are there");
    }
    take_all_slots(&client).await;
}

pub(crate) async fn a_lock_that_outlasts_the_limit_is_waited_for_and_told(world: &World) {
    let client = world.client_of(world.builder().timeout("2s").max_attempts(1)).await;
    let other = world.builder().name("the_other").timeout("30s").build().unwrap();
    let lock = other.begin().await.unwrap();
    let began = now();
    let error = world.insert(&client, 1).await.unwrap_err();
    assert!(matches!(&error, DatabaseError::Conflict(answer) if answer.code() == "5"), "{error:?}");
    assert!(began.elapsed() >= Duration::from_secs(1), "it was waited for: {:?}", began.elapsed());
    drop(lock);
    world.insert(&client, 2).await.unwrap();
    assert_eq!(world.numbers().await, [2]);
    take_all_slots(&client).await;
}

pub(crate) async fn readers_and_a_writer_keep_out_of_each_others_way(world: &World) {
    let client = world.client().await;
    world.insert(&client, 1).await.unwrap();
    let mut writer = client.begin().await.unwrap();
    sqlx::query("INSERT INTO numbers (n) VALUES (2)").execute(&mut *writer).await.unwrap();
    // Not blocked, and not shown what is not committed.
    assert_eq!(world.numbers().await, [1]);
    client
        .read(async |mut session| {
            let count = "SELECT count(*) FROM numbers";
            let before: i64 = sqlx::query_scalar(count).fetch_one(&mut session).await?;
            assert_eq!(before, 1);
            Ok(())
        })
        .await
        .unwrap();
    writer.commit().await.unwrap();
    assert_eq!(world.numbers().await, [1, 2]);
    assert!(world.file().with_extension("db-wal").exists());
}

pub(crate) async fn a_statement_without_end_is_ended_with_its_thread(world: &World) {
    let name = "without_end";
    let client = DatabaseClient::<sqlx::Sqlite>::native()
        .url(world.url())
        .name(name)
        .pool_size(SLOTS)
        .timeout("200ms")
        .max_attempts(1)
        .layers(|it| it.failure_threshold(100))
        .build()
        .unwrap();
    let endless = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT count(*) FROM n";
    for _ in 0..=SLOTS {
        let error = client
            .session(async |mut session| {
                sqlx::query("CREATE TABLE begun (n BIGINT)").execute(&mut session).await?;
                sqlx::query(endless).execute(&mut session).await?;
                Ok(())
            })
            .await
            .unwrap_err();
        assert!(ResilienceError::find(&error).is_some_and(ResilienceError::is_timeout), "{error:?}");
    }
    // Its lock is free: the thread is done with it.
    let any = world.client().await;
    timeout(LONG, world.insert(&any, 1)).await.unwrap().unwrap();
}

pub(crate) async fn a_database_in_memory_has_one_connection_and_keeps_it(world: &World) {
    let client = world.builder().url("sqlite::memory:").build().unwrap();
    assert_eq!(client.health_check().await.details["pool_size"], "1");
    for statement in ["CREATE TABLE numbers (n BIGINT)", "INSERT INTO numbers VALUES (7)"] {
        let made = client.session(async |mut session| {
            sqlx::query(statement).execute(&mut session).await?;
            Ok(())
        });
        made.await.unwrap();
    }
    let there: i64 = client
        .read(async |mut session| {
            Ok(sqlx::query_scalar("SELECT n FROM numbers").fetch_one(&mut session).await?)
        })
        .await
        .unwrap();
    assert_eq!(there, 7);
    assert!(!Path::new(":memory:").exists());
}
