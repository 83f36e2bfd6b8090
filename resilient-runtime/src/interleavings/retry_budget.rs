use super::*;
use crate::clock::Moment;
use crate::retry::BudgetCore;

const BEGIN: Moment = Moment::from_nanos(5_000_000_000);

fn withdraws(budget: &BudgetCore) -> u32 {
    u32::from(budget.withdraw(|| BEGIN))
}

fn deposits(budget: &BudgetCore) -> u32 {
    budget.deposit(|| BEGIN);
    0
}

fn left(budget: &BudgetCore) -> u32 {
    budget.available(|| BEGIN)
}

#[test]
fn three_retries_take_no_more_tokens_than_there_are() {
    explore(|| {
        let budget = Arc::new(BudgetCore::tokens("db", 11, 5));
        let others = [(); 2].map(|()| beside(&budget, withdraws));
        let granted = withdraws(&budget) + answers(others).iter().sum::<u32>();
        assert_eq!((granted, left(&budget)), (2, 1));
    });
}

#[test]
fn no_token_is_lost_or_made_beside_another() {
    explore(|| {
        let budget = Arc::new(BudgetCore::tokens("db", 20, 5));
        withdraws(&budget);
        withdraws(&budget);
        let others = [
            beside(&budget, |budget| {
                budget.refund();
                0
            }),
            beside(&budget, deposits),
        ];
        let granted = withdraws(&budget);
        answers(others);
        assert_eq!((granted, left(&budget)), (1, 11));
    });
}

#[test]
fn tokens_never_pass_the_capacity() {
    explore(|| {
        let budget = Arc::new(BudgetCore::tokens("db", 10, 5));
        assert_eq!(withdraws(&budget), 1);
        let others = [
            beside(&budget, deposits),
            beside(&budget, |budget| {
                budget.refund();
                left(budget)
            }),
        ];
        deposits(&budget);
        let seen = answers(others);
        assert!(seen[1] <= 10);
        assert_eq!(left(&budget), 10);
    });
}

#[test]
fn three_retries_share_one_of_a_ratios_reserve() {
    explore(|| {
        let budget = Arc::new(BudgetCore::ratio("db", 0.0, 0.1, 10 * SECOND));
        let others = [(); 2].map(|()| beside(&budget, withdraws));
        let granted = withdraws(&budget) + answers(others).iter().sum::<u32>();
        assert_eq!((granted, left(&budget)), (1, 0));
    });
}

#[test]
fn what_calls_earn_beside_a_retry_is_not_lost() {
    explore(|| {
        let budget = Arc::new(BudgetCore::ratio("db", 0.5, 0.1, 10 * SECOND));
        let others = [beside(&budget, deposits), beside(&budget, deposits)];
        let granted = withdraws(&budget);
        answers(others);
        assert_eq!((granted, left(&budget)), (1, 1));
    });
}

#[test]
fn a_deposit_into_a_time_that_comes_round_again_does_not_earn_twice() {
    explore(|| {
        let budget = Arc::new(BudgetCore::ratio("db", 1.0, 0.0, 10 * SECOND));
        deposits(&budget);
        // The same slot, ten seconds later.
        let later = || Moment::from_nanos(15_000_000_000);
        let other = beside(&budget, move |budget| budget.deposit(later));
        budget.deposit(later);
        answer(other);
        assert_eq!(budget.available(later), 2);
    });
}
