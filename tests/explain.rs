//! What is in force for each function, who said so, and what contradicts itself.

use std::time::Duration;

use resilient::testing::{Flaky, Scope};
use resilient::{
    BreakerConfig, ConfigErrors, EventKind, Operation, ResilienceError, api_resilient, breaker,
    cache_resilient, circuit_breaker, database_resilient, explain, file_resilient, ml_resilient, operations,
    resilient, retry_with_backoff, track_service_health, validate, with_timeout,
};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum Fault {
    #[error("down")]
    Down,
    #[error("refused")]
    Refused,
}

impl From<ResilienceError> for Fault {
    fn from(_: ResilienceError) -> Self {
        Self::Refused
    }
}

type Answer = Result<u32, Fault>;

#[resilient(operation_name = "explain_plain")]
fn plain(_: &str) -> Answer {
    Ok(1)
}

#[database_resilient(operation_name = "explain_database")]
async fn database() -> Answer {
    Ok(1)
}

#[cache_resilient(operation_name = "explain_cache")]
async fn cache() -> Answer {
    Ok(1)
}

#[api_resilient(operation_name = "explain_api")]
async fn api() -> Answer {
    Ok(1)
}

#[file_resilient(operation_name = "explain_file")]
fn file(_: String) -> Answer {
    Ok(1)
}

#[ml_resilient(operation_name = "explain_ml")]
async fn ml() -> Answer {
    Ok(1)
}

#[retry_with_backoff(operation_name = "explain_retry")]
async fn retry() -> Answer {
    Ok(1)
}

#[circuit_breaker(name = "explain_breaker", operation_name = "explain_lone_breaker")]
async fn lone_breaker() -> Answer {
    Ok(1)
}

#[with_timeout(operation_name = "explain_timeout")]
async fn limit() -> Answer {
    Ok(1)
}

#[track_service_health("explain_service", operation_name = "explain_health")]
async fn health() -> Answer {
    Ok(1)
}

#[database_resilient(operation_name = "explain_everything", deadline = "45s", fallback = instead)]
#[track_service_health("explain_service")]
async fn everything(_: u32) -> Answer {
    Ok(1)
}

#[allow(clippy::unused_async, reason = "a fallback of an async function is async")]
async fn instead(_: u32) -> Answer {
    Ok(2)
}

#[resilient(operation_name = "explain_per_call", breaker_scope = "call")]
async fn per_call() -> Answer {
    Ok(1)
}

#[resilient(
    operation_name = "explain_patterns",
    idempotent = true,
    timeout = "2s",
    deadline = "20s",
    budget(ratio = 0.2, per_second = 3),
    hedge(delay = "500ms", max_hedges = 2),
    name = "explain_target",
    rate_limit(rate = 20, per = "1m", max_wait = "1s", name = "explain_quota"),
    bulkhead(max_queue = 4)
)]
async fn patterns(_: u32) -> Answer {
    Ok(1)
}

