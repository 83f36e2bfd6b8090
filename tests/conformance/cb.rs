//! CB: states, thresholds, generations, abandonment.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{
    BreakerConfig, CircuitBreaker, EventKind, State, TripReason, Window, breaker, circuit_breaker, subscribe,
    with_timeout,
};

use crate::support::{
    Backend, Counters, Fault, Metrics, Rig, Scenario, backend, guarded, paused, percent, ratio, reference,
    span,
};
use State::{Closed, Disabled, ForcedOpen, HalfOpen, MetricsOnly, Open};

#[test]
fn cb_001_it_opens_at_the_result_that_makes_the_window_big_enough_even_a_success() {
    let mut rig = Rig::new(reference());
    for (outcome, failed, success) in [("F", 1, 0), ("F", 2, 0), ("F", 3, 0), ("S", 3, 1)] {
        rig.play(outcome);
        assert_eq!(rig.metrics(), Metrics { rate: None, buffered: failed + success, failed, success });
        rig.play("closed");
    }
    rig.play("S open");
    assert_eq!(rig.metrics(), Metrics { rate: Some(60.0), buffered: 5, failed: 3, success: 2 });
    assert_eq!(rig.trips(), [TripReason::FailureRate { percent: 60.0, calls: 5 }]);
    rig.play("refuse");
    assert_eq!(rig.not_permitted(), 1);
}

#[test]
fn cb_002_a_rate_equal_to_the_threshold_opens_it() {
    let mut rig = Rig::new(reference());
    rig.play("S +1s S +1s S +1s F +1s F closed +1s closed F open");
    assert_eq!(rig.metrics(), Metrics { rate: Some(50.0), buffered: 6, failed: 3, success: 3 });
}

#[test]
fn cb_003_slow_calls_open_it_whether_they_failed_or_not() {
    let mut rig = Rig::new(reference());
    rig.play("F@5s closed S@5s closed F@100ms closed S@100ms closed S@5s open");
    let window = rig.window();
    assert_eq!((window.calls, window.slow, percent(window.slow_call_rate)), (5, 3, Some(60.0)));
}

#[test]
fn cb_005_an_open_breaker_refuses_and_counts_it() {
    let mut rig = Rig::new(reference());
    rig.play("!open");
    let refused = rig.breaker.try_acquire().unwrap_err();
    assert!(refused.is_circuit_open(), "{refused}");
    assert_eq!(rig.not_permitted(), 1);
}

#[test]
fn cb_006_the_first_call_after_the_open_time_is_a_probe_and_counting_begins_anew() {
    let mut rig = Rig::new(reference());
    rig.play("!open refuse +3s refuse open");
    assert_eq!(rig.not_permitted(), 2);
    rig.play("+3s admit half_open");
    assert_eq!(rig.snapshot().current, CircuitBreaker::new("new", reference()).unwrap().snapshot().current);
    assert_eq!(rig.metrics(), Metrics::default());
}

#[test]
fn cb_007_an_operator_may_say_for_how_long_it_opens() {
    let mut rig = Rig::new(reference());
    rig.breaker.open_for(span("2h"));
    rig.play("refuse +1h refuse");
    assert_eq!(rig.not_permitted(), 2);
    rig.play("+1h +1s admit half_open");
    assert_eq!((rig.not_permitted(), rig.counters()), (0, Counters::default()));
}

// "Until a moment" is said as the time from now to it.
#[test]
fn cb_008_an_operator_may_say_until_when_it_is_open() {
    let mut rig = Rig::new(reference());
    rig.breaker.open_for(span("30m"));
    rig.play("refuse +15m refuse +15m +1s admit half_open");
    assert_eq!((rig.not_permitted(), rig.counters()), (0, Counters::default()));
}

#[test]
fn cb_010_a_closed_breaker_cannot_be_half_opened() {
    let mut rig = Rig::new(reference());
    let illegal = rig.breaker.half_open().unwrap_err();
    assert_eq!((illegal.breaker, illegal.from, illegal.to), ("rig", Closed, HalfOpen));
    assert_eq!(illegal.to_string(), "circuit breaker 'rig' cannot go from closed to half_open");
    rig.play("closed");
}

#[test]
fn cb_011_a_reset_forgets_every_result() {
    let mut rig = Rig::new(reference());
    rig.play("S F");
    assert_eq!(rig.metrics(), Metrics { rate: None, buffered: 2, failed: 1, success: 1 });
    rig.play("!reset closed");
    assert_eq!((rig.metrics(), rig.counters()), (Metrics::default(), Counters::default()));
    let snapshot = rig.snapshot();
    assert_eq!((snapshot.total_calls, snapshot.failed_calls, snapshot.failure_count), (0, 0, 0));
}

