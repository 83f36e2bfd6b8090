//! A connection to an exchange: an account over HTTP, then prices over a WebSocket.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt, StreamExt};
use resilient::factory::credentials::{CredentialStore, Credentials, ExchangeConfig, ExposeSecret};
use resilient::factory::startup::{Component, Status};
use resilient::factory::{Asked, BoxError, BoxFuture};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// What a connection is asked to follow. Two lists that are equal are one component in a cache.
pub(crate) type Symbols = Vec<String>;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    #[error("refused")]
    Refused,
    #[error("{0}")]
    Status(reqwest::StatusCode),
    #[error("the answer makes no sense")]
    Nonsense,
    #[error("{0}")]
    Http(reqwest::Error),
    #[error("{0}")]
    Prices(#[from] Box<tokio_tungstenite::tungstenite::Error>),
}

impl From<reqwest::Error> for ExchangeError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_connect() { Self::Refused } else { Self::Http(error) }
    }
}

pub(crate) struct Exchange {
    config: ExchangeConfig,
    credentials: Credentials,
    symbols: Symbols,
    http: reqwest::Client,
    shared: Arc<Shared>,
    /// The task that reads prices; it ends with this.
    reading: Mutex<JoinSet<()>>,
}

/// What the connection and the task that reads its prices have in common.
struct Shared {
    status: watch::Sender<Status>,
    prices: Mutex<BTreeMap<String, f64>>,
    close: Notify,
}

impl Exchange {
    /// Everything that is needed to connect, by the name that was asked for. Nothing is connected yet.
    pub(crate) fn new(asked: Asked<CredentialStore, Symbols>) -> Result<Arc<Self>, BoxError> {
        let credentials = asked.context.credentials(&asked.name)?; // what is wrong with them is not tried again
        let config = asked.context.exchange_config(&asked.name);
        let http = reqwest::Client::builder()
            .connect_timeout(config.connect_timeout)
            .timeout(config.request_timeout)
            .build()?;
        let shared = Shared {
            status: watch::Sender::new(Status::Connecting),
            prices: Mutex::default(),
            close: Notify::new(),
        };
        Ok(Arc::new(Self {
            config,
            credentials,
            symbols: asked.options,
            http,
            shared: Arc::new(shared),
            reading: Mutex::default(),
        }))
    }

    async fn get(&self, path: &str) -> Result<Value, ExchangeError> {
        let base = self.config.setting("base_url").unwrap_or_default();
        let mut request = self.http.get(format!("{base}{path}"));
        if let Some(key) = self.credentials.api_key() {
            request = request.header("x-api-key", key.expose_secret());
        }
        let answer = request.send().await?;
        if !answer.status().is_success() {
            return Err(ExchangeError::Status(answer.status()));
        }
        serde_json::from_slice(&answer.bytes().await?).map_err(|_| ExchangeError::Nonsense)
    }

    async fn connect(&self) -> Result<(), ExchangeError> {
        let account = self.get("/account").await?;
        if account["private"].as_bool() != Some(self.credentials.has_private_access()) {
            return Err(ExchangeError::Nonsense);
        }
        let url = self.config.setting("websocket_url").unwrap_or_default();
        let stream =
            TcpStream::connect(url.trim_start_matches("ws://")).await.map_err(|_| ExchangeError::Refused)?;
        let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.map_err(Box::new)?;
        let subscribe = format!("subscribe {}", self.symbols.join(" "));
        socket.send(Message::text(subscribe)).await.map_err(Box::new)?;
        self.reading().spawn(Arc::clone(&self.shared).read(socket));
        Ok(())
    }

    fn reading(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the exchange says about its symbols, in one request.
    pub(crate) async fn symbols(&self) -> Result<Vec<(String, f64)>, ExchangeError> {
        let said = self.get(&format!("/symbols?names={}", self.symbols.join(","))).await?;
        let symbol = |said: &Value| Some((said["name"].as_str()?.to_owned(), said["price"].as_f64()?));
        said.as_array().and_then(|all| all.iter().map(symbol).collect()).ok_or(ExchangeError::Nonsense)
    }

    /// The last price that came over the WebSocket.
    pub(crate) fn price(&self, symbol: &str) -> Option<f64> {
        self.shared.prices.lock().unwrap_or_else(PoisonError::into_inner).get(symbol).copied()
    }
}

impl Shared {
    async fn read(self: Arc<Self>, mut socket: WebSocketStream<TcpStream>) {
        loop {
            tokio::select! {
                () = self.close.notified() => break,
                said = socket.next() => match said {
                    Some(Ok(Message::Text(text))) if text == "subscribed" => {
                        self.status.send_replace(Status::Active);
                    }
                    Some(Ok(Message::Text(text))) => {
                        let price = text.split_once(' ').and_then(|(name, price)| Some((name, price.parse().ok()?)));
                        if let Some((name, price)) = price {
                            self.prices.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), price);
                        }
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => {
                        self.status.send_replace(Status::Error);
                        return;
                    }
                },
            }
        }
        // Says goodbye, and waits until the other side has.
        let _ = socket.close(None).await;
        while let Some(Ok(_)) = socket.next().await {}
    }
}

impl Component for Exchange {
    fn start(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async { Ok(self.connect().await?) })
    }

    fn status(&self) -> Status {
        *self.shared.status.borrow()
    }

    fn status_changed(&self) -> BoxFuture<'_, ()> {
        let mut status = self.shared.status.subscribe();
        Box::pin(async move { drop(status.changed().await) })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async {
            self.shared.status.send_replace(Status::Closing);
            self.shared.close.notify_one();
            let mut reading = std::mem::take(&mut *self.reading());
            while reading.join_next().await.is_some() {}
            self.shared.status.send_replace(Status::Inactive);
            Ok(())
        })
    }

    fn prewarm(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async {
            self.symbols().await?;
            Ok(())
        })
    }

    fn has_private(&self) -> bool {
        self.credentials.has_private_access()
    }

    fn details(&self) -> Option<String> {
        Some(format!("{} symbols", self.symbols.len()))
    }
}
