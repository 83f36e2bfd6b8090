//! Everything one annotated function was told, resolved: what `Execution` follows.

use std::sync::Arc;
use std::time::Duration;

use crate::breaker::Breaker;
use crate::bulkhead::BulkheadCore;
use crate::context::Context;
use crate::event::EventKind;
use crate::family::Family;
use crate::health::ServiceHealth;
use crate::hedge::{HedgeDelay, Latency};
use crate::rate_limit::RateLimiterCore;
use crate::retry::{BudgetCore, Retry};

/// The layers of one operation, outermost first. This order is the one statement of it: fallback (in the expansion,
/// around everything), deadline, retry, hedge, breaker, rate limit, attempt timeout, bulkhead, health recorder,
/// function.
#[derive(Clone, Debug)]
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
    /// What retries and hedges are paid from.
    pub(crate) budget: Option<Arc<BudgetCore>>,
    pub(crate) hedge: Option<Hedging>,
    pub(crate) breaker: Option<Arc<Breaker>>,
    /// The breaker sees calls, not attempts.
    pub(crate) breaker_per_call: bool,
    pub(crate) rate_limiter: Option<Arc<RateLimiterCore>>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) bulkhead: Option<Arc<BulkheadCore>>,
    pub(crate) health: Option<ServiceHealth>,
    /// Whether something wants to know how long an attempt took.
    pub(crate) measures: bool,
    /// Whether an attempt that succeeds has nothing to tell but to its breaker and its budget.
    pub(crate) plain: bool,
    /// Where some layers have one state per key, what they are found in.
    pub(crate) families: Option<Arc<Families>>,
}

/// When an operation is sent once more beside itself, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Hedging {
    pub(crate) delay: HedgeDelay,
    pub(crate) max_hedges: u32,
    pub(crate) latency: Arc<Latency>,
}

impl Hedging {
    /// The delay before each further attempt, and how many there may be now.
    pub(crate) fn plan(&self) -> (Duration, u32) {
        match self.delay {
            HedgeDelay::Fixed(delay) => (delay, self.max_hedges),
            HedgeDelay::P95 => self.latency.p95().map_or((Duration::MAX, 0), |p95| (p95, self.max_hedges)),
        }
    }
}

/// The shared parts of an operation that has one of each per key.
#[derive(Debug)]
pub(crate) struct Families {
    pub(crate) breakers: Option<Arc<Family<Breaker>>>,
    pub(crate) rate_limiters: Option<Arc<Family<RateLimiterCore>>>,
    pub(crate) bulkheads: Option<Arc<Family<BulkheadCore>>>,
}

impl Families {
    pub(crate) fn into_some(self) -> Option<Arc<Self>> {
        let Self { breakers, rate_limiters, bulkheads } = &self;
        let any = breakers.is_some() || rate_limiters.is_some() || bulkheads.is_some();
        any.then(|| Arc::new(self))
    }
}

impl Policy {
    /// The policy of calls with this key.
    pub(crate) fn of_key(&self, key: &str) -> Self {
        let mut policy = self.clone();
        if let Some(families) = policy.families.take() {
            let Families { breakers, rate_limiters, bulkheads } = &*families;
            policy.breaker = breakers.as_ref().map(|family| family.member(key));
            policy.rate_limiter = rate_limiters.as_ref().map(|family| family.member(key));
            policy.bulkhead = bulkheads.as_ref().map(|family| family.member(key));
        }
        policy.completed()
    }

    /// The policy, once all its layers are known.
    pub(crate) fn completed(mut self) -> Self {
        let Self { deadline, hedge, families, measures, .. } = &self;
        self.plain = deadline.is_none() && hedge.is_none() && families.is_none() && !measures;
        self
    }

    /// Takes what one more attempt beside the others costs; says so where that is not there.
    pub(crate) fn pays_for_another(&self) -> bool {
        let Some(budget) = &self.budget else { return true };
        let paid = budget.withdraw(|| self.context.clock.now());
        if !paid && self.context.events.could_be_heard() {
            self.context.events.tell(self.operation, EventKind::BudgetExhausted { budget: budget.name() });
        }
        paid
    }

    /// Whether `other` would do exactly the same, with the same shared parts.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let Self {
            operation,
            context,
            can_refuse,
            deadline,
            retry,
            retry_on_open,
            budget,
            hedge,
            breaker,
            breaker_per_call,
            rate_limiter,
            timeout,
            bulkhead,
            health,
            measures,
            plain,
            families,
        } = self;
        let same_health = match (health, &other.health) {
            (Some(a), Some(b)) => a.is_same(b),
            (None, None) => true,
            _ => false,
        };
        let same_families = match (families, &other.families) {
            (Some(a), Some(b)) => {
                same(a.breakers.as_ref(), b.breakers.as_ref())
                    && same(a.rate_limiters.as_ref(), b.rate_limiters.as_ref())
                    && same(a.bulkheads.as_ref(), b.bulkheads.as_ref())
            }
            (None, None) => true,
            _ => false,
        };
        let same_hedge = match (hedge, &other.hedge) {
            (Some(a), Some(b)) => {
                (a.delay, a.max_hedges) == (b.delay, b.max_hedges) && Arc::ptr_eq(&a.latency, &b.latency)
            }
            (None, None) => true,
            _ => false,
        };
        same(breaker.as_ref(), other.breaker.as_ref())
            && same(budget.as_ref(), other.budget.as_ref())
            && same(rate_limiter.as_ref(), other.rate_limiter.as_ref())
            && same(bulkhead.as_ref(), other.bulkhead.as_ref())
            && same_hedge
            && same_families
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
            && *plain == other.plain
    }
}

fn same<T>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}
