//! When to try again, and how long to wait first.

mod backoff;
mod budget;
#[cfg(any(fuzzing, all(test, not(any(resilient_loom, resilient_shuttle)))))]
pub(crate) mod sequences;

use std::time::Duration;

pub use backoff::{Backoff, Jitter};
pub use budget::Budget;
pub(crate) use budget::BudgetCore;

use crate::clock::{from_nanos_f64, nanos, scaled};

/// A server that asks for more than this is not waited for.
pub(crate) const LONGEST_HINT: Duration = Duration::from_secs(60);

/// The spread added to a server's hint, as a share of it.
const HINT_SPREAD: f64 = 0.1;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Retry {
    pub(crate) max_attempts: u32,
    pub(crate) base_delay: Duration,
    pub(crate) max_delay: Duration,
    pub(crate) exponential_base: f64,
    pub(crate) jitter: Jitter,
    pub(crate) backoff: Backoff,
}

#[deny(clippy::arithmetic_side_effects, reason = "waits saturate")]
impl Retry {
    /// The wait before retry `n` (0 first), before the spread: grown, then capped. Never panics, never overflows.
    pub(crate) fn unspread(&self, n: u32) -> Duration {
        let base = nanos(self.base_delay) as f64;
        let grown = match self.backoff {
            Backoff::Constant => base,
            Backoff::Linear => base * (f64::from(n) + 1.0),
            Backoff::Exponential => {
                // No factor shrinks a wait, not even one that is no number.
                let factor = self.exponential_base.max(1.0);
                base * factor.powi(i32::try_from(n).unwrap_or(i32::MAX))
            }
            Backoff::Fibonacci => base * fibonacci(n),
            Backoff::Custom(delay) => return delay(n).min(self.max_delay),
        };
        // 0 * inf is no number: no delay stays no delay.
        from_nanos_f64(grown).min(self.max_delay)
    }

    /// The wait before retry `n` after a wait of `previous`, spread by `luck` in [0, 1).
    ///
    /// Decorrelated jitter: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    pub(crate) fn delay(&self, n: u32, previous: Duration, luck: f64) -> Duration {
        let delay = self.unspread(n);
        let spread = match self.jitter {
            Jitter::None => return delay,
            Jitter::Equal => scaled(delay, 0.5 + 0.5 * luck),
            Jitter::Full => scaled(delay, luck),
            Jitter::Fraction(share) => scaled(delay, 1.0 + share * (2.0 * luck - 1.0)),
            Jitter::Decorrelated => {
                let (low, high) = (self.base_delay, previous.max(self.base_delay).saturating_mul(3));
                low.saturating_add(scaled(high.saturating_sub(low), luck))
            }
        };
        spread.min(self.max_delay)
    }

    /// The longest that all waits of one call can take together, spread included. Saturates.
    pub(crate) fn longest_wait(&self) -> Duration {
        // Beyond this the cap stands for a wait that still grows: a bound, and no endless loop.
        const EXACT: u32 = 200;
        let retries = self.max_attempts.saturating_sub(1);
        let longest = |n| match (self.jitter, self.backoff) {
            // At most three times the wait before, which may have been the cap; and the user's function is not
            // called only to be told about.
            (Jitter::Decorrelated, _) | (_, Backoff::Custom(_)) => self.max_delay,
            (Jitter::Fraction(share), _) => scaled(self.unspread(n), 1.0 + share).min(self.max_delay),
            _ => self.unspread(n),
        };
        let exact = (0..retries.min(EXACT)).map(longest).fold(Duration::ZERO, Duration::saturating_add);
        let constant = matches!(self.backoff, Backoff::Constant) || self.base_delay.is_zero();
        let beyond = if constant { longest(0) } else { self.max_delay };
        exact.saturating_add(beyond.saturating_mul(retries.saturating_sub(EXACT)))
    }
}

/// `delay`, or what the server asked for if that is longer, spread so that not everyone returns at once.
pub(crate) fn at_least(delay: Duration, hint: Option<Duration>, luck: f64) -> Duration {
    hint.map_or(delay, |hint| delay.max(scaled(hint, 1.0 + HINT_SPREAD * luck)))
}

