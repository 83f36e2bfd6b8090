//! What can go wrong with Redis, and what it means.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use redis::{ErrorKind, ServerErrorKind};
use resilient_runtime::{Class, Classify, ConfigErrors, ResilienceError};
use thiserror::Error;

/// Why a call to Redis has no answer of its own.
///
/// Neither its text nor `Debug` holds a password, a key or a value: of what Redis says only its code and known phrases
/// are repeated, for it quotes commands.
///
/// The trap: [`Unanswered`](Self::Unanswered) does not say that nothing happened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RedisError {
    /// A layer refused the call or gave it up: the breaker is open, the attempt took too long, ..
    #[error("{0}")]
    Refused(#[from] ResilienceError),
    /// There is no connection, or it broke.
    #[error("Redis does not answer: {}", Why(*.0))]
    Unreachable(io::ErrorKind),
    /// The connection broke after the command was sent: it may have been carried out or not, and is not repeated, since it
    /// must not be carried out twice.
    #[error("Redis was sent the command and its answer was lost: it may have been carried out or not")]
    Unanswered {
        /// Whether an attempt that timed out told the breaker of it before.
        counted: bool,
    },
    /// There is no connection: TLS failed.
    #[error(
        "Redis cannot be spoken to by TLS: it does not speak it, its certificate is not trusted for this name, or it wants \
         one of its clients"
    )]
    Untrusted,
    /// Redis answers that it cannot at the moment: it loads its data, it is a replica, it is out of memory, ..
    #[error("Redis cannot answer now: {0}")]
    Unable(RedisAnswer),
    /// Redis wants other credentials.
    #[error("Redis refuses the user or the password")]
    Unauthenticated,
    /// What is at the address is not what its URL says: a cluster, sentinels without that service, an old server.
    #[error("Redis is there, but not as the URL says: {0}")]
    Mismatched(&'static str),
    /// Redis refuses the command: the key holds another kind of value, the user may not do that, ..
    #[error("Redis refuses the command: {0}")]
    Rejected(RedisAnswer),
    /// What Redis holds is not what was asked for.
    #[error("the value is there, but it cannot be read as `{0}`")]
    Unreadable(&'static str),
    /// What was given cannot be sent. Nothing was sent.
    #[error("Redis was not asked: {0}")]
    Invalid(Box<str>),
    /// The URL is none that is understood.
    #[error("not the address of a Redis server: write {0}")]
    InvalidAddress(&'static str),
    /// The layers cannot be made from what was said of them.
    #[error(transparent)]
    Misconfigured(#[from] ConfigErrors),
}

/// What Redis said, as far as it is repeated.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisAnswer {
    code: Box<str>,
    phrase: &'static str,
}

/// Code, what Redis says there, and what that is in our words. Redis's texts quote commands, keys and values.
const PHRASES: [(&str, &str, &str); 32] = [
    ("WRONGTYPE", "", "the key holds another kind of value"),
    ("NOPERM", "", "the user may not do that"),
    ("LOADING", "", "it is loading its data"),
    ("MASTERDOWN", "", "it is a replica whose master is away"),
    ("READONLY", "", "it is a replica, which takes no writes"),
    ("TRYAGAIN", "", "the keys are being moved"),
    ("CLUSTERDOWN", "", "the cluster is down"),
    ("MOVED", "", "the key is on another node"),
    ("ASK", "", "the key is on its way to another node"),
    ("CROSSSLOT", "", "the keys are on different nodes"),
    ("BUSY", "", "it is busy with a script"),
    ("MISCONF", "", "it takes no writes, since it cannot save its data"),
    ("OOM", "", "it is out of memory"),
    ("NOREPLICAS", "", "it has too few replicas"),
    ("NOSCRIPT", "", "it does not know the script"),
    ("EXECABORT", "", "the transaction was given up"),
    ("ERR", "max number of clients reached", "it has too many clients"),
    ("ERR", "value is not an integer or out of range", "the value is not an integer or out of range"),
    ("ERR", "hash value is not an integer", "the value is not an integer"),
    ("ERR", "value is not a valid float", "the value is not a number"),
    ("ERR", "hash value is not a float", "the value is not a number"),
    ("ERR", "increment or decrement would overflow", "increment or decrement would overflow"),
    ("ERR", "increment would produce", "the increment would not give a number"),
    ("ERR", "invalid expire time", "the time to live is invalid"),
    ("ERR", "DB index is out of range", "there is no database of that number"),
    ("ERR", "refused to switch database", "there is no database of that number"),
    ("ERR", "unknown command", "the command is unknown"),
    ("ERR", "wrong number of arguments", "wrong number of arguments"),
    ("ERR", "unknown subcommand", "the subcommand is unknown"),
    ("ERR", "syntax error", "syntax error"),
    ("ERR", "no such key", "there is no such key"),
    ("ERR", "index out of range", "the index is out of range"),
];

impl RedisAnswer {
    fn new(code: &str, said: &str) -> Self {
        // What is no code may be anything.
        let plain = (1..=16).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_uppercase());
        let code = if plain { code } else { "ERR" };
        let phrase = PHRASES.iter().find(|(known, text, _)| *known == code && said.contains(text));
        Self { code: code.into(), phrase: phrase.map_or("", |(.., phrase)| phrase) }
    }

    /// One of Redis's own, told by what stands in for it.
    pub(super) fn own(code: &'static str, said: &'static str) -> Self {
        Self::new(code, said)
    }

    /// Redis's word for it: `WRONGTYPE`, `LOADING`, `ERR`.
    pub fn code(&self) -> &str {
        &self.code
    }
}

impl fmt::Display for RedisAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.phrase {
            "" => write!(f, "{}", self.code),
            phrase => write!(f, "{phrase} ({})", self.code),
        }
    }
}

