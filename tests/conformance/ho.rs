//! HO: half-open permits and the decision.

use resilient::{BreakerConfig, State};

use crate::support::{Counters, Metrics, Rig, ratio, reference, span};

/// Half-open, closes on three successes.
fn three_successes() -> Rig {
    let mut rig = Rig::new(BreakerConfig::new().success_threshold(3));
    rig.play("!open !half_open");
    rig
}

#[test]
fn ho_001_every_half_open_time_has_its_own_permits() {
    let mut rig = Rig::new(reference());
    for _ in 0..2 {
        rig.play("!open !half_open admit*4 refuse*2");
        assert_eq!(rig.not_permitted(), 2);
    }
}

#[test]
fn ho_002_a_permit_given_back_without_a_result_is_free_again() {
    for given_back in [">D", ">I"] {
        let mut rig = Rig::new(reference());
        rig.play("!open !half_open admit*4 refuse*2");
        rig.play(given_back);
        rig.play("admit refuse half_open");
    }
}

#[test]
fn ho_007_ignored_probes_decide_nothing() {
    let mut rig = Rig::new(reference());
    rig.play("!open !half_open I*4 half_open");
    assert_eq!(rig.metrics(), Metrics::default());
    assert_eq!(rig.counters(), Counters { req: 4, x: 4, ..Counters::default() });
    rig.play("S*3 half_open");
    assert_eq!(rig.snapshot().current.calls, 3);
    rig.play("S closed");
}

#[test]
fn ho_010_a_failed_probe_reopens_it_after_a_success_too() {
    three_successes().play("S F open");
}

#[test]
fn ho_011_it_closes_at_the_last_needed_success_and_not_before() {
    three_successes().play("S half_open S half_open S closed");
}

#[test]
fn ho_020_while_the_only_probe_runs_others_are_told_when_to_come_back() {
    let config = BreakerConfig::new().half_open_max_calls(1).recovery_timeout(span("5s"));
    let mut rig = Rig::new(config);
    rig.play("!open +5s admit half_open");
    assert_eq!(rig.arrivals(), [State::Open, State::HalfOpen]);
    let refused = rig.breaker.try_acquire().unwrap_err();
    assert!(refused.is_circuit_open() && refused.retry_after().is_some(), "{refused}");
    rig.play("half_open");
}

#[test]
fn ho_021_the_wait_for_a_probes_slot_is_as_long_as_the_open_time() {
    let config = BreakerConfig::new().half_open_max_calls(1).recovery_timeout(span("5s"));
    let mut rig = Rig::new(config);
    rig.play("!open +7s admit refuse:5s +2s refuse:3s");
    assert_eq!(rig.snapshot().retry_after, Some(3.0));
}

#[test]
fn ho_022_two_failures_of_two_open_it_and_two_successes_close_it() {
    let config = ratio(2, 1.0).recovery_timeout(span("1000ms")).success_threshold(2);
    let mut rig = Rig::new(config);
    rig.play("F closed F open refuse +1500ms S half_open S closed");
    assert_eq!(rig.arrivals(), [State::Open, State::HalfOpen, State::Closed]);
}
