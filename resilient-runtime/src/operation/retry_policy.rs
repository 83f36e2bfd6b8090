//! How often to try again, after which errors, and how long to wait first: as a value.

use std::error::Error as StdError;
use std::time::Duration;

use super::above_cap;
use super::rules::{RetryRules, Rule};
use crate::profile::{
    ConfigErrors, IntoBackoff, IntoBudget, IntoDuration, IntoJitter, Problem, Settings, check, usable,
};
use crate::retry::{Backoff, Budget, Jitter, Retry};
use crate::runtime::Runtime;

/// When to try again, and how long to wait first.
///
/// Defaults: 3 attempts, the first call included; waits of 0.1 s, doubled from one retry to the next, 10 s at most,
/// each spread to between half of it and all of it; after every error; paid from 500 tokens that all calls of one
/// operation share, see [`Budget`].
///
/// Every `with_` gives a new policy and leaves the old one as it was. Values that cannot be used are refused, all at
/// once, by [`validate`](Self::validate) and by the operation that is built with them.
///
/// The trap: several kinds of error in one list widen it, a list and a test together narrow it. Once there is a list
/// or a test, an error that none of them speaks of is final.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::RetryPolicy;
/// use std::io;
/// use std::time::Duration;
///
/// let policy = RetryPolicy::new()
///     .with_max_attempts(5)
///     .with_backoff_fn(|n| Duration::from_millis(500) * n)
///     .with_jitter(false)
///     .with_retry_if(|error: &io::Error| error.kind() == io::ErrorKind::ConnectionReset);
/// policy.validate()?;
///
/// let reset = io::Error::from(io::ErrorKind::ConnectionReset);
/// assert!(policy.should_retry(0, &reset));
/// assert!(!policy.should_retry(0, &io::Error::from(io::ErrorKind::NotFound)));
/// assert!(!policy.should_retry(4, &reset)); // the fifth attempt was the last
/// assert_eq!(policy.delay(2), Duration::from_secs(1));
/// # Ok::<(), resilient_runtime::ConfigErrors>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RetryPolicy {
    pub(super) settings: Settings,
    pub(super) rules: RetryRules,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl RetryPolicy {
    /// The defaults.
    pub fn new() -> Self {
        Self { settings: Settings::new(), rules: RetryRules::default() }
    }

    fn set(&self, change: impl FnOnce(Settings) -> Settings) -> Self {
        Self { settings: change(self.settings.clone()), rules: self.rules.clone() }
    }

    /// Attempts, the first call included, at least 1. Default 3.
    pub fn with_max_attempts(&self, attempts: u32) -> Self {
        self.set(|settings| settings.max_attempts(attempts))
    }

    /// The wait before the first retry, 0 or more. Default 0.1 s.
    pub fn with_base_delay(&self, delay: impl IntoDuration) -> Self {
        self.set(|settings| settings.base_delay(delay))
    }

    /// The longest wait, above 0. Default 10 s.
    pub fn with_max_delay(&self, delay: impl IntoDuration) -> Self {
        self.set(|settings| settings.max_delay(delay))
    }

    /// Growth of the wait from one retry to the next, at least 1. Default 2.
    pub fn with_exponential_base(&self, base: f64) -> Self {
        self.set(|settings| settings.exponential_base(base))
    }

    /// How the waits grow: `"constant"`, `"linear"`, `"exponential"` (the default), `"fibonacci"`, or a
    /// `fn(u32) -> Duration`. For a closure there is [`with_backoff_fn`](Self::with_backoff_fn).
    pub fn with_backoff(&self, backoff: impl IntoBackoff) -> Self {
        self.set(|settings| settings.backoff(backoff))
    }

    /// The waits as a function of n, 0 before the first retry; the longest wait and the spread still apply.
    pub fn with_backoff_fn(&self, delay: fn(u32) -> Duration) -> Self {
        self.set(|settings| settings.backoff(delay))
    }

    /// How far a wait is spread: `true` (the default), `false`, `"full"`, `"decorrelated"` or a share such as `0.1`.
    pub fn with_jitter(&self, jitter: impl IntoJitter) -> Self {
        self.set(|settings| settings.jitter(jitter))
    }

    /// Retries errors of type `X`, and of the other listed types, and no others. Default: all.
    ///
    /// It looks at the error type of the call itself, and inside a `Box<dyn Error>` or an [`io::Error`](std::io::Error)
    /// at what it holds and that one's sources. Variants of an enum are told apart by
    /// [`with_retry_if`](Self::with_retry_if).
    pub fn with_retry_on<X: StdError + 'static>(&self) -> Self {
        let mut policy = self.clone();
        policy.rules.add_type::<X>();
        policy
    }

    /// Retries an error of type `E` only if `test` says so. Tests about several types stand side by side; of several
    /// about one type all must agree.
    pub fn with_retry_if<E: 'static>(&self, test: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self {
        let mut policy = self.clone();
        policy.rules.add_test(Rule::about(test));
        policy
    }

    /// What retries are paid from, a full one for each operation that is built: `"default"`, `"none"`, a share of the
    /// calls such as `0.2`, or a [`Budget`]. To share one there is
    /// [`with_retry_budget`](crate::OperationBuilder::with_retry_budget).
    pub fn with_budget(&self, budget: impl IntoBudget) -> Self {
        self.set(|settings| settings.budget(budget))
    }

    /// Attempts, the first call included.
    pub fn max_attempts(&self) -> u32 {
        self.numbers().max_attempts
    }

    /// Whether another attempt may follow attempt `n` (0 is the first call), which failed with `error`.
    ///
    /// An operation asks its budget and its deadline besides.
    pub fn should_retry<E: 'static>(&self, n: u32, error: &E) -> bool {
        n.saturating_add(1) < self.max_attempts() && self.rules.list(error)
    }

    /// The wait between attempt `n` (0 is the first call) and the next, drawn anew each time where waits are spread.
    pub fn delay(&self, n: u32) -> Duration {
        self.numbers().delay(n, Duration::ZERO, Runtime::current().context().luck())
    }

    /// Everything that is wrong with it, at once.
    ///
    /// # Errors
    ///
    /// Each value that cannot be used, with what may be written instead.
    #[inline]
    pub fn validate(&self) -> Result<(), ConfigErrors> {
        ConfigErrors::check(self.problems(), Vec::new())
    }

    #[inline]
    pub(super) fn problems(&self) -> Vec<Problem> {
        const OWNER: &str = "the retry policy";
        let mut problems = check(&self.settings, OWNER);
        let Retry { max_delay, .. } = self.numbers();
        let above = |base_delay| above_cap(OWNER, ("base_delay", base_delay), ("max_delay", max_delay));
        problems.extend(self.settings.base_delay.and_then(above));
        problems
    }

    pub(super) fn budget(&self) -> Budget {
        self.settings.budget.unwrap_or_default()
    }

    /// The numbers in force; what was refused is as if it had not been said.
    pub(super) fn numbers(&self) -> Retry {
        let Settings { max_attempts, base_delay, max_delay, exponential_base, jitter, backoff, .. } =
            usable(&self.settings);
        let max_delay = max_delay.unwrap_or(Duration::from_secs(10));
        Retry {
            max_attempts: max_attempts.unwrap_or(3),
            base_delay: base_delay.unwrap_or(Duration::from_millis(100)).min(max_delay),
            max_delay,
            exponential_base: exponential_base.unwrap_or(2.0),
            jitter: jitter.unwrap_or(Jitter::Equal),
            backoff: backoff.unwrap_or(Backoff::Exponential),
        }
    }
}
