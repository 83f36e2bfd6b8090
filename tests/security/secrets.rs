//! S05, S06, S16, S24 and S25: what the program was given in confidence, and what its callers and panics say.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use resilient::testing::Scope;
use resilient::{
    ConfigErrors, Deadline, ErrorKind, ResilienceConfig, ResilienceError, ResilientOperation, RetryPolicy,
    Settings, TimeoutPolicy, breaker, breakers, builder, database_resilient, explain, keyed_breaker,
    operations, reload, resilience_health, resilient, service_health, subscribe, track_service_health,
    validate,
};

const SECRETS: [&str; 5] = [
    "postgres://app:hunter2@db.internal/main",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n",
    "p@ss w0rd",
];

/// Every variable there is, of a kind and of an operation, besides those that somebody might put a secret into.
fn variables() -> Vec<String> {
    let parameters = explain("s05_database").unwrap();
    let suffixes = parameters.parameters().iter().map(|row| row.parameter().to_uppercase());
    let mut names: Vec<String> = suffixes
        .flat_map(|suffix| {
            ["DATABASE", "DEFAULT", "OP_S05_DATABASE"].map(|owner| format!("PYNOMALY_{owner}_{suffix}"))
        })
        .collect();
    assert!(names.len() > 40, "{names:?}");
    names.extend(
        [
            "PYNOMALY_RESILIENCE_ENABLED",
            "PYNOMALY_DATABASE_URL",
            "PYNOMALY_TOKEN",
            "DATABASE_URL",
            "RESILIENT_ENV_PREFIXX",
        ]
        .map(str::to_owned),
    );
    names
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum Fault {
    #[error("{0}")]
    Telling(String),
    #[error("refused")]
    Refused(ErrorKind),
}

impl From<ResilienceError> for Fault {
    fn from(refused: ResilienceError) -> Self {
        Self::Refused(refused.kind())
    }
}

#[database_resilient(
    operation_name = "s05_database",
    max_attempts = 2,
    base_delay = 0,
    enable_timeout = false
)]
#[track_service_health("s05_service")]
fn database(secret: &str, panics: bool) -> Result<(), Fault> {
    if panics {
        std::panic::resume_unwind(Box::new(secret.to_owned()));
    }
    Err(Fault::Telling(secret.to_owned()))
}

#[resilient(
    operation_name = "s05_keyed", key = secret, max_attempts = 2, base_delay = 0, enable_timeout = false, failure_threshold = 1,
    fallback_chain = [instead, instead]
)]
async fn keyed(secret: &str) -> Result<(), Fault> {
    Err(Fault::Telling(secret.to_owned()))
}

async fn instead(secret: &str) -> Result<(), Fault> {
    Err(Fault::Telling(secret.to_owned()))
}

fn now<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    loop {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        if let std::task::Poll::Ready(answer) = future.as_mut().poll(&mut cx) {
            return answer;
        }
    }
}

/// All that a log, an endpoint or a support ticket could show.
fn shown(scope: &Scope, errors: Option<&ConfigErrors>) -> Vec<String> {
    let mut shown = vec![
        format!("{scope:?}"),
        format!("{:?}", scope.events()),
        scope.events().iter().map(ToString::to_string).collect(),
        resilience_health().to_json(),
        format!("{:?}", resilience_health()),
        format!("{:?} {:?}", breakers(), operations()),
        serde_json::to_string(&operations()).unwrap(),
        format!("{:?}", breaker("s05_database").unwrap()),
        serde_json::to_string(&service_health("s05_service").unwrap().metrics()).unwrap(),
    ];
    for operation in ["s05_database", "s05_keyed"] {
        let explained = explain(operation).unwrap();
        shown.extend([
            format!("{explained:?}"),
            explained.to_string(),
            serde_json::to_string(&explained).unwrap(),
        ]);
    }
    if let Some(errors) = errors {
        shown.extend([errors.to_string(), format!("{errors:?}"), serde_json::to_string(errors).unwrap()]);
        shown.extend(errors.problems().iter().map(|problem| format!("{problem:?} {:?}", problem.shown())));
    }
    shown
}

#[track_caller]
fn hides(secret: &str, shown: &[String]) {
    let escaped = format!("{secret:?}");
    for text in shown {
        for form in [secret, escaped.trim_matches('"')] {
            if let Some(at) = text.find(form) {
                panic!("{secret} is shown after `{}`", &text[at.saturating_sub(200)..at]);
            }
        }
    }
}

/// Each error names the variable and what may be written, never what was written.
#[test]
fn s16_a_value_of_the_environment_that_cannot_be_used_is_never_repeated() {
    let names = variables();
    for secret in SECRETS {
        let scope = names.iter().fold(Scope::builder(), |scope, name| scope.env(name, secret));
        hides(secret, &[format!("{scope:?}")]);
        let scope = scope.build();
        let _inside = scope.enter();
        let errors = validate().unwrap_err();
        // An address of a database may be anything; the client that reads it hides what is secret in it.
        let unusable = |name: &&String| name.starts_with("PYNOMALY_") && *name != "PYNOMALY_DATABASE_URL";
        for name in names.iter().filter(unusable) {
            assert!(errors.to_string().contains(name.as_str()), "{name} is not named in {errors}");
        }
        assert_eq!(database("no", false), Err(Fault::Telling("no".to_owned())), "the built-in values serve");
        hides(secret, &shown(&scope, Some(&errors)));
        scope.set_env("PYNOMALY_ML_TIMEOUT", secret);
        let errors = reload().unwrap_err();
        hides(secret, &shown(&scope, Some(&errors)));
    }
}