/// What a function's explanation must say.
struct Expected {
    operation: &'static str,
    layers: &'static str,
    /// Limit of one attempt, attempts, first wait, longest wait, failures that open, time open.
    numbers: [&'static str; 6],
    worst: Option<Duration>,
}

const NUMBERS: [&str; 6] =
    ["timeout", "max_attempts", "base_delay", "max_delay", "failure_threshold", "recovery_timeout"];

const PROFILE: &str = "retry > circuit breaker > timeout > function";

/// The README's table, by function. The worst case is attempts times the limit, and the waits between.
#[rustfmt::skip]
const FUNCTIONS: [Expected; 12] = [
    Expected { operation: "explain_plain", layers: PROFILE, numbers: ["5s", "3", "1s", "1m", "5", "1m"], worst: millis(18_000) },
    Expected { operation: "explain_database", layers: PROFILE, numbers: ["30s", "3", "500ms", "10s", "3", "30s"], worst: millis(91_500) },
    Expected { operation: "explain_cache", layers: PROFILE, numbers: ["5s", "2", "100ms", "1s", "3", "15s"], worst: millis(10_100) },
    Expected { operation: "explain_api", layers: PROFILE, numbers: ["1m", "5", "1s", "30s", "5", "1m"], worst: millis(315_000) },
    Expected { operation: "explain_file", layers: PROFILE, numbers: ["10s", "3", "200ms", "5s", "3", "30s"], worst: millis(30_600) },
    Expected { operation: "explain_ml", layers: PROFILE, numbers: ["5m", "2", "5s", "30s", "2", "2m"], worst: millis(605_000) },
    Expected { operation: "explain_retry", layers: "retry > function", numbers: ["", "4", "100ms", "10s", "", ""], worst: None },
    Expected { operation: "explain_lone_breaker", layers: "circuit breaker > function", numbers: ["", "", "", "", "5", "1m"], worst: None },
    Expected { operation: "explain_timeout", layers: "timeout > function", numbers: ["30s", "", "", "", "", ""], worst: millis(30_000) },
    Expected { operation: "explain_health", layers: "health > function", numbers: [""; 6], worst: None },
    Expected {
        operation: "explain_everything", layers: "fallback > deadline > retry > circuit breaker > timeout > health > function",
        numbers: ["30s", "3", "500ms", "10s", "3", "30s"], worst: millis(45_000),
    },
    Expected {
        operation: "explain_per_call", layers: "circuit breaker > retry > timeout > function",
        numbers: ["5s", "3", "1s", "1m", "5", "1m"], worst: millis(18_000),
    },
];

#[expect(clippy::unnecessary_wraps, reason = "a cell of the table above")]
const fn millis(millis: u64) -> Option<Duration> {
    Some(Duration::from_millis(millis))
}

/// The value of a parameter; empty where no layer reads it.
#[track_caller]
fn value(operation: &str, parameter: &str) -> String {
    let explanation = explain(operation).expect("an annotated function");
    let row = explanation.parameters().iter().find(|row| row.parameter() == parameter);
    row.map_or_else(String::new, resilient::Row::value)
}

#[test]
fn each_function_is_explained_as_its_profile_says() {
    let scope = Scope::new();
    let _inside = scope.enter();
    for Expected { operation, layers, numbers, worst } in FUNCTIONS {
        let explanation = explain(operation).unwrap();
        assert_eq!(explanation.operation(), operation);
        assert_eq!(explanation.layers().join(" > "), layers, "{operation}");
        assert_eq!(NUMBERS.map(|parameter| value(operation, parameter)), numbers, "{operation}");
        assert_eq!(explanation.worst_case().limit(), worst, "{operation}");
        assert!(explanation.problems().is_empty() && explanation.notes().is_empty(), "{explanation}");
    }
}

#[test]
fn an_explanation_is_a_page_for_a_person() {
    let scope = Scope::builder()
        .env("PYNOMALY_DATABASE_TIMEOUT", "2")
        .env("PYNOMALY_OP_EXPLAIN_DATABASE_JITTER", "false")
        .build();
    let _inside = scope.enter();
    let line = located("explain_database").location;
    let expected = format!(
        "\
explain_database
  function      explain::database ({line})
  attributes    #[database_resilient]
  type          database
  breaker       explain_database
  layers        retry > circuit breaker > timeout > function
  timeout mode  dropped at the limit
  variables     PYNOMALY_OP_EXPLAIN_DATABASE_<PARAMETER>
  worst case    7s 500ms (3 attempts, waits of at most 1s 500ms)

  parameter               value        source
  enable_retry            true         built-in
  max_attempts            3            database profile
  base_delay              500ms        database profile
  max_delay               10s          database profile
  exponential_base        2            built-in
  backoff                 exponential  built-in
  jitter                  false        PYNOMALY_OP_EXPLAIN_DATABASE_JITTER
  budget                  default      built-in
  enable_circuit_breaker  true         built-in
  failure_threshold       3            database profile
  success_threshold       2            built-in
  half_open_max_calls     2            same as success_threshold
  recovery_timeout        30s          database profile
  recovery_backoff        1            built-in
  max_recovery_timeout    off          built-in
  recovery_jitter         0            built-in
  failure_rate            off          built-in
  slow_call_rate          off          built-in
  slow_call_duration      off          built-in
  window                  100 calls    built-in
  min_calls               20           built-in
  enable_timeout          true         built-in
  timeout                 2s           PYNOMALY_DATABASE_TIMEOUT
"
    );
    assert_eq!(explain("explain_database").unwrap().to_string(), expected);
}

#[test]
fn a_page_shows_every_layer_outermost_first_and_whom_it_is_shared_with() {
    let scope = Scope::builder()
        .env("PYNOMALY_DEFAULT_HEDGE_MAX_HEDGES", "1")
        .env("PYNOMALY_OP_EXPLAIN_PATTERNS_BULKHEAD_MAX_WAIT", "3")
        .build();
    let _inside = scope.enter();
    let page = explain("explain_patterns").unwrap().to_string();
    for line in [
        "  breaker       explain_target\n  rate limiter  explain_quota\n  bulkhead      explain_patterns\n  budget        \
         explain_target\n",
        "deadline > retry > hedge > circuit breaker > rate limit > timeout > bulkhead > function",
        // Per attempt 1 s for its turn and 2 s of its own, and its hedges begin up to 1 s after it.
        "  worst case    15s (3 attempts, waits of at most 3s)",
        "  budget                   ratio = 0.2, per_second = 3  attribute",
        "  enable_hedge             true                         built-in",
        "  hedge_delay              500ms                        attribute",
        "  hedge_max_hedges         2                            attribute",
        "  enable_rate_limit        true                         built-in",
        "  rate_limit_rate          20                           attribute",
        "  rate_limit_per           1m                           attribute",
        "  rate_limit_burst         20                           same as rate_limit_rate",
        "  rate_limit_max_wait      1s                           attribute",
        "  rate_limit_algorithm     gcra                         built-in",
        "  enable_bulkhead          true                         built-in",
        "  bulkhead_max_concurrent  10                           built-in",
        "  bulkhead_max_queue       4                            attribute",
        "  bulkhead_max_wait        3s                           PYNOMALY_OP_EXPLAIN_PATTERNS_BULKHEAD_MAX_WAIT",
        "  note: the attempt's timeout of 2s cuts the bulkhead_max_wait of 3s",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
    let json = serde_json::to_value(explain("explain_patterns").unwrap()).unwrap();
    assert_eq!(
        [&json["rate_limiter"], &json["bulkhead"], &json["budget"]],
        ["explain_quota", "explain_patterns", "explain_target"]
    );
    assert_eq!(json["worst_case"]["limit"], 15.0);
}

#[test]
fn an_explanation_is_data_for_a_tool() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let json = serde_json::to_value(explain("explain_everything").unwrap()).unwrap();
    assert_eq!(json["worst_case"]["limit"], 45.0);
    assert_eq!(json["layers"][0], "fallback");
    assert_eq!(json["attributes"], serde_json::json!(["database_resilient", "track_service_health"]));
    let rows = json["parameters"].as_array().unwrap();
    let timeout = rows.iter().find(|row| row["parameter"] == "timeout").unwrap();
    assert_eq!((&timeout["value"], &timeout["source"]), (&30.0.into(), &"database profile".into()));
}

#[test]
fn a_sync_function_says_how_its_limit_is_kept() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let (borrows, owns) =
        (explain("explain_plain").unwrap().to_string(), explain("explain_file").unwrap().to_string());
    assert!(borrows.contains("timeout mode  deadline"), "{borrows}");
    assert!(borrows.contains("as far as the body obeys the deadline it can see"), "{borrows}");
    assert!(owns.contains("timeout mode  thread"), "{owns}");
    assert!(!owns.contains("as far as the body obeys"), "{owns}");
}

