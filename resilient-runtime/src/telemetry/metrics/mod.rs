//! What happens and how things stand, through the [`metrics`](https://docs.rs/metrics) facade, for Prometheus and whatever
//! else has a recorder. Needs the feature `metrics`.
//!
//! Counters and durations come from the events, as they happen. Gauges are read when [`Metrics::update_gauges`] is called:
//! before each scrape, or every few seconds where nobody scrapes. `resilient_breaker_state` besides changes with the
//! breaker.
//!
//! | name | kind | unit | labels | what |
//! |---|---|---|---|---|
//! | `resilient_calls_total` | counter | count | `operation`, `outcome`, `reason` | Calls that ended, each once |
//! | `resilient_call_duration_seconds` | histogram | seconds | `operation`, `outcome` | What calls took, waits included |
//! | `resilient_attempts_total` | counter | count | `operation`, `outcome` | Attempts with a result: of one that was dropped, cut off by the deadline or panicked only the call is counted |
//! | `resilient_attempt_duration_seconds` | histogram | seconds | `operation`, `outcome` | What attempts took that succeeded or failed |
//! | `resilient_retries_total` | counter | count | `operation` | Attempts that follow one that failed |
//! | `resilient_hedges_total` | counter | count | `operation` | Attempts that were started beside others |
//! | `resilient_timeouts_total` | counter | count | `operation` | Attempts that were given up at their limit |
//! | `resilient_refusals_total` | counter | count | `operation`, `kind` | Attempts that a layer refused |
//! | `resilient_fallbacks_total` | counter | count | `operation` | Calls that the fallback answers |
//! | `resilient_retry_budget_exhausted_total` | counter | count | `budget` | Retries and hedges that were not made, since their budget was empty |
//! | `resilient_breaker_transitions_total` | counter | count | `breaker`, `from`, `to`, `reason` | Changes of a breaker's state |
//! | `resilient_breaker_threshold_exceeded_total` | counter | count | `breaker`, `reason` | How often a breaker that only measures would have opened |
//! | `resilient_faults_total` | counter | count | `operation`, `fault` | Faults on purpose (feature `chaos`) |
//! | `resilient_reloads_total` | counter | count | | Configurations that were put in force while the program ran |
//! | `resilient_bad_configurations_total` | counter | count | | Reports of a wrong value or of a conflict |
//! | `resilient_health` | gauge | count | `status` | 1 for the overall health, 0 for what it is not |
//! | `resilient_breaker_state` | gauge | count | `breaker`, `state` | Breakers of that name in that state: 1 or 0, of one that is kept by key the number of keys |
//! | `resilient_bulkhead_active` | gauge | count | `bulkhead` | Calls that run |
//! | `resilient_bulkhead_waiting` | gauge | count | `bulkhead` | Calls that wait for a place |
//! | `resilient_bulkhead_max_concurrent` | gauge | count | `bulkhead` | Calls that may run at once |
//! | `resilient_rate_limiter_permits` | gauge | count | `rate_limiter` | Permits that can be taken now |
//! | `resilient_rate_limiter_burst` | gauge | count | `rate_limiter` | Permits that can be taken at once after a quiet time |
//! | `resilient_rate_limiter_waiting` | gauge | count | `rate_limiter` | Calls that wait for their permit |
//! | `resilient_retry_budget_available` | gauge | count | `budget` | Tokens that are left; of a ratio, retries |
//! | `resilient_retry_budget_capacity` | gauge | count | `budget` | Tokens there can be; a ratio has no such number |
//! | `resilient_service_health` | gauge | count | `service`, `status` | 1 for the service's health, 0 for what it is not |
//! | `resilient_worker_threads` | gauge | count | `state` | Threads of sync time limits: active, idle; stuck ones are active too |
//!
//! `outcome` of a call is `success`, `failure` (panics and passed deadlines among them), `ignored` (the caller's own fault),
//! `refused` or `cancelled`; of an attempt one of the first three (`ignored` is contention too). `reason` is [`StopReason`](crate::StopReason) or
//! [`TripReason`](crate::TripReason), `kind` [`ErrorKind`](crate::ErrorKind), `state` [`State`](crate::State), `status` [`HealthStatus`](crate::HealthStatus), each as
//! its `as_str` spells it.
//!
//! **Labels are names from code**: never a key, a host or the text of an error. Of each kind of name the first 500
//! ([`Builder::max_names`]) have series of their own, all others are `other` together, whose gauges are sums.
//!
//! States are one series each (a `StateSet`), not one number for all: `sum by (state)` and `== 1` mean
//! something then, and a new state breaks no dashboard.
//!
//! The trap: from `install` on, no call takes the quick way: each reads the clock and tells its events.
//!
//! ```
//! # use resilient_runtime as resilient;
//! # use metrics::NoopRecorder as RecorderOfYourExporter;
//! let metrics = resilient::metrics::install_with(RecorderOfYourExporter);
//! // .. whenever somebody asks for the figures:
//! metrics.update_gauges();
//! ```

