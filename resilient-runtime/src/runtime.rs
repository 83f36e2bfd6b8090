//! One runtime: a registry, a configuration, a clock, listeners. The process has one; a test's scope has its own.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use once_cell::sync::Lazy;

use crate::breaker::{Breaker, BreakerConfig};
use crate::clock::Moment;
use crate::context::Context;
use crate::event::EventKind;
use crate::health::{HealthConfig, ServiceHealth};
use crate::policy::Policy;
use crate::profile::{
    ConfigErrors, Conflict, Environment, Explanation, Parsed, Problem, Profiles, Request, Resolved, Settings,
    Subject, check, resolve,
};
use crate::registry::{Disagreement, Registry};
use crate::site::{PolicyRef, Site, Spec, sites};
use crate::timeout::pool::{MAX_WORKERS, Pool};
use crate::timeout::{Ambient, TimeoutMode, current_deadline};

static PROCESS: Lazy<Runtime> = Lazy::new(|| Runtime::new(Context::system(), Origins::default(), true));

/// The worker threads of sync time limits; shared by every runtime, since threads are the process's.
pub(crate) static WORKERS: Pool = Pool::new(MAX_WORKERS);

/// Scopes that are entered or could be polled, in the whole process. Zero in production.
static SCOPES: AtomicUsize = AtomicUsize::new(0);

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

#[derive(Debug)]
struct Inner {
    context: Arc<Context>,
    registry: Registry,
    services: Mutex<BTreeMap<&'static str, ServiceHealth>>,
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
    scoped: HashMap<usize, Arc<Policy>>,
}

/// Where configuration comes from, and what was made of it.
#[derive(Default)]
pub(crate) struct Origins {
    pub(crate) prefix: Option<String>,
    /// Instead of the process's own: a scope's.
    pub(crate) variables: Option<Vec<(String, String)>>,
    pub(crate) profiles: BTreeMap<String, Settings>,
    /// By operation; `*` is every operation.
    pub(crate) overrides: BTreeMap<String, Settings>,
    pub(crate) understood: Option<Arc<Understood>>,
}

/// Configuration as it was read last.
#[derive(Debug)]
pub(crate) struct Understood {
    profiles: Profiles,
    environment: Parsed,
    overrides: BTreeMap<String, Settings>,
}

impl Runtime {
    pub(crate) fn new(context: Context, origins: Origins, is_process: bool) -> Self {
        Self(Arc::new(Inner {
            context: Arc::new(context),
            registry: Registry::default(),
            services: Mutex::default(),
            origins: Mutex::new(origins),
            policies: Mutex::default(),
            epoch: AtomicU64::new(0),
            is_process,
        }))
    }

    /// The runtime of the scope this thread is in, else the process's.
    pub(crate) fn current() -> Self {
        if scopes_are_active()
            && let Some(scope) = SCOPE.with_borrow(Clone::clone)
        {
            return scope;
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
        SCOPES.fetch_add(1, Ordering::Relaxed);
        Entered { around: SCOPE.replace(Some(self.clone())) }
    }

    /// Keeps the healthy path from overlooking a scope while some thread may be in it.
    pub(crate) fn announce() -> Announced {
        SCOPES.fetch_add(1, Ordering::Relaxed);
        Announced
    }

    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.0.context
    }

