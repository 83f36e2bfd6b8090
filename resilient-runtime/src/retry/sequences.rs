//! Sequences of operations on the budget in step with the reference, and the backoff for every input there is.

use std::time::Duration;

use super::BudgetCore;
use crate::clock::Moment;
use crate::reference::budget as reference;
use crate::reference::{Draw, Operations, Passing};

#[derive(Clone, Debug)]
pub(crate) enum Setup {
    Tokens {
        capacity: u32,
        retry_cost: u32,
    },
    /// The ratio in thousandths.
    Ratio {
        ratio: u32,
        per_second: u32,
        ttl: Duration,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    Withdraw,
    Refund,
    FirstAttempt { succeeded: bool },
    Reset,
}

/// Tokens, or a share of the recent calls.
pub(crate) enum OfTheBudget {}

impl Operations for OfTheBudget {
    type Setup = Setup;
    type Operation = (Passing, Operation);

    fn setup(draw: &mut Draw) -> Setup {
        if draw.below(3) == 0 {
            return Setup::Tokens {
                capacity: draw.one_of(&[12, 0, 3, 500, u32::MAX]),
                retry_cost: draw.one_of(&[5, 1, 2, 0, u32::MAX]),
            };
        }
        Setup::Ratio {
            ratio: draw.one_of(&[200, 0, 1, 500, 1_000, 3_000, 1_000_000]),
            per_second: draw.one_of(&[0, 1, 2]),
            ttl: Duration::from_millis(draw.one_of(&[1_000, 10_000, 500, 60_000])),
        }
    }

    fn operation(draw: &mut Draw) -> (Passing, Operation) {
        let kind = draw.below(16);
        let passing = Passing::drawn(draw);
        let operation = match kind {
            0..=5 => Operation::Withdraw,
            6..=10 => Operation::FirstAttempt { succeeded: true },
            11 | 12 => Operation::FirstAttempt { succeeded: false },
            13 | 14 => Operation::Refund,
            _ => Operation::Reset,
        };
        (passing, operation)
    }

