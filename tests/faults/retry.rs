//! F25 to F29: waits between attempts, and what retries cost those who are called.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{
    Budget, EventKind, ResilientOperation, RetryBudget, RetryPolicy, Settings, StopReason, bulkhead, explain,
    resilient,
};

use crate::support::{Answer, Exit, Fault, Guarded, HOUR, SECOND, now, pair};

const SPANS: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_nanos(1),
    Duration::from_millis(100),
    HOUR,
    Duration::from_nanos(u64::MAX),
    Duration::MAX,
];
const FACTORS: [f64; 12] = [
    1.0,
    1.0 + f64::EPSILON,
    2.0,
    1e10,
    f64::MAX,
    f64::INFINITY,
    f64::NAN,
    f64::NEG_INFINITY,
    -2.0,
    0.0,
    0.5,
    f64::MIN_POSITIVE,
];
const ATTEMPTS: [u32; 15] = [0, 1, 2, 15, 30, 31, 32, 33, 63, 64, 127, 1_023, 1_024, u32::MAX - 1, u32::MAX];
const BACKOFFS: [&str; 4] = ["constant", "linear", "exponential", "fibonacci"];

/// Every policy that those figures make, with its base and its cap as they are in force.
fn policies(look: impl Fn(&RetryPolicy, Duration, Duration)) {
    for base in SPANS {
        for cap in &SPANS[1..] {
            for factor in FACTORS {
                for backoff in BACKOFFS {
                    let policy = RetryPolicy::new()
                        .with_max_attempts(u32::MAX)
                        .with_base_delay(base)
                        .with_max_delay(*cap)
                        .with_exponential_base(factor)
                        .with_backoff(backoff);
                    // Nothing is longer than 584 years.
                    look(&policy, base.min(*cap).min(Duration::from_nanos(u64::MAX)), *cap);
                }
            }
        }
    }
}

/// The jitters as words and shares.
fn jittered(policy: &RetryPolicy) -> [RetryPolicy; 6] {
    [
        policy.with_jitter(false),
        policy.with_jitter(true),
        policy.with_jitter("full"),
        policy.with_jitter("decorrelated"),
        policy.with_jitter(0.0),
        policy.with_jitter(1.0),
    ]
}

#[test]
fn f25_no_figure_of_a_wait_overflows() {
    let scope = Scope::new();
    let _inside = scope.enter();
    policies(|policy, _, cap| {
        for policy in jittered(policy) {
            for attempt in ATTEMPTS {
                let delay = policy.delay(attempt);
                assert!(delay <= cap, "{policy:?} waits {delay:?} after attempt {attempt}");
            }
        }
    });
}

#[test]
fn f25_a_factor_that_is_no_factor_is_refused_when_it_is_given() {
    for (factor, legal) in FACTORS.into_iter().zip([true; 5].into_iter().chain([false; 7])) {
        let refused = RetryPolicy::new().with_exponential_base(factor).validate();
        assert_eq!(refused.is_ok(), legal, "{factor}: {refused:?}");
        let operation = ResilientOperation::builder("f25")
            .with_retry(RetryPolicy::new().with_exponential_base(factor))
            .build();
        assert_eq!(operation.is_ok(), legal, "{factor}");
    }
    for text in ["NaN", "inf", "-inf", "-1", "0.99", "1e400"] {
        let scope = Scope::builder().env("PYNOMALY_DATABASE_EXPONENTIAL_BASE", text).build();
        let _inside = scope.enter();
        let errors = resilient::validate().expect_err(text);
        assert!(errors.to_string().contains("PYNOMALY_DATABASE_EXPONENTIAL_BASE"), "{errors}");
    }
}

/// Grown until the cap and never shrunk: what overflows is the longest wait, not none.
#[test]
fn f26_a_wait_never_gets_shorter_and_never_falls_below_its_base() {
    let scope = Scope::new();
    let _inside = scope.enter();
    policies(|policy, base, _| {
        let policy = policy.with_jitter(false);
        let mut before = base;
        for attempt in ATTEMPTS {
            let delay = policy.delay(attempt);
            assert!(
                delay >= before,
                "{policy:?} waits {delay:?} after attempt {attempt}, and {before:?} before"
            );
            before = delay;
        }
        let half = policy.with_jitter(true).delay(u32::MAX);
        // A float has 53 bits: of 584 years that is two microseconds.
        assert!(half + Duration::from_micros(4) >= before / 2, "{half:?} of {before:?}");
    });
}

