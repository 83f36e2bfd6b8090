//! What holds while nothing is broken.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use resilient::{DatabaseError, HealthStatus, ResilienceError, State, sqlx};
use resilient_clients_tests::until_async;
use sqlx::{Acquire as _, Row as _};
use tokio::sync::{Barrier, Notify};
use tokio::time::{sleep, timeout};

use crate::world::{Backend, LONG, SECRET, SLOTS, World, assert_harmless, assert_idle, take_all_slots};

#[derive(Debug, thiserror::Error)]
#[error("the account is empty")]
struct Empty;

pub(crate) async fn a_session_is_written_when_its_body_is_done_and_not_when_it_fails(world: &World) {
    let client = world.client().await;
    world.insert(&client, 1).await.unwrap();
    let sql = world.sql("INSERT INTO numbers (n) VALUES ($1)");
    let (sql, runs) = (&sql, &AtomicU32::new(0));
    let failed = client
        .session(async |mut session| {
            runs.fetch_add(1, Ordering::Relaxed);
            sqlx::query(sql).bind(2_i64).execute(&mut session).await?;
            Err::<(), _>(DatabaseError::own(Empty))
        })
        .await;
    assert!(failed.unwrap_err().own_error::<Empty>().is_some());
    assert_eq!(runs.load(Ordering::Relaxed), 1, "the body's own error is final");
    assert_eq!(world.numbers().await, [1]);
    // It may be run by any thread.
    let (there, sql) = (client.clone(), sql.clone());
    let spawned = tokio::spawn(async move {
        let sql = &sql;
        there
            .session(async |mut session| {
                Ok(sqlx::query(sql).bind(3_i64).execute(&mut session).await?.rows_affected())
            })
            .await
    });
    assert_eq!(spawned.await.unwrap().unwrap(), 1);
    assert_eq!(world.numbers().await, [1, 3]);
    assert_eq!(world.breaker().state(), State::Closed);
    take_all_slots(&client).await;
}

pub(crate) async fn what_is_dropped_or_panics_or_is_kept_is_rolled_back_and_gives_its_slot_back(
    world: &World,
) {
    // A panic counts for the breaker.
    let client = world.client_of(world.builder().layers(|it| it.failure_threshold(100))).await;
    let sql = world.sql("INSERT INTO numbers (n) VALUES ($1)");
    for _ in 0..=SLOTS {
        let begun = Notify::new();
        let never = client.session(async |mut session| {
            sqlx::query(&sql).bind(1_i64).execute(&mut session).await?;
            begun.notify_one();
            std::future::pending::<Result<(), DatabaseError>>().await
        });
        tokio::select! {
            ended = never => panic!("{ended:?}"),
            () = begun.notified() => {}
        }
        let (there, sql) = (client.clone(), sql.clone());
        let panicked = tokio::spawn(async move {
            there
                .session(async |mut session| {
                    sqlx::query(&sql).bind(2_i64).execute(&mut session).await?;
                    panic!("on purpose")
                })
                .await
                .map(|(): ()| ())
        });
        assert!(panicked.await.unwrap_err().is_panic());
    }
    let kept = std::sync::Mutex::new(None);
    let error = client
        .session(async |mut session| {
            sqlx::query(&sql).bind(3_i64).execute(&mut session).await?;
            *kept.lock().unwrap() = Some(session);
            Ok(())
        })
        .await
        .unwrap_err();
    assert!(matches!(error, DatabaseError::Misused(_)), "{error:?}");
    drop(kept);
    assert_eq!(world.numbers().await, [0_i64; 0]);
    take_all_slots(&client).await;
    assert_idle(&client).await;
}

pub(crate) async fn an_open_session_is_written_by_commit_and_by_nothing_else(world: &World) {
    let client = world.client().await;
    let sql = world.sql("INSERT INTO numbers (n) VALUES ($1)");
    for n in 1..=3 {
        let mut session = client.begin().await.unwrap();
        sqlx::query(&sql).bind(n).execute(&mut *session).await.unwrap();
        match n {
            1 => session.commit().await.unwrap(),
            2 => session.roll_back().await,
            _ => drop(session),
        }
    }
    assert_eq!(world.numbers().await, [1]);
    take_all_slots(&client).await;
    assert_idle(&client).await;
}