#[test]
fn the_word_of_a_plain_attribute_is_a_source() {
    let scope = Scope::new();
    let _inside = scope.enter();
    for (operation, parameter, value, source) in [
        ("explain_retry", "jitter", "0.1", "#[retry_with_backoff]"),
        ("explain_lone_breaker", "failure_threshold", "5", "#[circuit_breaker]"),
        ("explain_timeout", "timeout", "30s", "#[with_timeout]"),
    ] {
        let explanation = explain(operation).unwrap();
        let row = explanation.parameters().iter().find(|row| row.parameter() == parameter).unwrap();
        assert_eq!((row.value(), row.source().to_string()), (value.into(), source.into()), "{operation}");
    }
}

#[test]
fn an_unknown_name_lists_what_there_is() {
    let error = explain("explain_datebase").unwrap_err();
    assert_eq!(error.nearest, Some("explain_database"));
    assert!(FUNCTIONS.iter().all(|function| error.known.contains(&function.operation)), "{:?}", error.known);
    let text = error.to_string();
    assert!(
        text.starts_with("no operation is named 'explain_datebase'; did you mean 'explain_database'?"),
        "{text}"
    );
    assert!(explain("\u{1b}[31m\n").unwrap_err().to_string().chars().all(|c| !c.is_control()));
}

