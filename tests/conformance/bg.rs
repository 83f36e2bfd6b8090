//! BG: retry budgets, in the loop of somebody who holds one.

use std::time::Duration;

use resilient::testing::{Scope, ScopeGuard};
use resilient::{Budget, ConfigErrors, EventKind, RetryBudget};

use crate::support::{span, words};

/// A budget in a scope of its own.
struct Purse {
    scope: Scope,
    budget: RetryBudget,
    _inside: ScopeGuard,
}

impl Purse {
    #[track_caller]
    fn new(make: impl FnOnce() -> Result<RetryBudget, ConfigErrors>) -> Self {
        let scope = Scope::new();
        let inside = scope.enter();
        let budget = make().expect("legal figures");
        Self { scope, budget, _inside: inside }
    }

    #[track_caller]
    fn tokens(capacity: u32, retry_cost: u32) -> Self {
        Self::new(|| RetryBudget::tokens("bg", capacity, retry_cost))
    }

    #[track_caller]
    fn ratio(ratio: f64, per_second: f64, ttl: &str) -> Self {
        Self::new(|| RetryBudget::ratio("bg", ratio, per_second, span(ttl)))
    }

    /// One call of at most `attempts` attempts that end by the script, as a retrying client makes it: the tokens that
    /// are left after each.
    fn call(&self, attempts: usize, script: &str) -> Vec<u32> {
        let mut after = Vec::new();
        for (at, outcome) in words(script).enumerate() {
            let again = outcome == "F" && at + 1 < attempts && self.budget.withdraw();
            match outcome {
                "S" if at == 0 => self.budget.deposit(),
                "S" => self.budget.refund(),
                _ => {}
            }
            after.push(self.budget.available());
            if !again {
                break;
            }
        }
        after
    }

    /// So many calls that each fail at first and want one retry: how many retries there were.
    fn calls(&self, times: u32) -> u32 {
        let mut retries = 0;
        for _ in 0..times {
            self.budget.deposit();
            if self.budget.withdraw() {
                retries += 1;
            } else {
                assert_eq!(self.budget.available(), 0);
            }
        }
        retries
    }

    fn pass(&self, passing: &str) {
        self.scope.clock().advance(span(passing));
    }
}

#[test]
fn bg_001_a_retry_that_succeeds_gives_back_what_it_took() {
    assert_eq!(Purse::tokens(500, 5).call(5, "F F S"), [495, 490, 495]);
}

#[test]
fn bg_002_nothing_is_taken_where_no_retry_follows() {
    assert_eq!(Purse::tokens(500, 5).call(3, "F F F"), [495, 490, 490]);
}

#[test]
fn bg_003_an_empty_budget_ends_the_call_although_attempts_remain() {
    let purse = Purse::tokens(5, 5);
    assert_eq!(purse.call(5, "F F F"), [0, 0]);
    let told: Vec<_> = purse.scope.events().into_iter().map(|event| event.to_string()).collect();
    assert_eq!(told, ["bg: retry budget 'bg' is empty"]);
}

#[test]
fn bg_004_another_cost_is_given_back_whole_too() {
    assert_eq!(Purse::tokens(100, 10).call(5, "F F S"), [90, 80, 90]);
}

#[test]
fn bg_005_exactly_as_many_retries_as_the_tokens_pay_for() {
    let Purse { budget, .. } = &Purse::tokens(10, 5);
    assert_eq!((0..10).filter(|_| budget.withdraw()).count(), 2);
}

#[test]
fn bg_008_first_attempts_that_succeed_fill_it_one_by_one() {
    let purse = Purse::tokens(20, 10);
    assert_eq!(purse.call(3, "F F"), [10, 0]);
    for tokens in (1..=20).chain([20, 20]) {
        assert_eq!(purse.call(3, "S"), [tokens]);
    }
}

#[test]
fn bg_012_a_ratio_grants_its_share_of_the_calls() {
    for (ratio, retries) in [
        (0.1, 1_000),
        (0.5, 5_000),
        (0.25, 2_500),
        (0.75, 7_500),
        (0.99, 9_900),
        (0.999, 9_990),
        (0.9999, 9_999),
        (0.01, 100),
        (0.001, 10),
        (0.0001, 1),
    ] {
        let granted = Purse::ratio(ratio, 0.0, "60s").calls(10_000);
        assert!(granted.abs_diff(retries) <= 1, "{ratio}: {granted}");
    }
}

