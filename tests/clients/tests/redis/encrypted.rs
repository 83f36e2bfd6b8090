//! TLS: who has to show what, and how it is told when it is not shown.

use resilient::{Class, Classify as _, HealthStatus, RedisClient, RedisClientBuilder, RedisError};
use resilient_clients_tests::process::free_port;
use resilient_clients_tests::redis::{cluster_node, cluster_of, encrypted, redis, told, watching};
use resilient_clients_tests::{Certified, Process, printed, until_async};

use crate::support::{scoped, soon};

/// One attempt, and its error.
fn strict(url: &str) -> RedisClientBuilder {
    let builder = RedisClient::builder().url(url).max_attempts(1).fallback(false);
    builder.layers(|layers| layers.failure_threshold(100))
}

/// It writes and reads.
async fn works(builder: RedisClientBuilder) {
    let client = builder.build().unwrap();
    soon(client.set("key", "value")).await.unwrap();
    assert_eq!(soon(client.get("key")).await.unwrap(), Some("value".to_owned()));
    assert_eq!(client.health_check().await.status, HealthStatus::Healthy);
}

/// Nothing is sent to whoever is there, and what is told names no secret.
async fn is_refused(builder: RedisClientBuilder) {
    let client = builder.build().unwrap();
    let error = soon(client.set("key", "hunter2")).await.unwrap_err();
    assert!(matches!(error, RedisError::Untrusted), "{error:?}");
    assert_eq!(error.class(), Class::Permanent);
    assert!(!printed(&error).contains("hunter2"));
    assert_eq!(client.health_check().await.status, HealthStatus::Unhealthy);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn a_server_that_nobody_vouches_for_is_refused_and_one_that_somebody_does_is_not() {
    scoped(async {
        let (certified, port) = (Certified::fresh(), free_port());
        let _server = Process::start(encrypted(redis(&["--requirepass", "hunter2"]), port, &certified));
        let url = format!("rediss://:hunter2@127.0.0.1:{port}");
        works(strict(&url).root_certificate(&certified.authority)).await;
        // One of several.
        let both = strict(&url)
            .root_certificate(Certified::fresh().authority)
            .root_certificate(&certified.authority);
        works(both).await;

        is_refused(strict(&url)).await;
        is_refused(strict(&url).root_certificate(Certified::fresh().authority)).await;
        // It is certified to be 127.0.0.1.
        let named = url.replace("127.0.0.1", "localhost");
        is_refused(strict(&named).root_certificate(&certified.authority)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn a_server_that_wants_a_certificate_of_its_clients_is_shown_one() {
    scoped(async {
        let (certified, port) = (Certified::fresh(), free_port());
        let wants = encrypted(redis(&[]), port, &certified).also(|_, command| {
            command.args(["--tls-auth-clients", "yes"]);
        });
        let _server = Process::start(wants);
        let client = strict(&format!("rediss://127.0.0.1:{port}")).root_certificate(&certified.authority);
        works(client.client_certificate(&certified.certificate, &certified.key)).await;

        let client = || strict(&format!("rediss://127.0.0.1:{port}")).root_certificate(&certified.authority);
        is_refused(client()).await;
        let strange = Certified::fresh();
        is_refused(client().client_certificate(&strange.certificate, &strange.key)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn sentinels_and_the_master_that_they_name_have_to_be_vouched_for() {
    scoped(async {
        let (certified, port, its_port) = (Certified::fresh(), free_port(), free_port());
        let _master = Process::start(encrypted(redis(&[]), its_port, &certified));
        let watching = watching(([127, 0, 0, 1], its_port).into());
        let _sentinel = Process::start(encrypted(watching, port, &certified));
        let url = format!("rediss+sentinel://127.0.0.1:{port}/main");
        works(strict(&url).root_certificate(&certified.authority)).await;
        is_refused(strict(&url)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "servers"), ignore = "needs redis-server: scripts/test")]
async fn the_nodes_of_a_cluster_have_to_be_vouched_for_and_a_key_is_followed_to_another_by_tls() {
    scoped(async {
        let (certified, port, its_port) = (Certified::fresh(), free_port(), free_port());
        let old = cluster_of(encrypted(cluster_node(), port, &certified));
        let new = Process::start(encrypted(cluster_node(), its_port, &certified));
        let url = format!("rediss-cluster://127.0.0.1:{port}");
        works(strict(&url).root_certificate(&certified.authority)).await;
        is_refused(strict(&url)).await;

        // ID HOST:PORT@BUS,..
        let nodes = told(new.address(), &["CLUSTER", "NODES"]);
        let bus = nodes.split(['@', ' ', ',']).nth(2).unwrap();
        told(old.address(), &["CLUSTER", "MEET", "127.0.0.1", &its_port.to_string(), bus]);
        let id = |of: &Process| told(of.address(), &["CLUSTER", "MYID"]);
        until_async(async || told(old.address(), &["CLUSTER", "NODES"]).contains(&id(&new))).await;
        until_async(async || told(new.address(), &["CLUSTER", "INFO"]).contains("cluster_state:ok")).await;
        let slot = told(old.address(), &["CLUSTER", "KEYSLOT", "key"]);
        let slot = slot.trim_start_matches(':');
        told(new.address(), &["CLUSTER", "SETSLOT", slot, "IMPORTING", &id(&old)]);
        told(old.address(), &["CLUSTER", "SETSLOT", slot, "MIGRATING", &id(&new)]);
        told(old.address(), &["MIGRATE", "127.0.0.1", &its_port.to_string(), "key", "0", "5000"]);
        // On its way: the old node says ASK.
        let client = strict(&url).root_certificate(&certified.authority).build().unwrap();
        assert_eq!(client.get("key").await.unwrap(), Some("value".to_owned()));
    })
    .await;
}

#[test]
fn certificates_that_would_change_nothing_or_cannot_be_read_are_refused_when_the_client_is_made() {
    let certified = Certified::fresh();
    for url in ["redis://a", "redis+sentinel://a/main", "redis-cluster://a", "unix:///run/redis.sock"] {
        for builder in [
            strict(url).root_certificate(&certified.authority),
            strict(url).client_certificate(&certified.certificate, &certified.key),
        ] {
            let error = builder.build().unwrap_err();
            assert!(matches!(error, RedisError::InvalidAddress(_)), "{url}: {error:?}");
            assert!(error.to_string().contains("rediss://"), "{error}");
        }
    }
    let (Certified { certificate, key, authority }, none) = (certified, "hunter2");
    for (builder, named) in [
        (strict("rediss://a").root_certificate(none), "the root certificate"),
        (strict("rediss://a").root_certificate(""), "the root certificate"),
        (strict("rediss://a").client_certificate(none, &key), "the client's certificate"),
        (strict("rediss://a").client_certificate(&certificate, none), "the key"),
        (
            strict("rediss://a").root_certificate(&authority).client_certificate("", ""),
            "the client's certificate",
        ),
    ] {
        let error = builder.build().unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
        assert!(!printed(&error).contains("hunter2"), "{error}");
    }
    let builder = strict("rediss://a").root_certificate(&authority).client_certificate(&certificate, &key);
    assert!(!format!("{builder:?}").contains("BEGIN"), "{builder:?}");
}
