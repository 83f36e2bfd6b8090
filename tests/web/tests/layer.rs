//! The layer and the errors, around handlers on real sockets.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use resilient::testing::Scope;
use resilient::web::{StatusLayer, WebError, refusal};
use resilient::{
    BreakerConfig, CircuitBreaker, Deadline, ResilienceError, api_resilient, breaker, database_resilient,
    rate_limit,
};
use resilient_web_tests::{Answer, Served};
use serde_json::json;
use tokio::time::{sleep, timeout};

#[derive(Debug, thiserror::Error)]
enum ShopError {
    #[error("no such order")]
    NoSuchOrder,
    #[error("{0}")]
    Refused(#[from] ResilienceError),
}

impl IntoResponse for ShopError {
    fn into_response(self) -> Response {
        match refusal(&self) {
            Some(response) => response,
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

#[database_resilient(operation_name = "orders", max_attempts = 1, failure_threshold = 1)]
async fn orders(well: bool) -> Result<&'static str, ShopError> {
    if well { Ok("orders") } else { Err(ShopError::NoSuchOrder) }
}

#[api_resilient(operation_name = "slow", timeout = "5s", max_attempts = 1)]
async fn slow() -> io::Result<&'static str> {
    sleep(Duration::from_secs(4)).await;
    Ok("at last")
}

#[rate_limit(rate = 1, per = "30s", burst = 1)]
async fn limited() -> io::Result<&'static str> {
    Ok("one")
}

async fn failing() -> Result<&'static str, WebError> {
    let user: io::Result<&str> = Err(io::Error::other("password hunter2 was refused"));
    Ok(user?)
}

/// What is left of the caller's time.
async fn left() -> String {
    Deadline::current().map_or_else(|| "none".to_owned(), |deadline| deadline.as_millis().to_string())
}

async fn served(layer: impl FnOnce() -> StatusLayer) -> (Scope, Served) {
    let scope = Scope::new();
    let layer = scope.run(async { layer() }).await;
    let app = Router::new()
        .route("/left", get(left))
        .route("/orders", get(async || orders(true).await))
        .route("/no-orders", get(async || orders(false).await))
        .route("/slow", get(async || Ok::<_, WebError>(slow().await?)))
        .route("/limited", get(async || Ok::<_, WebError>(limited().await?)))
        .route("/failing", get(failing))
        .layer(layer);
    (scope, Served::new(app).await)
}

async fn with(served: &Served, path: &str, headers: &[(&str, &str)]) -> Answer {
    served.ask(Method::GET, path, headers).await
}

#[tokio::test]
async fn every_answer_tells_how_the_program_is() {
    let (scope, served) = served(StatusLayer::new).await;
    for (path, status) in [("/left", 200), ("/failing", 500), ("/nowhere", 404)] {
        let well = served.get(path).await;
        assert_eq!((well.status.as_u16(), well.header("x-resilience-status")), (status, "healthy"), "{path}");
    }
    scope.run(async { breaker("orders").unwrap().open() }).await;
    sleep(Duration::from_millis(150)).await;
    assert_eq!(served.get("/left").await.header("x-resilience-status"), "degraded");
}

#[tokio::test]
async fn a_handler_is_run_within_the_time_its_caller_has() {
    let (_scope, served) = served(StatusLayer::new).await;
    assert_eq!(served.get("/left").await.text, "none");
    for (headers, most) in [
        (&[("x-timeout-ms", "5000")][..], 5000),
        (&[("grpc-timeout", "5S")], 5000),
        (&[("x-timeout-ms", "60000"), ("grpc-timeout", "5000m")], 5000),
        (&[("x-timeout-ms", "4000"), ("grpc-timeout", "1H")], 4000),
    ] {
        let left: u64 = with(&served, "/left", headers).await.text.parse().unwrap();
        assert!((most - 2000..=most).contains(&left), "{left} of {most}");
    }
    for header in [("x-timeout-ms", "soon"), ("x-timeout-ms", "-5"), ("grpc-timeout", "100ms")] {
        assert_eq!(with(&served, "/left", &[header]).await.text, "none", "{header:?}");
    }
}

