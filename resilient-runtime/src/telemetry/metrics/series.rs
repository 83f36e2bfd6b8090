//! What events are counted in.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ::metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, with_recorder};
use foldhash::fast::RandomState;

use super::words::{
    ATTEMPT_DURATION, ATTEMPTS, BAD_CONFIGURATIONS, CALL_DURATION, CALLS, COUNTERS, EXCEEDED, EXHAUSTED,
    FALLBACKS, GAUGES, HEDGES, HISTOGRAMS, Metric, REFUSALS, RELOADS, RETRIES, TIMEOUTS, TRANSITIONS,
};
use crate::error::ErrorKind;
use crate::event::{Event, EventKind};
use crate::reason::StopReason;
use crate::sync::plain::OnceLock;
use crate::sync::{Mutex, RwLock, Whole};
use crate::telemetry::outcome::Outcome;

/// The name that stands for all that have no series of their own.
pub(super) const OTHER: &str = "other";

/// Where series are registered.
#[derive(Clone)]
pub(super) enum Place {
    /// The program's recorder.
    Global,
    Own(Arc<dyn Recorder + Send + Sync>),
}

const METADATA: Metadata<'static> = Metadata::new("resilient", Level::INFO, Some(module_path!()));

impl Place {
    fn with<R>(&self, registers: impl FnOnce(&dyn Recorder) -> R) -> R {
        match self {
            Self::Global => with_recorder(registers),
            Self::Own(recorder) => registers(&**recorder),
        }
    }

    pub(super) fn describe(&self) {
        let of =
            |metric: &Metric| (KeyName::from_const_str(metric.name), Some(metric.unit()), metric.what.into());
        self.with(|recorder| {
            for metric in COUNTERS {
                let (name, unit, what) = of(metric);
                recorder.describe_counter(name, unit, what);
            }
            for metric in HISTOGRAMS {
                let (name, unit, what) = of(metric);
                recorder.describe_histogram(name, unit, what);
            }
            for metric in GAUGES {
                let (name, unit, what) = of(metric);
                recorder.describe_gauge(name, unit, what);
            }
        });
    }

