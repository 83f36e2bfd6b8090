//! An HTTP server that answers what it was told to.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::RETRY_AFTER;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::live::Live;

/// Longer than any time limit of the tour.
const HANGS: Duration = Duration::from_secs(4);

/// One answer of the server.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// A status, without a body.
    Status(u16),
    /// 503, and in how many seconds to come back.
    RetryAfter(u32),
    /// None, until [`Http::let_go`] or for 4 s.
    Hang,
}

pub(crate) struct Http {
    address: SocketAddr,
    desk: Arc<Desk>,
    running: Option<JoinHandle<()>>,
    /// Keeps the port while the server is away: bound, not listening.
    parked: Option<TcpSocket>,
}

/// What the server's connections share.
struct Desk {
    scripts: Mutex<HashMap<&'static str, VecDeque<Answer>>>,
    let_go: Notify,
    live: Arc<Live>,
}

impl Http {
    pub(crate) async fn start(live: &Arc<Live>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let desk = Desk { scripts: Mutex::default(), let_go: Notify::new(), live: Arc::clone(live) };
        let mut server =
            Self { address: listener.local_addr()?, desk: Arc::new(desk), running: None, parked: None };
        server.serve(listener);
        Ok(server)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next answers to `path`; when they are used up it is 200 with the path as its body.
    pub(crate) fn will_answer(&self, path: &'static str, answers: impl IntoIterator<Item = Answer>) {
        let mut scripts = self.desk.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        scripts.insert(path, answers.into_iter().collect());
    }

    /// Ends the answers that hang.
    pub(crate) fn let_go(&self) {
        self.desk.let_go.notify_waiters();
    }

    /// Closes the port and every connection: who calls now is refused by the system.
    pub(crate) async fn stop(&mut self) -> io::Result<()> {
        if let Some(running) = self.running.take() {
            running.abort();
            let _ = running.await;
        }
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(cfg!(unix))?;
        socket.bind(self.address)?;
        self.parked = Some(socket);
        self.desk.live.world("server", "stops; its port refuses connections");
        Ok(())
    }

    /// Comes back on the same port.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        if let Some(socket) = self.parked.take() {
            self.serve(socket.listen(64)?);
            self.desk.live.world("server", "is back on the same port");
        }
        Ok(())
    }

    fn serve(&mut self, listener: TcpListener) {
        let desk = Arc::clone(&self.desk);
        self.running = Some(tokio::spawn(async move {
            // Dropped together with this task, and the connections with it.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let desk = Arc::clone(&desk);
                let answer = service_fn(move |request| {
                    let desk = Arc::clone(&desk);
                    async move { Ok::<_, Infallible>(desk.answer(&request).await) }
                });
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        }));
    }
}

impl Desk {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        let next = self.next(path);
        let mut response = Response::new(Full::default());
        match next {
            None => *response.body_mut() = Full::from(path.trim_start_matches('/').to_owned()),
            Some(Answer::Status(code)) => {
                *response.status_mut() = StatusCode::from_u16(code).unwrap_or_default();
                self.live.world("server", format!("{path}: {}", response.status()));
            }
            Some(Answer::RetryAfter(seconds)) => {
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                response.headers_mut().insert(RETRY_AFTER, seconds.into());
                self.live.world("server", format!("{path}: {}, Retry-After: {seconds}", response.status()));
            }
            Some(Answer::Hang) => {
                self.live.world("server", format!("{path}: accepted, and no answer"));
                self.live.spin("no answer yet");
                let _ = timeout(HANGS, self.let_go.notified()).await;
            }
        }
        response
    }

    fn next(&self, path: &str) -> Option<Answer> {
        let mut scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        scripts.get_mut(path)?.pop_front()
    }
}
