//! The static that every annotated function has: what was written, and the policy it was resolved to.

use std::fmt;
use std::ptr;

use crate::health::HealthConfig;
use crate::policy::Policy;
use crate::policy_ref::{Held, PolicyRef};
use crate::profile::{Layers, Settings};
use crate::runtime::{self, Runtime};
use crate::sync::Whole;
use crate::sync::plain::atomic::{AtomicPtr, Ordering};
use crate::sync::plain::{Mutex, OnceLock};
use crate::timeout::TimeoutMode;

/// Attributes one function may carry.
const MOST_ATTRIBUTES: usize = 8;

/// A tracked service, and what its health is judged by.
type Service = (&'static str, fn() -> HealthConfig);

/// What was written on one function.
#[derive(Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each was written or was not")]
pub struct Spec {
    pub(crate) function: &'static str,
    pub(crate) module: &'static str,
    /// The type or trait, where the attribute stands on the block around the function.
    owner: Option<&'static str>,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    pub(crate) is_async: bool,
    attributes: [&'static str; MOST_ATTRIBUTES],
    pub(crate) operation_type: &'static str,
    pub(crate) operation_name: Option<&'static str>,
    pub(crate) breaker_name: Option<&'static str>,
    pub(crate) bulkhead_name: Option<&'static str>,
    pub(crate) rate_limit_name: Option<&'static str>,
    pub(crate) service: Option<Service>,
    /// Which layers the attributes generated. Profiles and the environment tune their numbers; they add none.
    pub(crate) layers: Layers,
    pub(crate) timeout_mode: Option<TimeoutMode>,
    pub(crate) retry_on_open: bool,
    pub(crate) critical: bool,
    /// Its breaker, bulkhead and limiter have one state per key.
    pub(crate) is_keyed: bool,
    pub(crate) written: fn() -> Settings,
}

impl Spec {
    /// A function that nothing was written about.
    pub const fn new(function: &'static str, module: &'static str, file: &'static str, line: u32) -> Self {
        Self {
            function,
            module,
            owner: None,
            file,
            line,
            is_async: false,
            attributes: [""; MOST_ATTRIBUTES],
            operation_type: "default",
            operation_name: None,
            breaker_name: None,
            bulkhead_name: None,
            rate_limit_name: None,
            service: None,
            layers: Layers::NONE,
            timeout_mode: None,
            retry_on_open: false,
            critical: false,
            is_keyed: false,
            written: Settings::new,
        }
    }

    /// The type or trait around the function.
    #[must_use]
    pub const fn owner(mut self, name: &'static str) -> Self {
        self.owner = Some(name);
        self
    }

    /// The function is async.
    #[must_use]
    pub const fn asynchronous(mut self) -> Self {
        self.is_async = true;
        self
    }

    /// One more attribute, in written order.
    #[must_use]
    pub const fn attribute(mut self, word: &'static str) -> Self {
        let mut free = 0;
        while free < MOST_ATTRIBUTES {
            if self.attributes[free].is_empty() {
                self.attributes[free] = word;
                break;
            }
            free += 1;
        }
        self
    }

    /// The kind of operation, whose profile and variables apply.
    #[must_use]
    pub const fn operation_type(mut self, kind: &'static str) -> Self {
        self.operation_type = kind;
        self
    }

    /// The operation's own name, in variables, logs and health.
    #[must_use]
    pub const fn operation_name(mut self, name: &'static str) -> Self {
        self.operation_name = Some(name);
        self
    }

    /// The breaker's name, where it is not the operation's.
    #[must_use]
    pub const fn breaker_name(mut self, name: &'static str) -> Self {
        self.breaker_name = Some(name);
        self
    }

    /// The service whose health the calls tell.
    #[must_use]
    pub const fn service(mut self, name: &'static str, config: fn() -> HealthConfig) -> Self {
        self.service = Some((name, config));
        self.layers.health = true;
        self
    }

    /// The retry layer.
    #[must_use]
    pub const fn retry(mut self) -> Self {
        self.layers.retry = true;
        self
    }

    /// The breaker layer.
    #[must_use]
    pub const fn breaker(mut self) -> Self {
        self.layers.breaker = true;
        self
    }

    /// The attempt timeout layer.
    #[must_use]
    pub const fn timeout(mut self, mode: TimeoutMode) -> Self {
        self.layers.timeout = true;
        self.timeout_mode = Some(mode);
        self
    }

    /// The deadline layer.
    #[must_use]
    pub const fn deadline(mut self) -> Self {
        self.layers.deadline = true;
        self
    }

    /// The hedge layer.
    #[must_use]
    pub const fn hedge(mut self) -> Self {
        self.layers.hedge = true;
        self
    }

    /// The rate limit layer.
    #[must_use]
    pub const fn rate_limit(mut self) -> Self {
        self.layers.rate_limit = true;
        self
    }

    /// The rate limiter's name, where it is not the operation's.
    #[must_use]
    pub const fn rate_limit_name(mut self, name: &'static str) -> Self {
        self.rate_limit_name = Some(name);
        self
    }

    /// The bulkhead layer.
    #[must_use]
    pub const fn bulkhead(mut self) -> Self {
        self.layers.bulkhead = true;
        self
    }

    /// The bulkhead's name, where it is not the operation's.
    #[must_use]
    pub const fn bulkhead_name(mut self, name: &'static str) -> Self {
        self.bulkhead_name = Some(name);
        self
    }

    /// The fallback layer.
    #[must_use]
    pub const fn fallback(mut self) -> Self {
        self.layers.fallback = true;
        self
    }

    /// `breaker_scope = "call"`.
    #[must_use]
    pub const fn breaker_per_call(mut self) -> Self {
        self.layers.breaker_per_call = true;
        self
    }

    /// `retry_on_open = true`.
    #[must_use]
    pub const fn retry_on_open(mut self) -> Self {
        self.retry_on_open = true;
        self
    }

    /// `critical = true`.
    #[must_use]
    pub const fn critical(mut self) -> Self {
        self.critical = true;
        self
    }

    /// `key = ..`.
    #[must_use]
    pub const fn keyed(mut self) -> Self {
        self.is_keyed = true;
        self
    }

    /// The attributes' arguments.
    #[must_use]
    pub const fn written(mut self, settings: fn() -> Settings) -> Self {
        self.written = settings;
        self
    }

    /// The name of the breaker, where there is one.
    pub(crate) fn breaker_name_of(&self, operation: &'static str) -> Option<&'static str> {
        self.layers.breaker.then(|| self.breaker_name.unwrap_or(operation))
    }

    /// The name of the bulkhead, where there is one.
    pub(crate) fn bulkhead_name_of(&self, operation: &'static str) -> Option<&'static str> {
        self.layers.bulkhead.then(|| self.bulkhead_name.unwrap_or(operation))
    }

    /// The name of the rate limiter, where there is one.
    pub(crate) fn rate_limit_name_of(&self, operation: &'static str) -> Option<&'static str> {
        self.layers.rate_limit.then(|| self.rate_limit_name.unwrap_or(operation))
    }

    /// What retries and hedges are paid for by: it belongs to the target, as the breaker does.
    pub(crate) fn budget_name_of(&self, operation: &'static str) -> Option<&'static str> {
        let Layers { retry, hedge, .. } = self.layers;
        (retry || hedge).then(|| self.breaker_name_of(operation).unwrap_or(operation))
    }

    /// Whether any layer may answer in the function's place.
    pub(crate) fn can_refuse(&self) -> bool {
        let Layers { breaker, deadline, timeout, bulkhead, rate_limit, .. } = self.layers;
        breaker || deadline || timeout || bulkhead || rate_limit
    }

    /// The name of a function that was given none.
    fn path(&self) -> &'static str {
        let alike = |other: &Self| {
            other.operation_name.is_none()
                && (other.module, other.owner, other.function) == (self.module, self.owner, self.function)
                && (other.file, other.line) != (self.file, self.line)
        };
        let path = self.path_in_code();
        let shared = sites().any(|site| alike(&site.spec));
        let path = if shared { format!("{path}:{}", self.line) } else { path };
        let plain = |c: char| if c.is_ascii_alphanumeric() || "_.:-".contains(c) { c } else { '_' };
        let name: String = path.chars().map(plain).collect();
        // Too long a path keeps its end, which tells functions apart.
        let name = &name[name.len().saturating_sub(128)..];
        crate::name::intern(name).unwrap_or(self.function)
    }

    /// `module::function`, or `module::Type::function`.
    pub(crate) fn path_in_code(&self) -> String {
        let Self { module, function, .. } = self;
        match self.owner {
            Some(owner) => format!("{module}::{owner}::{function}"),
            None => format!("{module}::{function}"),
        }
    }

    pub(crate) fn attributes(&self) -> impl Iterator<Item = &'static str> + use<> {
        let attributes = self.attributes;
        attributes.into_iter().filter(|word| !word.is_empty())
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}:{}", self.path_in_code(), self.file, self.line)
    }
}

/// Somebody who wants a policy: an annotated function, or an operation built in code.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) operation: &'static str,
    pub(crate) written: Settings,
}

/// An annotated function: what was written, and what it was resolved to.
#[derive(Debug)]
pub struct Site {
    spec: Spec,
    /// The name of a function that was given none.
    path: OnceLock<&'static str>,
    /// The policy in force in the process's own runtime; null until the first call and after a reset.
    cached: AtomicPtr<Held>,
    /// Every policy the process's runtime ever resolved here. They are never freed, because a call may still follow
    /// one; an equal one is used again, so their number is that of different configurations seen.
    resolved: Mutex<Vec<&'static Held>>,
}

impl Site {
    /// The static of one function.
    pub const fn new(spec: Spec) -> Self {
        Self {
            spec,
            path: OnceLock::new(),
            cached: AtomicPtr::new(ptr::null_mut()),
            resolved: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The operation's name: the written one, or `module::function`, with the line where two functions would share
    /// that.
    pub(crate) fn operation(&'static self) -> &'static str {
        self.spec.operation_name.unwrap_or_else(|| self.path.get_or_init(|| self.spec.path()))
    }

    pub(crate) fn asking(&'static self) -> Asking<'static> {
        Asking { spec: &self.spec, operation: self.operation(), written: (self.spec.written)() }
    }

    /// The policy to follow now.
    #[inline]
    pub(crate) fn policy(&'static self) -> PolicyRef {
        self.policy_in_force().map_or_else(|| self.resolve(), PolicyRef::lasting)
    }

    /// The policy to follow now, where that is the process's and is resolved.
    #[inline]
    fn policy_in_force(&self) -> Option<&'static Held> {
        if runtime::scopes_are_active() { None } else { self.kept() }
    }

    /// The process's policy, if it is resolved.
    #[inline]
    pub(crate) fn kept(&self) -> Option<&'static Held> {
        let cached = self.cached.load(Ordering::Acquire);
        // SAFETY: `cached` is null or was stored by `keep` from a `&'static Held`, which is never freed.
        #[allow(unsafe_code, reason = "a resettable pointer to a value that is never freed")]
        unsafe {
            cached.as_ref()
        }
    }

    #[cold]
    fn resolve(&'static self) -> PolicyRef {
        Runtime::current().policy_of(self)
    }

    /// Makes `policy` the one that calls follow, unless an equal one was resolved before.
    pub(crate) fn keep(&self, policy: Policy) -> &'static Held {
        let mut resolved = self.resolved.lock().whole();
        let known = resolved.iter().copied().find(|known| known.is_same(&policy));
        let held = known.unwrap_or_else(|| {
            let held = Held::lasting(policy);
            resolved.push(held);
            held
        });
        self.cached.store(ptr::from_ref(held).cast_mut(), Ordering::Release);
        held
    }

    /// The next call resolves anew.
    pub(crate) fn forget(&self) {
        self.cached.store(ptr::null_mut(), Ordering::Release);
    }
}

/// A site in the list the linker makes: every annotated function is known before its first call.
#[derive(Debug)]
pub struct Listed(pub &'static Site);

inventory::collect!(Listed);

/// Every annotated function of the binary.
pub(crate) fn sites() -> impl Iterator<Item = &'static Site> {
    inventory::iter::<Listed>.into_iter().map(|listed| listed.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Context;
    use crate::runtime::Origins;

    static SITE: Site = Site::new(
        Spec::new("function", "site::tests", file!(), line!())
            .retry()
            .hedge()
            .breaker()
            .bulkhead()
            .rate_limit()
            .timeout(TimeoutMode::Deadline),
    );

    #[test]
    fn resets_make_no_new_policies() {
        let runtime = Runtime::new(Context::system(), Origins::default(), false);
        let resolve = || SITE.keep(runtime.build(&SITE.asking()).0);
        let first = resolve();
        for _ in 0..3 {
            runtime.reset();
            assert!(ptr::eq(first, resolve()));
        }
    }
}