#[test]
fn bg_013_the_reserve_is_granted_besides() {
    for (ttl, per_second, ratio, retries) in [("1s", 10.0, 0.1, 1_010_u32), ("2s", 5.0, 0.5, 5_010)] {
        let purse = Purse::ratio(ratio, per_second, ttl);
        assert_eq!(purse.budget.available(), 10);
        let granted = purse.calls(10_000);
        assert!(granted.abs_diff(retries) <= 1, "{ratio}: {granted}");
    }
}

#[test]
fn bg_014_a_ratio_over_one_earns_several_retries_a_call() {
    let purse = Purse::ratio(2.0, 0.0, "60s");
    (0..10_000).for_each(|_| purse.budget.deposit());
    assert_eq!(purse.budget.available(), 20_000);
}

#[test]
fn bg_015_figures_without_a_meaning_are_refused_and_nothing_is_the_empty_budget() {
    for (ratio, per_second, ttl, wrong) in [
        (0.1, 1.0, Duration::ZERO, "ttl must be between 1 s and 60 s"),
        (0.1, 1.0, span("61s"), "ttl must be between 1 s and 60 s"),
        (0.1, -1.0, span("10s"), "per_second must be between"),
        (-1.0, 1.0, span("10s"), "ratio must be between"),
        (f64::NAN, 1.0, span("10s"), "ratio must be between"),
    ] {
        let errors = RetryBudget::ratio("bg", ratio, per_second, ttl).expect_err(wrong).to_string();
        assert!(errors.contains(wrong), "{errors}");
    }
    assert_eq!(Purse::ratio(0.0, 0.0, "10s").calls(1_000), 0);
    for (capacity, cost, wrong) in
        [(5, 0, "retry_cost must be positive"), (4, 5, "capacity must be at least")]
    {
        let errors = RetryBudget::tokens("b g", capacity, cost).expect_err(wrong);
        assert!(errors.to_string().contains(wrong), "{errors}");
        assert_eq!(errors.problems().len(), 2, "the name is wrong too: {errors}");
    }
}

#[test]
fn bg_016_what_was_earned_is_forgotten_after_the_ttl() {
    let purse = Purse::ratio(1.0, 0.0, "1s");
    purse.budget.deposit();
    purse.pass("3s");
    assert!(!purse.budget.withdraw());
    let told = purse.scope.events().into_iter().map(|event| event.kind);
    assert_eq!(told.filter(|kind| matches!(kind, EventKind::BudgetExhausted { budget: "bg" })).count(), 1);
}

#[test]
fn bg_017_it_is_forgotten_slot_by_slot() {
    let purse = Purse::ratio(0.5, 0.0, "1s");
    purse.budget.deposit();
    purse.budget.deposit();
    purse.pass("901ms");
    assert!(purse.budget.withdraw());
    purse.pass("2001ms");
    purse.budget.deposit();
    purse.pass("301ms");
    purse.budget.deposit();
    purse.pass("801ms");
    purse.budget.deposit();
    assert!(purse.budget.withdraw(), "the first is forgotten, the last two pay together");
}

#[test]
fn bg_018_the_reserve_is_there_without_any_calls() {
    let Purse { budget, .. } = &Purse::ratio(1.0, 5.0, "1s");
    assert_eq!((0..6).map(|_| budget.withdraw()).collect::<Vec<_>>(), [true, true, true, true, true, false]);
}

#[test]
fn the_figures_that_a_budget_names_are_the_aws_sdks_and_ten_seconds() {
    let Purse { budget, .. } = &Purse::new(|| RetryBudget::new("bg", Budget::Tokens));
    assert_eq!((0..1_000).filter(|_| budget.withdraw()).count(), 100);
    let ratio = Budget::Ratio { ratio: 0.2, per_second: 1.0 };
    let purse = Purse::new(|| RetryBudget::new("bg", ratio));
    assert_eq!(purse.calls(50), 20);
    purse.pass("10s");
    assert_eq!(purse.budget.available(), 10);
    let Purse { budget, .. } = &Purse::new(|| RetryBudget::new("bg", Budget::None));
    assert!((0..1_000).all(|_| budget.withdraw()));
}
