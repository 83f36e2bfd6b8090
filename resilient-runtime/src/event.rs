//! What happened, told to whoever listens: `tracing`, subscribers, a test's recorder.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::breaker::{BreakerSnapshot, State};
use crate::error::{ErrorKind, Span};
use crate::health::HealthStatus;
use crate::outcome::Class;
use crate::reason::{StopReason, TripReason};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{RwLock, Whole};
use crate::unusual::Unusual;

/// One thing that happened to one operation.
///
/// It carries no text of the function's own error: that may hold what must not get into a log. Log it where the
/// function makes or returns it.
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
    /// An attempt failed by the caller's own fault, or for contention, after which another may follow.
    AttemptIgnored {
        /// Which attempt, from 1.
        attempt: u32,
        /// [`Class::Caller`] or [`Class::Contention`].
        class: Class,
    },
    /// An attempt was given up at its limit; [`EventKind::AttemptFailed`] or the end of the call follows.
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
    /// An attempt was started beside those that have not answered, or after one that failed.
    HedgeStarted {
        /// Which attempt, from 1; 2 is the first hedge.
        attempt: u32,
        /// How long after the attempt before it; less than the delay when that one failed.
        after: Duration,
    },
    /// A retry or a hedge was not started, since its budget was empty.
    BudgetExhausted {
        /// The budget.
        budget: &'static str,
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
        /// How many attempts were started; 0 when the call was refused at once.
        attempts: u32,
        /// Why there was no further one.
        reason: StopReason,
        /// Its error was the caller's own fault ([`Class::Caller`]), and no failure of what it asked.
        ignored: bool,
        /// A fallback answers in its place: [`EventKind::FallbackUsed`] follows.
        fallback: bool,
        /// How long it took, waits included. Needs the feature `metrics`, and somebody who listened when it began.
        took: Option<Duration>,
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
        from: HealthStatus,
        /// What it is.
        to: HealthStatus,
    },
    /// Faults are injected into the operation from here on; `*` is every operation.
    #[cfg(feature = "chaos")]
    ChaosStarted {
        /// Which faults, and how often.
        chaos: crate::chaos::Chaos,
    },
    /// An attempt suffers a fault on purpose; an injected error or panic is told as the failure it is, besides.
    #[cfg(feature = "chaos")]
    FaultInjected {
        /// Which attempt, from 1.
        attempt: u32,
        /// Which fault.
        fault: crate::chaos::Fault,
    },
    /// The configuration was read anew and is in force from the next call on.
    Reloaded,
    /// Two functions give one name different settings, or a value is wrong; the text is the whole report.
    BadConfiguration {
        /// One sentence for a person.
        message: String,
    },
}

impl fmt::Display for Event {
    /// One line: `get_user: attempt 2 follows in 481 ms`.
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.kind)
    }
}

