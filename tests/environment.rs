//! Every variable does what its name says, every wrong one is named, and neither stops a call.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use resilient::testing::{Flaky, Scope};
use resilient::{
    ConfigErrors, EventKind, ResilienceError, Settings, api_resilient, cache_resilient, circuit_breaker,
    database_resilient, explain, file_resilient, init, ml_resilient, resilient, subscribe,
    track_service_health, validate,
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

/// Fails so often, then answers 1.
fn failing(times: u32) -> Backend {
    Flaky::failing(times, Fault::Down).then(1)
}

/// Answers 1, each time after so long.
fn slow(span: Duration) -> Backend {
    Flaky::new().then(1).takes(span)
}

#[resilient(operation_name = "env_default")]
fn default(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[database_resilient(operation_name = "env_database")]
fn database(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[api_resilient(operation_name = "env_api")]
fn api(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[cache_resilient(operation_name = "env_cache")]
fn cache(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[file_resilient(operation_name = "env_file")]
fn file(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[ml_resilient(operation_name = "env_ml")]
fn ml(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

/// A guarded function of one kind of operation.
type Guarded = fn(&Backend) -> Result<u32, Fault>;

/// One guarded function of each kind, and the kind as variables spell it.
const KINDS: [(&str, &str, Guarded); 6] = [
    ("DEFAULT", "env_default", default),
    ("DATABASE", "env_database", database),
    ("API", "env_api", api),
    ("CACHE", "env_cache", cache),
    ("FILE", "env_file", file),
    ("ML", "env_ml", ml),
];

/// Kind, parameter, default as the seed documents it and as `explain` prints it. With `RESILIENCE_ENABLED` these are
/// the seed's 39 variables.
const TABLE: [(&str, &str, &str); 38] = [
    ("DEFAULT", "timeout", "5s"),
    ("DATABASE", "timeout", "30s"),
    ("API", "timeout", "1m"),
    ("CACHE", "timeout", "5s"),
    ("FILE", "timeout", "10s"),
    ("ML", "timeout", "5m"),
    ("DEFAULT", "max_attempts", "3"),
    ("DATABASE", "max_attempts", "3"),
    ("API", "max_attempts", "5"),
    ("CACHE", "max_attempts", "2"),
    ("FILE", "max_attempts", "3"),
    ("ML", "max_attempts", "2"),
    ("DEFAULT", "base_delay", "1s"),
    ("DEFAULT", "max_delay", "1m"),
    ("DEFAULT", "exponential_base", "2"),
    ("DEFAULT", "jitter", "true"),
    ("DATABASE", "base_delay", "500ms"),
    ("DATABASE", "max_delay", "10s"),
    ("API", "base_delay", "1s"),
    ("API", "max_delay", "30s"),
    ("CACHE", "base_delay", "100ms"),
    ("CACHE", "max_delay", "1s"),
    ("FILE", "base_delay", "200ms"),
    ("FILE", "max_delay", "5s"),
    ("ML", "base_delay", "5s"),
    ("ML", "max_delay", "30s"),
    ("DEFAULT", "failure_threshold", "5"),
    ("DEFAULT", "recovery_timeout", "1m"),
    ("DATABASE", "failure_threshold", "3"),
    ("DATABASE", "recovery_timeout", "30s"),
    ("API", "failure_threshold", "5"),
    ("API", "recovery_timeout", "1m"),
    ("CACHE", "failure_threshold", "3"),
    ("CACHE", "recovery_timeout", "15s"),
    ("FILE", "failure_threshold", "3"),
    ("FILE", "recovery_timeout", "30s"),
    ("ML", "failure_threshold", "2"),
    ("ML", "recovery_timeout", "2m"),
];

const SWITCH: &str = "PYNOMALY_RESILIENCE_ENABLED";

/// `PYNOMALY_DATABASE_TIMEOUT`
fn variable(kind: &str, parameter: &str) -> String {
    format!("PYNOMALY_{kind}_{}", parameter.to_uppercase())
}

/// The seed's 39 variables.
fn variables() -> impl Iterator<Item = String> {
    TABLE.iter().map(|(kind, parameter, _)| variable(kind, parameter)).chain([SWITCH.to_owned()])
}

/// A value unlike every default, as it is written and as `explain` prints it.
fn sample(parameter: &str) -> (&'static str, &'static str) {
    match parameter {
        "max_attempts" | "failure_threshold" => ("7.0", "7"),
        "exponential_base" => ("1.5", "1.5"),
        "jitter" => ("NO", "false"),
        _ => ("0.75", "750ms"),
    }
}

fn scope(pairs: &[(&str, &str)]) -> Scope {
    pairs.iter().fold(Scope::builder(), |scope, (name, value)| scope.env(*name, *value)).build()
}

/// Value and source of one parameter, as the scope this thread is in has it.
#[track_caller]
fn shown(operation: &str, parameter: &str) -> (String, String) {
    let explanation = explain(operation).expect("an annotated function");
    let row = explanation.parameters().iter().find(|row| row.parameter() == parameter);
    let row = row.unwrap_or_else(|| panic!("{operation} has no {parameter}"));
    (row.value(), row.source().to_string())
}

/// Every parameter of every kind: operation, parameter, value, source.
fn everything() -> BTreeSet<(&'static str, &'static str, String, String)> {
    let rows = |(_, operation, _): &(_, &'static str, _)| {
        let explanation = explain(operation).expect("an annotated function");
        let row = |row: &resilient::Row| (*operation, row.parameter(), row.value(), row.source().to_string());
        explanation.parameters().iter().map(row).collect::<Vec<_>>()
    };
    KINDS.iter().flat_map(rows).collect()
}

/// What the first use of a wrong configuration told.
fn complaints(scope: &Scope) -> Vec<String> {
    let message = |event: resilient::Event| match event.kind {
        EventKind::BadConfiguration { message } => Some(message),
        _ => None,
    };
    scope.events().into_iter().filter_map(message).collect()
}

#[test]
fn without_variables_the_defaults_are_those_of_the_seed() {
    let scope = Scope::new();
    let _inside = scope.enter();
    for (kind, parameter, default) in TABLE {
        let (_, operation, _) = KINDS.into_iter().find(|(known, ..)| *known == kind).expect("a kind");
        assert_eq!(shown(operation, parameter).0, default, "{kind} {parameter}");
    }
    validate().expect("nothing is wrong");
}

#[test]
fn each_variable_changes_its_own_parameter_and_nothing_else() {
    let before = {
        let scope = Scope::new();
        let _inside = scope.enter();
        everything()
    };
    for (kind, parameter, _) in TABLE {
        let (written, printed) = sample(parameter);
        let variable = variable(kind, parameter);
        let scope = scope(&[(&variable, written)]);
        let _inside = scope.enter();
        validate().unwrap_or_else(|errors| panic!("{variable}: {errors}"));
        let after = everything();
        let changed: Vec<_> = after.difference(&before).collect();
        // Of every kind where nobody else says anything, a DEFAULT_ variable is the last word.
        let expected: Vec<_> = before
            .iter()
            .filter(|(operation, of, _, source)| {
                let own = KINDS.iter().any(|(known, name, _)| *known == kind && name == operation);
                *of == parameter && (own || kind == "DEFAULT" && source == "built-in")
            })
            .map(|(operation, of, ..)| (*operation, *of, printed.to_owned(), variable.clone()))
            .collect();
        assert!(!expected.is_empty(), "{variable}");
        // The cap that was lowered lowers the first wait, too.
        let lowered = |row: &&&(_, &str, String, _)| {
            parameter == "max_delay" && row.1 == "base_delay" && row.2 == printed
        };
        let changed: Vec<_> = changed.iter().filter(|row| !lowered(row)).map(|row| (*row).clone()).collect();
        assert_eq!(changed, expected, "{variable}");
    }
}

#[test]
fn the_switch_turns_every_layer_off_and_says_so() {
    let scope = scope(&[(SWITCH, "off")]);
    let _inside = scope.enter();
    validate().expect("nothing is wrong");
    for (_, operation, _) in KINDS {
        for layer in ["enable_retry", "enable_circuit_breaker", "enable_timeout"] {
            assert_eq!(shown(operation, layer), ("false".into(), SWITCH.into()), "{operation} {layer}");
        }
        assert!(explain(operation).unwrap().to_string().contains("RESILIENCE_ENABLED is false"));
    }
}

#[test]
fn attempts_are_made_as_often_as_the_variable_says() {
    for (kind, operation, guarded) in KINDS {
        for attempts in [1, 2, 9] {
            let scope = scope(&[
                (&variable(kind, "max_attempts"), &attempts.to_string()),
                (&variable(kind, "failure_threshold"), "off"),
            ]);
            let _inside = scope.enter();
            let backend = failing(100);
            assert_eq!(guarded(&backend), Err(Fault::Down));
            assert_eq!(backend.calls(), attempts, "{operation}");
        }
    }
}

#[test]
fn waits_follow_the_variables() {
    for (kind, operation, guarded) in KINDS {
        let scope = scope(&[
            (&variable(kind, "max_attempts"), "5"),
            (&variable(kind, "failure_threshold"), "100"),
            (&variable(kind, "base_delay"), "250ms"),
            (&variable(kind, "max_delay"), "2"),
            (&variable(kind, "exponential_base"), "3"),
            (&variable(kind, "jitter"), "false"),
        ]);
        let _inside = scope.enter();
        assert_eq!(guarded(&failing(4)), Ok(1));
        let waits = [250, 750, 2000, 2000].map(Duration::from_millis);
        assert_eq!(scope.pauses(), waits, "{operation}");
        assert_eq!(scope.clock().elapsed(), waits.iter().sum(), "{operation}");
    }
}

#[test]
fn the_breaker_opens_and_recovers_as_the_variables_say() {
    for (kind, operation, guarded) in KINDS {
        let scope = scope(&[
            (&variable(kind, "max_attempts"), "1"),
            (&variable(kind, "failure_threshold"), "4"),
            (&variable(kind, "success_threshold"), "1"),
            (&variable(kind, "recovery_timeout"), "1m30s"),
        ]);
        let _inside = scope.enter();
        let backend = failing(4);
        for _ in 0..4 {
            assert_eq!(guarded(&backend), Err(Fault::Down), "{operation}");
        }
        let open = Err(Fault::Refused("circuit_open".into()));
        assert_eq!(guarded(&backend), open, "{operation}");
        scope.clock().advance(Duration::from_millis(89_999));
        assert_eq!(guarded(&backend), open, "{operation}");
        scope.clock().advance(Duration::from_millis(1));
        assert_eq!(guarded(&backend), Ok(1), "{operation}");
        assert_eq!(resilient::breaker(operation).unwrap().state(), resilient::State::Closed, "{operation}");
    }
}

#[test]
fn attempts_are_limited_as_the_variable_says() {
    for (kind, operation, guarded) in KINDS {
        let pairs = [(variable(kind, "timeout"), "0.25"), (variable(kind, "max_attempts"), "1")];
        let scope = scope(&pairs.each_ref().map(|(name, value)| (name.as_str(), *value)));
        let _inside = scope.enter();
        let takes = |millis| slow(Duration::from_millis(millis));
        assert_eq!(guarded(&takes(250)), Ok(1), "{operation}");
        assert_eq!(guarded(&takes(251)), Err(Fault::Refused("timeout".into())), "{operation}");
    }
}

/// Whether `value` is wrong for `parameter`.
fn is_wrong(parameter: &str, value: &str) -> bool {
    match parameter {
        "max_attempts" | "failure_threshold" => true,
        "jitter" => value != "0.5",
        // 3.5 and 0.5 are numbers.
        "exponential_base" => value != "3.5",
        "base_delay" => value != "3.5" && value != "0.5" && value != "0",
        _ => value != "3.5" && value != "0.5",
    }
}

const WRONG: [&str; 11] = ["", " ", "abc", "-1", "1e400", "NaN", "inf", "3.5", "0.5", "0", "5 parsecs"];

#[test]
fn each_wrong_value_of_each_variable_is_named_and_the_rest_works() {
    for (kind, parameter, default) in TABLE {
        let (_, operation, guarded) = KINDS.into_iter().find(|(known, ..)| *known == kind).expect("a kind");
        let variable = variable(kind, parameter);
        for value in WRONG.into_iter().filter(|value| is_wrong(parameter, value)) {
            // `0` is no wrong flag.
            if (parameter, value) == ("jitter", "0") {
                continue;
            }
            let case = format!("{variable}={value:?}");
            let scope = scope(&[(&variable, value), ("PYNOMALY_OP_ENV_UNTOUCHED_MAX_ATTEMPTS", "6")]);
            let _inside = scope.enter();
            let errors = validate().expect_err(&case);
            let [problem] = errors.problems() else { panic!("{case}: {errors}") };
            assert_eq!(problem.source_name(), variable, "{case}");
            assert!(!problem.allowed_values().is_empty(), "{case}");
            assert!(problem.used_instead().contains(default), "{case}: {problem}");
            assert_eq!(shown(operation, parameter).0, default, "{case}");
            assert_eq!(shown("env_untouched", "max_attempts").0, "6", "{case}");
            assert_eq!(guarded(&failing(1)), Ok(1), "{case}");
        }
    }
}

#[resilient(operation_name = "env_untouched")]
fn untouched(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[test]
fn a_wrong_switch_is_named_and_leaves_everything_on() {
    for value in WRONG.into_iter().filter(|value| *value != "0") {
        let scope = scope(&[(SWITCH, value)]);
        let _inside = scope.enter();
        let errors = validate().expect_err(value);
        let [problem] = errors.problems() else { panic!("{value}: {errors}") };
        assert_eq!(problem.source_name(), SWITCH, "{value}");
        assert!(problem.used_instead().contains("true"), "{problem}");
        let backend = failing(2);
        assert_eq!((database(&backend), backend.calls()), (Ok(1), 3), "{value}");
    }
}

#[test]
fn all_wrong_values_are_reported_at_once() {
    let scope = variables().fold(Scope::builder(), |scope, name| scope.env(name, "abc")).build();
    let _inside = scope.enter();
    let errors = validate().expect_err("39 wrong values");
    let named: BTreeSet<_> =
        errors.problems().iter().map(|problem| problem.source_name().to_owned()).collect();
    assert_eq!(named, variables().collect());
    assert_eq!(errors.problems().len(), 39);
    let text = errors.to_string();
    assert!(text.starts_with("39 configuration problems"), "{text}");
    assert!(variables().all(|name| text.contains(&format!("{name}: `abc` "))), "{text}");
    for (_, operation, guarded) in KINDS {
        assert_eq!(guarded(&failing(1)), Ok(1), "{operation}");
    }
}

#[test]
fn a_misspelt_variable_is_reported_with_the_nearest_name() {
    for name in variables() {
        let misspelt = &name[..name.len() - 1];
        let scope = scope(&[(misspelt, "7")]);
        let _inside = scope.enter();
        let errors = validate().expect_err(misspelt);
        let [problem] = errors.problems() else { panic!("{misspelt}: {errors}") };
        assert_eq!((problem.source_name(), problem.nearest_name()), (misspelt, Some(name.as_str())));
        assert!(problem.to_string().contains(&format!("did you mean {name}?")), "{problem}");
    }
}

#[test]
fn names_and_words_may_be_in_any_case() {
    let scope = scope(&[("pynomaly_database_Max_Attempts", "4"), ("PYNOMALY_DATABASE_JITTER", "Off")]);
    let _inside = scope.enter();
    validate().expect("nothing is wrong");
    assert_eq!(shown("env_database", "max_attempts"), ("4".into(), "pynomaly_database_Max_Attempts".into()));
    assert_eq!(shown("env_database", "jitter").0, "false");
}

/// Everything that can be read about a configuration: errors, explanations, health, events.
fn readable(scope: &Scope, errors: &ConfigErrors) -> String {
    let explained: Vec<_> = KINDS.iter().map(|(_, operation, _)| explain(operation).unwrap()).collect();
    let json = serde_json::to_string(&explained).unwrap() + &serde_json::to_string(errors).unwrap();
    let printed: String = explained.iter().map(ToString::to_string).collect();
    let health = resilient::resilience_health().to_json();
    format!("{errors} {errors:?} {printed} {explained:?} {json} {health} {scope:?} {:?}", scope.events())
}

#[test]
fn a_value_that_may_be_a_secret_is_shown_nowhere() {
    for secret in
        ["postgres://app:hunter2@db/main", "AKIAIOSFODNN7EXAMPLE", "p@ss", "two words", "0123456789abcdefg"]
    {
        let misspelt = ["PYNOMALY_DATABASE_TIMEOUTS", "PYNOMALY_OP_ENV_DATABSE_TIMEOUT", "PYNOMALY_TOKEN"];
        let names = variables().chain(misspelt.map(ToOwned::to_owned)).chain(["DATABASE_URL".to_owned()]);
        let scope = names.fold(Scope::builder(), |scope, name| scope.env(name, secret)).build();
        let _inside = scope.enter();
        let errors = validate().expect_err("wrong values");
        assert_eq!(errors.problems().len(), 39 + misspelt.len(), "{errors}");
        assert_eq!(database(&failing(1)), Ok(1));
        let readable = readable(&scope, &errors);
        if let Some(at) = readable.find(secret) {
            panic!("{secret} is shown after `{}`", &readable[at.saturating_sub(100)..at]);
        }
    }
}

#[resilient(operation_type = "ladders", operation_name = "env_ladder", max_attempts = 7)]
fn ladder(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[resilient(operation_type = "ladders", operation_name = "env_lower_ladder")]
fn lower_ladder(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[test]
fn sources_win_in_the_order_of_the_ladder() {
    // With each step the highest source is taken away. The second function has no argument of its own.
    const STEPS: [(&str, u32, &str); 7] = [
        ("env_ladder", 9, "test scope"),
        ("env_ladder", 8, "PYNOMALY_OP_ENV_LADDER_MAX_ATTEMPTS"),
        ("env_ladder", 7, "attribute"),
        ("env_lower_ladder", 6, "PYNOMALY_LADDERS_MAX_ATTEMPTS"),
        ("env_lower_ladder", 5, "ladders profile"),
        ("env_lower_ladder", 4, "PYNOMALY_DEFAULT_MAX_ATTEMPTS"),
        ("env_lower_ladder", 3, "built-in"),
    ];
    let steps = STEPS.len();
    for (taken, (operation, attempts, source)) in STEPS.into_iter().enumerate() {
        let mut scope = Scope::builder().env("PYNOMALY_OP_ENV_LADDER_FAILURE_THRESHOLD", "off");
        scope = scope.env("PYNOMALY_OP_ENV_LOWER_LADDER_FAILURE_THRESHOLD", "off");
        for (at, (_, attempts, source)) in STEPS.into_iter().enumerate().take(steps - 1).skip(taken) {
            let settings = Settings::new().max_attempts(attempts);
            scope = match at {
                0 => scope.settings("env_ladder", settings),
                2 => scope,
                4 => scope.profile("ladders", settings),
                _ => scope.env(source, attempts.to_string()),
            };
        }
        let scope = scope.build();
        let _inside = scope.enter();
        assert_eq!(shown(operation, "max_attempts"), (attempts.to_string(), source.to_owned()));
        let backend = failing(100);
        let guarded = if operation == "env_ladder" { ladder } else { lower_ladder };
        assert_eq!(guarded(&backend), Err(Fault::Down));
        assert_eq!(backend.calls(), attempts, "{source}");
        validate().expect("nothing is wrong");
    }
}

#[test]
fn a_scopes_own_settings_may_be_for_every_function() {
    let all = Settings::new().max_attempts(2);
    let one = Settings::new().max_attempts(4);
    let scope = Scope::builder().settings("*", all).settings("env_api", one).build();
    let _inside = scope.enter();
    assert_eq!(shown("env_database", "max_attempts").0, "2");
    assert_eq!(shown("env_ladder", "max_attempts").0, "2");
    assert_eq!(shown("env_api", "max_attempts").0, "4");
}

#[resilient(operation_type = "payments", operation_name = "env_payments")]
fn payments(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[test]
fn a_kind_of_ones_own_has_variables_of_its_own() {
    let own = scope(&[("PYNOMALY_PAYMENTS_MAX_ATTEMPTS", "2"), ("PYNOMALY_DEFAULT_BASE_DELAY", "7")]);
    let inside = own.enter();
    validate().expect("nothing is wrong");
    let backend = failing(100);
    assert_eq!((payments(&backend), backend.calls()), (Err(Fault::Down), 2));
    assert_eq!(shown("env_payments", "base_delay"), ("7s".into(), "PYNOMALY_DEFAULT_BASE_DELAY".into()));
    drop(inside);

    let unknown = scope(&[("PYNOMALY_INVOICES_MAX_ATTEMPTS", "2")]);
    let _inside = unknown.enter();
    validate().expect_err("no function is of this kind");
}

#[resilient(
    operation_type = "env_patterns",
    operation_name = "env_all_layers",
    idempotent = true,
    timeout = "1s",
    max_attempts = 1,
    rate_limit(rate = 1000),
    bulkhead(max_concurrent = 1000),
    hedge(delay = "10s")
)]
async fn all_layers(backend: &Backend) -> Result<u32, Fault> {
    backend.call_async().await
}

/// Parameter, a value unlike the default and the attribute's, as it is written and as `explain` prints it; a wrong one.
const LAYERS: [(&str, &str, &str, &str); 14] = [
    ("budget", "0.5", "0.5", "0"),
    ("enable_hedge", "no", "false", "2"),
    ("hedge_delay", "P95", "p95", "p99"),
    ("hedge_max_hedges", "3", "3", "0"),
    ("enable_rate_limit", "off", "false", ""),
    ("rate_limit_rate", "7.0", "7", "7.5"),
    ("rate_limit_per", "1m", "1m", "0"),
    ("rate_limit_burst", "3", "3", "0"),
    ("rate_limit_max_wait", "0.25", "250ms", "-1"),
    ("rate_limit_algorithm", "Sliding_Window", "sliding_window", "leaky"),
    ("enable_bulkhead", "0", "false", "none"),
    ("bulkhead_max_concurrent", "0", "0", "-1"),
    ("bulkhead_max_queue", "5", "5", "many"),
    ("bulkhead_max_wait", "100ms", "100ms", "soon"),
];

#[test]
fn every_parameter_of_the_inner_layers_has_a_variable() {
    let operation = "env_all_layers";
    let rows = || -> BTreeSet<_> {
        let explanation = explain(operation).unwrap();
        let row = |row: &resilient::Row| (row.parameter(), row.value(), row.source().to_string());
        explanation.parameters().iter().map(row).collect()
    };
    let before = {
        let scope = Scope::new();
        let _inside = scope.enter();
        rows()
    };
    for (parameter, written, printed, wrong) in LAYERS {
        for owner in ["OP_ENV_ALL_LAYERS", "ENV_PATTERNS", "DEFAULT"] {
            let variable = variable(owner, parameter);
            let right = scope(&[(&variable, written)]);
            let inside = right.enter();
            validate().unwrap_or_else(|errors| panic!("{variable}: {errors}"));
            let is_written =
                before.iter().any(|(name, _, source)| *name == parameter && source == "attribute");
            let after = rows();
            let changed: Vec<_> = after.difference(&before).filter(|(name, ..)| *name == parameter).collect();
            if is_written && !owner.starts_with("OP_") {
                assert!(changed.is_empty(), "{variable}");
            } else {
                assert_eq!(changed, [&(parameter, printed.to_owned(), variable.clone())], "{variable}");
            }
            drop(inside);

            let nonsense = scope(&[(&variable, wrong)]);
            let _inside = nonsense.enter();
            let errors = validate().expect_err(&variable);
            let [problem] = errors.problems() else { panic!("{variable}: {errors}") };
            assert_eq!(problem.source_name(), variable);
            assert!(!problem.allowed_values().is_empty(), "{problem}");
            assert_eq!(rows(), before, "{variable}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_inner_layers_do_as_their_variables_say() {
    let called = async |pairs: &[(&str, &str)], backend: &Backend, calls: u32| {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(parameter, value)| (variable("OP_ENV_ALL_LAYERS", parameter), *value))
            .collect();
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let scope = scope(&pairs);
        scope
            .run(async {
                let mut ended = Vec::new();
                for _ in 0..calls {
                    ended.push(match all_layers(backend).await {
                        Ok(_) => "ok".to_owned(),
                        Err(Fault::Refused(kind)) => kind,
                        Err(Fault::Down) => "down".to_owned(),
                    });
                }
                ended.join(" ")
            })
            .await
    };
    assert_eq!(called(&[], &failing(0), 3).await, "ok ok ok");
    assert_eq!(called(&[("rate_limit_rate", "2")], &failing(0), 3).await, "ok ok rate_limited");
    assert_eq!(called(&[("rate_limit_burst", "1")], &failing(0), 2).await, "ok rate_limited");
    let waits = [("rate_limit_rate", "1"), ("rate_limit_max_wait", "1s")];
    assert_eq!(called(&waits, &failing(0), 3).await, "ok ok ok");
    let off = [("rate_limit_rate", "1"), ("enable_rate_limit", "false")];
    assert_eq!(called(&off, &failing(0), 3).await, "ok ok ok");
    assert_eq!(called(&[("bulkhead_max_concurrent", "0")], &failing(0), 1).await, "bulkhead_full");
    let off = [("bulkhead_max_concurrent", "0"), ("enable_bulkhead", "false")];
    assert_eq!(called(&off, &failing(0), 1).await, "ok");
    let late = || slow(Duration::from_millis(900));
    for (hedges, executions) in [(vec![("hedge_delay", "200ms")], 2), (vec![], 1)] {
        let backend = late();
        assert_eq!(called(&hedges, &backend, 1).await, "ok");
        assert_eq!(backend.calls(), executions);
    }
    let backend = late();
    let none = [("hedge_delay", "200ms"), ("enable_hedge", "no")];
    assert_eq!((called(&none, &backend, 1).await, backend.calls()), ("ok".into(), 1));
    let backend = late();
    let three = [("hedge_delay", "200ms"), ("hedge_max_hedges", "3")];
    assert_eq!((called(&three, &backend, 1).await, backend.calls()), ("ok".into(), 4));
}

#[test]
fn retries_are_paid_from_the_budget_the_variable_names() {
    for (budget, attempts) in [("none", 120), ("default", 101), ("0.01", 11)] {
        let scope = scope(&[
            ("PYNOMALY_OP_ENV_DEFAULT_BUDGET", budget),
            ("PYNOMALY_OP_ENV_DEFAULT_MAX_ATTEMPTS", "120"),
            ("PYNOMALY_OP_ENV_DEFAULT_FAILURE_THRESHOLD", "off"),
            ("PYNOMALY_OP_ENV_DEFAULT_BASE_DELAY", "0"),
        ]);
        let _inside = scope.enter();
        let backend = failing(200);
        assert_eq!(default(&backend), Err(Fault::Down));
        assert_eq!(backend.calls(), attempts, "{budget}");
    }
}

#[resilient(
    operation_name = "env::op-name.x",
    timeout = "9s",
    timeout_mode = "deadline",
    enable_circuit_breaker = false
)]
fn named(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[circuit_breaker(name = "env_lone_breaker")]
fn lone_breaker(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[test]
fn a_variable_of_one_operation_beats_its_attribute_and_no_other_operation() {
    let scope = scope(&[
        ("PYNOMALY_OP_ENV__OP_NAME_X_TIMEOUT", "4"),
        ("PYNOMALY_OP_ENV__OP_NAME_X_MAX_RETRIES", "1"),
        ("PYNOMALY_OP_ENV_DATABASE_ENABLE_RETRY", "false"),
    ]);
    let _inside = scope.enter();
    validate().expect("nothing is wrong");
    assert_eq!(
        shown("env::op-name.x", "timeout"),
        ("4s".into(), "PYNOMALY_OP_ENV__OP_NAME_X_TIMEOUT".into())
    );
    assert_eq!(shown("env::op-name.x", "max_attempts").0, "2");
    assert_eq!(shown("env_default", "timeout").0, "5s");
    let (of_named, of_database, of_default) = (failing(9), failing(9), failing(9));
    let _ = (named(&of_named), database(&of_database), default(&of_default));
    assert_eq!([of_named.calls(), of_database.calls(), of_default.calls()], [2, 1, 3]);
}

#[test]
fn a_variable_of_one_operation_that_goes_nowhere_is_reported() {
    let lone = "lone_breaker";
    let no_retry = format!("PYNOMALY_OP_ENVIRONMENT__{}_MAX_ATTEMPTS", lone.to_uppercase());
    for (name, value, nearest) in [
        ("PYNOMALY_OP_ENV_DATABSE_TIMEOUT", "4", Some("PYNOMALY_OP_ENV_DATABASE_TIMEOUT")),
        ("PYNOMALY_OP_ENV_DATABASE_TIMEOT", "4", Some("PYNOMALY_OP_ENV_DATABASE_TIMEOUT")),
        (&no_retry, "4", None),
    ] {
        let scope = scope(&[(name, value)]);
        let _inside = scope.enter();
        let errors = validate().expect_err(name);
        let [problem] = errors.problems() else { panic!("{name}: {errors}") };
        assert_eq!((problem.source_name(), problem.nearest_name()), (name, nearest), "{problem}");
        assert_eq!(lone_breaker(&failing(0)), Ok(1));
    }
}

#[database_resilient(operation_name = "env_switched", fallback = stand_in, deadline = "60s")]
#[track_service_health("env_service")]
fn switched(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[allow(clippy::unnecessary_wraps, reason = "a fallback returns what its function returns")]
fn stand_in(_: &Backend) -> Result<u32, Fault> {
    Ok(99)
}

#[resilient(
    operation_name = "env_insists",
    enable_retry = true,
    enable_circuit_breaker = true,
    enable_timeout = true,
    failure_threshold = 1,
    timeout = "1s",
    timeout_mode = "deadline"
)]
fn insists(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[test]
fn switched_off_calls_pass_and_only_the_fallback_is_left() {
    let scope = scope(&[(SWITCH, "false")]);
    let _inside = scope.enter();
    let backend = failing(10);
    for call in 1..=10 {
        assert_eq!((switched(&backend), backend.calls()), (Ok(99), call), "one attempt, then the fallback");
    }
    assert_eq!(switched(&failing(0)), Ok(1), "no breaker is in the way");
    assert_eq!(switched(&slow(Duration::from_secs(1000))), Ok(1), "no limit is kept");
    assert_eq!(scope.pauses(), []);
    assert_eq!(resilient::service_health("env_service").unwrap().metrics().statistics.total_count, 0);
    let health = resilient::resilience_health();
    assert!(health.circuit_breakers.values().all(|breaker| breaker.total_calls == 0));
}

#[test]
fn switched_off_means_every_function_also_one_that_insists() {
    let scope = scope(&[(SWITCH, "false")]);
    let _inside = scope.enter();
    for _ in 0..3 {
        let backend = failing(1);
        assert_eq!((insists(&backend), backend.calls()), (Err(Fault::Down), 1));
    }
    assert_eq!(insists(&slow(Duration::from_secs(1000))), Ok(1));
}

#[test]
fn the_first_use_tells_of_all_wrong_values_in_one_event() {
    let wrong = ["PYNOMALY_DATABASE_TIMEOUT", "PYNOMALY_ML_JITTER", "PYNOMALY_NONSENSE"];
    let scope = scope(&wrong.map(|name| (name, "abc")));
    let _inside = scope.enter();
    assert_eq!(complaints(&scope), [""; 0], "nothing was used yet");
    for _ in 0..2 {
        for (_, _, guarded) in KINDS {
            assert_eq!(guarded(&failing(1)), Ok(1));
        }
    }
    let complaints = complaints(&scope);
    let [complaint] = complaints.as_slice() else { panic!("{complaints:#?}") };
    assert!(wrong.iter().all(|name| complaint.contains(name)), "{complaint}");
}

#[test]
fn a_first_use_by_many_threads_at_once_is_still_told_once() {
    let scope = scope(&[("PYNOMALY_DATABASE_TIMEOUT", "abc")]);
    let together = std::sync::Barrier::new(8);
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                let _inside = scope.enter();
                together.wait();
                assert_eq!(database(&failing(0)), Ok(1));
            });
        }
    });
    assert_eq!(complaints(&scope).len(), 1);
}

#[test]
fn a_wrong_value_of_one_operation_is_told_once_too() {
    let scope = scope(&[("PYNOMALY_OP_ENV_DATABASE_TIMEOUT", "abc")]);
    let _inside = scope.enter();
    for _ in 0..2 {
        assert_eq!(database(&failing(1)), Ok(1));
    }
    let complaints = complaints(&scope);
    assert_eq!(complaints.len(), 1, "{complaints:#?}");
}

#[test]
fn another_prefix_makes_the_usual_one_somebody_elses() {
    let pairs =
        [("SHOP_DATABASE_TIMEOUT", "3"), ("PYNOMALY_DATABASE_TIMEOUT", "4"), ("PYNOMALY_NONSENSE", "x")];
    let by_builder =
        pairs.iter().fold(Scope::builder().env_prefix("shop_"), |scope, (n, v)| scope.env(*n, *v));
    let by_variable = scope(&[&pairs[..], &[("RESILIENT_ENV_PREFIX", "SHOP")]].concat());
    for scope in [by_builder.build(), by_variable] {
        let _inside = scope.enter();
        validate().expect("nothing is wrong");
        assert_eq!(shown("env_database", "timeout"), ("3s".into(), "SHOP_DATABASE_TIMEOUT".into()));
    }
}

// What follows is about the process's own environment: each case is a process of its own.

/// Says to this test binary that it is the process under test.
const CHILD: &str = "TEST_OF_RESILIENT_IN_A_PROCESS_OF_ITS_OWN";

/// Runs [`process_under_test`] in a directory with that `.env` and these variables besides; what it printed.
#[track_caller]
fn in_process(case: &str, dotenv: Option<&str>, variables: &[(&str, &str)]) -> String {
    let directory = directory(case);
    if let Some(content) = dotenv {
        std::fs::write(directory.join(".env"), content).expect("a temporary file");
    }
    let output = Command::new(std::env::current_exe().expect("this test's own binary"))
        .args(["--exact", "a_process_without_variables_has_nothing_to_report", "--nocapture"])
        .current_dir(&directory)
        .env(CHILD, "1")
        .env_remove("RESILIENT_ENV_PREFIX")
        .envs(variables.iter().copied())
        .output()
        .expect("a process");
    let _ = std::fs::remove_dir_all(&directory);
    let printed = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    printed
}

fn directory(case: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{case}-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a temporary directory");
    directory
}

#[test]
#[allow(clippy::disallowed_methods, reason = "asks whose process this is")]
fn a_process_without_variables_has_nothing_to_report() {
    if std::env::var_os(CHILD).is_some() {
        return process_under_test();
    }
    let printed = in_process("plain", None, &[]);
    assert_prints(&printed, &["init: ok", "told: 0 times", "timeout: 30s from database profile"]);
}

/// Calls first, initialises then, and prints what it found.
#[allow(clippy::disallowed_methods, reason = "looks whether `.env` leaked into the process's variables")]
fn process_under_test() {
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let subscription = subscribe({
        let told = std::sync::Arc::clone(&told);
        move |event| {
            if let EventKind::BadConfiguration { message } = &event.kind {
                told.lock().unwrap().push(message.clone());
            }
        }
    });
    let backend = failing(9);
    let answer = cache(&backend);
    println!("call: {} attempts, {}", backend.calls(), answer.is_ok());
    let _ = database(&failing(0));
    drop(subscription);
    println!("told: {} times", told.lock().unwrap().len());
    match init() {
        Ok(()) => println!("init: ok"),
        Err(errors) => println!("init: {errors}"),
    }
    for parameter in ["timeout", "max_attempts", "base_delay"] {
        let (value, source) = shown("env_database", parameter);
        println!("{parameter}: {value} from {source}");
    }
    println!("leaked: {}", std::env::var_os("PYNOMALY_DATABASE_MAX_ATTEMPTS").is_some());
}

#[track_caller]
fn assert_prints(printed: &str, lines: &[&str]) {
    for line in lines {
        assert!(printed.lines().any(|printed| printed.trim() == *line), "no line `{line}` in\n{printed}");
    }
}

#[test]
fn the_real_environment_wins_over_the_dotenv_file() {
    let dotenv =
        "# settings\nPYNOMALY_DATABASE_TIMEOUT=11\nexport PYNOMALY_DATABASE_MAX_ATTEMPTS=\"6\"\nOTHER=1\n";
    let printed = in_process("wins", Some(dotenv), &[("PYNOMALY_DATABASE_TIMEOUT", "12")]);
    assert_prints(
        &printed,
        &[
            "init: ok",
            "told: 0 times",
            "timeout: 12s from PYNOMALY_DATABASE_TIMEOUT",
            "max_attempts: 6 from PYNOMALY_DATABASE_MAX_ATTEMPTS",
            "base_delay: 500ms from database profile",
            "leaked: false",
        ],
    );
}

#[test]
fn calls_of_a_process_follow_its_variables_without_any_init() {
    let variables = [("PYNOMALY_CACHE_MAX_ATTEMPTS", "1"), ("PYNOMALY_CACHE_BASE_DELAY", "1ms")];
    assert_prints(&in_process("calls", None, &variables), &["call: 1 attempts, false", "init: ok"]);
}

#[test]
fn a_process_may_have_another_prefix() {
    let variables = [("SHOP_DATABASE_TIMEOUT", "3"), ("PYNOMALY_DATABASE_TIMEOUT", "4")];
    let expected = ["init: ok", "timeout: 3s from SHOP_DATABASE_TIMEOUT"];
    let named = [&variables[..], &[("RESILIENT_ENV_PREFIX", "SHOP")]].concat();
    assert_prints(&in_process("prefix", None, &named), &expected);
    let dotenv = Some("RESILIENT_ENV_PREFIX=SHOP\n");
    assert_prints(&in_process("prefix-in-file", dotenv, &variables), &expected);
}

#[test]
fn init_returns_every_error_of_a_process_and_the_first_call_tells_them_once() {
    let dotenv = "PYNOMALY_API_TIMEOUT=soon\nthis line is hunter2\nPYNOMALY_DATABASE_MAX_ATTEMPTS=4\n";
    let variables = [
        ("PYNOMALY_DATABASE_TIMEOUT", "postgres://app:hunter2@db/main"),
        ("PYNOMALY_DATABSE_TIMEOUT", "3"),
        ("PYNOMALY_CACHE_BASE_DELAY", "1ms"),
    ];
    let printed = in_process("errors", Some(dotenv), &variables);
    assert_prints(
        &printed,
        &[
            "init: 4 configuration problems",
            "told: 1 times",
            "call: 2 attempts, false",
            "timeout: 30s from database profile",
            "max_attempts: 4 from PYNOMALY_DATABASE_MAX_ATTEMPTS",
        ],
    );
    for part in [
        ".env, line 2: the line cannot be read",
        "PYNOMALY_API_TIMEOUT: `soon` is not a duration",
        "PYNOMALY_DATABASE_TIMEOUT: the value is not a duration",
        "did you mean PYNOMALY_DATABASE_TIMEOUT?",
    ] {
        assert!(printed.contains(part), "no `{part}` in\n{printed}");
    }
    assert!(!printed.contains("hunter2"), "a secret is shown in\n{printed}");
}

#[test]
fn a_dotenv_that_is_no_text_or_no_file_stops_nothing() {
    let printed = in_process("garbage", Some("\u{0}\u{1}=\"\n'\nPYNOMALY_DATABASE_TIMEOUT=\"9"), &[]);
    assert_prints(&printed, &["call: 2 attempts, false", "timeout: 30s from database profile"]);
    assert!(!printed.contains("init: ok"), "{printed}");
}
