//! What a component is kept by, and how it is looked up without making one.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use quick_cache::Equivalent;

/// A name, and what the component is like.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key<O> {
    pub(super) name: Arc<str>,
    pub(super) options: O,
}

/// The same, borrowed from whoever asks.
pub(super) struct Sought<'a, O> {
    pub(super) name: &'a str,
    pub(super) options: &'a O,
}

impl<O: Hash> Hash for Sought<'_, O> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.options.hash(state);
    }
}

impl<O: Hash> Hash for Key<O> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Sought { name: &self.name, options: &self.options }.hash(state);
    }
}

impl<O: Eq> Equivalent<Key<O>> for Sought<'_, O> {
    fn equivalent(&self, key: &Key<O>) -> bool {
        *self.name == *key.name && *self.options == key.options
    }
}