pub(crate) async fn a_session_that_only_reads_cannot_write(world: &World) {
    let client = world.client().await;
    let sql = world.sql("INSERT INTO numbers (n) VALUES ($1)");
    let error = client
        .read(async |mut session| {
            sqlx::query(&sql).bind(1_i64).execute(&mut session).await?;
            Ok(())
        })
        .await
        .unwrap_err();
    assert!(error.answer().is_some(), "{error:?}");
    assert_eq!(world.numbers().await, [0_i64; 0]);
    // And the connection that only read may write in the next session.
    for n in 0..2 * i64::from(SLOTS) {
        world.insert(&client, n).await.unwrap();
    }
}

pub(crate) async fn what_the_statement_is_to_blame_for_is_told_at_once_and_opens_nothing(world: &World) {
    let client = world.client().await;
    let insert = world.sql("INSERT INTO users (name) VALUES ($1)");
    let add = async || {
        client
            .session(async |mut session| {
                sqlx::query(&insert).bind(SECRET).execute(&mut session).await?;
                Ok(())
            })
            .await
    };
    add().await.unwrap();
    let runs = AtomicU32::new(0);
    for _ in 0..5 {
        let error = add().await.unwrap_err();
        assert!(
            matches!(&error, DatabaseError::Statement(answer) if answer.is_unique_violation()),
            "{error:?}"
        );
        assert_harmless(&error);
        for wrong in ["SELEC 'hunter2'", "SELECT 'hunter2' FROM hunter2", "SELECT hunter2 FROM users"] {
            let error = client
                .session(async |mut session| {
                    runs.fetch_add(1, Ordering::Relaxed);
                    sqlx::query(wrong).execute(&mut session).await?;
                    Ok(())
                })
                .await
                .unwrap_err();
            assert!(matches!(error, DatabaseError::Statement(_)), "{error:?}");
            assert_harmless(&error);
        }
        let error = client
            .read(async |mut session| {
                Ok(sqlx::query("SELECT name FROM users WHERE name = 'nobody'")
                    .fetch_one(&mut session)
                    .await?)
            })
            .await
            .err()
            .unwrap();
        assert!(matches!(error, DatabaseError::RowNotFound), "{error:?}");
    }
    assert_eq!(runs.load(Ordering::Relaxed), 15, "each was tried once");
    assert_eq!(world.breaker().state(), State::Closed);
    take_all_slots(&client).await;
}

