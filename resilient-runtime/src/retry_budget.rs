//! A retry budget in the hands of its user.

use std::sync::Arc;
use std::time::Duration;

use crate::context::Context;
use crate::event::EventKind;
use crate::profile::ConfigErrors;
use crate::retry::{Budget, BudgetCore};
use crate::runtime::Runtime;

/// What the retries and hedges of one target are paid from: a cheap handle on shared state.
///
/// The attributes make theirs by name. This one is for a loop of your own: [`withdraw`](Self::withdraw) before each
/// retry, [`refund`](Self::refund) when a retry succeeded, [`deposit`](Self::deposit) when a first attempt did. It
/// belongs to its owner alone.
///
/// The trap: it takes its clock and its listeners from the scope it is made in, so a test makes it inside the scope.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::{Budget, RetryBudget};
///
/// let budget = RetryBudget::new("orders-db", Budget::Tokens)?;
/// assert_eq!(budget.available(), 500);
/// if budget.withdraw() {
///     // try again
///     budget.refund();
/// }
/// assert_eq!(budget.available(), 500);
/// # Ok::<(), resilient_runtime::ConfigErrors>(())
/// ```
#[derive(Clone, Debug)]
pub struct RetryBudget {
    budget: Arc<BudgetCore>,
    context: Arc<Context>,
}

impl RetryBudget {
    /// A budget with the figures that [`Budget`] names, full. The name is kept for the life of the process: code
    /// gives it, requests never do.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the name and the figures, at once.
    pub fn new(name: &str, budget: Budget) -> Result<Self, ConfigErrors> {
        Self::checked(name, budget.problems(), |name| BudgetCore::new(name, budget))
    }

    /// `capacity` tokens, of which a retry takes `retry_cost`; [`Budget::Tokens`] has 500 and 5.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the name and the figures, at once.
    pub fn tokens(name: &str, capacity: u32, retry_cost: u32) -> Result<Self, ConfigErrors> {
        let mut problems = Vec::new();
        if retry_cost == 0 {
            problems.push("retry_cost must be positive".to_owned());
        }
        if capacity < retry_cost {
            problems.push("capacity must be at least retry_cost, or no retry is ever made".to_owned());
        }
        Self::checked(name, problems, |name| BudgetCore::tokens(name, capacity, retry_cost))
    }

    /// [`Budget::Ratio`] over the last `ttl` in place of 10 s, in tenths of it.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the name and the figures, at once; `ttl` must be from 1 s to 60 s.
    pub fn ratio(name: &str, ratio: f64, per_second: f64, ttl: Duration) -> Result<Self, ConfigErrors> {
        let mut problems = Budget::Ratio { ratio, per_second }.problems();
        if !(Duration::from_secs(1)..=Duration::from_secs(60)).contains(&ttl) {
            problems.push("ttl must be between 1 s and 60 s".to_owned());
        }
        Self::checked(name, problems, |name| BudgetCore::ratio(name, ratio, per_second, ttl))
    }

    fn checked(
        name: &str,
        mut problems: Vec<String>,
        make: impl FnOnce(&'static str) -> BudgetCore,
    ) -> Result<Self, ConfigErrors> {
        match crate::name::intern(name) {
            Ok(name) if problems.is_empty() => {
                Ok(Self { budget: Arc::new(make(name)), context: Arc::clone(Runtime::current().context()) })
            }
            kept => {
                problems.extend(kept.err().map(|invalid| invalid.to_string()));
                Err(ConfigErrors::from_messages("retry budget", problems))
            }
        }
    }

    pub(crate) fn shared(&self) -> Arc<BudgetCore> {
        Arc::clone(&self.budget)
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.budget.name()
    }

    /// Takes what one retry costs. False where that is not there: nothing is taken, and
    /// [`EventKind::BudgetExhausted`] is told.
    #[must_use = "false means that there may be no retry"]
    pub fn withdraw(&self) -> bool {
        let granted = self.budget.withdraw(|| self.context.clock.now());
        if !granted {
            let budget = self.name();
            self.context.events.tell(budget, EventKind::BudgetExhausted { budget });
        }
        granted
    }

    /// Gives back what one retry took, since it succeeded. A ratio gives nothing back.
    pub fn refund(&self) {
        self.budget.refund();
    }

    /// A first attempt succeeded: adds one token, or the ratio's share of a retry.
    pub fn deposit(&self) {
        self.budget.deposit(|| self.context.clock.now());
    }

    /// The tokens that are left; of a ratio, the retries.
    pub fn available(&self) -> u32 {
        self.budget.available(|| self.context.clock.now())
    }
}
