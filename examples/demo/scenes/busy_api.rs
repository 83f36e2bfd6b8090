//! An API that is busy and says until when. `#[api_resilient]` on an async function.

use std::time::Duration;

use reqwest::Client;
use resilient::{StopReason, api_resilient, breaker};

use crate::api::{self, ApiError};
use crate::tour::Tour;
use crate::world::{Answer, World};

/// The profile would wait 0.1 to 0.2 s here; `ApiError::retry_after` asks for more.
#[api_resilient(operation_name = "charge_card", base_delay = "200ms")]
async fn charge_card(client: &Client, url: &str) -> Result<String, ApiError> {
    api::read(client.get(url).send().await?).await
}

pub(crate) async fn play(tour: &Tour, world: &World) -> anyhow::Result<()> {
    tour.scene(
        "An API that is busy",
        "the server answers 503 with Retry-After: 2, then 503 without, then 404",
        "the wait is the server's where it names one, and ours where it does not",
    );
    let (client, url) = (api::client()?, world.http.url("/charge"));
    world.http.will_answer("/charge", [Answer::RetryAfter(2), Answer::Status(503)]);
    let receipt = charge_card(&client, &url).await?;
    tour.expect("the third attempt is answered", receipt == "charge" && tour.succeeded_at("charge_card", 3));
    let (asked, own) = (Duration::from_secs(2)..=Duration::from_millis(2_200), Duration::from_millis(400));
    let waits = tour.waits("charge_card");
    tour.expect(
        "Retry-After is honoured: 2 s and at most a tenth more",
        waits.first().is_some_and(|w| asked.contains(w)),
    );
    tour.expect("without it the wait is the profile's", waits.get(1).is_some_and(|w| *w <= own));

    world.http.will_answer("/charge", [Answer::Status(404)]);
    let failed_before = breaker("charge_card")?.snapshot().failed_calls;
    let missing = charge_card(&client, &url).await;
    let snapshot = breaker("charge_card")?.snapshot();
    tour.expect(
        "a 404 is not retried, and the breaker counts no failure",
        matches!(missing, Err(ApiError::Status { status: 404, .. }))
            && tour.ended("charge_card") == Some((1, StopReason::NotRetryable))
            && snapshot.failed_calls == failed_before,
    );
    Ok(())
}
