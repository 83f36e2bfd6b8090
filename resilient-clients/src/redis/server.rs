//! Where Redis is: one server, those that sentinels know, or a cluster; read from one URL.

use std::fmt;
use std::time::Duration;

use redis::cluster::ClusterClient;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo, TlsCertificates,
    TlsMode,
};
use rustls::crypto::CryptoProvider;

use super::connection::{RedisConnection, unlimited};
use super::error::RedisError;
use crate::Address;

const SENTINEL_PORT: u16 = 26379;
/// What has to be said where only our own limit shall hold.
const NEVER: Duration = Duration::from_secs(86_400);

/// Where Redis is. Neither `Debug` nor `Display` shows a user, a password or a query.
#[derive(Clone)]
pub(super) struct Server {
    shown: Box<str>,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    One(Box<Client>),
    Sentinel(Box<Sentinels>),
    Cluster { client: Box<ClusterClient>, node: Box<ConnectionInfo> },
}

#[derive(Clone)]
struct Sentinels {
    nodes: Vec<ConnectionAddr>,
    own: RedisConnectionInfo,
    service: String,
    master: RedisConnectionInfo,
    certificates: Option<TlsCertificates>,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({self})")
    }
}

/// The pieces of a URL that may have several hosts, which no URL has.
struct Pieces<'u> {
    user: Option<&'u str>,
    hosts: Vec<&'u str>,
    path: Vec<&'u str>,
    query: Option<&'u str>,
}

impl<'u> Pieces<'u> {
    fn of(rest: &'u str) -> Self {
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) =
            authority.rsplit_once('@').map_or((None, authority), |(user, hosts)| (Some(user), hosts));
        Self {
            user,
            hosts: hosts.split(',').collect(),
            path: path.split('/').filter(|part| !part.is_empty()).collect(),
            query,
        }
    }

    /// The URL of one of the hosts, as any URL has one.
    fn url(&self, scheme: &str, host: &str, db: &str) -> String {
        let user = self.user.map(|user| format!("{user}@")).unwrap_or_default();
        let query = self.query.map(|query| format!("?{query}")).unwrap_or_default();
        format!("{scheme}://{user}{host}/{db}{query}")
    }

    fn said(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query?.as_bytes())
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.into_owned())
    }
}

impl Server {
    /// Reads a URL; `certificates` are for TLS.
    pub(super) fn parse(text: &str, certificates: Option<TlsCertificates>) -> Result<Self, RedisError> {
        let Some((scheme, rest)) = text.trim().split_once("://") else {
            return Err(RedisError::InvalidAddress("a URL such as redis://127.0.0.1:6379"));
        };
        if rest.contains('#') {
            return Err(RedisError::InvalidAddress("a URL without `#`; in a password it is written %23"));
        }
        if certificates.is_some() && !is_encrypted(scheme) {
            return Err(RedisError::InvalidAddress(
                "rediss://, rediss+sentinel:// or rediss-cluster://, which speak TLS, for there is a certificate",
            ));
        }
        match scheme {
            "redis" | "rediss" | "valkey" | "valkeys" | "unix" | "redis+unix" | "valkey+unix" => {
                Self::one(text.trim(), certificates)
            }
            "redis+sentinel" | "redis-sentinel" => Self::sentinel("redis", rest, None),
            "rediss+sentinel" | "rediss-sentinel" => Self::sentinel("rediss", rest, certificates),
            "redis+cluster" | "redis-cluster" => Self::cluster("redis", rest, None),
            "rediss+cluster" | "rediss-cluster" => Self::cluster("rediss", rest, certificates),
            _ => Err(RedisError::InvalidAddress(
                "redis://, rediss:// (TLS), unix://, redis+sentinel:// or redis-cluster://",
            )),
        }
    }

    fn one(text: &str, certificates: Option<TlsCertificates>) -> Result<Self, RedisError> {
        let wanted = RedisError::InvalidAddress("redis://[[user]:password@]host[:port][/database]");
        let Ok(address) = Address::parse(text) else { return Err(wanted) };
        let Ok(client) = client(text, certificates) else { return Err(wanted) };
        Ok(Self { shown: address.to_string().into(), kind: Kind::One(client.into()) })
    }

