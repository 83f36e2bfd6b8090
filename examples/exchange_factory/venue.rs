//! An exchange that runs on this machine: accounts and symbols over HTTP, prices over a WebSocket, and a fault of its own.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{interval, sleep};
use tokio_tungstenite::tungstenite::Message;

/// What is wrong with an exchange.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// The account takes this long to come.
    Slow(Duration),
    /// So many requests for the account are answered with 503.
    FailsFirst(u32),
    /// Nobody listens, until [`Venue::revive`].
    Dead,
}

pub(crate) struct Venue {
    pub(crate) base_url: String,
    pub(crate) websocket_url: String,
    desk: Arc<Desk>,
    /// Keeps the ports while nobody listens.
    parked: Mutex<Option<[TcpSocket; 2]>>,
}

/// What the connections of an exchange share.
#[derive(Default)]
struct Desk {
    slow: Duration,
    failures: AtomicU32,
    /// Whoever shows it may trade.
    api_key: Mutex<String>,
    opened: AtomicU32,
    closed: AtomicU32,
}

impl Venue {
    pub(crate) fn start(fault: Fault) -> io::Result<Self> {
        let bind = || {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
            io::Result::Ok(socket)
        };
        let [http, prices] = [bind()?, bind()?];
        let desk = match fault {
            Fault::Slow(slow) => Desk { slow, ..Desk::default() },
            Fault::FailsFirst(failures) => Desk { failures: failures.into(), ..Desk::default() },
            Fault::Dead => Desk::default(),
        };
        let venue = Self {
            base_url: format!("http://{}", http.local_addr()?),
            websocket_url: format!("ws://{}", prices.local_addr()?),
            desk: Arc::new(desk),
            parked: Mutex::new(Some([http, prices])),
        };
        if !matches!(fault, Fault::Dead) {
            venue.revive()?;
        }
        Ok(venue)
    }

    /// The key that opens the private half.
    pub(crate) fn expect(&self, api_key: &str) {
        api_key.clone_into(&mut self.desk.api_key.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// From now on somebody listens.
    pub(crate) fn revive(&self) -> io::Result<()> {
        let Some([http, prices]) = self.parked.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Ok(());
        };
        let (http, prices) = (http.listen(64)?, prices.listen(64)?);
        tokio::spawn(serve_http(http, Arc::clone(&self.desk)));
        tokio::spawn(serve_prices(prices, Arc::clone(&self.desk)));
        Ok(())
    }

    /// How many sockets for prices were opened, and how many of them were closed as the protocol says.
    pub(crate) fn sockets(&self) -> (u32, u32) {
        (self.desk.opened.load(Ordering::SeqCst), self.desk.closed.load(Ordering::SeqCst))
    }
}

async fn serve_http(listener: TcpListener, desk: Arc<Desk>) {
    while let Ok((stream, _)) = listener.accept().await {
        let desk = Arc::clone(&desk);
        let answer = service_fn(move |request| {
            let desk = Arc::clone(&desk);
            async move { Ok::<_, Infallible>(desk.answer(&request).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

impl Desk {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.uri().path() == "/symbols" {
            let names =
                request.uri().query().and_then(|query| query.strip_prefix("names=")).unwrap_or_default();
            let known = names.split(',').map(|name| json!({ "name": name, "price": price(name) }));
            return json(&known.collect());
        }
        sleep(self.slow).await;
        if self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
        {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            return response;
        }
        let expected = self.api_key.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = request.headers().get("x-api-key").map(hyper::http::HeaderValue::as_bytes);
        json(&json!({ "private": shown.is_some_and(|key| key == expected.as_bytes()) }))
    }
}

fn json(body: &serde_json::Value) -> Response<Full<Bytes>> {
    Response::new(Full::from(body.to_string()))
}

fn price(symbol: &str) -> f64 {
    match symbol {
        "BTC/USDT" => 64_250.5,
        "ETH/USDT" => 3_120.25,
        _ => 1.0,
    }
}

async fn serve_prices(listener: TcpListener, desk: Arc<Desk>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(send_prices(stream, Arc::clone(&desk)));
    }
}

/// Whoever subscribes hears so a moment later, and a price now and then.
async fn send_prices(
    stream: TcpStream,
    desk: Arc<Desk>,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    let mut socket = tokio_tungstenite::accept_async(stream).await?;
    desk.opened.fetch_add(1, Ordering::SeqCst);
    let mut symbols: Vec<String> = Vec::new();
    let mut tick = interval(Duration::from_millis(50));
    loop {
        tokio::select! {
            said = socket.next() => match said {
                Some(Ok(Message::Text(text))) => {
                    symbols = text.split(' ').skip(1).map(str::to_owned).collect();
                    sleep(Duration::from_millis(60)).await;
                    socket.send(Message::text("subscribed")).await?;
                }
                Some(Ok(Message::Close(_))) => {
                    // The next turn says goodbye as well, and finds the end.
                    desk.closed.fetch_add(1, Ordering::SeqCst);
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            },
            _ = tick.tick() => {
                for symbol in &symbols {
                    socket.send(Message::text(format!("{symbol} {}", price(symbol)))).await?;
                }
            }
        }
    }
}
