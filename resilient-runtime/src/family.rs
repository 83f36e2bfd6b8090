//! One of a kind per key: a breaker for each tenant, a limiter for each host. Bounded, because keys come with requests.

use std::any::Any;
use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState as KeyHasher;
use lru::LruCache;

use crate::clock::Moment;
use crate::context::Context;
use crate::registry::Shared;
use crate::sync::{Mutex, MutexGuard, Whole};

/// Keys that are remembered at the same time; the one not used for longest goes first.
pub(crate) const MOST_KEYS: usize = if cfg!(any(resilient_loom, resilient_shuttle)) { 2 } else { 1024 };
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
    guarded: Mutex<Guarded<T::Config>>,
}

#[derive(Debug)]
struct Guarded<C> {
    config: C,
    members: Members,
}

/// Of one kind, but the same map to the compiler as that of every other kind.
#[derive(Debug)]
struct Members(LruCache<Box<str>, Member, KeyHasher>);

struct Member {
    shared: Arc<dyn Kept>,
    used: Moment,
}

trait Kept: Any + Send + Sync {
    fn is_at_rest(&self) -> bool;
    fn any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<T: Shared> Kept for T {
    fn is_at_rest(&self) -> bool {
        Shared::is_at_rest(self)
    }

    fn any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

fn as_kind<T: Shared>(kept: Arc<dyn Kept>) -> Arc<T> {
    kept.any().downcast().unwrap_or_else(|_| unreachable!("a family has members of one kind"))
}

impl<T: Shared> Family<T> {
    /// The member of that key, made if there is none.
    pub(crate) fn member(&self, key: &str) -> Arc<T> {
        let now = self.context.clock.now();
        let key = bounded(key, &self.digests);
        let mut forgotten = Vec::new();
        let shared = {
            let mut guarded = self.lock();
            guarded.members.forget_idle(now, &mut forgotten);
            if let Some(kept) = guarded.members.get(&key, now) {
                as_kind(kept)
            } else {
                let config = guarded.config.clone();
                let shared = Arc::new(T::make(self.name, config, Arc::clone(&self.context)));
                let member = Member { shared: Arc::<T>::clone(&shared), used: now };
                guarded.members.add(key.into(), member, &mut forgotten);
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
        guarded.members.forget_idle(now, &mut forgotten);
        let members = guarded.members.all();
        drop(guarded);
        members.into_iter().map(|(key, kept)| (key, as_kind(kept))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Guarded<T::Config>> {
        self.guarded.lock().whole()
    }
}

#[inline]
fn bounded<'k>(key: &'k str, digests: &[RandomState; 2]) -> Cow<'k, str> {
    if key.len() <= LONGEST_KEY {
        return Cow::Borrowed(key);
    }
    let [one, other] = digests.each_ref().map(|digest| digest.hash_one(key));
    let beginning: String = key.chars().take(LONGEST_KEY / 8).collect();
    Cow::Owned(format!("{beginning}..{one:016x}{other:016x}"))
}

impl Members {
    fn get(&mut self, key: &str, now: Moment) -> Option<Arc<dyn Kept>> {
        let member = self.0.get_mut(key)?;
        member.used = now;
        Some(Arc::clone(&member.shared))
    }

    #[inline]
    fn add(&mut self, key: Box<str>, member: Member, forgotten: &mut Vec<Member>) {
        self.0.put(key, member);
        if self.0.len() > MOST_KEYS {
            self.forget_one(forgotten);
        }
    }

    /// The last used first.
    fn all(&self) -> Vec<(Box<str>, Arc<dyn Kept>)> {
        self.0.iter().map(|(key, member)| (key.clone(), Arc::clone(&member.shared))).collect()
    }

    /// What is forgotten is dropped by the caller, without the lock.
    #[inline]
    fn forget_idle(&mut self, now: Moment, forgotten: &mut Vec<Member>) {
        for _ in 0..MOST_PASSED_OVER {
            match self.0.peek_lru() {
                Some((_, member)) if now.since(member.used) < LONGEST_IDLE => return,
                Some((_, member)) if member.is_in_use() => self.pass_over(now),
                _ => self.forget_last(forgotten),
            }
        }
    }

    /// Makes room for another. A member in use, or one that would lose what it knows, is not forgotten while another
    /// can be found.
    #[inline]
    fn forget_one(&mut self, forgotten: &mut Vec<Member>) {
        for _ in 0..MOST_PASSED_OVER {
            match self.0.peek_lru() {
                Some((_, member)) if member.is_in_use() || !member.shared.is_at_rest() => {
                    self.pass_over(member.used);
                }
                _ => break,
            }
        }
        self.forget_last(forgotten);
    }

    fn forget_last(&mut self, forgotten: &mut Vec<Member>) {
        forgotten.extend(self.0.pop_lru().map(|(_, member)| member));
    }

    /// The one not used for longest goes to the others' end of the queue.
    #[inline]
    fn pass_over(&mut self, used: Moment) {
        if let Some((key, member)) = self.0.pop_lru() {
            self.0.put(key, Member { used, ..member });
        }
    }

    /// All of them, the one not used for longest first.
    fn take(&mut self) -> Vec<Member> {
        let mut taken = Vec::with_capacity(self.0.len());
        while !self.0.is_empty() {
            self.forget_last(&mut taken);
        }
        taken
    }
}

impl Member {
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
        let members = Members(LruCache::unbounded_with_hasher(KeyHasher::default()));
        let guarded = Mutex::new(Guarded { config, members });
        Self { name, context, digests: [RandomState::new(), RandomState::new()], guarded }
    }

    fn reconfigure(&self, config: T::Config) {
        let members = {
            let mut guarded = self.lock();
            guarded.config = config.clone();
            guarded.members.all()
        };
        for (_, kept) in members {
            as_kind::<T>(kept).reconfigure(config.clone());
        }
    }

    fn accommodate(&self, config: &T::Config) {
        let members = {
            let mut guarded = self.lock();
            T::widen(&mut guarded.config, config);
            guarded.members.all()
        };
        for (_, kept) in members {
            as_kind::<T>(kept).accommodate(config);
        }
    }

    fn widen(config: &mut T::Config, other: &T::Config) {
        T::widen(config, other);
    }

    /// Results of calls under way are stale.
    fn reset(&self, config: Option<T::Config>) {
        let forgotten = {
            let mut guarded = self.lock();
            if let Some(config) = config {
                guarded.config = config;
            }
            guarded.members.take()
        };
        for member in forgotten {
            as_kind::<T>(member.shared).reset(None);
        }
    }

    fn agree(one: &T::Config, other: &T::Config) -> bool {
        T::agree(one, other)
    }

    fn rows(config: &T::Config) -> Vec<(&'static str, String)> {
        T::rows(config)
    }
}
