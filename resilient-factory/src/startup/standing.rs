//! What is held, who is being started, and what came of those that were asked for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex as Turn;

use super::error::StartError;
use super::summary::InitResult;

/// Changed under its lock. What is taken out of it is returned, so that no instance and no error of the user's is dropped in
/// there.
pub(super) struct Standing<C: ?Sized, O> {
    live: BTreeMap<Arc<str>, Arc<C>>,
    flights: HashMap<Arc<str>, Arc<Flight<O>>>,
    /// Who should be active, as far as is known.
    wanted: BTreeSet<Arc<str>>,
    run: u64,
    /// In the order they were asked for.
    requested: Vec<Arc<str>>,
    results: Results,
}

pub(super) type Results = HashMap<Arc<str>, InitResult>;

impl<C: ?Sized, O> Default for Standing<C, O> {
    fn default() -> Self {
        Self {
            live: BTreeMap::new(),
            flights: HashMap::new(),
            wanted: BTreeSet::new(),
            run: 0,
            requested: Vec::new(),
            results: HashMap::new(),
        }
    }
}

impl<C: ?Sized, O> Standing<C, O> {
    /// Begins a run about `names`; what came of the one before is returned, and forgotten.
    pub(super) fn begin(&mut self, names: &[Arc<str>]) -> (u64, Results) {
        self.run += 1;
        self.requested = names.to_vec();
        self.wanted.extend(names.iter().cloned());
        (self.run, std::mem::take(&mut self.results))
    }

    /// Asks for one more, in the run that was begun last; what came of it before is returned, and forgotten.
    pub(super) fn join(&mut self, name: &Arc<str>) -> (u64, Option<InitResult>) {
        if !self.requested.contains(name) {
            self.requested.push(Arc::clone(name));
        }
        self.wanted.insert(Arc::clone(name));
        (self.run, self.results.remove(name))
    }

    /// What came of one that `run` asked for; of an earlier run nobody asks any more. Returns what it is in the place of, or
    /// the result itself.
    pub(super) fn record(&mut self, run: u64, result: InitResult) -> Option<InitResult> {
        if run != self.run {
            return Some(result);
        }
        self.results.insert(Arc::clone(&result.name), result)
    }

    /// How many are asked for in the last run, and what came of them.
    pub(super) fn results(&self) -> (usize, Vec<InitResult>) {
        let ended = self.requested.iter().filter_map(|name| self.results.get(name).cloned());
        (self.requested.len(), ended.collect())
    }

    /// Holds `instance`; returns the one it takes the place of.
    pub(super) fn install(&mut self, name: &Arc<str>, instance: Arc<C>) -> Option<Arc<C>> {
        self.live.insert(Arc::clone(name), instance)
    }

    /// Takes `made` out again, with `before` in its place; returns what is not held any longer, if `made` was held at all.
    pub(super) fn uninstall(&mut self, name: &Arc<str>, made: &Arc<C>, before: Option<Arc<C>>) -> bool {
        if !self.live.get(name).is_some_and(|held| is_same(held, made)) {
            return false;
        }
        // `made` is another's, too: this is not the end of it.
        match before {
            Some(before) => drop(self.live.insert(Arc::clone(name), before)),
            None => drop(self.live.remove(name)),
        }
        true
    }

    /// The held name that is meant: exactly, else the only one that differs by case.
    pub(super) fn meant(&self, name: &str) -> Option<&Arc<str>> {
        self.live.get_key_value(name).map(|(held, _)| held).or_else(|| meant(name, self.live.keys()))
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<C>> {
        self.live.get(self.meant(name)?).cloned()
    }

    pub(super) fn all(&self) -> BTreeMap<Arc<str>, Arc<C>> {
        self.live.clone()
    }

    pub(super) fn wanted(&self) -> BTreeMap<Arc<str>, Option<Arc<C>>> {
        let held = |name: &Arc<str>| (Arc::clone(name), self.live.get(name).cloned());
        self.wanted.iter().map(held).collect()
    }

    /// Those that `leaves` says yes to are neither held nor wanted any longer.
    pub(super) fn take(&mut self, leaves: impl Fn(&str) -> bool) -> Vec<(Arc<str>, Arc<C>)> {
        self.wanted.retain(|name| !leaves(name));
        let (left, stay) = std::mem::take(&mut self.live).into_iter().partition(|(name, _)| leaves(name));
        self.live = stay;
        let left: BTreeMap<_, _> = left;
        left.into_iter().collect()
    }

    pub(super) fn flight(&mut self, name: &Arc<str>) -> Arc<Flight<O>> {
        Arc::clone(self.flights.entry(Arc::clone(name)).or_default())
    }
}

/// Whether both are one instance.
pub(super) fn is_same<C: ?Sized>(one: &Arc<C>, other: &Arc<C>) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other))
}

/// The only one of `names` that differs from `name` by nothing but case.
pub(super) fn meant<N: AsRef<str>>(name: &str, names: impl IntoIterator<Item = N>) -> Option<N> {
    let name = name.to_lowercase();
    let mut same = names.into_iter().filter(|known| known.as_ref().to_lowercase() == name);
    let meant = same.next()?;
    same.next().is_none().then_some(meant)
}

/// The way of one component into existence: one at a time, and who waits shares what comes of it.
pub(super) struct Flight<O> {
    ended: AtomicU64,
    pub(super) turn: Turn<Landing<O>>,
}

/// What came of the last flight.
pub(super) struct Landing<O> {
    number: u64,
    options: Option<O>,
    attempts: u32,
    error: Option<StartError>,
}

impl<O> Default for Flight<O> {
    fn default() -> Self {
        let none = Landing { number: 0, options: None, attempts: 0, error: None };
        Self { ended: AtomicU64::new(0), turn: Turn::new(none) }
    }
}

impl<O: PartialEq> Flight<O> {
    /// The last one that has landed.
    pub(super) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Acquire)
    }

    pub(super) fn land(
        &self,
        landing: &mut Landing<O>,
        options: O,
        attempts: u32,
        error: Option<StartError>,
    ) {
        *landing = Landing { number: landing.number + 1, options: Some(options), attempts, error };
        self.ended.store(landing.number, Ordering::Release);
    }
}

impl<O: PartialEq> Landing<O> {
    /// The attempts and the error of a flight with the same options that landed after flight `seen`.
    pub(super) fn shared(&self, seen: u64, options: &O) -> Option<(u32, Option<StartError>)> {
        let shared = self.number > seen && self.options.as_ref() == Some(options);
        shared.then(|| (self.attempts, self.error.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_differs_by_case_alone_is_meant_unless_there_are_two() {
        assert_eq!(meant("Mexc", ["MEXC", "GATEIO"]), Some("MEXC"));
        assert_eq!(meant("Mexc", ["MEXC", "mexc"]), None);
        assert_eq!(meant("MEX", ["MEXC"]), None);
        assert_eq!(meant("ÄRA", ["ära"]), Some("ära"));
    }

    #[test]
    fn a_landing_is_shared_with_those_who_asked_before_it_with_the_same_options() {
        let flight = Flight::<u8>::default();
        let before = flight.ended();
        let mut landing = flight.turn.try_lock().unwrap();
        assert!(landing.shared(before, &1).is_none());
        flight.land(&mut landing, 1, 3, None);
        assert_eq!(landing.shared(before, &1).map(|(attempts, _)| attempts), Some(3));
        assert!(landing.shared(before, &2).is_none(), "other options");
        assert!(landing.shared(flight.ended(), &1).is_none(), "asked afterwards");
    }
}
