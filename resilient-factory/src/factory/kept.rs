//! The components that were made, as many as there is room for.

use std::hash::Hash;
use std::sync::Arc;

use foldhash::fast::RandomState;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, UnitWeighter};

use super::key::{Key, Sought};

type Components<C, O> = Cache<Key<O>, Arc<C>, UnitWeighter, RandomState, DefaultLifecycle<Key<O>, Arc<C>>>;

/// None at all where there is no room for any.
pub(super) struct Kept<C: ?Sized, O>(Option<Components<C, O>>);

/// What has left; dropping a component runs its own code, which belongs under no lock.
#[must_use = "it is dropped outside every lock"]
pub(super) struct Left<C: ?Sized, O>(#[expect(dead_code, reason = "held")] Vec<(Key<O>, Arc<C>)>);

impl<C: ?Sized, O: Clone + Eq + Hash> Kept<C, O> {
    pub(super) fn new(capacity: usize) -> Self {
        if capacity == 0 {
            return Self(None);
        }
        // In one piece: of several, one may be full while others have room, and push out what fits.
        let options = OptionsBuilder::new()
            .estimated_items_capacity(capacity)
            .weight_capacity(capacity as u64)
            .shards(1)
            .build()
            .unwrap_or_else(|_| unreachable!("both capacities are given"));
        let (weighter, hasher) = (UnitWeighter, RandomState::default());
        Self(Some(Cache::with_options(options, weighter, hasher, DefaultLifecycle::default())))
    }

    #[inline]
    pub(super) fn get(&self, name: &str, options: &O) -> Option<Arc<C>> {
        self.0.as_ref()?.get(&Sought { name, options })
    }

    pub(super) fn insert(&self, key: Key<O>, component: Arc<C>) -> Left<C, O> {
        let mut pushed_out = [None, None];
        if let Some(cache) = &self.0 {
            cache.insert_with_lifecycle(key, component, &mut pushed_out);
        }
        Left(pushed_out.into_iter().flatten().collect())
    }

    /// Takes out those of that name, or all.
    pub(super) fn remove(&self, name: Option<&str>) -> Left<C, O> {
        let Some(cache) = &self.0 else { return Left(Vec::new()) };
        let is_meant = |key: &Key<O>| name.is_none_or(|name| *key.name == *name);
        let meant: Vec<_> = cache.iter().filter(|(key, _)| is_meant(key)).collect();
        for (key, _) in &meant {
            cache.remove(key);
        }
        Left(meant)
    }

    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, Cache::len)
    }
}
