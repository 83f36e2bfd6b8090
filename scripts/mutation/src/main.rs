//! Every mutant of `cargo mutants --list` in one build, switched on one at a time: a build for each of some thousands
//! takes a day. `scripts/mutants` says how it is called.

mod blame;
mod list;
mod run;
mod switch;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use syn::visit_mut::VisitMut;

use list::Mutant;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is built and which features come with it.
const PACKAGES: [&str; 8] = [
    "-p",
    "resilient",
    "-p",
    "resilient-macros",
    "-p",
    "resilient-runtime",
    "-p",
    "resilient-features-tests",
];

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let [list, tree, out, excused] = [(); 4].map(|()| args.next());
    let (Some(list), Some(tree), Some(out), Some(excused)) = (list, tree, out, excused) else {
        return Err("usage: resilient-mutation LIST TREE OUT EXCUSED [FILE..]".into());
    };
    let only: Vec<String> = args.collect();
    let excused = fs::read_to_string(excused)?;
    let excused: BTreeSet<&str> = excused.lines().filter(|line| !line.starts_with('#')).collect();
    let mutants: Vec<Mutant> = serde_json::from_slice(&fs::read(list)?)?;
    let (tree, out) = (PathBuf::from(tree), PathBuf::from(out));
    fs::create_dir_all(&out)?;

    let numbered = || mutants.iter().enumerate().map(|(index, mutant)| (index + 1, mutant));
    let chosen: BTreeSet<usize> = numbered()
        .filter(|(_, mutant)| only.is_empty() || only.iter().any(|part| mutant.file.contains(part)))
        .map(|(number, _)| number)
        .collect();
    let (written, unviable) = build(&tree, &mutants, &chosen)?;
    let unasked: Vec<_> =
        chosen.iter().filter(|number| !written.contains(number) && !unviable.contains(number)).collect();
    eprintln!(
        "{} mutants, {} do not compile, {} cannot be switched",
        chosen.len(),
        unviable.len(),
        unasked.len()
    );

    let tests = run::Tests::of(&executables(&tree)?, &out)?;
    let mut report = BTreeMap::<&str, Score>::new();
    let mut missed = String::new();
    // Those that must all be killed come first: who stops early knows the most.
    let mut written: Vec<usize> = written.into_iter().collect();
    written.sort_by_key(|number| !is_exact(&mutants[number - 1].file));
    for number in written {
        let mutant = &mutants[number - 1];
        let excused = excused.contains(&*unplaced(&mutant.name));
        let killed = tests.kill(number)?;
        report.entry(&mutant.file).or_default().add(killed, excused);
        if killed && excused {
            println!("listed as one that nobody can notice, yet a test does: {}", mutant.name);
        } else if !killed && !excused {
            println!("missed {}", mutant.name);
            missed += &format!("{}\n", mutant.name);
        }
    }
    fs::write(out.join("missed.txt"), missed)?;
    let names = |numbers: &mut dyn Iterator<Item = &usize>| -> String {
        numbers.map(|number| format!("{}\n", mutants[number - 1].name)).collect()
    };
    fs::write(out.join("unviable.txt"), names(&mut unviable.iter()))?;
    fs::write(out.join("unasked.txt"), names(&mut unasked.into_iter()))?;

    let [mut exact, mut all] = [Score::default(); 2];
    for (file, score) in &report {
        println!("  {score} in {file}");
        all = all + *score;
        if is_exact(file) {
            exact = exact + *score;
        }
    }
    println!(
        "mutants: {exact} in the mechanisms and in what reads and judges the attributes (100 % promised)"
    );
    println!("mutants: {all} in the crates (90 % promised)");
    if exact.missed > 0 || all.missed * 10 > all.killed + all.missed {
        return Err("more were missed than promised".into());
    }
    Ok(())
}

/// Where every mutant is to be killed.
const EXACT: &[&str] = &[
    "breaker/config.rs",
    "breaker/machine.rs",
    "breaker/window.rs",
    "bulkhead/config.rs",
    "bulkhead/slots.rs",
    "rate_limit/config.rs",
    "rate_limit/gcra.rs",
    "rate_limit/recent.rs",
    "rate_limit/window.rs",
    "runtime/src/retry/",
    "runtime/src/timeout/",
    "hedge/race.rs",
    "hedge/latency.rs",
    "macros/src/args/",
    "macros/src/validate/",
];

fn is_exact(file: &str) -> bool {
    EXACT.iter().any(|part| file.contains(part))
}

#[derive(Clone, Copy, Debug, Default)]
struct Score {
    killed: usize,
    missed: usize,
    excused: usize,
}

impl Score {
    fn add(&mut self, killed: bool, excused: bool) {
        *(match (killed, excused) {
            (true, _) => &mut self.killed,
            (false, true) => &mut self.excused,
            (false, false) => &mut self.missed,
        }) += 1;
    }
}