#[test]
fn cb_012_a_reset_closes_an_open_breaker() {
    Rig::new(reference()).play("!open open !reset closed S");
}

#[test]
fn cb_013_a_disabled_breaker_admits_everything_and_records_nothing() {
    let mut rig = Rig::new(reference());
    rig.play("!disable S F F F F disabled");
    assert_eq!((rig.metrics(), rig.counters()), (Metrics::default(), Counters::default()));
    assert_eq!(rig.snapshot().total_calls, 0);
}

#[test]
fn cb_014_a_disabled_breaker_tells_nothing_but_that_it_is_disabled() {
    let mut rig = Rig::new(ratio(1, 0.5));
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&told);
    let _subscription = subscribe(move |event| listener.lock().unwrap().push(event.kind.clone()));
    rig.play("!disable F F admit S F");
    let told = told.lock().unwrap();
    assert!(matches!(told[..], [EventKind::Transition { to: Disabled, .. }]), "{told:?}");
}

#[test]
fn cb_015_a_forced_open_breaker_never_recovers_by_itself() {
    let mut rig = Rig::new(reference());
    rig.play("!force_open refuse +6s refuse forced_open");
    assert_eq!(rig.not_permitted(), 2);
}

#[test]
fn cb_017_a_measuring_breaker_tells_each_broken_rate_once() {
    let mut rig = Rig::new(reference());
    rig.play("!metrics_only F@5s*5 metrics_only");
    let exceeded = |kind| match kind {
        EventKind::ThresholdExceeded { reason, .. } => Some(reason),
        _ => None,
    };
    let told: Vec<_> = rig.kinds().into_iter().filter_map(exceeded).collect();
    let failures = TripReason::FailureRate { percent: 100.0, calls: 5 };
    let slow = TripReason::SlowCallRate { percent: 100.0, calls: 5 };
    assert_eq!(told, [failures, slow]);
}

#[test]
fn cb_018_measuring_begins_to_count_anew() {
    let mut rig = Rig::new(reference());
    rig.play("S S");
    assert_eq!(rig.metrics().success, 2);
    rig.play("!metrics_only");
    assert_eq!((rig.metrics().success, rig.counters().s), (0, 0));
}

#[test]
fn cb_019_a_change_to_the_state_it_is_in_is_not_told() {
    let mut rig = Rig::new(reference());
    for (told, word) in ["!open", "!half_open", "!disable", "!metrics_only", "!close"].into_iter().enumerate()
    {
        for _ in 0..2 {
            rig.play(word);
            assert_eq!(rig.arrivals().len(), told + 1, "after {word}");
        }
    }
    assert_eq!(rig.arrivals(), [Open, HalfOpen, Disabled, MetricsOnly, Closed]);
}

#[test]
fn cb_020_a_failure_that_arrives_while_open_opens_nothing_again() {
    let mut rig = Rig::new(ratio(1, 0.5));
    rig.play("admit admit >F open >F open");
    assert_eq!(rig.arrivals(), [Open]);
}

#[test]
fn cb_021_a_refusal_is_told_once() {
    let mut rig = Rig::new(ratio(1, 0.5));
    rig.play("admit admit >F >F refuse");
    let refusals = rig.kinds().into_iter().filter(|kind| matches!(kind, EventKind::Refused { .. })).count();
    assert_eq!(refusals, 1);
}

#[test]
fn cb_024_it_may_begin_open() {
    let config = reference().window(Window::Time(span("1s"))).recovery_timeout(span("2s"));
    Rig::new(config.initial_state(Open)).play("open refuse:2s !half_open half_open S");
}

#[test]
fn cb_025_it_may_begin_measuring() {
    Rig::new(reference().initial_state(MetricsOnly)).play("metrics_only S");
}

// The scenario's figures are gobreaker's own defaults; these are ours.
#[test]
fn cb_026_the_defaults_are_five_failures_two_successes_and_a_minute() {
    let mut rig = Rig::new(BreakerConfig::new());
    rig.play("F*4 closed F open refuse:60s +59999ms refuse +1ms admit admit refuse >S half_open >S closed");
    assert_eq!(rig.snapshot().window, None);
}