#[track_caller]
fn located(name: &str) -> Operation {
    operations().into_iter().find(|operation| operation.name == name).expect("an annotated function")
}

#[test]
fn functions_that_were_never_called_are_listed() {
    let operation = located("explain_everything");
    assert_eq!(operation.operation_type, "database");
    assert_eq!(operation.function, "explain::everything");
    assert!(operation.location.starts_with("tests/explain.rs:"), "{}", operation.location);
    assert_eq!(operation.attributes, ["database_resilient", "track_service_health"]);
    assert_eq!(operation.breaker, Some("explain_everything"));
    assert!(operation.is_async);
    let lone = located("explain_lone_breaker");
    assert_eq!((lone.breaker, lone.operation_type), (Some("explain_breaker"), "default"));
    assert_eq!((located("explain_retry").breaker, located("explain_file").is_async), (None, false));
    assert!(operations().is_sorted_by_key(|operation| operation.name));
}

mod names {
    use super::{Answer, resilient};

    #[resilient]
    pub(super) async fn alone() -> Answer {
        Ok(1)
    }

    pub(super) struct Reads;
    pub(super) struct Writes;

    impl Reads {
        #[resilient]
        pub(super) async fn run(&self) -> Answer {
            Ok(1)
        }
    }

    impl Writes {
        #[resilient]
        pub(super) async fn run(&self) -> Answer {
            Ok(2)
        }
    }

    pub(super) mod inner {
        use super::{Answer, resilient};

        #[resilient]
        pub(in super::super) async fn alone() -> Answer {
            Ok(1)
        }
    }
}

#[test]
fn a_function_without_a_name_is_called_by_its_path() {
    for name in ["explain::names::alone", "explain::names::inner::alone"] {
        assert_eq!(located(name).breaker, Some(name));
    }
    let scope = Scope::new();
    let _inside = scope.enter();
    let explanation = explain("explain::names::inner::alone").unwrap().to_string();
    assert!(explanation.contains("PYNOMALY_OP_EXPLAIN__NAMES__INNER__ALONE_<PARAMETER>"), "{explanation}");
}

#[tokio::test(start_paused = true)]
async fn two_methods_of_one_name_are_told_apart_by_their_lines() {
    let runs: Vec<_> =
        operations().into_iter().filter(|operation| operation.function == "explain::names::run").collect();
    let [reads, writes] = runs.as_slice() else { panic!("{runs:?}") };
    for run in &runs {
        let line = run.location.rsplit(':').next().unwrap();
        assert_eq!(run.name, format!("explain::names::run:{line}"));
    }
    let scope = Scope::new();
    scope
        .run(async {
            assert_eq!((names::Reads.run().await, names::Writes.run().await), (Ok(1), Ok(2)));
            assert_eq!((names::alone().await, names::inner::alone().await), (Ok(1), Ok(1)));
            for run in [reads, writes] {
                assert_eq!(
                    breaker(run.name).unwrap().snapshot().total_calls,
                    1,
                    "each has a breaker of its own"
                );
            }
        })
        .await;
}

// Two settings for one name, on purpose.

#[circuit_breaker(name = "explain_shared", failure_threshold = 1, operation_name = "explain_first")]
fn first(backend: &Flaky<u32, Fault>) -> Answer {
    backend.call()
}

#[circuit_breaker(name = "explain_shared", failure_threshold = 4, operation_name = "explain_second")]
fn second(backend: &Flaky<u32, Fault>) -> Answer {
    backend.call()
}

#[circuit_breaker(name = "explain_agreed", recovery_timeout = 90, operation_name = "explain_agreed_1")]
async fn agreed() -> Answer {
    Ok(1)
}

#[circuit_breaker(name = "explain_agreed", recovery_timeout = "1m30s", operation_name = "explain_agreed_2")]
async fn agreed_in_other_words() -> Answer {
    Ok(1)
}

