//! What stands in for Redis while it is away: a bounded map in this process's memory, which answers as Redis would.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::error::{RedisAnswer, RedisError};

/// More than this is for ever.
const LONG: Duration = Duration::from_secs(100 * 365 * 86_400);

/// How many values of its own a key is known by.
const OURS: usize = 4;

/// Keys and values that were written while Redis was away.
pub(super) struct Fallback {
    entries: Cache<Vec<u8>, Entry>,
    /// What Redis last told of each key, where that is asked for.
    seen: Option<Cache<Vec<u8>, Seen>>,
    digests: RandomState,
}

/// What a key held when Redis last told of it, or was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Nothing,
    /// A digest, for values may be large.
    Value(u64),
}

#[derive(Clone)]
pub(super) struct Entry {
    /// The outage it was written in. Redis has been back since another one, and may have been told otherwise.
    outage: u64,
    expires: Option<Instant>,
    /// Nothing where the key was removed and that is remembered.
    pub(super) data: Option<Data>,
    removed: bool,
    /// What Redis had before the outage, and what it may have since by our own doing: the last few values.
    ours: Vec<Seen>,
}

#[derive(Clone)]
pub(super) enum Data {
    Text(Vec<u8>),
    /// Only counted, never set: the number it came to here, and how much of that Redis surely was not told.
    Counted {
        here: i64,
        untold: i64,
    },
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
    /// How long it has left; none where it stays.
    pub(super) fn ttl(&self) -> Option<Duration> {
        self.left(now())
    }

    /// Whether what Redis has now is what it had before the outage, or came from here: nobody else wrote it.
    pub(super) fn is_ours(&self, seen: Seen) -> bool {
        self.ours.contains(&seen)
    }

    fn left(&self, now: Instant) -> Option<Duration> {
        self.expires.map(|expires| expires.saturating_duration_since(now))
    }

    fn is_live(&self, outage: u64, now: Instant) -> bool {
        self.outage == outage && self.expires.is_none_or(|expires| expires > now)
    }

