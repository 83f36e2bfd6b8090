//! Who waits for whom: a constructor that asks a factory for what waits for it would wait for ever.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One build, of any factory of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Build(u64);

impl Build {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

thread_local! {
    /// The build whose constructor runs on this thread.
    static INSIDE: Cell<Option<Build>> = const { Cell::new(None) };
}

/// A constructor runs on this thread until it is dropped.
pub(super) struct Inside(Option<Build>);

impl Inside {
    pub(super) fn enter(build: Build) -> Self {
        Self(INSIDE.replace(Some(build)))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(self.0);
    }
}

/// What each build's constructor waits for. Only those that ask a factory are here.
static WAITS: Mutex<Option<HashMap<Build, Vec<Build>>>> = Mutex::new(None);

fn waits() -> MutexGuard<'static, Option<HashMap<Build, Vec<Build>>>> {
    WAITS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A constructor waits for a build until this is dropped.
pub(super) struct Wait(Option<(Build, Build)>);

/// The code that runs will wait for `build`; `None` where that waits for it in turn.
pub(super) fn wait_for(build: Build) -> Option<Wait> {
    let Some(inside) = INSIDE.get() else { return Some(Wait(None)) };
    let mut waits = waits();
    let graph = waits.get_or_insert_default();
    if reaches(graph, build, inside) {
        return None;
    }
    graph.entry(inside).or_default().push(build);
    Some(Wait(Some((inside, build))))
}

fn reaches(graph: &HashMap<Build, Vec<Build>>, from: Build, to: Build) -> bool {
    let mut seen = Vec::new();
    let mut next = vec![from];
    while let Some(build) = next.pop() {
        if build == to {
            return true;
        }
        if !seen.contains(&build) {
            seen.push(build);
            next.extend(graph.get(&build).into_iter().flatten());
        }
    }
    false
}

impl Drop for Wait {
    fn drop(&mut self) {
        let Some((inside, build)) = self.0 else { return };
        let mut waits = waits();
        let Some(graph) = &mut *waits else { return };
        if let Some(awaited) = graph.get_mut(&inside) {
            if let Some(at) = awaited.iter().position(|known| *known == build) {
                awaited.swap_remove(at);
            }
            if awaited.is_empty() {
                graph.remove(&inside);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_whom_is_known_for_as_long_as_it_waits() {
        let [a, b, c] = [Build::new(), Build::new(), Build::new()];
        let asks = |by: Build, of: Build| {
            let _inside = Inside::enter(by);
            wait_for(of)
        };
        assert!(asks(a, a).is_none());
        let first = asks(a, b).unwrap();
        let again = asks(a, b).unwrap();
        let second = asks(b, c).unwrap();
        assert!(asks(c, a).is_none());
        drop(first);
        assert!(asks(c, a).is_none(), "it waits by another way");
        drop(again);
        assert!(asks(c, a).is_some());
        drop(second);
        assert!(wait_for(a).is_some(), "nobody asks");
        let left = waits();
        assert!([a, b, c].iter().all(|build| !left.as_ref().unwrap().contains_key(build)));
    }
}
