//! Seed 003, D01 to D05: its simple script.

use resilient::explain;
use resilient::testing::Scope;

use crate::support::{Fault, broken, each, each_in, failing, millis};

twins! {
    exponential: #[retry_with_backoff(max_attempts = 3, base_delay = 0.1, exponential_base = 2, jitter = false)]
    guarded: #[circuit_breaker(failure_threshold = 2, recovery_timeout = 0.1)]
    wrapper: #[resilient(operation_type = "test", max_attempts = 3, base_delay = 0.1, enable_circuit_breaker = false)]
    decorated: #[resilient(operation_type = "test", max_attempts = 2, base_delay = 0.1, enable_circuit_breaker = false)]
}

#[tokio::test(start_paused = true)]
async fn seed_d01_whether_it_is_switched_on_can_be_read() {
    for (value, enabled) in [(None, true), (Some("true"), true), (Some("false"), false)] {
        let scope = || {
            let variables = value.map(|value| ("PYNOMALY_RESILIENCE_ENABLED", value));
            variables
                .into_iter()
                .fold(Scope::builder(), |scope, (name, value)| scope.env(name, value))
                .build()
        };
        each_in(scope, wrapper::BOTH, async |function, _| {
            let explanation = serde_json::to_value(explain(function.name).unwrap()).unwrap();
            assert_eq!(explanation["enabled"], enabled);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn seed_d02_exponential_waits_lead_to_the_third_attempt() {
    each(exponential::BOTH, async |function, scope| {
        let backend = failing(2, || Fault::Connection);
        assert_eq!(function.call(&backend).await.unwrap(), "success");
        assert_eq!((backend.calls(), scope.pauses()), (3, vec![millis(100), millis(200)]));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_d03_the_call_after_the_threshold_is_told_about_the_circuit_breaker() {
    each(guarded::BOTH, async |function, _| {
        let answers = function.calls(3, &broken(|| Fault::Connection)).await;
        assert!(matches!(answers[..2], [Err(Fault::Connection), Err(Fault::Connection)]));
        // "Circuit breaker" there: our messages begin in lower case.
        let text = answers[2].as_ref().unwrap_err().to_string();
        assert!(text.starts_with("circuit breaker '"), "{text}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_d04_any_error_is_retried_when_nothing_is_said() {
    each(wrapper::BOTH, async |function, _| {
        let backend = failing(2, || Fault::Value);
        assert_eq!(function.call(&backend).await.unwrap(), "success");
        assert_eq!(backend.calls(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_d05_two_attempts_make_one_lost_connection_good() {
    each(decorated::BOTH, async |function, _| {
        let backend = failing(1, || Fault::Connection);
        assert_eq!(function.call(&backend).await.unwrap(), "success");
        assert_eq!(backend.calls(), 2);
    })
    .await;
}
