//! Everything one annotated function was told, resolved: what `Execution` follows.

use std::sync::Arc;
use std::time::Duration;

use crate::breaker::Breaker;
use crate::context::Context;
use crate::health::ServiceHealth;
use crate::retry::Retry;

/// The layers of one operation, outermost first. This order is the one statement of it: fallback (in the expansion,
/// around everything), deadline, retry, breaker, attempt timeout, health recorder, function.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a layer's own switch")]
pub(crate) struct Policy {
    pub(crate) operation: &'static str,
    pub(crate) context: Arc<Context>,
    /// Whether any layer may answer in the function's place. A function without one cannot be refused by the
    /// deadline around it either: its return type may not be able to say so.
    pub(crate) can_refuse: bool,
    pub(crate) deadline: Option<Duration>,
    /// At most one attempt when `None`.
    pub(crate) retry: Option<Retry>,
    pub(crate) retry_on_open: bool,
    pub(crate) breaker: Option<Arc<Breaker>>,
    /// The breaker sees calls, not attempts.
    pub(crate) breaker_per_call: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) health: Option<ServiceHealth>,
    /// Whether something wants to know how long an attempt took.
    pub(crate) measures: bool,
}

impl Policy {
    /// Whether `other` would do exactly the same, with the same shared parts.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let Self {
            operation,
            context,
            can_refuse,
            deadline,
            retry,
            retry_on_open,
            breaker,
            breaker_per_call,
            timeout,
            health,
            measures,
        } = self;
        let same_breaker = match (breaker, &other.breaker) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        let same_health = match (health, &other.health) {
            (Some(a), Some(b)) => a.is_same(b),
            (None, None) => true,
            _ => false,
        };
        same_breaker
            && same_health
            && *operation == other.operation
            && Arc::ptr_eq(context, &other.context)
            && *can_refuse == other.can_refuse
            && *deadline == other.deadline
            && *retry == other.retry
            && *retry_on_open == other.retry_on_open
            && *breaker_per_call == other.breaker_per_call
            && *timeout == other.timeout
            && *measures == other.measures
    }
}