impl fmt::Display for EventKind {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = |f: &mut fmt::Formatter<'_>, took: Option<Duration>| match took {
            Some(took) => write!(f, " after {}", Span(took)),
            None => Ok(()),
        };
        match self {
            Self::AttemptSucceeded { attempt, took } => {
                write!(f, "attempt {attempt} succeeded")?;
                after(f, *took)
            }
            Self::AttemptFailed { attempt, took, .. } => {
                write!(f, "attempt {attempt} failed")?;
                after(f, *took)
            }
            Self::AttemptIgnored { attempt, class: Class::Contention } => {
                write!(f, "attempt {attempt} met another caller in its way")
            }
            Self::AttemptIgnored { attempt, .. } => {
                write!(f, "attempt {attempt} failed by its caller's fault")
            }
            Self::AttemptTimedOut { attempt, limit } => {
                write!(f, "attempt {attempt} was cut off at its limit of {}", Span(*limit))
            }
            Self::RetryScheduled { attempt, delay: Duration::ZERO } => {
                write!(f, "attempt {} follows at once", attempt.saturating_add(1))
            }
            Self::RetryScheduled { attempt, delay } => {
                write!(f, "attempt {} follows in {}", attempt.saturating_add(1), Span(*delay))
            }
            Self::HedgeStarted { attempt, after } => {
                write!(f, "attempt {attempt} started as a hedge after {}", Span(*after))
            }
            Self::BudgetExhausted { budget } => write!(f, "retry budget '{budget}' is empty"),
            Self::Refused { kind, retry_after } => {
                write!(f, "refused: {kind}")?;
                match retry_after {
                    Some(span) => write!(f, "; next attempt in {}", Span(*span)),
                    None => Ok(()),
                }
            }
            Self::Finished { attempts: 1, reason, .. } => write!(f, "finished after 1 attempt: {reason}"),
            Self::Finished { attempts, reason, .. } => {
                write!(f, "finished after {attempts} attempts: {reason}")
            }
            Self::FallbackUsed => f.write_str("the fallback answers"),
            Self::Transition { breaker, from, to, reason, .. } => {
                write!(f, "circuit breaker '{breaker}' {from} -> {to}: {reason}")
            }
            Self::ThresholdExceeded { breaker, reason } => {
                write!(f, "circuit breaker '{breaker}' only measures, and would have opened: {reason}")
            }
            Self::ServiceHealthChanged { service, from, to } => {
                write!(f, "service '{service}' {from} -> {to}")
            }
            #[cfg(feature = "chaos")]
            Self::ChaosStarted { chaos } => write!(f, "chaos is injected: {chaos}"),
            #[cfg(feature = "chaos")]
            Self::FaultInjected { attempt, fault } => write!(f, "attempt {attempt} suffers {fault}"),
            Self::Reloaded => f.write_str("the configuration was read anew and is in force"),
            Self::BadConfiguration { message } => f.write_str(message),
        }
    }
}

type Listener = Arc<dyn Fn(&Event) + Send + Sync>;
type Listeners = Vec<(u64, Listener)>;

#[derive(Default)]
struct Listened {
    listeners: Arc<Listeners>,
    /// There is any.
    _unusual: Option<Unusual>,
}

/// Whether an event that is told on every healthy attempt would be written down.
#[inline]
pub(crate) fn attempts_are_traced() -> bool {
    crate::telemetry::tracing::traces_attempts()
}

/// Everyone who listens to one runtime.
#[derive(Default)]
pub(crate) struct Events {
    /// Whether `listeners` has any: what the healthy path reads.
    heard: AtomicBool,
    listeners: RwLock<Listened>,
    next: AtomicU64,
}

impl Events {
    /// Whether an event that is told on every healthy attempt would be heard by anyone.
    #[inline]
    pub(crate) fn heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed) || attempts_are_traced()
    }

    /// Whether any event would be heard by anyone, so that none is made for nobody.
    #[inline]
    pub(crate) fn could_be_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed) || crate::telemetry::tracing::traces_anything()
    }

    /// Tells everyone. Called with no lock held; a listener that panics is passed over.
    #[cold]
    pub(crate) fn tell(&self, operation: &'static str, kind: EventKind) {
        let event = Event { operation, kind };
        // A listener's panic must neither change the call's outcome nor abort a drop during unwinding.
        quietly(|| crate::telemetry::tracing::emit(&event));
        if !self.heard.load(Ordering::Acquire) {
            return;
        }
        let listeners = Arc::clone(&self.listeners.read().whole().listeners);
        for (_, listener) in listeners.iter() {
            quietly(|| listener(&event));
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
        let mut listened = self.listeners.write().whole();
        let mut listeners = listened.listeners.as_ref().clone();
        change(&mut listeners);
        let heard = !listeners.is_empty();
        self.heard.store(heard, Ordering::Release);
        let new = Listened { listeners: Arc::new(listeners), _unusual: heard.then(Unusual::begins) };
        let old = std::mem::replace(&mut *listened, new);
        drop(listened);
        // A listener's own drop is the user's code: not under the lock.
        drop(old);
    }
}

fn quietly(tell: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(tell)) {
        // What it was thrown with may panic when it is dropped.
        std::mem::forget(payload);
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
    #[inline]
    fn drop(&mut self) {
        if let Some(events) = self.events.upgrade() {
            events.change(|listeners| listeners.retain(|(id, _)| *id != self.id));
        }
    }
}
