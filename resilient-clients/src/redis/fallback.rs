//! What stands in for Redis while it is away: a bounded map in this process's memory, which answers as Redis would.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::error::{RedisAnswer, RedisError};

/// More than this is for ever.
const LONG: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Keys and values that were written while Redis was away.
pub(super) struct Fallback(Cache<Vec<u8>, Entry>);

#[derive(Clone)]
struct Entry {
    /// The outage it was written in. Redis has been back since another one, and may have been told otherwise.
    outage: u64,
    expires: Option<Instant>,
    data: Data,
}

#[derive(Clone)]
enum Data {
    Text(Vec<u8>),
    Hash(HashMap<Vec<u8>, Vec<u8>>),
}

struct AsEntriesSay;

impl Expiry<Vec<u8>, Entry> for AsEntriesSay {
    fn expire_after_create(&self, _: &Vec<u8>, entry: &Entry, now: Instant) -> Option<Duration> {
        entry.left(now)
    }

    fn expire_after_update(
        &self,
        _: &Vec<u8>,
        entry: &Entry,
        now: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        entry.left(now)
    }
}

impl Entry {
    fn left(&self, now: Instant) -> Option<Duration> {
        self.expires.map(|expires| expires.saturating_duration_since(now))
    }

    fn is_live(&self, outage: u64, now: Instant) -> bool {
        self.outage == outage && self.expires.is_none_or(|expires| expires > now)
    }

    /// A field of a hash is as much as a key of its own.
    fn weight(&self) -> u32 {
        match &self.data {
            Data::Text(_) => 1,
            Data::Hash(fields) => u32::try_from(fields.len()).unwrap_or(u32::MAX).max(1),
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "Redis's times to live are real time, whatever clock the layers follow"
)]
fn now() -> Instant {
    Instant::now()
}

fn wrong_type() -> RedisError {
    RedisError::Rejected(RedisAnswer::own("WRONGTYPE", ""))
}

/// A number as Redis reads one: no sign but `-`, no leading zero.
fn number(bytes: &[u8]) -> Result<i64, RedisError> {
    let text = str::from_utf8(bytes).ok();
    text.and_then(|text| text.parse().ok().filter(|number: &i64| number.to_string() == text)).ok_or_else(
        || RedisError::Rejected(RedisAnswer::own("ERR", "value is not an integer or out of range")),
    )
}

impl Fallback {
    pub(super) fn new(name: &str, capacity: u64) -> Self {
        let cache = Cache::builder()
            .name(name)
            .max_capacity(capacity)
            // The other policy may turn away what is new.
            .eviction_policy(EvictionPolicy::lru())
            .weigher(|_, entry: &Entry| entry.weight())
            .expire_after(AsEntriesSay)
            .support_invalidation_closures()
            .build();
        Self(cache)
    }

    /// How many keys there are, roughly.
    pub(super) fn len(&self) -> u64 {
        self.0.run_pending_tasks();
        self.0.entry_count()
    }

    /// Forgets what was written in an outage that is over, and before.
    pub(super) fn clear(&self, outage: u64) {
        // Refused only where it was not asked for above.
        let _ = self.0.invalidate_entries_if(move |_, entry| entry.outage <= outage);
    }

    pub(super) fn forget(&self, key: &[u8]) {
        self.0.invalidate(key);
    }

    fn entry(&self, key: &[u8], outage: u64) -> Option<Entry> {
        self.0.get(key).filter(|entry| entry.is_live(outage, now()))
    }

    /// Changes one key as nobody else does at the same time. What `change` leaves in place stays or comes into being.
    fn change<T>(
        &self,
        key: &[u8],
        outage: u64,
        change: impl FnOnce(&mut Option<Entry>) -> Result<T, RedisError>,
    ) -> Result<T, RedisError> {
        let mut result = None;
        self.0.entry_by_ref(key).and_compute_with(|known| {
            let known = known.map(moka::Entry::into_value);
            let was_there = known.is_some();
            let mut entry = known.filter(|entry| entry.is_live(outage, now()));
            let changed = change(&mut entry);
            let refused = changed.is_err();
            result = Some(changed);
            match entry {
                _ if refused => Op::Nop,
                Some(entry) => Op::Put(entry),
                None if was_there => Op::Remove,
                None => Op::Nop,
            }
        });
        result.unwrap_or(Err(RedisError::Invalid("the fallback was not asked")))
    }

    pub(super) fn get(&self, outage: u64, key: &[u8]) -> Result<Option<Vec<u8>>, RedisError> {
        match self.entry(key, outage).map(|entry| entry.data) {
            Some(Data::Text(text)) => Ok(Some(text)),
            Some(Data::Hash(_)) => Err(wrong_type()),
            None => Ok(None),
        }
    }

    pub(super) fn set(
        &self,
        outage: u64,
        key: &[u8],
        text: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Result<(), RedisError> {
        let expires = ends(ttl);
        self.change(key, outage, |entry| {
            *entry = Some(Entry { outage, expires, data: Data::Text(text) });
            Ok(())
        })
    }

    pub(super) fn del(&self, outage: u64, key: &[u8]) -> Result<bool, RedisError> {
        self.change(key, outage, |entry| Ok(entry.take().is_some()))
    }

    pub(super) fn expire(&self, outage: u64, key: &[u8], ttl: Duration) -> Result<bool, RedisError> {
        let expires = ends(Some(ttl));
        self.change(key, outage, |entry| {
            let Some(entry) = entry else { return Ok(false) };
            entry.expires = expires;
            Ok(true)
        })
    }

    pub(super) fn incr(&self, outage: u64, key: &[u8], by: i64) -> Result<i64, RedisError> {
        self.change(key, outage, |entry| {
            let entry =
                entry.get_or_insert_with(|| Entry { outage, expires: None, data: Data::Text(b"0".to_vec()) });
            let Data::Text(text) = &mut entry.data else { return Err(wrong_type()) };
            let Some(sum) = number(text)?.checked_add(by) else {
                return Err(RedisError::Rejected(RedisAnswer::own(
                    "ERR",
                    "increment or decrement would overflow",
                )));
            };
            *text = sum.to_string().into_bytes();
            Ok(sum)
        })
    }

    pub(super) fn hget(&self, outage: u64, key: &[u8], field: &[u8]) -> Result<Option<Vec<u8>>, RedisError> {
        match self.entry(key, outage).map(|entry| entry.data) {
            Some(Data::Hash(mut fields)) => Ok(fields.remove(field)),
            Some(Data::Text(_)) => Err(wrong_type()),
            None => Ok(None),
        }
    }

    pub(super) fn hset(
        &self,
        outage: u64,
        key: &[u8],
        field: &[u8],
        text: Vec<u8>,
    ) -> Result<bool, RedisError> {
        self.change(key, outage, |entry| {
            let entry = entry.get_or_insert_with(|| Entry {
                outage,
                expires: None,
                data: Data::Hash(HashMap::new()),
            });
            let Data::Hash(fields) = &mut entry.data else { return Err(wrong_type()) };
            Ok(fields.insert(field.to_vec(), text).is_none())
        })
    }
}

impl fmt::Debug for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback").field("name", &self.0.name()).finish_non_exhaustive()
    }
}

/// When something ends that lasts so long.
fn ends(ttl: Option<Duration>) -> Option<Instant> {
    now().checked_add(ttl.filter(|ttl| *ttl < LONG)?)
}
