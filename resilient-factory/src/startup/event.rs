//! What happens while components start, told as it happens.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use resilient_runtime::__private::Harmless;

use super::closing::CloseError;
use super::error::StartError;
use super::strategy::Strategy;

/// One thing that happened to a component, or to a run of [`create_all`](super::Components::create_all).
///
/// Of one component the events come in order; those of several are interleaved. The same goes to `tracing`, target
/// `resilient`. As text an event is a line, `MEXC: attempt 1 failed: timeout`; like the log it holds nothing of a component's
/// own error, which is in the event.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StartEvent {
    /// A run begins.
    #[non_exhaustive]
    RunBegan {
        /// How many components it is about, each counted once.
        requested: usize,
        /// What is done about those that fail.
        strategy: Strategy,
    },
    /// Another round of [`Strategy::RetryWithBackoff`] begins; its wait is over.
    #[non_exhaustive]
    RoundBegan {
        /// Which round; 2 is the first that is told.
        round: u32,
        /// Who gets another attempt.
        names: Vec<Arc<str>>,
    },
    /// An attempt begins.
    #[non_exhaustive]
    AttemptBegan {
        /// The component.
        name: Arc<str>,
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// An attempt failed, and its instance, where there was one, is closed or being closed.
    #[non_exhaustive]
    AttemptFailed {
        /// The component.
        name: Arc<str>,
        /// Which attempt, from 1.
        attempt: u32,
        /// Why.
        error: StartError,
    },
    /// A component is up.
    #[non_exhaustive]
    Active {
        /// The component.
        name: Arc<str>,
        /// The attempts it took.
        attempts: u32,
        /// The time it took, failed attempts and waits included.
        took: Duration,
    },
    /// A component is given up.
    #[non_exhaustive]
    Failed {
        /// The component.
        name: Arc<str>,
        /// The attempts that were made.
        attempts: u32,
        /// Why.
        error: StartError,
    },
    /// An instance was closed: one that failed, was replaced, or is no longer wanted.
    #[non_exhaustive]
    Closed {
        /// The component.
        name: Arc<str>,
        /// What went wrong with it.
        error: Option<CloseError>,
    },
    /// A run has ended.
    #[non_exhaustive]
    RunEnded {
        /// How many components it is about.
        requested: usize,
        /// How many of them are up.
        successful: usize,
        /// How long it took.
        took: Duration,
    },
}

impl StartEvent {
    /// The component it is about; `None` where it is about a run.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::AttemptBegan { name, .. }
            | Self::AttemptFailed { name, .. }
            | Self::Active { name, .. }
            | Self::Failed { name, .. }
            | Self::Closed { name, .. } => Some(name),
            Self::RunBegan { .. } | Self::RoundBegan { .. } | Self::RunEnded { .. } => None,
        }
    }
}

impl fmt::Display for StartEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |count: u32| if count == 1 { "attempt" } else { "attempts" };
        match self {
            Self::RunBegan { requested, strategy } => {
                write!(f, "components start: {requested} requested, strategy {strategy}")
            }
            Self::RoundBegan { round, names } => {
                write!(f, "round {round} begins, for")?;
                names.iter().try_for_each(|name| write!(f, " {}", Harmless(name)))
            }
            Self::AttemptBegan { name, attempt } => write!(f, "{}: attempt {attempt} begins", Harmless(name)),
            Self::AttemptFailed { name, attempt, error } => {
                write!(f, "{}: attempt {attempt} failed: {}", Harmless(name), error.reason())
            }
            Self::Active { name, attempts, took } => {
                let (name, took) = (Harmless(name), took.as_secs_f64());
                write!(f, "{name}: active after {attempts} {} in {took:.2}s", of(*attempts))
            }
            Self::Failed { name, attempts, error } => {
                let (name, reason) = (Harmless(name), error.reason());
                write!(f, "{name}: given up after {attempts} {}: {reason}", of(*attempts))
            }
            Self::Closed { name, error: None } => write!(f, "{}: closed", Harmless(name)),
            Self::Closed { name, error: Some(error) } => {
                write!(f, "{}: did not close well: {}", Harmless(name), error.reason())
            }
            Self::RunEnded { requested, successful, took } => {
                let took = took.as_secs_f64();
                write!(f, "components have started: {successful} of {requested} active in {took:.2}s")
            }
        }
    }
}

/// Who is told, besides `tracing`.
#[derive(Clone, Default)]
pub(super) struct Told(Option<Arc<Listener>>);

type Listener = dyn Fn(&StartEvent) + Send + Sync;

impl Told {
    pub(super) fn to(listener: impl Fn(&StartEvent) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    pub(super) fn tell(&self, event: &StartEvent) {
        trace(event);
        if let Some(listener) = &self.0
            && catch_unwind(AssertUnwindSafe(|| listener(event))).is_err()
        {
            tracing::warn!(target: TARGET, "a listener to start events panicked");
        }
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Told").field(&self.0.is_some()).finish()
    }
}

const TARGET: &str = "resilient";

/// Without the text of a component's own error, which may hold what must not get into a log.
fn trace(event: &StartEvent) {
    match event {
        StartEvent::RunBegan { requested, strategy } => {
            tracing::info!(target: TARGET, requested, strategy = strategy.as_str(), "components start");
        }
        StartEvent::RoundBegan { round, names } => {
            tracing::info!(target: TARGET, round, failed = names.len(), "components are started again");
        }
        StartEvent::AttemptBegan { name, attempt } => {
            tracing::debug!(target: TARGET, component = Harmless(name).to_string(), attempt, "component starts");
        }
        StartEvent::AttemptFailed { name, attempt, error } => {
            let (component, reason) = (Harmless(name).to_string(), error.reason());
            tracing::warn!(target: TARGET, component, attempt, reason, "component did not start");
        }
        StartEvent::Active { name, attempts, took } => {
            let (component, took) = (Harmless(name).to_string(), took.as_secs_f64());
            tracing::info!(target: TARGET, component, attempts, took, "component is active");
        }
        StartEvent::Failed { name, attempts, error } => {
            let (component, reason) = (Harmless(name).to_string(), error.reason());
            tracing::error!(target: TARGET, component, attempts, reason, "component is given up");
        }
        StartEvent::Closed { name, error: None } => {
            tracing::debug!(target: TARGET, component = Harmless(name).to_string(), "component closed");
        }
        StartEvent::Closed { name, error: Some(error) } => {
            let (component, reason) = (Harmless(name).to_string(), error.reason());
            tracing::warn!(target: TARGET, component, reason, "component did not close well");
        }
        StartEvent::RunEnded { requested, successful, took } => {
            let took = took.as_secs_f64();
            tracing::info!(target: TARGET, requested, successful, took, "components have started");
        }
    }
}
