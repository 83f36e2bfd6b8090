//! A sync function that hangs. No one can stop a running thread, but its caller need not wait for it.

use resilient::{api_resilient, resilience_health, with_timeout};
use ureq::Agent;

use crate::api::{self, ApiError};
use crate::tour::{Tour, soon, timed};
use crate::world::{Answer, World};

/// Owns its arguments, so it runs on a worker thread and its caller is released after 1 s.
#[with_timeout(seconds = 1)]
fn fetch_report(agent: Agent, url: String) -> Result<String, ApiError> {
    api::read_sync(agent.get(&url).call()?)
}

/// A profile does the same: each attempt has a worker thread, copies of the arguments, and a limit of its own.
#[api_resilient(operation_name = "fetch_invoice", timeout = "500ms", base_delay = "200ms")]
fn fetch_invoice(agent: Agent, url: String) -> Result<String, ApiError> {
    api::read_sync(agent.get(&url).call()?)
}

pub(crate) fn play(tour: &Tour, world: &World) -> anyhow::Result<()> {
    tour.scene(
        "A sync function that hangs",
        "the server never answers, and the client is a blocking one",
        "the caller is released after 1 s, the thread comes back later",
    );
    world.http.will_answer("/report", [Answer::Hang]);
    let (report, took) = timed(|| fetch_report(api::agent(), world.http.url("/report")));
    let error = report.err().map(|error| error.to_string()).unwrap_or_default();
    tour.say(format!("the caller gets: {error}"));
    tour.expect("the caller is released at the limit", (1.0..2.0).contains(&took.as_secs_f64()));
    tour.expect("the thread still waits for the server", resilience_health().workers.stuck == 1);
    world.http.let_go();
    let freed = soon(|| resilience_health().workers.stuck == 0);
    tour.expect("the server answers late, and the thread is free again", freed);
    tour.expect(
        "the next call is answered",
        fetch_report(api::agent(), world.http.url("/report"))? == "report",
    );

    world.http.will_answer("/invoice", [Answer::Hang]);
    let invoice = fetch_invoice(api::agent(), world.http.url("/invoice"))?;
    tour.expect("with a profile, the second attempt is answered", invoice == "invoice");
    world.http.let_go();
    tour.expect("no thread is left behind", soon(|| resilience_health().workers.stuck == 0));
    Ok(())
}
