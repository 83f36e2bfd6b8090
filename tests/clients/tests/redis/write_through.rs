//! What Redis is told of an outage, and what it is not.

use std::time::Duration;

use futures_util::future::join_all;
use resilient::RedisClient;
use resilient_clients_tests::redis::told;
use resilient_clients_tests::{Fault, Process, Proxy};
use tokio::time::sleep;

use crate::support::{LIMIT, RECOVERY, proxied, scoped, until_back};

fn telling() -> (Process, Proxy, RedisClient) {
    proxied(|client| client.write_through(true))
}

/// In an outage `written` happens to the client and `meanwhile` to the server; then Redis is back and was told.
async fn outage(
    (server, proxy, client): &(Process, Proxy, RedisClient),
    written: impl AsyncFnOnce(&RedisClient),
    meanwhile: &[&[&str]],
) {
    proxy.set(Fault::Refuse);
    // A command on a connection that is about to be reset may have reached Redis, for all that the client knows.
    sleep(LIMIT / 4).await;
    written(client).await;
    client.set("the last to be written", 1).await.unwrap();
    assert!(client.is_degraded());
    for command in meanwhile {
        told(server.address(), command);
    }
    proxy.set(Fault::Pass);
    until_back(client).await;
    // No order is promised, so all is over when the client is told nothing any more.
    for _ in 0..100 {
        let before = told(server.address(), &["INFO", "commandstats"]);
        sleep(RECOVERY).await;
        let after = told(server.address(), &["INFO", "commandstats"]);
        let writes = |stats: &str| -> Vec<String> {
            stats
                .lines()
                .filter(|line| !line.contains("_info") && !line.contains("_ping"))
                .map(str::to_owned)
                .collect()
        };
        if writes(&before) == writes(&after) {
            return;
        }
    }
    panic!("Redis is told without end");
}

