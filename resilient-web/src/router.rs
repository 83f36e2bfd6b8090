//! The routes, and what they share.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use resilient_runtime::__private::Here;

use crate::actions::{self, Gate, InvalidToken, Token};
use crate::checks::Checks;
use crate::scraped::{self, Scraped};
use crate::stream::{self, Places};
use crate::watched::{Heard, Watched};
use crate::{health, operations, page};

/// How long what takes a while to collect is given again: many who ask cost what a few do.
const KEPT: Duration = Duration::from_millis(200);

/// Health, figures and the dashboard, as routes for axum.
///
/// | route | answer |
/// |---|---|
/// | `GET /health` | `{status, resilience, clients}`: the library's own health and every registered check; 503 only while something is unhealthy |
/// | `GET /health/live` | 200: somebody answers |
/// | `GET /health/ready` | 200, or 503 with the reasons, see [`ResilienceRouter::require`] |
/// | `GET /health/resilience` | the library's own health |
/// | `GET /metrics` | counters, durations and gauges for Prometheus, by a recorder of its own; `resilient::metrics` has the table |
/// | `GET /metrics/resilience` | `{circuit_breaker_states, failure_rates, total_calls, overall_health}` |
/// | `GET /resilience/` | the dashboard, one page that needs nothing from elsewhere |
/// | `GET /resilience/checks` | what the health checks found, whatever they found with status 200 |
/// | `GET /resilience/operations` | every operation with state, counts, rates, latencies |
/// | `GET /resilience/breakers` | every breaker; of those kept by key how many, and never which |
/// | `GET /resilience/config` | what is in force for each operation and where it comes from; `?operation=NAME` |
/// | `GET /resilience/events` | what happened last, newest last; `?since=ID`. As server-sent events where those are accepted, and at `/resilience/events/stream` |
/// | `POST /resilience/breakers/{name}/{action}` | `reset`, `force-open`, `force-close`, `disable`, `auto`: with a token only, see [`ResilienceRouter::token`] |
///
/// Figures begin when the routes are made, and are those of the scope or process they are made in. Make them once and clone
/// the `Router`.
///
/// The trap: while they are there, every call tells that it ended, which costs it some hundred nanoseconds. And whoever reaches
/// these routes reads names of functions and breakers, files and lines, and the checks' messages: what faces the internet
/// merges the health routes only ([`dashboard(false)`](ResilienceRouter::dashboard)), the rest is for an inner port.
///
/// ```
/// # use resilient_web as resilient;
/// use axum::{Router, routing::get};
/// use resilient::resilience_router;
///
/// let app: Router = Router::new().route("/", get(async || "hello")).merge(resilience_router());
/// ```
pub fn resilience_router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    ResilienceRouter::builder().build()
}

/// What [`resilience_router`] is made with, where its defaults do not suit.
///
/// ```
/// # use resilient_web as resilient;
/// use axum::Router;
/// use resilient::ResilienceRouter;
///
/// let inner: Router = ResilienceRouter::builder().token("from-the-vault-2f1c")?.require("database").build();
/// let public: Router = ResilienceRouter::builder().dashboard(false).build();
/// # Ok::<(), resilient_web::InvalidToken>(())
/// ```
#[must_use = "nothing is made until `build`"]
pub struct ResilienceRouter {
    token: Option<Token>,
    events: usize,
    streams: usize,
    health: bool,
    metrics: bool,
    dashboard: bool,
    required: Vec<String>,
    ready_when: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl fmt::Debug for ResilienceRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResilienceRouter")
            .field("events", &self.events)
            .field("streams", &self.streams)
            .field("health", &self.health)
            .field("metrics", &self.metrics)
            .field("dashboard", &self.dashboard)
            .field("required", &self.required)
            .finish_non_exhaustive()
    }
}

impl ResilienceRouter {
    /// With every route, the last 512 events, and the token that `PREFIX_RESILIENCE_TOKEN` says.
    pub fn builder() -> Self {
        Self {
            token: None,
            events: 512,
            streams: 32,
            health: true,
            metrics: true,
            dashboard: true,
            required: Vec::new(),
            ready_when: Arc::new(|| true),
        }
    }

