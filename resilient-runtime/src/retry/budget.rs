//! How many retries and hedges a target may be sent on top of its first attempts.

use std::fmt;

/// What retries and hedges of one target are paid from, so that they do not multiply the load on what is down.
///
/// Default: [`Budget::Tokens`]. A call that finds the budget empty makes no further attempt: its caller gets the last
/// real error, and [`EventKind::BudgetExhausted`](crate::EventKind::BudgetExhausted) is told.
///
/// The trap: a budget belongs to the target, not to the call. All functions of one operation name spend the same one.
///
/// ```
/// use resilient_runtime::Budget;
///
/// assert_eq!(Budget::default(), Budget::Tokens);
/// let fifth = Budget::Ratio { ratio: 0.2, per_second: 1.0 };
/// assert_eq!(fifth.to_string(), "ratio = 0.2, per_second = 1");
/// ```
///
/// The figures of [`Budget::Tokens`] are those of the AWS SDKs ("standard" retry mode); [`Budget::Ratio`] is
/// Finagle's `RetryBudget`, tower's `TpsBudget`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Budget {
    /// Retries are bounded by `max_attempts` alone (`budget = "none"`).
    None,
    /// 500 tokens; a retry takes 5, one that succeeds gives them back, a first attempt that succeeds adds 1
    /// (`budget = "default"`).
    #[default]
    Tokens,
    /// A share of the calls of the last 10 s (`budget(ratio = 0.2, per_second = 1)`).
    Ratio {
        /// Retries that each call earns: 0.2 is one retry for five calls.
        ratio: f64,
        /// Retries per second that are there without any calls.
        per_second: f64,
    },
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Tokens => f.write_str("default"),
            Self::Ratio { ratio, per_second } => write!(f, "ratio = {ratio}, per_second = {per_second}"),
        }
    }
}
