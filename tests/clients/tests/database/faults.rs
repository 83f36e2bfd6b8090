//! What holds while the server is away, hangs, or loses what it answers.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use resilient::{DatabaseClient, DatabaseError, HealthStatus, ResilienceError, State, sqlx};
use resilient_clients_tests::{Fault, now, until_async};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::world::{LONG, SLOTS, World, assert_harmless, assert_idle, take_all_slots};

/// What became of every number that was to be written.
#[derive(Default)]
struct Told {
    written: BTreeSet<i64>,
    unknown: BTreeSet<i64>,
    not_written: BTreeSet<i64>,
    refused_by_breaker: u32,
}

/// What the writers were told so far.
#[derive(Clone, Default)]
struct Telling(Arc<Mutex<Told>>);

impl Telling {
    fn so_far(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap()
    }

    /// Waits until so many more are written.
    async fn until_written(&self, more: usize) {
        let before = self.so_far().written.len();
        until_async(async || self.so_far().written.len() >= before + more).await;
    }
}

/// Writes numbers from several tasks while `fault` happens; afterwards what is there is what was told.
async fn write_through(world: &World, client: &DatabaseClient, fault: impl AsyncFnOnce(&Telling)) -> Told {
    let (telling, done) = (Telling::default(), Arc::new(AtomicBool::new(false)));
    let mut writers = JoinSet::new();
    for writer in 0..4_i64 {
        let (client, telling, done) = (client.clone(), telling.clone(), Arc::clone(&done));
        let sql = world.sql("INSERT INTO numbers (n) VALUES ($1)");
        writers.spawn(async move {
            for n in (writer * 1_000_000).. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let outcome = client
                    .session(async |mut session| {
                        sqlx::query(&sql).bind(n).execute(&mut session).await?;
                        Ok(())
                    })
                    .await;
                let failed = outcome.is_err();
                {
                    let mut told = telling.so_far();
                    match &outcome {
                        Ok(()) => told.written.insert(n),
                        Err(DatabaseError::CommitUnknown { .. }) => told.unknown.insert(n),
                        Err(_) => told.not_written.insert(n),
                    };
                    if let Err(error) = &outcome {
                        assert_harmless(error);
                        told.refused_by_breaker += u32::from(
                            ResilienceError::find(error).is_some_and(ResilienceError::is_circuit_open),
                        );
                    }
                }
                sleep(Duration::from_millis(if failed { 20 } else { 2 })).await;
            }
        });
    }
    telling.until_written(20).await;
    fault(&telling).await;
    // By itself: nobody resets anything.
    telling.until_written(20).await;
    done.store(true, Ordering::Relaxed);
    timeout(LONG, writers.join_all()).await.unwrap();
    let told = std::mem::take(&mut *telling.so_far());
    let there = world.numbers().await;
    let once: BTreeSet<i64> = there.iter().copied().collect();
    assert_eq!(once.len(), there.len(), "something was written twice");
    assert!(told.written.is_subset(&once), "lost: {:?}", told.written.difference(&once));
    assert!(told.not_written.is_disjoint(&once), "written: {:?}", told.not_written.intersection(&once));
    let known = once.difference(&told.written).all(|n| told.unknown.contains(n));
    assert!(known, "something is there that nobody was told of");
    until_async(async || {
        world.breaker().state() == State::Closed || {
            let _ = client.read(async |_| Ok(())).await;
            false
        }
    })
    .await;
    take_all_slots(client).await;
    assert_idle(client).await;
    told
}

/// With a time limit that a test can wait for.
async fn impatient(world: &World) -> DatabaseClient {
    let client = world.client_of(world.builder().timeout("1s").max_attempts(2)).await;
    // Connections are made while nothing is broken.
    take_all_slots(&client).await;
    client
}

pub(crate) async fn the_program_may_start_before_its_database(world: &World) {
    world.proxy().set(Fault::Refuse);
    let client = world.builder().max_attempts(1).build().unwrap();
    let began = now();
    let error = client.read(async |_| Ok(())).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("refused"), "{error}");
    assert_harmless(&error);
    // The pool's own wait is 5 s.
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let report = client.health_check().await;
    assert_eq!(
        (report.status, report.message.as_deref()),
        (HealthStatus::Unhealthy, Some("it cannot be reached"))
    );
    for _ in 0..2 {
        let _ = client.read(async |_| Ok(())).await.unwrap_err();
    }
    assert_eq!(world.breaker().state(), State::Open);
    world.proxy().set(Fault::Pass);
    assert_eq!(client.health_check().await.status, HealthStatus::Healthy, "it is asked past the breaker");
    world.until_probed().await;
    world.make_tables().await;
    for n in 0..2 {
        world.insert(&client, n).await.unwrap();
    }
    assert_eq!(world.breaker().state(), State::Closed);
    take_all_slots(&client).await;
}

pub(crate) async fn a_server_that_is_killed_and_restarted_loses_and_doubles_nothing(world: &World) {
    let client = impatient(world).await;
    let told = write_through(world, &client, async |telling| {
        for _ in 0..2 {
            world.server().kill();
            world.until_refused().await;
            assert_eq!(client.health_check().await.status, HealthStatus::Unhealthy);
            world.server().restart();
            telling.until_written(5).await;
        }
    })
    .await;
    assert!(told.refused_by_breaker > 0, "the breaker opened");
}