#[test]
fn s05_what_functions_and_their_callers_say_is_in_no_event_and_no_health() {
    for secret in SECRETS {
        let scope = Scope::new();
        let _inside = scope.enter();
        for _ in 0..6 {
            drop((database(secret, false), now(keyed(secret))));
        }
        let refused = breaker("s05_database").unwrap().try_acquire().unwrap_err();
        let of_key = keyed_breaker("s05_keyed", secret).unwrap();
        let told = format!(
            "{refused} {refused:?} {of_key:?} {:?} {}",
            of_key.snapshot(),
            of_key.try_acquire().unwrap_err()
        );
        hides(secret, &[told]);
        hides(secret, &shown(&scope, None));
    }
}

/// What a policy was given wrongly in code may be a secret that stood in the wrong place.
#[test]
fn s05_a_policy_or_configuration_prints_no_value_that_it_refused() {
    for secret in SECRETS {
        let settings = || {
            let settings =
                Settings::new().timeout(secret).deadline(secret).base_delay(secret).max_delay(secret);
            settings
                .jitter(secret)
                .backoff(secret)
                .budget(secret)
                .window(secret)
                .rate_limit_algorithm(secret)
                .hedge_delay(secret)
        };
        let policy = RetryPolicy::new()
            .with_base_delay(secret)
            .with_jitter(secret)
            .with_budget(secret)
            .with_backoff(secret);
        let timeout = TimeoutPolicy::new().with_timeout(secret);
        let operation =
            ResilientOperation::builder("s05").with_retry(policy.clone()).with_timeout(timeout.clone());
        let config =
            ResilienceConfig::new("s05").timeout(secret).jitter(secret).budget(secret).window(secret);
        let mut told = vec![
            format!("{:?}", settings()),
            format!("{policy:?} {timeout:?} {operation:?} {config:?}"),
            format!("{:?}", builder().profile("database", settings())),
            format!("{:?}", Scope::builder().settings("*", settings()).profile("database", settings())),
            format!("{:?}", Deadline::from_grpc_timeout(&secret[..4])),
        ];
        for errors in
            [policy.validate(), timeout.validate(), operation.build().map(drop), config.build().map(drop)]
        {
            let errors = errors.expect_err("none of it is a value");
            told.extend([errors.to_string(), format!("{errors:?}"), serde_json::to_string(&errors).unwrap()]);
        }
        let scope = Scope::builder().settings("s05_database", settings()).profile("api", settings()).build();
        let _inside = scope.enter();
        let errors = validate().unwrap_err();
        told.extend(shown(&scope, Some(&errors)));
        hides(secret, &told);
    }
}

/// Metrics are made from events and health: what they can be labelled with are the names in the code.
#[test]
fn s06_no_key_is_a_name_of_what_is_counted() {
    let scope = Scope::new();
    let _inside = scope.enter();
    for token in 0..100 {
        drop(now(keyed(&format!("reset-token-{token}"))));
    }
    hides("reset-token-", &shown(&scope, None));
    let health = resilience_health();
    assert_eq!(health.keyed_circuit_breakers["s05_keyed"].keys, 100);
    assert!(scope.events().iter().all(|event| event.operation == "s05_keyed"));
}

/// As long as somebody keeps an error's request, its `Weak` can be upgraded.
#[test]
fn s24_no_layer_keeps_what_an_error_holds() {
    #[derive(Clone, Debug, thiserror::Error)]
    enum Holding {
        #[error("request failed")]
        Request(Arc<[u8]>),
        #[error("refused")]
        Refused,
    }
    impl From<ResilienceError> for Holding {
        fn from(_: ResilienceError) -> Self {
            Self::Refused
        }
    }
    let scope = Scope::new();
    let _inside = scope.enter();
    let request: Arc<[u8]> = Arc::from(vec![0; 1 << 20]);
    let kept = Arc::downgrade(&request);
    let operation = ResilienceConfig::new("s24")
        .max_attempts(3)
        .base_delay(0)
        .failure_threshold(1)
        .service("s24")
        .build()
        .unwrap();
    let handles = (operation.clone(), subscribe(|_| ()));
    for _ in 0..2 {
        let failed = operation.call(|| Err::<(), _>(Holding::Request(Arc::clone(&request))));
        drop(failed.unwrap_err());
        drop(now(operation.call_async(async || Err::<(), _>(Holding::Request(Arc::clone(&request))))));
    }
    drop(request);
    assert!(kept.upgrade().is_none());
    drop((handles, breaker("s24").unwrap()));
}

#[test]
fn s25_a_panics_payload_is_told_to_nobody_but_who_catches_it() {
    for secret in SECRETS {
        let scope = Scope::new();
        let _inside = scope.enter();
        let panic = catch_unwind(AssertUnwindSafe(|| database(secret, true))).unwrap_err();
        assert_eq!(panic.downcast_ref::<String>().map(String::as_str), Some(secret));
        assert_eq!(breaker("s05_database").unwrap().snapshot().failed_calls, 1);
        hides(secret, &shown(&scope, None));
    }
}
