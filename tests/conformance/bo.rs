//! BO: how long the waits are.

use std::time::Duration;

use resilient::testing::Scope;
use resilient::{
    Backoff, IntoDuration, Jitter, ResilientOperation, RetryBudget, RetryPolicy, Settings, resilient,
    retry_with_backoff, validate,
};

use crate::calls::{Fault, World, both, down, ms, secs};

fn pauses(world: &World<u32, Fault>) -> Vec<Duration> {
    assert!(matches!(world.call(), Err(Fault::Down)));
    world.pauses()
}

/// Every draw is in its range, and not all are the same.
#[track_caller]
fn assert_spread(draws: &[Duration], range: impl Fn(usize) -> (Duration, Duration)) {
    for (n, draw) in draws.iter().enumerate() {
        let (low, high) = range(n);
        assert!((low..=high).contains(draw), "wait {n}: {draw:?} is not in {low:?}..={high:?}");
    }
    assert!(draws.windows(2).any(|pair| pair[0] != pair[1]), "nothing is spread");
}

both! {
    #[retry_with_backoff(max_retries = 49, backoff = "constant", base_delay = "100ms", jitter = 0.5)]
    fn constant_half
}

#[test]
fn bo_002_a_share_spreads_the_wait_by_that_much_to_either_side() {
    constant_half().each(down, |world| {
        let draws = pauses(world);
        assert_eq!(draws.len(), 49);
        assert_spread(&draws, |_| (ms(50), ms(150)));
    });
}

both! {
    #[retry_with_backoff(
        max_retries = 49, base_delay = "100ms", exponential_base = 1.5, max_delay = "10000days", jitter = 0.5
    )]
    fn exponential_half
}

#[test]
fn bo_003_a_growing_wait_is_spread_around_its_own_length() {
    exponential_half().each(down, |world| {
        let draws = pauses(world);
        assert_eq!(draws.len(), 49);
        let mut grown = 100.0_f64;
        for (n, draw) in draws.iter().enumerate() {
            let (term, draw) = (grown.trunc(), draw.as_secs_f64() * 1_000.0);
            assert!(
                (0.5 * term - 1.0..=1.5 * term + 1.0).contains(&draw),
                "wait {n}: {draw} ms of {term} ms"
            );
            grown *= 1.5;
        }
    });
}

#[resilient(operation_name = "bo_settings")]
fn configured() -> Result<(), Fault> {
    Ok(())
}

/// Whether `validate` has nothing against these settings.
fn is_accepted(settings: Settings) -> bool {
    let scope = Scope::builder().settings("bo_settings", settings).build();
    let _inside = scope.enter();
    configured().expect("a function whose settings are wrong runs with the next lower ones");
    match validate() {
        Ok(()) => true,
        Err(errors) => {
            !errors.problems().iter().any(|problem| problem.source_name().contains("`bo_settings`"))
        }
    }
}

#[test]
fn bo_005_a_wait_is_never_negative_and_its_cap_is_over_zero() {
    assert!(!is_accepted(Settings::new().base_delay(-1)));
    assert!(!is_accepted(Settings::new().max_delay(0)));
    assert!(!is_accepted(Settings::new().max_delay(-1)));
    // A base of 0 is how one says that there is no wait (RT-045).
    assert!(is_accepted(Settings::new().base_delay(0)));
}

#[test]
fn bo_006_a_spread_is_a_share_from_0_to_1() {
    for (share, accepted) in [(-0.0001, false), (1.0001, false), (0.0, true), (1.0, true)] {
        assert_eq!(is_accepted(Settings::new().jitter(share)), accepted, "{share}");
        assert_eq!(is_accepted(Settings::new().jitter(Jitter::Fraction(share))), accepted, "{share}");
    }
}

both! {
    #[retry_with_backoff(max_retries = 3, base_delay = 1, jitter = false)]
    fn grows
}

fn grows_as(backoff: Backoff, expected: [u64; 3]) {
    let settings = Settings::new().backoff(backoff);
    grows()
        .settings(settings.clone())
        .each(down, |world| assert_eq!(pauses(world), expected.map(secs), "{backoff}"));
    grows()
        .settings(settings.base_delay(0))
        .each(down, |world| assert_eq!(pauses(world), [Duration::ZERO; 3], "{backoff}"));
}

#[test]
fn bo_007_a_linear_wait_grows_by_its_base() {
    grows_as(Backoff::Linear, [1, 2, 3]);
}

