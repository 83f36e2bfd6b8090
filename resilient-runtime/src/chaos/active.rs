//! What is injected now, in one runtime.

use std::sync::Arc;

use super::settings::{Hit, Rates};
use super::variables::Variables;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard, Whole};
use crate::unusual::Unusual;

/// Every operation.
pub(super) const ALL: &str = "*";

/// What is injected now. Later injections come before earlier ones, those of one operation before those of all, and
/// code before variables.
#[derive(Debug, Default)]
pub(crate) struct Active {
    /// Whether there is any: all that an attempt reads otherwise.
    on: AtomicBool,
    next: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// There is any.
    unusual: Option<Unusual>,
    injections: Vec<Entry>,
    variables: Variables,
    /// Somebody called `stop` since the variables were adopted.
    variables_stopped: bool,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    operation: &'static str,
    rates: Rates,
    hits: Arc<AtomicU64>,
}

impl Active {
    /// Whether anything is injected into any operation.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// The faults of the next attempt of `operation`; `can_fail` where it can be told that one was injected.
    #[inline]
    pub(crate) fn draw(&self, operation: &str, can_fail: bool, luck: impl FnMut() -> f64) -> Option<Hit> {
        if self.is_on() { self.draw_now(operation, can_fail, luck) } else { None }
    }

    #[cold]
    fn draw_now(&self, operation: &str, can_fail: bool, luck: impl FnMut() -> f64) -> Option<Hit> {
        let (rates, hits) = {
            let state = self.lock();
            let last = |name: &str| state.injections.iter().rfind(|entry| entry.operation == name);
            match last(operation).or_else(|| last(ALL)) {
                Some(entry) => (entry.rates, Some(Arc::clone(&entry.hits))),
                None if state.variables_run() => (state.variables.of(operation).rates(), None),
                None => return None,
            }
        };
        let hit = rates.draw(can_fail, luck)?;
        if let Some(hits) = hits {
            hits.fetch_add(1, Ordering::Relaxed);
        }
        Some(hit)
    }

    pub(super) fn start(&self, operation: &'static str, rates: Rates) -> (u64, Arc<AtomicU64>) {
        let (id, hits) = (self.next.fetch_add(1, Ordering::Relaxed), Arc::default());
        let mut state = self.lock();
        state.injections.push(Entry { id, operation, rates, hits: Arc::clone(&hits) });
        self.switch(&mut state);
        (id, hits)
    }

    pub(super) fn end(&self, id: u64) {
        let mut state = self.lock();
        state.injections.retain(|entry| entry.id != id);
        self.switch(&mut state);
    }

    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.injections.clear();
        state.variables_stopped = true;
        self.switch(&mut state);
    }

    /// Forgets also what was stopped.
    pub(crate) fn reset(&self) {
        let mut state = self.lock();
        *state = State::default();
        self.switch(&mut state);
    }

    /// The variables were read again. True when they begin something.
    pub(super) fn adopt(&self, variables: &Variables) -> bool {
        let mut state = self.lock();
        if state.variables == *variables {
            return false;
        }
        state.variables = variables.clone();
        state.variables_stopped = false;
        self.switch(&mut state);
        variables.is_on()
    }

    fn switch(&self, state: &mut State) {
        let any = !state.injections.is_empty() || state.variables_run();
        let on = any && state.variables.forbidden_by().is_none();
        self.on.store(on, Ordering::Relaxed);
        state.unusual = on.then(Unusual::begins);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().whole()
    }
}

impl State {
    fn variables_run(&self) -> bool {
        self.variables.is_on() && !self.variables_stopped
    }
}
