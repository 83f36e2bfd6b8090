//! Ours and the peers on the same work, in one run: prints every figure and writes `benches/RESULTS.md`.
//!
//! `cargo run --release -p resilient-benches-peers [-- [--haste] [WORD..]]`: with words only the parts whose names contain
//! one, and nothing is written; neither in haste, with a few batches each, to see that it runs.

mod contests;
mod machine;
mod many;
mod ours;
mod peers;
mod results;
mod work;

use std::process::ExitCode;

use contests::{Contest, Side};
use resilient_benches::harness::{self, Figures, Run};
use resilient_benches::{allocations, paths};
use results::{Measured, Outcome, Report};

fn main() -> ExitCode {
    let timers = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let timers = timers.expect("a runtime, for the timers of pending calls");
    let _inside = timers.enter();
    ours::prepare();
    paths::prepare();
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let hasty = words.first().is_some_and(|word| word == "--haste");
    if hasty {
        harness::make_haste();
        words.remove(0);
    }
    let mut contests = contests::all();
    if !words.is_empty() {
        contests.retain(|contest| words.iter().any(|word| contest.part.contains(word.as_str())));
        for outcome in measured(&contests) {
            println!("{}", results::table(&outcome));
        }
        return ExitCode::SUCCESS;
    }

    let machine = machine::read();
    let contests = measured(&contests);
    let own: Vec<_> = paths::PATHS.iter().collect();
    let runs: Vec<Run<'_>> = own.iter().map(|path| &path.run as Run<'_>).collect();
    let own_figures = harness::alone(&runs);
    let own_allocations = own.iter().map(|path| allocations::per_call(&path.run));
    let own = own.iter().zip(own_figures).zip(own_allocations);
    let own = own.map(|((path, figures), allocations)| (*path, figures, allocations)).collect();
    let report = Report { machine, contests, own, sizes: paths::future_sizes(), many: many::measure() };
    let text = report.text();
    print!("{text}");
    if !hasty {
        let place = concat!(env!("CARGO_MANIFEST_DIR"), "/../RESULTS.md");
        std::fs::write(place, text).expect("benches/RESULTS.md can be written");
    }
    if report.allocates() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Takes all times in turn, batch by batch, then what takes two threads, then the allocations.
fn measured(contests: &[Contest]) -> Vec<Outcome> {
    let runs: Vec<Run<'_>> =
        contests.iter().flat_map(|contest| &contest.entries).map(|entry| &entry.calls as Run<'_>).collect();
    let mut alone = harness::alone(&runs).into_iter();
    let together = |contest: &Contest, side: Side, run: Run<'_>| -> Option<Figures> {
        (contest.contended && side != Side::Plain).then(|| harness::beside_another(run))?
    };
    let outcome = |contest: &Contest| {
        let entries = contest.entries.iter().map(|entry| Measured {
            who: entry.who,
            side: entry.side,
            alone: alone.next().expect("one for each"),
            together: together(contest, entry.side, &entry.calls),
            allocations: allocations::per_call(&entry.calls),
        });
        Outcome { part: contest.part, entries: entries.collect() }
    };
    contests.iter().map(outcome).collect()
}