#[test]
fn bo_008_an_exponential_wait_doubles() {
    grows_as(Backoff::Exponential, [1, 2, 4]);
}

#[test]
fn bo_011_the_cap_is_exact_without_spread_for_every_backoff() {
    for backoff in [Backoff::Constant, Backoff::Linear, Backoff::Exponential] {
        grows()
            .settings(Settings::new().backoff(backoff).base_delay(10).max_delay(1))
            .each(down, |world| assert_eq!(pauses(world)[2], secs(1), "{backoff}"));
    }
}

both! {
    #[retry_with_backoff(max_retries = 10_000, backoff = "constant", base_delay = 1, jitter = 0.25)]
    fn constant_quarter
}

/// So many retries are more than a budget allows.
fn without_budget() -> Settings {
    Settings::new().budget("none")
}

#[test]
fn bo_015_a_quarter_spreads_by_a_quarter_to_either_side() {
    constant_quarter().settings(without_budget()).each(down, |world| {
        let draws = pauses(world);
        assert_eq!(draws.len(), 10_000);
        assert_spread(&draws, |_| (ms(750), ms(1_250)));
    });
}

#[test]
fn bo_009_a_quarter_of_a_constant_wait_reaches_both_ends() {
    constant_quarter().settings(without_budget()).each(down, |world| {
        let draws = pauses(world);
        let reached = |low, high| draws.iter().any(|draw| (ms(low)..=ms(high)).contains(draw));
        // The luck of the draw is not ours to choose; 10000 draws come near every value of the scenario.
        for (low, high) in [(750, 751), (949, 951), (1_049, 1_051), (1_249, 1_250)] {
            assert!(reached(low, high), "no wait in {low}..={high} ms");
        }
    });
    constant_quarter()
        .settings(Settings::new().base_delay(0).max_attempts(3))
        .each(down, |world| assert_eq!(pauses(world), [Duration::ZERO; 2]));
}

both! {
    #[retry_with_backoff(max_retries = 3, backoff = "linear", base_delay = 1, jitter = 0.25)]
    fn linear_quarter
}

#[test]
fn bo_010_a_quarter_of_a_linear_wait_is_a_quarter_of_its_term() {
    linear_quarter().each(down, |world| {
        assert_spread(&pauses(world), |n| {
            let term = u64::try_from(n).unwrap() + 1;
            (ms(750 * term), ms(1_250 * term))
        });
    });
}

fn nothing_then_a_second_then_for_ever(n: u32) -> Duration {
    [Duration::ZERO, secs(1), Duration::MAX][n as usize]
}

both! {
    #[retry_with_backoff(
        max_retries = 3, backoff = nothing_then_a_second_then_for_ever, max_delay = "2h", jitter = false
    )]
    fn custom
}

#[test]
fn bo_014_a_custom_wait_may_be_anything_that_is_not_negative() {
    // The cap holds for a custom wait too.
    custom().each(down, |world| assert_eq!(pauses(world), [secs(0), secs(1), secs(7_200)]));
    // A `Duration` cannot be negative, so only a number or a text could say so.
    assert!((-0.001).into_duration().is_err());
    assert!("-1ms".into_duration().is_err());
    assert!(i64::MIN.into_duration().is_err());
}

both! {
    #[retry_with_backoff(max_retries = 5, base_delay = 2, max_delay = 30, exponential_base = 2, jitter = false)]
    fn two_to_thirty_seconds
}

#[test]
fn bo_016_a_wait_doubles_up_to_its_cap() {
    two_to_thirty_seconds().each(down, |world| assert_eq!(pauses(world), [2, 4, 8, 16, 30].map(secs)));
}

both! {
    #[retry_with_backoff(max_retries = 5, base_delay = "2ms", max_delay = "15ms", jitter = false)]
    fn two_to_fifteen_milliseconds
}

fn nine_and_thirty_more(n: u32) -> Duration {
    ms(9 + 30 * u64::from(n))
}

both! {
    #[retry_with_backoff(max_retries = 5, backoff = nine_and_thirty_more, max_delay = "99ms", jitter = false)]
    fn nine_to_ninety_nine_milliseconds
}