    /// A field of a hash is as much as a key of its own.
    fn weight(&self) -> u32 {
        match &self.data {
            Some(Data::Hash(fields)) => u32::try_from(fields.len()).unwrap_or(u32::MAX).max(1),
            _ => 1,
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
    /// One that `remembers` what Redis had, so that it can be told what was written without it.
    pub(super) fn new(name: &str, capacity: u64, remembers: bool) -> Self {
        let entries = Cache::builder()
            .name(name)
            .max_capacity(capacity)
            // The other policy may turn away what is new.
            .eviction_policy(EvictionPolicy::lru())
            .weigher(|_, entry: &Entry| entry.weight())
            .expire_after(AsEntriesSay)
            .support_invalidation_closures()
            .build();
        let seen = Cache::builder().name(name).max_capacity(capacity).eviction_policy(EvictionPolicy::lru());
        Self { entries, seen: remembers.then(|| seen.build()), digests: RandomState::new() }
    }

    /// How many keys there are, roughly.
    pub(super) fn len(&self) -> u64 {
        self.entries.run_pending_tasks();
        self.entries.entry_count()
    }

    /// Forgets what was written in an outage that is over, and before.
    pub(super) fn clear(&self, outage: u64) {
        // Refused only where it was not asked for above.
        let _ = self.entries.invalidate_entries_if(move |_, entry| entry.outage <= outage);
    }

    pub(super) fn forget(&self, key: &[u8]) {
        self.entries.invalidate(key);
    }

    /// What was written in an outage and still holds, where that is remembered.
    pub(super) fn written(&self, outage: u64) -> HashMap<Vec<u8>, Entry> {
        if self.seen.is_none() {
            return HashMap::new();
        }
        let now = now();
        let all = self.entries.iter().filter(|(_, entry)| entry.is_live(outage, now));
        all.map(|(key, entry)| (key.to_vec(), entry)).collect()
    }

    pub(super) fn digest(&self, value: &[u8]) -> Seen {
        Seen::Value(self.digests.hash_one(value))
    }

    /// Redis told what a key holds, or was told.
    pub(super) fn saw(&self, key: &[u8], seen: Seen) {
        if let Some(all) = &self.seen {
            all.insert(key.to_vec(), seen);
        }
    }

    fn entry(&self, key: &[u8], outage: u64) -> Option<Data> {
        self.entries.get(key).filter(|entry| entry.is_live(outage, now()))?.data
    }

    /// Changes one key as nobody else does at the same time.
    fn change<T>(
        &self,
        key: &[u8],
        outage: u64,
        change: impl FnOnce(&mut Entry) -> Result<T, RedisError>,
    ) -> Result<T, RedisError> {
        let mut result = None;
        self.entries.entry_by_ref(key).and_compute_with(|known| {
            let known = known.map(moka::Entry::into_value);
            let was_there = known.is_some();
            let mut entry = known.filter(|entry| entry.is_live(outage, now())).unwrap_or_else(|| Entry {
                outage,
                expires: None,
                data: None,
                removed: false,
                ours: self.seen.iter().filter_map(|seen| seen.get(key)).collect(),
            });
            let changed = change(&mut entry);
            let refused = changed.is_err();
            result = Some(changed);
            if refused {
                return Op::Nop;
            }
            if self.seen.is_some() {
                // What it held in between may have reached Redis before the answer was lost.
                if let Some(Data::Text(text)) = &entry.data {
                    entry.ours.push(self.digest(text));
                    let surplus = entry.ours.len().saturating_sub(OURS);
                    entry.ours.drain(..surplus);
                }
                return Op::Put(entry);
            }
            match entry.data {
                Some(_) => Op::Put(entry),
                None if was_there => Op::Remove,
                None => Op::Nop,
            }
        });
        result.unwrap_or_else(|| Err(RedisError::Invalid("the fallback was not asked".into())))
    }

    pub(super) fn get(&self, outage: u64, key: &[u8]) -> Result<Option<Vec<u8>>, RedisError> {
        match self.entry(key, outage) {
            Some(Data::Text(text)) => Ok(Some(text)),
            Some(Data::Counted { here, .. }) => Ok(Some(here.to_string().into_bytes())),
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
        self.change(key, outage, |entry| {
            (entry.data, entry.expires) = (Some(Data::Text(text)), ends(ttl));
            Ok(())
        })
    }

    pub(super) fn del(&self, outage: u64, key: &[u8]) -> Result<bool, RedisError> {
        self.change(key, outage, |entry| {
            (entry.expires, entry.removed) = (None, true);
            Ok(entry.data.take().is_some())
        })
    }

    pub(super) fn expire(&self, outage: u64, key: &[u8], ttl: Duration) -> Result<bool, RedisError> {
        self.change(key, outage, |entry| {
            let is_there = entry.data.is_some();
            if is_there {
                entry.expires = ends(Some(ttl));
            }
            Ok(is_there)
        })
    }

    /// Where Redis `may_know` it counted perhaps, before its answer was lost.
    pub(super) fn incr(&self, outage: u64, key: &[u8], by: i64, may_know: bool) -> Result<i64, RedisError> {
        self.change(key, outage, |entry| {
            let before = match &entry.data {
                None => 0,
                Some(Data::Text(text)) => number(text)?,
                Some(Data::Counted { here, .. }) => *here,
                Some(Data::Hash(_)) => return Err(wrong_type()),
            };
            let Some(here) = before.checked_add(by) else {
                return Err(RedisError::Rejected(RedisAnswer::own(
                    "ERR",
                    "increment or decrement would overflow",
                )));
            };
            let new = if may_know { 0 } else { by };
            entry.data = Some(match entry.data {
                Some(Data::Counted { untold, .. }) => {
                    Data::Counted { here, untold: untold.saturating_add(new) }
                }
                None if !entry.removed => Data::Counted { here, untold: new },
                _ => Data::Text(here.to_string().into_bytes()),
            });
            Ok(here)
        })
    }

    pub(super) fn hget(&self, outage: u64, key: &[u8], field: &[u8]) -> Result<Option<Vec<u8>>, RedisError> {
        match self.entry(key, outage) {
            Some(Data::Hash(mut fields)) => Ok(fields.remove(field)),
            Some(Data::Text(_) | Data::Counted { .. }) => Err(wrong_type()),
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
        self.change(key, outage, |entry| match entry.data.get_or_insert_with(|| Data::Hash(HashMap::new())) {
            Data::Hash(fields) => Ok(fields.insert(field.to_vec(), text).is_none()),
            Data::Text(_) | Data::Counted { .. } => Err(wrong_type()),
        })
    }
}

impl fmt::Debug for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback").field("name", &self.entries.name()).finish_non_exhaustive()
    }
}

/// When something ends that lasts so long.
fn ends(ttl: Option<Duration>) -> Option<Instant> {
    now().checked_add(ttl.filter(|ttl| *ttl < LONG)?)
}
