//! What an event adds to the figures, and how it is shown.

use resilient_runtime::EventKind;

use crate::ring::Change;

/// The kinds that are shown one by one. What every healthy call tells is only counted.
const SHOWN: [&str; 11] = [
    "transition",
    "attempt_failed",
    "attempt_timed_out",
    "retry_scheduled",
    "hedge_started",
    "budget_exhausted",
    "refused",
    "fallback_used",
    "threshold_exceeded",
    "service_health_changed",
    "configuration",
];
pub(crate) const KINDS: usize = SHOWN.len();

/// How many of one kind and name are shown in a second.
pub(crate) fn allowance(kind: usize) -> u32 {
    if kind == 0 { 8 } else { 1 }
}

pub(crate) fn name_of(kind: usize) -> &'static str {
    SHOWN[kind]
}

/// Which of the kinds it is, if it is shown.
pub(crate) fn shown(kind: &EventKind) -> Option<usize> {
    let name = match kind {
        EventKind::Transition { .. } => "transition",
        EventKind::AttemptFailed { .. } => "attempt_failed",
        EventKind::AttemptTimedOut { .. } => "attempt_timed_out",
        EventKind::RetryScheduled { .. } => "retry_scheduled",
        EventKind::HedgeStarted { .. } => "hedge_started",
        EventKind::BudgetExhausted { .. } => "budget_exhausted",
        EventKind::Refused { .. } => "refused",
        EventKind::FallbackUsed => "fallback_used",
        EventKind::ThresholdExceeded { .. } => "threshold_exceeded",
        EventKind::ServiceHealthChanged { .. } => "service_health_changed",
        EventKind::Reloaded | EventKind::BadConfiguration { .. } => "configuration",
        _ => return None,
    };
    SHOWN.iter().position(|known| *known == name)
}

pub(crate) fn text(kind: &EventKind) -> String {
    match kind {
        // It may quote what stands in a variable.
        EventKind::BadConfiguration { .. } => {
            "something in the configuration cannot be used: the log and `validate()` say what".to_owned()
        }
        kind => kind.to_string(),
    }
}

pub(crate) fn change(kind: &EventKind) -> Option<Change> {
    match kind {
        EventKind::Transition { breaker, from, to, reason, snapshot, .. } => Some(Change {
            breaker,
            from: from.as_str(),
            to: to.as_str(),
            reason: reason.to_string(),
            retry_after: snapshot.retry_after,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use resilient_runtime::HealthStatus;

    use super::*;

    #[test]
    fn what_happens_to_a_call_is_shown_by_its_name_and_told_as_the_log_tells_it() {
        let second = Duration::from_secs(1);
        for (kind, name) in [
            (EventKind::AttemptTimedOut { attempt: 1, limit: second }, "attempt_timed_out"),
            (EventKind::RetryScheduled { attempt: 1, delay: second }, "retry_scheduled"),
            (EventKind::HedgeStarted { attempt: 2, after: second }, "hedge_started"),
            (EventKind::BudgetExhausted { budget: "default" }, "budget_exhausted"),
            (EventKind::FallbackUsed, "fallback_used"),
            (
                EventKind::ServiceHealthChanged {
                    service: "db",
                    from: HealthStatus::Healthy,
                    to: HealthStatus::Degraded,
                },
                "service_health_changed",
            ),
            (EventKind::Reloaded, "configuration"),
        ] {
            assert_eq!(shown(&kind).map(name_of), Some(name));
            assert_eq!(text(&kind), kind.to_string());
            assert!(change(&kind).is_none());
        }
    }
}
