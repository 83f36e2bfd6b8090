//! A tour of `resilient`: `cargo run --example demo`.
//!
//! It starts an HTTP server, a cache and a SQLite file, all real and all on this machine, breaks them on purpose
//! (refused connections, 503 with `Retry-After`, answers that never come, a locked database, a missing folder), and
//! calls functions of every profile, sync and async, against them. Every line with a symbol is an event of the
//! library, received through [`resilient::subscribe`]; `·` is what the world does.
//!
//! In a terminal it takes about 40 s, with pauses to read; elsewhere, where there are none, about 15 s. The exit code
//! is 0 only if every expectation held. Nothing is installed, nothing leaves the loopback interface, and nothing
//! stays: the files are in a temporary folder.
//!
//! Start reading at `scenes/`: each file is one annotated function or two, and what happens to them.
//! `cargo run --example demo -- explain charge_card` prints what is in force for one of them.

mod api;
mod live;
mod scenes;
mod summary;
mod tour;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use resilient::Settings;
use tokio::runtime::Runtime;

use crate::live::Live;
use crate::tour::Tour;
use crate::world::World;

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

fn run() -> anyhow::Result<ExitCode> {
    // What a program does at its start: name its own kinds of operation, and stop if a variable is wrong.
    let payments = Settings::new().timeout("3s").max_attempts(2).base_delay("200ms");
    resilient::builder().profile("payments", payments).init()?;

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => play(),
        ["explain", operation] => {
            println!("{}", resilient::explain(operation)?);
            Ok(ExitCode::SUCCESS)
        }
        _ => anyhow::bail!("write no argument, or `explain <operation>`"),
    }
}

fn play() -> anyhow::Result<ExitCode> {
    let live = Arc::new(Live::new());
    let runtime = Runtime::new()?;
    let mut world = World::start(&runtime, &live)?;
    let tour = Tour::new(Arc::clone(&live));
    live.raw("A tour of resilient: real servers on this machine, broken on purpose.\n");
    live.raw("   ✔ success  ✘ failure  ↻ retry planned  ⏱ cut off at its limit  ⛔ refused");
    live.raw("   ■ given up  ○ the caller's own fault  ⤷ fallback  ● breaker  ♥ service health");
    live.raw("   · what the world does");

    tour.check(scenes::database::play_sync(&tour, &world));
    tour.check(runtime.block_on(scenes::database::play(&tour, &world)));
    tour.check(runtime.block_on(scenes::busy_api::play(&tour, &world)));
    tour.check(runtime.block_on(scenes::hanging_api::play(&tour, &world)));
    tour.check(runtime.block_on(scenes::breaker::play(&tour, &mut world)));
    tour.check(scenes::thread::play(&tour, &world));
    tour.check(runtime.block_on(scenes::cache::play(&tour, &world)));
    tour.check(scenes::cache::play_sync(&tour, &world));
    tour.check(scenes::file::play_sync(&tour, &world));
    tour.check(runtime.block_on(scenes::file::play(&tour, &world)));
    tour.check(scenes::model::play_sync(&tour));
    tour.check(runtime.block_on(scenes::model::play(&tour)));
    tour.check(scenes::stacked::play(&tour, &world));
    tour.check(runtime.block_on(scenes::operator::play(&tour, &world)));
    tour.check(summary::play(&tour));
    Ok(tour.end())
}
