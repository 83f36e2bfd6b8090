//! A layer around handlers: how the program is, and how long the caller waits.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Request};
use axum::response::{IntoResponse, Response};
use resilient_runtime::__private::Here;
use resilient_runtime::{Deadline, HealthStatus, resilience_health};
use tower_layer::Layer;
use tower_service::Service;

use crate::error::too_late;

const STATUS: HeaderName = HeaderName::from_static("x-resilience-status");
const MILLISECONDS: &str = "x-timeout-ms";
const GRPC: &str = "grpc-timeout";

/// How long a status is told before it is looked at again.
const FRESH: Duration = Duration::from_millis(100);

/// A tower layer for every route: answers say in `X-Resilience-Status` how the program is, and a request that says how
/// long its caller waits, in `x-timeout-ms` or `grpc-timeout`, is handled within that [`Deadline`].
///
/// Every guarded call in the handler keeps to the deadline, and `Deadline::current()` is what is left to hand on. Of two
/// headers the nearer counts, a value that cannot be read is none. A request whose deadline is nearer than
/// 20 ms ([`shortest`](Self::shortest)) is answered 504 and handled not at all: its caller is gone before
/// the answer. The status is that of at most 100 ms ago.
///
/// The trap: an attempt that is cut off counts as failed, also where the caller gave it too little time, so whoever may
/// set these headers can open breakers. Take them from your own services; at the edge of your network use
/// [`without_deadlines`](Self::without_deadlines).
///
/// A layer made inside a test's scope runs its handlers in that scope.
///
/// ```
/// # use resilient_web as web;
/// use axum::{Router, routing::get};
/// use web::StatusLayer;
///
/// let app: Router = Router::new().route("/", get(async || "hello")).layer(StatusLayer::new());
/// ```
#[derive(Clone, Debug)]
pub struct StatusLayer {
    shared: Arc<Shared>,
    shortest: Option<Duration>,
}

#[derive(Debug)]
struct Shared {
    here: Here,
    /// When it was looked at, and what was seen.
    status: Mutex<Option<(Duration, HealthStatus)>>,
}

impl Default for StatusLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl StatusLayer {
    /// With the status and with deadlines.
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared { here: Here::current(), status: Mutex::new(None) }),
            shortest: Some(Duration::from_millis(20)),
        }
    }

    /// No header of a request sets a deadline: for what strangers can reach.
    #[must_use]
    pub fn without_deadlines(mut self) -> Self {
        self.shortest = None;
        self
    }

    /// The nearest deadline that a request is handled for, instead of 20 ms.
    #[must_use]
    pub fn shortest(mut self, span: Duration) -> Self {
        self.shortest = Some(span);
        self
    }
}

impl<S> Layer<S> for StatusLayer {
    type Service = WithStatus<S>;

    fn layer(&self, inner: S) -> WithStatus<S> {
        WithStatus { inner, layer: self.clone() }
    }
}

/// What [`StatusLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct WithStatus<S> {
    inner: S,
    layer: StatusLayer,
}

impl<S, B> Service<Request<B>> for WithStatus<S>
where
    S: Service<Request<B>>,
    S::Response: IntoResponse,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let StatusLayer { shared, shortest } = self.layer.clone();
        let deadline = shortest.and_then(|_| shared.here.within(|| deadline_of(request.headers())));
        let is_late = deadline.as_ref().zip(shortest).is_some_and(|(it, least)| it.remaining() < least);
        // What handles it begins to in the layer's scope, too.
        let handled = (!is_late).then(|| shared.here.within(|| self.inner.call(request)));
        Box::pin(async move {
            let here = shared.here.clone();
            let mut response = match (handled, deadline) {
                (None, _) => too_late(),
                (Some(handled), None) => here.run(handled).await?.into_response(),
                (Some(handled), Some(deadline)) => {
                    here.run(async { deadline.attach_to(handled).await }).await?.into_response()
                }
            };
            response.headers_mut().insert(STATUS, HeaderValue::from_static(shared.status()));
            Ok(response)
        })
    }
}

impl Shared {
    fn status(&self) -> &'static str {
        let now = self.here.lately();
        let last = *self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, status)) = last
            && now.saturating_sub(at) < FRESH
        {
            return status.as_str();
        }
        // Without the lock: a look may resolve what is written in the program's own code.
        let status = self.here.within(|| resilience_health().overall_health);
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, status));
        status.as_str()
    }
}

/// The nearest deadline that the headers set.
fn deadline_of(headers: &HeaderMap) -> Option<Deadline> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let millis = text(MILLISECONDS).and_then(|value| value.trim().parse().ok()).map(Deadline::from_millis);
    let grpc = text(GRPC).and_then(|value| Deadline::from_grpc_timeout(value).ok());
    millis.into_iter().chain(grpc).min_by_key(Deadline::remaining)
}
