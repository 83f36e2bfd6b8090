//! What happened, told to whoever listens: `tracing`, subscribers, a test's recorder.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::breaker::{BreakerSnapshot, State};
use crate::error::ErrorKind;
use crate::outcome::Class;

/// One thing that happened to one operation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// The operation's name; for a breaker used by hand, the breaker's.
    pub operation: &'static str,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// An attempt gave a result that counts as success.
    AttemptSucceeded {
        /// Which attempt, from 1.
        attempt: u32,
        /// How long it took, where that was measured.
        took: Option<Duration>,
    },
    /// An attempt failed.
    AttemptFailed {
        /// Which attempt, from 1.
        attempt: u32,
        /// Whether it may go away by itself.
        class: Class,
        /// How long it took, where that was measured.
        took: Option<Duration>,
    },
    /// An attempt failed by the caller's own fault.
    AttemptIgnored {
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// An attempt was given up at its limit.
    AttemptTimedOut {
        /// Which attempt, from 1.
        attempt: u32,
        /// The limit.
        limit: Duration,
    },
    /// Another attempt will follow.
    RetryScheduled {
        /// The attempt that failed, from 1.
        attempt: u32,
        /// The wait before the next one.
        delay: Duration,
    },
    /// The call was refused by the library itself.
    Refused {
        /// By what.
        kind: ErrorKind,
        /// When to come back, where that is known.
        retry_after: Option<Duration>,
    },
    /// The call ended; each call says so exactly once.
    Finished {
        /// How many attempts were started.
        attempts: u32,
        /// Why there was no further one.
        reason: StopReason,
    },
    /// The fallback answers in the function's place.
    FallbackUsed,
    /// A breaker changed its state.
    Transition {
        /// The breaker.
        breaker: &'static str,
        /// The state it left.
        from: State,
        /// The state it is in.
        to: State,
        /// Why.
        reason: TripReason,
        /// The breaker just after the change.
        snapshot: Box<BreakerSnapshot>,
    },
    /// A breaker that only measures would have opened.
    ThresholdExceeded {
        /// The breaker.
        breaker: &'static str,
        /// By which rule.
        reason: TripReason,
    },
    /// A service's health changed.
    ServiceHealthChanged {
        /// The service.
        service: &'static str,
        /// What it was.
        from: crate::health::HealthStatus,
        /// What it is.
        to: crate::health::HealthStatus,
    },
    /// Two functions give one name different settings, or a value is wrong; the text is the whole report.
    BadConfiguration {
        /// One sentence for a person.
        message: String,
    },
}

/// Why a call made no further attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopReason {
    /// The last attempt succeeded.
    Success,
    /// The caller dropped the call.
    Cancelled,
    /// The deadline passed.
    Deadline,
    /// The error is not one to retry.
    NotRetryable,
    /// No attempts were left.
    Attempts,
    /// The retry budget was empty.
    Budget,
    /// The wait before the next attempt would not have fitted the deadline (or was asked to be over 60 s).
    DelayTooLong,
    /// The library refused the call.
    Refused,
    /// The function panicked.
    Panicked,
}

impl StopReason {
    /// The reason as logs and metrics spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Cancelled => "cancelled",
            Self::Deadline => "deadline",
            Self::NotRetryable => "not_retryable",
            Self::Attempts => "attempts",
            Self::Budget => "budget",
            Self::DelayTooLong => "delay_too_long",
            Self::Refused => "refused",
            Self::Panicked => "panicked",
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a breaker changed its state.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum TripReason {
    /// So many failures without a success between them.
    ConsecutiveFailures(u32),
    /// Too large a share of the window failed.
    FailureRate {
        /// The share, in percent.
        percent: f32,
        /// Of how many results.
        calls: u32,
    },
    /// Too large a share of the window was slow.
    SlowCallRate {
        /// The share, in percent.
        percent: f32,
        /// Of how many results.
        calls: u32,
    },
    /// Every call of the window was dropped before it ended.
    Abandoned(u32),
    /// A probe failed.
    ProbeFailed,
    /// Enough probes succeeded.
    Recovered,
    /// The open time is over and a call came.
    RecoveryTimeout,
    /// Somebody did it by hand.
    Manual,
    /// Everything was reset.
    Reset,
}

impl fmt::Display for TripReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ConsecutiveFailures(1) => f.write_str("1 failure"),
            Self::ConsecutiveFailures(failures) => write!(f, "{failures} consecutive failures"),
            Self::FailureRate { percent, calls } => write!(f, "{percent:.0} % of {calls} calls failed"),
            Self::SlowCallRate { percent, calls } => write!(f, "{percent:.0} % of {calls} calls were slow"),
            Self::Abandoned(calls) => write!(f, "all of {calls} calls were abandoned"),
            Self::ProbeFailed => f.write_str("a probe failed"),
            Self::Recovered => f.write_str("enough probes succeeded"),
            Self::RecoveryTimeout => f.write_str("the recovery timeout is over, a probe is under way"),
            Self::Manual => f.write_str("opened by hand"),
            Self::Reset => f.write_str("reset"),
        }
    }
}

impl Serialize for TripReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

type Listener = Arc<dyn Fn(&Event) + Send + Sync>;
type Listeners = Vec<(u64, Listener)>;

/// Everyone who listens to one runtime.
#[derive(Default)]
pub(crate) struct Events {
    /// Whether `listeners` has any: what the healthy path reads.
    heard: AtomicBool,
    listeners: RwLock<Arc<Listeners>>,
    next: AtomicU64,
}

impl Events {
    /// Whether an event that is told on every healthy attempt would be heard by anyone.
    #[inline]
    pub(crate) fn heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed) || crate::telemetry::tracing::traces_attempts()
    }

    /// Tells everyone. Called with no lock held; a listener that panics is passed over.
    #[cold]
    pub(crate) fn tell(&self, operation: &'static str, kind: EventKind) {
        let event = Event { operation, kind };
        crate::telemetry::tracing::emit(&event);
        if !self.heard.load(Ordering::Acquire) {
            return;
        }
        let listeners = Arc::clone(&self.listeners.read().unwrap_or_else(PoisonError::into_inner));
        for (_, listener) in listeners.iter() {
            // A listener's panic must neither change the call's outcome nor abort a drop during unwinding.
            let _ = catch_unwind(AssertUnwindSafe(|| listener(&event)));
        }
    }

    pub(crate) fn subscribe(
        self: &Arc<Self>,
        listener: impl Fn(&Event) + Send + Sync + 'static,
    ) -> Subscription {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.change(|listeners| listeners.push((id, Arc::new(listener))));
        Subscription { events: Arc::downgrade(self), id }
    }

    fn change(&self, change: impl FnOnce(&mut Listeners)) {
        let mut slot = self.listeners.write().unwrap_or_else(PoisonError::into_inner);
        let mut listeners = slot.as_ref().clone();
        change(&mut listeners);
        self.heard.store(!listeners.is_empty(), Ordering::Release);
        let old = std::mem::replace(&mut *slot, Arc::new(listeners));
        drop(slot);
        // A listener's own drop is the user's code: not under the lock.
        drop(old);
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("heard", &self.heard).finish_non_exhaustive()
    }
}

/// A listener's hold on the events; dropping it stops the listening.
#[must_use = "dropping the subscription stops it; keep it as long as you want to listen"]
#[derive(Debug)]
pub struct Subscription {
    events: Weak<Events>,
    id: u64,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(events) = self.events.upgrade() {
            events.change(|listeners| listeners.retain(|(id, _)| *id != self.id));
        }
    }
}