    fn sentinel(scheme: &str, rest: &str, certificates: Option<TlsCertificates>) -> Result<Self, RedisError> {
        let wanted = || {
            RedisError::InvalidAddress(
                "redis+sentinel://[[user]:password@]host[:port],../service[/database]; what the sentinels themselves \
                 want is ?sentinel_username=..&sentinel_password=..",
            )
        };
        let pieces = Pieces::of(rest);
        let (service, db) = match pieces.path[..] {
            [service] => (service, "0"),
            [service, db] => (service, db),
            _ => return Err(wanted()),
        };
        let master = settings(&pieces.url("redis", "host", db)).ok_or_else(wanted)?;
        let mut own = RedisConnectionInfo::default();
        if let Some(user) = pieces.said("sentinel_username") {
            own = own.set_username(user);
        }
        if let Some(password) = pieces.said("sentinel_password") {
            own = own.set_password(password);
        }
        let mut nodes = Vec::new();
        for host in &pieces.hosts {
            let url = with_port(scheme, host).ok_or_else(wanted)?;
            nodes.push(url.into_connection_info().map_err(|_| wanted())?.addr().clone());
        }
        let shown = format!("{scheme}+sentinel://{}/{service}/{db}", pieces.hosts.join(",")).into();
        let sentinels = Sentinels { nodes, own, service: service.to_owned(), master, certificates };
        Ok(Self { shown, kind: Kind::Sentinel(sentinels.into()) })
    }

    fn cluster(scheme: &str, rest: &str, certificates: Option<TlsCertificates>) -> Result<Self, RedisError> {
        let wanted = || {
            RedisError::InvalidAddress("redis-cluster://[[user]:password@]host[:port],..: some of its nodes")
        };
        let pieces = Pieces::of(rest);
        if !pieces.path.is_empty() {
            return Err(wanted());
        }
        let mut nodes = Vec::new();
        for host in &pieces.hosts {
            let node = pieces.url(scheme, host, "");
            let node = client(&node, certificates.clone()).map_err(|_| wanted())?;
            nodes.push(node.get_connection_info().clone());
        }
        let node = nodes.first().cloned().ok_or_else(wanted)?.into();
        let mut client = ClusterClient::builder(nodes)
            .retries(0)
            .connection_timeout(NEVER)
            .response_timeout(NEVER)
            .overall_response_timeout(None);
        if let Some(certificates) = certificates {
            client = client.certs(certificates);
        }
        let client = client.build().map_err(|_| wanted())?;
        let shown = format!("{scheme}-cluster://{}", pieces.hosts.join(",")).into();
        Ok(Self { shown, kind: Kind::Cluster { client: client.into(), node } })
    }

    /// One try, without a limit of its own.
    pub(super) async fn connect(&self) -> redis::RedisResult<RedisConnection> {
        if self.is_encrypted() && CryptoProvider::get_default().is_none() {
            // The redis crate asks the process's own. Somebody else may have said it since.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let config = unlimited();
        match &self.kind {
            Kind::One(client) => {
                let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
                Ok(RedisConnection::of_one(connection))
            }
            Kind::Sentinel(sentinels) => {
                let mut client = sentinels.client(self.is_encrypted())?.build()?;
                Ok(RedisConnection::of_one(client.get_async_connection_with_config(&config).await?))
            }
            Kind::Cluster { client, node } => {
                let connection = client.get_async_connection().await?;
                Ok(RedisConnection::of_cluster(connection, ConnectionInfo::clone(node)))
            }
        }
    }

    fn is_encrypted(&self) -> bool {
        is_encrypted(&self.shown)
    }
}

impl Sentinels {
    fn client(&self, is_encrypted: bool) -> redis::RedisResult<SentinelClientBuilder> {
        let Self { nodes, own, service, master, certificates } = self;
        let mut client = SentinelClientBuilder::new(nodes.clone(), service, SentinelServerType::Master)?
            .set_client_to_redis_db(master.db())
            .set_client_to_redis_protocol(master.protocol());
        if let Some(user) = master.username() {
            client = client.set_client_to_redis_username(user);
        }
        if let Some(password) = master.password() {
            client = client.set_client_to_redis_password(password);
        }
        if let Some(user) = own.username() {
            client = client.set_client_to_sentinel_username(user);
        }
        if let Some(password) = own.password() {
            client = client.set_client_to_sentinel_password(password);
        }
        if is_encrypted {
            client = client.set_client_to_redis_tls_mode(TlsMode::Secure);
        }
        if let Some(certificates) = certificates {
            client = client
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates.clone());
        }
        Ok(client)
    }
}

