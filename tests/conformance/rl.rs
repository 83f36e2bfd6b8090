//! RL: rate limits, in the hand, written on a function, part of an operation made in code. "Smooth" is an even pace with
//! a burst of one; "bursty" is the sliding window.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use resilient::testing::{Scope, ScopeGuard};
use resilient::{
    Algorithm, ErrorKind, EventKind, RateLimitConfig, RateLimiter, ResilienceError, ResilientOperation,
    Settings, rate_limit,
};

use crate::support::{paused, span};

#[rate_limit(rate = 1, name = "rl", operation_name = "rl_written")]
fn written() -> Result<(), ResilienceError> {
    Ok(())
}

#[rate_limit(rate = 1, name = "rl", operation_name = "rl_written_later")]
async fn written_later() -> Result<(), ResilienceError> {
    Ok(())
}

/// What limits a call.
#[derive(Clone, Copy, Debug)]
enum By {
    Hand,
    Attribute,
    Operation,
}

/// A limiter, and calls that it limits, in a scope of its own.
struct Gate {
    by: By,
    scope: Scope,
    limiter: RateLimiter,
    _inside: ScopeGuard,
}

impl Gate {
    #[track_caller]
    fn new(config: &RateLimitConfig) -> Self {
        Self::of(By::Hand, config)
    }

    #[track_caller]
    fn of(by: By, config: &RateLimitConfig) -> Self {
        let made = || RateLimiter::new("rl", config.clone()).expect("a legal configuration");
        let said = made().snapshot();
        let settings = Settings::new()
            .rate_limit_rate(said.rate)
            .rate_limit_per(said.per)
            .rate_limit_max_wait(said.max_wait)
            .rate_limit_algorithm(said.algorithm);
        let settings = match said.algorithm {
            Algorithm::SlidingWindow => settings,
            _ => settings.rate_limit_burst(said.burst),
        };
        let scope = Scope::builder().settings("rl_written", settings.clone());
        let scope = scope.settings("rl_written_later", settings).build();
        let inside = scope.enter();
        let limiter = match by {
            By::Attribute => resilient::rate_limiter("rl").expect("the annotated functions'"),
            By::Hand | By::Operation => made(),
        };
        Self { by, scope, limiter, _inside: inside }
    }

    /// Calls limited in each way.
    fn each(config: &RateLimitConfig, check: impl Fn(&Self)) {
        for by in [By::Hand, By::Attribute, By::Operation] {
            println!("{by:?}, {config:?}");
            check(&Self::of(by, config));
        }
    }

    /// [`Gate::each`] on tokio's clock.
    fn each_async(config: &RateLimitConfig, mut check: impl AsyncFnMut(&Self)) {
        for by in [By::Hand, By::Attribute, By::Operation] {
            println!("{by:?}, async, {config:?}");
            paused(async || check(&Self::of(by, config)).await);
        }
    }

    fn operation(&self) -> ResilientOperation {
        let operation = ResilientOperation::builder("rl_operation").with_rate_limiter(self.limiter.clone());
        operation.build().expect("a legal name")
    }

    fn call(&self) -> Result<(), ResilienceError> {
        match self.by {
            By::Hand => self.limiter.acquire_blocking(),
            By::Attribute => written(),
            By::Operation => self.operation().call(|| Ok(())),
        }
    }

    async fn call_async(&self) -> Result<(), ResilienceError> {
        match self.by {
            By::Hand => self.limiter.acquire().await,
            By::Attribute => written_later().await,
            By::Operation => self.operation().call_async(async || Ok(())).await,
        }
    }

    /// Moves the clock to `at` after its beginning.
    #[track_caller]
    fn at(&self, at: Duration) {
        let clock = self.scope.clock();
        clock.advance(at.checked_sub(clock.elapsed()).expect("time goes forward"));
    }

    /// How long a caller that comes now would have waited, without the time passing.
    fn reserve(&self) -> Result<Duration, ResilienceError> {
        let before = self.scope.clock().elapsed();
        self.call()?;
        let wait = self.scope.clock().elapsed().saturating_sub(before);
        self.scope.clock().turn_back(wait);
        Ok(wait)
    }

