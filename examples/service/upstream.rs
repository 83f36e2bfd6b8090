//! The service that knows the prices: somebody else's, and so at times broken. It listens on a port of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;

const FAULTS: [&str; 5] = ["none", "down", "slow", "cut", "flaky"];

/// A handle on it; copies are the same one.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) url: Arc<str>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Which of [`FAULTS`].
    fault: AtomicU8,
    requests: AtomicU64,
}

impl Upstream {
    pub(crate) async fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?).into();
        let prices = Router::new().route("/prices/{item}", get(price)).with_state(Arc::clone(&shared));
        tokio::spawn(axum::serve(listener, prices).into_future());
        Ok(Self { url, shared })
    }

    /// How many requests came, answered or not.
    pub(crate) fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn fault(&self) -> &'static str {
        FAULTS[usize::from(self.shared.fault.load(Ordering::Relaxed))]
    }
}

async fn price(State(shared): State<Arc<Shared>>, Path(item): Path<u64>) -> Response {
    shared.requests.fetch_add(1, Ordering::Relaxed);
    let cents = (100 + item * 25).to_string();
    match FAULTS[usize::from(shared.fault.load(Ordering::Relaxed))] {
        "down" => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        "slow" => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            cents.into_response()
        }
        // Promises more than it sends.
        "cut" => ([("content-length", "1000")], Body::new(cents)).into_response(),
        "flaky" if fastrand::bool() => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ => cents.into_response(),
    }
}

/// `POST /fault/{name}` breaks it, or mends it.
pub(crate) fn switch(upstream: Upstream) -> Router {
    let switch = async |State(upstream): State<Upstream>, Path(wanted): Path<String>| {
        let Some(fault) = FAULTS.iter().position(|fault| *fault == wanted) else {
            return (StatusCode::NOT_FOUND, format!("no such fault; there are {}\n", FAULTS.join(", ")));
        };
        upstream.shared.fault.store(u8::try_from(fault).unwrap_or_default(), Ordering::Relaxed);
        (StatusCode::OK, format!("the upstream's fault is: {wanted}\n"))
    };
    Router::new().route("/fault/{name}", post(switch)).with_state(upstream)
}
