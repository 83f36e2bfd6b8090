//! Instructions and allocations per call: the same in every run, however busy the machine is.
//!
//! One process under callgrind makes the calls of all paths. Its environment is empty, the C library takes its plainest
//! routines whatever the processor has, and of several goes of a path the least counts: in one of them a window may
//! have turned.

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::Path as File;
use std::process::Command;

use crate::allocations;
use crate::paths::Path;

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");
const CALLS: u32 = 200;
const GOES: usize = 5;
/// Growth that fails a check.
const TOLERANCE: f64 = 0.02;
/// The name of [`collected`], as callgrind knows it.
const COLLECTED: &str = "resilient_benches::instructions::collected";
/// What newer processors have and the C library would make use of.
const PLAIN_PROCESSOR: &str = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-AVX_Fast_Unaligned_Load,\
    -ERMS,-FSRM,-BMI1,-BMI2,-LZCNT,-MOVBE,-RTM,-SSE4_2,-SSSE3";

/// What one call of a path takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    pub path: String,
    pub instructions: f64,
    pub allocations: f64,
}

/// The calls that callgrind counts, and nothing else.
#[inline(never)]
fn collected(run: fn(u32)) {
    run(black_box(CALLS));
    // No jump into `run` in place of a call: callgrind would not see it come back.
    black_box(());
}

/// Makes the calls of these paths, inside callgrind.
pub fn collect(paths: &[&Path]) {
    for path in paths {
        (path.run)(CALLS);
        (path.run)(CALLS);
        for _ in 0..GOES {
            collected(path.run);
        }
    }
}

/// Counts these paths, in order; those that another thread has a part in are left out.
pub fn count(paths: &[&'static Path]) -> Vec<Count> {
    let paths: Vec<_> = paths.iter().filter(|path| path.alone).collect();
    let program = std::env::current_exe().expect("this program's own path");
    let folder = std::env::temp_dir().join(format!("resilient-callgrind-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for what callgrind writes");
    let said = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=counts"])
        .args([format!("--toggle-collect={COLLECTED}"), format!("--dump-after={COLLECTED}")])
        .arg(program)
        .arg("collect")
        .args(paths.iter().map(|path| path.name))
        .current_dir(&folder)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("GLIBC_TUNABLES", PLAIN_PROCESSOR)
        .output()
        .expect("valgrind, which counts the instructions");
    assert!(said.status.success(), "valgrind failed:\n{}", String::from_utf8_lossy(&said.stderr));
    let of_path = |(at, path): (usize, &&&Path)| {
        let goes = (0..GOES).map(|go| total(&folder, at * GOES + go + 1));
        let least = goes.fold(f64::INFINITY, f64::min);
        let instructions = (least / f64::from(CALLS)).round();
        Count { path: path.name.to_owned(), instructions, allocations: allocations::per_call(&path.run) }
    };
    let counts = paths.iter().enumerate().map(of_path).collect();
    _ = fs::remove_dir_all(&folder);
    counts
}

/// The instructions of the dump of that number.
fn total(folder: &File, number: usize) -> f64 {
    let text = fs::read_to_string(folder.join(format!("counts.{number}"))).expect("a dump after each go");
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    total.and_then(|total| total.trim().parse().ok()).expect("a dump ends with its total")
}

/// Writes them down as what later checks compare with.
pub fn record(counts: &[Count]) {
    let mut text = "path\tinstructions\tallocations\n".to_owned();
    for Count { path, instructions, allocations } in counts {
        _ = writeln!(text, "{path}\t{instructions}\t{allocations}");
    }
    fs::write(BASELINE, text).expect("benches/instructions.txt can be written");
}

/// What was recorded.
pub fn recorded() -> Vec<Count> {
    let text = fs::read_to_string(BASELINE).unwrap_or_default();
    let count = |line: &str| {
        let mut words = line.split('\t');
        let path = words.next()?.to_owned();
        Some(Count {
            path,
            instructions: words.next()?.parse().ok()?,
            allocations: words.next()?.parse().ok()?,
        })
    };
    text.lines().filter_map(count).collect()
}

/// What is wrong with the counts beside what was recorded, a line each: more than a fiftieth above it, or not there.
pub fn complaints(counts: &[Count], recorded: &[Count]) -> Vec<String> {
    let mut complaints = Vec::new();
    let found =
        |count: &Count, within: &[Count]| within.iter().find(|other| other.path == count.path).cloned();
    for count in counts {
        let Some(before) = found(count, recorded) else {
            complaints.push(format!("{}: is not recorded", count.path));
            continue;
        };
        for (what, now, before) in [
            ("instructions", count.instructions, before.instructions),
            ("allocations", count.allocations, before.allocations),
        ] {
            if now > before * (1.0 + TOLERANCE) {
                complaints.push(format!("{}: {now} {what}, {before} before", count.path));
            }
        }
    }
    let gone = recorded.iter().filter(|before| found(before, counts).is_none());
    complaints.extend(gone.map(|before| format!("{}: is recorded, but no longer measured", before.path)));
    complaints
}