// An OPEN breaker keeps the streak that opened it as `failure_count`; its counters are 0 as the scenario says.
#[test]
fn cb_027_more_than_five_failures_in_a_row_open_it() {
    let config = BreakerConfig::new().failure_threshold(6).success_threshold(1).recovery_timeout(span("60s"));
    let mut rig = Rig::new(config);
    rig.play("F*5 closed");
    assert_eq!(rig.counters(), Counters { req: 5, f: 5, cons_f: 5, ..Counters::default() });
    rig.play("S closed");
    assert_eq!(rig.counters(), Counters { req: 6, s: 1, f: 5, cons_s: 1, ..Counters::default() });
    rig.play("F closed");
    assert_eq!(rig.counters(), Counters { req: 7, s: 1, f: 6, cons_f: 1, ..Counters::default() });
    rig.play("F*5 open");
    assert_eq!(rig.counters(), Counters { cons_f: 6, ..Counters::default() });
    rig.play("refuse refuse");
    assert_eq!(rig.counters(), Counters { cons_f: 6, ..Counters::default() });
    rig.play("+59999ms open refuse +1s F open");
    assert_eq!(rig.counters().req, 0);
    rig.play("+60s +1ns S closed");
    assert_eq!(rig.counters(), Counters::default());
}

// semantics.md limits the probes under way, not the probes of an episode: one at a time refuses the fourth call.
// Calls that have not ended are in no counter, so the running third shows in `req` when it ends.
#[test]
fn cb_030_while_the_deciding_probe_runs_no_other_call_passes() {
    let probes = |at_once| ratio(5, 0.6).success_threshold(3).half_open_max_calls(at_once);
    let mut rig = Rig::new(probes(1));
    rig.play("!open !half_open S S half_open");
    let two = Counters { req: 2, s: 2, cons_s: 2, ..Counters::default() };
    assert_eq!(rig.counters(), two);
    rig.play("admit +50ms refuse");
    assert_eq!(rig.counters(), two);
    rig.play("+50ms >S closed");
    assert_eq!(rig.counters(), Counters::default());

    Rig::new(probes(3)).play("!open !half_open S S admit*3 refuse >S closed");
}

#[test]
fn cb_032_a_panic_reaches_the_caller_and_counts_as_a_failure() {
    #[circuit_breaker(name = "cb_032_sync")]
    fn guarded() -> Result<(), Fault> {
        panic!("boom")
    }
    #[circuit_breaker(name = "cb_032_async")]
    async fn guarded_async() -> Result<(), Fault> {
        tokio::task::yield_now().await;
        panic!("boom")
    }
    let scope = Scope::new();
    let _inside = scope.enter();
    let by_hand = CircuitBreaker::new("cb_032", BreakerConfig::new()).unwrap();
    let by_hand_async = CircuitBreaker::new("cb_032", BreakerConfig::new()).unwrap();
    let calls: [(_, &dyn Fn() -> Result<(), Fault>); 4] = [
        (breaker("cb_032_sync").unwrap(), &guarded),
        (breaker("cb_032_async").unwrap(), &|| paused(guarded_async)),
        (by_hand.clone(), &|| by_hand.call(|| panic!("boom"))),
        (by_hand_async.clone(), &|| paused(async || by_hand_async.call_async(async || panic!("boom")).await)),
    ];
    for (breaker, call) in calls {
        let panic = catch_unwind(AssertUnwindSafe(call)).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"boom"));
        let snapshot = breaker.snapshot();
        let counted = (snapshot.current.calls, snapshot.current.failures, snapshot.failure_count);
        assert_eq!(counted, (1, 1, 1), "{}", breaker.name());
    }
}

// Who holds a permit says what its result means.
#[test]
fn cb_033_what_counts_as_success_is_the_callers_word() {
    let mut rig = Rig::new(BreakerConfig::new().failure_threshold(6));
    let call = |rig: &mut Rig, is_success: fn(&Result<(), Fault>) -> bool| {
        let permit = rig.breaker.try_acquire().unwrap();
        if is_success(&Err(Fault::E1)) { permit.success() } else { permit.failure() }
    };
    (0..5).for_each(|_| call(&mut rig, |_| true));
    assert_eq!(rig.counters(), Counters { req: 5, s: 5, cons_s: 5, ..Counters::default() });
    rig.play("closed !reset");
    (0..6).for_each(|_| call(&mut rig, Result::is_ok));
    rig.play("open");
}

#[test]
fn cb_034_an_ignored_result_breaks_no_streak() {
    let mut rig = Rig::new(BreakerConfig::new());
    rig.play("I*3");
    assert_eq!(rig.counters(), Counters { req: 3, x: 3, ..Counters::default() });
    rig.play("S*3");
    assert_eq!(rig.counters(), Counters { req: 6, s: 3, x: 3, cons_s: 3, ..Counters::default() });
    rig.play("I");
    assert_eq!(rig.counters().cons_s, 3);
    rig.play("F*2 I");
    assert_eq!(rig.counters(), Counters { req: 10, s: 3, f: 2, x: 5, cons_f: 2, ..Counters::default() });
}

