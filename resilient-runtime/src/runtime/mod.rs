//! One runtime: a registry, a configuration, a clock, listeners. The process has one; a test's scope has its own.

#[cfg(feature = "checks")]
mod here;
mod origins;
mod parts;
mod surroundings;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

#[cfg(feature = "checks")]
pub use here::Here;
pub(crate) use origins::{Origins, Understood};
use parts::{
    Asked, BREAKERS, BUDGETS, BULKHEADS, Kind, NameOf, Parts, RATE_LIMITERS, location, named, owner,
};
#[cfg(feature = "checks")]
pub use surroundings::Carried;
pub(crate) use surroundings::Surroundings;

#[cfg(feature = "checks")]
use crate::api::Operation;
use crate::breaker::Breaker;
use crate::bulkhead::BulkheadCore;
use crate::by_name::ByName;
use crate::context::Context;
use crate::event::EventKind;
use crate::family::Family;
use crate::health::{HealthConfig, ServiceHealth};
use crate::hedge::Latency;
use crate::policy::{Families, Hedging, Policy};
use crate::policy_ref::PolicyRef;
#[cfg(feature = "checks")]
use crate::profile::Settings;
#[cfg(feature = "reload")]
use crate::profile::SettingsFile;
use crate::profile::{ConfigErrors, Explanation, Problem, Request, Resolved, Subject, check, resolve};
#[cfg(feature = "checks")]
use crate::profile::{NotUtf8, Text};
use crate::rate_limit::RateLimiterCore;
use crate::registry::{BudgetSlot, Registry, Shared};
use crate::retry::Budget;
#[cfg(feature = "metrics")]
use crate::retry::BudgetCore;
#[cfg(feature = "checks")]
use crate::site::Spec;
use crate::site::{Asking, Site, sites};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, Whole, plain};
use crate::timeout::TimeoutMode;
use crate::timeout::pool::{MAX_WORKERS, Pool};
use crate::unusual::Unusual;

static PROCESS: plain::Lazy<Runtime> =
    plain::Lazy::new(|| Runtime::new(Context::system(), Origins::default(), true));

/// The worker threads of sync time limits; shared by every runtime, since threads are the process's.
pub(crate) static WORKERS: Pool = Pool::new(MAX_WORKERS);

/// Scopes that are entered or could be polled, in the whole process. Zero in production.
static SCOPES: plain::atomic::AtomicUsize = plain::atomic::AtomicUsize::new(0);

thread_local! {
    static SCOPE: RefCell<Option<Runtime>> = const { RefCell::new(None) };
}

#[inline]
pub(crate) fn scopes_are_active() -> bool {
    SCOPES.load(Ordering::Relaxed) != 0
}

/// A cheap handle on one runtime.
#[derive(Clone, Debug)]
pub(crate) struct Runtime(Arc<Inner>);

/// See [`Runtime::downgrade`].
#[cfg(feature = "metrics")]
#[derive(Debug)]
pub(crate) struct WeakRuntime(std::sync::Weak<Inner>);

#[cfg(feature = "metrics")]
impl WeakRuntime {
    pub(crate) fn upgrade(&self) -> Option<Runtime> {
        self.0.upgrade().map(Runtime)
    }
}

#[derive(Debug)]
struct Inner {
    context: Arc<Context>,
    breakers: Registry<Breaker>,
    keyed_breakers: Registry<Family<Breaker>>,
    rate_limiters: Registry<RateLimiterCore>,
    keyed_rate_limiters: Registry<Family<RateLimiterCore>>,
    bulkheads: Registry<BulkheadCore>,
    keyed_bulkheads: Registry<Family<BulkheadCore>>,
    budgets: Registry<BudgetSlot>,
    latencies: Mutex<ByName<&'static str, Arc<Latency>>>,
    services: Mutex<ByName<&'static str, ServiceHealth>>,
    #[cfg(feature = "checks")]
    checks: crate::health::Checks,
    /// What was made in code, as it was made last.
    #[cfg(feature = "checks")]
    configured: Mutex<ByName<&'static str, (Spec, Settings)>>,
    origins: Mutex<Origins>,
    policies: Mutex<Policies>,
    /// Changes, under the lock of `policies`, whenever what they are made from does. One that was begun before is not
    /// kept.
    epoch: AtomicU64,
    is_process: bool,
}