    /// The wait of the last of so many callers that come now.
    #[track_caller]
    fn reserve_times(&self, times: u32) -> Duration {
        (0..times).fold(Duration::ZERO, |_, _| self.reserve().expect("nobody is refused"))
    }

    fn available(&self) -> u32 {
        self.limiter.snapshot().available
    }
}

fn every(span: Duration) -> RateLimitConfig {
    RateLimitConfig::new(1).per(span)
}

fn sliding(rate: u32, per: Duration) -> RateLimitConfig {
    RateLimitConfig::new(rate).per(per).algorithm(Algorithm::SlidingWindow)
}

const BOTH: [Algorithm; 2] = [Algorithm::Gcra, Algorithm::SlidingWindow];

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

// The reservation is counted as waiting, not as a negative number of permits.
#[test]
fn rl_006_a_caller_that_is_cancelled_while_it_waits_has_used_its_permit() {
    for algorithm in BOTH {
        let config = every(millis(250)).max_wait(millis(500)).algorithm(algorithm);
        Gate::each_async(&config, async |gate| {
            gate.call_async().await.expect("the first is free");
            let mut second = Box::pin(gate.call_async());
            assert!(tokio::time::timeout(Duration::ZERO, second.as_mut()).await.is_err());
            assert_eq!(gate.limiter.snapshot().waiting_count, 1);
            drop(second);
            let snapshot = gate.limiter.snapshot();
            assert_eq!((snapshot.available, snapshot.waiting_count), (0, 0));
            assert_eq!(snapshot.retry_after, Some(0.5), "the cancelled one's permit is not given to another");
        });
    }
}

#[test]
fn rl_010_many_permits_are_taken_at_once_or_none_of_them() {
    for algorithm in BOTH {
        let gate = Gate::new(&RateLimitConfig::new(10).algorithm(algorithm));
        let take = |permits| gate.limiter.try_acquire_many(permits).is_ok();
        assert_eq!((take(1), take(5), take(5)), (true, true, false));
        assert_eq!(gate.available(), 4);
        gate.at(millis(1_000));
        assert_eq!((take(5), take(0), take(11)), (true, true, false));
    }
}

#[test]
fn rl_012_an_even_pace_makes_callers_wait_their_turn() {
    Gate::each(&every(Duration::from_nanos(100)).max_wait(span("1s")), |gate| {
        let nanos = |times| gate.reserve_times(times).as_nanos();
        assert_eq!((nanos(1), nanos(1)), (0, 100));
        gate.at(Duration::from_nanos(100));
        assert_eq!((nanos(1), nanos(1)), (100, 200));
    });
}

// An interval begins with a permit, not on a grid: 100 ns later than failsafe-go's second permit is 150 + 100, and two
// at 250 are 0 and 100 apart, where the grid says 0 and 50.
#[test]
fn rl_012_an_interval_begins_with_the_permit() {
    Gate::each(&every(Duration::from_nanos(100)).max_wait(span("1s")), |gate| {
        let nanos = |times| gate.reserve_times(times).as_nanos();
        assert_eq!(nanos(1), 0);
        gate.at(Duration::from_nanos(150));
        assert_eq!(nanos(1), 0);
        gate.at(Duration::from_nanos(250));
        assert_eq!(nanos(2), 100);
    });
}

// At 9100 the grid's wait is 900 (see above).
#[test]
fn rl_013_waits_add_up_and_quiet_times_save_nothing() {
    Gate::each(&every(millis(500)).burst(1).max_wait(span("1m")), |gate| {
        for (at, times, wait) in [
            (0, 7, 3_000),
            (800, 3, 3_700),
            (2_300, 1, 2_700),
            (3_500, 3, 3_000),
            (9_100, 3, 1_000),
            (11_000, 1, 0),
        ] {
            gate.at(millis(at));
            assert_eq!(gate.reserve_times(times), millis(wait), "at {at} ms");
        }
    });
}