macro_rules! here {
    ($all:ident, $($command:expr),*) => {
        told($all.0.address(), &[$($command),*])
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn what_was_set_is_told_with_what_is_left_of_its_time_to_live() {
    scoped(async {
        let all = telling();
        let written = async |client: &RedisClient| {
            client.set("for ever", "value").await.unwrap();
            client.set_with_ttl("for a while", "value", "1h").await.unwrap();
            client.set_with_ttl("over by then", "value", "1ms").await.unwrap();
            client.hset("hash", "field", "value").await.unwrap();
            client.expire("hash", "1h").await.unwrap();
            sleep(Duration::from_millis(50)).await;
        };
        outage(&all, written, &[]).await;
        assert_eq!(here!(all, "GET", "for ever"), "value");
        assert_eq!(here!(all, "TTL", "for ever"), ":-1");
        assert_eq!(here!(all, "GET", "for a while"), "value");
        assert_eq!(here!(all, "HGET", "hash", "field"), "value");
        for key in ["for a while", "hash"] {
            let left: i64 = here!(all, "PTTL", key)[1..].parse().unwrap();
            assert!((3_000_000..3_599_960).contains(&left), "{key}: {left}");
        }
        assert_eq!(here!(all, "EXISTS", "over by then"), ":0");
        assert_eq!(all.2.get("for ever").await.unwrap(), Some("value".to_owned()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn what_others_wrote_meanwhile_stays() {
    scoped(async {
        let all = telling();
        let (server, _, client) = &all;
        for key in ["set, then another's", "set, then mine", "never seen", "read, then mine", "gone"] {
            told(server.address(), &["SET", key, "first"]);
        }
        client.set("set, then another's", "second").await.unwrap();
        client.set("set, then mine", "second").await.unwrap();
        assert_eq!(client.get("read, then mine").await.unwrap(), Some("first".to_owned()));
        assert_eq!(client.get("gone").await.unwrap(), Some("first".to_owned()));
        let written = async |client: &RedisClient| {
            for key in [
                "set, then another's",
                "set, then mine",
                "never seen",
                "read, then mine",
                "gone",
                "new",
                "kind",
            ] {
                client.set(key, "mine").await.unwrap();
            }
            client.hset("hash", "both", "mine").await.unwrap();
            client.hset("hash", "mine", "mine").await.unwrap();
        };
        let meanwhile: &[&[&str]] = &[
            &["SET", "set, then another's", "another's"],
            &["DEL", "gone"],
            &["SET", "new", "another's"],
            &["LPUSH", "kind", "another's"],
            &["HSET", "hash", "both", "another's"],
        ];
        outage(&all, written, meanwhile).await;
        for (key, value) in [
            ("set, then another's", "another's"),
            ("set, then mine", "mine"),
            ("never seen", "first"),
            ("read, then mine", "mine"),
            ("gone", "mine"),
            ("new", "another's"),
        ] {
            assert_eq!(here!(all, "GET", key), value, "{key}");
        }
        assert_eq!(here!(all, "TYPE", "kind"), "+list");
        assert_eq!(here!(all, "HGET", "hash", "both"), "another's");
        assert_eq!(here!(all, "HGET", "hash", "mine"), "mine");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn what_was_removed_is_removed_unless_somebody_wrote_it_anew() {
    scoped(async {
        let all = telling();
        let (server, _, client) = &all;
        for key in ["mine", "another's", "set again"] {
            client.set(key, "value").await.unwrap();
        }
        client.set("counted again", 100).await.unwrap();
        told(server.address(), &["SET", "never seen", "value"]);
        let written = async |client: &RedisClient| {
            for key in ["mine", "another's", "never seen", "set again"] {
                client.del(key).await.unwrap();
                assert_eq!(client.get::<String>(key).await.unwrap(), None);
            }
            client.set("set again", "later").await.unwrap();
            client.del("counted again").await.unwrap();
            assert_eq!(client.incr("counted again").await.unwrap(), 1);
            client.set("set and removed", "value").await.unwrap();
            assert!(client.del("set and removed").await.unwrap());
        };
        outage(&all, written, &[&["SET", "another's", "another's"]]).await;
        assert_eq!(here!(all, "EXISTS", "mine"), ":0");
        assert_eq!(here!(all, "GET", "another's"), "another's");
        assert_eq!(here!(all, "GET", "never seen"), "value");
        assert_eq!(here!(all, "GET", "set again"), "later");
        assert_eq!(here!(all, "GET", "counted again"), "1");
        assert_eq!(here!(all, "EXISTS", "set and removed"), ":0");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn what_was_counted_is_added_and_what_was_set_and_counted_is_set() {
    scoped(async {
        let all = telling();
        let (_, _, client) = &all;
        assert_eq!(client.incr_by("counter", 100).await.unwrap(), 100);
        client.set("reset", 7).await.unwrap();
        let written = async |client: &RedisClient| {
            for n in 1..=5 {
                assert_eq!(client.incr("counter").await.unwrap(), n, "it counts from nothing");
            }
            client.set("reset", 50).await.unwrap();
            client.incr("reset").await.unwrap();
            client.incr("new").await.unwrap();
            client.expire("new", "1h").await.unwrap();
        };
        outage(&all, written, &[&["INCRBY", "counter", "10"]]).await;
        assert_eq!(here!(all, "GET", "counter"), "115");
        assert_eq!(here!(all, "GET", "reset"), "51");
        assert_eq!(here!(all, "GET", "new"), "1");
        assert_ne!(here!(all, "TTL", "new"), ":-1");
        assert_eq!(client.incr("counter").await.unwrap(), 116);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn a_set_whose_answer_was_lost_is_known_as_ones_own() {
    scoped(async {
        let all = telling();
        let (server, proxy, client) = &all;
        client.set("key", "before").await.unwrap();
        // It reaches Redis, and no answer comes.
        proxy.set(Fault::Latency(10 * LIMIT));
        client.set("key", "lost").await.unwrap();
        assert_eq!(told(server.address(), &["GET", "key"]), "lost");
        outage(&all, async |client| client.set("key", "after").await.unwrap(), &[]).await;
        assert_eq!(here!(all, "GET", "key"), "after");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn an_increment_whose_answer_was_lost_is_not_told_again() {
    scoped(async {
        let all = telling();
        let (server, proxy, client) = &all;
        client.incr("counter").await.unwrap();
        proxy.set(Fault::Latency(10 * LIMIT));
        client.incr("counter").await.unwrap();
        assert_eq!(told(server.address(), &["GET", "counter"]), "2");
        let written = async |client: &RedisClient| assert_eq!(client.incr("counter").await.unwrap(), 2);
        outage(&all, written, &[]).await;
        assert_eq!(here!(all, "GET", "counter"), "3");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn what_the_client_writes_after_the_outage_wins() {
    scoped(async {
        let all = telling();
        let (server, proxy, client) = &all;
        proxy.set(Fault::Refuse);
        for n in 0..500 {
            client.set(format!("key {n}"), "of the outage").await.unwrap();
        }
        proxy.set(Fault::Pass);
        until_back(client).await;
        // Some are told by now, some are being told, most are not.
        let removed = join_all((0..500).map(async |n| client.del(format!("key {n}")).await.unwrap())).await;
        sleep(2 * RECOVERY).await;
        assert_eq!(
            told(server.address(), &["DBSIZE"]),
            ":0",
            "of {} that were there",
            removed.iter().filter(|it| **it).count()
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn unless_it_is_asked_for_redis_is_told_nothing() {
    scoped(async {
        let all = proxied(|client| client);
        all.2.set("key", "before").await.unwrap();
        let written = async |client: &RedisClient| {
            client.set("key", "mine").await.unwrap();
            client.incr("counter").await.unwrap();
            client.del("key").await.unwrap();
        };
        outage(&all, written, &[]).await;
        assert_eq!(here!(all, "GET", "key"), "before");
        assert_eq!(here!(all, "DBSIZE"), ":1");
    })
    .await;
}
