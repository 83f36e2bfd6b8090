//! What is shared by name in one runtime: breakers, bulkheads, rate limiters, retry budgets. State belongs to the name:
//! whoever names it, shares it.

use std::sync::Arc;

use thiserror::Error;

use crate::breaker::{Breaker, BreakerConfig, State};
use crate::bulkhead::{BulkheadConfig, BulkheadCore};
use crate::by_name::ByName;
use crate::context::Context;
use crate::rate_limit::{RateLimitConfig, RateLimiterCore};
use crate::retry::{Budget, BudgetCore};
use crate::skipped::{Skipped, skipped_as};
use crate::sync::{Mutex, MutexGuard, Whole};

/// Who asked for it: which operation, and where that is written. One line may make several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) operation: &'static str,
    /// `src/db.rs:12`
    pub(crate) at: String,
}

/// Something with a name, a configuration and a state.
pub(crate) trait Shared: Send + Sync + 'static {
    type Config: Clone + std::fmt::Debug + Send + 'static;

    /// As messages call it: `circuit breaker`.
    const KIND: &'static str;

    fn make(name: &'static str, config: Self::Config, context: Arc<Context>) -> Self;

    /// Goes on with other numbers; its state stays.
    fn reconfigure(&self, config: Self::Config);

    /// Begins again as if just made; with `config`, as if made with that.
    fn reset(&self, config: Option<Self::Config>);

    /// Whether two configurations ask for the same.
    fn agree(one: &Self::Config, other: &Self::Config) -> bool;

    /// Each setting as people read it, in the same order for every configuration.
    fn rows(config: &Self::Config) -> Vec<(&'static str, String)>;

    /// In what they differ: `failure_threshold 3 and 5`.
    fn differences(one: &Self::Config, other: &Self::Config) -> Vec<String> {
        let pairs = Self::rows(one).into_iter().zip(Self::rows(other));
        pairs.filter(|(a, b)| a != b).map(|((key, a), (_, b))| format!("{key} {a} and {b}")).collect()
    }

    /// Another function shares it and agrees, save for what depends on the function.
    fn accommodate(&self, _config: &Self::Config) {}

    /// Makes `config` fit for a function that asks for `other`, which agrees with it.
    fn widen(_config: &mut Self::Config, _other: &Self::Config) {}

    /// Whether one that is made anew would do the same.
    fn is_at_rest(&self) -> bool {
        true
    }
}

impl Shared for BulkheadCore {
    type Config = BulkheadConfig;

    const KIND: &'static str = "bulkhead";

    fn make(name: &'static str, config: BulkheadConfig, context: Arc<Context>) -> Self {
        Self::new(name, config, context)
    }

    fn reconfigure(&self, config: BulkheadConfig) {
        self.reconfigure(config);
    }

    fn reset(&self, config: Option<BulkheadConfig>) {
        self.reset();
        if let Some(config) = config {
            self.reconfigure(config);
        }
    }

    fn agree(one: &BulkheadConfig, other: &BulkheadConfig) -> bool {
        one.agrees_with(other)
    }

    fn rows(config: &BulkheadConfig) -> Vec<(&'static str, String)> {
        config.rows()
    }

    fn is_at_rest(&self) -> bool {
        self.active_count() == 0
    }
}

impl Shared for RateLimiterCore {
    type Config = RateLimitConfig;

    const KIND: &'static str = "rate limiter";

    fn make(name: &'static str, config: RateLimitConfig, context: Arc<Context>) -> Self {
        Self::new(name, config, context)
    }

    fn reconfigure(&self, config: RateLimitConfig) {
        self.reconfigure(config);
    }

    fn reset(&self, config: Option<RateLimitConfig>) {
        self.reset(config);
    }

    fn agree(one: &RateLimitConfig, other: &RateLimitConfig) -> bool {
        one.agrees_with(other)
    }

    fn rows(config: &RateLimitConfig) -> Vec<(&'static str, String)> {
        config.rows()
    }

    fn is_at_rest(&self) -> bool {
        self.is_full()
    }
}

/// A retry budget that can be given other terms: those who ask for it from then on get a new one.
#[derive(Debug)]
pub(crate) struct BudgetSlot {
    name: &'static str,
    /// One for each of its terms so far, the current one last. They are used again, so that neither resets nor changes
    /// back and forth make new policies.
    terms: Mutex<Vec<(Budget, Arc<BudgetCore>)>>,
}

impl BudgetSlot {
    pub(crate) fn current(&self) -> Option<Arc<BudgetCore>> {
        self.lock().last().map(|(_, budget)| Arc::clone(budget))
    }

    /// Full again; with `budget`, under these terms.
    fn renew(&self, budget: Option<Budget>) {
        let mut terms = self.lock();
        let Some(budget) = budget.or_else(|| terms.last().map(|(budget, _)| *budget)) else { return };
        match terms.iter().position(|(known, _)| *known == budget) {
            Some(at) => {
                let known = terms.remove(at);
                known.1.reset();
                terms.push(known);
            }
            None => terms.push((budget, Arc::new(BudgetCore::new(self.name, budget)))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Budget, Arc<BudgetCore>)>> {
        self.terms.lock().whole()
    }
}

impl Shared for BudgetSlot {
    type Config = Budget;

    const KIND: &'static str = "retry budget";

    fn make(name: &'static str, config: Budget, _: Arc<Context>) -> Self {
        Self { name, terms: Mutex::new(vec![(config, Arc::new(BudgetCore::new(name, config)))]) }
    }

    fn reconfigure(&self, config: Budget) {
        self.renew(Some(config));
    }

    fn reset(&self, config: Option<Budget>) {
        self.renew(config);
    }

    fn agree(one: &Budget, other: &Budget) -> bool {
        one == other
    }

    fn rows(config: &Budget) -> Vec<(&'static str, String)> {
        vec![("budget", config.to_string())]
    }
}

impl Shared for Breaker {
    type Config = BreakerConfig;

    const KIND: &'static str = "circuit breaker";

    fn make(name: &'static str, config: BreakerConfig, context: Arc<Context>) -> Self {
        Self::new(name, config, context)
    }

    fn reconfigure(&self, config: BreakerConfig) {
        self.reconfigure(config);
    }

    fn reset(&self, config: Option<BreakerConfig>) {
        self.reset(config);
    }

    fn agree(one: &BreakerConfig, other: &BreakerConfig) -> bool {
        one.agrees_with(other)
    }

    fn rows(config: &BreakerConfig) -> Vec<(&'static str, String)> {
        config.rows()
    }

    fn accommodate(&self, config: &BreakerConfig) {
        self.allow_probes(config.lease());
    }

    fn widen(config: &mut BreakerConfig, other: &BreakerConfig) {
        *config = config.clone().probe_lease(config.lease().max(other.lease()));
    }

    fn is_at_rest(&self) -> bool {
        self.state() == State::Closed
    }
}

#[derive(Debug)]
pub(crate) struct Registry<T: Shared> {
    entries: Mutex<ByName<&'static str, Entry<T>>>,
}

#[derive(Debug)]
struct Entry<T: Shared> {
    shared: Arc<T>,
    /// As asked for by `origin`. What was forgotten keeps its memory, so that a name asked for again and again after
    /// resets costs none.
    asked: Option<(T::Config, Origin)>,
}

impl<T: Shared> Default for Registry<T> {
    fn default() -> Self {
        Self { entries: Mutex::default() }
    }
}

/// A name was asked for with settings other than those it has.
#[derive(Debug)]
pub(crate) struct Disagreement {
    pub(crate) kind: &'static str,
    pub(crate) name: &'static str,
    /// Who asked first, and who asks otherwise.
    pub(crate) origins: [Origin; 2],
    pub(crate) differences: Vec<String>,
}

impl<T: Shared> Registry<T> {
    /// The one of that name; made with `config` if there is none, and left as it is if there is.
    pub(crate) fn get_or_make(
        &self,
        name: &'static str,
        config: T::Config,
        origin: Origin,
        context: &Arc<Context>,
    ) -> (Arc<T>, Option<Disagreement>) {
        let mut entries = self.lock();
        let mut is_new = false;
        let entry = entries.get_or_make(name, || {
            is_new = true;
            let shared = Arc::new(T::make(name, config.clone(), Arc::clone(context)));
            Entry { shared, asked: None }
        });
        let shared = Arc::clone(&entry.shared);
        match &mut entry.asked {
            Some((first, _)) if T::agree(first, &config) => {
                drop(entries);
                shared.accommodate(&config);
                (shared, None)
            }
            // The same function under another configuration: its numbers change, its state stays.
            Some((first, asked_by)) if *asked_by == origin => {
                *first = config.clone();
                drop(entries);
                self.reconfigure(name, &shared, config);
                (shared, None)
            }
            Some((first, asked_by)) => {
                let differences = T::differences(first, &config);
                let origins = [asked_by.clone(), origin];
                let disagreement = Disagreement { kind: T::KIND, name, origins, differences };
                (shared, Some(disagreement))
            }
            None => {
                entry.asked = Some((config.clone(), origin));
                drop(entries);
                // Forgotten before: what calls that were under way then did to it since is forgotten too.
                if !is_new {
                    shared.reset(Some(config));
                }
                (shared, None)
            }
        }
    }

    /// Not under the lock, so that another thread's may come between: the one that was asked for last is in force.
    fn reconfigure(&self, name: &str, shared: &T, mut config: T::Config) {
        loop {
            shared.reconfigure(config.clone());
            let entries = self.lock();
            let asked = entries.get(name).and_then(|entry| entry.asked.as_ref()).map(|(asked, _)| asked);
            match asked.filter(|asked| !T::agree(asked, &config)).cloned() {
                Some(asked) => config = asked,
                None => return,
            }
        }
    }

    #[inline]
    pub(crate) fn get(&self, name: &str) -> Option<Arc<T>> {
        let entries = self.lock();
        entries.get(name).filter(|entry| entry.asked.is_some()).map(|entry| Arc::clone(&entry.shared))
    }

    /// In the order of their names.
    pub(crate) fn all(&self) -> Vec<(&'static str, Arc<T>)> {
        let entries = self.lock();
        entries
            .iter()
            .filter(|(_, entry)| entry.asked.is_some())
            .map(|(name, entry)| (*name, Arc::clone(&entry.shared)))
            .collect()
    }

    /// Forgets all of them: none is listed, each begins again when it is asked for, and results of calls under way
    /// are stale.
    pub(crate) fn reset(&self) {
        let forgotten: Vec<_> = {
            let mut entries = self.lock();
            entries
                .values_mut()
                .iter_mut()
                .map(|entry| {
                    entry.asked = None;
                    Arc::clone(&entry.shared)
                })
                .collect()
        };
        // Resets tell listeners: not under the registry's lock.
        for shared in forgotten {
            shared.reset(None);
        }
    }

    fn lock(&self) -> MutexGuard<'_, ByName<&'static str, Entry<T>>> {
        self.entries.lock().whole()
    }
}

/// The look-ups by name fail alike: with what was asked for, and what there is.
macro_rules! unknown {
    ($($(#[$doc:meta])* $error:ident = $what:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Error)]
        #[error("no {} is named '{}'; {}", $what, .name, names(.known, *.nearest))]
        #[non_exhaustive]
        pub struct $error {
            /// The name that was asked for.
            pub name: String,
            /// The names there are.
            pub known: Vec<&'static str>,
            /// The one most like it.
            pub nearest: Option<&'static str>,
        }

        impl $error {
            #[inline]
            pub(crate) fn new(name: &str, mut known: Vec<&'static str>) -> Self {
                known.sort_unstable();
                known.dedup();
                let nearest = nearest(name, &known);
                Self { name: crate::error::printable(name), known, nearest }
            }
        }
    )+};
}

unknown! {
    /// No breaker has that name.
    UnknownBreaker = "circuit breaker";
    /// No bulkhead has that name.
    UnknownBulkhead = "bulkhead";
    /// No rate limiter has that name.
    UnknownRateLimiter = "rate limiter";
    /// No annotated function tracks a service of that name.
    UnknownService = "service";
}

/// No annotated function has that name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", self.sentence())]
#[non_exhaustive]
pub struct UnknownOperation {
    /// The name that was asked for.
    pub name: String,
    /// The names there are.
    pub known: Vec<&'static str>,
    /// The one most like it.
    pub nearest: Option<&'static str>,
    /// The methods of that name or path that the attribute on their `impl` block or trait leaves unguarded.
    pub skipped: Vec<Skipped>,
}

impl UnknownOperation {
    #[inline]
    pub(crate) fn new(name: &str, mut known: Vec<&'static str>) -> Self {
        known.sort_unstable();
        known.dedup();
        let (nearest, skipped) = (nearest(name, &known), skipped_as(name));
        Self { name: crate::error::printable(name), known, nearest, skipped }
    }

    #[inline]
    fn sentence(&self) -> String {
        if self.skipped.is_empty() {
            return format!("no operation is named '{}'; {}", self.name, names(&self.known, self.nearest));
        }
        let skipped: Vec<_> = self.skipped.iter().map(ToString::to_string).collect();
        skipped.join("; ")
    }
}

fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    /// Names are compared letter by letter, and no known one is longer than 128 bytes.
    const LONGEST: usize = 200;
    if name.len() > LONGEST {
        return None;
    }
    let alike = |known: &str| strsim::jaro_winkler(name, known);
    let best = known.iter().copied().max_by(|a, b| alike(a).total_cmp(&alike(b)));
    best.filter(|known| alike(known) > 0.8)
}

#[inline]
fn names(known: &[&'static str], nearest: Option<&'static str>) -> String {
    /// More than this would bury the message.
    const SHOWN: usize = 20;
    let suggestion = nearest.map_or_else(String::new, |nearest| format!("did you mean '{nearest}'? "));
    match known.len() {
        0 => "there are none yet".to_owned(),
        count if count > SHOWN => {
            format!("{suggestion}there are {count}, among them {}", known[..SHOWN].join(", "))
        }
        _ => format!("{suggestion}there are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Moment;

    fn context() -> Arc<Context> {
        Arc::new(Context::system())
    }

    #[test]
    fn a_reset_makes_each_shared_part_as_it_was_and_it_is_at_rest_when_nobody_uses_it() {
        let limiter =
            RateLimiterCore::make("api", RateLimitConfig::new(1).per(Duration::from_secs(3_600)), context());
        assert!(limiter.is_at_rest());
        limiter.take_now(1).unwrap();
        assert!(!limiter.is_at_rest());
        Shared::reset(&limiter, None);
        assert!(limiter.is_at_rest());

        let bulkhead = BulkheadCore::make("db", BulkheadConfig::default(), context());
        bulkhead.try_enter().unwrap();
        assert!(!bulkhead.is_at_rest());
        bulkhead.leave();
        assert!(bulkhead.is_at_rest());
        assert_eq!(bulkhead.snapshot().max_active_count, 1);
        Shared::reset(&bulkhead, None);
        assert_eq!(bulkhead.snapshot().max_active_count, 0);

        let budget = BudgetSlot::make("b", Budget::Tokens, context());
        let granted = || {
            let paid = |_: &u32| budget.current().unwrap().withdraw(|| Moment::ZERO);
            (0..1_000).take_while(paid).count()
        };
        assert_eq!((granted(), granted()), (100, 0));
        Shared::reset(&budget, None);
        assert_eq!(granted(), 100);
        Shared::reconfigure(&budget, Budget::None);
        assert_eq!(granted(), 1_000);
        assert!(BudgetSlot::agree(&Budget::None, &Budget::None));
        assert!(!BudgetSlot::agree(&Budget::Tokens, &Budget::None));
    }

    #[test]
    fn a_breaker_waits_for_the_slowest_probe_of_all_who_share_it() {
        let (short, long) = (Duration::from_secs(10), Duration::from_secs(3_600));
        let config = |lease| BreakerConfig::new().probe_lease(lease);
        for (one, other) in [(short, long), (long, short)] {
            let mut wide = config(one);
            Breaker::widen(&mut wide, &config(other));
            assert_eq!(wide.lease(), long);

            let breaker = Breaker::make("db", config(one), context());
            breaker.accommodate(&config(other));
            breaker.set(State::HalfOpen, None);
            breaker.acquire().unwrap();
            assert!(!breaker.is_at_rest());
            let left = breaker.snapshot().probe_lease_left.unwrap();
            assert!(left > 3_000.0, "{left}");
        }
    }

    #[test]
    fn a_name_that_nobody_has_is_answered_with_the_nearest_and_with_some_of_those_there_are() {
        let all: Vec<String> = (0..21).map(|number| format!("operation_{number:02}")).collect();
        let all: Vec<&'static str> = all.into_iter().map(|name| &*name.leak()).collect();
        assert_eq!(nearest("operation_1", &all[..3]), Some("operation_01"));
        assert_eq!(nearest("users", &all), None);
        let longest: &'static str = "o".repeat(128).leak();
        assert_eq!(nearest(&"o".repeat(200), &[longest]), Some(longest));
        assert_eq!(nearest(&"o".repeat(201), &[longest]), None);
        assert_eq!(names(&[], None), "there are none yet");
        assert_eq!(names(&all[..2], None), "there are operation_00, operation_01");
        let twenty = names(&all[..20], None);
        assert!(twenty.starts_with("there are operation_00, "), "{twenty}");
        assert!(twenty.ends_with("operation_18, operation_19"), "{twenty}");
        let some = names(&all, Some("operation_01"));
        assert!(
            some.starts_with("did you mean 'operation_01'? there are 21, among them operation_00, "),
            "{some}"
        );
        assert!(some.ends_with("operation_18, operation_19"), "{some}");
    }

    /// Asks for something else while it is changed, as another thread may.
    #[derive(Debug)]
    struct Interrupted {
        config: Mutex<u32>,
        then: Mutex<Option<(Asked, u32)>>,
    }

    type Asked = Arc<Registry<Interrupted>>;

    fn ask(registry: &Asked, config: u32) -> Arc<Interrupted> {
        let origin = Origin { operation: "op", at: "src/a.rs:1".to_owned() };
        registry.get_or_make("interrupted", config, origin, &Arc::new(Context::system())).0
    }

    impl Shared for Interrupted {
        type Config = u32;

        const KIND: &'static str = "test";

        fn make(_: &'static str, config: u32, _: Arc<Context>) -> Self {
            Self { config: Mutex::new(config), then: Mutex::default() }
        }

        fn reconfigure(&self, config: u32) {
            let then = self.then.lock().unwrap().take();
            if let Some((registry, then)) = then {
                ask(&registry, then);
            }
            *self.config.lock().unwrap() = config;
        }

        fn reset(&self, _: Option<u32>) {}

        fn agree(one: &u32, other: &u32) -> bool {
            one == other
        }

        fn rows(_: &Self::Config) -> Vec<(&'static str, String)> {
            Vec::new()
        }
    }

    #[test]
    fn of_two_changes_at_once_the_one_that_was_asked_for_last_is_in_force() {
        let registry = Asked::default();
        let shared = ask(&registry, 1);
        *shared.then.lock().unwrap() = Some((Arc::clone(&registry), 3));
        ask(&registry, 2);
        assert_eq!(*shared.config.lock().unwrap(), 3);
    }

    #[test]
    fn a_budget_that_is_reset_or_has_terms_again_is_the_same_and_full() {
        let slot = BudgetSlot::make("b", Budget::Tokens, Arc::new(Context::system()));
        let first = slot.current().unwrap();
        assert!(first.withdraw(|| unreachable!()));
        slot.renew(None);
        assert_eq!(first.available(|| unreachable!()), 500);
        slot.renew(Some(Budget::Ratio { ratio: 0.5, per_second: 1.0 }));
        assert!(!Arc::ptr_eq(&first, &slot.current().unwrap()));
        slot.renew(Some(Budget::Tokens));
        assert!(Arc::ptr_eq(&first, &slot.current().unwrap()));
    }

    #[test]
    fn two_configurations_are_told_by_what_differs() {
        let limit = RateLimitConfig::new(10);
        let other = RateLimitConfig::new(20).max_wait(Duration::from_millis(500));
        assert_eq!(
            RateLimiterCore::differences(&limit, &other),
            ["rate 10 and 20", "burst 10 and 20", "max_wait 0ns and 500ms"]
        );
        let one = BulkheadConfig::new().max_wait(Duration::from_secs(1));
        let other = BulkheadConfig::new().max_concurrent(3).max_queue(0);
        assert_eq!(
            BulkheadCore::differences(&one, &other),
            ["max_concurrent 10 and 3", "max_queue none and 0", "max_wait 1s and none"]
        );
        assert_eq!(BudgetSlot::differences(&Budget::Tokens, &Budget::None), ["budget default and none"]);
        assert!(BudgetSlot::differences(&Budget::Tokens, &Budget::Tokens).is_empty());
    }
}
