//! Four attributes on one function, in any order: they become one plan. And the health of the service behind it.

use resilient::{
    HealthStatus, circuit_breaker, explain, retry_with_backoff, service_health, track_service_health,
    with_timeout,
};
use ureq::Agent;

use crate::api::{self, ApiError};
use crate::tour::Tour;
use crate::world::{Answer, World};

#[retry_with_backoff(max_retries = 3, operation_name = "track_parcel")]
#[circuit_breaker(name = "shipping")]
#[with_timeout(seconds = 5)]
#[track_service_health("shipping", window = 20)]
fn track_parcel(agent: Agent, url: String) -> Result<String, ApiError> {
    api::read_sync(agent.get(&url).call()?)
}

pub(crate) fn play(tour: &Tour, world: &World) -> anyhow::Result<()> {
    tour.scene(
        "Four attributes, one plan",
        "two answers of 503 among many good ones",
        "the service behind the function turns degraded, and healthy again",
    );
    tour.say(format!("the plan: {}", explain("track_parcel")?.layers().join(" > ")));
    let (agent, url) = (api::agent(), world.http.url("/parcel"));
    let shipping = service_health("shipping")?;
    let many = |calls: u32| {
        tour.say(format!("{calls} calls that are answered"));
        tour.quietly(|| (0..calls).all(|_| track_parcel(agent.clone(), url.clone()).is_ok()))
    };
    tour.expect("before 10 calls nothing is known", shipping.status() == HealthStatus::Unknown);
    tour.expect("10 good calls: healthy", many(10) && shipping.is_healthy());
    world.http.will_answer("/parcel", [Answer::Status(503), Answer::Status(503)]);
    tour.expect(
        "the retries hide the 503s from the caller",
        track_parcel(agent.clone(), url.clone())? == "parcel",
    );
    tour.expect("but not from the service's health: degraded", shipping.is_degraded());
    tour.expect(
        "20 good calls later the failures are out of the window: healthy",
        many(20) && shipping.is_healthy(),
    );
    Ok(())
}
