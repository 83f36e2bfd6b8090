//! The parts of policies that are shared by name: which functions name them, whose numbers they get, who disagrees.

use std::sync::Arc;

use super::{Report, Runtime};
use crate::breaker::BreakerConfig;
use crate::bulkhead::BulkheadConfig;
use crate::by_name::ByName;
use crate::family::Family;
use crate::profile::{Conflict, Resolved};
use crate::rate_limit::RateLimitConfig;
use crate::registry::{Disagreement, Origin, Registry, Shared};
use crate::retry::Budget;
use crate::site::{Asking, Site, Spec, sites};

pub(super) type NameOf = fn(&Spec, &'static str) -> Option<&'static str>;

/// One kind of shared part: which of them a function names, and what it asks of it.
pub(super) struct Kind<C> {
    pub(super) name_of: NameOf,
    pub(super) config_of: fn(&Spec, &Resolved) -> C,
}

pub(super) const BREAKERS: Kind<BreakerConfig> =
    Kind { name_of: Spec::breaker_name_of, config_of: breaker_config };
pub(super) const RATE_LIMITERS: Kind<RateLimitConfig> =
    Kind { name_of: Spec::rate_limit_name_of, config_of: rate_limit_config };
pub(super) const BULKHEADS: Kind<BulkheadConfig> =
    Kind { name_of: Spec::bulkhead_name_of, config_of: bulkhead_config };
pub(super) const BUDGETS: Kind<Budget> =
    Kind { name_of: Spec::budget_name_of, config_of: |_, resolved| resolved.budget };

/// The functions that name such a part, with the name.
pub(super) fn named(name_of: NameOf) -> impl Iterator<Item = (&'static Site, &'static str)> {
    sites().filter_map(move |site| Some((site, name_of(site.spec(), site.operation())?)))
}

/// Of all functions that name it, the one whose settings it gets: the first in the source, so that it does not
/// depend on who is called first. `None` where that is the one that asks.
pub(super) fn owner(name_of: NameOf, name: &'static str, asking: &Asking<'_>) -> Option<&'static Site> {
    named(name_of)
        .filter(|(_, named)| *named == name)
        .map(|(site, _)| site)
        .min_by_key(|site| (site.spec().file, site.spec().line))
        .filter(|owner| !std::ptr::eq(owner.spec(), asking.spec))
}

/// Gets the shared parts of one policy.
pub(super) struct Parts<'a> {
    pub(super) runtime: &'a Runtime,
    pub(super) asking: &'a Asking<'a>,
    pub(super) resolved: &'a Resolved,
    pub(super) reports: &'a mut Vec<Report>,
}

impl Parts<'_> {
    pub(super) fn get<T: Shared>(
        &mut self,
        registry: &Registry<T>,
        kind: &Kind<T::Config>,
    ) -> Option<Arc<T>> {
        if self.asking.spec.is_keyed { None } else { self.any(registry, kind) }
    }

    /// One per key.
    pub(super) fn family<T: Shared>(
        &mut self,
        registry: &Registry<Family<T>>,
        kind: &Kind<T::Config>,
    ) -> Option<Arc<Family<T>>> {
        if self.asking.spec.is_keyed { self.any(registry, kind) } else { None }
    }

    pub(super) fn any<T: Shared>(
        &mut self,
        registry: &Registry<T>,
        kind: &Kind<T::Config>,
    ) -> Option<Arc<T>> {
        let Self { runtime, asking, resolved, reports } = self;
        let (spec, context) = (asking.spec, runtime.context());
        let name = (kind.name_of)(spec, asking.operation)?;
        let owner = owner(kind.name_of, name, asking);
        if let Some(owner) = owner.filter(|owner| owner.spec().is_keyed == spec.is_keyed) {
            let owner = owner.asking();
            let config = (kind.config_of)(owner.spec, &runtime.resolve(&owner));
            registry.get_or_make(name, config, origin(&owner), context);
        }
        let config = (kind.config_of)(spec, resolved);
        let (part, disagreement) = registry.get_or_make(name, config, origin(asking), context);
        reports.extend(disagreement.map(|it| (name, conflict(it).to_string())));
        Some(part)
    }
}