    /// Lets breakers be reset, forced open, closed and disabled by whoever sends `Authorization: Bearer TOKEN`. Instead of
    /// `PREFIX_RESILIENCE_TOKEN`, which is read at each action, so that a [`reload`](resilient_runtime::reload()) changes it.
    ///
    /// Without a token there is no such action: every request for one is answered 403. Without the right one it is 401.
    /// After 10 wrong ones in a minute an address is answered 429 for the rest of it, whatever it sends.
    ///
    /// The trap: addresses are known where the router is served with `into_make_service_with_connect_info::<SocketAddr>()`;
    /// else all callers count as one, and a stranger's wrong tokens keep you out for that minute.
    ///
    /// # Errors
    ///
    /// [`InvalidToken`], unless it has 16 to 256 visible ASCII characters.
    pub fn token(mut self, token: impl AsRef<str>) -> Result<Self, InvalidToken> {
        self.token = Some(Token::new(token.as_ref())?);
        Ok(self)
    }

    /// How many events are remembered, instead of 512; changes of state have as much room of their own.
    ///
    /// Of one operation and kind one event a second is remembered, and says for how many it stands.
    pub fn events(mut self, most: usize) -> Self {
        self.events = most;
        self
    }

    /// How many may read the stream of events at a time, instead of 32. Others are answered 503, and the page asks every
    /// two seconds instead.
    pub fn streams(mut self, most: usize) -> Self {
        self.streams = most;
        self
    }

    /// Whether there are `/health`, what is below it, and `/metrics/resilience`.
    pub fn health(mut self, wanted: bool) -> Self {
        self.health = wanted;
        self
    }

    /// Whether there is `/metrics`, and whatever it shows is counted.
    pub fn metrics(mut self, wanted: bool) -> Self {
        self.metrics = wanted;
        self
    }

    /// Whether there is `/resilience/` and what is below it.
    pub fn dashboard(mut self, wanted: bool) -> Self {
        self.dashboard = wanted;
        self
    }

    /// The program is not ready while the health check of this name is unhealthy, or not there.
    ///
    /// The trap: what all copies of a program share makes all of them unready at once, and a slow answer becomes none. Require
    /// only that without which no request can be answered at all.
    pub fn require(mut self, check: impl Into<String>) -> Self {
        self.required.push(check.into());
        self
    }

    /// The program is ready only while this says so: not before a cache is warm, not after it began to stop.
    pub fn ready_when(mut self, ready: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.ready_when = Arc::new(ready);
        self
    }

    /// The routes, listening from now on.
    pub fn build<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        let watched = Watched::begin(self.events);
        let gate = Gate::new(self.token);
        if let Err(invalid) = gate.token() {
            tracing::error!(target: "resilient", "RESILIENCE_TOKEN is not used: {invalid}");
        }
        let checks = Checks::new(watched.heard().here.clone());
        let shared = Shared(Arc::new(Inner {
            watched,
            gate,
            checks,
            scraped: self.metrics.then(Scraped::begin),
            places: Places::new(self.streams),
            kept: Kept::default(),
            kept_config: Kept::default(),
            required: self.required,
            ready_when: self.ready_when,
        }));
        let mut router = Router::new();
        if self.health {
            router = router
                .route("/health", get(health::health))
                .route("/health/live", get(health::live))
                .route("/health/ready", get(health::ready))
                .route("/health/resilience", get(health::resilience))
                .route("/metrics/resilience", get(health::metrics));
        }
        if self.metrics {
            router = router.route("/metrics", get(scraped::scrape));
        }
        if self.dashboard {
            router = router
                .route("/resilience", get(page::folder))
                .route("/resilience/", get(page::page))
                .route("/resilience/checks", get(health::checks))
                .route("/resilience/operations", get(operations::all))
                .route("/resilience/breakers", get(operations::breakers))
                .route("/resilience/breakers/{name}/{action}", post(actions::act))
                .route("/resilience/config", get(operations::config))
                .route("/resilience/events", get(stream::events))
                .route("/resilience/events/stream", get(stream::stream));
        }
        router.with_state(shared)
    }
}

/// What all routes share.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Inner>);

pub(crate) struct Inner {
    watched: Watched,
    pub(crate) gate: Gate,
    pub(crate) checks: Checks,
    pub(crate) scraped: Option<Scraped>,
    pub(crate) places: Places,
    pub(crate) kept: Kept,
    pub(crate) kept_config: Kept,
    pub(crate) required: Vec<String>,
    pub(crate) ready_when: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl std::ops::Deref for Shared {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Inner {
    pub(crate) fn heard(&self) -> &Arc<Heard> {
        self.watched.heard()
    }
}

/// An answer that is given again for a while.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Option<(Duration, Bytes)>>);

impl Kept {
    pub(crate) fn get_or(&self, here: &Here, make: impl FnOnce() -> Bytes) -> Bytes {
        let now = here.now();
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, body)) = kept
            && now.saturating_sub(at) < KEPT
        {
            return body;
        }
        let body = make();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, body.clone()));
        body
    }
}
