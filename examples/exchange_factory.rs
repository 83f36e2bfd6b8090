//! Three connections to exchanges, started at once under each strategy while one is slow, one fails twice and one is dead.
//!
//! `cargo run --example exchange_factory` starts the three exchanges on this machine: HTTP for accounts and symbols, a
//! WebSocket for prices. It takes about 2 s, and ends with an error unless everything happened that should. In a terminal
//! spinners show who is on the way; elsewhere there are the lines only.
//!
//! `exchange_factory/venue.rs` is the exchanges, `exchange.rs` the connection, `progress.rs` what you see.

#[path = "exchange_factory/exchange.rs"]
mod exchange;
#[path = "exchange_factory/progress.rs"]
mod progress;
#[path = "exchange_factory/venue.rs"]
mod venue;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use console::Style;
use resilient::component;
use resilient::factory::credentials::{CredentialStore, Credentials, ExposeSecret};
use resilient::factory::startup::{Component, Components, Status, Strategy};
use resilient::factory::{Asked, BoxError, Factory};
use tokio::time::{sleep, timeout};

use crate::exchange::{Exchange, Symbols};
use crate::progress::Progress;
use crate::venue::{Fault, Venue};

/// Keys come from code, from variables such as `MEXC_API_KEY`, or from here; settings from here.
const CONFIG: &str = r#"
exchanges:
  mexc:
    api_key: "${EXAMPLE_API_KEY:mx0-a-key-of-the-example-42}"
    secret_key: "${EXAMPLE_SECRET_KEY:a-secret-of-the-example-0123456789}"
    base_url: <http of mexc>
    websocket_url: <prices of mexc>
  gateio: { base_url: <http of gateio>, websocket_url: <prices of gateio> }
  kraken: { base_url: <http of kraken>, websocket_url: <prices of kraken> }
network: { request_timeout: 2, connect_timeout: 500ms }
"#;

type Exchanges = Components<Exchange, CredentialStore, Symbols>;

/// Found by every factory of exchanges that gives these to its constructors.
#[component("mexc")]
fn mexc(asked: Asked<CredentialStore, Symbols>) -> Result<Arc<Exchange>, BoxError> {
    Exchange::new(asked)
}

#[component("gateio")]
fn gateio(asked: Asked<CredentialStore, Symbols>) -> Result<Arc<Exchange>, BoxError> {
    Exchange::new(asked)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let venues = [
        ("mexc", Venue::start(Fault::Slow(Duration::from_millis(500)))?),
        ("gateio", Venue::start(Fault::FailsFirst(2))?),
        ("kraken", Venue::start(Fault::Dead)?),
    ];
    let [_, _, (_, dead)] = &venues;
    let progress = Arc::new(Progress::new());
    let exchanges = exchanges(&progress, &venues)?;
    let progress = &*progress;
    all_or_none(progress, &exchanges).await;
    whoever_comes_up(progress, &exchanges).await?;
    in_rounds(progress, &exchanges, dead).await?;
    symbols(progress, &exchanges).await?;
    end(progress, &exchanges).await;

    let sockets = venues.each_ref().map(|(_, venue)| venue.sockets());
    let (opened, closed) =
        sockets.iter().fold((0, 0), |(all, well), (opened, closed)| (all + opened, well + closed));
    progress.note(format!("{opened} WebSockets were opened, and {closed} of them closed with a goodbye"));
    assert!(opened == closed && opened >= 5, "{sockets:?}");
    Ok(())
}

fn exchanges(progress: &Arc<Progress>, venues: &[(&str, Venue)]) -> anyhow::Result<Exchanges> {
    let config = venues.iter().fold(CONFIG.to_owned(), |config, (name, venue)| {
        let config = config.replace(&format!("<http of {name}>"), &venue.base_url);
        config.replace(&format!("<prices of {name}>"), &venue.websocket_url)
    });
    let in_code = Credentials::new("gate-key-in-the-code", "gate-secret-in-the-code-98765");
    let store = CredentialStore::from_yaml(&config)?.with("gateio", in_code);

    progress.heading("Credentials, by name");
    for (name, venue) in venues {
        let credentials = store.credentials(name)?;
        progress.note(format!("{name:<8} {credentials}, key {}", credentials.preview()));
        venue.expect(credentials.api_key().map_or("", |key| key.expose_secret()));
    }

    let factory = Factory::builder("exchanges").context(store).build()?;
    factory.register("kraken", Exchange::new)?; // at run time, as a plug-in would
    let told = Arc::clone(progress);
    let components = Components::builder_with(factory, vec!["BTC/USDT".to_owned(), "ETH/USDT".to_owned()])
        .noun("exchange")
        .timeout("2s")
        .max_attempts(3)
        .base_delay("300ms")
        .deadline("6s")
        .on_event(move |event| told.event(event))
        .build()?;
    Ok(components)
}