#[tokio::test]
async fn a_guarded_call_ends_with_its_callers_patience() {
    let (_scope, served) = served(StatusLayer::new).await;
    let late = timeout(Duration::from_secs(3), with(&served, "/slow", &[("x-timeout-ms", "200")])).await;
    let late = late.expect("it does not wait for the four seconds of the call");
    assert_eq!((late.status.as_u16(), &late.json()["kind"]), (504, &json!("deadline_exceeded")));
}

#[tokio::test]
async fn what_would_be_too_late_anyway_is_not_begun_and_costs_no_breaker_a_failure() {
    let (scope, served) = served(StatusLayer::new).await;
    for header in
        [("x-timeout-ms", "0"), ("x-timeout-ms", "5"), ("grpc-timeout", "1m"), ("grpc-timeout", "0S")]
    {
        let late = with(&served, "/slow", &[header]).await;
        assert_eq!(
            (late.status.as_u16(), &late.json()["kind"]),
            (504, &json!("deadline_exceeded")),
            "{header:?}"
        );
        assert_eq!(late.header("x-resilience-status"), "healthy");
    }
    let snapshot = scope.run(async { breaker("slow").unwrap().snapshot() }).await;
    assert_eq!((snapshot.total_calls, snapshot.rejected_calls), (0, 0));
}

#[tokio::test]
async fn strangers_set_no_deadline_where_that_is_switched_off() {
    let (_scope, served) = served(|| StatusLayer::new().without_deadlines()).await;
    let answer = with(&served, "/left", &[("x-timeout-ms", "0"), ("grpc-timeout", "1n")]).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "none"));
}

#[tokio::test]
async fn an_open_breaker_answers_503_and_says_when_to_come_back() {
    let (_scope, served) = served(StatusLayer::new).await;
    assert_eq!(served.get("/orders").await.text, "orders");
    assert_eq!(served.get("/no-orders").await.status, 404, "the handler's own error stays its own");
    let refused = served.get("/orders").await;
    assert_eq!((refused.status.as_u16(), refused.header("content-type")), (503, "application/problem+json"));
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    assert!((25..=30).contains(&seconds), "{seconds}");
    assert_eq!(refused.json()["kind"], "circuit_open");
    assert_eq!(refused.json()["retry_after"], seconds);
    assert!(!refused.text.contains("orders"), "{}", refused.text);
}

#[tokio::test]
async fn a_rate_limit_answers_429_and_another_error_500_without_its_text() {
    let (_scope, served) = served(StatusLayer::new).await;
    assert_eq!(served.get("/limited").await.text, "one");
    let refused = served.get("/limited").await;
    assert_eq!(refused.status, 429);
    assert!((20..=30).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    let failed = served.get("/failing").await;
    assert_eq!(failed.status, 500);
    assert!(!failed.text.contains("hunter2"));
}

#[tokio::test]
async fn a_breaker_in_a_handlers_hand_answers_as_those_of_functions_do() {
    let breaker = CircuitBreaker::new("upstream", BreakerConfig::new()).unwrap();
    breaker.force_open();
    let handler = async |State(breaker): State<CircuitBreaker>| -> Result<&str, WebError> {
        Ok(breaker.call_async(async || Ok::<_, ResilienceError>("answer")).await?)
    };
    let app = Router::new().route("/", get(handler)).with_state(breaker.clone()).layer(StatusLayer::new());
    let served = Served::new(app).await;
    let refused = served.get("/").await;
    assert_eq!((refused.status.as_u16(), &refused.json()["kind"]), (503, &json!("isolated")));
    breaker.close();
    assert_eq!(served.get("/").await.text, "answer");
}
