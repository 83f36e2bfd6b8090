//! Breakers in an operator's hands, the state of everything, and forgetting it.

use std::collections::BTreeSet;
use std::time::Duration;

use resilient::testing::{Flaky, Scope};
use resilient::{
    BreakerConfig, CircuitBreaker, ErrorKind, EventKind, HealthStatus, ResilienceError, State, Window,
    breaker, breakers, cache_resilient, circuit_breaker, reset_resilience_state, resilience_health,
    retry_with_backoff, service_health, track_service_health,
};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum Fault {
    #[error("down")]
    Down,
    #[error("{0}")]
    Refused(ErrorKind),
}

impl From<ResilienceError> for Fault {
    fn from(refused: ResilienceError) -> Self {
        Self::Refused(refused.kind())
    }
}

type Backend = Flaky<u32, Fault>;

/// Fails so often, then answers 1.
fn failing(times: u32) -> Backend {
    Flaky::failing(times, Fault::Down).then(1)
}

#[circuit_breaker(name = "control_db", failure_threshold = 2, recovery_timeout = 30)]
fn db(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[circuit_breaker(name = "control_critical", failure_threshold = 1, critical = true)]
fn critical(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[circuit_breaker(
    name = "control_rated",
    failure_threshold = "off",
    failure_rate = 0.5,
    window = 4,
    min_calls = 4,
    recovery_timeout = 30
)]
fn rated(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[track_service_health("control_service")]
fn tracked(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[cache_resilient(operation_name = "control_never_called")]
fn never_called(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[retry_with_backoff(operation_name = "control_no_breaker")]
fn no_breaker(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

const NAMES: [&str; 4] = ["control_critical", "control_db", "control_never_called", "control_rated"];

const SECOND: Duration = Duration::from_secs(1);

fn refused(kind: ErrorKind) -> Result<u32, Fault> {
    Err(Fault::Refused(kind))
}

#[track_caller]
fn state(name: &str) -> State {
    breaker(name).expect("a breaker").state()
}

#[test]
fn breakers_are_known_before_the_first_call() {
    let scope = Scope::new();
    let _inside = scope.enter();
    assert_eq!(breakers().iter().map(CircuitBreaker::name).collect::<Vec<_>>(), NAMES);
    for name in NAMES {
        let snapshot = breaker(name).unwrap().snapshot();
        assert_eq!((snapshot.name, snapshot.state, snapshot.total_calls), (name, State::Closed, 0));
    }
    assert_eq!(resilience_health().circuit_breakers.keys().copied().collect::<Vec<_>>(), NAMES);
    assert_eq!(breaker("control_never_called").unwrap().snapshot().failure_threshold, 3, "by its profile");
    let _ = (never_called, no_breaker);
}

#[test]
fn an_unknown_name_is_answered_with_those_there_are() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let error = breaker("control_bd").unwrap_err();
    assert_eq!((error.known.as_slice(), error.nearest), (&NAMES[..], Some("control_db")));
    let text = error.to_string();
    let expected = "no circuit breaker is named 'control_bd'; did you mean 'control_db'? there are \
                    control_critical, control_db, control_never_called, control_rated";
    assert_eq!(text, expected);
    breaker("control_no_breaker").expect_err("that function has none");
    let error = service_health("control_servise").unwrap_err();
    assert_eq!(error.known, ["control_service"]);
    assert!(error.to_string().starts_with("no service is named 'control_servise'; did you mean"), "{error}");
}

#[test]
fn a_breaker_can_be_forced_open_and_shut() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let handle = breaker("control_db").unwrap();
    handle.force_open();
    assert_eq!(db(&failing(0)), refused(ErrorKind::Isolated));
    scope.clock().advance(1_000_000 * SECOND);
    assert_eq!(db(&failing(0)), refused(ErrorKind::Isolated), "until somebody closes it");
    assert_eq!(handle.snapshot().retry_after, None);
    handle.force_close();
    assert_eq!((db(&failing(0)), state("control_db")), (Ok(1), State::Closed));
}

#[test]
fn a_breaker_can_be_opened_for_a_time() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let handle = breaker("control_db").unwrap();
    for (open, seconds) in [
        (CircuitBreaker::open as fn(&CircuitBreaker), 30),
        (|handle: &CircuitBreaker| handle.open_for(5 * SECOND), 5),
    ] {
        open(&handle);
        assert_eq!(handle.retry_after(), seconds * SECOND);
        assert_eq!(db(&failing(0)), refused(ErrorKind::CircuitOpen));
        scope.clock().advance(seconds * SECOND);
        assert_eq!(handle.retry_after(), Duration::ZERO);
        assert_eq!(
            (handle.state(), handle.snapshot().retry_after),
            (State::Open, Some(0.0)),
            "it never lies"
        );
        assert_eq!((db(&failing(0)), handle.state()), (Ok(1), State::HalfOpen));
        handle.close();
    }
}

#[test]
fn probes_can_be_let_through_early_but_not_while_closed() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let handle = breaker("control_db").unwrap();
    let error = handle.half_open().unwrap_err();
    assert_eq!(error.to_string(), "circuit breaker 'control_db' cannot go from closed to half_open");
    handle.open();
    handle.half_open().unwrap();
    assert_eq!([db(&failing(0)), db(&failing(0))], [Ok(1), Ok(1)]);
    assert_eq!(handle.state(), State::Closed);
}

#[test]
fn a_disabled_breaker_lets_everything_pass_and_records_nothing() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let handle = breaker("control_db").unwrap();
    handle.disable();
    let backend = failing(10);
    (0..10).for_each(|_| assert_eq!(db(&backend), Err(Fault::Down)));
    assert_eq!((handle.state(), handle.snapshot().total_calls), (State::Disabled, 0));
    handle.close();
    assert_eq!(db(&failing(0)), Ok(1));
}

#[test]
fn a_breaker_that_only_measures_records_and_says_what_it_would_have_done() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let handle = breaker("control_db").unwrap();
    handle.metrics_only();
    let backend = failing(10);
    (0..10).for_each(|_| assert_eq!(db(&backend), Err(Fault::Down)));
    assert_eq!((handle.state(), handle.snapshot().failed_calls), (State::MetricsOnly, 10));
    let exceeded = |event: &resilient::Event| matches!(event.kind, EventKind::ThresholdExceeded { .. });
    assert_eq!(scope.events().iter().filter(|event| exceeded(event)).count(), 1);
}