// The waits hold; permits that are owed are callers that wait, not a negative number.
#[test]
fn rl_014_a_sliding_window_lets_its_rate_through_at_once() {
    Gate::each(&sliding(2, span("1s")).max_wait(span("1m")), |gate| {
        for (at, times, wait) in
            [(0, 7, 3_000), (800, 3, 3_200), (2_300, 1, 2_700), (3_500, 3, 2_500), (7_000, 1, 0)]
        {
            gate.at(millis(at));
            assert_eq!(gate.reserve_times(times), millis(wait), "at {at} ms");
        }
    });
}

// Up to the second step, where a window on a grid begins anew at 2000 ms.
#[test]
fn rl_015_what_is_not_taken_is_available() {
    for algorithm in BOTH {
        Gate::each(&RateLimitConfig::new(5).algorithm(algorithm).max_wait(span("1m")), |gate| {
            gate.at(millis(300));
            assert_eq!((gate.reserve_times(3), gate.available()), (Duration::ZERO, 2));
            gate.at(millis(1_550));
            assert_eq!((gate.reserve_times(10), gate.available()), (millis(1_000), 0));
        });
    }
}

#[test]
fn rl_016_a_wait_that_is_too_long_is_refused_and_takes_nothing() {
    for algorithm in BOTH {
        Gate::each(&every(millis(100)).algorithm(algorithm), |gate| {
            let mut reserve = |longest| {
                let config = every(millis(100)).algorithm(algorithm).max_wait(millis(longest));
                gate.limiter.reconfigure(config).expect("a legal configuration");
                gate.reserve().ok()
            };
            let waits = [1, 10, 100, 200, 100].map(&mut reserve);
            assert_eq!(waits, [Some(millis(0)), None, Some(millis(100)), Some(millis(200)), None]);
            let snapshot = gate.limiter.snapshot();
            assert_eq!((snapshot.allowed_requests, snapshot.rejected_requests), (3, 2));
        });
    }
}

#[test]
fn a_refusal_says_which_limiter_and_when_to_come_back() {
    let gate = Gate::new(&RateLimitConfig::new(4).burst(1));
    gate.limiter.try_acquire().expect("the first is free");
    let refused = gate.limiter.try_acquire().expect_err("the second is too early");
    assert_eq!(refused.to_string(), "rate limiter 'rl' has no permit left; next one in 250 ms");
    gate.at(refused.retry_after().expect("a time"));
    gate.limiter.try_acquire().expect("it comes when it was told to");
    let events = gate.scope.events();
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(event.operation, "rl");
    let retry_after = Some(millis(250));
    assert!(matches!(
        event.kind,
        EventKind::Refused { kind: ErrorKind::RateLimited, retry_after: told } if told == retry_after
    ));
}

#[test]
fn an_async_caller_waits_on_tokios_clock_and_no_longer_than_it_may() {
    Gate::each_async(&every(millis(100)).max_wait(millis(150)), async |gate| {
        for waited in [0, 100, 200] {
            gate.call_async().await.expect("within its wait");
            assert_eq!(gate.scope.clock().elapsed(), millis(waited));
        }
        let (a, b) = tokio::join!(gate.call_async(), gate.call_async());
        assert!(a.is_ok() && b.is_err_and(|refused| refused.retry_after() == Some(millis(200))));
        let answer: Result<u8, ResilienceError> = gate.limiter.call_async(async || Ok(7)).await;
        assert_eq!((answer.expect("within its wait"), gate.scope.clock().elapsed()), (7, millis(400)));
    });
}

#[test]
fn a_wait_that_does_not_fit_the_deadline_around_it_is_not_begun() {
    Gate::each(&every(millis(100)).max_wait(span("1s")), |gate| {
        gate.limiter.try_acquire().expect("the first is free");
        resilient::Deadline::after(millis(100)).within(|| {
            assert!(gate.call().is_err_and(|refused| refused.is_rate_limited()));
        });
        assert_eq!(gate.scope.clock().elapsed(), Duration::ZERO);
        resilient::Deadline::after(millis(101)).within(|| gate.call().expect("it fits"));
        assert_eq!(gate.scope.clock().elapsed(), millis(100));
    });
}

