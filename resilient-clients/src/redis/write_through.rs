//! What the fallback took is told to Redis when it is back, as far as nobody else wrote meanwhile.

use std::collections::HashMap;
use std::mem::take;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{RedisResult, Value};
use tokio::time::timeout;

use super::client::milliseconds;
use super::connection::RedisConnection;
use super::error::RedisError;
use super::fallback::{Data, Entry, Fallback, Seen};
use super::link::Link;

/// How long Redis may take for one key.
const LIMIT: Duration = Duration::from_secs(2);

/// Redis does both, or neither: between two commands somebody else may write.
const SET_IF_UNCHANGED: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end \
    if ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end \
    return 1";
const DELETE_IF_UNCHANGED: &str =
    "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end return redis.call('DEL', KEYS[1])";

/// What Redis has yet to be told.
#[derive(Default)]
pub(super) struct Untold {
    left: Mutex<Left>,
    /// Held while Redis is told of one key.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Left {
    all: HashMap<Vec<u8>, Entry>,
    /// The one whose turn it is.
    current: Option<Vec<u8>>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) written: usize,
    /// Somebody else had written meanwhile, or that could not be ruled out.
    pub(super) left_alone: usize,
    /// Redis was gone again.
    pub(super) lost: usize,
}

impl Untold {
    /// Whether there is anything.
    pub(super) fn take_over(&self, written: HashMap<Vec<u8>, Entry>) -> bool {
        let mut left = self.left();
        left.all.extend(written);
        !left.all.is_empty()
    }

    /// The client itself writes the key: what it wrote before does not matter any more, and must not come after.
    pub(super) async fn forget(&self, key: &[u8]) {
        let is_told_now = {
            let mut left = self.left();
            left.all.remove(key);
            left.current.as_deref() == Some(key)
        };
        if is_told_now {
            drop(self.turn.lock().await);
        }
    }

    pub(super) async fn tell(&self, link: &Link, fallback: &Fallback) -> Told {
        let mut told = Told::default();
        loop {
            let turn = self.turn.lock().await;
            let Some((key, entry)) = self.next() else { return told };
            let done = timeout(LIMIT, async {
                let (_, mut connection) = link.connect().await?;
                write(&mut connection, &key, &entry, fallback).await
            });
            match done.await {
                Ok(Ok(true)) => told.written += 1,
                Ok(Ok(false)) => told.left_alone += 1,
                // It answers: the key holds another kind of value, or the user may not do that.
                Ok(Err(error)) if !RedisError::of(&error).is_absence() => told.left_alone += 1,
                _ => {
                    let lost = take(&mut *self.left()).all;
                    told.lost += 1 + lost.len();
                }
            }
            drop(turn);
        }
    }

    fn next(&self) -> Option<(Vec<u8>, Entry)> {
        let mut left = self.left();
        left.current = left.all.keys().next().cloned();
        let key = left.current.clone()?;
        left.all.remove_entry(&key)
    }

    fn left(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether Redis has it now.
async fn write(
    connection: &mut RedisConnection,
    key: &[u8],
    entry: &Entry,
    fallback: &Fallback,
) -> RedisResult<bool> {
    let ttl = entry.ttl().map(milliseconds);
    match &entry.data {
        Some(Data::Text(text)) => {
            let Some(current) = get(connection, key).await? else {
                let mut set = redis::cmd("SET");
                set.arg(key).arg(text).arg("NX");
                if let Some(ttl) = ttl {
                    set.arg("PX").arg(ttl);
                }
                return set.query_async::<Value>(connection).await.map(|answer| answer == Value::Okay);
            };
            if !entry.is_ours(fallback.digest(&current)) {
                return Ok(false);
            }
            let mut set = redis::cmd("EVAL");
            set.arg(SET_IF_UNCHANGED).arg(1).arg(key).arg(current).arg(text);
            set.arg(ttl.map(|ttl| ttl.to_string()).unwrap_or_default());
            set.query_async(connection).await
        }
        None => match get(connection, key).await? {
            Some(current) if entry.is_ours(fallback.digest(&current)) => {
                let mut delete = redis::cmd("EVAL");
                delete.arg(DELETE_IF_UNCHANGED).arg(1).arg(key).arg(current);
                delete.query_async(connection).await
            }
            Some(_) => Ok(false),
            None => Ok(true),
        },
        // What others counted stays counted.
        Some(Data::Counted { untold, .. }) => {
            if *untold == 0 {
                return Ok(true);
            }
            let sum: i64 = redis::cmd("INCRBY").arg(key).arg(untold).query_async(connection).await?;
            if sum == *untold {
                expire(connection, key, ttl).await?;
            }
            Ok(true)
        }
        Some(Data::Hash(fields)) => {
            let was_there: bool = redis::cmd("EXISTS").arg(key).query_async(connection).await?;
            let mut all = true;
            for (field, text) in fields {
                let new: bool =
                    redis::cmd("HSETNX").arg(key).arg(field).arg(text).query_async(connection).await?;
                all &= new;
            }
            if !was_there {
                expire(connection, key, ttl).await?;
            }
            Ok(all)
        }
    }
}

async fn get(connection: &mut RedisConnection, key: &[u8]) -> RedisResult<Option<Vec<u8>>> {
    redis::cmd("GET").arg(key).query_async(connection).await
}

async fn expire(connection: &mut RedisConnection, key: &[u8], ttl: Option<u64>) -> RedisResult<()> {
    match ttl {
        Some(ttl) => redis::cmd("PEXPIRE").arg(key).arg(ttl).exec_async(connection).await,
        None => Ok(()),
    }
}

impl Seen {
    /// What a key holds that Redis says this of.
    pub(super) fn of(fallback: &Fallback, found: Option<&[u8]>) -> Self {
        found.map_or(Self::Nothing, |found| fallback.digest(found))
    }
}
