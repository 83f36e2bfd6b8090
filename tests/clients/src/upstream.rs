//! An HTTP server that answers what it is told to, and remembers what it was asked.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::process::free_port;

/// One answer.
#[derive(Clone, Debug)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    after: Duration,
    /// How much of the body comes before the connection is closed.
    cut: Option<usize>,
    /// The connection is closed in place of an answer.
    closed: bool,
    /// In chunks, so that its length is known at its end.
    unannounced: bool,
}

impl Reply {
    /// An answer without a body.
    pub fn status(status: u16) -> Self {
        Self {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            after: Duration::ZERO,
            cut: None,
            closed: false,
            unannounced: false,
        }
    }

    /// 200, with that body.
    pub fn body(body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..Self::status(200) }
    }

    /// No answer at all: the connection is closed once the request is there.
    pub fn closed() -> Self {
        Self { closed: true, ..Self::status(500) }
    }

    /// No answer for as long as anybody waits.
    pub fn hang() -> Self {
        Self::status(500).after(Duration::from_secs(3_600))
    }

    /// A body as well.
    #[must_use]
    pub fn with_body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// A header as well.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header"));
        self
    }

    /// Later.
    #[must_use]
    pub fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    /// Without saying how long it will be.
    #[must_use]
    pub fn unannounced(self) -> Self {
        Self { unannounced: true, ..self }
    }

    /// Announced whole, and closed after so many bytes of its body.
    #[must_use]
    pub fn cut(self, bytes: usize) -> Self {
        Self { cut: Some(bytes), ..self }
    }
}

/// One request that arrived, its body read to the end.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Asked {
    /// A header, where it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// An HTTP server on a loopback port and a thread of its own. It ends when this is dropped.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    desk: Arc<Desk>,
    orders: mpsc::UnboundedSender<Order>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Desk {
    script: Mutex<Script>,
    asked: Mutex<Vec<Asked>>,
}

#[derive(Debug)]
struct Script {
    next: VecDeque<Reply>,
    otherwise: Reply,
}

type Done = std::sync::mpsc::SyncSender<()>;

enum Order {
    Stop(Done),
    Start(Done),
}

impl Upstream {
    /// A server that answers 200 and `ok`.
    pub fn start() -> Self {
        let upstream = Self::absent();
        upstream.restart();
        upstream
    }

    /// A server that is not there yet: its port refuses connections.
    pub fn absent() -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let script = Script { next: VecDeque::new(), otherwise: Reply::body("ok") };
        let desk = Arc::new(Desk { script: Mutex::new(script), asked: Mutex::default() });
        let (orders, told) = mpsc::unbounded_channel();
        let own = Arc::clone(&desk);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(run(address, own, told));
        });
        Self { address, desk, orders, thread: Some(thread) }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of `path`, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The answer from now on, once the [`script`](Self::script) is at its end.
    pub fn answers(&self, reply: Reply) {
        self.script_now().otherwise = reply;
    }

    /// The next answers.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.script_now().next = replies.into_iter().collect();
    }

    fn script_now(&self) -> MutexGuard<'_, Script> {
        self.desk.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was asked since the last time.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.desk.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Closes its port and every connection on the spot.
    pub fn stop(&self) {
        self.order(Order::Stop);
    }

    /// Is there again, on the same port.
    pub fn restart(&self) {
        self.order(Order::Start);
    }

    fn order(&self, order: impl FnOnce(Done) -> Order) {
        let (done, is_done) = std::sync::mpsc::sync_channel(1);
        self.orders.send(order(done)).expect("the server runs");
        is_done.recv().expect("the server runs");
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let (nobody, _) = mpsc::unbounded_channel();
        drop(std::mem::replace(&mut self.orders, nobody));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn run(address: SocketAddr, desk: Arc<Desk>, mut orders: mpsc::UnboundedReceiver<Order>) {
    let mut listener: Option<TcpListener> = None;
    // Dropped together with this task, and the connections with it.
    let mut connections = JoinSet::new();
    loop {
        let accept = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            order = orders.recv() => match order {
                None => return,
                Some(Order::Stop(done)) => {
                    listener = None;
                    connections.shutdown().await;
                    let _ = done.send(());
                }
                Some(Order::Start(done)) => {
                    if listener.is_none() {
                        listener = Some(listen(address).expect("the port is free"));
                    }
                    let _ = done.send(());
                }
            },
            accepted = accept => {
                let Ok((stream, _)) = accepted else { continue };
                let desk = Arc::clone(&desk);
                let answer = service_fn(move |request| {
                    let desk = Arc::clone(&desk);
                    async move { desk.answer(request).await }
                });
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(64)
}

/// The connection is to be closed.
#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed on purpose")
    }
}

impl std::error::Error for Closed {}

impl Desk {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Sent>, Closed> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
        let path = head.uri.to_string();
        let asked = Asked { method: head.method, path, headers: head.headers, body };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        let reply = {
            let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
            script.next.pop_front().unwrap_or_else(|| script.otherwise.clone())
        };
        if !reply.after.is_zero() {
            tokio::time::sleep(reply.after).await;
        }
        if reply.closed {
            return Err(Closed);
        }
        let announced = reply.body.len();
        let sent = Sent { rest: Some(reply.body), cut: reply.cut };
        let mut response = Response::new(sent);
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        if !reply.unannounced {
            response.headers_mut().insert(hyper::header::CONTENT_LENGTH, announced.into());
        }
        Ok(response)
    }
}

/// A body, and where it breaks off.
#[derive(Debug)]
struct Sent {
    rest: Option<Bytes>,
    cut: Option<usize>,
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        let Some(mut rest) = self.rest.take().filter(|rest| !rest.is_empty()) else {
            return Poll::Ready(self.cut.map(|_| Err(Closed)));
        };
        if let Some(cut) = self.cut {
            rest.truncate(cut);
        }
        Poll::Ready(Some(Ok(Frame::data(rest))))
    }
}
