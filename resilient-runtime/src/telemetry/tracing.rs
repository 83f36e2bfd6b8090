//! Every event as a structured `tracing` event, target `resilient`.

use tracing::level_filters::LevelFilter;
use tracing::{Level, event};

use crate::breaker::State;
use crate::event::{Event, EventKind};
use crate::outcome::Class;
use crate::reason::StopReason;

const TARGET: &str = "resilient";

/// Whether anyone could see what is told on every healthy attempt (level DEBUG).
#[inline]
pub(crate) fn traces_attempts() -> bool {
    LevelFilter::current() >= LevelFilter::DEBUG
}

/// Whether anyone could see what is told of anything but success (level INFO and above).
#[inline]
pub(crate) fn traces_anything() -> bool {
    LevelFilter::current() != LevelFilter::OFF
}

fn seconds(span: std::time::Duration) -> f64 {
    span.as_secs_f64()
}

pub(crate) fn emit(event: &Event) {
    let operation = event.operation;
    match &event.kind {
        EventKind::AttemptSucceeded { attempt, took } => {
            let took = took.map(seconds);
            event!(target: TARGET, Level::DEBUG, operation, attempt, took, "attempt succeeded");
        }
        EventKind::AttemptFailed { attempt, class, took } => {
            let took = took.map(seconds);
            event!(target: TARGET, Level::DEBUG, operation, attempt, ?class, took, "attempt failed");
        }
        EventKind::AttemptIgnored { attempt, class: Class::Contention } => {
            event!(target: TARGET, Level::DEBUG, operation, attempt, "attempt met another caller in its way");
        }
        EventKind::AttemptIgnored { attempt, .. } => {
            event!(target: TARGET, Level::DEBUG, operation, attempt, "attempt failed by its caller's fault");
        }
        EventKind::AttemptTimedOut { attempt, limit } => {
            event!(target: TARGET, Level::WARN, operation, attempt, limit = seconds(*limit), "attempt timed out");
        }
        EventKind::RetryScheduled { attempt, delay } => {
            event!(target: TARGET, Level::WARN, operation, attempt, delay = seconds(*delay), "retry scheduled");
        }
        EventKind::HedgeStarted { attempt, after } => {
            event!(target: TARGET, Level::INFO, operation, attempt, after = seconds(*after), "hedge started");
        }
        EventKind::BudgetExhausted { budget } => {
            event!(target: TARGET, Level::WARN, operation, budget, "retry budget empty");
        }
        EventKind::Refused { kind, retry_after } => {
            let (kind, retry_after) = (kind.as_str(), retry_after.map(seconds));
            event!(target: TARGET, Level::WARN, operation, kind, retry_after, "call refused");
        }
        EventKind::Finished { attempts, reason, fallback, .. } => {
            let text = reason.as_str();
            match reason {
                StopReason::Success | StopReason::Cancelled => {
                    event!(target: TARGET, Level::DEBUG, operation, attempts, reason = text, "call finished");
                }
                StopReason::NotRetryable | StopReason::Refused => {
                    event!(target: TARGET, Level::INFO, operation, attempts, reason = text, "call finished");
                }
                _ if *fallback => {
                    event!(target: TARGET, Level::WARN, operation, attempts, reason = text, "call failed");
                }
                _ => event!(target: TARGET, Level::ERROR, operation, attempts, reason = text, "call failed"),
            }
        }
        EventKind::FallbackUsed => event!(target: TARGET, Level::INFO, operation, "fallback used"),
        EventKind::Transition { breaker, from, to, reason, snapshot } => {
            let (from, failures) = (from.as_str(), snapshot.failure_count);
            let retry_after = snapshot.retry_after;
            if matches!(to, State::Open | State::ForcedOpen) {
                let to = to.as_str();
                event!(
                    target: TARGET, Level::WARN, operation, breaker, from, to, %reason, failures, retry_after,
                    "circuit breaker opened"
                );
            } else {
                let to = to.as_str();
                event!(
                    target: TARGET, Level::INFO, operation, breaker, from, to, %reason, "circuit breaker changed"
                );
            }
        }
        EventKind::ThresholdExceeded { breaker, reason } => {
            event!(
                target: TARGET, Level::WARN, operation, breaker, %reason,
                "circuit breaker would have opened, but only measures"
            );
        }
        EventKind::ServiceHealthChanged { service, from, to } => {
            event!(target: TARGET, Level::WARN, operation, service, %from, %to, "service health changed");
        }
        #[cfg(feature = "chaos")]
        EventKind::ChaosStarted { chaos } => {
            event!(target: TARGET, Level::WARN, operation, %chaos, "chaos is injected");
        }
        #[cfg(feature = "chaos")]
        EventKind::FaultInjected { attempt, fault } => {
            event!(target: TARGET, Level::INFO, operation, attempt, %fault, "fault injected");
        }
        EventKind::Reloaded => {
            event!(target: TARGET, Level::INFO, operation, "configuration reloaded");
        }
        EventKind::BadConfiguration { message } => {
            event!(target: TARGET, Level::ERROR, operation, problem = %message, "bad configuration");
        }
    }
}
