//! What there is, how it is configured, and how it does.

use std::collections::{BTreeMap, HashMap};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use resilient_runtime::{
    Explanation, HealthStatus, KeyedBreakers, Operation, ResilienceHealth, explain, operations,
    resilience_health,
};
use serde::Serialize;
use serde_json::json;

use crate::answer::{self, Trouble};
use crate::figures::{Figures, History, Minute, Totals};
use crate::router::Shared;
use crate::watched::{Heard, Named};

/// One operation, as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    /// `annotated`, `configured` in code, or only `seen`.
    made: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_async: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    breaker: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State_>,
    totals: Totals,
    minute: Minute,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<History>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Last>,
}

/// Of its breaker.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum State_ {
    Of {
        state: &'static str,
        retry_after: Option<f64>,
        because: Option<String>,
        critical: bool,
        failing: bool,
    },
    /// Kept by key: how many, and never which.
    Keyed(KeyedBreakers),
}

#[derive(Debug, Serialize)]
struct Last {
    at: f64,
    text: String,
}

#[derive(Debug, Serialize)]
struct All {
    overall_health: HealthStatus,
    /// Seconds since 1970.
    now: f64,
    /// When the counting began.
    since: f64,
    actions: bool,
    operations: Vec<Shown>,
}

/// `GET /resilience/operations`.
pub(crate) async fn all(State(shared): State<Shared>) -> Response {
    let body = shared.kept.get_or(&shared.heard().here, || {
        let all = shared.heard().here.within(|| look(&shared));
        serde_json::to_vec(&all).unwrap_or_default().into()
    });
    answer::typed(StatusCode::OK, "application/json", body.to_vec())
}

fn look(shared: &Shared) -> All {
    let heard = shared.heard();
    let health = resilience_health();
    let mut seen: HashMap<_, _> = heard.names().into_iter().collect();
    let mut rows = BTreeMap::new();
    for operation in by_rank() {
        let made = if operation.is_annotated { "annotated" } else { "configured" };
        let named = seen.remove(operation.name);
        rows.entry(operation.name).or_insert_with(|| {
            let breaker = operation.breaker;
            let row = shown(heard, operation.name.to_owned(), made, named.as_deref());
            Shown {
                operation_type: Some(operation.operation_type),
                function: Some(operation.function),
                location: Some(operation.location),
                attributes: Some(operation.attributes),
                is_async: operation.is_annotated.then_some(operation.is_async),
                breaker,
                state: breaker.and_then(|name| state_of(&health, name)),
                ..row
            }
        });
    }
    let mut operations: Vec<_> = rows.into_values().collect();
    let mut others: Vec<_> = seen.into_iter().filter(|(_, named)| named.lock().figures.is_some()).collect();
    others.sort_unstable_by_key(|(name, _)| *name);
    operations.extend(others.into_iter().map(|(name, named)| {
        let row = shown(heard, name.to_owned(), "seen", Some(&named));
        // One put together from policies may have its breaker under its own name, and nobody knows.
        Shown { state: state_of(&health, name), ..row }
    }));
    if heard.others().lock().figures.is_some() {
        operations.push(shown(heard, "(others)".to_owned(), "seen", Some(heard.others())));
    }
    All {
        overall_health: health.overall_health,
        now: heard.here.unix_time(),
        since: heard.began_at,
        actions: shared.gate.is_open(),
        operations,
    }
}

/// Annotated functions first, whose name may be that of what was made in code.
fn by_rank() -> Vec<Operation> {
    let mut all = operations();
    all.sort_by_key(|operation| !operation.is_annotated);
    all
}

fn shown(heard: &Heard, name: String, made: &'static str, named: Option<&Named>) -> Shown {
    let now = heard.here.lately();
    let of = named.map(Named::lock);
    let nothing = Figures::default();
    let figures = of.as_ref().and_then(|of| of.figures.as_deref()).unwrap_or(&nothing);
    let last = of.as_ref().and_then(|of| Some(Last { at: of.last_at, text: of.last.clone()? }));
    Shown {
        name,
        made,
        operation_type: None,
        function: None,
        location: None,
        attributes: None,
        is_async: None,
        breaker: None,
        state: None,
        totals: figures.totals,
        minute: figures.minute(now, heard.began),
        history: figures.history(now),
        last,
    }
}

fn state_of(health: &ResilienceHealth, breaker: &str) -> Option<State_> {
    if let Some(it) = health.circuit_breakers.get(breaker) {
        return Some(State_::Of {
            state: it.state.as_str(),
            retry_after: it.retry_after,
            because: it.opened_because.map(|reason| reason.to_string()),
            critical: it.critical,
            failing: it.failing,
        });
    }
    health.keyed_circuit_breakers.get(breaker).copied().map(State_::Keyed)
}

/// `GET /resilience/breakers`.
pub(crate) async fn breakers(State(shared): State<Shared>) -> Response {
    let health = shared.heard().here.within(resilience_health);
    let actions = shared.heard().here.within(|| shared.gate.is_open());
    let ResilienceHealth { overall_health, circuit_breakers, keyed_circuit_breakers, .. } = health;
    let body = json!({
        "overall_health": overall_health,
        "actions": actions,
        "breakers": circuit_breakers,
        "keyed": keyed_circuit_breakers,
    });
    answer::json(StatusCode::OK, &body)
}

/// `GET /resilience/config`, of all operations or of the one that `?operation=` names.
pub(crate) async fn config(State(shared): State<Shared>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let wanted = pairs.filter(|(name, _)| *name == "operation").map(|(_, name)| name).next();
    // Names have no letter that a query would have to escape but one.
    let wanted = wanted.map(|name| name.replace("%3A", ":").replace("%3a", ":"));
    let here = &shared.heard().here;
    let Some(wanted) = wanted else {
        let body = shared.kept_config.get_or(here, || {
            let all: Vec<_> = here.within(|| explanations(None)).into_values().collect();
            serde_json::to_vec(&json!({ "operations": all })).unwrap_or_default().into()
        });
        return answer::typed(StatusCode::OK, "application/json", body.to_vec());
    };
    if let Some((_, explanation)) = here.within(|| explanations(Some(&wanted))).pop_first() {
        return answer::json(StatusCode::OK, &explanation);
    }
    let title = "Nothing is known of the configuration of this operation";
    Trouble::new(StatusCode::NOT_FOUND, "unknown_operation", title).into_response()
}

fn explanations(wanted: Option<&str>) -> BTreeMap<&'static str, Explanation> {
    let is_wanted = |operation: &Operation| wanted.is_none_or(|name| name == operation.name);
    let mut explained = BTreeMap::new();
    for operation in operations().into_iter().filter(is_wanted) {
        if let Ok(explanation) = explain(operation.name) {
            explained.entry(operation.name).or_insert(explanation);
        }
    }
    explained
}