mod gauges;
mod series;
mod words;

use std::fmt;
use std::sync::Arc;

use ::metrics::Recorder;

use crate::event::{Event, EventKind, Subscription};
use crate::runtime::Runtime;
use gauges::Gauges;
use series::{Place, Series};

/// Upper bounds in seconds that suit both histograms, for recorders that want some: OpenTelemetry's for durations, from a
/// millisecond on and up to the longest time limit of the built-in profiles.
pub const DURATION_BUCKETS: [f64; 18] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    300.0,
];

/// Counts from now on for the program's recorder (`metrics::set_global_recorder`), until the guard is dropped.
///
/// The trap: an exporter that is set up afterwards hears nothing, for the facade's handles are made at the first call of
/// each operation and kept. Install the exporter first.
///
/// ```
/// # use resilient_runtime as resilient;
/// // The exporter, and then:
/// let metrics = resilient::metrics::install().forever();
/// metrics.update_gauges();
/// ```
pub fn install() -> Metrics {
    builder().install()
}

/// Counts from now on for a recorder of one's own, until the guard is dropped. Several may count beside each other.
pub fn install_with(recorder: impl Recorder + Send + Sync + 'static) -> Metrics {
    builder().install_with(recorder)
}

/// What can be said about it besides.
pub fn builder() -> Builder {
    Builder { max_names: 500 }
}

/// See [`builder`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens until `install`"]
pub struct Builder {
    max_names: usize,
}

impl Builder {
    /// How many operations have series of their own, and how many breakers, bulkheads, rate limiters, budgets and services;
    /// what comes later is `other`. Default: 500.
    pub fn max_names(mut self, names: usize) -> Self {
        self.max_names = names;
        self
    }

    /// See [`install`].
    pub fn install(self) -> Metrics {
        self.install_at(Place::Global)
    }

    /// See [`install_with`].
    pub fn install_with(self, recorder: impl Recorder + Send + Sync + 'static) -> Metrics {
        self.install_at(Place::Own(Arc::new(recorder)))
    }

    fn install_at(self, place: Place) -> Metrics {
        let runtime = Runtime::current();
        place.describe();
        let series = Arc::new(Series::new(place.clone(), self.max_names));
        let gauges = Arc::new(Gauges::new(place, self.max_names));
        let heard = (Arc::clone(&series), Arc::clone(&gauges), runtime.downgrade());
        let subscription = runtime.context().events.subscribe(move |event: &Event| {
            let (series, gauges, runtime) = &heard;
            series.count(event);
            if let EventKind::Transition { breaker, snapshot, .. } = &event.kind {
                let keyed = runtime.upgrade().is_some_and(|runtime| runtime.keeps_by_key(breaker));
                gauges.changed(breaker, snapshot.state, keyed);
            }
        });
        Metrics { _subscription: subscription, gauges, runtime }
    }
}

/// A hold on the counting; dropping it stops it. What was counted stays in the recorder.
#[must_use = "dropping it stops the counting; keep it, or say `forever`"]
pub struct Metrics {
    _subscription: Subscription,
    gauges: Arc<Gauges>,
    runtime: Runtime,
}

impl Metrics {
    /// Sets every gauge to what it is now.
    ///
    /// It looks at everything that [`resilience_health`](crate::resilience_health) does, and takes as long: call it when
    /// figures are asked for, or every few seconds.
    pub fn update_gauges(&self) {
        self.gauges.update(&self.runtime);
    }

    /// Counts for as long as the process lives.
    pub fn forever(self) -> &'static Self {
        Box::leak(Box::new(self))
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
