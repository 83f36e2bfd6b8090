//! What a factory knows: constructors by name, and the builds that are underway.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::constructor::Constructor;
use super::flight::{Flight, Outcome};
use super::kept::{Kept, Left};
use super::key::Key;

/// The longest name of a constructor, in characters.
pub(super) const LONGEST_NAME: usize = 128;

/// A constructor that was registered.
pub(super) struct Entry<C: ?Sized, X, O> {
    pub(super) constructor: Constructor<C, X, O>,
    /// Registered after the factory was made.
    pub(super) is_plugin: bool,
}

/// Names and builds behind one lock, together with what may enter the cache: so that nothing an old constructor made is
/// kept after another took its place.
pub(super) struct Table<C: ?Sized, X, O> {
    known: Mutex<Known<C, X, O>>,
    pub(super) kept: Kept<C, O>,
}

struct Known<C: ?Sized, X, O> {
    names: BTreeMap<Arc<str>, Entry<C, X, O>>,
    underway: HashMap<Key<O>, Underway<C, X, O>>,
}

struct Underway<C: ?Sized, X, O> {
    flight: Arc<Flight<C, X, O>>,
    askers: usize,
}

/// A constructor, and its name as the table has it.
pub(super) type Named<C, X, O> = (Arc<str>, Constructor<C, X, O>);

/// Where what was asked for comes from.
pub(super) enum Found<C: ?Sized, X, O> {
    Kept(Arc<C>),
    /// To be left with [`Table::leave`].
    Underway(Arc<Flight<C, X, O>>),
}

impl<C: ?Sized, X, O: Eq + Hash> Known<C, X, O> {
    /// The flight's own place, unless it was abandoned.
    fn underway(&mut self, flight: &Flight<C, X, O>) -> Option<&mut Underway<C, X, O>> {
        let underway = self.underway.get_mut(&flight.key)?;
        std::ptr::eq(&raw const *underway.flight, flight).then_some(underway)
    }

    fn end(&mut self, flight: &Flight<C, X, O>) -> Option<(Key<O>, Underway<C, X, O>)> {
        self.underway(flight)?;
        self.underway.remove_entry(&flight.key)
    }
}

impl<C: ?Sized, X, O: Clone + Eq + Hash> Table<C, X, O> {
    pub(super) fn new(names: BTreeMap<Arc<str>, Entry<C, X, O>>, capacity: usize) -> Self {
        Self { known: Mutex::new(Known { names, underway: HashMap::new() }), kept: Kept::new(capacity) }
    }

    fn known(&self) -> MutexGuard<'_, Known<C, X, O>> {
        // Comparing a user's options may panic, and leaves everything as it was.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers constructors, unless one of the names is taken: that is returned, and none is registered.
    pub(super) fn register(&self, entries: Vec<(Arc<str>, Entry<C, X, O>)>) -> Result<(), Arc<str>> {
        let mut wanted: Vec<&Arc<str>> = entries.iter().map(|(name, _)| name).collect();
        wanted.sort_unstable();
        let twice = wanted.windows(2).find(|two| two[0] == two[1]).map(|two| Arc::clone(two[0]));
        let mut known = self.known();
        let taken = wanted.into_iter().find(|name| known.names.contains_key(&***name)).map(Arc::clone);
        if let Some(name) = twice.or(taken) {
            drop(known);
            return Err(name);
        }
        known.names.extend(entries);
        Ok(())
    }

    /// Registers a constructor whatever was there; with what that made.
    pub(super) fn replace(
        &self,
        name: &Arc<str>,
        entry: Entry<C, X, O>,
    ) -> (Option<Entry<C, X, O>>, impl Sized + use<C, X, O>) {
        let mut known = self.known();
        let replaced = known.names.insert(Arc::clone(name), entry);
        let abandoned = Self::abandon(&mut known, Some(name));
        let left = self.kept.remove(Some(name));
        drop(known);
        (replaced, (abandoned, left))
    }

    /// Forgets everything that was made, and what is being made.
    pub(super) fn clear(&self) {
        let mut known = self.known();
        let abandoned = Self::abandon(&mut known, None);
        let left = self.kept.remove(None);
        drop(known);
        drop((abandoned, left));
    }

    /// Those who wait get what they wait for; nobody else does.
    fn abandon(known: &mut Known<C, X, O>, name: Option<&str>) -> Vec<(Key<O>, Underway<C, X, O>)> {
        known.underway.extract_if(|key, _| name.is_none_or(|name| *key.name == *name)).collect()
    }

    pub(super) fn constructor(&self, name: &str) -> Option<Named<C, X, O>> {
        let known = self.known();
        let (name, entry) = known.names.get_key_value(name)?;
        Some((Arc::clone(name), entry.constructor.clone()))
    }

    /// The component, or its build: the one that is underway, else a new one. `None` where no constructor has the name.
    pub(super) fn find(&self, name: &str, options: &O) -> Option<Found<C, X, O>> {
        let name = self.constructor(name)?.0;
        // Copying options is the user's code.
        let [key, its_own] = [(); 2].map(|()| Key { name: Arc::clone(&name), options: options.clone() });
        let mut known = self.known();
        if let Some(component) = self.kept.get(&name, options) {
            return Some(Found::Kept(component));
        }
        if let Some(underway) = known.underway.get_mut(&key) {
            underway.askers += 1;
            return Some(Found::Underway(Arc::clone(&underway.flight)));
        }
        let constructor = known.names.get(&name)?.constructor.clone();
        let flight = Arc::new(Flight::new(its_own, constructor));
        known.underway.insert(key, Underway { flight: Arc::clone(&flight), askers: 1 });
        Some(Found::Underway(flight))
    }

    /// A build has ended: its component is kept, unless it was abandoned.
    pub(super) fn land(&self, flight: &Flight<C, X, O>, outcome: Outcome<C>) -> Outcome<C> {
        let outcome = flight.land(outcome);
        let mut left: Option<Left<C, O>> = None;
        let mut known = self.known();
        let ended = known.end(flight);
        let ended = ended.map(|(key, ended)| {
            if let Ok(component) = &outcome {
                left = Some(self.kept.insert(key, Arc::clone(component)));
            }
            ended
        });
        drop(known);
        flight.tell();
        drop((ended, left));
        outcome
    }

    /// Whoever asked for it has its answer, or wants none any more: what nobody waits for is forgotten.
    pub(super) fn leave(&self, flight: &Flight<C, X, O>) {
        let mut known = self.known();
        let mut ended = None;
        if let Some(underway) = known.underway(flight) {
            underway.askers -= 1;
            if underway.askers == 0 {
                ended = known.end(flight);
            }
        }
        drop(known);
        drop(ended);
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.known().names.keys().map(ToString::to_string).collect()
    }

    /// Whether it is a plugin's; `None` where no constructor has the name.
    pub(super) fn is_plugin(&self, name: &str) -> Option<bool> {
        self.known().names.get(name).map(|entry| entry.is_plugin)
    }
}
