//! BG: retry budgets, in the loop of somebody who holds one, of operations made in code, of annotated functions.

use std::cell::RefCell;
use std::time::Duration;

use resilient::testing::{Flaky, Scope, ScopeGuard};
use resilient::{
    Budget, ConfigErrors, EventKind, ResilientOperation, RetryBudget, RetryPolicy, Settings,
    retry_with_backoff,
};

use crate::calls::{Fault, both, down};
use crate::support::{span, words};

/// A budget in a scope of its own.
struct Purse {
    of_an_operation: bool,
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
        Self { of_an_operation: false, scope, budget, _inside: inside }
    }

    #[track_caller]
    fn tokens(capacity: u32, retry_cost: u32) -> Self {
        Self::new(|| RetryBudget::tokens("bg", capacity, retry_cost))
    }

    #[track_caller]
    fn ratio(ratio: f64, per_second: f64, ttl: &str) -> Self {
        Self::new(|| RetryBudget::ratio("bg", ratio, per_second, span(ttl)))
    }

    /// What is true of either way to spend tokens.
    fn each(capacity: u32, retry_cost: u32, check: impl Fn(&Self)) {
        for of_an_operation in [false, true] {
            println!("of an operation: {of_an_operation}");
            check(&Self { of_an_operation, ..Self::tokens(capacity, retry_cost) });
        }
    }

    /// One call of at most `attempts` attempts that end by the script: the tokens that are left after each.
    fn call(&self, attempts: u32, script: &str) -> Vec<u32> {
        if self.of_an_operation {
            self.call_operation(attempts, script)
        } else {
            self.call_by_hand(attempts, script)
        }
    }

    fn call_operation(&self, attempts: u32, script: &str) -> Vec<u32> {
        let policy = RetryPolicy::new().with_max_attempts(attempts).with_base_delay(0);
        let operation = ResilientOperation::builder("bg").with_retry(policy);
        let operation = operation.with_retry_budget(self.budget.clone()).build().expect("legal");
        let (mut outcomes, mut left) = (words(script), Vec::new());
        let _ = operation.call(|| {
            left.push(self.budget.available());
            if outcomes.next() == Some("S") { Ok(()) } else { Err(Fault::Down) }
        });
        left.push(self.budget.available());
        // The first is from before the call.
        left.split_off(1)
    }

    /// As a retrying client does it.
    fn call_by_hand(&self, attempts: u32, script: &str) -> Vec<u32> {
        let mut after = Vec::new();
        for (at, outcome) in (0..).zip(words(script)) {
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
    Purse::each(500, 5, |purse| assert_eq!(purse.call(5, "F F S"), [495, 490, 495]));
}

both! {
    #[retry_with_backoff(max_attempts = 3, base_delay = 0)]
    fn two_retries
}

#[test]
fn bg_001_only_the_retry_that_succeeds_is_given_back() {
    // Each call leaves 5 tokens fewer; the hundredth can pay for one retry.
    let script = || {
        let fails = |backend: Flaky<u32, Fault>| backend.fail_times(2, || Fault::Down);
        (0..100).fold(Flaky::new(), |backend, _| fails(backend).ok_times(1, || 1))
    };
    two_retries().each(script, |world| {
        assert!((0..99).all(|_| world.call().is_ok()));
        assert!(world.call().is_err());
        assert_eq!((world.executions(), world.count("finished: budget")), (99 * 3 + 2, 1));
    });
}

#[test]
fn bg_002_nothing_is_taken_where_no_retry_follows() {
    Purse::each(500, 5, |purse| assert_eq!(purse.call(3, "F F F"), [495, 490, 490]));
}

#[test]
fn bg_003_an_empty_budget_ends_the_call_although_attempts_remain() {
    Purse::each(5, 5, |purse| {
        assert_eq!(purse.call(5, "F F F"), [0, 0]);
        let told = purse.scope.events().into_iter().map(|event| event.to_string());
        assert_eq!(told.filter(|told| told == "bg: retry budget 'bg' is empty").count(), 1);
    });
}

#[test]
fn bg_004_another_cost_is_given_back_whole_too() {
    Purse::each(100, 10, |purse| assert_eq!(purse.call(5, "F F S"), [90, 80, 90]));
}

both! {
    #[retry_with_backoff(max_attempts = 2, base_delay = 0)]
    fn one_retry
}

#[test]
fn bg_005_exactly_as_many_retries_as_the_tokens_pay_for() {
    let Purse { budget, .. } = &Purse::tokens(10, 5);
    assert_eq!((0..10).filter(|_| budget.withdraw()).count(), 2);
    one_retry().each(down, |world| {
        assert!((0..150).all(|_| world.call().is_err()));
        assert_eq!((world.executions(), world.count("finished: budget")), (150 + 100, 50));
    });
}

#[test]
fn bg_008_first_attempts_that_succeed_fill_it_one_by_one() {
    Purse::each(20, 10, |purse| {
        assert_eq!(purse.call(3, "F F F"), [10, 0, 0]);
        for tokens in (1..=20).chain([20, 20]) {
            assert_eq!(purse.call(3, "S"), [tokens]);
        }
    });
    // Five of them pay for a retry.
    let drained = || Flaky::new().fail_times(200, || Fault::Down).ok_times(4, || 1);
    let script = || drained().fail_times(1, || Fault::Down).ok_times(1, || 1).then_err(|| Fault::Down);
    one_retry().each(script, |world| {
        assert!((0..100).all(|_| world.call().is_err()));
        assert!((0..4).all(|_| world.call().is_ok()));
        assert!(world.call().is_err() && world.call().is_ok());
        assert_eq!(world.executions(), 206);
        assert!(world.call().is_err());
        assert_eq!(world.executions(), 208);
    });
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
    for (ratio, retries) in [(0.1, 100), (0.5, 500), (0.25, 250), (0.01, 10)] {
        let granted = retries_of_a_thousand_calls(Budget::Ratio { ratio, per_second: 0.0 });
        assert!(granted.iter().all(|granted| granted.abs_diff(retries) <= 1), "{ratio}: {granted:?}");
    }
}

/// How many of a thousand calls of annotated functions, sync and async, that fail are tried again.
fn retries_of_a_thousand_calls(budget: Budget) -> Vec<u32> {
    let granted = RefCell::new(Vec::new());
    one_retry().settings(Settings::new().budget(budget)).each(down, |world| {
        assert!((0..1_000).all(|_| world.call().is_err()));
        granted.borrow_mut().push(world.executions() - 1_000);
    });
    granted.into_inner()
}

#[test]
fn bg_013_the_reserve_is_granted_besides() {
    for (ttl, per_second, ratio, retries) in [("1s", 10.0, 0.1, 1_010_u32), ("2s", 5.0, 0.5, 5_010)] {
        let purse = Purse::ratio(ratio, per_second, ttl);
        assert_eq!(purse.budget.available(), 10);
        let granted = purse.calls(10_000);
        assert!(granted.abs_diff(retries) <= 1, "{ratio}: {granted}");
    }
    // An attribute's budget looks back on 10 s.
    let granted = retries_of_a_thousand_calls(Budget::Ratio { ratio: 0.1, per_second: 1.0 });
    assert!(granted.iter().all(|granted| granted.abs_diff(110) <= 1), "{granted:?}");
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