    /// The policy of one site, resolved at its first call here.
    pub(crate) fn policy_of(&self, site: &'static Site) -> PolicyRef {
        loop {
            let epoch = {
                let policies = lock(&self.0.policies);
                if let Some(known) = self.known_policy(site, &policies) {
                    return known;
                }
                self.epoch()
            };
            // Built without the lock: the attribute's arguments are the user's code.
            let (policy, reports) = self.build(site);
            let mut policies = lock(&self.0.policies);
            if self.epoch() != epoch {
                continue;
            }
            if let Some(known) = self.known_policy(site, &policies) {
                return known;
            }
            let kept = if self.0.is_process {
                PolicyRef::Lasting(site.keep(policy))
            } else {
                let policy = Arc::new(policy);
                policies.scoped.insert(key(site), Arc::clone(&policy));
                PolicyRef::Scoped(policy)
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
            return site.kept().map(PolicyRef::Lasting);
        }
        policies.scoped.get(&key(site)).map(|policy| PolicyRef::Scoped(Arc::clone(policy)))
    }

    /// The policy of `site`, and what is to be reported about it.
    fn build(&self, site: &'static Site) -> (Policy, Vec<Report>) {
        let spec = site.spec();
        let operation = site.operation();
        let resolved = self.resolve(site);
        // What the environment says wrongly was told when it was read.
        let told = &self.understood().environment.problems;
        let is_told = |problem: &&Problem| told.iter().any(|other| other.is_about_the_same_as(problem));
        let problems = resolved.problems.iter().filter(|problem| !is_told(problem));
        let mut reports: Vec<Report> = problems.map(|problem| (operation, problem.to_string())).collect();
        let Resolved { enable_timeout, enable_retry, enable_circuit_breaker, .. } = resolved;
        let context = Arc::clone(&self.0.context);
        let breaker = spec.breaker_name_of(operation).map(|name| {
            let owner = owner_of(name, site);
            if !std::ptr::eq(owner.spec(), spec) {
                self.policy_of(owner);
            }
            let config = breaker_config(spec, &resolved);
            let (breaker, disagreement) =
                self.0.registry.get_or_make(name, config, location(spec), &self.0.context);
            reports.extend(disagreement.map(|it| (name, conflict(&it).to_string())));
            breaker
        });
        // A breaker that is switched off is there all the same, for whoever asks for it by name.
        let breaker = breaker.filter(|_| enable_circuit_breaker);
        let health =
            spec.service.filter(|_| resolved.enabled).map(|(name, config)| self.service(name, config()));
        let timeout = (spec.layers.timeout && enable_timeout).then_some(resolved.timeout);
        let deadline = resolved.deadline.filter(|_| spec.layers.deadline);
        let retry = (spec.layers.retry && enable_retry).then(|| resolved.retry());
        let times_calls = breaker.is_some() && resolved.slow_call_rate.is_some();
        let policy = Policy {
            operation,
            context,
            can_refuse: spec.can_refuse(),
            deadline,
            retry,
            retry_on_open: spec.retry_on_open,
            breaker,
            breaker_per_call: spec.layers.breaker_per_call,
            timeout,
            measures: health.is_some() || times_calls,
            health,
        };
        (policy, reports)
    }

    fn resolve(&self, site: &'static Site) -> Resolved {
        let spec = site.spec();
        let written = (spec.written)();
        let understood = self.understood();
        let operation = site.operation();
        let words: Vec<_> = spec.attributes().collect();
        let overrides: Vec<_> =
            [operation, "*"].iter().filter_map(|key| understood.overrides.get(*key)).collect();
        resolve(&Request {
            operation,
            operation_type: spec.operation_type,
            words: &words,
            location: &location(spec),
            layers: spec.layers,
            overrides: &overrides,
            attribute: Some(&written),
            profiles: &understood.profiles,
            environment: &understood.environment,
        })
    }

    /// The configuration, read at first use; its problems are told then, once.
    fn understood(&self) -> Arc<Understood> {
        let (understood, fresh) = {
            let mut origins = lock(&self.0.origins);
            if let Some(understood) = &origins.understood {
                (Arc::clone(understood), false)
            } else {
                let understood = Arc::new(origins.understand());
                origins.understood = Some(Arc::clone(&understood));
                (understood, true)
            }
        };
        if fresh && let Err(errors) = ConfigErrors::check(understood.environment.problems.clone(), Vec::new())
        {
            self.report("configuration", errors.to_string());
        }
        understood
    }

    fn report(&self, operation: &'static str, message: String) {
        self.0.context.events.tell(operation, EventKind::BadConfiguration { message });
    }

    pub(crate) fn service(&self, name: &'static str, config: HealthConfig) -> ServiceHealth {
        let clock = || self.0.context.clock.clone();
        let mut services = lock(&self.0.services);
        services.entry(name).or_insert_with(|| ServiceHealth::new(name, config, clock())).clone()
    }

    pub(crate) fn services(&self) -> Vec<ServiceHealth> {
        for site in sites() {
            if let Some((name, config)) = site.spec().service {
                let config = config();
                self.service(name, config);
            }
        }
        lock(&self.0.services).values().cloned().collect()
    }

    /// The breaker of that name, made now if an annotated function names it and was not called yet.
    pub(crate) fn breaker(&self, name: &str) -> Option<Arc<Breaker>> {
        self.0.registry.get(name).or_else(|| {
            sites()
                .filter(|site| site.spec().breaker_name_of(site.operation()) == Some(name))
                .for_each(|site| drop(self.policy_of(site)));
            self.0.registry.get(name)
        })
    }

    /// Every breaker that is in use, and every one that an annotated function names, by name.
    pub(crate) fn breakers(&self) -> Vec<Arc<Breaker>> {
        sites().filter(|site| site.spec().layers.breaker).for_each(|site| drop(self.policy_of(site)));
        self.0.registry.all()
    }

    pub(crate) fn explain(&self, site: &'static Site) -> Explanation {
        let spec = site.spec();
        let resolved = self.resolve(site);
        let function = format!("{}::{}", spec.module, spec.function);
        let attributes: Vec<_> = spec.attributes().collect();
        let operation = site.operation();
        let understood = self.understood();
        let mut resolved = resolved;
        if let Some(name) = spec.breaker_name_of(operation) {
            let owner = owner_of(name, site);
            let in_force = breaker_config(owner.spec(), &self.resolve(owner));
            let differences = in_force.differences(&breaker_config(spec, &resolved));
            if !differences.is_empty() {
                resolved.notes.push(format!(
                    "circuit breaker '{name}' is configured at {}, otherwise than here ({})",
                    location(owner.spec()),
                    differences.join(", ")
                ));
            }
        }
        let subject = Subject {
            operation,
            function: &function,
            file: spec.file,
            line: spec.line,
            attributes: &attributes,
            layers: spec.layers,
            operation_type: spec.operation_type,
            breaker: spec.breaker_name_of(operation),
            timeout_mode: spec.timeout_mode.map(TimeoutMode::as_str),
            prefix: &understood.environment.prefix,
            released_at_limit: spec.is_async || spec.timeout_mode == Some(TimeoutMode::Thread),
        };
        Explanation::new(&subject, &resolved)
    }

    /// Everything that is wrong with the configuration of this runtime and of every annotated function.
    pub(crate) fn validate(&self) -> Result<(), ConfigErrors> {
        let understood = self.understood();
        let mut problems: Vec<Problem> = understood.environment.problems.clone();
        for (kind, settings) in &lock(&self.0.origins).profiles {
            problems.extend(check(settings, &format!("the {kind} profile")));
        }
        let mut conflicts = Vec::new();
        let mut asked: BTreeMap<&str, (BreakerConfig, String)> = BTreeMap::new();
        let mut tracked: BTreeMap<&str, (HealthConfig, String)> = BTreeMap::new();
        let mut all: Vec<_> = sites().collect();
        all.sort_by_key(|site| (site.spec().file, site.spec().line));
        for site in all {
            let spec = site.spec();
            let resolved = self.resolve(site);
            if let Some(breaker) = spec.breaker_name_of(site.operation()) {
                let second = (breaker_config(spec, &resolved), location(spec));
                match asked.get(breaker) {
                    None => drop(asked.insert(breaker, second)),
                    Some((config, _)) if config.agrees_with(&second.0) => {}
                    Some(first) => conflicts.push(Conflict::new(
                        breaker,
                        &first.1,
                        &second.1,
                        first.0.differences(&second.0),
                    )),
                }
            }
            if let Some((name, config)) = spec.service {
                let config = config();
                problems.extend(config.problems(name));
                let (first, at) = tracked.entry(name).or_insert_with(|| (config.clone(), location(spec)));
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
        let mut origins = lock(&self.0.origins);
        change(&mut origins);
        origins.understood = None;
        drop(origins);
        self.forget_policies();
    }

    /// Forgets everything: breakers, windows, health, resolved policies, the environment as it was read.
    pub(crate) fn reset(&self) {
        // Twice: a policy that is built meanwhile may hold a breaker that is about to be forgotten.
        self.forget_policies();
        lock(&self.0.origins).understood = None;
        lock(&self.0.services).values().for_each(ServiceHealth::reset);
        self.0.registry.reset();
        self.forget_policies();
    }

    fn forget_policies(&self) {
        let mut policies = lock(&self.0.policies);
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

impl fmt::Debug for Origins {
    /// Variables may hold secrets: their number only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { prefix, variables, profiles, overrides, understood: _ } = self;
        f.debug_struct("Origins")
            .field("prefix", prefix)
            .field("variables", &variables.as_ref().map(Vec::len))
            .field("profiles", profiles)
            .field("overrides", overrides)
            .finish_non_exhaustive()
    }
}

impl Origins {
    fn understand(&self) -> Understood {
        let mut profiles = Profiles::built_in();
        for site in sites() {
            profiles.declare(site.spec().operation_type);
        }
        for (kind, settings) in &self.profiles {
            profiles.set(kind, settings.clone());
        }
        let operations: Vec<_> = sites().map(Site::operation).collect();
        let environment = match &self.variables {
            Some(pairs) => Environment::from_pairs(pairs.iter().cloned()),
            None => Environment::from_process(),
        };
        let environment = environment.parse(self.prefix.as_deref(), &profiles, &operations);
        Understood { profiles, environment, overrides: self.overrides.clone() }
    }
}

/// Which operation it is about, and the sentence.
type Report = (&'static str, String);

/// Of all functions that name this breaker, the one whose settings it gets: the first in the source, so that it does
/// not depend on who is called first. Where the linker keeps no list of functions, the one that asks.
fn owner_of(breaker: &'static str, asking: &'static Site) -> &'static Site {
    sites()
        .filter(|site| site.spec().breaker_name_of(site.operation()) == Some(breaker))
        .min_by_key(|site| (site.spec().file, site.spec().line))
        .unwrap_or(asking)
}

fn location(spec: &Spec) -> String {
    format!("{}:{}", spec.file, spec.line)
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

fn conflict(disagreement: &Disagreement) -> Conflict {
    let Disagreement { breaker, first, second } = disagreement;
    Conflict::new(*breaker, &first.1, &second.1, first.0.differences(&second.0))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing of the user runs under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread's stay in a runtime.
#[derive(Debug)]
pub(crate) struct Entered {
    around: Option<Runtime>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let left = SCOPE.replace(self.around.take());
        SCOPES.fetch_sub(1, Ordering::Relaxed);
        drop(left);
    }
}

/// See [`Runtime::announce`].
#[derive(Debug)]
pub(crate) struct Announced;

impl Drop for Announced {
    fn drop(&mut self) {
        SCOPES.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a body that moves to a worker thread must find there: scope, deadline, span, tokio runtime.
#[derive(Debug)]
pub(crate) struct Surroundings {
    scope: Option<Runtime>,
    deadline: Moment,
    tokio: Option<tokio::runtime::Handle>,
    dispatch: tracing::Dispatch,
    span: tracing::Span,
}

impl Surroundings {
    pub(crate) fn capture() -> Self {
        let scope = if scopes_are_active() { SCOPE.with_borrow(Clone::clone) } else { None };
        Self {
            scope,
            deadline: current_deadline(),
            tokio: tokio::runtime::Handle::try_current().ok(),
            dispatch: tracing::dispatcher::get_default(Clone::clone),
            span: tracing::Span::current(),
        }
    }

    /// Runs `body` in them, with the deadline `until` besides.
    pub(crate) fn within<R>(self, until: Moment, body: impl FnOnce() -> R) -> R {
        let Self { scope, deadline, tokio, dispatch, span } = self;
        let _scope = scope.as_ref().map(Runtime::enter);
        let _deadline = Ambient::enter(until.min(deadline));
        let _tokio = tokio.as_ref().map(tokio::runtime::Handle::enter);
        tracing::dispatcher::with_default(&dispatch, || span.in_scope(body))
    }
}