/// The n-th of 1, 1, 2, 3, 5, …
fn fibonacci(n: u32) -> f64 {
    let (mut a, mut b) = (1.0_f64, 1.0_f64);
    // Beyond this the number is over every possible delay.
    for _ in 0..n.min(200) {
        (a, b) = (b, a + b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(backoff: Backoff, jitter: Jitter) -> Retry {
        Retry {
            max_attempts: 6,
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
            exponential_base: 2.0,
            jitter,
            backoff,
        }
    }

    fn seconds(retry: &Retry) -> Vec<f64> {
        (0..8).map(|n| retry.unspread(n).as_secs_f64()).collect()
    }

    #[test]
    fn every_backoff_grows_as_its_name_says() {
        let of = |backoff| seconds(&retry(backoff, Jitter::None));
        assert_eq!(of(Backoff::Constant), [1.0; 8]);
        assert_eq!(of(Backoff::Linear), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        assert_eq!(of(Backoff::Exponential), [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
        assert_eq!(of(Backoff::Fibonacci), [1.0, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0]);
        let halves = Backoff::Custom(|n| Duration::from_millis(u64::from(n) * 500));
        assert_eq!(of(halves)[..4], [0.0, 0.5, 1.0, 1.5]);
    }

    #[test]
    fn no_input_overflows_or_exceeds_the_cap() {
        let mut rng = fastrand::Rng::with_seed(1);
        let jitters = [
            Jitter::None,
            Jitter::Equal,
            Jitter::Full,
            Jitter::Decorrelated,
            Jitter::Fraction(0.0),
            Jitter::Fraction(1.0),
        ];
        for base in [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(10), Duration::MAX] {
            for max in [Duration::ZERO, Duration::from_secs(1), Duration::MAX] {
                for exponential_base in [1.0, 2.0, 1e300, f64::INFINITY, f64::NAN] {
                    for backoff in [Backoff::Linear, Backoff::Exponential, Backoff::Fibonacci] {
                        for jitter in jitters {
                            let retry = Retry {
                                max_attempts: u32::MAX,
                                base_delay: base,
                                max_delay: max,
                                exponential_base,
                                jitter,
                                backoff,
                            };
                            for n in [0, 1, 33, 1_024, 100_000, u32::MAX] {
                                let delay = retry.delay(n, Duration::MAX, rng.f64());
                                assert!(delay <= max, "{retry:?} {n}: {delay:?}");
                            }
                            let _ = retry.longest_wait();
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_longest_wait_of_very_many_retries_is_exact_where_waits_do_not_grow_and_a_bound_where_they_do() {
        let many = |backoff, base_delay| Retry {
            max_attempts: 20_001,
            base_delay,
            max_delay: Duration::from_secs(3600),
            ..retry(backoff, Jitter::None)
        };
        let constant = many(Backoff::Constant, Duration::from_millis(1));
        assert_eq!(constant.longest_wait(), Duration::from_secs(20));
        assert_eq!(many(Backoff::Linear, Duration::ZERO).longest_wait(), Duration::ZERO);

        let growing = many(Backoff::Linear, Duration::from_millis(1));
        let waits: Duration = (0..20_000).map(|n| growing.unspread(n)).sum();
        assert!(growing.longest_wait() >= waits, "{:?} is less than {waits:?}", growing.longest_wait());
    }

    #[test]
    fn each_jitter_stays_in_its_range() {
        let mut rng = fastrand::Rng::with_seed(2);
        let range = |jitter, low: f64, high: f64, rng: &mut fastrand::Rng| {
            let retry = retry(Backoff::Constant, jitter);
            let draws: Vec<f64> = (0..10_000)
                .map(|_| retry.delay(0, Duration::from_secs(2), rng.f64()).as_secs_f64())
                .collect();
            assert!(draws.iter().all(|draw| (low..=high).contains(draw)), "{jitter:?}");
            // It reaches near both ends.
            let span = high - low;
            assert!(draws.iter().any(|draw| *draw < low + span * 0.01), "{jitter:?}");
            assert!(draws.iter().any(|draw| *draw > high - span * 0.01), "{jitter:?}");
        };
        range(Jitter::Equal, 0.5, 1.0, &mut rng);
        range(Jitter::Full, 0.0, 1.0, &mut rng);
        range(Jitter::Fraction(0.1), 0.9, 1.1, &mut rng);
        range(Jitter::Decorrelated, 1.0, 6.0, &mut rng);
    }

    #[test]
    fn more_luck_is_a_longer_wait() {
        for jitter in [Jitter::Equal, Jitter::Full, Jitter::Fraction(0.1), Jitter::Decorrelated] {
            let retry = retry(Backoff::Constant, jitter);
            let waits = [0.0, 0.5, 0.9].map(|luck| retry.delay(0, Duration::from_secs(2), luck));
            assert!(waits[0] < waits[1] && waits[1] < waits[2], "{jitter:?}: {waits:?}");
        }
    }

    #[test]
    fn a_servers_hint_is_a_lower_bound_with_a_little_spread() {
        let hint = Some(Duration::from_secs(10));
        assert_eq!(at_least(Duration::from_secs(1), hint, 0.0), Duration::from_secs(10));
        assert_eq!(at_least(Duration::from_secs(1), hint, 0.5), Duration::from_millis(10_500));
        assert_eq!(at_least(Duration::from_secs(30), hint, 0.5), Duration::from_secs(30));
        assert_eq!(at_least(Duration::from_secs(1), None, 0.5), Duration::from_secs(1));
    }

    #[test]
    fn the_longest_wait_is_the_sum_of_the_waits() {
        assert_eq!(retry(Backoff::Exponential, Jitter::Equal).longest_wait(), Duration::from_secs(31));
        let six = retry(Backoff::Constant, Jitter::Decorrelated).longest_wait();
        assert_eq!(six, Duration::from_secs(300));
    }
}