    fn play(setup: &Setup, operations: &[(Passing, Operation)]) {
        let (core, mut model) = match *setup {
            Setup::Tokens { capacity, retry_cost } => (
                BudgetCore::tokens("sequences", capacity, retry_cost),
                reference::Budget::tokens(capacity, retry_cost),
            ),
            Setup::Ratio { ratio, per_second, ttl } => (
                BudgetCore::ratio("sequences", f64::from(ratio) / 1e3, per_second.into(), ttl),
                reference::Budget::ratio(ratio, per_second, ttl),
            ),
        };
        let mut now = 1_000_000_000;
        for (passing, operation) in operations {
            now = passing.from(now, model.edges());
            let at = || Moment::from_nanos(now);
            match *operation {
                Operation::Withdraw => assert_eq!(core.withdraw(at), model.withdraw(now), "withdraw"),
                Operation::Refund => {
                    core.refund();
                    model.refund();
                }
                Operation::FirstAttempt { succeeded } => {
                    if succeeded {
                        core.deposit(at);
                    } else {
                        core.earn(at);
                    }
                    model.first_attempt(now, succeeded);
                }
                Operation::Reset => {
                    core.reset();
                    model.reset();
                }
            }
            assert_eq!(core.available(at), model.available(now), "available");
            assert_eq!(core.affords(at), model.affords(now), "affords");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reference::{backoff, hold, sequences};
    use crate::retry::{Backoff, Jitter, Retry};

    #[test]
    fn f23_f28_the_budget_pays_what_the_rules_say_in_any_order() {
        hold::<OfTheBudget>("retry budget", 800, 80);
    }

    fn spans() -> impl Strategy<Value = Duration> {
        prop_oneof![
            Just(Duration::ZERO),
            Just(Duration::from_nanos(1)),
            Just(Duration::MAX),
            (0_u64..100_000).prop_map(Duration::from_millis),
            any::<u64>().prop_map(Duration::from_nanos),
            any::<(u64, u32)>().prop_map(|(secs, nanos)| Duration::new(secs, nanos % 1_000_000_000)),
        ]
    }

    fn factors() -> impl Strategy<Value = f64> {
        let odd =
            [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, -2.0, 0.0, 0.5, 1.0, 2.0, 1e308, f64::MAX];
        prop_oneof![prop::sample::select(odd.to_vec()), any::<u64>().prop_map(f64::from_bits), 1.0..10.0]
    }

    fn attempts() -> impl Strategy<Value = u32> {
        prop_oneof![0_u32..70, any::<u32>(), Just(u32::MAX), Just(i32::MAX as u32), Just(1 << 31)]
    }

    fn backoffs() -> impl Strategy<Value = Backoff> {
        let all = [Backoff::Constant, Backoff::Linear, Backoff::Exponential, Backoff::Fibonacci];
        prop::sample::select(all.to_vec())
    }

    fn jitters() -> impl Strategy<Value = Jitter> {
        let plain = [Jitter::None, Jitter::Equal, Jitter::Full, Jitter::Decorrelated];
        prop_oneof![prop::sample::select(plain.to_vec()), factors().prop_map(Jitter::Fraction)]
    }

    /// The library cuts waits to what 64 bits of nanoseconds hold.
    const LONGEST: Duration = Duration::from_nanos(u64::MAX);

    proptest! {
        #![proptest_config(ProptestConfig { cases: sequences(3_000), failure_persistence: None, ..Default::default() })]

        #[test]
        fn f25_f26_f27_a_wait_is_never_under_its_base_and_grows_up_to_the_cap(
            (base_delay, max_delay) in (spans(), spans()),
            exponential_base in factors(),
            (backoff, jitter) in (backoffs(), jitters()),
            (n, previous) in (attempts(), spans()),
            luck in 0.0..1.0,
        ) {
            let retry = Retry { max_attempts: n, base_delay, max_delay, exponential_base, jitter, backoff };
            let wait = retry.unspread(n);
            prop_assert!(wait <= max_delay, "{wait:?} is over the cap");
            // To the rounding of floating point.
            let nearly = |span: Duration| span.mul_f64(1.0 - 1e-12);
            let least = nearly(base_delay.min(LONGEST)).min(max_delay);
            prop_assert!(wait >= least, "F26: {wait:?} is under the base");
            let next = retry.unspread(n.saturating_add(1));
            prop_assert!(next >= nearly(wait), "F26: {next:?} after {wait:?}");
            let spread = retry.delay(n, previous, luck);
            prop_assert!(spread <= max_delay, "{spread:?} is over the cap");
            match jitter {
                Jitter::None => prop_assert_eq!(spread, wait),
                Jitter::Equal => prop_assert!(spread <= wait && spread >= nearly(wait.min(LONGEST) / 2)),
                Jitter::Full => prop_assert!(spread <= wait),
                Jitter::Decorrelated => prop_assert!(spread >= least),
                _ => {}
            }
        }

        #[test]
        fn a_wait_is_what_whole_nanoseconds_make_of_it(
            base in 0_u64..1_000_000_000,
            max_delay in spans(),
            factor in 1_u32..11,
            backoff in backoffs(),
            n in 0_u32..150,
        ) {
            let base_delay = Duration::from_nanos(base);
            let exponential_base = f64::from(factor);
            let retry =
                Retry { max_attempts: n, base_delay, max_delay, exponential_base, jitter: Jitter::None, backoff };
            let expected = backoff::grown(backoff, base_delay, factor, n).min(max_delay.as_nanos());
            let expected = expected.min(LONGEST.as_nanos()) as f64;
            let wait = retry.unspread(n).as_nanos() as f64;
            prop_assert!((wait - expected).abs() <= expected * 1e-9, "{wait} ns, expected {expected} ns");
        }
    }
}