impl fmt::Debug for RedisAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// How rustls begins what it has to say of a handshake.
const OF_TLS: [&str; 3] = ["invalid peer certificate", "received corrupt message", "received fatal alert"];

struct Why(io::ErrorKind);

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
                f.write_str("the connection was closed")
            }
            io::ErrorKind::InvalidData => f.write_str("what it sends is not Redis's protocol"),
            io::ErrorKind::Other => f.write_str("its host has no address, or the system gives no reason"),
            known => known.fmt(f),
        }
    }
}

impl RedisError {
    /// What an error of the `redis` crate is.
    pub(super) fn of(error: &redis::RedisError) -> Self {
        match error.kind() {
            ErrorKind::Io => Self::of_io(error),
            ErrorKind::AuthenticationFailed => Self::Unauthenticated,
            ErrorKind::Parse => Self::Unreachable(io::ErrorKind::InvalidData),
            ErrorKind::ClusterConnectionNotFound => Self::Unreachable(io::ErrorKind::NotConnected),
            ErrorKind::MasterNameNotFoundBySentinel | ErrorKind::NoValidReplicasFoundBySentinel => {
                Self::Unable(RedisAnswer {
                    code: "SENTINEL".into(),
                    phrase: "its sentinels know no such master",
                })
            }
            ErrorKind::RESP3NotSupported => Self::Mismatched("it does not speak RESP3"),
            ErrorKind::InvalidClientConfig | ErrorKind::EmptySentinelList => {
                Self::Mismatched("a connection cannot be made from it")
            }
            ErrorKind::UnexpectedReturnType => Self::Unreadable("what was asked for"),
            ErrorKind::Server(_) | ErrorKind::Extension => {
                Self::of_answer(error.kind(), error.code().unwrap_or_default(), &error.to_string())
            }
            _ => Self::Invalid("the command is not one that can be sent".into()),
        }
    }