#[test]
fn cb_035_no_call_of_many_threads_is_lost() {
    for config in [BreakerConfig::new(), ratio(100, 0.5)] {
        let rig = Rig::new(config);
        thread::scope(|workers| {
            for _ in 0..10 {
                workers.spawn(|| {
                    for call in 0..10_000 {
                        let permit = rig.breaker.try_acquire().unwrap();
                        if call % 2 == 0 { permit.success() } else { permit.ignore() }
                    }
                });
            }
        });
        let expected = Counters { req: 100_000, s: 50_000, x: 50_000, cons_s: 50_000, ..Counters::default() };
        assert_eq!(rig.counters(), expected);
        let snapshot = rig.snapshot();
        assert_eq!((snapshot.successful_calls, snapshot.ignored_calls), (50_000, 50_000));
    }
}

#[test]
fn cb_037_two_successful_probes_close_it_after_a_failed_one() {
    let config =
        BreakerConfig::new().half_open_max_calls(2).success_threshold(2).recovery_timeout(span("90s"));
    let mut rig = Rig::new(config);
    rig.play("!open +90s F open +90s +1ns S half_open S closed");
    assert_eq!(rig.counters(), Counters::default());
}

#[test]
fn cb_038_a_threshold_of_one_opens_at_the_first_failure() {
    Rig::new(BreakerConfig::new().failure_threshold(1)).play("F open");
}

#[test]
fn cb_039_a_success_breaks_the_streak() {
    Rig::new(BreakerConfig::new().failure_threshold(3)).play("F closed S F F closed F open");
}

#[test]
fn cb_040_two_failures_of_three_open_it() {
    Rig::new(ratio(3, 2.0 / 3.0)).play("F closed S closed F open");
}

#[test]
fn cb_041_every_other_call_failing_is_not_three_of_four() {
    let mut rig = Rig::new(ratio(4, 0.75));
    (0..20).for_each(|_| rig.play("S F closed"));
}

#[test]
fn cb_042_every_other_call_failing_is_no_two_in_a_row() {
    let mut rig = Rig::new(BreakerConfig::new().failure_threshold(2));
    (0..20).for_each(|_| rig.play("S F closed"));
}

#[test]
fn cb_043_a_short_open_time_ends_with_the_next_call() {
    let config = BreakerConfig::new().failure_threshold(1).recovery_timeout(span("100ms"));
    Rig::new(config).play("F open refuse +110ms open admit half_open");
}

#[test]
fn cb_044_it_says_how_long_a_caller_would_wait() {
    let rig = |open_for| Rig::new(BreakerConfig::new().failure_threshold(1).recovery_timeout(span(open_for)));
    let mut long = rig("1s");
    assert_eq!(long.breaker.retry_after(), Duration::ZERO);
    long.play("F");
    assert_eq!(long.breaker.retry_after(), span("1s"));
    long.play("+110ms");
    assert_eq!(long.breaker.retry_after(), span("890ms"));

    let mut short = rig("10ms");
    short.play("F +50ms open");
    assert_eq!(short.breaker.retry_after(), Duration::ZERO);
    assert_eq!(short.snapshot().retry_after, Some(0.0));
    short.play("admit half_open");
    assert_eq!(short.breaker.retry_after(), Duration::ZERO);
}

// The half-open figures need a ratio over probes, which is no option here.
#[test]
fn cb_045_the_window_holds_the_last_ten_results() {
    let mut rig = Rig::new(ratio(10, 0.5));
    rig.play("S F S F S F S");
    assert_eq!(rig.metrics(), Metrics { rate: None, buffered: 7, failed: 3, success: 4 });
    assert!((rig.snapshot().failure_rate - 0.43).abs() < 0.005);
    rig.play("F S S S F S S S F S S S F S S closed");
    assert_eq!(rig.metrics(), Metrics { rate: Some(20.0), buffered: 10, failed: 2, success: 8 });
}

guarded!(cb_047: failure_threshold = 2, recovery_timeout = 10, failure_if = |value| *value == -1);

#[test]
fn cb_047_a_value_may_count_as_a_failure() {
    let scenario = Scenario { env: &[], backend: "-1 -1 S", calls: "-1 -1 open", executions: 2 };
    assert_eq!(scenario.check(cb_047::call, cb_047::call_async), [Open]);
}

