//! What is configured can change while the program runs: all of it or nothing, and no state is lost.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use resilient::testing::{Flaky, Scope};
use resilient::{
    EventKind, ResilienceConfig, ResilienceError, State, breaker, bulkhead, circuit_breaker,
    database_resilient, explain, rate_limit, reload, resilient,
};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum Fault {
    #[error("down")]
    Down,
    #[error("refused: {0}")]
    Refused(String),
}

impl From<ResilienceError> for Fault {
    fn from(refused: ResilienceError) -> Self {
        Self::Refused(refused.kind().to_string())
    }
}

type Backend = Flaky<u32, Fault>;

fn failing(times: u32) -> Backend {
    Flaky::failing(times, Fault::Down).then(1)
}

#[database_resilient(operation_name = "reload_load", failure_threshold = 100)]
fn load(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[circuit_breaker(operation_name = "reload_guarded")]
fn guarded(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

/// Wrong in the code: no environment can mend it.
const BELOW: Duration = Duration::from_millis(1);

#[resilient(operation_name = "reload_wrong_in_code", base_delay = "1s", max_delay = BELOW)]
fn wrong_in_code(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

/// Told of reloads: `+` was put in force, `-` was not.
fn told(scope: &Scope) -> String {
    let sign = |event: &resilient::Event| match event.kind {
        EventKind::Reloaded => Some('+'),
        EventKind::BadConfiguration { .. } => Some('-'),
        _ => None,
    };
    scope.events().iter().filter_map(sign).collect()
}

fn value(operation: &str, parameter: &str) -> (String, String) {
    let explanation = explain(operation).unwrap();
    let row = explanation.parameters().iter().find(|row| row.parameter() == parameter).unwrap();
    (row.value(), row.source().to_string())
}

/// RG-003.
#[test]
fn the_next_call_after_a_reload_follows_the_new_numbers() {
    let scope = Scope::builder().env("PYNOMALY_OP_RELOAD_LOAD_MAX_RETRIES", "2").build();
    let _inside = scope.enter();
    let backend = failing(100);
    assert_eq!((load(&backend), backend.calls()), (Err(Fault::Down), 3));
    scope.set_env("PYNOMALY_OP_RELOAD_LOAD_MAX_RETRIES", "5");
    let backend = failing(100);
    assert_eq!((load(&backend), backend.calls()), (Err(Fault::Down), 3), "nothing was reloaded yet");
    reload().unwrap();
    let backend = failing(100);
    assert_eq!((load(&backend), backend.calls()), (Err(Fault::Down), 6));
    let variable = "PYNOMALY_OP_RELOAD_LOAD_MAX_RETRIES".to_owned();
    assert_eq!(value("reload_load", "max_attempts"), ("6".into(), variable));
    scope.remove_env("PYNOMALY_OP_RELOAD_LOAD_MAX_RETRIES");
    reload().unwrap();
    let backend = failing(100);
    assert_eq!((load(&backend), backend.calls()), (Err(Fault::Down), 3));
    assert_eq!(told(&scope), "++");
}

/// RG-003, with a handle from before the reload.
#[test]
fn an_operation_made_before_a_reload_follows_it() {
    let made = ResilienceConfig::new("reload_made").max_attempts(3).failure_threshold(100).build().unwrap();
    let scope = Scope::new();
    let _inside = scope.enter();
    let attempts = || {
        let backend = failing(100);
        assert_eq!(made.call(|| backend.call()), Err(Fault::Down));
        backend.calls()
    };
    assert_eq!(attempts(), 3);
    scope.set_env("PYNOMALY_OP_RELOAD_MADE_MAX_ATTEMPTS", "6");
    reload().unwrap();
    assert_eq!(attempts(), 6);
}

#[test]
fn a_call_under_way_ends_as_it_began() {
    #[database_resilient(operation_name = "reload_within", failure_threshold = 100)]
    fn within(scope: &Scope, calls: &mut u32) -> Result<u32, Fault> {
        *calls += 1;
        scope.set_env("PYNOMALY_OP_RELOAD_WITHIN_MAX_ATTEMPTS", "1");
        reload().unwrap();
        Err(Fault::Down)
    }
    let scope = Scope::new();
    let _inside = scope.enter();
    let mut calls = 0;
    assert_eq!(within(&scope, &mut calls), Err(Fault::Down));
    assert_eq!(calls, 3);
    assert_eq!(within(&scope, &mut calls), Err(Fault::Down));
    assert_eq!(calls, 4);
}

#[test]
fn a_breaker_keeps_its_streak_and_is_judged_by_the_new_threshold() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let backend = failing(100);
    for _ in 0..3 {
        assert_eq!(guarded(&backend), Err(Fault::Down));
    }
    scope.set_env("PYNOMALY_OP_RELOAD_GUARDED_FAILURE_THRESHOLD", "4");
    reload().unwrap();
    let state = || breaker("reload_guarded").unwrap().state();
    assert_eq!(state(), State::Closed, "three failures are below four, and no call has failed since");
    assert_eq!(guarded(&backend), Err(Fault::Down));
    assert_eq!(state(), State::Open);
    assert_eq!(backend.calls(), 4);
}

#[test]
fn an_open_breaker_stays_open_and_loses_no_figure() {
    let scope = Scope::builder().env("PYNOMALY_OP_RELOAD_GUARDED_FAILURE_THRESHOLD", "2").build();
    let _inside = scope.enter();
    let backend = failing(2);
    let _ = (guarded(&backend), guarded(&backend));
    scope.clock().advance(Duration::from_secs(20));
    scope.set_env("PYNOMALY_OP_RELOAD_GUARDED_FAILURE_THRESHOLD", "50");
    scope.set_env("PYNOMALY_OP_RELOAD_GUARDED_SUCCESS_THRESHOLD", "1");
    reload().unwrap();
    assert_eq!(guarded(&backend), Err(Fault::Refused("circuit_open".into())));
    let snapshot = breaker("reload_guarded").unwrap().snapshot();
    assert_eq!((snapshot.state, snapshot.total_calls, snapshot.failed_calls), (State::Open, 2, 2));
    scope.clock().advance(Duration::from_secs(40));
    assert_eq!(guarded(&backend), Ok(1), "the end of its open time is what it was");
    assert_eq!(breaker("reload_guarded").unwrap().state(), State::Closed, "one success closes it now");
}

#[test]
fn one_wrong_value_changes_nothing_and_all_of_them_are_told() {
    let scope = Scope::builder().env("PYNOMALY_DATABASE_TIMEOUT", "7").build();
    let _inside = scope.enter();
    assert_eq!(load(&failing(0)), Ok(1));
    for (name, written) in [
        ("PYNOMALY_DATABASE_TIMEOUT", "8"),
        ("PYNOMALY_DATABASE_MAX_ATTEMPTS", "none"),
        ("PYNOMALY_OP_RELOAD_LOAD_JITTER", "7"),
        ("PYNOMALY_OP_RELOAD_LOD_JITTER", "false"),
        ("PYNOMALY_OP_RELOAD_GUARDED_MAX_ATTEMPTS", "3"),
    ] {
        scope.set_env(name, written);
    }
    let errors = reload().unwrap_err();
    let mut wrong: Vec<_> = errors.problems().iter().map(resilient::Problem::source_name).collect();
    wrong.sort_unstable();
    assert_eq!(
        wrong,
        [
            "PYNOMALY_DATABASE_MAX_ATTEMPTS",
            "PYNOMALY_OP_RELOAD_GUARDED_MAX_ATTEMPTS",
            "PYNOMALY_OP_RELOAD_LOAD_JITTER",
            "PYNOMALY_OP_RELOAD_LOD_JITTER",
        ]
    );
    assert!(
        errors.problems().iter().all(|problem| problem.used_instead() == "nothing is changed"),
        "{errors}"
    );
    assert_eq!(value("reload_load", "timeout"), ("7s".into(), "PYNOMALY_DATABASE_TIMEOUT".into()));
    assert_eq!(load(&failing(0)), Ok(1));
    assert_eq!(told(&scope), "-");
    scope.set_env("PYNOMALY_DATABASE_MAX_ATTEMPTS", "2");
    for variable in ["RELOAD_LOAD_JITTER", "RELOAD_LOD_JITTER", "RELOAD_GUARDED_MAX_ATTEMPTS"] {
        scope.remove_env(format!("PYNOMALY_OP_{variable}"));
    }
    reload().unwrap();
    assert_eq!(value("reload_load", "timeout").0, "8s");
    assert_eq!(told(&scope), "-+");
}

#[test]
fn what_is_wrong_in_the_code_keeps_no_operator_from_changing_the_rest() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let errors = resilient::validate().unwrap_err();
    assert!(errors.to_string().contains("reload_wrong_in_code"), "{errors}");
    reload().unwrap();
    assert_eq!(wrong_in_code(&failing(0)), Ok(1));
    // What a variable makes wrong is another matter.
    scope.set_env("PYNOMALY_OP_RELOAD_LOAD_BASE_DELAY", "1m");
    let errors = reload().unwrap_err();
    assert_eq!(errors.problems().len(), 1, "{errors}");
    assert!(errors.to_string().contains("base_delay of `reload_load`"), "{errors}");
}

#[test]
fn a_variable_that_parts_two_functions_of_one_breaker_is_refused() {
    #[circuit_breaker(operation_name = "reload_first", name = "reload_shared")]
    fn first(backend: &Backend) -> Result<u32, Fault> {
        backend.call()
    }
    #[circuit_breaker(operation_name = "reload_second", name = "reload_shared")]
    fn second(backend: &Backend) -> Result<u32, Fault> {
        backend.call()
    }
    let scope = Scope::new();
    let _inside = scope.enter();
    scope.set_env("PYNOMALY_OP_RELOAD_SECOND_FAILURE_THRESHOLD", "2");
    let errors = reload().unwrap_err();
    assert_eq!(errors.conflicts().len(), 1, "{errors}");
    scope.set_env("PYNOMALY_OP_RELOAD_FIRST_FAILURE_THRESHOLD", "2");
    reload().unwrap();
    let backend = failing(9);
    assert_eq!((first(&backend), second(&backend)), (Err(Fault::Down), Err(Fault::Down)));
    assert_eq!(breaker("reload_shared").unwrap().state(), State::Open);
}

#[test]
fn a_bulkhead_keeps_who_is_in_it_and_gets_its_new_places() {
    #[bulkhead(max_concurrent = 1, operation_name = "reload_places")]
    fn inside_of_each_other(more: u32, before: &dyn Fn()) -> Result<u32, Fault> {
        if more == 0 {
            return Ok(resilient::bulkhead("reload_places").unwrap().active_count());
        }
        before();
        inside_of_each_other(more - 1, before)
    }
    let scope = Scope::new();
    let _inside = scope.enter();
    let full = Err(Fault::Refused("bulkhead_full".into()));
    assert_eq!(inside_of_each_other(1, &|| ()), full);
    let a_second_place = || {
        scope.set_env("PYNOMALY_OP_RELOAD_PLACES_BULKHEAD_MAX_CONCURRENT", "2");
        reload().unwrap();
    };
    assert_eq!(inside_of_each_other(1, &a_second_place), Ok(2));
    assert_eq!(inside_of_each_other(2, &|| ()), full);
    let no_place = || {
        scope.set_env("PYNOMALY_OP_RELOAD_PLACES_BULKHEAD_MAX_CONCURRENT", "0");
        reload().unwrap();
    };
    assert_eq!(inside_of_each_other(1, &no_place), full, "closed while a call is in it");
    assert_eq!(inside_of_each_other(0, &|| ()), full);
    let places = resilient::bulkhead("reload_places").unwrap();
    assert_eq!((places.active_count(), places.snapshot().max_concurrent), (0, 0));
}

#[test]
fn a_rate_limit_remembers_what_was_taken() {
    #[rate_limit(rate = 2, per = "1m", operation_name = "reload_rate")]
    fn rationed() -> Result<u32, Fault> {
        Ok(1)
    }
    let scope = Scope::new();
    let _inside = scope.enter();
    let refused = Err(Fault::Refused("rate_limited".into()));
    assert_eq!([rationed(), rationed(), rationed()], [Ok(1), Ok(1), refused.clone()]);
    scope.set_env("PYNOMALY_OP_RELOAD_RATE_RATE_LIMIT_RATE", "3");
    reload().unwrap();
    assert_eq!([rationed(), rationed()], [Ok(1), refused.clone()], "two of three were taken");
    scope.set_env("PYNOMALY_OP_RELOAD_RATE_RATE_LIMIT_RATE", "1");
    reload().unwrap();
    assert_eq!(rationed(), refused);
}

#[test]
fn each_key_keeps_its_own_breaker() {
    #[circuit_breaker(failure_threshold = 2, key = tenant, operation_name = "reload_keyed")]
    fn of(tenant: &str, backend: &Backend) -> Result<u32, Fault> {
        backend.call()
    }
    let scope = Scope::new();
    let _inside = scope.enter();
    let down = failing(100);
    let open = Err(Fault::Refused("circuit_open".into()));
    for _ in 0..2 {
        assert_eq!(of("one", &down), Err(Fault::Down));
    }
    assert_eq!(of("two", &down), Err(Fault::Down));
    scope.set_env("PYNOMALY_OP_RELOAD_KEYED_FAILURE_THRESHOLD", "3");
    reload().unwrap();
    assert_eq!(of("one", &down), open, "it was open before");
    assert_eq!([of("two", &down), of("two", &down)], [Err(Fault::Down), Err(Fault::Down)]);
    assert_eq!(of("two", &down), open, "three in a row, the one before the reload among them");
}

#[test]
fn reloads_amid_calls_lose_none_of_them() {
    let scope = Scope::builder().env("PYNOMALY_OP_RELOAD_GUARDED_FAILURE_THRESHOLD", "off").build();
    let (calls, over) = (AtomicU32::new(0), AtomicBool::new(false));
    std::thread::scope(|threads| {
        let callers: Vec<_> = (0..4)
            .map(|_| {
                threads.spawn(|| {
                    let _inside = scope.enter();
                    for _ in 0..500 {
                        let _ = guarded(&failing(1));
                        calls.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        threads.spawn(|| {
            let _inside = scope.enter();
            let mut probes = 1_u32;
            while !over.load(Ordering::Relaxed) {
                probes = probes % 7 + 1;
                scope.set_env("PYNOMALY_OP_RELOAD_GUARDED_SUCCESS_THRESHOLD", probes.to_string());
                reload().unwrap();
            }
        });
        for caller in callers {
            caller.join().unwrap();
        }
        over.store(true, Ordering::Relaxed);
    });
    let _inside = scope.enter();
    let snapshot = breaker("reload_guarded").unwrap().snapshot();
    assert_eq!((snapshot.total_calls, snapshot.failed_calls), (2000, 2000));
    assert_eq!(calls.into_inner(), 2000);
}

#[test]
fn the_process_itself_can_be_reloaded() {
    // Whatever the environment of the tests holds: never a panic, and the same answer each time.
    assert_eq!(reload().is_ok(), reload().is_ok());
}