#[test]
fn a_reset_breaker_begins_again() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let handle = breaker("control_db").unwrap();
    let backend = failing(2);
    for _ in 0..3 {
        let _ = db(&backend);
    }
    let late = CircuitBreaker::clone(&handle);
    let snapshot = handle.snapshot();
    assert_eq!((snapshot.failed_calls, snapshot.rejected_calls, snapshot.times_opened), (2, 1, 1));
    late.reset();
    let snapshot = handle.snapshot();
    assert_eq!((snapshot.state, snapshot.failed_calls, snapshot.rejected_calls), (State::Closed, 0, 0));
    assert_eq!((snapshot.times_opened, snapshot.failure_count, snapshot.last_failure_time), (0, 0, None));
}

#[test]
fn a_result_that_comes_after_a_change_by_hand_is_stale() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let handle = breaker("control_db").unwrap();
    for change in [CircuitBreaker::open, CircuitBreaker::disable, CircuitBreaker::reset] {
        handle.reset();
        let permit = handle.try_acquire().unwrap();
        change(&handle);
        permit.failure();
        let snapshot = handle.snapshot();
        assert_eq!((snapshot.failed_calls, snapshot.stale_results), (0, 1), "{}", snapshot.state);
    }
}

/// The keys of a JSON object.
fn keys(value: &serde_json::Value) -> BTreeSet<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[track_caller]
fn assert_has(value: &serde_json::Value, expected: &[&str]) {
    let keys = keys(value);
    let missing: Vec<_> = expected.iter().filter(|key| !keys.contains(*key)).collect();
    assert!(missing.is_empty(), "{missing:?} are not among {keys:?}");
}