impl std::ops::Add for Score {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            killed: self.killed + other.killed,
            missed: self.missed + other.missed,
            excused: self.excused + other.excused,
        }
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { killed, missed, excused } = self;
        write!(f, "{killed} of {} killed", killed + missed)?;
        if *excused > 0 {
            write!(f, " ({excused} more are listed as ones that nobody can notice)")
        } else {
            Ok(())
        }
    }
}

/// A name without its line and column, which move.
fn unplaced(name: &str) -> String {
    let mut parts = name.splitn(4, ':');
    let file = parts.next().unwrap_or_default();
    format!("{file}:{}", parts.nth(2).unwrap_or_default())
}

/// Writes the switches until everything compiles; tells which mutants are there and which do not compile.
fn build(
    tree: &Path,
    mutants: &[Mutant],
    chosen: &BTreeSet<usize>,
) -> Result<(BTreeSet<usize>, BTreeSet<usize>)> {
    let mut by_file = BTreeMap::<&str, Vec<(usize, &Mutant)>>::new();
    for number in chosen {
        by_file.entry(&mutants[number - 1].file).or_default().push((*number, &mutants[number - 1]));
    }
    let originals: BTreeMap<_, _> = by_file
        .keys()
        .map(|file| Ok((*file, fs::read_to_string(tree.join(file))?)))
        .collect::<Result<_>>()?;
    for root in ["resilient-runtime/src/lib.rs", "resilient-macros/src/lib.rs"] {
        let path = tree.join(root);
        let source = fs::read_to_string(&path)?;
        fs::write(path, source + switch::SWITCH)?;
    }
    let mut unviable = BTreeSet::new();
    loop {
        let mut written = BTreeSet::new();
        let mut regions = BTreeMap::new();
        for (file, there) in &by_file {
            let alive = there.iter().filter(|(number, _)| !unviable.contains(number)).copied();
            let mut switch = switch::Switch::new(alive);
            let mut source = originals[file].clone();
            if file.ends_with("/src/lib.rs") {
                source += switch::SWITCH;
            }
            let mut parsed = syn::parse_file(&source)?;
            switch.visit_file_mut(&mut parsed);
            let printed = prettyplease::unparse(&parsed);
            if fs::read_to_string(tree.join(file))? != printed {
                fs::write(tree.join(file), &printed)?;
            }
            written.append(&mut switch.written);
            regions.insert(*file, blame::Regions::of(&syn::parse_file(&printed)?));
        }
        let found = errors(tree)?;
        if found.is_empty() {
            return Ok((written, unviable));
        }
        let before = unviable.len();
        for (file, places) in &found {
            for (line, column) in places {
                unviable.extend(
                    regions.get(file.as_str()).into_iter().flat_map(|all| all.around(*line, *column)),
                );
            }
        }
        eprintln!(
            "{} places do not compile, {} mutants left out",
            found.values().map(Vec::len).sum::<usize>(),
            unviable.len()
        );
        if unviable.len() == before {
            return Err(format!("what does not compile is in no mutant: {found:?}").into());
        }
    }
}

fn cargo(tree: &Path, args: &[&str]) -> Result<Vec<serde_json::Value>> {
    let output = Command::new("cargo")
        .args(args)
        .args(PACKAGES)
        .args(["--message-format=json", "--quiet"])
        .current_dir(tree)
        .env("RUSTFLAGS", "--cap-lints=allow")
        .stderr(Stdio::null())
        .output()?;
    Ok(String::from_utf8(output.stdout)?.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// Where the compiler complains, by file.
fn errors(tree: &Path) -> Result<BTreeMap<String, Vec<(usize, usize)>>> {
    let mut errors = BTreeMap::<_, Vec<_>>::new();
    for message in cargo(tree, &["check", "--lib", "--tests", "--keep-going"])? {
        let message = &message["message"];
        if message["level"] != "error" {
            continue;
        }
        let Some(spans) = message["spans"].as_array() else { continue };
        let primary = spans.iter().filter(|span| span["is_primary"] == true);
        for span in primary {
            let file = span["file_name"].as_str().unwrap_or_default().to_owned();
            let at = |key: &str| usize::try_from(span[key].as_u64().unwrap_or(1)).unwrap_or(1);
            errors.entry(file).or_default().push((at("line_start"), at("column_start")));
        }
    }
    Ok(errors)
}

fn executables(tree: &Path) -> Result<Vec<PathBuf>> {
    let built = cargo(tree, &["test", "--no-run", "--lib", "--tests"])?;
    let executables: Vec<_> = built
        .iter()
        .filter(|message| message["profile"]["test"] == true)
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .collect();
    if executables.is_empty() { Err("no test was built".into()) } else { Ok(executables) }
}
