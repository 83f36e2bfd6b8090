use super::*;
use crate::rate_limit::{Algorithm, RateLimitConfig, RateLimiterCore};

fn made(config: RateLimitConfig) -> (Arc<RateLimiterCore>, TestClock) {
    let (context, clock) = context();
    (Arc::new(RateLimiterCore::new("api", config, context)), clock)
}

/// A permit a second, and so many saved up.
fn a_second(burst: u32) -> RateLimitConfig {
    RateLimitConfig::new(1).burst(burst)
}

fn takes(limiter: &RateLimiterCore) -> u32 {
    u32::from(limiter.take_now(1).is_ok())
}

#[test]
fn f24_three_callers_take_no_more_permits_than_there_are() {
    explore(|| {
        let (limiter, _) = made(a_second(2));
        let others = [(); 2].map(|()| beside(&limiter, takes));
        let granted = takes(&limiter) + answers(others).iter().sum::<u32>();
        assert_eq!(granted, 2);
        let now = limiter.snapshot();
        assert_eq!((now.available, now.allowed_requests, now.rejected_requests), (0, 2, 1));
    });
}

#[test]
fn f24_a_clock_that_moves_meanwhile_brings_one_permit_and_no_more() {
    explore(|| {
        let (limiter, clock) = made(a_second(1));
        let others = [
            beside(&limiter, takes),
            beside(&limiter, move |_| {
                clock.advance(SECOND);
                0
            }),
        ];
        let granted = takes(&limiter) + answers(others).iter().sum::<u32>();
        assert!((1..=2).contains(&granted), "{granted}");
        assert_eq!(granted + takes(&limiter), 2);
    });
}

#[test]
fn f24_a_sliding_window_grants_three_callers_no_more_than_its_rate() {
    explore(|| {
        let (limiter, _) = made(RateLimitConfig::new(2).algorithm(Algorithm::SlidingWindow));
        let others = [(); 2].map(|()| beside(&limiter, takes));
        let granted = takes(&limiter) + answers(others).iter().sum::<u32>();
        assert_eq!((granted, limiter.snapshot().available), (2, 0));
    });
}

#[test]
fn permits_that_are_waited_for_come_one_after_the_other() {
    explore_within_bound(|| {
        let (limiter, _) = made(a_second(1).max_wait(10 * SECOND));
        let reserves = |limiter: &RateLimiterCore| limiter.reserve_within(None).unwrap();
        let others = [(); 2].map(|()| beside(&limiter, reserves));
        let mut waits = vec![reserves(&limiter)];
        waits.extend(answers(others));
        waits.sort();
        assert_eq!(waits, [0, 1, 2].map(|after| after * SECOND));
    });
}

#[test]
fn a_permit_taken_while_the_pace_changes_stays_taken() {
    explore(|| {
        let (limiter, _) = made(a_second(1));
        let other = beside(&limiter, takes);
        limiter.reconfigure(RateLimitConfig::new(2).burst(1));
        assert_eq!((answer(other), takes(&limiter)), (1, 0));
    });
}

#[test]
fn whoever_asks_while_the_pace_slows_down_gives_no_permit_back() {
    explore(|| {
        let (limiter, clock) = made(RateLimitConfig::new(2).burst(2));
        assert_eq!((takes(&limiter), takes(&limiter)), (1, 1));
        let other = beside(&limiter, takes);
        limiter.reconfigure(a_second(2));
        assert_eq!((answer(other), takes(&limiter)), (0, 0));
        clock.advance(SECOND);
        assert_eq!((takes(&limiter), takes(&limiter)), (1, 0));
    });
}

#[test]
fn a_permit_taken_while_the_algorithm_changes_stays_taken() {
    explore(|| {
        let (limiter, _) = made(RateLimitConfig::new(2).algorithm(Algorithm::SlidingWindow));
        assert_eq!(takes(&limiter), 1);
        let other = beside(&limiter, takes);
        limiter.reconfigure(RateLimitConfig::new(2));
        assert_eq!((answer(other), takes(&limiter)), (1, 0));
    });
}

#[test]
fn the_rate_of_late_misses_no_permit() {
    // The second time both count in the line of those without one.
    for slots in [[0, 1], [2, 3]] {
        explore(move || {
            let (limiter, _) = made(RateLimitConfig::new(10).per(10 * SECOND));
            let other = beside(&limiter, move |limiter: &RateLimiterCore| {
                take_slot(slots[1]);
                takes(limiter)
            });
            take_slot(slots[0]);
            takes(&limiter);
            answer(other);
            assert_eq!(limiter.snapshot().current_rate, 0.2);
        });
    }
}

#[test]
fn a_permit_taken_while_all_begins_again_is_counted_afterwards_or_not_at_all() {
    explore(|| {
        let (limiter, _) = made(RateLimitConfig::new(10).per(10 * SECOND));
        takes(&limiter);
        let other = beside(&limiter, takes);
        limiter.reset(None);
        answer(other);
        let rate = limiter.snapshot().current_rate;
        assert!(rate == 0.0 || rate == 0.1, "{rate}");
        takes(&limiter);
        assert_eq!(limiter.snapshot().current_rate, rate + 0.1);
    });
}