#[test]
fn health_serialises_to_the_keys_dashboards_read() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let backend = failing(2);
    let _ = (db(&backend), db(&backend), db(&backend), tracked(&failing(0)));
    let json: serde_json::Value = serde_json::from_str(&resilience_health().to_json()).unwrap();
    assert_has(&json, &["overall_health", "open_breakers", "degraded_breakers", "circuit_breakers"]);
    assert_has(&json, &["overall_failure_rate", "services", "operations", "workers"]);
    assert_eq!(json["overall_health"], "degraded");
    assert_eq!(json["open_breakers"], serde_json::json!(["control_db"]));
    assert_eq!(json["degraded_breakers"], serde_json::json!([]));
    assert_eq!(json["overall_failure_rate"], 1.0);

    let breaker = &json["circuit_breakers"]["control_db"];
    assert_has(
        breaker,
        &[
            "name",
            "state",
            "failure_count",
            "failure_rate",
            "total_calls",
            "successful_calls",
            "failed_calls",
            "rejected_calls",
            "blocked_calls",
            "last_failure_time",
            "next_attempt_time",
            "failure_threshold",
            "success_threshold",
            "recovery_timeout",
        ],
    );
    assert_eq!((&breaker["state"], &breaker["failure_rate"]), (&"open".into(), &1.0.into()));
    for (key, count) in [
        ("total_calls", 2),
        ("successful_calls", 0),
        ("failed_calls", 2),
        ("rejected_calls", 1),
        ("blocked_calls", 1),
    ] {
        assert_eq!(breaker[key], count, "{key}");
    }
    assert_eq!((&breaker["retry_after"], &breaker["recovery_timeout"]), (&30.0.into(), &30.0.into()));
    let until =
        breaker["next_attempt_time"].as_f64().unwrap() - breaker["last_failure_time"].as_f64().unwrap();
    assert!((until - 30.0).abs() < 0.5, "{until}");

    let service = &json["services"]["control_service"];
    assert_has(service, &["name", "status", "last_status_change", "statistics", "thresholds"]);
    let statistics =
        ["average_response_time", "p95_response_time", "error_rate", "success_rate", "success_count"];
    assert_has(&service["statistics"], &[&statistics[..], &["failure_count", "total_count"]].concat());
    let thresholds = ["degraded_response_time", "unhealthy_response_time", "degraded_error_rate"];
    assert_has(&service["thresholds"], &[&thresholds[..], &["unhealthy_error_rate"]].concat());
    assert_eq!(service["status"], "unknown", "one call tells nothing");
}

