//! Figures for Prometheus, by a recorder of the routes' own: the program's is the program's.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use resilient_runtime::metrics::{DURATION_BUCKETS, Metrics, install_with};
use resilient_runtime::{EventKind, Subscription, subscribe};
use tokio::runtime::Handle;

use crate::answer::typed;
use crate::router::Shared;

/// The exporter keeps every duration until it is asked or looks through them; it does so after so many calls.
const UPKEEP: u32 = 4096;

/// What is counted, and what shows it.
pub(crate) struct Scraped {
    metrics: Metrics,
    handle: PrometheusHandle,
    _upkeep: Subscription,
}

impl Scraped {
    /// Counts from now on.
    pub(crate) fn begin() -> Self {
        let suffix = || Matcher::Suffix("_duration_seconds".to_owned());
        let with_buckets =
            |builder: PrometheusBuilder| builder.set_buckets_for_metric(suffix(), &DURATION_BUCKETS);
        // Refused only where there are no buckets; without them durations are summaries.
        let builder = with_buckets(PrometheusBuilder::new()).unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let (kept, calls) = (Arc::new(handle.clone()), AtomicU32::new(0));
        let upkeep = subscribe(move |event| {
            if matches!(event.kind, EventKind::Finished { .. })
                && calls.fetch_add(1, Ordering::Relaxed) % UPKEEP == UPKEEP - 1
            {
                let kept = Arc::clone(&kept);
                match Handle::try_current() {
                    Ok(tokio) => drop(tokio.spawn_blocking(move || kept.run_upkeep())),
                    Err(_) => kept.run_upkeep(),
                }
            }
        });
        Self { metrics: install_with(recorder), handle, _upkeep: upkeep }
    }
}

impl fmt::Debug for Scraped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scraped").finish_non_exhaustive()
    }
}

/// `GET /metrics`.
pub(crate) async fn scrape(State(shared): State<Shared>) -> Response {
    let body = shared.scraped.as_ref().map(|scraped| {
        scraped.metrics.update_gauges();
        scraped.handle.render()
    });
    typed(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", body.unwrap_or_default().into())
}
