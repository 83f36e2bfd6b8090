//! A server that is gone. `#[circuit_breaker]` alone: no retries, no time limit, only a memory.

use std::time::Duration;

use reqwest::Client;
use resilient::{State, breaker, circuit_breaker};

use crate::api::{self, ApiError};
use crate::tour::{Tour, timed_async};
use crate::world::World;

/// Opens after 3 failures in a row, lets probes through after 1.5 s, closes after 2 good ones (the default).
#[circuit_breaker(name = "inventory", failure_threshold = 3, recovery_timeout = "1500ms")]
async fn count_stock(client: &Client, url: &str) -> Result<String, ApiError> {
    api::read(client.get(url).send().await?).await
}

pub(crate) async fn play(tour: &Tour, world: &mut World) -> anyhow::Result<()> {
    tour.scene(
        "A server that is gone",
        "the port refuses connections",
        "3 failures open the breaker, refusals are instant, probes close it",
    );
    let (client, url) = (api::client()?, world.http.url("/stock"));
    let inventory = breaker("inventory")?;
    world.http.stop().await?;
    let mut own = 0;
    for _ in 1..=3 {
        own += u32::from(matches!(count_stock(&client, &url).await, Err(ApiError::Reqwest(_))));
    }
    tour.expect("each caller gets the client's own error", own == 3);
    tour.expect("three refused connections open the breaker", inventory.state() == State::Open);

    let (refused, took) = timed_async(count_stock(&client, &url)).await;
    let refused = refused.err().map(|error| error.to_string()).unwrap_or_default();
    tour.say(format!("the caller gets: {refused}"));
    tour.expect("the refusal says when to come back", refused.contains("next attempt in"));
    tour.expect("it comes at once, without the server", took < Duration::from_millis(50));

    tour.wait("the breaker stays open", inventory.retry_after());
    tour.expect("a probe meets the dead port", count_stock(&client, &url).await.is_err());
    tour.expect("and the breaker is open again", inventory.state() == State::Open);

    world.http.restart()?;
    tour.wait("the breaker stays open", inventory.retry_after());
    for probe in 1..=2 {
        let stock = count_stock(&client, &url).await?;
        tour.expect(format!("probe {probe} is answered"), stock == "stock");
    }
    let path = [State::Open, State::HalfOpen, State::Open, State::HalfOpen, State::Closed];
    tour.expect("the breaker is closed, by the way of half-open", tour.states("inventory") == path);
    Ok(())
}
