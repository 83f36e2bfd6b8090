//! WN: sliding windows and counters. Windows are watched while only measuring, so that no result is refused.
//!
//! Windows here keep no durations: the scenarios' sums and averages of time have no counterpart.

use std::time::Duration;

use resilient::{BreakerConfig, OFF, State, Window};

use crate::support::{Counters, Metrics, Rig, percent, ratio, span, watched};

/// A breaker whose window is watched.
fn count(calls: u32) -> Rig {
    Rig::new(watched(Window::Count(calls)))
}

fn time(length: Duration) -> Rig {
    Rig::new(watched(Window::Time(length)))
}

#[test]
fn wn_001_a_count_window_forgets_the_oldest_result() {
    let mut rig = count(4);
    let after = [
        ("F", Metrics { rate: Some(100.0), buffered: 1, failed: 1, success: 0 }),
        ("S", Metrics { rate: Some(50.0), buffered: 2, failed: 1, success: 1 }),
        ("S", Metrics { rate: Some(33.333_332), buffered: 3, failed: 1, success: 2 }),
        ("S", Metrics { rate: Some(25.0), buffered: 4, failed: 1, success: 3 }),
        ("S", Metrics { rate: Some(0.0), buffered: 4, failed: 0, success: 4 }),
    ];
    for (result, metrics) in after {
        rig.play(result);
        assert_eq!(rig.metrics(), metrics);
    }
}

#[test]
fn wn_002_slow_calls_are_forgotten_with_their_results() {
    let mut rig = count(2);
    let after = [
        ("F@2s", 1, [1, 0, 1], 100.0),
        ("S@2s", 2, [2, 1, 1], 50.0),
        ("S@100ms", 2, [1, 1, 0], 0.0),
        ("S@100ms", 2, [0, 0, 0], 0.0),
        ("S@100ms", 2, [0, 0, 0], 0.0),
    ];
    for (result, calls, slow, rate) in after {
        rig.play(result);
        let window = rig.window();
        assert_eq!(window.calls, calls, "{result}");
        assert_eq!([window.slow, window.slow_successes, window.slow_failures], slow, "{result}");
        assert_eq!(percent(window.failure_rate), Some(rate), "{result}");
    }
}

#[test]
fn wn_003_slow_calls_have_a_rate_of_their_own() {
    let mut rig = count(5);
    rig.play("S@10s F@10s S@100ms*3");
    let window = rig.window();
    assert_eq!((window.calls, window.successes), (5, 4));
    assert_eq!((window.slow, window.slow_successes, window.slow_failures), (2, 1, 1));
    assert_eq!(percent(window.slow_call_rate), Some(40.0));
}

// A rate of no calls is unknown here, the lifetime's is 0: neither is a division by zero.
#[test]
fn wn_004_an_empty_window_has_no_rate() {
    let rig = count(5);
    assert_eq!(rig.metrics(), Metrics::default());
    let (window, snapshot) = (rig.window(), rig.snapshot());
    assert_eq!([window.slow, window.slow_successes, window.slow_failures, window.abandoned], [0; 4]);
    assert_eq!((window.slow_call_rate, percent(Some(snapshot.failure_rate))), (None, Some(0.0)));
    assert_eq!(rig.counters(), Counters::default());
}

// semantics.md cuts a time window into 10 buckets, where the scenario has one a second.
#[test]
fn wn_007_a_time_window_begins_with_ten_empty_buckets() {
    assert_eq!(time(span("5s")).metrics(), Metrics::default());
    for bucket in 0..10 {
        let mut rig = time(span("5s"));
        rig.play(&format!("+{}ms S +499ms S", 500 * bucket));
        rig.play("+4500ms");
        assert_eq!(rig.metrics().buffered, 2, "bucket {bucket} is still in");
        rig.play("+1ms");
        assert_eq!(rig.metrics().buffered, 0, "bucket {bucket} is out");
    }
}

// A breaker that measures refuses nothing; refusals beside results are in `cb_001` and `cb_005`.
#[test]
fn wn_008_the_verdict_follows_the_last_ten_results() {
    let mut rig = Rig::new(ratio(10, 0.5).initial_state(State::MetricsOnly));
    let after = [
        ("S S F F", Metrics { rate: None, buffered: 4, failed: 2, success: 2 }, false),
        ("F F F F S S S S", Metrics { rate: Some(60.0), buffered: 10, failed: 6, success: 4 }, true),
        ("S S S", Metrics { rate: Some(30.0), buffered: 10, failed: 3, success: 7 }, false),
    ];
    for (results, metrics, exceeded) in after {
        rig.play(results);
        assert_eq!((rig.metrics(), rig.snapshot().failing), (metrics, exceeded), "after {results}");
    }
}