pub(crate) async fn a_savepoint_undoes_a_part(world: &World) {
    let client = world.client().await;
    let sql = world.sql("INSERT INTO numbers (n) VALUES ($1)");
    client
        .session(async |mut session| {
            sqlx::query(&sql).bind(1_i64).execute(&mut session).await?;
            let mut part = session.begin().await?;
            sqlx::query(&sql).bind(2_i64).execute(&mut *part).await?;
            // What fails in it is undone with it.
            assert!(sqlx::query("SELECT nothing FROM nowhere").execute(&mut *part).await.is_err());
            part.rollback().await?;
            let mut part = session.begin().await?;
            sqlx::query(&sql).bind(3_i64).execute(&mut *part).await?;
            part.commit().await?;
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(world.numbers().await, [1, 3]);
}

pub(crate) async fn an_open_session_has_the_time_of_one_attempt(world: &World) {
    let limit = Duration::from_secs(1);
    let client = world.client_of(world.builder().timeout(limit)).await;
    // Connected beforehand, so that the time is that of the session alone.
    take_all_slots(&client).await;
    let mut session = client.begin().await.unwrap();
    let sql = world.sql("INSERT INTO numbers (n) VALUES ($1)");
    sqlx::query(&sql).bind(1_i64).execute(&mut *session).await.unwrap();
    sleep(limit).await;
    let error = session.commit().await.unwrap_err();
    assert_harmless(&error);
    assert!(!matches!(error, DatabaseError::CommitUnknown { .. }), "it was not even sent: {error:?}");
    assert_eq!(world.numbers().await, [0_i64; 0], "{error:?}");
    take_all_slots(&client).await;
}

pub(crate) async fn a_pool_that_is_too_small_says_so_and_not_that_the_server_is_away(world: &World) {
    let builder = world.builder().timeout("20s").pool_wait(Duration::from_secs(1));
    let client = world.client_of(builder.layers(|it| it.failure_threshold(1))).await;
    let (all_taken, release) = (Barrier::new(SLOTS as usize + 1), Notify::new());
    let hold = async || {
        client
            .read(async |mut session| {
                sqlx::query("SELECT 1").execute(&mut session).await?;
                all_taken.wait().await;
                release.notified().await;
                Ok(())
            })
            .await
    };
    let too_many = async {
        all_taken.wait().await;
        let one_more = async || {
            let error = client.read(async |_| Ok(())).await.unwrap_err();
            assert!(matches!(error, DatabaseError::PoolExhausted { size: SLOTS, .. }), "{error:?}");
        };
        tokio::join!(one_more(), one_more());
        assert_eq!(world.breaker().state(), State::Closed, "it says nothing about the server");
        // Asked past the pool.
        let report = client.health_check().await;
        assert_eq!(report.details["pool_in_use"], SLOTS.to_string());
        assert_ne!(report.message.as_deref(), Some("it cannot be reached"));
        release.notify_waiters();
    };
    let all = async { tokio::join!(hold(), hold(), hold(), hold(), too_many) };
    let (a, b, c, d, ()) = timeout(LONG, Box::pin(all)).await.unwrap();
    for done in [a, b, c, d] {
        done.unwrap();
    }
    take_all_slots(&client).await;
}

/// Two sessions read the same and write what follows from it: databases end one of them, or let it wait.
pub(crate) async fn a_session_that_is_in_anothers_way_is_tried_again_until_it_passes(world: &World) {
    let client = world.client_of(world.builder().max_attempts(20)).await;
    world.insert(&client, 0).await.unwrap();
    let runs = AtomicU32::new(0);
    let update = world.sql("UPDATE numbers SET n = $1");
    let add = async || {
        for _ in 0..10 {
            let added = client
                .session(async |mut session| {
                    runs.fetch_add(1, Ordering::Relaxed);
                    if world.backend == Backend::Postgres {
                        sqlx::query("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
                            .execute(&mut session)
                            .await?;
                    }
                    let lock = if world.backend == Backend::MariaDb { " LOCK IN SHARE MODE" } else { "" };
                    let read = format!("SELECT n FROM numbers{lock}");
                    let n: i64 = sqlx::query_scalar(&read).fetch_one(&mut session).await?;
                    sleep(Duration::from_millis(1)).await;
                    sqlx::query(&update).bind(n + 1).execute(&mut session).await?;
                    Ok(())
                })
                .await;
            if let Err(error) = &added {
                assert_harmless(error);
            }
            added.unwrap();
        }
    };
    timeout(LONG, async { tokio::join!(add(), add(), add()) }).await.unwrap();
    assert_eq!(world.numbers().await, [30]);
    let tried = runs.load(Ordering::Relaxed);
    // SQLite's writers wait for one another from the start.
    assert!(tried > 30 || world.backend == Backend::Sqlite, "nobody was in anybody's way: {tried}");
    assert_eq!(world.breaker().state(), State::Closed, "a database that ends one of two sessions is well");
    take_all_slots(&client).await;
}

/// What the types are that every backend has.
pub(crate) async fn numbers_texts_bytes_and_nothing_go_there_and_back(world: &World) {
    let client = world.client().await;
    let (bytes, real) = match world.backend {
        Backend::Postgres => ("BYTEA", "DOUBLE PRECISION"),
        _ => ("BLOB", "DOUBLE"),
    };
    let table = format!("CREATE TABLE things (i BIGINT, f {real}, t VARCHAR(80), b {bytes}, n VARCHAR(80))");
    let insert = world.sql("INSERT INTO things VALUES ($1, $2, $3, $4, $5)");
    client
        .session(async |mut session| {
            sqlx::query(&table).execute(&mut session).await?;
            sqlx::query(&insert)
                .bind(-7_i64)
                .bind(0.5_f64)
                .bind("żółć")
                .bind(vec![0_u8, 255])
                .bind(None::<String>)
                .execute(&mut session)
                .await?;
            Ok(())
        })
        .await
        .unwrap();
    let row = client
        .read(async |mut session| {
            Ok(sqlx::query("SELECT i, f, t, b, n FROM things").fetch_one(&mut session).await?)
        })
        .await
        .unwrap();
    assert_eq!((row.get::<i64, _>(0), row.get::<f64, _>(1)), (-7, 0.5));
    assert_eq!(row.get::<Vec<u8>, _>(3), [0, 255]);
    assert_eq!(row.get::<Option<String>, _>(4), None);
    assert_eq!(row.get::<String, _>(2), "żółć");
    let error = client
        .read(async |mut session| {
            let wrong: Vec<i64> = sqlx::query_scalar("SELECT t FROM things").fetch_all(&mut session).await?;
            Ok(wrong)
        })
        .await
        .unwrap_err();
    assert!(error.to_string().contains("mismatched types"), "{error}");
    assert_harmless(&error);
}

pub(crate) async fn health_is_asked_of_the_database_itself(world: &World) {
    let client = world.client().await;
    let report = client.health_check().await;
    assert_eq!(report.status, HealthStatus::Healthy, "{report:?}");
    let backend = match world.backend {
        Backend::Sqlite => "sqlite",
        Backend::Postgres => "postgres",
        Backend::MariaDb => "mysql",
    };
    assert_eq!(report.details["backend"], backend);
    assert_eq!(report.details["pool_size"], SLOTS.to_string());
    assert_eq!(report.details["pool_in_use"], "0");
    assert!(report.response_time > Duration::ZERO);
    // Not through the breaker.
    client.read(async |_| Ok(())).await.unwrap();
    world.breaker().force_open();
    assert_eq!(client.health_check().await.status, HealthStatus::Healthy);
    let name = world.breaker().name().to_owned();
    let copy = client.clone();
    drop(client);
    assert_eq!(resilient::check_health().await[&name].status, HealthStatus::Healthy);
    drop(copy);
    assert!(!resilient::check_health().await.contains_key(&name), "its last copy is gone");
}

pub(crate) async fn code_that_is_not_async_has_sessions_too(world: &World) {
    let client = world.client().await;
    let blocking = client.blocking();
    let sql = world.sql("INSERT INTO numbers (n) VALUES ($1)");
    // On a worker of this test's runtime, and so on any thread.
    let written = blocking.session(|session| {
        let one = session.execute(sqlx::query(&sql).bind(1_i64))?.rows_affected();
        let there: Vec<i64> = session
            .run(async |session| sqlx::query_scalar("SELECT n FROM numbers").fetch_all(session).await)?;
        assert_eq!(there, [1]);
        Ok(one)
    });
    assert_eq!(written.unwrap(), 1);
    let failed = blocking.session(|session| {
        session.execute(sqlx::query(&sql).bind(2_i64))?;
        Err::<(), _>(DatabaseError::own(Empty))
    });
    assert!(failed.unwrap_err().own_error::<Empty>().is_some());
    let row = blocking.read(|session| session.fetch_one(sqlx::query("SELECT n FROM numbers"))).unwrap();
    assert_eq!(row.get::<i64, _>(0), 1);
    let rows = blocking.read(|session| session.fetch_all(sqlx::query("SELECT n FROM numbers"))).unwrap();
    assert_eq!(rows.len(), 1);
    let none =
        blocking.read(|session| session.fetch_optional(sqlx::query("SELECT n FROM numbers WHERE n = 7")));
    assert!(none.unwrap().is_none());
    let panicked = std::thread::scope(|scope| {
        let panics = || {
            blocking.session(|session| -> Result<(), DatabaseError> {
                session.execute(sqlx::query(&sql).bind(3_i64))?;
                panic!("on purpose")
            })
        };
        scope.spawn(panics).join()
    });
    assert!(panicked.is_err());
    assert_eq!(world.numbers().await, [1]);
    assert_eq!(blocking.health_check().status, HealthStatus::Healthy);
    assert_eq!(blocking.health_check().details["pool_in_use"], "0");
}

/// PostgreSQL goes on with a transaction that has failed, and answers COMMIT as if nothing were; MariaDB undoes all of it after a
/// deadlock and commits what comes then statement by statement.
pub(crate) async fn a_body_that_goes_on_after_its_transaction_has_ended_is_not_written(world: &World) {
    let client = world.client().await;
    let runs = AtomicU32::new(0);
    let sql = world.sql("INSERT INTO numbers (n) VALUES ($1)");
    let error = client
        .session(async |mut session| {
            runs.fetch_add(1, Ordering::Relaxed);
            sqlx::query(&sql).bind(1_i64).execute(&mut session).await?;
            let ends = if world.backend == Backend::Postgres { "SELECT 1 / 0" } else { "ROLLBACK" };
            let _ = sqlx::query(ends).execute(&mut session).await;
            let _ = sqlx::query("SELECT nothing FROM nowhere").execute(&mut session).await;
            Ok(())
        })
        .await
        .unwrap_err();
    assert!(matches!(error, DatabaseError::RolledBack), "{error:?}");
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    assert_eq!(world.numbers().await, [0_i64; 0]);
    take_all_slots(&client).await;
}

pub(crate) async fn a_statement_that_takes_too_long_ends_on_the_server_too(world: &World) {
    let builder = world.builder().timeout("2s").max_attempts(1).layers(|it| it.failure_threshold(100));
    let client = world.client_of(builder).await;
    let (slow, running) = match world.backend {
        Backend::Postgres => (
            "SELECT count(*) FROM generate_series(1, 1000000000000) AS hunter2(n)",
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%generate_series(1%' \
             AND pid <> pg_backend_pid()",
        ),
        _ => (
            "SELECT SUM(SHA2(CONCAT('hunter2', seq), 512)) FROM seq_1_to_1000000000000",
            "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%seq_1_to%' \
             AND id <> connection_id()",
        ),
    };
    let cut_off = async || {
        let cut_off = client.read(async |mut session| {
            sqlx::query(slow).execute(&mut session).await?;
            Ok(())
        });
        let error = cut_off.await.unwrap_err();
        assert!(ResilienceError::find(&error).is_some_and(ResilienceError::is_timeout), "{error:?}");
        assert_harmless(&error);
    };
    // Nor may code that is not async wait for longer.
    let blocking = client.blocking();
    let blocked = tokio::task::spawn_blocking(move || {
        blocking.read(|session| session.execute(sqlx::query(slow))).err().unwrap()
    });
    Box::pin(async { tokio::join!(cut_off(), cut_off(), cut_off(), cut_off()) }).await;
    let blocked = blocked.await.unwrap();
    assert!(ResilienceError::find(&blocked).is_some_and(ResilienceError::is_timeout), "{blocked:?}");
    take_all_slots(&client).await;
    assert_idle(&client).await;
    // The server gives it up too.
    until_async(async || world.number(running).await == 0).await;
}

pub(crate) async fn a_refused_login_is_told_at_once_and_without_the_password(world: &World) {
    let url = world.url().replace("hunter2-", "hunter2-wrong-");
    let client = world.builder().url(url).layers(|it| it.failure_threshold(1)).build().unwrap();
    let error = client.read(async |_| Ok(())).await.unwrap_err();
    assert!(matches!(error, DatabaseError::LoginRefused { .. }), "{error:?}");
    assert_harmless(&error);
    assert_eq!(world.breaker().state(), State::Open, "it counts, and is final");
    let report = client.health_check().await;
    assert_eq!(report.message.as_deref(), Some("it refuses the login"));
    let shown = format!("{client:?} {report:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("app:"), "{shown}");
}