async fn all_or_none(progress: &Progress, exchanges: &Exchanges) {
    progress.heading("fail_fast: all or none");
    let outcome = exchanges.create_all(["mexc", "kraken"], Strategy::FailFast).await;
    let error = outcome.err().expect("nobody listens at kraken");
    progress.note(&error);
    assert_eq!(error.code(), 500);
    assert!(exchanges.instances().is_empty(), "mexc was on its way, and is closed");
}

async fn whoever_comes_up(progress: &Progress, exchanges: &Exchanges) -> anyhow::Result<()> {
    progress.heading("continue: whoever comes up");
    let up = exchanges.create_all(["mexc", "gateio", "kraken"], Strategy::ContinueOnError).await?;
    assert_eq!(up.keys().collect::<Vec<_>>(), ["gateio", "mexc"]);
    assert!(up.values().all(|exchange| exchange.status() == Status::Active && exchange.has_private()));
    let summary = exchanges.summary();
    progress.line(format!("\n{summary}"));
    assert_eq!((summary.total_requested, summary.successful, summary.failed), (3, 2, 1));
    assert_eq!(summary.failed_names, ["kraken"]);
    assert_eq!(summary.retry_attempts["gateio"], 3);
    Ok(())
}

async fn in_rounds(progress: &Progress, exchanges: &Exchanges, dead: &Venue) -> anyhow::Result<()> {
    progress.heading("retry: in rounds, and kraken comes back meanwhile");
    let comes_back = async {
        sleep(Duration::from_millis(600)).await;
        progress.mark("·", &Style::new().dim(), "kraken", "listens");
        dead.revive()
    };
    let names = ["MEXC", "GateIO", "kraken", "kraken"]; // in any case, and twice is once
    let (up, revived) = tokio::join!(exchanges.create_all(names, Strategy::RetryWithBackoff), comes_back);
    revived?;
    assert_eq!(up?.len(), 3);
    let summary = exchanges.summary();
    progress.line(format!("\n{summary}"));
    assert_eq!((summary.total_requested, summary.successful), (3, 3));
    assert_eq!(summary.retry_attempts.keys().collect::<Vec<_>>(), ["kraken"]);
    Ok(())
}

async fn symbols(progress: &Progress, exchanges: &Exchanges) -> anyhow::Result<()> {
    progress.heading("Symbols, from all at once");
    assert!(exchanges.prewarm().await.values().all(Result::is_ok));
    let answers = exchanges.batch(|exchange| async move { exchange.symbols().await }).await;
    assert_eq!(answers.len(), 3);
    for (name, answer) in answers {
        let prices: Vec<String> = answer?.iter().map(|(symbol, price)| format!("{symbol} {price}")).collect();
        progress.note(format!("{name:<8} {}", prices.join("   ")));
    }
    let mexc = exchanges.get("mexc").context("mexc is up")?;
    let heard = async {
        while mexc.price("BTC/USDT").is_none() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(2), heard).await.context("a price over the WebSocket")?;
    exchanges.require_private("live trading")?;
    Ok(())
}

async fn end(progress: &Progress, exchanges: &Exchanges) {
    progress.heading("The end: what is not needed, then the rest");
    exchanges.cleanup_unused(["kraken"]).await;
    assert_eq!(exchanges.active().into_keys().collect::<Vec<_>>(), ["kraken"]);
    let refused = exchanges.require_private("live trading").expect_err("kraken has no keys");
    progress.note(refused);
    exchanges.close_all().await;
    assert!(exchanges.instances().is_empty() && !exchanges.health_check("kraken"));
}
