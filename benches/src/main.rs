//! What a guarded call costs: time, allocations, the size of its future, instructions. See README.md.

use std::process::ExitCode;

use resilient_benches::harness::{self, Figures, Run};
use resilient_benches::instructions::Count;
use resilient_benches::paths::{self, CONTENDED, PATHS, Path};
use resilient_benches::{allocations, instructions};

fn main() -> ExitCode {
    let timers = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let timers = timers.expect("a runtime, for the timers of pending calls");
    let _inside = timers.enter();
    paths::prepare();
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["calls", name, count] => {
            let path = PATHS.iter().find(|path| path.name == name).expect("the name of a path");
            (path.run)(count.parse().expect("a number of calls"));
            ExitCode::SUCCESS
        }
        ["instructions", ref words @ ..] => {
            let counts = instructions::count(&chosen(words));
            println!("| path | instructions | allocations |\n|---|--:|--:|");
            for Count { path, instructions, allocations } in counts {
                println!("| {path} | {instructions} | {allocations} |");
            }
            ExitCode::SUCCESS
        }
        ["record"] => {
            instructions::record(&instructions::count(&chosen(&[])));
            ExitCode::SUCCESS
        }
        ["check"] => check(),
        ["collect", ref names @ ..] => {
            let of_name =
                |name: &&str| PATHS.iter().find(|path| path.name == *name).expect("the name of a path");
            instructions::collect(&names.iter().map(of_name).collect::<Vec<_>>());
            ExitCode::SUCCESS
        }
        ref words => report(&chosen(words)),
    }
}

/// The paths whose names contain one of the words; all of them without any.
fn chosen(words: &[&str]) -> Vec<&'static Path> {
    let wanted = |path: &&Path| words.is_empty() || words.iter().any(|word| path.name.contains(word));
    PATHS.iter().filter(wanted).collect()
}

/// Compares with `instructions.txt`; fails, and says what grew.
fn check() -> ExitCode {
    let counts = instructions::count(&chosen(&[]));
    let recorded = instructions::recorded();
    let complaints = instructions::complaints(&counts, &recorded);
    let least = |now: &&Count| {
        let before = recorded.iter().find(|before| before.path == now.path);
        before.is_some_and(|before| now.instructions < before.instructions)
    };
    let fewer = counts.iter().filter(least).count();
    println!("instructions: {} paths counted, {fewer} take fewer than recorded", counts.len());
    for name in ["sync breaker, small", "async full, small", "sync refused", "async full, pending once"] {
        let count = counts.iter().find(|count| count.path == name).expect("the name of a path");
        println!("{name}: {:.0} instructions, {} allocations", count.instructions, count.allocations);
    }
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints every figure; fails when a path allocates that must not.
fn report(paths: &[&'static Path]) -> ExitCode {
    let runs: Vec<Run<'_>> = paths.iter().map(|path| &path.run as Run<'_>).collect();
    let all = harness::alone(&runs);
    let plain = |path: &Path| {
        let at = paths.iter().position(|other| Some(other.name) == path.plain)?;
        all.get(at)
    };
    let mut spoilt = Vec::new();
    println!("| path | min ns | median ns | min over plain | quiet batches | allocations |");
    println!("|---|--:|--:|--:|--:|--:|");
    for (path, figures) in paths.iter().zip(&all) {
        let over = plain(path).map_or_else(String::new, |plain| format!("{:+.1}", figures.min - plain.min));
        let allocations = allocations::per_call(&path.run);
        let Figures { min, median, quiet } = figures;
        println!("| {} | {min:.1} | {median:.1} | {over} | {quiet:.0} % | {allocations} |", path.name);
        if path.allocates_nothing && allocations > 0.0 {
            spoilt.push(path.name);
        }
    }

    println!(
        "\n| by two threads at once | min ns | median ns | median over one thread's |\n|---|--:|--:|--:|"
    );
    for (path, alone) in paths.iter().zip(&all).filter(|(path, _)| CONTENDED.contains(&path.name)) {
        let Some(figures) = harness::beside_another(&path.run) else { continue };
        let ratio = figures.median / alone.median;
        println!("| {} | {:.1} | {:.1} | x {ratio:.2} |", path.name, figures.min, figures.median);
    }

    println!("\n| future | bytes | over plain |\n|---|--:|--:|");
    for (name, bytes, plain) in paths::future_sizes() {
        println!("| {name} | {bytes} | {} |", bytes - plain);
    }
    if spoilt.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("must not allocate: {}", spoilt.join(", "));
    ExitCode::FAILURE
}