fn conflicts(errors: &ConfigErrors) -> Vec<(&str, String)> {
    errors.conflicts().iter().map(|conflict| (conflict.name(), conflict.to_string())).collect()
}

#[test]
fn a_conflict_is_found_before_any_call_and_names_both_places_and_the_difference() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let errors = validate().expect_err("two settings for one name");
    assert_eq!(errors.problems(), []);
    let found = conflicts(&errors);
    let (_, shared) = found.iter().find(|(name, _)| *name == "explain_shared").expect("the conflict");
    let [a, b] = ["explain_first", "explain_second"].map(|name| located(name).location);
    assert_eq!(
        *shared,
        format!(
            "circuit breaker 'explain_shared': {a} and {b} give it different settings (failure_threshold 1 and 4); \
             write the same settings in both or two names; using those of {a}"
        )
    );
    assert!(
        found.iter().all(|(name, _)| *name != "explain_agreed"),
        "the same in other words is no conflict"
    );
    assert!(scope.events().is_empty(), "looking is not using: {:?}", scope.events());
}

#[test]
fn a_conflict_at_run_time_is_told_once_and_the_first_wins() {
    let scope = Scope::new();
    let _inside = scope.enter();
    for _ in 0..3 {
        let _ = first(&Flaky::new().then(1));
        let _ = second(&Flaky::new().then(1));
    }
    let told: Vec<_> = scope
        .events()
        .into_iter()
        .filter_map(|event| match event.kind {
            EventKind::BadConfiguration { message } => Some((event.operation, message)),
            _ => None,
        })
        .collect();
    let [(name, message)] = told.as_slice() else { panic!("{told:#?}") };
    assert_eq!(*name, "explain_shared");
    let errors = validate().unwrap_err();
    let (_, expected) =
        conflicts(&errors).into_iter().find(|(name, _)| *name == "explain_shared").expect("the conflict");
    assert_eq!(*message, expected);

    assert_eq!(breaker("explain_shared").unwrap().snapshot().failure_threshold, 1);
    assert_eq!(second(&Flaky::new().then_err(|| Fault::Down)), Err(Fault::Down));
    assert_eq!(second(&Flaky::new().then(1)), Err(Fault::Refused), "one failure opens it for both");
    assert_eq!(first(&Flaky::new().then(1)), Err(Fault::Refused));
}

/// A function of its own line that gives a breaker settings.
macro_rules! gives {
    ($module:ident: $breaker:literal $(, $key:ident = $value:tt)*) => {
        mod $module {
            #[resilient::circuit_breaker(name = $breaker $(, $key = $value)*)]
            #[allow(dead_code, reason = "it is there to be listed")]
            async fn function() -> super::Answer {
                Ok(1)
            }
        }
    };
}

gives! { off_1: "explain_key_off", failure_threshold = "off", failure_rate = 0.5 }
gives! { off_2: "explain_key_off", failure_threshold = 5, failure_rate = 0.5 }
gives! { success_1: "explain_key_success", success_threshold = 1, half_open_max_calls = 1 }
gives! { success_2: "explain_key_success", success_threshold = 2, half_open_max_calls = 1 }
gives! { recovery_1: "explain_key_recovery", recovery_timeout = "250ms" }
gives! { recovery_2: "explain_key_recovery", recovery_timeout = "1m" }
gives! { rate_1: "explain_key_rate", failure_rate = 0.5 }
gives! { rate_2: "explain_key_rate" }
gives! { window_1: "explain_key_window", window = 50, failure_rate = 0.5 }
gives! { window_2: "explain_key_window", window = "30s", failure_rate = 0.5 }
gives! { min_calls_1: "explain_key_min_calls", min_calls = 5, failure_rate = 0.5 }
gives! { min_calls_2: "explain_key_min_calls", min_calls = 6, failure_rate = 0.5 }
gives! { slow_rate_1: "explain_key_slow_rate", slow_call_rate = 0.5, slow_call_duration = 1 }
gives! { slow_rate_2: "explain_key_slow_rate", slow_call_rate = 0.6, slow_call_duration = 1 }
gives! { slow_1: "explain_key_slow", slow_call_rate = 0.5, slow_call_duration = 1 }
gives! { slow_2: "explain_key_slow", slow_call_rate = 0.5, slow_call_duration = 2 }
gives! { probes_1: "explain_key_probes", half_open_max_calls = 1 }
gives! { probes_2: "explain_key_probes", half_open_max_calls = 3 }
gives! { growth_1: "explain_key_growth", recovery_backoff = 2.0 }
gives! { growth_2: "explain_key_growth", recovery_backoff = 3.0 }
gives! { cap_1: "explain_key_cap", recovery_backoff = 2.0, max_recovery_timeout = "5m" }
gives! { cap_2: "explain_key_cap", recovery_backoff = 2.0 }
gives! { spread_1: "explain_key_spread", recovery_jitter = 0.1 }
gives! { spread_2: "explain_key_spread", recovery_jitter = 0.2 }
gives! { critical_1: "explain_key_critical", critical = true }
gives! { critical_2: "explain_key_critical" }