#[test]
fn cb_048_probes_that_do_not_end_let_nobody_else_through() {
    let config = BreakerConfig::new().success_threshold(3);
    Rig::new(config).play("!open !half_open admit*3 refuse*5 half_open");
}

#[test]
fn cb_051_of_two_nested_breakers_only_the_one_that_handles_the_error_opens() {
    type Next<'a> = &'a dyn Fn() -> Result<(), Fault>;

    #[circuit_breaker(name = "cb_051_e1", failure_threshold = 1, ignore = Fault::E2)]
    fn handles_e1(next: Next<'_>) -> Result<(), Fault> {
        next()
    }
    #[circuit_breaker(name = "cb_051_e2", failure_threshold = 1, ignore = Fault::E1)]
    fn handles_e2(next: Next<'_>) -> Result<(), Fault> {
        next()
    }
    let faults: [(Next<'_>, _); 2] =
        [(&|| Err(Fault::E1), [Open, Closed]), (&|| Err(Fault::E2), [Closed, Open])];
    for (fails, expected) in faults {
        let nestings: [Next<'_>; 2] =
            [&|| handles_e1(&|| handles_e2(fails)), &|| handles_e2(&|| handles_e1(fails))];
        for nested in nestings {
            let scope = Scope::new();
            let _inside = scope.enter();
            assert!(matches!(nested(), Err(Fault::E1 | Fault::E2)));
            let states = ["cb_051_e1", "cb_051_e2"].map(|name| breaker(name).unwrap().state());
            assert_eq!(states, expected);
        }
    }
}

guarded!(cb_052: failure_threshold = "off", failure_rate = 0.5, window = "10s", min_calls = 10, recovery_timeout = "1000ms",
    half_open_max_calls = 1, success_threshold = 1, failure_if = |value| *value == -1);

#[test]
fn cb_052_refusals_count_down_and_a_failed_probe_begins_the_time_anew() {
    let scenario = Scenario {
        env: &[],
        backend: "-1*11 S",
        calls: "-1*10 open:1s +500ms open:500ms +500ms -1 open:1s +1000ms S",
        executions: 12,
    };
    assert_eq!(scenario.check(cb_052::call, cb_052::call_async), [Open, HalfOpen, Open, HalfOpen, Closed]);
}

// There is no generator; whoever listens may say how long, each time it opens.
#[test]
fn cb_053_a_listener_that_says_how_long_wins_over_the_configured_time() {
    let config = ratio(10, 0.5).window(Window::Time(span("10s"))).recovery_timeout(span("30s"));
    let mut rig = Rig::new(config.half_open_max_calls(1).success_threshold(1));
    let breaker = rig.breaker.clone();
    let _subscription = subscribe(move |event| {
        if matches!(event.kind, EventKind::Transition { to: Open, .. }) {
            breaker.open_for(span("1000ms"));
        }
    });
    rig.play("F*10 refuse:1000ms +500ms refuse:500ms +500ms F refuse:1000ms +1000ms S closed");
    assert_eq!(rig.arrivals(), [Open, HalfOpen, Open, HalfOpen, Closed]);
}

// Measured, not tripped: a closed breaker would open before the last results of (11, 3) arrive.
#[test]
fn cb_054_a_rate_counts_from_the_threshold_and_from_the_least_number_of_calls_on() {
    for (calls, failures, opens) in
        [(10, 0, false), (10, 1, true), (10, 2, true), (11, 3, true), (9, 4, false)]
    {
        let mut rig = Rig::new(ratio(100, 0.1).min_calls(10).initial_state(MetricsOnly));
        rig.play(&format!("S*{} F*{failures}", calls - failures));
        let exceeded = rig.kinds().iter().any(|kind| matches!(kind, EventKind::ThresholdExceeded { .. }));
        assert_eq!((exceeded, rig.snapshot().failing), (opens, opens), "{failures} of {calls} failed");
    }
}

#[test]
fn cb_054_a_threshold_that_no_binary_fraction_meets_is_met_all_the_same() {
    let mut measured = Rig::new(ratio(100, 0.07).initial_state(MetricsOnly));
    measured.play("S*93 F*7");
    assert!(measured.snapshot().failing);
    Rig::new(ratio(100, 0.07)).play("S*93 F*6 closed F open");
}

// Results that arrive in a later state than their calls were admitted in are stale here, by semantics.md, where the
// scenario counts them.
#[test]
fn cb_055_a_failed_probe_is_not_in_the_window() {
    let mut rig = Rig::new(ratio(100, 0.5));
    rig.play("F closed");
    assert_eq!((rig.window().failures, rig.snapshot().stale_results), (1, 0));
    for later in ["!open open", "!force_open forced_open"] {
        rig.play(&format!("!reset admit {later} >F"));
        assert_eq!((rig.window().failures, rig.snapshot().stale_results), (0, 1), "{later}");
    }
    rig.play("!open !half_open F open");
    assert_eq!(rig.window().failures, 0);
}

#[test]
fn cb_056_a_failure_in_each_state() {
    let scripts = [
        "!open !half_open F open",
        "F closed F open",
        "F closed",
        "admit !open >F open",
        "admit !force_open >F forced_open",
    ];
    for script in scripts {
        Rig::new(BreakerConfig::new().failure_threshold(2)).play(script);
    }
}

#[test]
fn cb_057_a_success_in_each_state() {
    for script in ["!open !half_open S closed", "admit !force_open >S forced_open", "S closed"] {
        Rig::new(BreakerConfig::new().success_threshold(1)).play(script);
    }
}

#[test]
fn cb_060_an_isolated_breaker_says_so_and_knows_no_end() {
    let mut rig = Rig::new(reference());
    rig.play("!force_open");
    let call = || rig.breaker.call(|| Ok::<_, Fault>("ran"));
    let Err(Fault::Resilience(refused)) = call() else { panic!("an isolated breaker let a call through") };
    assert!(refused.is_isolated() && !refused.is_circuit_open(), "{refused}");
    assert_eq!(refused.retry_after(), None);
    let [EventKind::Transition { to: ForcedOpen, reason, snapshot, .. }, EventKind::Refused { .. }] =
        &rig.kinds()[..]
    else {
        panic!("{:?}", rig.kinds())
    };
    assert_eq!((*reason, snapshot.retry_after, snapshot.next_attempt_time), (TripReason::Manual, None, None));
    rig.breaker.force_close();
    assert!(matches!(call(), Ok("ran")));
}

#[test]
fn cb_062_closed_open_probed_open_probed_closed() {
    let config = BreakerConfig::new().failure_threshold(1).success_threshold(1).recovery_timeout(span("5s"));
    let mut rig = Rig::new(config);
    rig.play("F +5s F open +1ms refuse:4999ms +10s admit half_open >S closed");
    assert_eq!(rig.arrivals(), [Open, HalfOpen, Open, HalfOpen, Closed]);
}

#[test]
fn cb_065_functions_of_different_result_types_share_a_breaker() {
    #[circuit_breaker(name = "cb_065", failure_threshold = "off", failure_rate = 1.0, window = 10, min_calls = 10,
        recovery_timeout = 5, failure_if = |value| *value == -1)]
    fn number(value: i32) -> Result<i32, Fault> {
        Ok(value)
    }
    #[circuit_breaker(name = "cb_065", failure_threshold = "off", failure_rate = 1.0, window = 10, min_calls = 10,
        recovery_timeout = 5, failure_if = |value| *value == "error")]
    fn text(value: &'static str) -> Result<&'static str, Fault> {
        Ok(value)
    }
    let open = |fault: Fault| matches!(fault, Fault::Resilience(refused) if refused.is_circuit_open());
    let scope = Scope::new();
    let _inside = scope.enter();
    for _ in 0..5 {
        assert_eq!((number(-1).unwrap(), text("error").unwrap()), (-1, "error"));
    }
    assert!(number(1).is_err_and(open) && text("fine").is_err_and(open));
    scope.clock().advance(span("5s"));
    assert_eq!((number(1).unwrap(), text("fine").unwrap()), (1, "fine"));
    assert_eq!(breaker("cb_065").unwrap().state(), Closed);
}

