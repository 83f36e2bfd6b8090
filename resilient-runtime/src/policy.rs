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
    /// An attribute says what answers in the function's place where it fails.
    pub(crate) has_fallback: bool,
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
            has_fallback,
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
            && *has_fallback == other.has_fallback
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breaker::BreakerConfig;
    use crate::bulkhead::BulkheadConfig;
    use crate::health::HealthConfig;
    use crate::rate_limit::RateLimitConfig;
    use crate::retry::{Backoff, Budget, Jitter};

    fn context() -> Arc<Context> {
        Arc::new(Context::system())
    }

    fn breaker() -> Arc<Breaker> {
        Arc::new(Breaker::new("db", BreakerConfig::default(), context()))
    }

    fn rate_limiter() -> Arc<RateLimiterCore> {
        Arc::new(RateLimiterCore::new("db", RateLimitConfig::new(1), context()))
    }

    fn bulkhead() -> Arc<BulkheadCore> {
        Arc::new(BulkheadCore::new("db", BulkheadConfig::default(), context()))
    }

    fn families() -> Families {
        Families { breakers: None, rate_limiters: None, bulkheads: None }
    }

    fn hedging() -> Hedging {
        Hedging { delay: HedgeDelay::P95, max_hedges: 1, latency: Arc::default() }
    }

    fn health() -> ServiceHealth {
        ServiceHealth::new("db", HealthConfig::default(), context().clock.clone())
    }

    fn policy() -> Policy {
        Policy {
            operation: "f",
            context: context(),
            can_refuse: true,
            has_fallback: false,
            deadline: None,
            retry: None,
            retry_on_open: false,
            budget: None,
            hedge: None,
            breaker: None,
            breaker_per_call: false,
            rate_limiter: None,
            timeout: None,
            bulkhead: None,
            health: None,
            measures: false,
            plain: true,
            families: None,
        }
    }

    fn retry() -> Retry {
        Retry {
            max_attempts: 3,
            base_delay: Duration::ZERO,
            max_delay: Duration::ZERO,
            exponential_base: 2.0,
            jitter: Jitter::None,
            backoff: Backoff::Constant,
        }
    }

    #[test]
    fn a_policy_that_differs_in_one_thing_is_another() {
        let of_numbers: [fn(&mut Policy); 11] = [
            |it| it.operation = "g",
            |it| it.can_refuse = false,
            |it| it.has_fallback = true,
            |it| it.deadline = Some(Duration::from_secs(1)),
            |it| it.retry = Some(retry()),
            |it| it.retry_on_open = true,
            |it| it.breaker_per_call = true,
            |it| it.timeout = Some(Duration::from_secs(1)),
            |it| it.measures = true,
            |it| it.plain = false,
            |it| it.families = Some(Arc::new(families())),
        ];
        // However alike, parts that are not shared make another policy each time.
        let of_parts: [fn(&mut Policy); 7] = [
            |it| it.context = context(),
            |it| it.budget = Some(Arc::new(BudgetCore::new("b", Budget::None))),
            |it| it.hedge = Some(hedging()),
            |it| it.breaker = Some(breaker()),
            |it| it.rate_limiter = Some(rate_limiter()),
            |it| it.bulkhead = Some(bulkhead()),
            |it| it.health = Some(health()),
        ];
        let bare = policy();
        let changed = |change: &fn(&mut Policy)| {
            let mut other = bare.clone();
            change(&mut other);
            other
        };
        assert!(bare.is_same(&bare.clone()));
        for change in of_numbers.iter().chain(&of_parts) {
            let other = changed(change);
            assert!(other.is_same(&other.clone()), "{other:?}");
            assert!(!bare.is_same(&other) && !other.is_same(&bare), "{other:?}");
        }
        for change in of_numbers {
            assert!(changed(&change).is_same(&changed(&change)));
        }
        for change in of_parts {
            assert!(!changed(&change).is_same(&changed(&change)));
        }
        let hedged = Policy { hedge: Some(hedging()), ..bare.clone() };
        let shared = hedged.hedge.clone().unwrap();
        let more = Hedging { max_hedges: 2, ..shared };
        assert!(!hedged.is_same(&Policy { hedge: Some(more), ..bare.clone() }));
    }

    #[test]
    fn a_success_is_told_to_none_but_breaker_and_budget_where_nothing_else_is_there() {
        let bare = Policy { plain: false, ..policy() };
        assert!(bare.clone().completed().plain);
        let with: [fn(&mut Policy); 4] = [
            |it| it.deadline = Some(Duration::from_secs(1)),
            |it| it.hedge = Some(hedging()),
            |it| it.families = Some(Arc::new(families())),
            |it| it.measures = true,
        ];
        for change in with {
            let mut other = bare.clone();
            change(&mut other);
            assert!(!other.completed().plain);
        }
    }
}
