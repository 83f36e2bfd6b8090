//! What the pages know of one runtime: whatever it told since they were made.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use foldhash::fast::RandomState;
use resilient_runtime::__private::Here;
use resilient_runtime::{Event, EventKind, Subscription, subscribe};

use crate::events::{self, KINDS};
use crate::figures::{Ended, Figures};
use crate::ring::{Entry, Ring};

/// Names of which figures are kept; the others' are those of one.
const MOST_NAMES: usize = 1024;

/// What listens, and what it has heard.
pub(crate) struct Watched {
    heard: Arc<Heard>,
    _subscription: Subscription,
}

/// What was heard.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) here: Here,
    pub(crate) ring: Ring,
    pub(crate) began: Duration,
    pub(crate) began_at: f64,
    by_name: RwLock<HashMap<&'static str, Arc<Named>, RandomState>>,
    others: Arc<Named>,
}

/// Of one name: an operation's, or a breaker's that is used by hand.
#[derive(Debug, Default)]
pub(crate) struct Named(Mutex<Of>);

#[derive(Debug, Default)]
pub(crate) struct Of {
    /// Once it was called.
    pub(crate) figures: Option<Box<Figures>>,
    pub(crate) last: Option<String>,
    pub(crate) last_at: f64,
    told: [Told; KINDS],
}

/// How much of one kind was shown in a second, and how much was not since.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    second: u64,
    shown: u32,
    more: u32,
}

impl Told {
    /// How many it stands for, if it is shown.
    fn another(&mut self, second: u64, allowance: u32) -> Option<u32> {
        if self.second != second {
            (self.second, self.shown) = (second, 0);
        }
        if self.shown >= allowance {
            self.more = self.more.saturating_add(1);
            return None;
        }
        self.shown += 1;
        Some(std::mem::take(&mut self.more).saturating_add(1))
    }
}

impl Watched {
    /// Listens to the runtime that is current.
    pub(crate) fn begin(capacity: usize) -> Self {
        let here = Here::current();
        let began_at = here.unix_time();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds since 1970")]
        let first = (began_at.max(0.0) * 1e3) as u64;
        let heard = Arc::new(Heard {
            began: here.now(),
            began_at,
            here,
            // By time: greater than those of the program that ran here before.
            ring: Ring::new(capacity, first.max(1)),
            by_name: RwLock::default(),
            others: Arc::default(),
        });
        let listener = Arc::clone(&heard);
        Self { heard, _subscription: subscribe(move |event| listener.hear(event)) }
    }

    pub(crate) fn heard(&self) -> &Arc<Heard> {
        &self.heard
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}

impl Heard {
    /// Runs on the thread of the guarded call.
    fn hear(&self, event: &Event) {
        let name = match &event.kind {
            // How many attempts there were is told once more at the end.
            EventKind::AttemptSucceeded { .. } => return,
            // A transition is the breaker's, whoever's call brought it about.
            EventKind::Transition { breaker, .. } | EventKind::ThresholdExceeded { breaker, .. } => breaker,
            EventKind::ServiceHealthChanged { service, .. } => service,
            _ => event.operation,
        };
        if let Some(make) = self.with(name, |of| self.count(of, name, &event.kind)) {
            self.ring.push(make);
        }
    }

    /// What is to be shown of it, if it is.
    fn count<'e>(
        &self,
        of: &mut Of,
        name: &'static str,
        kind: &'e EventKind,
    ) -> Option<impl FnOnce(u64) -> Entry + use<'e>> {
        let now = self.here.lately();
        of.count(kind, now);
        let shown = events::shown(kind)?;
        let times = of.told[shown].another(now.as_secs(), events::allowance(shown))?;
        let (at, text) = (self.here.unix_time(), events::text(kind));
        (of.last, of.last_at) = (Some(text.clone()), at);
        let (kind_of, change) = (events::name_of(shown), events::change(kind));
        Some(move |id| Entry { id, at, operation: name, kind: kind_of, text, times, change })
    }

    fn with<T>(&self, name: &'static str, look: impl FnOnce(&mut Of) -> T) -> T {
        let known = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(named) = known.get(name) {
            return look(&mut named.lock());
        }
        drop(known);
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        let named = if by_name.len() >= MOST_NAMES && !by_name.contains_key(name) {
            Arc::clone(&self.others)
        } else {
            Arc::clone(by_name.entry(name).or_default())
        };
        drop(by_name);
        look(&mut named.lock())
    }

    /// Every name that was heard, in no order, with what was heard of it.
    pub(crate) fn names(&self) -> Vec<(&'static str, Arc<Named>)> {
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        by_name.iter().map(|(name, of)| (*name, Arc::clone(of))).collect()
    }

    /// Of all names for which there was no room.
    pub(crate) fn others(&self) -> &Named {
        &self.others
    }
}