/// Who asked for what under which name, in the order of the source.
pub(super) struct Asked<'a, T: Shared> {
    kind: &'a Kind<T::Config>,
    by_name: ByName<&'static str, (T::Config, String)>,
}

impl<'a, T: Shared> Asked<'a, T> {
    pub(super) fn new(kind: &'a Kind<T::Config>) -> Self {
        Self { kind, by_name: ByName::default() }
    }

    /// The conflict with whoever asked first, if there is one.
    pub(super) fn ask(&mut self, asking: &Asking<'_>, resolved: &Resolved) -> Option<Conflict> {
        let name = (self.kind.name_of)(asking.spec, asking.operation)?;
        let (config, at) = ((self.kind.config_of)(asking.spec, resolved), location(asking.spec));
        let Some((first, first_at)) = self.by_name.get(name) else {
            self.by_name.insert(name, (config, at));
            return None;
        };
        let differ = !T::agree(first, &config);
        differ.then(|| Conflict::new(T::KIND, name, first_at.as_str(), at, T::differences(first, &config)))
    }
}

pub(super) fn location(spec: &Spec) -> String {
    format!("{}:{}", spec.file, spec.line)
}

fn origin(asking: &Asking<'_>) -> Origin {
    Origin { operation: asking.operation, at: location(asking.spec) }
}

fn breaker_config(spec: &Spec, resolved: &Resolved) -> BreakerConfig {
    let mut config = BreakerConfig::new()
        .failure_threshold(resolved.failure_threshold)
        .success_threshold(resolved.success_threshold)
        .recovery_timeout(resolved.recovery_timeout)
        .window(resolved.window)
        .min_calls(resolved.min_calls)
        .half_open_max_calls(resolved.half_open_max_calls)
        .recovery_backoff(resolved.recovery_backoff)
        .recovery_jitter(resolved.recovery_jitter)
        .critical(spec.critical);
    config.failure_rate = resolved.failure_rate;
    config.slow_call_rate = resolved.slow_call_rate;
    config.slow_call_duration = resolved.slow_call_duration.filter(|_| resolved.slow_call_rate.is_some());
    config.max_recovery_timeout = resolved.max_recovery_timeout;
    let attempt = (spec.layers.timeout && resolved.enable_timeout).then_some(resolved.timeout);
    let lease = attempt.map_or(resolved.recovery_timeout, |timeout| {
        timeout.saturating_mul(2).max(resolved.recovery_timeout)
    });
    config.probe_lease(lease)
}

fn rate_limit_config(_: &Spec, resolved: &Resolved) -> RateLimitConfig {
    RateLimitConfig::new(resolved.rate_limit_rate)
        .per(resolved.rate_limit_per)
        .burst(resolved.rate_limit_burst)
        .max_wait(resolved.rate_limit_max_wait)
        .algorithm(resolved.rate_limit_algorithm)
}

fn bulkhead_config(_: &Spec, resolved: &Resolved) -> BulkheadConfig {
    let mut config = BulkheadConfig::new().max_concurrent(resolved.bulkhead_max_concurrent);
    config.max_queue = resolved.bulkhead_max_queue;
    config.max_wait = resolved.bulkhead_max_wait;
    config
}

fn conflict(disagreement: Disagreement) -> Conflict {
    let Disagreement { kind, name, origins: [first, second], differences } = disagreement;
    if first.at == second.at {
        let [first, second] = [first, second].map(|it| format!("{} (`{}`)", it.at, it.operation));
        return Conflict::new(kind, name, first, second, differences);
    }
    Conflict::new(kind, name, first.at, second.at, differences)
}
