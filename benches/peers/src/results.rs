//! The tables of `benches/RESULTS.md`.

use std::fmt::Write as _;

use resilient_benches::harness::Figures;
use resilient_benches::paths::Path;

use crate::contests::Side;
use crate::machine::Machine;
use crate::many::Many;

/// One entry of a contest, measured.
pub struct Measured {
    pub who: &'static str,
    pub side: Side,
    pub alone: Figures,
    pub together: Option<Figures>,
    pub allocations: f64,
}

pub struct Outcome {
    pub part: &'static str,
    pub entries: Vec<Measured>,
}

impl Outcome {
    fn first(&self, side: Side) -> Option<&Measured> {
        self.entries.iter().find(|entry| entry.side == side)
    }

    fn who(&self, name: &str) -> &Measured {
        self.entries.iter().find(|entry| entry.who == name).expect("the contest has it")
    }

    fn ours(&self) -> &Measured {
        self.first(Side::Ours).expect("every contest has ours")
    }

    fn best_peer(&self) -> &Measured {
        let peers = self.entries.iter().filter(|entry| entry.side == Side::Peer);
        peers.min_by(|one, other| one.alone.median.total_cmp(&other.alone.median)).expect("it has a peer")
    }
}

pub struct Report {
    pub machine: Machine,
    pub contests: Vec<Outcome>,
    pub own: Vec<(&'static Path, Figures, f64)>,
    pub sizes: Vec<(&'static str, usize, usize)>,
    pub many: Many,
}

/// A line of the goal: what is to be reached, and what was.
struct Goal {
    path: String,
    target: String,
    figure: String,
    met: Option<bool>,
}

impl Report {
    /// Whether a path of ours that must not allocate did.
    pub fn allocates(&self) -> bool {
        let theirs = |entry: &&Measured| entry.side == Side::Ours && entry.allocations > 0.0;
        let mut spoilt: Vec<_> = self
            .contests
            .iter()
            .flat_map(|contest| contest.entries.iter().filter(theirs))
            .map(|entry| entry.who)
            .collect();
        let own = self.own.iter().filter(|(path, _, taken)| path.allocates_nothing && *taken > 0.0);
        spoilt.extend(own.map(|(path, ..)| path.name));
        if !spoilt.is_empty() {
            eprintln!("must not allocate: {}", spoilt.join(", "));
        }
        !spoilt.is_empty()
    }

    pub fn text(&self) -> String {
        let Machine { date, processor, cores, system, compiler, load } = &self.machine;
        let mut text = format!(
            "# Figures\n\nWritten by `scripts/bench`, {date}: {cores} cores of {processor}, {system}, {compiler}, \
             `--release` without LTO; load average {load} when it began. Nanoseconds per call; README.md says how to \
             read them.\n\n## Targets\n\n| path | target | figure | reached |\n|---|---|---|---|\n"
        );
        for Goal { path, target, figure, met } in self.goals() {
            let met = met.map_or("not measured", |met| if met { "yes" } else { "**no**" });
            _ = writeln!(text, "| {path} | {target} | {figure} | {met} |");
        }
        text.push_str(
            "\n## Beside the peers\n\nThe ratio is their median over ours: above 1, ours is quicker.\n",
        );
        for outcome in &self.contests {
            _ = write!(text, "\n{}", table(outcome));
        }
        self.own_paths(&mut text);
        self.rest(&mut text);
        text
    }

    fn contest(&self, part: &str) -> &Outcome {
        self.contests.iter().find(|contest| contest.part == part).expect("it is measured")
    }

    #[allow(clippy::too_many_lines, reason = "a line of the goal each")]
    fn goals(&self) -> Vec<Goal> {
        let mut goals = Vec::new();
        let mut goal = |path: &str, target: &str, figure: String, met: Option<bool>| {
            goals.push(Goal { path: path.to_owned(), target: target.to_owned(), figure, met });
        };

        let closed = self.contest("breaker closed, sync");
        let (plain, ours) = (closed.first(Side::Plain).expect("it has"), closed.ours());
        let over = ours.alone.median - plain.alone.median;
        goal("sync, breaker closed", "plain + 3 ns", format!("plain + {over:.1} ns"), Some(over <= 3.0));
        let together = ours.together.map(|together| (together.median, together.median / ours.alone.median));
        goal(
            "the same, two threads on one breaker",
            "1.5 x one thread, under 10 ns",
            together.map_or_else(String::new, |(nanos, ratio)| format!("{ratio:.2} x, {nanos:.1} ns")),
            together.map(|(nanos, ratio)| ratio <= 1.5 && nanos < 10.0),
        );

        let ready = self.contest("retry + breaker + time limit, ready");
        let ours = ready.ours().alone.median;
        let instructions = instructions("async full, small");
        let (seatbelt, tower) =
            (ready.who("seatbelt").alone.median / ours, ready.who("tower-resilience").alone.median / ours);
        goal(
            "async, retry + breaker + time limit, ready",
            "30 ns, 100 instructions, 7 x below seatbelt, 20 x below tower-resilience",
            format!(
                "{ours:.1} ns, {} instructions, {seatbelt:.1} x, {tower:.1} x",
                instructions.map_or_else(|| "?".to_owned(), |count| format!("{count:.0}"))
            ),
            instructions.map(|count| ours <= 30.0 && count <= 100.0 && seatbelt >= 7.0 && tower >= 20.0),
        );
        let pending = self.contest("retry + breaker + time limit, pending once");
        let ours = pending.ours().alone.median;
        let floor = ours / pending.first(Side::Floor).expect("it has").alone.median;
        let seatbelt = pending.who("seatbelt").alone.median / ours;
        goal(
            "the same, pending once",
            "1.3 x the poll-first floor, 3 x below seatbelt",
            format!("{floor:.2} x the floor ({ours:.0} ns), {seatbelt:.1} x below seatbelt"),
            Some(floor <= 1.3 && seatbelt >= 3.0),
        );

        let refused = self.contest("open, refused, sync");
        let kept = refused.who("resilient, refusal kept whole");
        let allocations = refused.ours().allocations + kept.allocations;
        goal(
            "open, refused, made into the user's error",
            "15 ns, 0 allocations",
            format!(
                "{:.1} ns, kept whole {:.1} ns, {allocations} allocations",
                refused.ours().alone.median,
                kept.alone.median
            ),
            Some(refused.ours().alone.median <= 15.0 && allocations == 0.0),
        );

        for part in [
            "half-open, a probe that succeeds",
            "rate limit, let through",
            "bulkhead, let through",
            "retry budget, a call that succeeds",
            "window of 100 calls",
            "window of 100 calls, one in 20 fails",
            "window of 30 s",
            "window of 30 s, one in 20 fails",
        ] {
            let contest = self.contest(part);
            let (ours, best) = (contest.ours(), contest.best_peer());
            let ratio = ours.alone.median / best.alone.median;
            let figure = format!(
                "{ratio:.2} x {} ({:.1} of {:.1} ns)",
                best.who, ours.alone.median, best.alone.median
            );
            goal(part, "1.3 x the best peer for the part alone", figure, Some(ratio <= 1.3));
        }

        let everything = self.contest("every layer on");
        let (sync, asynchronous) =
            (everything.who("resilient, sync").allocations, everything.who("resilient, async").allocations);
        goal(
            "allocations, every layer on",
            "0, sync and async",
            format!("{sync}, {asynchronous}"),
            Some(sync + asynchronous == 0.0),
        );
        let full = |(name, ..): &&(&str, usize, usize)| name.starts_with("retry, breaker, timeout");
        let over = self.sizes.iter().filter(full).map(|(_, bytes, plain)| bytes - plain).max().unwrap_or(0);
        goal(
            "future, retry + breaker + time limit",
            "plain + 96 bytes",
            format!("plain + {over} bytes"),
            Some(over <= 96),
        );

        let ratio = |name: &str| {
            Some(cost(&format!("functions.guarded.{name}"))? / cost(&format!("functions.instrument.{name}"))?)
        };
        let seconds = ratio("cpu_seconds");
        goal(
            "compile time of 200 annotated functions",
            "1 x `#[tracing::instrument]`",
            seconds.map_or_else(String::new, |ratio| format!("{ratio:.2} x")),
            seconds.map(|ratio| ratio <= 1.0),
        );
        let lines = ratio("llvm_lines");
        goal(
            "code of an annotated async function, llvm-lines",
            "1.5 x `#[tracing::instrument]`",
            lines.map_or_else(String::new, |ratio| format!("{ratio:.2} x")),
            lines.map(|ratio| ratio <= 1.5),
        );
        let hello = cost("hello_resilient.cpu_seconds").zip(cost("hello_resilient.crates"));
        goal(
            "hello world, clean release build",
            "12 CPU-seconds, 25 crates",
            hello.map_or_else(String::new, |(seconds, crates)| format!("{seconds:.1} s, {crates} crates")),
            hello.map(|(seconds, crates)| seconds <= 12.0 && crates <= 25.0),
        );

        let Many { bytes_each, bytes_each_operation, annotated, handle, health } = &self.many;
        let milliseconds = health.as_secs_f64() * 1e3;
        let unchanged = |(before, beside): (f64, f64)| beside <= before * 1.1 + 0.5;
        goal(
            "100,000 named breakers",
            "call cost unchanged, 512 bytes each, health of 10,000 in 10 ms",
            format!(
                "annotated call {:.1} then {:.1} ns, by handle {:.1} then {:.1} ns; {bytes_each:.0} bytes each (a whole \
                 operation made in code {bytes_each_operation:.0}); {milliseconds:.1} ms",
                annotated.0, annotated.1, handle.0, handle.1
            ),
            Some(unchanged(*annotated) && unchanged(*handle) && *bytes_each <= 512.0 && milliseconds <= 10.0),
        );
        goals
    }

    fn own_paths(&self, text: &mut String) {
        text.push_str(
            "\n## Every path of ours\n\n| path | min | median | min over plain | instructions | allocations |\n\
             |---|--:|--:|--:|--:|--:|\n",
        );
        for (path, figures, allocations) in &self.own {
            let plain = self.own.iter().find(|(other, ..)| Some(other.name) == path.plain);
            let over =
                plain.map_or_else(String::new, |(_, plain, _)| format!("{:+.1}", figures.min - plain.min));
            let count = instructions(path.name).map_or_else(String::new, |count| format!("{count:.0}"));
            _ = writeln!(
                text,
                "| {} | {:.1} | {:.1} | {over} | {count} | {allocations} |",
                path.name, figures.min, figures.median
            );
        }
    }

    fn rest(&self, text: &mut String) {
        text.push_str("\n## Futures\n\n| future | bytes | over plain |\n|---|--:|--:|\n");
        for (name, bytes, plain) in &self.sizes {
            _ = writeln!(text, "| {name} | {bytes} | {} |", bytes - plain);
        }
        text.push_str(
            "\n## Builds\n\n`scripts/cost`: 200 functions, a debug build; hello world, a release build.\n\n",
        );
        text.push_str("| | CPU seconds | LLVM lines per function | crates |\n|---|--:|--:|--:|\n");
        let cell = |name: String| cost(&name).map_or_else(String::new, |figure| figure.to_string());
        for (title, name) in [
            ("200 plain async functions", "functions.plain"),
            ("200 with `#[tracing::instrument]`", "functions.instrument"),
            ("200 with `#[resilient]`", "functions.guarded"),
            ("hello world with tokio alone", "hello_tokio"),
            ("hello world with resilient", "hello_resilient"),
        ] {
            let [seconds, lines, crates] =
                ["cpu_seconds", "llvm_lines", "crates"].map(|figure| cell(format!("{name}.{figure}")));
            _ = writeln!(text, "| {title} | {seconds} | {lines} | {crates} |");
        }
    }
}

/// One part, everybody in it.
pub fn table(outcome: &Outcome) -> String {
    let contended = outcome.entries.iter().any(|entry| entry.together.is_some());
    let ours = outcome.ours();
    let mut text = format!("### {}\n\n| | min | median | ratio | allocations |", capital(outcome.part));
    text.push_str(if contended { " two threads, median | ratio |" } else { "" });
    text.push_str("\n|---|--:|--:|--:|--:|");
    text.push_str(if contended { "--:|--:|\n" } else { "\n" });
    for entry in &outcome.entries {
        let Measured { who, alone, together, allocations, side } = entry;
        let versus = |theirs: f64, ours: f64| match side {
            Side::Ours => String::new(),
            _ => format!("{:.2}", theirs / ours),
        };
        let ratio = versus(alone.median, ours.alone.median);
        _ = write!(text, "| {who} | {:.1} | {:.1} | {ratio} | {allocations} |", alone.min, alone.median);
        if contended {
            _ = match together.zip(ours.together) {
                Some((theirs, ours)) => {
                    write!(text, " {:.1} | {} |", theirs.median, versus(theirs.median, ours.median))
                }
                None => write!(text, " | |"),
            };
        }
        text.push('\n');
    }
    text
}

fn capital(words: &str) -> String {
    let (first, rest) = words.split_at(1);
    first.to_uppercase() + rest
}

/// What `scripts/instructions record` counted for one path of ours.
fn instructions(path: &str) -> Option<f64> {
    let recorded = resilient_benches::instructions::recorded();
    Some(recorded.iter().find(|count| count.path == path)?.instructions)
}

/// What `scripts/cost` left behind.
fn cost(name: &str) -> Option<f64> {
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/cost.txt");
    let text = std::fs::read_to_string(place).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}