#[test]
fn bo_017_the_last_term_is_the_cap_itself() {
    two_to_fifteen_milliseconds().each(down, |world| assert_eq!(pauses(world), [2, 4, 8, 15, 15].map(ms)));
    // A step that is not the base is written as a function.
    nine_to_ninety_nine_milliseconds()
        .each(down, |world| assert_eq!(pauses(world), [9, 39, 69, 99, 99].map(ms)));
}

both! {
    #[retry_with_backoff(max_retries = 1_000, base_delay = 1, max_delay = 60, jitter = "decorrelated")]
    fn decorrelated
}

#[test]
fn bo_018_a_decorrelated_wait_is_at_most_three_times_the_one_before() {
    // The lower end is the base delay (AWS), not the wait before (finagle).
    decorrelated().each(down, |world| {
        let draws = pauses(world);
        assert_spread(&draws, |n| {
            let before = n.checked_sub(1).map_or(secs(1), |before| draws[before]);
            (secs(1), (before * 3).min(secs(60)))
        });
    });
}

both! {
    #[retry_with_backoff(max_retries = 8, base_delay = 1, max_delay = 60, jitter = true)]
    fn equal
}

#[test]
fn bo_019_an_equal_spread_keeps_half_of_the_wait() {
    equal().each(down, |world| {
        assert_spread(&pauses(world), |n| {
            let whole = secs(1 << n).min(secs(60));
            (whole / 2, whole)
        });
    });
}

both! {
    #[retry_with_backoff(max_retries = 100, backoff = "linear", base_delay = 1, jitter = false, deadline = "9s")]
    fn at_most_nine_seconds
}

#[test]
fn bo_020_waits_end_when_their_sum_is_used_up() {
    // The sum is that of the deadline here, and a wait that does not fit what is left is not begun: 1+2+3, not +4.
    at_most_nine_seconds().each(down, |world| {
        assert_eq!(pauses(world), [1, 2, 3].map(secs));
        assert_eq!((world.elapsed(), world.count("finished: delay_too_long")), (secs(6), 1));
    });
}

fn one_after_the_other(n: u32) -> Duration {
    match n {
        0 => ms(1),
        1 | 2 => ms(1 + u64::from(n)),
        _ => ms(4),
    }
}

both! {
    #[retry_with_backoff(max_retries = 6, backoff = one_after_the_other, jitter = false)]
    fn concatenated
}

#[test]
fn bo_021_backoffs_may_follow_one_another() {
    concatenated().each(down, |world| assert_eq!(pauses(world), [1, 2, 3, 4, 4, 4].map(ms)));
}

both! {
    #[retry_with_backoff(max_attempts = 5, base_delay = 1, exponential_base = 2, jitter = false)]
    fn five_attempts
}

#[test]
fn bo_022_five_attempts_have_four_waits_that_double() {
    five_attempts().each(down, |world| {
        assert_eq!(pauses(world), [1, 2, 4, 8].map(secs));
        assert_eq!(world.executions(), 5);
    });
    // Its tokens are those of the call's retry budget.
    let scope = Scope::new();
    let _inside = scope.enter();
    let budget = RetryBudget::tokens("bo_022", 500, 5).expect("legal figures");
    let policy = RetryPolicy::new().with_max_attempts(5).with_base_delay(1).with_jitter(false);
    let operation =
        ResilientOperation::builder("bo_022").with_retry(policy).with_retry_budget(budget.clone());
    let mut left = Vec::new();
    let answer: Result<u32, Fault> = operation.build().expect("legal").call(|| {
        left.push(budget.available());
        Err(Fault::Down)
    });
    assert!(answer.is_err());
    left.push(budget.available());
    assert_eq!(left, [500, 495, 490, 485, 480, 480]);
    assert_eq!(scope.pauses(), [1, 2, 4, 8].map(secs));
}

#[test]
fn bo_023_no_wait_passes_its_cap() {
    five_attempts()
        .settings(Settings::new().max_delay(3))
        .each(down, |world| assert_eq!(pauses(world), [1, 2, 3, 3].map(secs)));
}

#[test]
fn bo_024_a_wait_that_overflows_is_its_cap() {
    let last_wait = |base_delay: u64, attempt: u32| {
        let settings = without_budget().base_delay(base_delay).max_delay(20).max_attempts(attempt + 1);
        five_attempts().settings(settings).each(down, |world| {
            assert_eq!(pauses(world).last(), Some(&secs(20)));
            assert_eq!(world.executions(), attempt + 1);
        });
    };
    last_wait(10, 100_000);
    last_wait(1, 33);
}