/// What is done, what the overall health is then, which breakers refuse, which falter.
type Case = (&'static str, fn(&Scope), HealthStatus, &'static [&'static str], &'static [&'static str]);

const OVERALL: [Case; 11] = [
    ("nothing", |_| (), HealthStatus::Healthy, &[], &[]),
    ("a failure that opens nothing", |_| drop(db(&failing(1))), HealthStatus::Healthy, &[], &[]),
    ("open", |_| breaker("control_db").unwrap().open(), HealthStatus::Degraded, &["control_db"], &[]),
    (
        "open and its time over",
        |scope| {
            breaker("control_db").unwrap().open();
            scope.clock().advance(31 * SECOND);
        },
        HealthStatus::Degraded,
        &["control_db"],
        &[],
    ),
    (
        "half-open",
        |_| {
            breaker("control_db").unwrap().open();
            breaker("control_db").unwrap().half_open().unwrap();
        },
        HealthStatus::Degraded,
        &[],
        &["control_db"],
    ),
    (
        "forced open",
        |_| breaker("control_db").unwrap().force_open(),
        HealthStatus::Degraded,
        &["control_db"],
        &[],
    ),
    ("disabled", |_| breaker("control_db").unwrap().disable(), HealthStatus::Healthy, &[], &[]),
    (
        "failing over its rate, but only measured",
        |_| {
            breaker("control_rated").unwrap().metrics_only();
            let backend = failing(2);
            (0..4).for_each(|_| drop(rated(&backend)));
        },
        HealthStatus::Degraded,
        &[],
        &["control_rated"],
    ),
    (
        "a critical one open",
        |_| drop(critical(&failing(1))),
        HealthStatus::Unhealthy,
        &["control_critical"],
        &[],
    ),
    (
        "a critical one half-open",
        |_| {
            breaker("control_critical").unwrap().open();
            breaker("control_critical").unwrap().half_open().unwrap();
        },
        HealthStatus::Degraded,
        &[],
        &["control_critical"],
    ),
    (
        "a service that is not well",
        |_| {
            let backend = failing(10);
            (0..10).for_each(|_| drop(tracked(&backend)));
        },
        HealthStatus::Degraded,
        &[],
        &[],
    ),
];

#[test]
fn overall_health_follows_its_rules() {
    for (case, prepare, overall, open, degraded) in OVERALL {
        let scope = Scope::new();
        let _inside = scope.enter();
        prepare(&scope);
        let health = resilience_health();
        assert_eq!(health.overall_health, overall, "{case}");
        assert_eq!(
            (health.open_breakers.as_slice(), health.degraded_breakers.as_slice()),
            (open, degraded),
            "{case}"
        );
    }
}

#[test]
fn a_reset_forgets_everything() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let (backend, handle) = (failing(100), breaker("control_db").unwrap());
    (0..10).for_each(|_| drop((db(&backend), critical(&backend), rated(&backend), tracked(&backend))));
    breaker("control_never_called").unwrap().force_open();
    let permit = breaker("control_critical").unwrap();
    permit.force_close();
    let permit = permit.try_acquire().unwrap();
    assert_eq!(resilience_health().overall_health, HealthStatus::Degraded);

    reset_resilience_state();
    permit.failure();
    let health = resilience_health();
    assert_eq!(health.overall_health, HealthStatus::Healthy);
    assert!(
        health
            .circuit_breakers
            .values()
            .all(|breaker| breaker.total_calls == 0 && breaker.rejected_calls == 0)
    );
    assert_eq!(health.circuit_breakers.keys().copied().collect::<Vec<_>>(), NAMES, "names stay known");
    assert_eq!(health.services["control_service"].statistics.total_count, 0);
    assert_eq!(
        (db(&failing(0)), handle.snapshot().successful_calls),
        (Ok(1), 1),
        "an old handle still holds"
    );
}

#[test]
fn a_reset_of_one_scope_leaves_the_others_alone() {
    let (mine, other) = (Scope::new(), Scope::new());
    {
        let _inside = other.enter();
        breaker("control_db").unwrap().force_open();
    }
    {
        let _inside = mine.enter();
        reset_resilience_state();
    }
    let _inside = other.enter();
    assert_eq!(state("control_db"), State::ForcedOpen);
}

/// Resident memory of this process in KiB.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the resident size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The one test here that is about the process's own state.
#[cfg(target_os = "linux")]
#[test]
fn resets_of_the_process_cost_no_memory() {
    let round = || {
        let backend = failing(2);
        for _ in 0..3 {
            let _ = db(&backend);
        }
        assert_eq!(state("control_db"), State::Open);
        reset_resilience_state();
        assert_eq!(state("control_db"), State::Closed);
    };
    (0..500).for_each(|_| round());
    let before = resident();
    (0..5000).for_each(|_| round());
    let grown = resident().saturating_sub(before);
    // A policy is some 300 bytes, a breaker more: one kept per round would be over 1.5 MiB.
    assert!(grown < 1024, "{grown} KiB more after 5000 resets");
}

#[test]
fn a_breaker_of_ones_own_is_in_no_list() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let own = CircuitBreaker::new("control_own", BreakerConfig::new()).unwrap();
    own.force_open();
    breaker("control_own").expect_err("it belongs to its owner");
    assert_eq!(breakers().len(), NAMES.len());
    assert_eq!(resilience_health().overall_health, HealthStatus::Healthy);
}

#[test]
fn a_result_from_before_a_change_is_stale_even_if_all_is_as_it_was() {
    type End = fn(resilient::Permit);
    let ends: [(&str, End); 4] = [
        ("success", resilient::Permit::success),
        ("failure", resilient::Permit::failure),
        ("ignore", resilient::Permit::ignore),
        ("drop", drop),
    ];
    let scope = Scope::new();
    let _inside = scope.enter();
    for (name, end) in ends {
        let breaker = CircuitBreaker::new("control_generations", BreakerConfig::new()).unwrap();
        let permit = breaker.try_acquire().unwrap();
        breaker.open();
        breaker.close();
        end(permit);
        let after = breaker.snapshot();
        let counted =
            after.successful_calls + after.failed_calls + after.ignored_calls + after.abandoned_calls;
        assert_eq!((after.state, after.stale_results, counted), (State::Closed, 1, 0), "{name}");
    }
}

/// A breaker that opens at the first failure, for 10 s at first.
fn quick() -> BreakerConfig {
    BreakerConfig::new().failure_threshold(1).recovery_timeout(10 * SECOND)
}

#[test]
fn a_snapshot_shows_the_probes_under_way_and_when_the_first_is_given_up() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let config = quick().half_open_max_calls(2).success_threshold(2).probe_lease(20 * SECOND);
    let breaker = CircuitBreaker::new("control_probes", config).unwrap();
    let probes = || {
        let snapshot = breaker.snapshot();
        (snapshot.probes_under_way, snapshot.probe_lease_left, snapshot.lost_probes)
    };
    assert_eq!((probes(), breaker.snapshot().half_open_max_calls), ((0, None, 0), 2));
    breaker.half_open().unwrap_err();
    breaker.open();
    breaker.half_open().unwrap();
    assert_eq!(probes(), (0, None, 0));
    let hung = breaker.try_acquire().unwrap();
    scope.clock().advance(5 * SECOND);
    let other = breaker.try_acquire().unwrap();
    assert_eq!(probes(), (2, Some(15.0), 0));
    other.ignore();
    assert_eq!(probes(), (1, Some(15.0), 0));
    scope.clock().advance(15 * SECOND);
    assert_eq!(probes(), (0, None, 0), "it is lost when another takes its place");
    let third = breaker.try_acquire().unwrap();
    assert_eq!(probes(), (1, Some(20.0), 1));
    hung.success();
    assert_eq!((probes(), breaker.snapshot().stale_results), ((1, Some(20.0), 1), 1));
    drop(third);
    assert_eq!((probes(), breaker.snapshot().abandoned_calls), ((0, None, 1), 1));
}