    fn of_answer(kind: ErrorKind, code: &str, said: &str) -> Self {
        let answer = RedisAnswer::new(code, said);
        match (kind, code) {
            (_, "NOAUTH" | "WRONGPASS" | "DENIED") => Self::Unauthenticated,
            (ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask), _) => {
                Self::Mismatched("it is a node of a cluster; write redis-cluster://")
            }
            (
                _,
                "LOADING" | "MASTERDOWN" | "TRYAGAIN" | "CLUSTERDOWN" | "READONLY" | "BUSY" | "MISCONF"
                | "OOM" | "NOREPLICAS" | "NOTREADY",
            ) => Self::Unable(answer),
            _ if answer.phrase == "it has too many clients" => Self::Unable(answer),
            _ if answer.phrase == "there is no database of that number" => {
                Self::Mismatched("it has no database of that number")
            }
            _ => Self::Rejected(answer),
        }
    }

    fn of_io(error: &redis::RedisError) -> Self {
        let source = error.source();
        let inner = source.map(|source| match source.downcast_ref::<Arc<dyn StdError + Send + Sync>>() {
            Some(shared) => &**shared as &(dyn StdError + 'static),
            None => source,
        });
        match inner.and_then(|inner| inner.downcast_ref::<io::Error>()) {
            // A TLS handshake's own word.
            Some(io) if io.kind() == io::ErrorKind::InvalidData => Self::Untrusted,
            Some(io) => Self::Unreachable(match io.kind() {
                // It has no stable name, and is what a host without an address gives.
                kind if kind.to_string() == "uncategorized error" => io::ErrorKind::Other,
                kind => kind,
            }),
            // Of what the nodes of a cluster had to say there are the words only.
            None if error.detail().is_some_and(|said| OF_TLS.iter().any(|known| said.contains(known))) => {
                Self::Untrusted
            }
            None => Self::Unreachable(io::ErrorKind::Other),
        }
    }

    /// Whether the connection it came from is of no more use.
    pub(super) fn breaks_the_connection(error: &redis::RedisError) -> bool {
        let elsewhere = matches!(error.code(), Some("READONLY" | "MASTERDOWN" | "NOAUTH"));
        elsewhere || error.is_io_error() || error.is_unrecoverable_error()
    }

    /// Whether Redis is away, or cannot do its work: what a fallback is for. Its own refusals, the caller's mistakes and a
    /// full bulkhead are not.
    pub(super) fn is_absence(&self) -> bool {
        match self {
            Self::Refused(refused) => !refused.is_bulkhead_full() && !refused.is_rate_limited(),
            Self::Unreachable(_)
            | Self::Unanswered { .. }
            | Self::Untrusted
            | Self::Unable(_)
            | Self::Unauthenticated
            | Self::Mismatched(_) => true,
            Self::Rejected(_)
            | Self::Unreadable(_)
            | Self::Invalid(_)
            | Self::InvalidAddress(_)
            | Self::Misconfigured(_) => false,
        }
    }

    /// Whether Redis may have been sent the command before.
    pub(super) fn may_have_been_sent(&self) -> bool {
        match self {
            Self::Unanswered { .. } => true,
            Self::Refused(refused) => refused.is_timeout() || refused.is_deadline_exceeded(),
            _ => false,
        }
    }

    /// Whether Redis itself gave it as its answer.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self, Self::Rejected(_) | Self::Unreadable(_))
    }
}

impl Classify for RedisError {
    fn class(&self) -> Class {
        match self {
            Self::Refused(refused) => refused.class(),
            Self::Unreachable(_) | Self::Unable(_) => Class::Transient,
            Self::Unanswered { counted: false }
            | Self::Untrusted
            | Self::Unauthenticated
            | Self::Mismatched(_) => Class::Permanent,
            Self::Unanswered { counted: true }
            | Self::Rejected(_)
            | Self::Unreadable(_)
            | Self::Invalid(_)
            | Self::InvalidAddress(_)
            | Self::Misconfigured(_) => Class::Caller,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis::make_extension_error;

    fn said(code: &str, detail: &str) -> RedisError {
        RedisError::of(&make_extension_error(code.into(), Some(detail.into())))
    }

    #[test]
    fn what_redis_says_is_classified_by_its_code() {
        for code in ["LOADING", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN", "READONLY", "BUSY", "MISCONF", "OOM"]
        {
            assert_eq!(said(code, "hunter2").class(), Class::Transient, "{code}");
        }
        for code in ["NOAUTH", "WRONGPASS"] {
            assert_eq!(said(code, "hunter2").class(), Class::Permanent, "{code}");
        }
        for code in ["WRONGTYPE", "NOPERM", "ERR", "CROSSSLOT", "NOSCRIPT", "hunter2"] {
            assert_eq!(said(code, "hunter2").class(), Class::Caller, "{code}");
        }
        assert_eq!(said("ERR", "max number of clients reached").class(), Class::Transient);
    }

    #[test]
    fn what_redis_quotes_is_not_repeated() {
        let unknown = said("ERR", "unknown command 'hunter2', with args beginning with: 'hunter2'");
        assert_eq!(unknown.to_string(), "Redis refuses the command: the command is unknown (ERR)");
        for error in [unknown, said("hunter2", "hunter2"), said("ERR", "hunter2"), said("NOPERM", "hunter2")]
        {
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
            assert!(error.source().is_none());
        }
    }

    #[test]
    fn a_broken_connection_is_transient_and_says_how() {
        let broken = redis::RedisError::from(io::Error::from(io::ErrorKind::ConnectionRefused));
        assert_eq!(RedisError::of(&broken).to_string(), "Redis does not answer: connection refused");
        assert_eq!(RedisError::of(&broken).class(), Class::Transient);
        assert!(RedisError::breaks_the_connection(&broken));
        let timed_out = redis::RedisError::from(io::Error::from(io::ErrorKind::TimedOut));
        assert!(RedisError::breaks_the_connection(&timed_out));
        assert!(!RedisError::breaks_the_connection(&make_extension_error("WRONGTYPE".into(), None)));
    }

    #[test]
    fn a_refusal_is_found_inside() {
        let refused = RedisError::from(ResilienceError::Isolated { name: "redis" });
        assert!(ResilienceError::find(&refused).is_some_and(ResilienceError::is_isolated));
    }
}
