//! A map from names to anything, walked in the order of the names.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;

/// Nothing is ever taken out. The tree holds places and not the values, so that every map of names is the same tree to
/// the compiler: one for each kind of value would be a quarter of the code that a build has to optimise.
#[derive(Clone, PartialEq)]
pub(crate) struct ByName<K, V> {
    places: BTreeMap<K, usize>,
    values: Vec<V>,
}

impl<K: Ord + Borrow<str>, V> ByName<K, V> {
    pub(crate) fn get(&self, name: &str) -> Option<&V> {
        self.places.get(name).map(|at| &self.values[*at])
    }

    /// The value of that name, made if there is none.
    pub(crate) fn get_or_make(&mut self, name: K, make: impl FnOnce() -> V) -> &mut V {
        let at = match self.places.get(name.borrow()) {
            Some(at) => *at,
            None => self.add(name, make()),
        };
        &mut self.values[at]
    }

    pub(crate) fn insert(&mut self, name: K, value: V) {
        match self.places.get(name.borrow()) {
            Some(at) => self.values[*at] = value,
            None => {
                self.add(name, value);
            }
        }
    }

    fn add(&mut self, name: K, value: V) -> usize {
        let at = self.values.len();
        self.places.insert(name, at);
        self.values.push(value);
        at
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.places.iter().map(|(name, at)| (name, &self.values[*at]))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &K> {
        self.places.keys()
    }

    /// In any order.
    pub(crate) fn values(&self) -> &[V] {
        &self.values
    }

    /// In any order.
    pub(crate) fn values_mut(&mut self) -> &mut [V] {
        &mut self.values
    }
}

impl<K, V> Default for ByName<K, V> {
    fn default() -> Self {
        Self { places: BTreeMap::new(), values: Vec::new() }
    }
}

impl<K: Ord + Borrow<str> + fmt::Debug, V: fmt::Debug> fmt::Debug for ByName<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_in_their_order_and_keep_their_values() {
        let mut map = ByName::default();
        for (name, value) in [("b", 1), ("c", 2), ("a", 3), ("b", 4)] {
            map.insert(name, value);
        }
        assert_eq!(*map.get_or_make("c", || unreachable!()), 2);
        *map.get_or_make("aa", || 5) += 1;
        assert_eq!((map.get("b"), map.get("d")), (Some(&4), None));
        assert_eq!(map.names().collect::<Vec<_>>(), [&"a", &"aa", &"b", &"c"]);
        assert_eq!(format!("{map:?}"), r#"{"a": 3, "aa": 6, "b": 4, "c": 2}"#);
    }

    #[test]
    fn a_value_whose_making_panics_leaves_no_name_behind() {
        let mut map = ByName::<&str, u32>::default();
        let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            map.get_or_make("a", || panic!("no value"));
        }));
        assert!(made.is_err() && map.get("a").is_none());
        assert_eq!(*map.get_or_make("a", || 1), 1);
    }
}