#[test]
fn every_key_that_differs_is_named_in_the_words_of_the_attribute() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let errors = validate().unwrap_err();
    let found = conflicts(&errors);
    let expected = [
        ("explain_key_off", "failure_threshold off and 5"),
        ("explain_key_success", "success_threshold 1 and 2"),
        ("explain_key_recovery", "recovery_timeout 250ms and 60s"),
        ("explain_key_rate", "failure_rate 0.5 and off"),
        ("explain_key_window", "window 50 calls and 30s"),
        ("explain_key_min_calls", "min_calls 5 and 6"),
        ("explain_key_slow_rate", "slow_call_rate 0.5 and 0.6"),
        ("explain_key_slow", "slow_call_duration 1s and 2s"),
        ("explain_key_probes", "half_open_max_calls 1 and 3"),
        ("explain_key_growth", "recovery_backoff 2 and 3"),
        ("explain_key_cap", "max_recovery_timeout 300s and off"),
        ("explain_key_spread", "recovery_jitter 0.1 and 0.2"),
        ("explain_key_critical", "critical true and false"),
    ];
    let is_told = |(breaker, difference): &(&str, &str)| {
        found.iter().any(|(name, text)| name == breaker && text.contains(&format!("({difference})")))
    };
    let missing: Vec<_> = expected.iter().filter(|expected| !is_told(expected)).collect();
    assert!(missing.is_empty(), "{missing:#?} in {errors}");
}

#[test]
fn the_environment_may_end_a_conflict_or_begin_one() {
    let scope = Scope::builder()
        .env("PYNOMALY_OP_EXPLAIN_FIRST_FAILURE_THRESHOLD", "4")
        .env("PYNOMALY_OP_EXPLAIN_AGREED_1_RECOVERY_TIMEOUT", "7s")
        .build();
    let _inside = scope.enter();
    let errors = validate().unwrap_err();
    let found = conflicts(&errors);
    assert!(found.iter().all(|(name, _)| *name != "explain_shared"), "{errors}");
    let (_, begun) = found.iter().find(|(name, _)| *name == "explain_agreed").expect("a conflict");
    assert!(begun.contains("(recovery_timeout 7s and 90s)"), "{begun}");
}

#[test]
fn a_breaker_made_by_hand_is_told_everything_that_is_wrong_at_once() {
    let config = BreakerConfig::new().failure_threshold(0).success_threshold(0).failure_rate(7.0);
    let errors = resilient::CircuitBreaker::new("two words", config).unwrap_err();
    assert_eq!(errors.problems().len(), 4, "{errors}");
    assert!(errors.to_string().starts_with("4 configuration problems"), "{errors}");
}

#[tokio::test(start_paused = true)]
async fn the_explained_functions_are_ordinary_functions() {
    let scope = Scope::new();
    scope
        .run(async {
            assert_eq!((plain(""), file(String::new())), (Ok(1), Ok(1)));
            assert_eq!(
                [database().await, cache().await, api().await, ml().await],
                [Ok(1), Ok(1), Ok(1), Ok(1)]
            );
            assert_eq!([retry().await, lone_breaker().await, limit().await], [Ok(1), Ok(1), Ok(1)]);
            assert_eq!([health().await, everything(1).await, per_call().await], [Ok(1), Ok(1), Ok(1)]);
            assert_eq!([agreed().await, agreed_in_other_words().await], [Ok(1), Ok(1)]);
        })
        .await;
}