pair! { patient: max_attempts = 1_200, base_delay = "1s", max_delay = "20s", exponential_base = 3.0, jitter = false,
budget = "none", enable_circuit_breaker = false, enable_timeout = false }

#[test]
fn f26_a_call_with_a_thousand_retries_waits_before_each_of_them() {
    for Guarded { call, name } in patient::BOTH {
        let scope = Scope::new();
        let _inside = scope.enter();
        assert_eq!(call(Exit::Failure), Err(Fault::Down));
        let pauses = scope.pauses();
        assert_eq!(pauses.len(), 1_199, "{name}");
        assert_eq!(pauses[..4], [1, 3, 9, 20].map(|seconds| seconds * SECOND));
        assert!(pauses[4..].iter().all(|pause| *pause == 20 * SECOND), "{name}");
        assert_eq!(scope.clock().elapsed(), pauses.iter().sum::<Duration>(), "{name}");
    }
}

pair! { hasty: max_attempts = 4, base_delay = 0, jitter = "full", enable_circuit_breaker = false,
enable_timeout = false }

#[test]
fn f27_a_spread_of_nothing_is_nothing_and_no_panic() {
    let nothing = RetryPolicy::new().with_base_delay(0);
    for backoff in BACKOFFS {
        for policy in jittered(&nothing.with_backoff(backoff)) {
            assert!((0..100).all(|attempt| policy.delay(attempt) == Duration::ZERO), "{policy:?}");
        }
    }
    let least =
        RetryPolicy::new().with_base_delay(Duration::from_nanos(1)).with_max_delay(Duration::from_nanos(1));
    for policy in jittered(&least) {
        assert!((0..100).all(|attempt| policy.delay(attempt).as_nanos() <= 1), "{policy:?}");
    }
    for guarded in hasty::BOTH {
        for jitter in ["true", "false", "full", "decorrelated", "0.0", "1.0"] {
            let settings = Settings::new();
            let settings = match jitter.parse::<f64>() {
                Ok(share) => settings.jitter(share),
                Err(_) if jitter == "true" || jitter == "false" => settings.jitter(jitter == "true"),
                Err(_) => settings.jitter(jitter),
            };
            let scope = Scope::builder().settings(guarded.name, settings).build();
            let _inside = scope.enter();
            assert_eq!((guarded.call)(Exit::Failure), Err(Fault::Down));
            assert_eq!(scope.pauses(), [Duration::ZERO; 3], "{jitter}");
        }
    }
}

/// Three guarded functions, one in the other, each with five attempts.
macro_rules! nested {
    ($module:ident: $($budget:tt)*) => {
        mod $module {
            use super::{Answer, AtomicU32, Fault, Ordering, resilient};

            #[resilient(max_attempts = 5, base_delay = 0, enable_circuit_breaker = false, enable_timeout = false, $($budget)*)]
            pub(super) fn outer(made: &[AtomicU32; 3]) -> Answer {
                made[0].fetch_add(1, Ordering::Relaxed);
                middle(made)
            }

            #[resilient(max_attempts = 5, base_delay = 0, enable_circuit_breaker = false, enable_timeout = false, $($budget)*)]
            fn middle(made: &[AtomicU32; 3]) -> Answer {
                made[1].fetch_add(1, Ordering::Relaxed);
                inner(made)
            }

            #[resilient(max_attempts = 5, base_delay = 0, enable_circuit_breaker = false, enable_timeout = false, $($budget)*)]
            fn inner(made: &[AtomicU32; 3]) -> Answer {
                made[2].fetch_add(1, Ordering::Relaxed);
                Err(Fault::Down)
            }

            #[resilient(max_attempts = 5, base_delay = 0, enable_circuit_breaker = false, enable_timeout = false, $($budget)*)]
            pub(super) async fn outer_later(made: &[AtomicU32; 3]) -> Answer {
                made[0].fetch_add(1, Ordering::Relaxed);
                middle_later(made).await
            }

            #[resilient(max_attempts = 5, base_delay = 0, enable_circuit_breaker = false, enable_timeout = false, $($budget)*)]
            async fn middle_later(made: &[AtomicU32; 3]) -> Answer {
                made[1].fetch_add(1, Ordering::Relaxed);
                inner_later(made).await
            }

            #[resilient(max_attempts = 5, base_delay = 0, enable_circuit_breaker = false, enable_timeout = false, $($budget)*)]
            async fn inner_later(made: &[AtomicU32; 3]) -> Answer {
                made[2].fetch_add(1, Ordering::Relaxed);
                Err(Fault::Down)
            }
        }
    };
}

