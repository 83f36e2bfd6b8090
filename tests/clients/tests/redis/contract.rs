//! What every command promises, whoever answers it.

use std::time::Duration;

use futures_util::future::join_all;
use resilient::{Class, Classify as _, RedisClient, RedisError};
use tokio::time::sleep;

const SHORT: Duration = Duration::from_secs(1);

/// The same functions, against each backend.
macro_rules! contract {
    ($($needs:tt $backend:ident;)*) => {
        $(mod $backend {
            contract!(each $needs $backend
                a_value_is_read_as_it_was_written
                a_value_ends_with_its_time_to_live
                a_plain_set_ends_the_time_to_live
                a_removed_key_is_gone
                fields_of_a_hash_are_values_of_their_own
                a_counter_counts_every_call_once_and_keeps_its_time_to_live
                what_is_no_number_is_not_counted
                what_is_of_another_kind_is_refused_and_left_alone
                what_cannot_be_sent_or_read_is_the_callers_fault
                keys_and_values_may_be_any_bytes
            );
        })*
    };
    (each $needs:tt $backend:ident $($promise:ident)*) => {
        $(contract!(one $needs $backend $promise);)*
    };
    (one [$(#[$needs:meta])*] $backend:ident $promise:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $(#[$needs])*
        async fn $promise() {
            resilient::testing::Scope::new()
                .run(async {
                    let backend = crate::support::$backend();
                    super::promises::$promise(&backend.client).await;
                    assert_eq!(backend.client.is_degraded(), !backend.is_there, "who answered");
                })
                .await;
        }
    };
}

contract! {
    [#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]] one_server;
    [#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]] behind_a_proxy;
    [#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]] a_cluster;
    [#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]] a_sentinel;
    [] no_server;
}

mod promises {
    use super::*;

    pub(crate) async fn a_value_is_read_as_it_was_written(client: &RedisClient) {
        assert_eq!(client.get::<String>("key").await.unwrap(), None);
        client.set("key", "value").await.unwrap();
        assert_eq!(client.get("key").await.unwrap(), Some("value".to_owned()));
        client.set("key", 42).await.unwrap();
        assert_eq!(client.get("key").await.unwrap(), Some(42));
        client.set("key", "").await.unwrap();
        assert_eq!(client.get("key").await.unwrap(), Some(String::new()));
    }

    pub(crate) async fn a_value_ends_with_its_time_to_live(client: &RedisClient) {
        client.set_with_ttl("short", 1, SHORT).await.unwrap();
        client.set_with_ttl("long", 2, "1h").await.unwrap();
        client.set("made short", 3).await.unwrap();
        assert!(client.expire("made short", SHORT).await.unwrap());
        assert_eq!(client.get("short").await.unwrap(), Some(1));
        sleep(SHORT + SHORT / 4).await;
        assert_eq!(client.get::<i64>("short").await.unwrap(), None);
        assert_eq!(client.get::<i64>("made short").await.unwrap(), None);
        assert_eq!(client.get("long").await.unwrap(), Some(2));
        assert!(!client.expire("short", SHORT).await.unwrap(), "it is gone");
    }

    pub(crate) async fn a_plain_set_ends_the_time_to_live(client: &RedisClient) {
        client.set_with_ttl("key", 1, SHORT).await.unwrap();
        client.set("key", 2).await.unwrap();
        sleep(SHORT + SHORT / 4).await;
        assert_eq!(client.get("key").await.unwrap(), Some(2));
    }

    pub(crate) async fn a_removed_key_is_gone(client: &RedisClient) {
        assert!(!client.del("key").await.unwrap());
        client.set("key", 1).await.unwrap();
        assert!(client.del("key").await.unwrap());
        assert_eq!(client.get::<i64>("key").await.unwrap(), None);
        client.hset("key", "field", 1).await.unwrap();
        assert!(client.del("key").await.unwrap());
        assert_eq!(client.hget::<i64>("key", "field").await.unwrap(), None);
    }

    pub(crate) async fn fields_of_a_hash_are_values_of_their_own(client: &RedisClient) {
        assert_eq!(client.hget::<i64>("user", "age").await.unwrap(), None);
        assert!(client.hset("user", "age", 41).await.unwrap());
        assert!(!client.hset("user", "age", 42).await.unwrap(), "it was there");
        assert!(client.hset("user", "name", "ada").await.unwrap());
        assert_eq!(client.hget("user", "age").await.unwrap(), Some(42));
        assert_eq!(client.hget("user", "name").await.unwrap(), Some("ada".to_owned()));
        assert_eq!(client.hget::<i64>("user", "other").await.unwrap(), None);
        assert!(client.expire("user", SHORT).await.unwrap());
        assert!(client.hset("user", "late", 1).await.unwrap());
        sleep(SHORT + SHORT / 4).await;
        assert_eq!(client.hget::<i64>("user", "late").await.unwrap(), None, "the hash ends as a whole");
    }

    pub(crate) async fn a_counter_counts_every_call_once_and_keeps_its_time_to_live(client: &RedisClient) {
        let mut sums = join_all((0..50).map(async |_| client.incr("counter").await.unwrap())).await;
        sums.sort_unstable();
        assert_eq!(sums, (1..=50).collect::<Vec<_>>());
        assert_eq!(client.incr_by("counter", -60).await.unwrap(), -10);
        assert_eq!(client.get("counter").await.unwrap(), Some(-10));
        client.expire("counter", SHORT).await.unwrap();
        assert_eq!(client.incr("counter").await.unwrap(), -9);
        sleep(SHORT + SHORT / 4).await;
        assert_eq!(client.incr("counter").await.unwrap(), 1);
    }

    pub(crate) async fn what_is_no_number_is_not_counted(client: &RedisClient) {
        for value in ["", "one", "007", "+1", " 1", "1.0", "-0", "9223372036854775808"] {
            client.set("key", value).await.unwrap();
            let refused = client.incr("key").await.unwrap_err();
            assert_eq!(
                refused.to_string(),
                "Redis refuses the command: the value is not an integer or out of range (ERR)",
                "{value:?}"
            );
            assert_eq!(client.get("key").await.unwrap(), Some(value.to_owned()));
        }
        client.set("key", i64::MAX).await.unwrap();
        let refused = client.incr("key").await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "Redis refuses the command: increment or decrement would overflow (ERR)"
        );
        assert_eq!(client.get("key").await.unwrap(), Some(i64::MAX));
    }

    pub(crate) async fn what_is_of_another_kind_is_refused_and_left_alone(client: &RedisClient) {
        client.set("text", "value").await.unwrap();
        client.hset("hash", "field", "value").await.unwrap();
        let refusals = [
            client.get::<String>("hash").await.map(drop),
            client.incr("hash").await.map(drop),
            client.hget::<String>("text", "field").await.map(drop),
            client.hset("text", "field", 1).await.map(drop),
        ];
        for refused in refusals {
            let refused = refused.unwrap_err();
            assert!(
                matches!(&refused, RedisError::Rejected(answer) if answer.code() == "WRONGTYPE"),
                "{refused}"
            );
            assert_eq!(refused.class(), Class::Caller);
        }
        assert_eq!(client.get("text").await.unwrap(), Some("value".to_owned()));
        assert_eq!(client.hget("hash", "field").await.unwrap(), Some("value".to_owned()));
        client.set("hash", 1).await.unwrap();
        assert_eq!(client.get("hash").await.unwrap(), Some(1), "a set may change the kind");
    }

    pub(crate) async fn what_cannot_be_sent_or_read_is_the_callers_fault(client: &RedisClient) {
        client.set("key", "hunter2").await.unwrap();
        let refusals = [
            client.get::<i64>("key").await.map(drop),
            client.set("key", vec!["one", "hunter2"]).await,
            client.set("key", Option::<String>::None).await,
            client.set_with_ttl("key", 1, 0).await,
            client.set_with_ttl("key", 1, "hunter2").await,
            client.expire("key", Duration::ZERO).await.map(drop),
        ];
        for refused in refusals {
            let refused = refused.unwrap_err();
            assert_eq!(refused.class(), Class::Caller, "{refused}");
            assert!(!format!("{refused} {refused:?}").contains("hunter2"));
        }
        assert_eq!(client.get("key").await.unwrap(), Some("hunter2".to_owned()));
    }

    pub(crate) async fn keys_and_values_may_be_any_bytes(client: &RedisClient) {
        let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        client.set(&bytes[..1000], &bytes).await.unwrap();
        assert_eq!(client.get(&bytes[..1000]).await.unwrap(), Some(bytes.clone()));
        client.hset("hash", &bytes[..1000], &bytes).await.unwrap();
        assert_eq!(client.hget("hash", &bytes[..1000]).await.unwrap(), Some(bytes));
    }
}
