//! What an operator can do without the author: read what is in force, change it, isolate a service.

use std::process::{Command, Output};

use anyhow::Context;
use reqwest::Client;
use resilient::{ResilienceError, breaker, explain, resilient};

use crate::api::{self, ApiError};
use crate::tour::Tour;
use crate::world::{Answer, World};

/// A kind of operation of one's own; `main` gives it its numbers.
#[resilient(operation_type = "payments", operation_name = "refund")]
async fn refund(client: &Client, url: &str) -> Result<String, ApiError> {
    api::read(client.get(url).send().await?).await
}

pub(crate) async fn play(tour: &Tour, world: &World) -> anyhow::Result<()> {
    tour.scene(
        "At three in the morning",
        "nothing; an operator turns the knobs of `refund` from outside",
        "each number has a source, variables win, a wrong one stops the start",
    );
    let (client, url) = (api::client()?, world.http.url("/refund"));
    world.http.will_answer("/refund", [Answer::Status(503)]);
    refund(&client, &url).await?;
    tour.expect("the numbers of \"payments\" are in force", tour.succeeded_at("refund", 2));

    for row in explain("refund")?.parameters().iter().filter(|row| KNOBS.contains(&row.parameter())) {
        tour.say(format!("{:<14} {:<6} from {}", row.parameter(), row.value(), row.source()));
    }
    let changed =
        started_with(&[("PYNOMALY_OP_REFUND_MAX_ATTEMPTS", "6"), ("PYNOMALY_PAYMENTS_TIMEOUT", "1500ms")])?;
    let text = String::from_utf8_lossy(&changed.stdout);
    tour.say("the same program, started with two variables:");
    let told = |line: &&str| line.contains("PYNOMALY_") && !line.contains("<PARAMETER>");
    text.lines().filter(told).for_each(|line| tour.say(line.trim()));
    tour.expect(
        "the variables are in force",
        changed.status.success()
            && text.contains("PYNOMALY_OP_REFUND_MAX_ATTEMPTS")
            && text.contains("1s 500ms"),
    );

    let wrong = started_with(&[("PYNOMALY_OP_REFUND_MAX_ATTEMPTS", "lots")])?;
    let text = String::from_utf8_lossy(&wrong.stderr);
    tour.say("and with a wrong one:");
    text.lines().for_each(|line| tour.say(line));
    tour.expect(
        "a wrong value stops the start and is named",
        !wrong.status.success() && text.contains("lots"),
    );

    let payments = breaker("refund")?;
    payments.force_open();
    let isolated = refund(&client, &url).await.err();
    if let Some(error) = &isolated {
        tour.say(format!("the caller gets: {error}"));
    }
    let is_isolated =
        |error: &ApiError| matches!(error, ApiError::Resilience(ResilienceError::Isolated { .. }));
    tour.expect(
        "a breaker opened by hand refuses until it is closed",
        isolated.as_ref().is_some_and(is_isolated),
    );
    payments.close();
    tour.expect("closed by hand, it lets calls through", refund(&client, &url).await.is_ok());
    Ok(())
}

const KNOBS: [&str; 3] = ["timeout", "max_attempts", "base_delay"];

/// This program once more, with other variables, telling what would be in force for `refund`.
///
/// A process of its own, because the environment of a running program is not safe to change.
fn started_with(variables: &[(&str, &str)]) -> anyhow::Result<Output> {
    let mut program = Command::new(std::env::current_exe()?);
    program.args(["explain", "refund"]).envs(variables.iter().copied()).env_remove("RESILIENT_ENV_PREFIX");
    program.output().context("starting this program once more")
}
