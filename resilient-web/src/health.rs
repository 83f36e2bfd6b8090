//! How the program is, for load balancers, orchestrators and monitoring.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use resilient_runtime::{CheckReport, HealthStatus, ResilienceHealth, resilience_health};
use serde::Serialize;
use serde_json::json;

use crate::answer::json as answer;
use crate::router::Shared;

#[derive(Serialize)]
struct Health<'a> {
    status: HealthStatus,
    resilience: ResilienceHealth,
    clients: &'a BTreeMap<String, CheckReport>,
}

/// `GET /health`: 503 only while something is unhealthy.
pub(crate) async fn health(State(shared): State<Shared>) -> Response {
    let clients = shared.checks.reports().await;
    let resilience = shared.heard().here.within(resilience_health);
    let all = clients.values().map(|report| report.status).chain([resilience.overall_health]);
    let status = worst(all);
    answer(code(status), &Health { status, resilience, clients: &clients })
}

/// `unknown` says nothing about the whole.
fn worst(all: impl Iterator<Item = HealthStatus>) -> HealthStatus {
    let known = all.filter(|status| *status != HealthStatus::Unknown);
    known.max_by_key(|status| status.as_gauge()).unwrap_or(HealthStatus::Healthy)
}

fn code(status: HealthStatus) -> StatusCode {
    if status == HealthStatus::Unhealthy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

/// `GET /health/live`: that somebody answers is the answer. What the program depends on has no part in it: to start
/// again mends no database.
pub(crate) async fn live() -> Response {
    answer(StatusCode::OK, &json!({ "status": "alive" }))
}

/// `GET /health/ready`: whether requests should come here.
pub(crate) async fn ready(State(shared): State<Shared>) -> Response {
    let mut because = Vec::new();
    if !(shared.ready_when)() {
        because.push("the program says that it is not".to_owned());
    }
    let overall = shared.heard().here.within(resilience_health).overall_health;
    if overall == HealthStatus::Unhealthy {
        because.push("a critical circuit breaker is open".to_owned());
    }
    if !shared.required.is_empty() {
        let clients = shared.checks.reports().await;
        let away = shared.required.iter().filter_map(|name| match clients.get(name) {
            Some(report) if report.status == HealthStatus::Unhealthy => Some(format!("{name} is unhealthy")),
            Some(_) => None,
            None => Some(format!("{name} has no health check")),
        });
        because.extend(away);
    }
    if because.is_empty() {
        answer(StatusCode::OK, &json!({ "status": "ready" }))
    } else {
        answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "not_ready", "because": because }))
    }
}

/// `GET /resilience/checks`.
pub(crate) async fn checks(State(shared): State<Shared>) -> Response {
    answer(StatusCode::OK, &*shared.checks.reports().await)
}

/// `GET /health/resilience`.
pub(crate) async fn resilience(State(shared): State<Shared>) -> Response {
    let health = shared.heard().here.within(resilience_health);
    answer(code(health.overall_health), &health)
}

#[derive(Serialize)]
struct Metrics<'a> {
    circuit_breaker_states: BTreeMap<&'a str, &'a str>,
    failure_rates: BTreeMap<&'a str, f64>,
    total_calls: BTreeMap<&'a str, u64>,
    overall_health: HealthStatus,
}

/// `GET /metrics/resilience`.
pub(crate) async fn metrics(State(shared): State<Shared>) -> Response {
    let health = shared.heard().here.within(resilience_health);
    let breakers = || health.circuit_breakers.iter();
    let metrics = Metrics {
        circuit_breaker_states: breakers().map(|(name, it)| (*name, it.state.as_str())).collect(),
        failure_rates: breakers().map(|(name, it)| (*name, it.failure_rate)).collect(),
        total_calls: breakers().map(|(name, it)| (*name, it.total_calls)).collect(),
        overall_health: health.overall_health,
    };
    answer(StatusCode::OK, &metrics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_is_as_its_worst_part_that_is_known() {
        use HealthStatus::{Degraded, Healthy, Unhealthy, Unknown};
        for (all, whole, status) in [
            (&[][..], Healthy, 200),
            (&[Unknown], Healthy, 200),
            (&[Healthy, Unknown], Healthy, 200),
            (&[Healthy, Degraded, Unknown], Degraded, 200),
            (&[Unhealthy, Degraded, Unknown], Unhealthy, 503),
        ] {
            assert_eq!(worst(all.iter().copied()), whole);
            assert_eq!(code(whole), status);
        }
    }
}
