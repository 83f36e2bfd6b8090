//! One of a kind per key: a breaker for each tenant, a limiter for each host. Bounded, because keys come with requests.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;

use crate::clock::Moment;
use crate::context::Context;
use crate::registry::Shared;
use crate::sync::{Mutex, MutexGuard, Whole};

/// Keys that are remembered at the same time; the one not used for longest goes first.
pub(crate) const MOST_KEYS: usize = 1024;
/// A key that was not used for so long is forgotten.
pub(crate) const LONGEST_IDLE: Duration = Duration::from_secs(3600);
/// Members that are passed over, because they are in use or not at rest, before one is forgotten all the same.
const MOST_PASSED_OVER: usize = 8;
/// A longer key is remembered by its beginning and a digest.
const LONGEST_KEY: usize = 256;

/// The members of one name. A member in use when it is forgotten serves the calls it has and is found no more.
#[derive(Debug)]
pub(crate) struct Family<T: Shared> {
    name: &'static str,
    context: Arc<Context>,
    /// Of long keys. Whoever chooses keys does not know it.
    digests: [RandomState; 2],
    guarded: Mutex<Guarded<T>>,
}

#[derive(Debug)]
struct Guarded<T: Shared> {
    config: T::Config,
    members: LruCache<Box<str>, Member<T>>,
}

#[derive(Debug)]
struct Member<T> {
    shared: Arc<T>,
    used: Moment,
}

impl<T: Shared> Family<T> {
    /// The member of that key, made if there is none.
    pub(crate) fn member(&self, key: &str) -> Arc<T> {
        let now = self.context.clock.now();
        let key = self.bounded(key);
        let mut forgotten = Vec::new();
        let shared = {
            let mut guarded = self.lock();
            guarded.forget_idle(now, &mut forgotten);
            if let Some(member) = guarded.members.get_mut(&*key) {
                member.used = now;
                Arc::clone(&member.shared)
            } else {
                let config = guarded.config.clone();
                let shared = Arc::new(T::make(self.name, config, Arc::clone(&self.context)));
                let member = Member { shared: Arc::clone(&shared), used: now };
                guarded.members.put(key.into(), member);
                if guarded.members.len() > MOST_KEYS {
                    guarded.forget_one(&mut forgotten);
                }
                shared
            }
        };
        drop(forgotten);
        shared
    }

    /// Every member that is remembered, the last used first.
    pub(crate) fn members(&self) -> Vec<(Box<str>, Arc<T>)> {
        let now = self.context.clock.now();
        let mut forgotten = Vec::new();
        let mut guarded = self.lock();
        guarded.forget_idle(now, &mut forgotten);
        let members = guarded.members.iter().map(|(key, member)| (key.clone(), Arc::clone(&member.shared)));
        let members = members.collect();
        drop(guarded);
        members
    }

    fn bounded<'k>(&self, key: &'k str) -> Cow<'k, str> {
        if key.len() <= LONGEST_KEY {
            return Cow::Borrowed(key);
        }
        let [one, other] = self.digests.each_ref().map(|digest| digest.hash_one(key));
        let beginning: String = key.chars().take(LONGEST_KEY / 8).collect();
        Cow::Owned(format!("{beginning}..{one:016x}{other:016x}"))
    }

    fn lock(&self) -> MutexGuard<'_, Guarded<T>> {
        self.guarded.lock().whole()
    }
}

impl<T: Shared> Guarded<T> {
    /// What is forgotten is dropped by the caller, without the lock.
    fn forget_idle(&mut self, now: Moment, forgotten: &mut Vec<(Box<str>, Member<T>)>) {
        for _ in 0..MOST_PASSED_OVER {
            match self.members.peek_lru() {
                Some((_, member)) if now.since(member.used) < LONGEST_IDLE => return,
                Some((_, member)) if member.is_in_use() => self.pass_over(now),
                _ => forgotten.extend(self.members.pop_lru()),
            }
        }
    }

    /// Makes room for another. A member in use, or one that would lose what it knows, is not forgotten while another
    /// can be found.
    fn forget_one(&mut self, forgotten: &mut Vec<(Box<str>, Member<T>)>) {
        for _ in 0..MOST_PASSED_OVER {
            match self.members.peek_lru() {
                Some((_, member)) if member.is_in_use() || !member.shared.is_at_rest() => {
                    self.pass_over(member.used);
                }
                _ => break,
            }
        }
        forgotten.extend(self.members.pop_lru());
    }

    /// The one not used for longest goes to the others' end of the queue.
    fn pass_over(&mut self, used: Moment) {
        if let Some((key, member)) = self.members.pop_lru() {
            self.members.put(key, Member { used, ..member });
        }
    }
}

impl<T> Member<T> {
    /// Some call or handle has it.
    fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.shared) > 1
    }
}

impl<T: Shared> Shared for Family<T> {
    type Config = T::Config;

    const KIND: &'static str = T::KIND;

    fn make(name: &'static str, config: T::Config, context: Arc<Context>) -> Self {
        // Bounded by `member`: one that is told its bound makes room for all of it at once.
        let members = LruCache::unbounded();
        let guarded = Mutex::new(Guarded { config, members });
        Self { name, context, digests: [RandomState::new(), RandomState::new()], guarded }
    }

    fn reconfigure(&self, config: T::Config) {
        let members: Vec<_> = {
            let mut guarded = self.lock();
            guarded.config = config.clone();
            guarded.members.iter().map(|(_, member)| Arc::clone(&member.shared)).collect()
        };
        for member in members {
            member.reconfigure(config.clone());
        }
    }

    fn accommodate(&self, config: &T::Config) {
        let members: Vec<_> = {
            let mut guarded = self.lock();
            T::widen(&mut guarded.config, config);
            guarded.members.iter().map(|(_, member)| Arc::clone(&member.shared)).collect()
        };
        for member in members {
            member.accommodate(config);
        }
    }

    fn widen(config: &mut T::Config, other: &T::Config) {
        T::widen(config, other);
    }

    /// Results of calls under way are stale.
    fn reset(&self, config: Option<T::Config>) {
        let mut forgotten = Vec::new();
        {
            let mut guarded = self.lock();
            if let Some(config) = config {
                guarded.config = config;
            }
            while let Some(member) = guarded.members.pop_lru() {
                forgotten.push(member);
            }
        }
        for (_, member) in forgotten {
            member.shared.reset(None);
        }
    }

    fn agree(one: &T::Config, other: &T::Config) -> bool {
        T::agree(one, other)
    }

    fn rows(config: &T::Config) -> Vec<(&'static str, String)> {
        T::rows(config)
    }
}