#[tokio::test(start_paused = true)]
async fn cb_066_errors_count_and_cancelled_calls_do_not() {
    #[circuit_breaker(name = "cb_066")]
    async fn guarded(backend: &Backend) -> Result<i32, Fault> {
        backend.call_async().await
    }
    let scope = Scope::new();
    scope
        .run(async {
            let counters = || breaker("cb_066").unwrap().snapshot();
            assert!(guarded(&backend("S")).await.is_ok());
            assert_eq!(counters().failed_calls, 0);
            let cancelled = tokio::time::timeout(span("1s"), guarded(&backend("S@10s"))).await;
            assert!(cancelled.is_err());
            assert_eq!((counters().failed_calls, counters().abandoned_calls), (0, 1));
            assert!(guarded(&backend("F")).await.is_err());
            assert_eq!((counters().failed_calls, counters().successful_calls), (1, 1));
        })
        .await;
}

/// seatbelt's configuration: 10 % of 10 calls in 30 s, open 5 s, one probe at a time, given up after 2 s.
fn single_probe() -> BreakerConfig {
    ratio(10, 0.1)
        .window(Window::Time(span("30s")))
        .recovery_timeout(span("5s"))
        .half_open_max_calls(1)
        .probe_lease(span("2s"))
}

#[test]
fn cb_068_a_probe_that_never_ends_loses_its_slot() {
    let mut rig = Rig::new(single_probe());
    rig.play("!open +6s admit refuse:2s half_open +6s admit refuse half_open");
    assert_eq!(rig.snapshot().lost_probes, 1);
}

