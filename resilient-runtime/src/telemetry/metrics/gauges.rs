//! How things stand.

use std::collections::BTreeMap;

use ::metrics::Gauge;

use super::series::{Names, OTHER, Place};
use super::words::{
    BREAKER_STATE, BUDGET_AVAILABLE, BUDGET_CAPACITY, BULKHEAD_ACTIVE, BULKHEAD_MAX_CONCURRENT,
    BULKHEAD_WAITING, HEALTH, Metric, RATE_LIMITER_BURST, RATE_LIMITER_PERMITS, RATE_LIMITER_WAITING,
    SERVICE_HEALTH, WORKER_THREADS,
};
use crate::breaker::State;
use crate::health::{HealthStatus, KeyedBreakers, ResilienceHealth};
use crate::runtime::Runtime;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, Whole};

const STATES: [State; 6] =
    [State::Closed, State::Open, State::HalfOpen, State::ForcedOpen, State::Disabled, State::MetricsOnly];

const STATUSES: [HealthStatus; 4] =
    [HealthStatus::Healthy, HealthStatus::Degraded, HealthStatus::Unhealthy, HealthStatus::Unknown];

/// A look is tried so often again while breakers change meanwhile.
const MOST_LOOKS: u32 = 3;

type Labels = Vec<&'static str>;

pub(super) struct Gauges {
    place: Place,
    breakers: Names,
    bulkheads: Names,
    rate_limiters: Names,
    budgets: Names,
    services: Names,
    /// Everything that was ever set: what is there no more becomes 0.
    made: Mutex<Made>,
    /// Changes of breakers that were told.
    changes: AtomicU64,
}

type Made = BTreeMap<(&'static str, Labels), Gauge>;

/// What is to be set, summed up where names have no series of their own.
#[derive(Default)]
struct Seen(BTreeMap<(&'static str, Labels), (&'static Metric, f64)>);

impl Seen {
    fn add(&mut self, metric: &'static Metric, labels: &[&'static str], value: impl Into<f64>) {
        let (_, sum) = self.0.entry((metric.name, labels.to_vec())).or_insert((metric, 0.0));
        *sum += value.into();
    }

    fn add_states<const N: usize>(
        &mut self,
        metric: &'static Metric,
        of: &[&'static str],
        states: [(&'static str, f64); N],
    ) {
        for (state, value) in states {
            let labels: Labels = of.iter().copied().chain([state]).collect();
            self.add(metric, &labels, value);
        }
    }
}

fn one_of<T: Copy + PartialEq, const N: usize>(
    all: [T; N],
    is: T,
    spelled: fn(T) -> &'static str,
) -> [(&'static str, f64); N] {
    all.map(|one| (spelled(one), f64::from(u8::from(one == is))))
}

impl Gauges {
    pub(super) fn new(place: Place, most: usize) -> Self {
        let names = || Names::new(most);
        Self {
            place,
            breakers: names(),
            bulkheads: names(),
            rate_limiters: names(),
            budgets: names(),
            services: names(),
            made: Mutex::default(),
            changes: AtomicU64::new(0),
        }
    }

    /// A breaker has changed. What is a sum over several waits for the next look.
    pub(super) fn changed(&self, breaker: &'static str, state: State, keyed: bool) {
        let label = self.breakers.label(breaker);
        // Told before it is set: a look that ends in between begins again, one that begins now sees it.
        self.changes.fetch_add(1, Ordering::AcqRel);
        if !keyed && label != OTHER {
            for (state, value) in one_of(STATES, state, State::as_str) {
                self.set(&BREAKER_STATE, vec![label, state], value);
            }
        }
    }

    pub(super) fn update(&self, runtime: &Runtime) {
        for _ in 0..MOST_LOOKS {
            let changes = self.changes.load(Ordering::Acquire);
            let seen = self.look(runtime);
            let gone: Vec<Gauge> = {
                let made = self.made.lock().whole();
                made.iter()
                    .filter(|(at, _)| !seen.0.contains_key(at))
                    .map(|(_, gauge)| gauge.clone())
                    .collect()
            };
            for gauge in gone {
                gauge.set(0.0);
            }
            for ((_, labels), (metric, value)) in seen.0 {
                self.set(metric, labels, value);
            }
            // A breaker that has changed since it was looked at may have been set to what it was.
            if self.changes.load(Ordering::Acquire) == changes {
                return;
            }
        }
    }

    /// Without the lock: a recorder is the user's code.
    fn set(&self, metric: &Metric, labels: Labels, value: f64) {
        let at = (metric.name, labels);
        let made = self.made.lock().whole().get(&at).cloned();
        let gauge = made.unwrap_or_else(|| {
            let gauge = self.place.gauge(metric, &at.1);
            self.made.lock().whole().insert(at, gauge.clone());
            gauge
        });
        gauge.set(value);
    }

    fn look(&self, runtime: &Runtime) -> Seen {
        let mut seen = Seen::default();
        let health = ResilienceHealth::of(runtime);
        seen.add_states(&HEALTH, &[], one_of(STATUSES, health.overall_health, HealthStatus::as_str));
        for (name, breaker) in &health.circuit_breakers {
            let label = self.breakers.label(name);
            seen.add_states(&BREAKER_STATE, &[label], one_of(STATES, breaker.state, State::as_str));
        }
        for (name, KeyedBreakers { keys, open, half_open }) in health.keyed_circuit_breakers {
            let label = self.breakers.label(name);
            let closed = keys - open - half_open;
            let states = [(State::Closed, closed), (State::Open, open), (State::HalfOpen, half_open)];
            seen.add_states(
                &BREAKER_STATE,
                &[label],
                states.map(|(state, keys)| (state.as_str(), keys as f64)),
            );
        }
        for (name, bulkhead) in &health.bulkheads {
            let label = [self.bulkheads.label(name)];
            seen.add(&BULKHEAD_ACTIVE, &label, bulkhead.active_count);
            seen.add(&BULKHEAD_WAITING, &label, bulkhead.waiting_count);
            seen.add(&BULKHEAD_MAX_CONCURRENT, &label, bulkhead.max_concurrent);
        }
        for (name, limiter) in &health.rate_limiters {
            let label = [self.rate_limiters.label(name)];
            seen.add(&RATE_LIMITER_PERMITS, &label, limiter.available);
            seen.add(&RATE_LIMITER_BURST, &label, limiter.burst);
            seen.add(&RATE_LIMITER_WAITING, &label, limiter.waiting_count);
        }
        for budget in runtime.budgets().iter().filter(|budget| !budget.is_endless()) {
            let label = [self.budgets.label(budget.name())];
            seen.add(&BUDGET_AVAILABLE, &label, budget.available(|| runtime.context().clock.now()));
            if let Some(capacity) = budget.capacity() {
                seen.add(&BUDGET_CAPACITY, &label, capacity);
            }
        }
        for (name, service) in &health.services {
            let label = self.services.label(name);
            seen.add_states(
                &SERVICE_HEALTH,
                &[label],
                one_of(STATUSES, service.status, HealthStatus::as_str),
            );
        }
        let workers = health.workers;
        let threads = [("active", workers.active), ("idle", workers.idle), ("stuck", workers.stuck)];
        seen.add_states(&WORKER_THREADS, &[], threads.map(|(state, threads)| (state, threads as f64)));
        seen
    }
}