fn client(url: &str, certificates: Option<TlsCertificates>) -> redis::RedisResult<Client> {
    match certificates {
        Some(certificates) => Client::build_with_tls(url, certificates),
        None => Client::open(url),
    }
}

/// By the scheme of a URL.
fn is_encrypted(url: &str) -> bool {
    ["rediss", "valkeys"].iter().any(|scheme| url.starts_with(scheme))
}

fn settings(url: &str) -> Option<RedisConnectionInfo> {
    Some(url.into_connection_info().ok()?.redis_settings().clone())
}

fn with_port(scheme: &str, host: &str) -> Option<String> {
    let url = url::Url::parse(&format!("{scheme}://{host}")).ok()?;
    let name = url.host_str()?;
    Some(format!("{scheme}://{name}:{}", url.port().unwrap_or(SENTINEL_PORT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_in_a_url_of_any_kind_is_never_shown() {
        for (url, shown) in [
            ("redis://:hunter2@cache:6380/2?protocol=resp3", "redis://cache:6380/2"),
            ("rediss://me:hunter2@cache", "rediss://cache"),
            ("unix:///run/redis.sock?pass=hunter2", "unix:///run/redis.sock"),
            (
                "redis+sentinel://me:hunter2@a:1,b/main/3?sentinel_password=hunter2",
                "redis+sentinel://a:1,b/main/3",
            ),
            ("redis-cluster://me:hunter2@a:1,b,c:3", "redis-cluster://a:1,b,c:3"),
            ("rediss-cluster://hunter2@a", "rediss-cluster://a"),
        ] {
            let server = Server::parse(url, None).unwrap();
            assert_eq!(server.to_string(), shown);
            assert_eq!(format!("{server:?}"), format!("Server({shown})"));
        }
    }

    #[test]
    fn a_wrong_url_is_refused_with_what_is_right_and_without_itself() {
        for url in [
            "hunter2",
            "http://hunter2",
            "redis://:hunter2@",
            "redis://host/hunter2",
            "redis://h/?protocol=hunter2",
            "rediss://hunter2/#insecure",
            "redis+sentinel://hunter2",
            "redis+sentinel://hunter2:hunter2/main",
            "redis+sentinel://a/main/hunter2",
            "redis-cluster://a,hunter2:hunter2",
            "redis-cluster://a/hunter2",
        ] {
            let refused = Server::parse(url, None).unwrap_err();
            assert!(matches!(refused, RedisError::InvalidAddress(_)), "{url}: {refused:?}");
            assert!(!format!("{refused} {refused:?}").contains("hunter2"), "{url}: {refused:?}");
        }
    }

    #[test]
    fn sentinels_and_their_master_have_credentials_of_their_own() {
        let url = "redis+sentinel://me:p%40ss@a:1,[::1]/main/3?sentinel_username=it&sentinel_password=s%26t";
        let Kind::Sentinel(sentinels) = Server::parse(url, None).unwrap().kind else { panic!("sentinels") };
        let Sentinels { nodes, own, service, master, .. } = *sentinels;
        assert_eq!(service, "main");
        assert_eq!(nodes[0].to_string(), "a:1");
        assert_eq!(nodes[1].to_string(), "::1:26379");
        assert_eq!((own.username(), own.password()), (Some("it"), Some("s&t")));
        let master = format!("{master:?}");
        assert!(master.contains("db: 3") && master.contains("\"me\""), "{master}");
    }
}
