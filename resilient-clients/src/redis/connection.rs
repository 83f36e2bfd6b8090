//! One connection to Redis, shared by all calls: to one server, or to the nodes of a cluster.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, Pipeline, RedisError,
    RedisFuture, RedisResult, ServerErrorKind, Value,
};

/// How often one command follows slots that have moved.
const REDIRECTS: usize = 3;

/// A connection to Redis: copies share it. It is what every command of the `redis` crate takes
/// ([`AsyncCommands`](redis::AsyncCommands), [`cmd`](redis::cmd), [`pipe`](redis::pipe)).
///
/// A command that a cluster sends on to another node follows it there, within its attempt.
///
/// The trap: it has no layers and is never mended. Take it from [`call`](super::RedisClient::call), use it there, and keep none.
#[derive(Clone)]
pub struct RedisConnection(Kind);

#[derive(Clone)]
enum Kind {
    One(MultiplexedConnection),
    Cluster(Cluster),
}

#[derive(Clone)]
struct Cluster {
    connection: ClusterConnection,
    /// How one node is spoken to, whose address is to be replaced.
    node: ConnectionInfo,
    /// Those that keys were on their way to. The cluster's connection knows nodes by their slots, which these may not have yet.
    aside: Arc<Mutex<HashMap<(String, u16), MultiplexedConnection>>>,
}

impl RedisConnection {
    pub(super) fn of_one(connection: MultiplexedConnection) -> Self {
        Self(Kind::One(connection))
    }

    pub(super) fn of_cluster(connection: ClusterConnection, node: ConnectionInfo) -> Self {
        Self(Kind::Cluster(Cluster { connection, node, aside: Arc::default() }))
    }

    /// Whether it still stands, asked without waiting for an answer. One that is known to be closed says so, and what is not
    /// sent on it was certainly not carried out.
    pub(super) async fn stands(&mut self) -> RedisResult<()> {
        match &mut self.0 {
            Kind::One(connection) => {
                let mut ping = redis::cmd("PING");
                ping.set_no_response(true);
                connection.send_packed_command(&ping).await.map(drop)
            }
            // It looks after its connections itself.
            Kind::Cluster(_) => Ok(()),
        }
    }
}

impl fmt::Debug for RedisConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConnection").finish_non_exhaustive()
    }
}

impl ConnectionLike for RedisConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match &mut self.0 {
            Kind::One(connection) => connection.req_packed_command(command),
            Kind::Cluster(cluster) => Box::pin(cluster.follow(command)),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match &mut self.0 {
            Kind::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            Kind::Cluster(cluster) => cluster.connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match &self.0 {
            Kind::One(connection) => connection.get_db(),
            Kind::Cluster(cluster) => cluster.connection.get_db(),
        }
    }
}

impl Cluster {
    /// A slot that has moved is no failure, and what was sent to its old place was not carried out.
    async fn follow(&mut self, command: &Cmd) -> RedisResult<Value> {
        let mut answer = self.connection.req_packed_command(command).await;
        for _ in 0..REDIRECTS {
            answer = match &answer {
                // The connection asks for the slots anew before it sends anything else.
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::Moved) => {
                    self.connection.req_packed_command(command).await
                }
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::Ask) => {
                    let node = error.redirect_node().and_then(|(node, _)| node.rsplit_once(':'));
                    let Some((host, Ok(port))) = node.map(|(host, port)| (host, port.parse())) else { break };
                    self.ask((host.to_owned(), port), command).await
                }
                _ => break,
            };
        }
        answer
    }

    async fn ask(&self, node: (String, u16), command: &Cmd) -> RedisResult<Value> {
        let known = self.aside().get(&node).cloned();
        let mut connection = match known {
            Some(connection) => connection,
            None => self.connect(&node).await?,
        };
        let mut asking = redis::pipe();
        asking.cmd("ASKING").add_command(command.clone());
        match connection.send_packed_commands(&asking, 0, 2).await {
            Ok(mut answers) => {
                self.aside().insert(node, connection);
                answers.pop().ok_or_else(|| RedisError::from((ErrorKind::Parse, "no answer")))
            }
            Err(error) => {
                self.aside().remove(&node);
                Err(error)
            }
        }
    }

    async fn connect(&self, (host, port): &(String, u16)) -> RedisResult<MultiplexedConnection> {
        let mut address = self.node.addr().clone();
        match &mut address {
            ConnectionAddr::Tcp(name, number) | ConnectionAddr::TcpTls { host: name, port: number, .. } => {
                (*name, *number) = (host.clone(), *port);
            }
            _ => {}
        }
        let node = self.node.clone().set_addr(address);
        Client::open(node)?.get_multiplexed_async_connection_with_config(&unlimited()).await
    }

    fn aside(&self) -> MutexGuard<'_, HashMap<(String, u16), MultiplexedConnection>> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Only our own limit holds.
pub(super) fn unlimited() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None)
}