pub(crate) async fn a_server_that_stands_still_longer_than_the_limit_loses_and_doubles_nothing(
    world: &World,
) {
    let client = impatient(world).await;
    let told = write_through(world, &client, async |_| {
        world.server().stop();
        world.until_refused().await;
        let began = now();
        let report = client.health_check().await;
        assert_eq!(report.status, HealthStatus::Unhealthy, "{report:?}");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        world.server().resume();
    })
    .await;
    assert!(told.refused_by_breaker > 0, "the breaker opened");
}

pub(crate) async fn connections_that_are_reset_lose_and_double_nothing(world: &World) {
    let client = impatient(world).await;
    let told = write_through(world, &client, async |_| {
        for _ in 0..10 {
            world.proxy().set(Fault::Reset);
            sleep(Duration::from_millis(20)).await;
            world.proxy().set(Fault::Pass);
            sleep(Duration::from_millis(50)).await;
        }
        world.proxy().set(Fault::Reset);
        world.until_refused().await;
        world.proxy().set(Fault::Pass);
    })
    .await;
    assert!(told.refused_by_breaker > 0, "the breaker opened");
}

pub(crate) async fn answers_that_are_cut_in_half_lose_and_double_nothing(world: &World) {
    let client = impatient(world).await;
    write_through(world, &client, async |_| {
        for after in (0..200).step_by(7) {
            world.proxy().set(Fault::Cut(after));
            sleep(Duration::from_millis(25)).await;
        }
        world.proxy().set(Fault::Pass);
    })
    .await;
}

pub(crate) async fn latency_is_waited_for_as_long_as_it_is_below_the_limit(world: &World) {
    let client = world.client().await;
    let told = write_through(world, &client, async |telling| {
        world.proxy().set(Fault::Latency(Duration::from_millis(100)));
        // More than there are writers: these are slow from their beginning to their end.
        telling.until_written(8).await;
        world.proxy().set(Fault::Pass);
    })
    .await;
    assert!(told.unknown.is_empty() && told.not_written.is_empty(), "nothing failed");
}

/// One session whose COMMIT meets `fault`.
async fn commit_into(world: &World, client: &DatabaseClient, fault: Fault) -> (DatabaseError, u32) {
    let runs = AtomicU32::new(0);
    let sql = world.sql("INSERT INTO numbers (n) VALUES ($1)");
    let error = client
        .session(async |mut session| {
            runs.fetch_add(1, Ordering::Relaxed);
            sqlx::query(&sql).bind(1_i64).execute(&mut session).await?;
            world.proxy().set(fault);
            Ok(())
        })
        .await
        .unwrap_err();
    world.proxy().set(Fault::Pass);
    assert_harmless(&error);
    (error, runs.into_inner())
}

pub(crate) async fn a_commit_whose_answer_is_lost_is_told_as_such_and_never_sent_again(world: &World) {
    let client = world.client().await;
    let (error, runs) = commit_into(world, &client, Fault::Cut(0)).await;
    assert!(matches!(error, DatabaseError::CommitUnknown { .. }), "{error:?}");
    assert_eq!(runs, 1);
    // The server had it: a second try would have doubled it.
    assert_eq!(world.numbers().await, [1]);
    take_all_slots(&client).await;
}

pub(crate) async fn a_commit_that_nobody_answers_is_cut_off_and_never_sent_again(world: &World) {
    let client = impatient(world).await;
    let (error, runs) = commit_into(world, &client, Fault::Stall).await;
    assert!(matches!(error, DatabaseError::CommitUnknown { .. }), "{error:?}");
    assert_eq!(runs, 1);
    assert!(world.numbers().await.len() <= 1);
    take_all_slots(&client).await;
}

pub(crate) async fn idle_connections_that_died_are_replaced_in_one_attempt(world: &World) {
    let client = world.client_of(world.builder().max_attempts(1).layers(|it| it.failure_threshold(1))).await;
    take_all_slots(&client).await;
    world.server().restart();
    for n in 0..i64::from(SLOTS) {
        world.insert(&client, n).await.unwrap();
    }
    assert_eq!(world.breaker().state(), State::Closed);
}

/// As a firewall does that forgets a connection: no end of it is told, new ones work.
pub(crate) async fn idle_connections_that_hang_are_replaced_in_one_attempt(world: &World) {
    let client = world.client_of(world.builder().max_attempts(1).layers(|it| it.failure_threshold(1))).await;
    take_all_slots(&client).await;
    let backends: Vec<i32> = client
        .read(async |mut session| {
            let all = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> 'patient'";
            Ok(sqlx::query_scalar(all).fetch_all(&mut session).await?)
        })
        .await
        .unwrap();
    assert_eq!(backends.len(), SLOTS as usize);
    // Back in the pool.
    assert_idle(&client).await;
    sleep(Duration::from_millis(300)).await;
    world.server().stop_only(&backends);
    world.insert(&client, 1).await.unwrap();
    assert_eq!(world.numbers().await, [1]);
    assert_eq!(client.health_check().await.status, HealthStatus::Healthy);
    take_all_slots(&client).await;
}