nested!(by_tokens:);
nested!(by_share: budget(ratio = 0.2, per_second = 1));

/// 5 * 5 * 5 attempts for each call without a budget. Each function has one: 500 tokens pay for 100 retries, and no
/// success comes that would earn another; a share of 0.2 pays for one of five calls, and 10 more in ten seconds.
#[test]
fn f28_nested_retries_do_not_multiply_a_total_outage() {
    const CALLS: u32 = 1_000;
    type Call = fn(&[AtomicU32; 3]) -> Answer;
    let calls: [(Call, bool); 4] = [
        (by_tokens::outer, false),
        (|made| now(by_tokens::outer_later(made)), false),
        (by_share::outer, true),
        (|made| now(by_share::outer_later(made)), true),
    ];
    for (call, share) in calls {
        let scope = Scope::new();
        let _inside = scope.enter();
        let made = [const { AtomicU32::new(0) }; 3];
        for _ in 0..CALLS {
            assert_eq!(call(&made), Err(Fault::Down));
        }
        let most = |calls: u32| if share { calls + calls / 5 + 10 } else { calls + 100 };
        let made = made.map(AtomicU32::into_inner);
        let mut calls = CALLS;
        for attempts in made {
            assert!((calls..=most(calls)).contains(&attempts), "{made:?}");
            calls = attempts;
        }
        assert!(made[2] > CALLS, "there are retries");
    }
}

pair! { final_at_once: max_attempts = 5, base_delay = 10, enable_circuit_breaker = false, enable_timeout = false,
retry_if = |error| *error != Fault::Down, bulkhead(max_concurrent = 1, max_queue = 9) }

/// What is not tried again is neither waited for nor queued.
#[test]
fn f29_an_error_that_is_final_waits_for_nothing() {
    for Guarded { name, call } in final_at_once::BOTH {
        for exit in [Exit::Failure, Exit::Ignored] {
            let scope = Scope::new();
            let _inside = scope.enter();
            assert!(call(exit).is_err());
            assert_eq!((scope.pauses(), scope.clock().elapsed()), (Vec::new(), Duration::ZERO), "{name}");
            let bulkhead = bulkhead(name).unwrap().snapshot();
            assert_eq!((bulkhead.accepted_calls, bulkhead.active_count, bulkhead.waiting_count), (1, 0, 0));
        }
    }
}

#[test]
fn f29_an_empty_budget_ends_the_call_and_queues_nothing() {
    for is_async in [false, true] {
        let scope = Scope::new();
        let _inside = scope.enter();
        let operation = ResilientOperation::builder("f29")
            .with_retry(RetryPolicy::new().with_max_attempts(5).with_base_delay(10.0).with_jitter(false))
            .with_retry_budget(RetryBudget::tokens("f29", 5, 5).unwrap())
            .build()
            .unwrap();
        let attempts = AtomicU32::new(0);
        let mut attempt = || {
            attempts.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(Fault::Down)
        };
        for _ in 0..10 {
            let answer = if is_async {
                now(operation.call_async(async || attempt()))
            } else {
                operation.call(&mut attempt)
            };
            assert_eq!(answer, Err(Fault::Down), "the real error, not that of the budget");
        }
        assert_eq!(attempts.load(Ordering::Relaxed), 11, "one retry was there");
        assert_eq!(scope.clock().elapsed(), 10 * SECOND, "its wait");
        let ended = |event: &resilient::Event| {
            matches!(event.kind, EventKind::Finished { reason: StopReason::Budget, .. })
        };
        assert_eq!(scope.events().iter().filter(|event| ended(event)).count(), 10);
    }
    // A budget of nothing is one that never pays.
    let budget = RetryBudget::new("f29", Budget::Ratio { ratio: 0.0, per_second: 0.0 }).unwrap();
    assert!(!budget.withdraw());
    assert!(explain(final_at_once::BOTH[0].name).is_ok());
}