#[test]
fn a_snapshot_shows_how_long_it_stays_open_this_time() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let config = quick().recovery_backoff(2.0).max_recovery_timeout(30 * SECOND).success_threshold(1);
    let breaker = CircuitBreaker::new("control_growing", config).unwrap();
    let seen = || {
        let snapshot = breaker.snapshot();
        (snapshot.open_for, snapshot.reopenings, snapshot.times_opened)
    };
    assert_eq!(seen(), (None, 0, 0));
    breaker.try_acquire().unwrap().failure();
    for (opened, seconds) in [(0, 10), (1, 20), (2, 30), (3, 30)] {
        assert_eq!(seen(), (Some(f64::from(seconds)), opened, u64::from(opened) + 1));
        scope.clock().advance(seconds * SECOND);
        breaker.try_acquire().unwrap().failure();
    }
    breaker.open_for(5 * SECOND);
    assert_eq!(seen().0, Some(5.0));
    scope.clock().advance(5 * SECOND);
    breaker.try_acquire().unwrap().success();
    assert_eq!((breaker.state(), seen().0, seen().1), (State::Closed, None, 0));
}

#[test]
fn calls_through_a_handle_are_timed_where_slow_ones_count() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let config =
        quick().slow_call_rate(1.0).slow_call_duration(2 * SECOND).window(Window::Count(2)).min_calls(2);
    let breaker = CircuitBreaker::new("control_slow", config).unwrap();
    let take = |seconds| {
        scope.clock().advance(seconds * SECOND);
        Ok::<_, Fault>(1)
    };
    let slow = || breaker.snapshot().window.unwrap().slow;
    breaker.call(|| take(1)).unwrap();
    assert_eq!(slow(), 0);
    breaker.call(|| take(3)).unwrap();
    assert_eq!((slow(), breaker.state()), (1, State::Closed));
    breaker.call(|| take(3)).unwrap();
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_breaker_that_only_measures_counts_how_often_it_would_have_opened() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let config = quick().slow_call_rate(0.5).slow_call_duration(SECOND).window(Window::Count(2)).min_calls(2);
    let breaker = CircuitBreaker::new("control_shadow", config).unwrap();
    breaker.metrics_only();
    let would = || breaker.snapshot().would_have_opened;
    breaker.try_acquire().unwrap().failure();
    assert_eq!((would(), breaker.state()), (1, State::MetricsOnly));
    breaker.try_acquire().unwrap().failure_after(2 * SECOND);
    assert_eq!(would(), 2, "each kind of rule once");
    breaker.try_acquire().unwrap().failure_after(2 * SECOND);
    assert_eq!(would(), 2);
    breaker.disable();
    breaker.metrics_only();
    breaker.try_acquire().unwrap().failure();
    assert_eq!((would(), breaker.snapshot().times_opened), (3, 0));
    breaker.reset();
    assert_eq!(would(), 0);
}

#[test]
fn a_snapshot_shows_what_it_spent_in_its_states() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let breaker = CircuitBreaker::new("control_times", quick().success_threshold(1)).unwrap();
    let pass = |seconds| scope.clock().advance(seconds * SECOND);
    let times = || {
        let times = breaker.snapshot().time_in_states;
        (times.closed, times.open, times.half_open)
    };
    assert_eq!(times(), (0.0, 0.0, 0.0));
    pass(3);
    breaker.try_acquire().unwrap().failure();
    pass(12);
    assert_eq!(times(), (3.0, 12.0, 0.0), "open until a call comes");
    let probe = breaker.try_acquire().unwrap();
    pass(4);
    probe.success();
    pass(1);
    assert_eq!(times(), (4.0, 12.0, 4.0));
    for by_hand in [CircuitBreaker::disable, CircuitBreaker::metrics_only, CircuitBreaker::force_open] {
        by_hand(&breaker);
        pass(1);
    }
    assert_eq!(times(), (6.0, 13.0, 4.0));
    breaker.reset();
    pass(2);
    assert_eq!(times(), (2.0, 0.0, 0.0));
}
