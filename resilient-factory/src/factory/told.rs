//! What a factory tells of itself: its health behind a lock, and its counts.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use resilient_runtime::__private::{Harmless, Here, Tally};
use serde::Serialize;

use super::error::FactoryError;
use super::health::{FactoryHealth, FactoryState, Health, Probe};
use super::rules::HealthRules;

/// The counts of a factory at one moment: a copy, with the keys that they are told under.
///
/// A build counts once for all who waited for it: whoever builds is a miss, whoever is given what was made for another is a
/// hit. So hits and misses are all who were answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FactoryStatistics {
    /// Requests that were answered without a build of their own.
    pub cache_hits: u64,
    /// Requests that took a build.
    pub cache_misses: u64,
    /// Components that were given out in place of what was asked for, by a [`Failover`](crate::Failover).
    pub fallbacks_used: u64,
    /// How often a try to recover has worked.
    pub recoveries: u64,
    /// The components that are kept now; the key is `cached_serializers`, whatever they are.
    #[serde(rename = "cached_serializers")]
    pub cached: usize,
    /// As [`FactoryHealth::state`].
    pub health_state: FactoryState,
    /// As [`FactoryHealth::error_count`].
    pub error_count: usize,
    /// As [`FactoryHealth::success_count`].
    pub success_count: u64,
}

pub(super) struct Told {
    id: Arc<str>,
    here: Here,
    remembered: Mutex<Remembered>,
    pub(super) hits: Tally,
    pub(super) misses: AtomicU64,
    pub(super) fallbacks: AtomicU64,
    recoveries: AtomicU64,
}

struct Remembered {
    health: Health,
    last_check: f64,
    last_error: Option<String>,
}

impl Told {
    pub(super) fn new(id: Arc<str>, here: Here, rules: HealthRules) -> Self {
        let last_check = here.unix_time();
        let remembered = Remembered { health: Health::new(rules), last_check, last_error: None };
        let (remembered, hits) = (Mutex::new(remembered), Tally::default());
        let [misses, fallbacks, recoveries] = [const { AtomicU64::new(0) }; 3];
        Self { id, here, remembered, hits, misses, fallbacks, recoveries }
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn health(&self) -> FactoryHealth {
        let now = self.here.now();
        let remembered = self.remembered();
        FactoryHealth {
            state: remembered.health.state(now),
            last_check: remembered.last_check,
            error_count: remembered.health.errors(now),
            success_count: remembered.health.successes(),
            last_error: remembered.last_error.clone(),
        }
    }

    pub(super) fn state(&self) -> FactoryState {
        let now = self.here.now();
        self.remembered().health.state(now)
    }

    pub(super) fn statistics(&self, cached: usize) -> FactoryStatistics {
        let health = self.health();
        FactoryStatistics {
            cache_hits: self.hits.sum(),
            cache_misses: self.misses.load(Ordering::Relaxed),
            fallbacks_used: self.fallbacks.load(Ordering::Relaxed),
            recoveries: self.recoveries.load(Ordering::Relaxed),
            cached,
            health_state: health.state,
            error_count: health.error_count,
            success_count: health.success_count,
        }
    }

    pub(super) fn succeeded(&self) {
        self.tell(None, Health::succeeded);
    }

    pub(super) fn erred(&self, said: &dyn Display) {
        self.tell(Some(&shortened(said)), Health::erred);
    }

    /// Changes the health, and says afterwards what that changed.
    fn tell(&self, error: Option<&str>, change: impl FnOnce(&mut Health, std::time::Duration)) {
        let (now, unix) = (self.here.now(), self.here.unix_time());
        let mut remembered = self.remembered();
        let before = remembered.health.state(now);
        change(&mut remembered.health, now);
        let after = remembered.health.state(now);
        remembered.last_check = unix;
        if let Some(error) = error {
            remembered.last_error = Some(error.to_owned());
        }
        drop(remembered);
        if before != after {
            self.log(before, after, error);
        }
    }

    fn log(&self, before: FactoryState, after: FactoryState, error: Option<&str>) {
        let (factory, before, after) = (&*self.id, before.as_str(), after.as_str());
        if let Some(error) = error {
            tracing::warn!(target: "resilient", factory, before, after, error, "factory '{factory}' is {after}");
        } else {
            tracing::info!(target: "resilient", factory, before, after, "factory '{factory}' is {after}");
        }
    }

    /// As [`probe`](Self::probe), unless somebody tries that already.
    pub(super) fn probe_alone(&self) -> Option<Probing<'_>> {
        self.remembered().health.probe_alone().then(|| Probing { told: self, has_ended: false })
    }

    /// Somebody tries to make it recover, until what is returned has ended.
    pub(super) fn probe(&self) -> Probing<'_> {
        self.remembered().health.probe();
        Probing { told: self, has_ended: false }
    }
}

/// A try to recover that is underway.
pub(super) struct Probing<'a> {
    told: &'a Told,
    has_ended: bool,
}

impl Probing<'_> {
    pub(super) fn ended<T>(mut self, made: &Result<T, FactoryError>) {
        match made {
            Ok(_) => {
                self.told.recoveries.fetch_add(1, Ordering::Relaxed);
                self.end(Probe::Worked, None);
            }
            Err(FactoryError::Failed { source, .. }) => {
                self.end(Probe::Failed, Some(&shortened(&format_args!("Recovery failed: {source}"))));
            }
            Err(_) => {}
        }
    }

    fn end(&mut self, probe: Probe, error: Option<&str>) {
        self.has_ended = true;
        self.told.tell(error, |health, now| health.probed(now, probe));
    }
}

impl Drop for Probing<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.end(Probe::Abandoned, None);
        }
    }
}

/// The beginning of what an error says, in one line.
fn shortened(said: &dyn Display) -> String {
    const LONGEST: usize = 512;
    Harmless(said).to_string().chars().take(LONGEST).collect()
}
