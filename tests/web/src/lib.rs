//! Endpoints, layer and dashboard of `resilient::web`, over real sockets and in a real browser.

use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// An application on a port of its own, until it is dropped.
#[derive(Debug)]
pub struct Served {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// A header as text; empty where it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Served {
    /// Serves `app` on a free port.
    ///
    /// # Panics
    ///
    /// Where there is no port to be had.
    pub async fn new(app: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let serving = tokio::spawn(async move {
            let app = app.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, app).await.expect("it serves for ever");
        });
        Self { address, serving }
    }

    /// Where it is: `http://127.0.0.1:8080`.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The answer to a request on a connection of its own, its body not read yet.
    ///
    /// # Panics
    ///
    /// Where there is none.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response<Incoming> {
        let connection = TcpStream::connect(self.address).await.expect("it listens");
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(connection)).await.expect("it speaks HTTP");
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path).header("host", self.address.to_string());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(Body::empty()).expect("the test's own request");
        sender.send_request(request).await.expect("an answer")
    }

    /// The answer to a request with these headers.
    ///
    /// # Panics
    ///
    /// Where there is none.
    pub async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let (parts, body) = self.send(method, path, headers).await.into_parts();
        let body: Bytes = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8(body.into()).expect("text");
        Answer { status: parts.status, headers: parts.headers, text }
    }

    /// What `GET path` answers.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[]).await
    }

    /// What `POST path` with this token answers.
    pub async fn post(&self, path: &str, token: Option<&str>) -> Answer {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        self.ask(Method::POST, path, &headers).await
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