#[test]
fn wn_009_a_count_window_never_waits_for_more_calls_than_it_holds() {
    Rig::new(ratio(5, 1.0).min_calls(6)).play("F*4 closed F open");
}

#[test]
fn wn_010_a_time_window_may_wait_for_any_number_of_calls() {
    Rig::new(ratio(100, 1.0).window(Window::Time(span("10s")))).play("F*99 closed F open");
}

// Two of gobreaker's buckets are five of ours each; streaks are not of the window here.
#[test]
fn wn_013_a_bucket_leaves_the_window_whole() {
    let mut rig = time(span("10s"));
    rig.play("S F S I");
    let first = Metrics { rate: percent(Some(1.0 / 3.0)), buffered: 3, failed: 1, success: 2 };
    assert_eq!(rig.metrics(), first);
    assert_eq!(rig.counters(), Counters { req: 4, s: 2, f: 1, x: 1, cons_s: 1, cons_f: 0 });
    rig.play("+5s");
    assert_eq!(rig.metrics(), first);
    rig.play("S");
    assert_eq!(rig.metrics(), Metrics { rate: Some(25.0), buffered: 4, failed: 1, success: 3 });
    assert_eq!(rig.counters().cons_s, 2);
    rig.play("+5s");
    assert_eq!(rig.metrics(), Metrics { rate: Some(0.0), buffered: 1, failed: 0, success: 1 });
}

#[test]
fn wn_014_each_result_ends_the_other_ones_streak_and_an_ignored_one_neither() {
    let mut rig = Rig::new(BreakerConfig::new());
    for (result, cons_s, cons_f, x) in
        [("S", 1, 0, 0), ("S", 2, 0, 0), ("F", 0, 1, 0), ("F", 0, 2, 0), ("I", 0, 2, 1)]
    {
        rig.play(result);
        let counters = rig.counters();
        assert_eq!((counters.cons_s, counters.cons_f, counters.x), (cons_s, cons_f, x));
    }
    assert_eq!(rig.counters(), Counters { req: 5, s: 2, f: 2, x: 1, cons_s: 0, cons_f: 2 });
}

#[test]
fn wn_015_a_time_window_forgets_bucket_by_bucket() {
    let mut rig = time(span("10s"));
    let read = |rig: &Rig| {
        let metrics = rig.metrics();
        (metrics.buffered, metrics.rate, metrics.failed)
    };
    let after = [
        ("F S +2s", (2, Some(50.0), 1)),
        ("F S +2s", (4, Some(50.0), 2)),
        ("S S +2s", (6, Some(33.333_332), 2)),
        ("S S +2s", (8, Some(25.0), 2)),
        ("S S +2s", (8, Some(12.5), 1)),
        ("+2s", (6, Some(0.0), 0)),
    ];
    for (script, expected) in after {
        rig.play(script);
        assert_eq!(read(&rig), expected, "after {script}");
    }
}

#[test]
fn wn_017_a_result_exactly_one_window_old_is_out() {
    for passing in ["+10s", "+10001ms"] {
        let mut rig = time(span("10s"));
        rig.play("S S");
        assert_eq!(rig.metrics().buffered, 2);
        rig.play(passing);
        assert_eq!(rig.metrics(), Metrics::default());
    }
}

#[test]
fn wn_018_a_window_too_short_for_ten_buckets_of_20_ms_is_one_bucket() {
    for (millis, rolls) in [(100, false), (199, false), (200, true), (201, true)] {
        let mut rig = time(Duration::from_millis(millis));
        let half = millis / 2;
        rig.play(&format!("+{half}ms S +{}ms", millis - half));
        assert_eq!(rig.metrics().buffered, u32::from(rolls), "a window of {millis} ms");
    }
}

#[test]
fn wn_019_a_short_window_forgets_too() {
    let mut rig = time(span("100ms"));
    rig.play("S S +100ms");
    assert_eq!(rig.window().calls, 0);
}

#[test]
fn wn_020_a_call_shorter_than_the_limit_is_not_slow() {
    let config =
        watched(Window::Count(100)).min_calls(100).failure_threshold(OFF).initial_state(State::Closed);
    let mut rig = Rig::new(config);
    rig.play("S@0s F@0s S@2000ns F@2000ns");
    assert_eq!(rig.metrics(), Metrics { rate: None, buffered: 4, failed: 2, success: 2 });
    assert_eq!(rig.window().slow, 0);
}