/// Resolved policies.
#[derive(Debug, Default)]
struct Policies {
    /// By site; the process's runtime keeps them in the sites themselves.
    scoped: HashMap<usize, PolicyRef>,
}

impl Runtime {
    pub(crate) fn new(context: Context, origins: Origins, is_process: bool) -> Self {
        Self(Arc::new(Inner {
            context: Arc::new(context),
            breakers: Registry::default(),
            keyed_breakers: Registry::default(),
            rate_limiters: Registry::default(),
            keyed_rate_limiters: Registry::default(),
            bulkheads: Registry::default(),
            keyed_bulkheads: Registry::default(),
            budgets: Registry::default(),
            latencies: Mutex::default(),
            services: Mutex::default(),
            #[cfg(feature = "checks")]
            checks: crate::health::Checks::default(),
            #[cfg(feature = "checks")]
            configured: Mutex::default(),
            origins: Mutex::new(origins),
            policies: Mutex::default(),
            epoch: AtomicU64::new(0),
            is_process,
        }))
    }

    /// The runtime of the scope this thread is in, else the process's.
    pub(crate) fn current() -> Self {
        if scopes_are_active() {
            if let Some(scope) = SCOPE.with_borrow(Clone::clone) {
                return scope;
            }
        }
        PROCESS.clone()
    }

    /// What `look` finds in [`Runtime::current`], which costs no count of its holders outside a scope.
    pub(crate) fn with_current<R>(look: impl FnOnce(&Self) -> R) -> R {
        if scopes_are_active() { look(&Self::current()) } else { look(&PROCESS) }
    }

    pub(crate) fn is_process(&self) -> bool {
        self.0.is_process
    }

    /// A number that changes whenever a policy made before may be out of date.
    pub(crate) fn epoch(&self) -> u64 {
        self.0.epoch.load(Ordering::Acquire)
    }

    /// Makes this the thread's runtime until dropped.
    pub(crate) fn enter(&self) -> Entered {
        Entered { _scope: Self::announce(), around: SCOPE.replace(Some(self.clone())) }
    }

