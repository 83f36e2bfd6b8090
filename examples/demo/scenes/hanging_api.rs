//! An API that accepts the request and never answers. The time limit is for one attempt; the retry gets its own.

use reqwest::Client;
use resilient::api_resilient;

use crate::api::{self, ApiError};
use crate::tour::{Tour, timed_async};
use crate::world::{Answer, World};

/// At most 1 s for an attempt, at most 5 s for the whole call, waits included.
#[api_resilient(operation_name = "fetch_rates", timeout = "1s", deadline = "5s", base_delay = "300ms")]
async fn fetch_rates(client: &Client, url: &str) -> Result<String, ApiError> {
    api::read(client.get(url).send().await?).await
}

pub(crate) async fn play(tour: &Tour, world: &World) -> anyhow::Result<()> {
    tour.scene(
        "An API that hangs",
        "the server accepts the request and never answers",
        "the attempt is dropped after 1 s, and the next one is answered",
    );
    world.http.will_answer("/rates", [Answer::Hang]);
    let (client, url) = (api::client()?, world.http.url("/rates"));
    let (rates, took) = timed_async(fetch_rates(&client, &url)).await;
    tour.expect("the second attempt is answered", rates? == "rates" && tour.succeeded_at("fetch_rates", 2));
    tour.expect(
        "the first one was cut off at 1 s",
        tour.cut_off("fetch_rates") == 1 && (1.0..3.0).contains(&took.as_secs_f64()),
    );
    Ok(())
}
