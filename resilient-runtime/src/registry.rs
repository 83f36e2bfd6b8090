//! The named breakers of one runtime. State belongs to the name: whoever names it, shares it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

use crate::breaker::{Breaker, BreakerConfig};
use crate::context::Context;

/// Who asked for a breaker first: `src/db.rs:12`.
pub(crate) type Origin = String;

#[derive(Debug, Default)]
pub(crate) struct Registry {
    entries: Mutex<BTreeMap<&'static str, Entry>>,
}

#[derive(Debug)]
struct Entry {
    breaker: Arc<Breaker>,
    /// As asked for by `origin`. A breaker that was forgotten keeps its memory, so that a name asked for again and
    /// again after resets costs none.
    asked: Option<(BreakerConfig, Origin)>,
}

/// A name was asked for with settings other than those it has.
#[derive(Debug)]
pub(crate) struct Disagreement {
    pub(crate) breaker: &'static str,
    pub(crate) first: (BreakerConfig, Origin),
    pub(crate) second: (BreakerConfig, Origin),
}

impl Registry {
    /// The breaker of that name; made with `config` if there is none, and left as it is if there is.
    pub(crate) fn get_or_make(
        &self,
        name: &'static str,
        config: BreakerConfig,
        origin: Origin,
        context: &Arc<Context>,
    ) -> (Arc<Breaker>, Option<Disagreement>) {
        let mut entries = self.lock();
        let mut is_new = false;
        let entry = entries.entry(name).or_insert_with(|| {
            is_new = true;
            let breaker = Arc::new(Breaker::new(name, config.clone(), Arc::clone(context)));
            Entry { breaker, asked: None }
        });
        let breaker = Arc::clone(&entry.breaker);
        match &mut entry.asked {
            Some((first, _)) if first.agrees_with(&config) => {
                drop(entries);
                breaker.allow_probes(config.lease());
                (breaker, None)
            }
            // The same function under another configuration: its numbers change, its state stays.
            Some((first, asked_by)) if *asked_by == origin => {
                *first = config.clone();
                drop(entries);
                breaker.reconfigure(config);
                (breaker, None)
            }
            Some(first) => {
                let disagreement =
                    Disagreement { breaker: name, first: first.clone(), second: (config, origin) };
                (breaker, Some(disagreement))
            }
            None => {
                entry.asked = Some((config.clone(), origin));
                drop(entries);
                // Forgotten before: what calls that were under way then did to it since is forgotten too.
                if !is_new {
                    breaker.reset(Some(config));
                }
                (breaker, None)
            }
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Breaker>> {
        let entries = self.lock();
        entries.get(name).filter(|entry| entry.asked.is_some()).map(|entry| Arc::clone(&entry.breaker))
    }

    /// In the order of their names.
    pub(crate) fn all(&self) -> Vec<Arc<Breaker>> {
        let entries = self.lock();
        entries
            .values()
            .filter(|entry| entry.asked.is_some())
            .map(|entry| Arc::clone(&entry.breaker))
            .collect()
    }

    /// Forgets every breaker: none is listed, each begins again when it is asked for, and results of calls under
    /// way are stale.
    pub(crate) fn reset(&self) {
        let breakers: Vec<_> = {
            let mut entries = self.lock();
            entries
                .values_mut()
                .map(|entry| {
                    entry.asked = None;
                    Arc::clone(&entry.breaker)
                })
                .collect()
        };
        // Resets tell listeners: not under the registry's lock.
        for breaker in breakers {
            breaker.reset(None);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The three look-ups by name fail alike: with what was asked for, and what there is.
macro_rules! unknown {
    ($($(#[$doc:meta])* $error:ident = $what:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Error)]
        #[error("no {} is named '{}'; {}", $what, .name, names(.known, *.nearest))]
        #[non_exhaustive]
        pub struct $error {
            /// The name that was asked for.
            pub name: String,
            /// The names there are.
            pub known: Vec<&'static str>,
            /// The one most like it.
            pub nearest: Option<&'static str>,
        }

        impl $error {
            pub(crate) fn new(name: &str, mut known: Vec<&'static str>) -> Self {
                known.sort_unstable();
                known.dedup();
                let nearest = nearest(name, &known);
                Self { name: crate::error::printable(name), known, nearest }
            }
        }
    )+};
}

unknown! {
    /// No breaker has that name.
    UnknownBreaker = "circuit breaker";
    /// No annotated function has that name.
    UnknownOperation = "operation";
    /// No annotated function tracks a service of that name.
    UnknownService = "service";
}

fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let alike = |known: &str| strsim::jaro_winkler(name, known);
    let best = known.iter().copied().max_by(|a, b| alike(a).total_cmp(&alike(b)));
    best.filter(|known| alike(known) > 0.8)
}

fn names(known: &[&'static str], nearest: Option<&'static str>) -> String {
    /// More than this would bury the message.
    const SHOWN: usize = 20;
    let suggestion = nearest.map_or_else(String::new, |nearest| format!("did you mean '{nearest}'? "));
    match known.len() {
        0 => "there are none yet".to_owned(),
        count if count > SHOWN => {
            format!("{suggestion}there are {count}, among them {}", known[..SHOWN].join(", "))
        }
        _ => format!("{suggestion}there are {}", known.join(", ")),
    }
}