    /// Keeps the healthy path from overlooking a scope while some thread may be in it.
    pub(crate) fn announce() -> Announced {
        SCOPES.fetch_add(1, Ordering::Relaxed);
        Announced { _unusual: Unusual::begins() }
    }

    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.0.context
    }

    /// The policy of one site, resolved at its first call here.
    pub(crate) fn policy_of(&self, site: &'static Site) -> PolicyRef {
        // One that was begun before a change has given what it shares the former numbers: it is built again, even if
        // another has been kept meanwhile.
        let mut is_stale = false;
        loop {
            let epoch = {
                let policies = self.0.policies.lock().whole();
                if let Some(known) = self.known_policy(site, &policies).filter(|_| !is_stale) {
                    return known;
                }
                self.epoch()
            };
            // Built without the lock: the attribute's arguments are the user's code.
            let (policy, reports) = self.build(&site.asking());
            let mut policies = self.0.policies.lock().whole();
            if self.epoch() != epoch {
                is_stale = true;
                continue;
            }
            if let Some(known) = self.known_policy(site, &policies) {
                return known;
            }
            let kept = if self.0.is_process {
                PolicyRef::lasting(site.keep(policy))
            } else {
                let policy = PolicyRef::counted(policy);
                policies.scoped.insert(key(site), policy.clone());
                policy
            };
            drop(policies);
            // Only now, and by whoever kept it: a listener may come back here, and others may have built it as well.
            for (operation, message) in reports {
                self.report(operation, message);
            }
            return kept;
        }
    }

    fn known_policy(&self, site: &'static Site, policies: &Policies) -> Option<PolicyRef> {
        if self.0.is_process {
            return site.kept().map(PolicyRef::lasting);
        }
        policies.scoped.get(&key(site)).cloned()
    }

    /// What `asking` shall follow, and what is to be reported about it.
    pub(crate) fn build(&self, asking: &Asking<'_>) -> (Policy, Vec<Report>) {
        let Asking { spec, operation, .. } = *asking;
        let resolved = self.resolve(asking);
        // What the environment says wrongly was told when it was read.
        let told = &self.understood().environment.problems;
        let is_told = |problem: &&Problem| told.iter().any(|other| other.is_about_the_same_as(problem));
        let problems = resolved.problems.iter().filter(|problem| !is_told(problem));
        let mut reports: Vec<Report> = problems.map(|problem| (operation, problem.to_string())).collect();
        let Resolved { enable_timeout, enable_retry, enable_circuit_breaker, .. } = resolved;
        let Resolved { enable_hedge, enable_rate_limit, enable_bulkhead, .. } = resolved;
        let context = Arc::clone(&self.0.context);
        let mut part = Parts { runtime: self, asking, resolved: &resolved, reports: &mut reports };
        // A part that is switched off is there all the same, for whoever asks for it by name.
        let breaker = part.get(&self.0.breakers, &BREAKERS).filter(|_| enable_circuit_breaker);
        let keyed_breakers =
            part.family(&self.0.keyed_breakers, &BREAKERS).filter(|_| enable_circuit_breaker);
        let rate_limiter = part.get(&self.0.rate_limiters, &RATE_LIMITERS).filter(|_| enable_rate_limit);
        let rate_limiters =
            part.family(&self.0.keyed_rate_limiters, &RATE_LIMITERS).filter(|_| enable_rate_limit);
        let bulkhead = part.get(&self.0.bulkheads, &BULKHEADS).filter(|_| enable_bulkhead);
        let bulkheads = part.family(&self.0.keyed_bulkheads, &BULKHEADS).filter(|_| enable_bulkhead);
        let families = Families { breakers: keyed_breakers, rate_limiters, bulkheads };
        // One for all keys: what is scarce is the target.
        let budget = part.any(&self.0.budgets, &BUDGETS).and_then(|slot| slot.current());
        let budget = budget.filter(|_| resolved.budget != Budget::None);
        let hedge = (spec.layers.hedge && enable_hedge).then(|| Hedging {
            delay: resolved.hedge_delay,
            max_hedges: resolved.hedge_max_hedges,
            latency: Arc::clone(self.0.latencies.lock().whole().get_or_make(operation, Arc::default)),
        });
        let health =
            spec.service.filter(|_| resolved.enabled).map(|(name, config)| self.service(name, config()));
        let timeout = (spec.layers.timeout && enable_timeout).then_some(resolved.timeout);
        let deadline = resolved.deadline.filter(|_| spec.layers.deadline);
        let retry = (spec.layers.retry && enable_retry).then(|| resolved.retry());
        let times_calls =
            resolved.slow_call_rate.is_some() && (breaker.is_some() || families.breakers.is_some());
        let policy = Policy {
            operation,
            context,
            can_refuse: spec.can_refuse(),
            has_fallback: spec.layers.fallback,
            deadline,
            retry,
            retry_on_open: spec.retry_on_open,
            budget,
            hedge,
            breaker,
            breaker_per_call: spec.layers.breaker_per_call,
            rate_limiter,
            timeout,
            bulkhead,
            measures: health.is_some() || times_calls,
            plain: false,
            health,
            families: families.into_some(),
        };
        (policy.completed(), reports)
    }

    fn resolve(&self, asking: &Asking<'_>) -> Resolved {
        let Asking { spec, operation, written } = asking;
        let understood = self.understood();
        let words: Vec<_> = spec.attributes().collect();
        let overrides: Vec<_> =
            [*operation, "*"].iter().filter_map(|key| understood.overrides.get(key)).collect();
        resolve(&Request {
            operation,
            operation_type: spec.operation_type,
            words: &words,
            location: &location(spec),
            layers: spec.layers,
            overrides: &overrides,
            attribute: Some(written),
            profiles: &understood.profiles,
            environment: &understood.environment,
        })
    }

    /// Keeps what was made in code, to be explained to whoever looks at everything. One for each name.
    #[cfg(feature = "checks")]
    pub(crate) fn remember(&self, asking: &Asking<'_>) {
        let made = (*asking.spec, asking.written.clone());
        self.0.configured.lock().whole().insert(asking.operation, made);
    }

    /// Every operation that was made in code.
    #[cfg(feature = "checks")]
    #[inline]
    pub(crate) fn made_in_code(&self) -> Vec<Operation> {
        let made = self.0.configured.lock().whole();
        let shown = |(name, (spec, _)): (&&'static str, &(Spec, Settings))| Operation {
            is_annotated: false,
            ..Operation::of(spec, name)
        };
        made.iter().map(shown).collect()
    }

    /// What is in force for an operation that was made in code.
    #[cfg(feature = "checks")]
    #[inline]
    pub(crate) fn explain_made(&self, operation: &str) -> Option<Explanation> {
        let known = self.0.configured.lock().whole();
        let (operation, (spec, written)) =
            known.iter().find(|(name, _)| **name == operation).map(|(name, made)| (*name, made.clone()))?;
        drop(known);
        Some(self.explain(&Asking { spec: &spec, operation, written }))
    }

    /// Makes an operation known that is no annotated function, so that its variables are read.
    pub(crate) fn declare(&self, operation: &'static str, kind: &'static str) {
        let mut origins = self.0.origins.lock().whole();
        let kinds = origins.declared.get_or_make(operation, Vec::new);
        if kinds.contains(&kind) {
            return;
        }
        kinds.push(kind);
        origins.changes += 1;
        let Some(understood) = &origins.understood else { return };
        if origins.is_changed_by_operation_of(understood, kind) {
            // From the environment as it was read: nothing else changes by this.
            let read = Arc::clone(&understood.read);
            origins.understood = Some(Arc::new(origins.understand_as_read(read)));
        }
    }

    /// The configuration, read at first use; its problems are told then, once.
    fn understood(&self) -> Arc<Understood> {
        let (understood, fresh) = {
            let mut origins = self.0.origins.lock().whole();
            if let Some(understood) = &origins.understood {
                (Arc::clone(understood), false)
            } else {
                let understood = Arc::new(origins.understand());
                origins.understood = Some(Arc::clone(&understood));
                (understood, true)
            }
        };
        if fresh {
            let problems = understood.environment.problems.clone();
            if let Err(errors) = ConfigErrors::check(problems, Vec::new()) {
                self.report("configuration", errors.to_string());
            }
            #[cfg(feature = "chaos")]
            self.adopt_chaos(&understood);
        }
        understood
    }

    #[cfg(feature = "chaos")]
    fn adopt_chaos(&self, understood: &Understood) {
        crate::chaos::adopt(&self.0.context, &understood.environment.chaos, sites().map(Site::operation));
    }

    /// What the variables say about faults, and their prefix.
    #[cfg(feature = "chaos")]
    pub(crate) fn chaos_variables(&self) -> (crate::chaos::Variables, String) {
        let environment = &self.understood().environment;
        (environment.chaos.clone(), environment.prefix.clone())
    }

    pub(crate) fn report(&self, operation: &'static str, message: String) {
        self.0.context.events.tell(operation, EventKind::BadConfiguration { message });
    }

    pub(crate) fn service(&self, name: &'static str, config: HealthConfig) -> ServiceHealth {
        let clock = || self.0.context.clock.clone();
        let mut services = self.0.services.lock().whole();
        services.get_or_make(name, || ServiceHealth::new(name, config, clock())).clone()
    }

    pub(crate) fn services(&self) -> Vec<ServiceHealth> {
        for site in sites() {
            if let Some((name, config)) = site.spec().service {
                let config = config();
                self.service(name, config);
            }
        }
        self.0.services.lock().whole().iter().map(|(_, service)| service.clone()).collect()
    }

    #[cfg(feature = "checks")]
    pub(crate) fn checks(&self) -> &crate::health::Checks {
        &self.0.checks
    }

    /// The breaker of that name, made now if an annotated function names it and was not called yet.
    #[inline]
    pub(crate) fn breaker(&self, name: &str) -> Option<Arc<Breaker>> {
        self.named(&self.0.breakers, &BREAKERS, name)
    }

    /// Every breaker that is in use, and every one that an annotated function names, by name.
    #[inline]
    pub(crate) fn breakers(&self) -> Vec<Arc<Breaker>> {
        self.all(&self.0.breakers, &BREAKERS).into_iter().map(|(_, breaker)| breaker).collect()
    }

    /// The bulkhead of that name, as [`Runtime::breaker`].
    pub(crate) fn bulkhead(&self, name: &str) -> Option<Arc<BulkheadCore>> {
        self.named(&self.0.bulkheads, &BULKHEADS, name)
    }

    /// Every bulkhead, as [`Runtime::breakers`].
    #[inline]
    pub(crate) fn bulkheads(&self) -> Vec<Arc<BulkheadCore>> {
        self.all(&self.0.bulkheads, &BULKHEADS).into_iter().map(|(_, bulkhead)| bulkhead).collect()
    }

    /// The rate limiter of that name, as [`Runtime::breaker`].
    pub(crate) fn rate_limiter(&self, name: &str) -> Option<Arc<RateLimiterCore>> {
        self.named(&self.0.rate_limiters, &RATE_LIMITERS, name)
    }

    /// Every rate limiter, as [`Runtime::breakers`].
    #[inline]
    pub(crate) fn rate_limiters(&self) -> Vec<Arc<RateLimiterCore>> {
        self.all(&self.0.rate_limiters, &RATE_LIMITERS).into_iter().map(|(_, limiter)| limiter).collect()
    }

    /// Every retry budget, as [`Runtime::breakers`].
    #[cfg(feature = "metrics")]
    pub(crate) fn budgets(&self) -> Vec<Arc<BudgetCore>> {
        self.all(&self.0.budgets, &BUDGETS).iter().filter_map(|(_, slot)| slot.current()).collect()
    }

    /// Whether breakers of that name are kept by key.
    #[cfg(feature = "metrics")]
    pub(crate) fn keeps_by_key(&self, breaker: &str) -> bool {
        self.0.keyed_breakers.get(breaker).is_some()
    }

    /// For what this runtime owns: it shall not own it in turn.
    #[cfg(feature = "metrics")]
    pub(crate) fn downgrade(&self) -> WeakRuntime {
        WeakRuntime(Arc::downgrade(&self.0))
    }

    /// The breakers of that name, one per key.
    pub(crate) fn keyed_breaker_family(&self, name: &str) -> Option<Arc<Family<Breaker>>> {
        self.named(&self.0.keyed_breakers, &BREAKERS, name)
    }

    /// Every breaker that is kept by key, by name.
    #[inline]
    pub(crate) fn keyed_breaker_families(&self) -> Vec<(&'static str, Arc<Family<Breaker>>)> {
        self.all(&self.0.keyed_breakers, &BREAKERS)
    }

    fn named<T: Shared, C>(&self, registry: &Registry<T>, kind: &Kind<C>, name: &str) -> Option<Arc<T>> {
        registry.get(name).or_else(|| {
            self.make_policies(kind.name_of, Some(name));
            registry.get(name)
        })
    }

    fn all<T: Shared, C>(&self, registry: &Registry<T>, kind: &Kind<C>) -> Vec<(&'static str, Arc<T>)> {
        self.make_policies(kind.name_of, None);
        registry.all()
    }

    /// Of the functions that name a part so, or at all: what they share exists then.
    fn make_policies(&self, name_of: NameOf, wanted: Option<&str>) {
        named(name_of)
            .filter(|(_, name)| wanted.is_none_or(|wanted| wanted == *name))
            .for_each(|(site, _)| drop(self.policy_of(site)));
    }

    #[inline]
    pub(crate) fn explain(&self, asking: &Asking<'_>) -> Explanation {
        let Asking { spec, operation, .. } = *asking;
        let mut resolved = self.resolve(asking);
        let function = spec.path_in_code();
        let attributes: Vec<_> = spec.attributes().collect();
        let understood = self.understood();
        let notes = [
            self.owned_elsewhere::<Breaker>(&BREAKERS, asking, &resolved),
            self.owned_elsewhere::<RateLimiterCore>(&RATE_LIMITERS, asking, &resolved),
            self.owned_elsewhere::<BulkheadCore>(&BULKHEADS, asking, &resolved),
            self.owned_elsewhere::<BudgetSlot>(&BUDGETS, asking, &resolved),
        ];
        resolved.notes.extend(notes.into_iter().flatten());
        let subject = Subject {
            operation,
            function: &function,
            file: spec.file,
            line: spec.line,
            attributes: &attributes,
            layers: spec.layers,
            operation_type: spec.operation_type,
            breaker: spec.breaker_name_of(operation),
            rate_limiter: spec.rate_limit_name_of(operation),
            bulkhead: spec.bulkhead_name_of(operation),
            budget: spec.budget_name_of(operation),
            timeout_mode: spec.timeout_mode.map(TimeoutMode::as_str),
            prefix: &understood.environment.prefix,
            released_at_limit: spec.is_async || spec.timeout_mode == Some(TimeoutMode::Thread),
        };
        Explanation::new(&subject, &resolved)
    }

    /// That a shared part is configured elsewhere, otherwise than here.
    fn owned_elsewhere<T: Shared>(
        &self,
        kind: &Kind<T::Config>,
        asking: &Asking<'_>,
        resolved: &Resolved,
    ) -> Option<String> {
        let name = (kind.name_of)(asking.spec, asking.operation)?;
        let owner = owner(kind.name_of, name, asking)?.asking();
        let in_force = (kind.config_of)(owner.spec, &self.resolve(&owner));
        let differences = T::differences(&in_force, &(kind.config_of)(asking.spec, resolved));
        (!differences.is_empty()).then(|| {
            let (kind, at) = (T::KIND, location(owner.spec));
            format!("{kind} '{name}' is configured at {at}, otherwise than here ({})", differences.join(", "))
        })
    }

    /// Everything that is wrong with the configuration of this runtime and of every annotated function.
    #[inline]
    pub(crate) fn validate(&self) -> Result<(), ConfigErrors> {
        let understood = self.understood();
        let mut problems: Vec<Problem> = understood.environment.problems.clone();
        for (kind, settings) in self.0.origins.lock().whole().profiles.iter() {
            problems.extend(check(settings, &format!("the {kind} profile")));
        }
        let mut conflicts = Vec::new();
        let mut breakers = Asked::<Breaker>::new(&BREAKERS);
        let mut rate_limiters = Asked::<RateLimiterCore>::new(&RATE_LIMITERS);
        let mut bulkheads = Asked::<BulkheadCore>::new(&BULKHEADS);
        let mut budgets = Asked::<BudgetSlot>::new(&BUDGETS);
        let mut tracked: ByName<&str, (HealthConfig, String)> = ByName::default();
        let mut all: Vec<_> = sites().collect();
        all.sort_by_key(|site| (site.spec().file, site.spec().line));
        for site in all {
            let asking = site.asking();
            let spec = asking.spec;
            let resolved = self.resolve(&asking);
            conflicts.extend(breakers.ask(&asking, &resolved));
            conflicts.extend(rate_limiters.ask(&asking, &resolved));
            conflicts.extend(bulkheads.ask(&asking, &resolved));
            conflicts.extend(budgets.ask(&asking, &resolved));
            if let Some((name, config)) = spec.service {
                let config = config();
                problems.extend(config.problems(name));
                let (first, at) = tracked.get_or_make(name, || (config.clone(), location(spec)));
                if *first != config {
                    let what = format!("{} and {at} give it different settings", location(spec));
                    let source = format!("service health '{name}'");
                    problems.push(Problem::new(source, what).used(format!("using those of {at}")));
                }
            }
            problems.extend(resolved.problems);
        }
        ConfigErrors::check(problems, conflicts)
    }

    /// Changes where configuration comes from; policies are resolved anew, breakers keep their state.
    pub(crate) fn configure(&self, change: impl FnOnce(&mut Origins)) {
        let mut origins = self.0.origins.lock().whole();
        change(&mut origins);
        origins.understood = None;
        origins.changes += 1;
        drop(origins);
        self.forget_policies();
    }

    /// Changes where configuration comes from, reads it all anew and puts it in force, if nothing but the program's own
    /// code is wrong with it; else nothing changes. Told either way.
    pub(crate) fn try_configure(&self, change: impl Fn(&mut Origins)) -> Result<(), ConfigErrors> {
        loop {
            let mut fresh = self.0.origins.lock().whole().clone();
            change(&mut fresh);
            fresh.understood = Some(Arc::new(fresh.understand()));
            if let Err(errors) = fresh.problems_besides_code() {
                self.report("configuration", errors.to_string());
                return Err(errors);
            }
            let mut origins = self.0.origins.lock().whole();
            if origins.changes == fresh.changes {
                fresh.changes += 1;
                *origins = fresh;
                break;
            }
        }
        self.forget_policies();
        self.0.context.events.tell("configuration", EventKind::Reloaded);
        #[cfg(feature = "chaos")]
        self.adopt_chaos(&self.understood());
        Ok(())
    }

    /// What `PREFIX_<NAME>` says to a client.
    #[cfg(feature = "checks")]
    pub(crate) fn text(&self, name: &str) -> Option<Text> {
        self.understood().environment.text(name).cloned()
    }

    /// A variable by its own name, as it was when the configuration was read.
    #[cfg(feature = "checks")]
    pub(crate) fn variable(&self, name: &str) -> Option<Result<String, NotUtf8>> {
        self.understood().read.variable(name).map(|value| value.map(str::to_owned))
    }

    /// What the next [`Runtime::try_configure`] finds in a scope's environment.
    #[inline]
    pub(crate) fn set_variable(&self, name: String, value: Option<String>) {
        let mut origins = self.0.origins.lock().whole();
        let variables = origins.variables.get_or_insert_default();
        variables.retain(|(known, _)| *known != name);
        variables.extend(value.map(|value| (name, value)));
        origins.changes += 1;
    }

    /// Whether this is the settings file that is read here.
    #[cfg(feature = "reload")]
    pub(crate) fn reads(&self, file: &SettingsFile) -> bool {
        self.0.origins.lock().whole().file.as_ref().is_some_and(|known| known.is_same_file(file))
    }

    /// Forgets everything: breakers, windows, health, resolved policies, the environment as it was read.
    #[inline]
    pub(crate) fn reset(&self) {
        // Twice: a policy that is built meanwhile may hold a breaker that is about to be forgotten.
        self.forget_policies();
        self.0.origins.lock().whole().understood = None;
        self.0.services.lock().whole().values().iter().for_each(ServiceHealth::reset);
        self.0.breakers.reset();
        self.0.keyed_breakers.reset();
        self.0.rate_limiters.reset();
        self.0.keyed_rate_limiters.reset();
        self.0.bulkheads.reset();
        self.0.keyed_bulkheads.reset();
        self.0.budgets.reset();
        self.0.latencies.lock().whole().values().iter().for_each(|latency| latency.reset());
        #[cfg(feature = "chaos")]
        self.0.context.chaos.reset();
        self.forget_policies();
    }

    fn forget_policies(&self) {
        let mut policies = self.0.policies.lock().whole();
        self.0.epoch.fetch_add(1, Ordering::Release);
        let forgotten = std::mem::take(&mut policies.scoped);
        if self.0.is_process {
            sites().for_each(Site::forget);
        }
        drop(policies);
        drop(forgotten);
    }
}

fn key(site: &'static Site) -> usize {
    std::ptr::from_ref(site).addr()
}

/// Which operation it is about, and the sentence.
pub(crate) type Report = (&'static str, String);

/// A thread's stay in a runtime.
#[derive(Debug)]
pub(crate) struct Entered {
    _scope: Announced,
    around: Option<Runtime>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        drop(SCOPE.replace(self.around.take()));
    }
}

/// See [`Runtime::announce`].
#[derive(Debug)]
pub(crate) struct Announced {
    _unusual: Unusual,
}

impl Drop for Announced {
    fn drop(&mut self) {
        SCOPES.fetch_sub(1, Ordering::Relaxed);
    }
}
