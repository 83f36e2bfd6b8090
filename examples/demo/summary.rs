//! The end: every breaker and every service in a table, and what monitoring reads.

use std::time::Duration;

use console::{Alignment, Style, pad_str};
use resilient::{EventKind, HealthStatus, ResilienceHealth, State, operations, resilience_health};
use serde_json::Value;

use crate::live::span;
use crate::tour::Tour;

/// The keys that monitoring of Pynomaly's `get_resilience_health()` reads.
const KEYS: [&str; 4] = ["overall_health", "open_breakers", "degraded_breakers", "circuit_breakers"];
const BREAKER_KEYS: [&str; 6] =
    ["state", "failure_rate", "total_calls", "successful_calls", "failed_calls", "rejected_calls"];

pub(crate) fn play(tour: &Tour) -> anyhow::Result<()> {
    tour.scene(
        "The state of everything",
        "nothing any more",
        "`resilience_health()`, for a person and as JSON for monitoring",
    );
    let health = resilience_health();
    print(tour, &health);

    let json: Value = serde_json::from_str(&health.to_json())?;
    let breakers = json["circuit_breakers"].as_object();
    let complete = |breaker: &Value| BREAKER_KEYS.iter().all(|key| breaker.get(key).is_some());
    tour.expect(
        "the JSON has the keys that monitoring reads",
        KEYS.iter().all(|key| json.get(key).is_some())
            && breakers.is_some_and(|all| !all.is_empty() && all.values().all(complete)),
    );
    for profile in ["database", "cache", "api", "file", "ml"] {
        let known =
            |is_async| operations().iter().any(|op| op.operation_type == profile && op.is_async == is_async);
        tour.expect(format!("the {profile} profile was shown sync and async"), known(false) && known(true));
    }
    let complaints = tour.all(|event| matches!(event.kind, EventKind::BadConfiguration { .. }).then_some(()));
    tour.expect("nothing was wrong with the configuration", complaints.is_empty());
    tour.expect("everything is healthy in the end", health.overall_health == HealthStatus::Healthy);
    Ok(())
}

fn print(tour: &Tour, health: &ResilienceHealth) {
    let (good, bad) = (Style::new().green(), Style::new().red());
    let breakers = health.circuit_breakers.values().map(|breaker| {
        let colour = if breaker.state == State::Closed { &good } else { &bad };
        let state = colour.apply_to(breaker.state.to_string()).to_string();
        let calls =
            [breaker.successful_calls, breaker.failed_calls, breaker.rejected_calls, breaker.times_opened];
        let rate = format!("{:.0} %", breaker.failure_rate * 100.0);
        let figures = calls.iter().map(u64::to_string).chain([rate]);
        [breaker.name.to_owned(), state].into_iter().chain(figures).collect()
    });
    table(
        tour,
        &["breaker", "state", "ok", "failed", "refused", "opened", "failure rate"],
        &breakers.collect::<Vec<_>>(),
    );

    let services = health.services.values().map(|service| {
        let colour = if service.status == HealthStatus::Healthy { &good } else { &bad };
        let figures = &service.statistics;
        let rate = figures.error_rate.map_or_else(String::new, |rate| format!("{:.0} %", rate * 100.0));
        let p95 =
            figures.p95_response_time.map_or_else(String::new, |p95| span(Duration::from_secs_f64(p95)));
        let status = colour.apply_to(service.status.to_string()).to_string();
        vec![service.name.to_owned(), status, figures.total_count.to_string(), rate, p95]
    });
    table(tour, &["service", "health", "calls seen", "error rate", "p95"], &services.collect::<Vec<_>>());
    let overall = format!("overall {}, {} annotated functions", health.overall_health, health.operations);
    tour.live().raw(format!("   {}\n", Style::new().bold().apply_to(overall)));
}

/// Text to the left, figures (from the third column on) to the right.
fn table(tour: &Tour, head: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| console::measure_text_width(&row[column]));
        cells.fold(head[column].len(), usize::max)
    };
    let line = |cells: &[String]| {
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            let side = if column < 2 { Alignment::Left } else { Alignment::Right };
            pad_str(cell, width(column), side, None).into_owned()
        });
        format!("   {}", padded.collect::<Vec<_>>().join("  "))
    };
    let head: Vec<String> = head.iter().map(|word| (*word).to_owned()).collect();
    tour.live().raw(Style::new().dim().apply_to(line(&head)));
    for row in rows {
        tour.live().raw(line(row));
    }
    tour.live().raw("");
}
