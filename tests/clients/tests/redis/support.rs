//! What these tests have in common.

use std::any::Any;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use resilient::testing::Scope;
use resilient::{RedisClient, RedisClientBuilder, RedisError};
use resilient_clients_tests::redis::{cluster, redis, sentinel};
use resilient_clients_tests::{Process, Proxy};
use tokio::time::{sleep, timeout};

/// The limit of an attempt in these tests.
pub(crate) const LIMIT: Duration = Duration::from_millis(400);
/// How long their breaker stays open.
pub(crate) const RECOVERY: Duration = Duration::from_millis(300);

/// A client and what it needs to live.
pub(crate) struct Backend {
    pub(crate) client: RedisClient,
    /// Whether there is a Redis at all.
    pub(crate) is_there: bool,
    _servers: Box<dyn Any + Send>,
}

fn backend(url: String, servers: impl Send + 'static) -> Backend {
    let client = RedisClient::builder().url(url).build().unwrap();
    Backend { client, is_there: true, _servers: Box::new(servers) }
}

pub(crate) fn one_server() -> Backend {
    let server = Process::start(redis(&[]));
    backend(url(server.address()), server)
}

pub(crate) fn no_server() -> Backend {
    // Nobody may listen there.
    Backend { is_there: false, ..backend("redis://127.0.0.1:1".into(), ()) }
}

pub(crate) fn behind_a_proxy() -> Backend {
    let server = Process::start(redis(&[]));
    let proxy = Proxy::start(server.address());
    backend(url(proxy.address()), (proxy, server))
}

pub(crate) fn a_cluster() -> Backend {
    let node = cluster();
    backend(format!("redis-cluster://{}", node.address()), node)
}

pub(crate) fn a_sentinel() -> Backend {
    let master = Process::start(redis(&[]));
    let sentinel = sentinel(master.address());
    backend(format!("redis+sentinel://{}/main", sentinel.address()), (sentinel, master))
}

pub(crate) fn url(server: SocketAddr) -> String {
    format!("redis://{server}")
}

/// A client with short limits, a breaker that opens at the second failure, and room for four calls at once.
pub(crate) fn quick(server: SocketAddr) -> RedisClientBuilder {
    RedisClient::builder().url(url(server)).timeout(LIMIT).max_attempts(2).layers(|layers| {
        layers
            .base_delay(Duration::from_millis(10))
            .failure_threshold(2)
            .success_threshold(1)
            .recovery_timeout(RECOVERY)
            .bulkhead_max_concurrent(4)
            .bulkhead_max_wait(10 * LIMIT)
            .bulkhead_max_queue(1000)
            .budget("none")
    })
}

/// A runtime of the library's own.
pub(crate) async fn scoped(test: impl Future<Output = ()>) {
    Scope::new().run(Box::pin(test)).await;
}

/// A server, a proxy before it, and a client of the proxy.
pub(crate) fn proxied(
    change: impl FnOnce(resilient::RedisClientBuilder) -> resilient::RedisClientBuilder,
) -> (Process, Proxy, RedisClient) {
    let server = Process::start(redis(&[]));
    let proxy = Proxy::start(server.address());
    let client = change(quick(proxy.address())).build().unwrap();
    (server, proxy, client)
}

/// Within ten times the limit, which any call of these has to keep.
pub(crate) async fn soon<T>(call: impl Future<Output = T>) -> T {
    timeout(10 * LIMIT, call).await.expect("it ends soon")
}

/// Waits until a call reaches Redis again.
pub(crate) async fn until_back(client: &RedisClient) {
    for _ in 0..100 {
        let reached = client.call(async |mut connection| ping(&mut connection).await).await;
        if reached.is_ok() && !client.is_degraded() {
            return;
        }
        sleep(RECOVERY / 6).await;
    }
    panic!("Redis is back and the client does not see it: {client:?}");
}

pub(crate) async fn ping(
    connection: &mut resilient::RedisConnection,
) -> Result<(), resilient::redis::RedisError> {
    resilient::redis::cmd("PING").exec_async(connection).await
}

/// Every place of the bulkhead is free: as many calls as there are places run at once.
pub(crate) async fn no_permit_is_held(client: &RedisClient) {
    let bulkhead = resilient::bulkhead("redis").unwrap();
    assert_eq!((bulkhead.active_count(), bulkhead.waiting_count()), (0, 0));
    let (entered, places) = (std::sync::atomic::AtomicU32::new(0), tokio::sync::Barrier::new(4));
    let one = || {
        client.call(async |mut connection| {
            entered.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            places.wait().await;
            ping(&mut connection).await
        })
    };
    let all = soon(join_all((0..4).map(|_| one()))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(entered.into_inner(), 4);
}

pub(crate) fn is_refused(error: &RedisError) -> bool {
    matches!(error, RedisError::Refused(refused) if refused.is_circuit_open())
}
