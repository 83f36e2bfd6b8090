//! Every metric, once.

use ::metrics::Unit;

#[derive(Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) labels: &'static [&'static str],
    pub(super) what: &'static str,
}

macro_rules! metrics {
    ($($kind:ident { $($word:ident: $name:literal [$($label:literal),*] $what:literal;)+ })+) => {
        $(
            pub(super) const $kind: &[Metric] = &[$($word),+];
            $(
                pub(super) const $word: Metric =
                    Metric { name: concat!("resilient_", $name), labels: &[$($label),*], what: $what };
            )+
        )+
    };
}

metrics! {
    COUNTERS {
        CALLS: "calls_total" ["operation", "outcome", "reason"] "Calls that ended, each once";
        ATTEMPTS: "attempts_total" ["operation", "outcome"] "Attempts with a result";
        RETRIES: "retries_total" ["operation"] "Attempts that follow one that failed";
        HEDGES: "hedges_total" ["operation"] "Attempts that were started beside others";
        TIMEOUTS: "timeouts_total" ["operation"] "Attempts that were given up at their limit";
        REFUSALS: "refusals_total" ["operation", "kind"] "Attempts that a layer refused";
        FALLBACKS: "fallbacks_total" ["operation"] "Calls that the fallback answers";
        EXHAUSTED: "retry_budget_exhausted_total" ["budget"]
            "Retries and hedges that were not made, since their budget was empty";
        TRANSITIONS: "breaker_transitions_total" ["breaker", "from", "to", "reason"] "Changes of a breaker's state";
        EXCEEDED: "breaker_threshold_exceeded_total" ["breaker", "reason"]
            "How often a breaker that only measures would have opened";
        FAULTS: "faults_total" ["operation", "fault"] "Faults on purpose";
        RELOADS: "reloads_total" [] "Configurations that were put in force while the program ran";
        BAD_CONFIGURATIONS: "bad_configurations_total" [] "Reports of a wrong value or of a conflict";
    }
    HISTOGRAMS {
        CALL_DURATION: "call_duration_seconds" ["operation", "outcome"] "What calls took, waits included";
        ATTEMPT_DURATION: "attempt_duration_seconds" ["operation", "outcome"]
            "What attempts took that succeeded or failed";
    }
    GAUGES {
        HEALTH: "health" ["status"] "1 for the overall health, 0 for what it is not";
        BREAKER_STATE: "breaker_state" ["breaker", "state"] "Breakers of that name in that state";
        BULKHEAD_ACTIVE: "bulkhead_active" ["bulkhead"] "Calls that run";
        BULKHEAD_WAITING: "bulkhead_waiting" ["bulkhead"] "Calls that wait for a place";
        BULKHEAD_MAX_CONCURRENT: "bulkhead_max_concurrent" ["bulkhead"] "Calls that may run at once";
        RATE_LIMITER_PERMITS: "rate_limiter_permits" ["rate_limiter"] "Permits that can be taken now";
        RATE_LIMITER_BURST: "rate_limiter_burst" ["rate_limiter"]
            "Permits that can be taken at once after a quiet time";
        RATE_LIMITER_WAITING: "rate_limiter_waiting" ["rate_limiter"] "Calls that wait for their permit";
        BUDGET_AVAILABLE: "retry_budget_available" ["budget"] "Tokens that are left; of a ratio, retries";
        BUDGET_CAPACITY: "retry_budget_capacity" ["budget"] "Tokens there can be";
        SERVICE_HEALTH: "service_health" ["service", "status"]
            "1 for the service's health, 0 for what it is not";
        WORKER_THREADS: "worker_threads" ["state"]
            "Threads of sync time limits: active, idle; stuck ones are active too";
    }
}

impl Metric {
    pub(super) fn unit(&self) -> Unit {
        if self.name.ends_with("_seconds") { Unit::Seconds } else { Unit::Count }
    }
}
