//! What an outage of each kind costs, and that nothing of it stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use resilient::testing::Scope;
use resilient::{HealthStatus, RedisClient, RedisError, ResilienceError, State};
use resilient_clients_tests::redis::{durable_redis, redis, told};
use resilient_clients_tests::{Fault, Process};
use tokio::time::{sleep, timeout};

use crate::support::{
    LIMIT, RECOVERY, is_refused, no_permit_is_held, ping, proxied, quick, scoped, soon, until_back,
};

/// The breaker is open, calls are answered from memory and at once; when `mend` was done all is as before.
async fn opens_and_recovers(client: &RedisClient, mend: impl FnOnce()) {
    for _ in 0..4 {
        // What hangs may carry it out later.
        soon(client.set("may arrive", 1)).await.unwrap();
    }
    assert_eq!(resilient::breaker("redis").unwrap().state(), State::Open);
    assert!(client.is_degraded());
    resilient::breaker("redis").unwrap().open_for(3 * RECOVERY);
    client.set("written in the outage", 1).await.unwrap();
    assert_eq!(client.get("written in the outage").await.unwrap(), Some(1));
    assert_eq!(client.health_check().await.status, HealthStatus::Degraded);
    mend();
    until_back(client).await;
    assert_eq!(resilient::breaker("redis").unwrap().state(), State::Closed);
    assert_eq!(client.health_check().await.status, HealthStatus::Healthy);
    assert_eq!(
        client.get::<i64>("written in the outage").await.unwrap(),
        None,
        "every read is Redis's again"
    );
    client.set("after", 2).await.unwrap();
    assert_eq!(client.get("after").await.unwrap(), Some(2));
    assert!(!client.is_degraded());
    no_permit_is_held(client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn a_program_starts_without_redis_and_finds_it_later() {
    scoped(async {
        let server = Process::start(redis(&[]));
        server.kill();
        let client = quick(server.address()).build().unwrap();
        assert!(!client.is_degraded(), "nobody asked yet");
        opens_and_recovers(&client, || server.restart()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn a_server_that_is_killed_while_it_is_asked_and_restarted_is_found_again() {
    scoped(async {
        let server = Process::start(redis(&[]));
        let client = quick(server.address()).build().unwrap();
        client.set("key", 1).await.unwrap();
        // It is asked, and will not answer before it is killed.
        let (asked, killed) = tokio::join!(
            soon(client.call(async |mut connection| {
                resilient::redis::cmd("BLPOP").arg("no such list").arg(0).exec_async(&mut connection).await
            })),
            async {
                sleep(LIMIT / 4).await;
                server.kill();
            }
        );
        let () = killed;
        assert!(matches!(asked, Err(RedisError::Unreachable(_))), "{asked:?}");
        opens_and_recovers(&client, || server.restart()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn a_server_that_hangs_costs_a_limit_each_attempt_and_is_left_alone_then() {
    scoped(async {
        let server = Process::start(redis(&[]));
        let client = quick(server.address()).build().unwrap();
        client.set("key", 1).await.unwrap();
        server.stop();
        opens_and_recovers(&client, || server.resume()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn connections_that_are_refused_reset_or_stalled_are_an_outage() {
    for fault in [Fault::Refuse, Fault::Reset, Fault::Stall, Fault::Cut(0), Fault::Latency(2 * LIMIT)] {
        scoped(async {
            let (_server, proxy, client) = proxied(|client| client);
            client.set("key", 1).await.unwrap();
            proxy.set(fault);
            opens_and_recovers(&client, || proxy.set(Fault::Pass)).await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn half_an_answer_is_none() {
    scoped(async {
        let (_server, proxy, client) = proxied(|client| client.fallback(false));
        let value = "v".repeat(10_000);
        client.set("key", &value).await.unwrap();
        for after in [1, 3, 100, 5_000, 10_007] {
            proxy.set(Fault::Cut(after));
            let cut = soon(client.get::<String>("key")).await;
            assert!(
                matches!(&cut, Err(RedisError::Unreachable(_))) || cut.as_ref().is_err_and(is_refused),
                "{cut:?}"
            );
            proxy.set(Fault::Pass);
            until_back(&client).await;
            assert_eq!(client.get("key").await.unwrap(), Some(value.clone()));
        }
        no_permit_is_held(&client).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn latency_below_the_limit_is_no_failure() {
    scoped(async {
        let (_server, proxy, client) = proxied(|client| client.timeout(20 * LIMIT));
        client.set("key", 1).await.unwrap();
        proxy.set(Fault::Latency(LIMIT / 8));
        for n in 0..5 {
            assert_eq!(client.incr("counter").await.unwrap(), n + 1);
        }
        assert!(!client.is_degraded());
        assert_eq!(proxy.connections(), 1, "one connection serves all calls");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn an_attempt_is_one_try() {
    scoped(async {
        let (_server, proxy, client) = proxied(|client| {
            client.fallback(false).max_attempts(5).layers(|layers| layers.failure_threshold(100))
        });
        proxy.set(Fault::Reset);
        let failed = client.set("key", 1).await.unwrap_err();
        assert!(matches!(failed, RedisError::Unreachable(_)), "{failed}");
        assert_eq!(proxy.connections(), 5);
        sleep(2 * RECOVERY).await;
        assert_eq!(proxy.connections(), 5, "and nobody tries in the background");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn the_first_probe_after_an_outage_sees_redis_and_no_older_error() {
    scoped(async {
        let (_server, proxy, client) = proxied(|client| client.max_attempts(1));
        client.set("key", 1).await.unwrap();
        proxy.set(Fault::Refuse);
        for _ in 0..3 {
            assert_eq!(client.get::<i64>("key").await.unwrap(), None);
        }
        proxy.set(Fault::Pass);
        sleep(2 * RECOVERY).await;
        assert_eq!(client.get("key").await.unwrap(), Some(1));
        assert!(!client.is_degraded());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn an_open_breaker_keeps_every_connection_from_redis() {
    scoped(async {
        let (_server, proxy, client) =
            proxied(|client| client.layers(|layers| layers.recovery_timeout("1h")));
        proxy.set(Fault::Reset);
        client.set("key", 1).await.unwrap();
        let tried = proxy.connections();
        assert_eq!(tried, 2);
        for _ in 0..100 {
            assert_eq!(client.get("key").await.unwrap(), Some(1));
        }
        assert_eq!(proxy.connections(), tried);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn what_memory_took_in_one_outage_is_not_seen_in_the_next() {
    scoped(async {
        let (server, proxy, client) = proxied(|client| client);
        proxy.set(Fault::Refuse);
        client.set("key", "of the first outage").await.unwrap();
        proxy.set(Fault::Pass);
        until_back(&client).await;
        told(server.address(), &["SET", "key", "another's"]);
        assert_eq!(client.get("key").await.unwrap(), Some("another's".to_owned()));
        proxy.set(Fault::Refuse);
        assert_eq!(client.get::<String>("key").await.unwrap(), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn a_probe_that_writes_leaves_nothing_older_in_memory() {
    scoped(async {
        let (_server, proxy, client) =
            proxied(|client| client.layers(|layers| layers.success_threshold(3).half_open_max_calls(1)));
        proxy.set(Fault::Refuse);
        client.set("key", "old").await.unwrap();
        client.set("other", "old").await.unwrap();
        proxy.set(Fault::Pass);
        sleep(2 * RECOVERY).await;
        client.set("key", "new").await.unwrap();
        assert!(client.is_degraded(), "the breaker is half-open");
        resilient::breaker("redis").unwrap().force_open();
        assert_eq!(client.get::<String>("key").await.unwrap(), None);
        assert_eq!(client.get("other").await.unwrap(), Some("old".to_owned()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn no_acknowledged_write_is_lost_without_a_fallback() {
    scoped(async {
        let server = Process::start(durable_redis());
        let client = quick(server.address()).fallback(false).build().unwrap();
        let (acknowledged, over) = (AtomicU32::new(0), AtomicBool::new(false));
        let writer = async |of: u32| {
            let mut mine = Vec::new();
            for n in 0.. {
                if over.load(Ordering::SeqCst) {
                    return mine;
                }
                let key = format!("{of}:{n}");
                if client.set(&key, n).await.is_ok() {
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                    mine.push((key, n));
                } else {
                    sleep(Duration::from_millis(5)).await;
                }
            }
            mine
        };
        let kills = async {
            for _ in 0..3 {
                sleep(LIMIT).await;
                server.kill();
                server.restart();
            }
            sleep(2 * LIMIT).await;
            over.store(true, Ordering::SeqCst);
        };
        let (written, ()) = tokio::join!(join_all((0..4).map(writer)), kills);
        until_back(&client).await;
        let written: Vec<_> = written.into_iter().flatten().collect();
        assert!(written.len() > 20, "{}", written.len());
        for (key, value) in written {
            assert_eq!(client.get(&key).await.unwrap(), Some(value), "{key}");
        }
        no_permit_is_held(&client).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn an_increment_whose_answer_was_lost_is_not_sent_again() {
    for (fault, breaks_at_once) in [(Fault::Cut(8), true), (Fault::Latency(3 * LIMIT), false)] {
        scoped(async {
            let (server, proxy, client) = proxied(|client| client.fallback(false));
            assert_eq!(client.incr("counter").await.unwrap(), 1);
            // The first seven bytes are the answer to whether the connection stands.
            proxy.set(fault);
            let lost = soon(client.incr("counter")).await.unwrap_err();
            assert!(
                matches!(lost, RedisError::Unanswered { counted } if counted != breaks_at_once),
                "{fault:?}: {lost:?}"
            );
            sleep(4 * LIMIT).await;
            assert_eq!(told(server.address(), &["GET", "counter"]), "2");
            let failures = resilient::breaker("redis").unwrap().snapshot().failed_calls;
            assert_eq!(failures, 1, "the breaker is told of it once");
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn a_connection_that_redis_closed_costs_no_increment() {
    scoped(async {
        let (server, proxy, client) = proxied(|client| client);
        assert_eq!(client.incr("counter").await.unwrap(), 1);
        told(server.address(), &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        sleep(LIMIT / 4).await;
        assert_eq!(client.incr("counter").await.unwrap(), 2);
        assert!(!client.is_degraded());
        assert_eq!(proxy.connections(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn a_call_that_is_dropped_holds_nothing_and_breaks_nothing() {
    scoped(async {
        let (_server, proxy, client) = proxied(|client| client.timeout(100 * LIMIT));
        client.set("key", 1).await.unwrap();
        proxy.set(Fault::Stall);
        let calls = join_all((0..20).map(|_| client.get::<i64>("key")));
        assert!(timeout(LIMIT, calls).await.is_err());
        proxy.set(Fault::Pass);
        no_permit_is_held(&client).await;
        assert_eq!(client.get("key").await.unwrap(), Some(1));
        assert!(!client.is_degraded());
        assert_eq!(proxy.connections(), 1, "the connection serves the others");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn those_who_wait_for_the_connection_share_one_try() {
    scoped(async {
        let (_server, proxy, client) =
            proxied(|client| client.layers(|layers| layers.enable_bulkhead(false)));
        let all = join_all((0..50).map(|n| client.set(format!("{n}"), n))).await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(proxy.connections(), 1);
    })
    .await;
}

#[tokio::test]
async fn without_a_fallback_the_callers_get_the_error_and_whose_it_is() {
    scoped(async {
        let client = quick(([127, 0, 0, 1], 1).into()).fallback(false).build().unwrap();
        let refused = client.set("key", 1).await.unwrap_err();
        assert_eq!(refused.to_string(), "Redis does not answer: connection refused");
        let refused = client.get::<i64>("key").await.unwrap_err();
        assert!(ResilienceError::find(&refused).is_some_and(ResilienceError::is_circuit_open), "{refused}");
        assert!(!client.is_degraded());
        let report = client.health_check().await;
        assert_eq!(report.status, HealthStatus::Unhealthy);
        assert_eq!(report.message.as_deref(), Some("Redis does not answer: connection refused"));
    })
    .await;
}

#[tokio::test]
async fn a_full_bulkhead_is_the_callers_to_hear_of() {
    scoped(async {
        let client = quick(([127, 0, 0, 1], 1).into())
            .layers(|layers| {
                layers
                    .bulkhead_max_concurrent(1)
                    .bulkhead_max_queue(0)
                    .bulkhead_max_wait(0)
                    .failure_threshold(9)
            })
            .build()
            .unwrap();
        client.set("key", 1).await.unwrap();
        let bulkhead = resilient::bulkhead("redis").unwrap();
        let permit = bulkhead.try_acquire().unwrap();
        let refused = client.set("key", 1).await.unwrap_err();
        assert!(ResilienceError::find(&refused).is_some_and(ResilienceError::is_bulkhead_full), "{refused}");
        drop(permit);
    })
    .await;
}

#[tokio::test]
async fn memory_holds_so_many_keys_and_the_newest_of_them() {
    scoped(async {
        let client = quick(([127, 0, 0, 1], 1).into()).fallback_capacity(100).build().unwrap();
        for n in 0..1000 {
            client.set(format!("key {n}"), n).await.unwrap();
            client.hset("hash", format!("field {n}"), n).await.unwrap();
            client.del("hash").await.unwrap();
        }
        assert_eq!(client.get("key 999").await.unwrap(), Some(999));
        let report = client.health_check().await;
        let keys: u64 = report.details["fallback_keys"].parse().unwrap();
        assert!((1..=100).contains(&keys), "{keys}");
    })
    .await;
}

#[tokio::test]
async fn health_is_asked_for_as_long_as_a_copy_lives() {
    scoped(async {
        let client = quick(([127, 0, 0, 1], 1).into()).name("cache").build().unwrap();
        let copy = client.clone();
        drop(client);
        let report = &resilient::check_health().await["cache"];
        assert_eq!(report.status, HealthStatus::Degraded);
        assert_eq!(
            report.message.as_deref(),
            Some("Redis does not answer: connection refused; memory stands in")
        );
        drop(copy);
        assert!(resilient::check_health().await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn health_is_asked_past_an_open_breaker_and_within_two_seconds() {
    scoped(async {
        let (_server, proxy, client) =
            proxied(|client| client.layers(|layers| layers.recovery_timeout("1h")));
        proxy.set(Fault::Refuse);
        client.set("key", 1).await.unwrap();
        proxy.set(Fault::Stall);
        let report = timeout(Duration::from_secs(10), client.health_check()).await.unwrap();
        assert_eq!(report.message.as_deref(), Some("Redis does not answer: timed out; memory stands in"));
        proxy.set(Fault::Pass);
        let report = client.health_check().await;
        assert_eq!(report.status, HealthStatus::Degraded);
        assert_eq!(
            report.message.as_deref(),
            Some("Redis answers again; memory stands in until the next call succeeds")
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn no_error_shows_a_password_key_or_value() {
    scoped(async {
        let server = Process::start(redis(&["--requirepass", "correct"]));
        let with = |url: String| RedisClient::builder().url(url).fallback(false).max_attempts(1);
        let wrong = with(format!("redis://:hunter2@{}", server.address())).name("wrong").build().unwrap();
        let unauthenticated = wrong.get::<String>("hunter2").await.unwrap_err();
        assert!(matches!(unauthenticated, RedisError::Unauthenticated), "{unauthenticated}");
        let none = with(format!("redis://{}", server.address())).name("none").build().unwrap();
        let unasked = none.get::<String>("hunter2").await.unwrap_err();
        assert!(matches!(unasked, RedisError::Unauthenticated), "{unasked}");
        let right = with(format!("redis://:correct@{}", server.address())).name("right").build().unwrap();
        right.set("key", "hunter2").await.unwrap();
        let unknown = right
            .call(async |mut connection| {
                resilient::redis::cmd("hunter2").arg("hunter2").exec_async(&mut connection).await
            })
            .await
            .unwrap_err();
        assert_eq!(unknown.to_string(), "Redis refuses the command: the command is unknown (ERR)");
        server.kill();
        let away = right.get::<String>("hunter2").await.unwrap_err();
        let report = right.health_check().await;
        let shown = format!(
            "{unauthenticated:?} {unasked:?} {unknown:?} {away:?} {away} {right:?} {wrong:?} {report:?}"
        );
        assert!(!shown.contains("hunter2") && !shown.contains("correct"), "{shown}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn a_server_that_loads_its_data_is_asked_again() {
    scoped(async {
        let server = Process::start(redis(&[]));
        let client = quick(server.address()).max_attempts(20).fallback(false).build().unwrap();
        client.set("key", 1).await.unwrap();
        told(server.address(), &["REPLICAOF", "127.0.0.1", "1"]);
        let refused = client.set("key", 2).await.unwrap_err();
        assert!(
            matches!(&refused, RedisError::Unable(answer) if answer.code() == "READONLY")
                || is_refused(&refused),
            "{refused}"
        );
        told(server.address(), &["REPLICAOF", "NO", "ONE"]);
        until_back(&client).await;
        client.set("key", 3).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn the_environment_says_where_redis_is_and_how_long_it_may_take() {
    let server = Arc::new(Process::start(redis(&[])));
    Scope::builder()
        .env("PYNOMALY_REDIS_URL", format!("redis://{}/3", server.address()))
        .env("PYNOMALY_OP_REDIS_MAX_ATTEMPTS", "1")
        .build()
        .run(async {
            let client = resilient::redis_client().unwrap();
            client.set("key", 1).await.unwrap();
            assert!(!client.is_degraded());
            assert_eq!(
                told(server.address(), &["INFO", "keyspace"]).lines().nth(1).map(|line| &line[..10]),
                Some("db3:keys=1")
            );
            client.call(async |mut connection| ping(&mut connection).await).await.unwrap();
            resilient::validate().unwrap();
        })
        .await;
}

#[test]
fn a_call_is_no_large_future() {
    let client = quick(([127, 0, 0, 1], 1).into()).build().unwrap();
    for (call, size) in [
        ("get", size_of_val(&client.get::<String>("key"))),
        ("set", size_of_val(&client.set("key", 1))),
        ("incr", size_of_val(&client.incr("key"))),
    ] {
        assert!(size <= 4096, "{call}: {size} bytes");
    }
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
fn code_that_is_not_async_has_the_same_client_and_its_threads_share_a_connection() {
    // In real time, so in the process's own runtime.
    let (_server, proxy, client) = proxied(|client| client.name("not_async"));
    let client = client.blocking();
    std::thread::scope(|threads| {
        for n in 0..4 {
            let client = &client;
            threads.spawn(move || {
                for _ in 0..50 {
                    client.incr("counter").unwrap();
                    client.set_with_ttl(format!("{n}"), n, "1h").unwrap();
                    assert_eq!(client.get(format!("{n}")).unwrap(), Some(n));
                }
            });
        }
    });
    assert_eq!(client.get("counter").unwrap(), Some(200));
    assert_eq!(proxy.connections(), 1);
    assert!(client.hset("hash", "field", 1).unwrap());
    assert_eq!(client.hget("hash", "field").unwrap(), Some(1));
    assert!(client.expire("hash", "1h").unwrap());
    assert!(client.del("hash").unwrap());
    client.call(async |mut connection| ping(&mut connection).await).unwrap();
    proxy.set(Fault::Refuse);
    client.set("key", "in memory").unwrap();
    assert_eq!(client.get("key").unwrap(), Some("in memory".to_owned()));
    assert_eq!(client.health_check().status, HealthStatus::Degraded);
    proxy.set(Fault::Pass);
    std::thread::sleep(2 * RECOVERY);
    assert_eq!(client.get::<String>("key").unwrap(), None);
    assert!(!client.is_degraded());
    assert_eq!(client.get("counter").unwrap(), Some(200));
}

#[tokio::test]
async fn a_worker_of_a_runtime_may_call_the_blocking_client() {
    scoped(async {
        let client = quick(([127, 0, 0, 1], 1).into()).build().unwrap().blocking();
        client.set("key", 1).unwrap();
        assert_eq!(client.get("key").unwrap(), Some(1));
        assert!(client.is_degraded());
    })
    .await;
}