impl Named {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Of> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Of {
    fn count(&mut self, kind: &EventKind, now: Duration) {
        let figures = match kind {
            EventKind::AttemptFailed { .. } | EventKind::Finished { .. } => {
                self.figures.get_or_insert_default()
            }
            // A breaker by hand tells of refusals, too, and is no operation.
            _ => match &mut self.figures {
                Some(figures) => figures,
                None => return,
            },
        };
        match kind {
            EventKind::AttemptTimedOut { .. } => figures.totals.timeouts += 1,
            EventKind::RetryScheduled { .. } => figures.totals.retries += 1,
            EventKind::HedgeStarted { .. } => figures.totals.hedges += 1,
            EventKind::FallbackUsed => figures.totals.fallbacks += 1,
            EventKind::Finished { attempts, reason, ignored, took, .. } => {
                figures.totals.attempts += u64::from(*attempts);
                figures.call(now, Ended::of(*reason, *ignored), *took);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use resilient_runtime::testing::Scope;
    use resilient_runtime::{ResilienceConfig, ResilienceError};

    use super::*;

    fn figures(heard: &Heard, name: &str) -> Figures {
        let (_, of) = heard.names().into_iter().find(|(known, _)| *known == name).unwrap();
        let figures = of.lock().figures.clone();
        *figures.unwrap()
    }

    #[test]
    fn calls_are_counted_by_their_end_and_a_storm_is_told_once_a_second() {
        let scope = Scope::new();
        let _inside = scope.enter();
        let watched = Watched::begin(100);
        let heard = watched.heard();
        let operation =
            ResilienceConfig::new("storm").enable_retry(false).failure_threshold(3).build().unwrap();
        let call = |well: bool| {
            let down = || ResilienceError::Isolated { name: "elsewhere" };
            operation.call(|| if well { Ok(()) } else { Err(down()) })
        };
        call(true).unwrap();
        for _ in 0..100 {
            call(false).unwrap_err();
        }
        let totals = figures(heard, "storm").totals;
        assert_eq!((totals.calls, totals.succeeded, totals.failed, totals.refused), (101, 1, 3, 97));
        assert_eq!(totals.attempts, 4);
        let kinds = |since| -> Vec<(&str, u32)> {
            let entries = heard.ring.after(since, 1000).entries;
            entries.iter().map(|entry| (entry.kind, entry.times)).collect()
        };
        assert_eq!(kinds(0), [("attempt_failed", 1), ("transition", 1), ("refused", 1)]);
        let last = heard.ring.after(0, 1000).last;
        scope.clock().advance(Duration::from_secs(2));
        call(false).unwrap_err();
        assert_eq!(kinds(last), [("refused", 97)]);
    }

    #[test]
    fn what_an_operation_did_beside_its_calls_is_counted_each_by_itself() {
        let mut of = Of { figures: Some(Box::default()), ..Of::default() };
        let kinds = [
            EventKind::AttemptTimedOut { attempt: 1, limit: Duration::from_secs(1) },
            EventKind::RetryScheduled { attempt: 1, delay: Duration::from_secs(1) },
            EventKind::HedgeStarted { attempt: 2, after: Duration::from_secs(1) },
            EventKind::FallbackUsed,
        ];
        for (times, kind) in (1..).zip(&kinds) {
            for _ in 0..times {
                of.count(kind, Duration::ZERO);
            }
        }
        let totals = of.figures.unwrap().totals;
        assert_eq!((totals.timeouts, totals.retries, totals.hedges, totals.fallbacks), (1, 2, 3, 4));
        assert_eq!((totals.calls, totals.attempts), (0, 0));
    }

    #[test]
    fn a_breaker_used_by_hand_is_no_operation_but_its_changes_are_told() {
        let scope = Scope::new();
        let _inside = scope.enter();
        let watched = Watched::begin(100);
        let breaker =
            resilient_runtime::CircuitBreaker::new("by hand", resilient_runtime::BreakerConfig::new());
        assert!(breaker.is_err(), "a name has no blanks");
        let breaker =
            resilient_runtime::CircuitBreaker::new("by-hand", resilient_runtime::BreakerConfig::new())
                .unwrap();
        breaker.open();
        assert!(breaker.try_acquire().is_err());
        let heard = watched.heard();
        let (_, of) = heard.names().pop().unwrap();
        assert!(of.lock().figures.is_none());
        let entries = heard.ring.after(0, 10).entries;
        let change = entries[0].change.as_ref().unwrap();
        assert_eq!((change.breaker, change.from, change.to), ("by-hand", "closed", "open"));
        assert_eq!(entries[1].kind, "refused");
    }

    #[test]
    fn more_names_than_there_is_room_for_are_counted_together() {
        let scope = Scope::new();
        let _inside = scope.enter();
        let watched = Watched::begin(10);
        for n in 0..MOST_NAMES + 10 {
            let operation = ResilienceConfig::new(format!("name-{n}")).build().unwrap();
            operation.call(|| Ok::<_, ResilienceError>(())).unwrap();
        }
        let heard = watched.heard();
        assert_eq!(heard.names().len(), MOST_NAMES);
        let others = heard.others().lock().figures.clone().unwrap();
        assert_eq!(others.totals.calls, 10);
    }

    #[test]
    fn nothing_is_heard_once_the_pages_are_gone() {
        let scope = Scope::new();
        let _inside = scope.enter();
        let watched = Watched::begin(10);
        let heard = Arc::clone(watched.heard());
        drop(watched);
        let operation = ResilienceConfig::new("late").build().unwrap();
        operation.call(|| Ok::<_, ResilienceError>(())).unwrap();
        assert!(heard.names().is_empty());
    }
}