#[test]
fn cb_069_a_dropped_probe_decides_nothing() {
    let mut rig = Rig::new(single_probe());
    rig.play("!open +6s D half_open");
    let current = rig.snapshot().current;
    assert_eq!((current.abandoned, current.failures, current.successes), (1, 0, 0));
    rig.play("admit");
}

#[test]
fn cb_073_dropped_calls_mean_nothing_beside_a_success() {
    let mut rig = Rig::new(single_probe().min_calls(3));
    rig.play("S closed");
    (0..10).for_each(|_| rig.play("D closed"));
    assert_eq!(rig.window().abandoned, 10);
}

// semantics.md's exception, seatbelt's `rate_threshold(1.0)`.
#[test]
fn cb_073_a_window_of_dropped_calls_alone_counts_as_failed() {
    let mut rig = Rig::new(single_probe().min_calls(3));
    rig.play("D closed D closed D open");
    assert_eq!(rig.trips(), [TripReason::Abandoned(3)]);
}

// One counter here, by semantics.md: what the scenario calls a lost probe is a stale result. `lost_probes` are those
// whose lease ran out.
#[test]
fn cb_075_the_result_of_a_probe_is_ignored_once_another_has_reopened_it() {
    for late in [">S", ">F", ">D"] {
        let mut rig = Rig::new(single_probe().half_open_max_calls(2));
        rig.play("!open +6s admit admit >F open");
        let before = rig.snapshot();
        rig.play(late);
        let after = rig.snapshot();
        assert_eq!((after.state, after.stale_results, after.lost_probes), (Open, 1, 0), "{late}");
        assert_eq!((after.current, after.window), (before.current, before.window), "{late}");
    }
}

// Without the policy, which is no option here: the late result is nothing but stale.
#[test]
fn cb_077_a_call_from_before_that_is_dropped_is_no_probe() {
    let mut rig = Rig::new(single_probe());
    rig.play("admit !open !half_open >D half_open");
    let snapshot = rig.snapshot();
    assert_eq!((snapshot.stale_results, snapshot.current.abandoned), (1, 0));
}

#[test]
fn cb_080_dropped_calls_do_not_dilute_failures() {
    let config = ratio(1000, 0.5).min_calls(5);
    let mut measured = Rig::new(config.clone().initial_state(MetricsOnly));
    measured.play("S D*100 F*9");
    let window = measured.window();
    assert_eq!((window.calls + window.abandoned, percent(window.failure_rate)), (110, Some(90.0)));
    assert!(measured.snapshot().failing);

    Rig::new(config).play("S D*100 F*3 closed F open");
}

// The figures of the scenario's stages hold with two successes as well.
#[test]
fn cb_081_a_dropped_probe_never_closes_it() {
    Rig::new(single_probe().success_threshold(2)).play("!open +6s S half_open +5s D half_open +5s S closed");
}

// Up to the opening: after it the scenario wants an open time of 0, which is refused here, and a rate over probes.
#[test]
fn cb_082_a_rate_over_a_short_time() {
    let config = ratio(3, 0.5).window(Window::Time(span("200ms")));
    let mut rig = Rig::new(config);
    rig.play("F S closed +210ms F S closed +50ms S closed F open");
    assert_eq!(rig.metrics(), Metrics { rate: Some(50.0), buffered: 4, failed: 2, success: 2 });
}

guarded!(cb_083: failure_threshold = "off", failure_rate = 0.75, window = 4, min_calls = 4, recovery_timeout = 50, success_threshold = 2);

#[test]
fn cb_083_an_open_breaker_keeps_calls_from_the_function() {
    let scenario = Scenario { env: &[], backend: "F*4 S", calls: "F*4 open*3", executions: 4 };
    assert_eq!(scenario.check(cb_083::call, cb_083::call_async), [Open]);
}

guarded!(cb_084: failure_threshold = "off", failure_rate = 0.75, window = 4, min_calls = 4, recovery_timeout = "1ms", success_threshold = 2);

