//! A small shop, as a service: prices from another service over HTTP, cached in Redis; orders in a database; receipts in S3.
//! Nothing has to be there: the other service runs in here too and can be broken, the database is a file, what Redis is for is
//! served from memory, and without S3 there are no receipts.
//!
//! `cargo run -p service` starts it, with some load and its dashboard; `cargo run -p service -- --help` says what else there is.

#![allow(clippy::disallowed_methods, reason = "clock and environment are the application's own")]

mod load;
mod said;
mod shop;
mod upstream;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use resilient::Settings;
use resilient::web::{ResilienceRouter, StatusLayer};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use load::Load;
use said::say;
use shop::Shop;
use upstream::Upstream;

const HELP: &str = "\
A small shop that survives what it depends on.

Usage: cargo run -p service -- [options]

  --port PORT     where it listens on 127.0.0.1; 0 takes a free one   [8080]
  --load RATE     requests a second that it sends to itself; 0: none  [40]
  --for SECONDS   ends by itself; else by Ctrl-C
  --token TOKEN   allows resets and the like on the dashboard         [made at each start]

PYNOMALY_DATABASE_URL, PYNOMALY_REDIS_URL and PYNOMALY_S3_ENDPOINT say where real servers are.";

struct Options {
    port: u16,
    load: u32,
    ends_after: Option<Duration>,
    token: String,
}

impl Options {
    /// `None`: help was asked for.
    fn parse() -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::*;

        let token = std::iter::repeat_with(fastrand::alphanumeric).take(24).collect();
        let mut options = Self { port: 8080, load: 40, ends_after: None, token };
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("port") => options.port = arguments.value()?.parse()?,
                Long("load") => options.load = arguments.value()?.parse()?,
                Long("for") => options.ends_after = Some(Duration::from_secs(arguments.value()?.parse()?)),
                Long("token") => options.token = arguments.value()?.string()?,
                Short('h') | Long("help") => return Ok(None),
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(Some(options))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let unheard = |error: &anyhow::Error| {
        error.downcast_ref().is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    match serve().await {
        Err(error) if unheard(&error) => Ok(()),
        ended => ended,
    }
}

async fn serve() -> anyhow::Result<()> {
    let Some(options) = Options::parse()? else { return Ok(say(HELP)?) };
    // Quiet, since its own lines say how it fares; `RUST_LOG=resilient=info` shows every retry and transition.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error,resilient=off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_target(false).init();

    // So that one sees it recover without waiting for a minute; variables still win.
    resilient::builder()
        .profile(
            "api",
            Settings::new().timeout("1s").max_attempts(3).base_delay("50ms").recovery_timeout("2s"),
        )
        .init()?;

    let upstream = Upstream::start().await?;
    let shop = Shop::open(&upstream).await?;
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], options.port))).await?;
    let here = format!("http://{}", listener.local_addr()?);
    let app = Router::new()
        .merge(shop::routes(shop.clone()))
        .merge(upstream::switch(upstream.clone()))
        .layer(StatusLayer::new())
        .merge(ResilienceRouter::builder().token(&options.token)?.build());
    let serving = axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>());

    say(format_args!("the shop       {here}/prices/7"))?;
    say(format_args!("its dashboard  {here}/resilience/   (token for actions: {})", options.token))?;
    say(format_args!("health         {here}/health"))?;
    say(format_args!("metrics        {here}/metrics"))?;
    say(format_args!("break it       curl -X POST {here}/fault/down   (or slow, cut, flaky, none)"))?;
    say(format_args!("depends on     {}\n", shop.depends_on()))?;

    let mut load = (options.load > 0).then(|| Load::start(&here, options.load, upstream.clone()));
    let unheard = load.as_mut().and_then(Load::unheard);
    let ended = async move {
        let ended = async {
            match options.ends_after {
                Some(span) => tokio::time::sleep(span).await,
                None => tokio::signal::ctrl_c().await.unwrap_or_default(),
            }
        };
        match unheard {
            Some(unheard) => tokio::select! { () = ended => {}, _ = unheard => {} },
            None => ended.await,
        }
    };
    serving.with_graceful_shutdown(ended).await?;
    if let Some(load) = load {
        say(load.stop().await)?;
    }
    Ok(())
}