    fn counter(&self, metric: &Metric, labels: &[&'static str]) -> Counter {
        self.with(|recorder| recorder.register_counter(&key(metric, labels), &METADATA))
    }

    fn histogram(&self, metric: &Metric, labels: &[&'static str]) -> Histogram {
        self.with(|recorder| recorder.register_histogram(&key(metric, labels), &METADATA))
    }

    pub(super) fn gauge(&self, metric: &Metric, labels: &[&'static str]) -> Gauge {
        self.with(|recorder| recorder.register_gauge(&key(metric, labels), &METADATA))
    }
}

fn key(metric: &Metric, labels: &[&'static str]) -> Key {
    debug_assert_eq!(metric.labels.len(), labels.len(), "{}", metric.name);
    let labels = metric.labels.iter().zip(labels).map(|(of, is)| Label::from_static_parts(of, is));
    Key::from_parts(metric.name, labels.collect::<Vec<_>>())
}

/// The first so many names of one kind; all others are one.
#[derive(Debug)]
pub(super) struct Names {
    most: usize,
    known: Mutex<Vec<&'static str>>,
}

impl Names {
    pub(super) fn new(most: usize) -> Self {
        Self { most, known: Mutex::default() }
    }

    pub(super) fn label(&self, name: &'static str) -> &'static str {
        let mut known = self.known.lock().whole();
        match known.binary_search(&name) {
            Ok(_) => name,
            Err(at) if known.len() < self.most => {
                known.insert(at, name);
                name
            }
            Err(_) => OTHER,
        }
    }
}

/// Everything that is counted.
pub(super) struct Series {
    place: Place,
    most: usize,
    operations: RwLock<Operations>,
    breakers: Names,
    budgets: Names,
    reloads: Counter,
    bad_configurations: Counter,
}

#[derive(Default)]
struct Operations {
    by_name: HashMap<&'static str, Arc<Operation>, RandomState>,
    /// Those of them that have series of their own.
    own: usize,
    other: Option<Arc<Operation>>,
}

/// The series of one operation; those that most operations never need are made at their first use.
struct Operation {
    name: &'static str,
    attempts: [Counter; 3],
    attempt_durations: [OnceLock<Histogram>; 2],
    retries: Counter,
    hedges: OnceLock<Counter>,
    timeouts: Counter,
    fallbacks: OnceLock<Counter>,
    refusals: [OnceLock<Counter>; ErrorKind::BadAnswer as usize + 1],
    /// By reason; those that failed, and those that did so by their caller's fault.
    calls: Calls,
    call_durations: [OnceLock<Histogram>; Outcome::Cancelled as usize + 1],
}

type Calls = [[OnceLock<Counter>; 2]; StopReason::Panicked as usize + 1];

impl Operation {
    fn new(place: &Place, name: &'static str) -> Self {
        // What is looked at most is there from zero on: a rate sees no first value of a series.
        let calls: Calls = Default::default();
        for (outcome, reason) in [
            (Outcome::Success, StopReason::Success),
            (Outcome::Failure, StopReason::Attempts),
            (Outcome::Refused, StopReason::Refused),
        ] {
            let series = place.counter(&CALLS, &[name, outcome.as_str(), reason.as_str()]);
            _ = calls[reason as usize][0].set(series);
        }
        let attempts = [Outcome::Success, Outcome::Failure, Outcome::Ignored];
        Self {
            name,
            attempts: attempts.map(|outcome| place.counter(&ATTEMPTS, &[name, outcome.as_str()])),
            attempt_durations: Default::default(),
            retries: place.counter(&RETRIES, &[name]),
            hedges: OnceLock::new(),
            timeouts: place.counter(&TIMEOUTS, &[name]),
            fallbacks: OnceLock::new(),
            refusals: Default::default(),
            calls,
            call_durations: Default::default(),
        }
    }

    fn attempt(&self, place: &Place, outcome: Outcome, took: Option<Duration>) {
        self.attempts[outcome as usize].increment(1);
        if let Some(took) = took {
            let series = || place.histogram(&ATTEMPT_DURATION, &[self.name, outcome.as_str()]);
            self.attempt_durations[outcome as usize].get_or_init(series).record(took);
        }
    }

    fn call(&self, place: &Place, reason: StopReason, ignored: bool, took: Option<Duration>) {
        let outcome = Outcome::of_call(reason, ignored);
        let series = || place.counter(&CALLS, &[self.name, outcome.as_str(), reason.as_str()]);
        self.calls[reason as usize][usize::from(ignored)].get_or_init(series).increment(1);
        if let Some(took) = took {
            let series = || place.histogram(&CALL_DURATION, &[self.name, outcome.as_str()]);
            self.call_durations[outcome as usize].get_or_init(series).record(took);
        }
    }
}

impl Series {
    pub(super) fn new(place: Place, most: usize) -> Self {
        Self {
            reloads: place.counter(&RELOADS, &[]),
            bad_configurations: place.counter(&BAD_CONFIGURATIONS, &[]),
            place,
            most,
            operations: RwLock::default(),
            breakers: Names::new(most),
            budgets: Names::new(most),
        }
    }

    fn operation(&self, name: &'static str) -> Arc<Operation> {
        loop {
            let is_full = {
                let operations = self.operations.read().whole();
                if let Some(known) = operations.by_name.get(name) {
                    return Arc::clone(known);
                }
                operations.own >= self.most
            };
            // Registered without the lock: a recorder is the user's code. Whoever comes second gets the same series.
            let made = Arc::new(Operation::new(&self.place, if is_full { OTHER } else { name }));
            let mut operations = self.operations.write().whole();
            let Operations { by_name, own, other } = &mut *operations;
            if is_full {
                let other = other.get_or_insert(made);
                return Arc::clone(by_name.entry(name).or_insert_with(|| Arc::clone(other)));
            }
            if *own < self.most && !by_name.contains_key(name) {
                *own += 1;
                by_name.insert(name, made);
            }
        }
    }

    pub(super) fn count(&self, event: &Event) {
        let Self { place, .. } = self;
        let operation = || self.operation(event.operation);
        match &event.kind {
            EventKind::AttemptSucceeded { took, .. } => operation().attempt(place, Outcome::Success, *took),
            EventKind::AttemptFailed { took, .. } => operation().attempt(place, Outcome::Failure, *took),
            EventKind::AttemptIgnored { .. } => operation().attempt(place, Outcome::Ignored, None),
            EventKind::AttemptTimedOut { .. } => operation().timeouts.increment(1),
            EventKind::RetryScheduled { .. } => operation().retries.increment(1),
            EventKind::HedgeStarted { .. } => {
                let of = operation();
                of.hedges.get_or_init(|| place.counter(&HEDGES, &[of.name])).increment(1);
            }
            EventKind::Refused { kind, .. } => {
                let of = operation();
                let series = || place.counter(&REFUSALS, &[of.name, kind.as_str()]);
                of.refusals[*kind as usize].get_or_init(series).increment(1);
            }
            EventKind::Finished { reason, ignored, took, .. } => {
                operation().call(place, *reason, *ignored, *took);
            }
            EventKind::FallbackUsed => {
                let of = operation();
                of.fallbacks.get_or_init(|| place.counter(&FALLBACKS, &[of.name])).increment(1);
            }
            EventKind::BudgetExhausted { budget } => {
                place.counter(&EXHAUSTED, &[self.budgets.label(budget)]).increment(1);
            }
            EventKind::Transition { breaker, from, to, reason, .. } => {
                let labels = [self.breakers.label(breaker), from.as_str(), to.as_str(), reason.as_str()];
                place.counter(&TRANSITIONS, &labels).increment(1);
            }
            EventKind::ThresholdExceeded { breaker, reason } => {
                place.counter(&EXCEEDED, &[self.breakers.label(breaker), reason.as_str()]).increment(1);
            }
            #[cfg(feature = "chaos")]
            EventKind::FaultInjected { fault, .. } => {
                let of = operation();
                place.counter(&super::words::FAULTS, &[of.name, fault.as_str()]).increment(1);
            }
            EventKind::Reloaded => self.reloads.increment(1),
            EventKind::BadConfiguration { .. } => self.bad_configurations.increment(1),
            #[cfg(feature = "chaos")]
            EventKind::ChaosStarted { .. } => {}
            EventKind::ServiceHealthChanged { .. } => {}
        }
    }
}