#[test]
fn cb_084_it_closes_again_when_the_function_has_recovered() {
    let scenario = Scenario { env: &[], backend: "F*4 S", calls: "F*4 +500ms S*3", executions: 7 };
    assert_eq!(scenario.check(cb_084::call, cb_084::call_async), [Open, HalfOpen, Closed]);
}

guarded!(cb_085: failure_threshold = "off", failure_rate = 0.75, window = 4, min_calls = 4, recovery_timeout = 1, success_threshold = 1);

#[test]
fn cb_085_a_closed_breaker_begins_a_new_window() {
    let scenario = Scenario { env: &[], backend: "F*4 S F", calls: "F*4 open +2s S F*4 open", executions: 9 };
    assert_eq!(scenario.check(cb_085::call, cb_085::call_async), [Open, HalfOpen, Closed, Open]);
}

guarded!(cb_086: failure_threshold = "off", failure_rate = 0.75, window = 4, min_calls = 4, recovery_timeout = 1, success_threshold = 3);

#[test]
fn cb_086_a_failure_before_the_last_needed_success_reopens_it() {
    let scenario =
        Scenario { env: &[], backend: "F*4 S S F", calls: "F*4 open +2s S S F open", executions: 7 };
    assert_eq!(scenario.check(cb_086::call, cb_086::call_async), [Open, HalfOpen, Open]);
}

guarded!(cb_088: failure_threshold = "off", failure_rate = 0.5, window = 4, min_calls = 4, recovery_timeout = 1);

#[test]
fn cb_088_the_window_rolls() {
    let scenario = Scenario { env: &[], backend: "S F S S F", calls: "S F S S F open", executions: 5 };
    assert_eq!(scenario.check(cb_088::call, cb_088::call_async), [Open]);
}

#[test]
fn cb_090_the_call_after_the_one_that_closes_it_is_in_the_new_window() {
    let scenario = Scenario {
        env: &[],
        backend: "S F F F S S F",
        calls: "S F F F open +2s S S F F F open",
        executions: 9,
    };
    assert_eq!(scenario.check(cb_085::call, cb_085::call_async), [Open, HalfOpen, Closed, Open]);
}

/// A sync and an async function of one breaker and one attempt timeout.
macro_rules! timed {
    ($module:ident: $($arguments:tt)*) => {
        mod $module {
            use super::{Backend, Fault, circuit_breaker, with_timeout};

            #[with_timeout("500ms", timeout_mode = "deadline")]
            #[circuit_breaker(failure_threshold = "off", failure_rate = 0.75, window = 2, min_calls = 2, $($arguments)*)]
            pub(super) fn call(backend: &Backend) -> Result<i32, Fault> {
                backend.call()
            }

            #[with_timeout("500ms")]
            #[circuit_breaker(failure_threshold = "off", failure_rate = 0.75, window = 2, min_calls = 2, $($arguments)*)]
            pub(super) async fn call_async(backend: &Backend) -> Result<i32, Fault> {
                backend.call_async().await
            }
        }
    };
}

timed!(cb_092: recovery_timeout = 60);

#[test]
fn cb_092_timeouts_open_it() {
    let scenario = Scenario { env: &[], backend: "S@1s", calls: "timeout timeout open", executions: 2 };
    assert_eq!(scenario.check(cb_092::call, cb_092::call_async), [Open]);
}

timed!(cb_093: recovery_timeout = 60, ignore = Fault::Resilience(_));

// `ignore` says which errors are no failures, a timeout among them.
#[test]
fn cb_093_timeouts_that_are_ignored_never_open_it() {
    let scenario = Scenario { env: &[], backend: "S@1s", calls: "timeout*3", executions: 3 };
    assert_eq!(scenario.check(cb_093::call, cb_093::call_async), []);
}

guarded!(cb_094: failure_threshold = "off", failure_rate = 0.5, window = 10, min_calls = 10);

#[test]
fn cb_094_the_rate_may_be_overridden_from_outside() {
    let results = "F F S F F F S F F F";
    let env = [
        ("PYNOMALY_OP_CONFORMANCE__CB__CB_094__CALL_FAILURE_RATE", "0.8"),
        ("PYNOMALY_OP_CONFORMANCE__CB__CB_094__CALL_ASYNC_FAILURE_RATE", "0.8"),
    ];
    let scenario =
        Scenario { env: &env, backend: results, calls: &format!("{results} open"), executions: 10 };
    assert_eq!(scenario.check(cb_094::call, cb_094::call_async), [Open]);
}