#[test]
fn a_call_that_is_refused_is_not_made_and_one_that_fails_has_used_its_permit() {
    let gate = Gate::new(&RateLimitConfig::new(1));
    let failed: Result<(), ResilienceError> = gate
        .limiter
        .call(|| Err(ResilienceError::RateLimited { name: "inner", retry_after: Duration::ZERO }));
    assert!(failed.is_err_and(|error| error.to_string().contains("'inner'")));
    let refused: Result<(), ResilienceError> = gate.limiter.call(|| panic!("not called"));
    assert!(refused.is_err_and(|error| error.to_string().contains("'rl'")));
}

#[test]
fn a_clock_that_jumps_forward_fills_the_limiter_and_no_more() {
    for algorithm in BOTH {
        let gate = Gate::new(&RateLimitConfig::new(3).algorithm(algorithm));
        gate.limiter.try_acquire_many(3).expect("full");
        gate.scope.clock().advance(span("1000h"));
        assert_eq!(gate.available(), 3);
        assert!(gate.limiter.try_acquire_many(3).is_ok() && gate.limiter.try_acquire().is_err());
    }
}

#[test]
fn a_clock_that_jumps_back_closes_the_limiter_for_one_period_at_most() {
    for algorithm in BOTH {
        let gate = Gate::new(&RateLimitConfig::new(3).algorithm(algorithm));
        gate.scope.clock().advance(span("1h"));
        gate.limiter.try_acquire_many(3).expect("full");
        gate.scope.clock().turn_back(span("1h"));
        assert!(gate.limiter.try_acquire().is_err());
        gate.at(span("1s"));
        assert!(gate.limiter.try_acquire().is_ok(), "{algorithm}");
    }
}

#[test]
fn what_is_taken_stays_taken_when_the_numbers_change() {
    for (from, to) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let config = |rate, algorithm: usize| RateLimitConfig::new(rate).algorithm(BOTH[algorithm]);
        let gate = Gate::new(&config(10, from));
        gate.limiter.try_acquire_many(8).expect("full");
        gate.limiter.reconfigure(config(20, to)).expect("legal");
        assert_eq!(gate.available(), 12, "{from} to {to}");
        gate.limiter.reconfigure(config(5, to)).expect("legal");
        assert_eq!(gate.available(), 0, "{from} to {to}");
        assert!(gate.limiter.reconfigure(config(0, to)).is_err());
        assert_eq!(gate.limiter.snapshot().rate, 5);
        gate.at(span("2s"));
        assert_eq!(gate.available(), 5, "{from} to {to}");
    }
}

#[test]
fn what_cannot_be_kept_is_refused_when_it_is_made() {
    let errors = RateLimiter::new("r l", RateLimitConfig::new(0).burst(0)).expect_err("three mistakes");
    assert_eq!(errors.problems().len(), 3, "{errors}");
    assert!(errors.to_string().contains("rate limiter: rate must be positive"), "{errors}");
}

#[test]
fn threads_together_get_no_more_than_the_burst_and_the_rate() {
    for algorithm in BOTH {
        let gate = Gate::new(&RateLimitConfig::new(50).algorithm(algorithm));
        let (granted, over) = (AtomicU32::new(0), AtomicBool::new(false));
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        granted.fetch_add(u32::from(gate.limiter.try_acquire().is_ok()), Ordering::Relaxed);
                    }
                });
            }
            for _ in 0..2_000 {
                gate.scope.clock().advance(millis(1));
                std::thread::yield_now();
            }
            over.store(true, Ordering::Relaxed);
        });
        let granted = granted.into_inner();
        assert!(granted <= 50 + 2 * 50, "{algorithm}: {granted} in 2 s");
        let snapshot = gate.limiter.snapshot();
        assert_eq!(snapshot.allowed_requests, u64::from(granted));
    }
}
