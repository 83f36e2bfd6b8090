//! Customers: a bounded number of requests a second, and a line every five seconds of how they fared.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::said::say;
use crate::upstream::Upstream;

/// How many requests may be under way at once.
const AT_ONCE: usize = 64;
const EVERY: Duration = Duration::from_secs(5);

/// No client of ours: customers have no layers around what they ask for.
type Customer = Client<HttpConnector, Full<axum::body::Bytes>>;

pub(crate) struct Load {
    customers: JoinHandle<()>,
    total: Arc<Mutex<Fared>>,
    unheard: Option<oneshot::Receiver<io::Error>>,
}

/// How requests fared.
#[derive(Default)]
struct Fared {
    /// By where the answer came from, or by status where there was none.
    answers: BTreeMap<String, u32>,
    took: Vec<Duration>,
    /// Not sent: too many were under way.
    left_out: u32,
}

impl Fared {
    fn add(&mut self, answer: String, took: Duration) {
        *self.answers.entry(answer).or_default() += 1;
        self.took.push(took);
    }

    fn append(&mut self, other: &mut Self) {
        for (answer, count) in std::mem::take(&mut other.answers) {
            *self.answers.entry(answer).or_default() += count;
        }
        self.took.append(&mut other.took);
        self.left_out += std::mem::take(&mut other.left_out);
    }
}

impl fmt::Display for Fared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut took = self.took.clone();
        took.sort_unstable();
        let p99 = took.get(took.len() * 99 / 100).copied().unwrap_or_default();
        write!(f, "{} requests, 99 of 100 within {:.1} ms:", took.len(), p99.as_secs_f64() * 1e3)?;
        for (answer, count) in &self.answers {
            write!(f, "  {answer} {count}")?;
        }
        if self.left_out > 0 {
            write!(f, "  not sent {}", self.left_out)?;
        }
        Ok(())
    }
}

impl Load {
    pub(crate) fn start(shop: &str, rate: u32, upstream: Upstream) -> Self {
        let total = Arc::new(Mutex::new(Fared::default()));
        let (tell, unheard) = oneshot::channel();
        let (shop, fared) = (shop.to_owned(), Arc::clone(&total));
        let customers = tokio::spawn(async move {
            let Err(why) = come(shop, rate, upstream, fared).await;
            let _ = tell.send(why);
        });
        Self { customers, total, unheard: Some(unheard) }
    }

    /// Tells when nobody reads its lines any more.
    pub(crate) fn unheard(&mut self) -> Option<oneshot::Receiver<io::Error>> {
        self.unheard.take()
    }

    /// Sends no more, and says how all of them fared.
    pub(crate) async fn stop(self) -> String {
        self.customers.abort();
        let _ = self.customers.await;
        format!("in all: {}", lock(&self.total))
    }
}

fn lock(fared: &Mutex<Fared>) -> std::sync::MutexGuard<'_, Fared> {
    fared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For as long as somebody reads the lines.
async fn come(
    shop: String,
    rate: u32,
    upstream: Upstream,
    total: Arc<Mutex<Fared>>,
) -> io::Result<Infallible> {
    let customer: Customer = Client::builder(TokioExecutor::new()).build_http();
    let recent = Arc::new(Mutex::new(Fared::default()));
    let mut tick = interval(Duration::from_secs(1) / rate);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut report = interval(EVERY);
    report.reset();
    let mut asked_before = upstream.requests();
    loop {
        tokio::select! {
            _ = tick.tick() => {
                if Arc::strong_count(&recent) > AT_ONCE {
                    lock(&recent).left_out += 1;
                } else {
                    tokio::spawn(one(customer.clone(), shop.clone(), Arc::clone(&recent)));
                }
            }
            _ = report.tick() => {
                let asked = upstream.requests();
                let health = resilient::resilience_health().overall_health;
                let asked_since = asked - asked_before;
                say(format_args!("{}  upstream {} asked {asked_since}; {health}", lock(&recent), upstream.fault()))?;
                asked_before = asked;
                lock(&total).append(&mut lock(&recent));
            }
        }
    }
}

/// One in ten orders.
async fn one(customer: Customer, shop: String, fared: Arc<Mutex<Fared>>) {
    let item = fastrand::u32(1..=20);
    let request = if fastrand::u32(..10) == 0 {
        Request::post(format!("{shop}/orders"))
            .header("content-type", "application/json")
            .body(format!(r#"{{"item":{item},"pieces":1}}"#).into())
    } else {
        Request::get(format!("{shop}/prices/{item}")).body(Full::default())
    };
    let began = Instant::now();
    let answer = match request {
        Ok(request) => ask(&customer, request).await.unwrap_or_else(|| "no answer".to_owned()),
        Err(error) => error.to_string(),
    };
    lock(&fared).add(answer, began.elapsed());
}

/// Where the answer came from, or its status where it is none.
async fn ask(customer: &Customer, request: Request<Full<axum::body::Bytes>>) -> Option<String> {
    let answer = customer.request(request).await.ok()?;
    if answer.status() != StatusCode::OK {
        return Some(answer.status().as_u16().to_string());
    }
    let body = answer.into_body().collect().await.ok()?.to_bytes();
    let text = String::from_utf8_lossy(&body);
    let from = ["cache", "upstream", "last known"].into_iter().find(|from| text.contains(from));
    Some(from.unwrap_or("order").to_owned())
}
