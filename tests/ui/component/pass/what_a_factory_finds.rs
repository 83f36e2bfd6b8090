//! Sync, async, renamed, behind a cfg, twice: each is found by the factories of its types.
use std::sync::Arc;

use resilient::component;
use resilient::factory::{Asked, BoxError, Factory};

trait Exchange: Send + Sync {
    fn name(&self) -> String;
}

impl Exchange for String {
    fn name(&self) -> String {
        self.clone()
    }
}

struct Config {
    host: &'static str,
}

#[component("sync")]
fn sync(asked: Asked<Config>) -> Result<Arc<dyn Exchange>, BoxError> {
    Ok(Arc::new(format!("{} at {}", asked.name, asked.context.host)))
}

#[component("async")]
#[component(name = "again")]
async fn asynchronous(asked: Asked<Config>) -> Result<Arc<dyn Exchange>, std::io::Error> {
    tokio::task::yield_now().await;
    Ok(Arc::new(format!("{} at {}", asked.name, asked.context.host)))
}

#[cfg(any())]
#[component("nowhere")]
fn nowhere(_: Asked<Config>) -> Result<Arc<dyn Exchange>, BoxError> {
    unreachable!()
}

#[component("other types")]
fn other(_: Asked<(), u8>) -> Result<Arc<u8>, BoxError> {
    Ok(Arc::new(1))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let config = Config { host: "here" };
    let exchanges = Factory::<dyn Exchange, _, ()>::builder("exchanges").context(config).build()?;
    assert_eq!(exchanges.names(), ["again", "async", "sync"]);
    for name in exchanges.names() {
        assert!(exchanges.is_builtin(&name));
        assert_eq!(exchanges.create(&name, &()).await?.name(), format!("{name} at here"));
    }
    assert_eq!(Factory::<u8, (), u8>::new("bytes")?.names(), ["other types"]);
    Ok(())
}
