//! Sentinels and clusters, when what they tell changes.

use resilient::redis::cmd;
use resilient::{RedisClient, RedisError};
use resilient_clients_tests::redis::{cluster, cluster_node, redis, sentinel, told};
use resilient_clients_tests::{FakeNode, Fault, Process, Proxy, until_async};
use tokio::time::sleep;

use crate::support::{LIMIT, scoped, until_back};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn the_sentinels_new_master_is_found_when_the_old_one_dies() {
    scoped(async {
        let (master, replica) = (Process::start(redis(&[])), Process::start(redis(&[])));
        told(replica.address(), &["REPLICAOF", "127.0.0.1", &master.port().to_string()]);
        let sentinel = sentinel(master.address());
        let client = RedisClient::builder()
            .url(format!("redis+sentinel://{}/main", sentinel.address()))
            .timeout(2 * LIMIT)
            .layers(|layers| layers.recovery_timeout("100ms").budget("none"))
            .build()
            .unwrap();
        client.set("key", 1).await.unwrap();
        until_async(async || told(replica.address(), &["GET", "key"]) == "1").await;
        // A sentinel looks for replicas every ten seconds, and needs to know one before it can promote it.
        until_async(async || told(sentinel.address(), &["INFO", "sentinel"]).contains("slaves=1")).await;
        master.kill();
        until_async(async || told(replica.address(), &["INFO", "replication"]).contains("role:master")).await;
        until_back(&client).await;
        assert_eq!(client.get("key").await.unwrap(), Some(1));
        client.set("key", 2).await.unwrap();
        assert_eq!(told(replica.address(), &["GET", "key"]), "2");
        assert!(!client.is_degraded());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn a_key_that_moves_to_another_node_is_followed_there() {
    scoped(async {
        let (old, new) = (cluster(), Process::start(cluster_node()));
        // ID HOST:PORT@BUS,..
        let nodes = told(new.address(), &["CLUSTER", "NODES"]);
        let new_bus = nodes.split(['@', ' ', ',']).nth(2).unwrap();
        told(old.address(), &["CLUSTER", "MEET", "127.0.0.1", &new.port().to_string(), new_bus]);
        let id = |of: &Process| told(of.address(), &["CLUSTER", "MYID"]);
        until_async(async || told(old.address(), &["CLUSTER", "NODES"]).contains(&id(&new))).await;
        until_async(async || told(new.address(), &["CLUSTER", "INFO"]).contains("cluster_state:ok")).await;
        let client = RedisClient::builder()
            .url(format!("redis-cluster://{}", old.address()))
            .max_attempts(1)
            .fallback(false)
            .build()
            .unwrap();
        client.set("key", 1).await.unwrap();
        let slot = told(old.address(), &["CLUSTER", "KEYSLOT", "key"]);
        let slot = slot.trim_start_matches(':');
        told(new.address(), &["CLUSTER", "SETSLOT", slot, "IMPORTING", &id(&old)]);
        told(old.address(), &["CLUSTER", "SETSLOT", slot, "MIGRATING", &id(&new)]);
        told(old.address(), &["MIGRATE", "127.0.0.1", &new.port().to_string(), "key", "0", "5000"]);
        // On its way: the old node says ASK.
        assert_eq!(client.get("key").await.unwrap(), Some(1));
        assert_eq!(client.incr("key").await.unwrap(), 2);
        for node in [&new, &old] {
            told(node.address(), &["CLUSTER", "SETSLOT", slot, "NODE", &id(&new)]);
        }
        // It has moved: the old node says MOVED.
        assert_eq!(client.get("key").await.unwrap(), Some(2));
        assert_eq!(client.incr("key").await.unwrap(), 3);
        let all = client
            .call(async |mut connection| cmd("DBSIZE").query_async::<i64>(&mut connection).await)
            .await
            .unwrap();
        assert_eq!(all, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn a_cluster_that_dies_and_returns_is_found_again() {
    scoped(async {
        let node = cluster();
        let client = RedisClient::builder()
            .url(format!("redis-cluster://{}", node.address()))
            .timeout(2 * LIMIT)
            .layers(|layers| layers.recovery_timeout("100ms").budget("none"))
            .build()
            .unwrap();
        client.set("key", 1).await.unwrap();
        node.kill();
        for n in 0..5 {
            client.set("key", n).await.unwrap();
        }
        assert!(client.is_degraded());
        node.restart();
        until_async(async || told(node.address(), &["CLUSTER", "INFO"]).contains("cluster_state:ok")).await;
        until_back(&client).await;
        client.set("key", 3).await.unwrap();
        assert_eq!(client.get("key").await.unwrap(), Some(3));
        assert!(!client.is_degraded());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn a_cluster_is_not_sent_an_increment_again_either() {
    scoped(async {
        let node = cluster();
        let proxy = Proxy::start(node.address());
        told(node.address(), &["CONFIG", "SET", "cluster-announce-port", &proxy.port().to_string()]);
        let client = RedisClient::builder()
            .url(format!("redis-cluster://{}", proxy.address()))
            .timeout(20 * LIMIT)
            .fallback(false)
            .build()
            .unwrap();
        assert_eq!(client.incr("counter").await.unwrap(), 1);
        proxy.set(Fault::Cut(1));
        // Who tries again by itself finds it in order.
        let (lost, ()) = tokio::join!(client.incr("counter"), async {
            sleep(LIMIT / 4).await;
            proxy.set(Fault::Pass);
        });
        assert!(matches!(lost, Err(RedisError::Unanswered { counted: false })), "{lost:?}");
        sleep(LIMIT).await;
        assert_eq!(told(node.address(), &["GET", "counter"]), "2");
    })
    .await;
}

#[tokio::test]
async fn what_a_cluster_cannot_now_is_tried_again_by_attempts_and_by_nothing_below_them() {
    for answer in ["-TRYAGAIN later", "-CLUSTERDOWN The cluster is down", "-LOADING its data", ""] {
        for attempts in [1, 3] {
            scoped(async {
                let node = FakeNode::start(answer).await;
                let client = RedisClient::builder()
                    .url(format!("redis-cluster://{}", node.address()))
                    .max_attempts(attempts)
                    .layers(|layers| layers.base_delay("1ms").jitter(false).failure_threshold(100))
                    .fallback(false)
                    .build()
                    .unwrap();
                let error = client.get::<i64>("key").await.unwrap_err();
                let known = matches!(error, RedisError::Unable(_) | RedisError::Unreachable(_));
                assert!(known, "{answer:?}: {error:?}");
                assert_eq!(node.asked(), attempts, "{answer:?}");
            })
            .await;
        }
    }
}
