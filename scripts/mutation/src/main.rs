//! Every mutant of `cargo mutants --list` in one build, switched on one at a time: a build for each of some thousands
//! takes a day. `scripts/mutants` says how it is called.

mod blame;
mod list;
mod run;
mod switch;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use syn::visit_mut::VisitMut;

use list::Mutant;
use run::{Executable, Verdict};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is built; the tests' own packages turn the features on.
const PACKAGES: &[&str] = &[
    "resilient",
    "resilient-clients",
    "resilient-clients-tests",
    "resilient-factory",
    "resilient-factory-tests",
    "resilient-features-tests",
    "resilient-macros",
    "resilient-runtime",
    "resilient-telemetry-tests",
    "resilient-web",
    "resilient-web-tests",
];

/// A longer test is asked only where every mutant is to be killed: who asks it about all the others waits for hours.
const PATIENCE: Duration = Duration::from_secs(2);

/// The same for tests of factories, web pages and clients where the mistake is elsewhere: that is not what they are for.
const OF_OTHERS: Duration = Duration::from_millis(100);
const WITH_TESTS_OF_THEIR_OWN: [&str; 3] = ["clients", "factory", "web"];

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let [list, sources, out, excused] = [(); 4].map(|()| args.next());
    let (Some(list), Some(sources), Some(out), Some(excused)) = (list, sources, out, excused) else {
        return Err("usage: resilient-mutation LIST SOURCES OUT EXCUSED [PART..]".into());
    };
    let only: Vec<String> = args.collect();
    let jobs = std::env::var("MUTANTS_JOBS").map_or(Ok(1), |jobs| jobs.parse())?;
    let excused = fs::read_to_string(excused)?;
    let excused: BTreeSet<&str> = excused.lines().filter(|line| !line.starts_with('#')).collect();
    let mutants: Vec<Mutant> = serde_json::from_slice(&fs::read(list)?)?;
    let (sources, out) = (PathBuf::from(sources), PathBuf::from(out));
    let tree = out.join("tree");
    fs::create_dir_all(&tree)?;
    let began = Instant::now();

    let Built { written, unviable } = build(&sources, &tree, &out, &mutants)?;
    let is_chosen = |number: &usize| {
        only.is_empty() || only.iter().any(|part| mutants[number - 1].name.contains(part.as_str()))
    };
    let chosen: Vec<usize> = (1..=mutants.len()).filter(is_chosen).collect();
    let unasked: Vec<_> =
        chosen.iter().filter(|number| !written.contains(number) && !unviable.contains(number)).collect();
    let names = |numbers: &mut dyn Iterator<Item = &usize>| -> String {
        numbers.map(|number| format!("{}\n", mutants[number - 1].name)).collect()
    };
    fs::write(out.join("unviable.txt"), names(&mut unviable.iter()))?;
    fs::write(out.join("unasked.txt"), names(&mut unasked.iter().copied()))?;
    // Those that must all be killed come first: who stops early knows the most.
    let mut asked: Vec<usize> = chosen.iter().copied().filter(|number| written.contains(number)).collect();
    asked.sort_by_key(|number| !is_exact(&mutants[number - 1].file));
    eprintln!(
        "{} mutants, {} do not compile, {} are not in this build or computed while it is made",
        chosen.len(),
        chosen.len() - asked.len() - unasked.len(),
        unasked.len()
    );

    let tests = run::Tests::of(&executables(&tree)?, &out, jobs)?;
    eprintln!("built and traced after {} s", began.elapsed().as_secs());
    let report = Mutex::new((BTreeMap::<&str, Score>::new(), Score::default()));
    let missed = fs::File::create(out.join("missed.txt"))?;
    run::side_by_side(jobs, asked.len(), |index| {
        let mutant = &mutants[asked[index] - 1];
        let excused = excused.contains(&*unplaced(&mutant.name));
        let patience = |folder: &Path| patience(&mutant.file, folder);
        let verdict = tests.judge(asked[index], patience)?;
        let (by_file, all) = &mut *report.lock().unwrap_or_else(PoisonError::into_inner);
        by_file.entry(&mutant.file).or_default().add(verdict, excused);
        all.add(verdict, excused);
        match (verdict, excused) {
            (Verdict::Lived, false) => {
                println!("missed {}", mutant.name);
                writeln!(&missed, "{}", mutant.name)?;
            }
            (Verdict::Failed | Verdict::Stuck, true) => {
                println!("listed as one that nobody can notice, yet a test does: {}", mutant.name);
            }
            (Verdict::Stuck, false) => println!("without end {}", mutant.name),
            _ => {}
        }
        if all.asked() % 100 == 0 {
            let minutes = began.elapsed().as_secs() / 60;
            eprintln!("{} of {} asked after {minutes} min: {all}", all.asked(), asked.len());
        }
        Ok(())
    })?;

    let (by_file, all) = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut exact = Score::default();
    let mut by_crate = BTreeMap::<&str, Score>::new();
    for (file, score) in &by_file {
        println!("  {score} in {file}");
        if is_exact(file) {
            exact = exact + *score;
        }
        let of_crate = by_crate.entry(crate_of(file)).or_default();
        *of_crate = *of_crate + *score;
    }
    for (name, score) in &by_crate {
        println!("mutants: {score} in {name}");
    }
    println!("left out: the clients of databases, Redis and S3, whose tests start servers");
    println!(
        "mutants: {exact} in the mechanisms and in what reads and judges the attributes (100 % promised)"
    );
    println!("mutants: {all} in the crates (90 % promised), after {} min", began.elapsed().as_secs() / 60);
    if exact.missed > 0 || all.missed * 10 > all.killed + all.missed {
        return Err("more were missed than promised".into());
    }
    Ok(())
}

/// How long a test in `folder` may take to be asked about a mistake in `file`.
fn patience(file: &str, folder: &Path) -> Duration {
    let tests = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let part = |name: &str| WITH_TESTS_OF_THEIR_OWN.into_iter().find(|part| name.ends_with(part));
    match part(tests) {
        tests @ Some(_) if tests != part(crate_of(file)) => OF_OTHERS,
        _ if is_exact(file) => Duration::MAX,
        _ => PATIENCE,
    }
}

/// The crate that a file is of, which is a folder.
fn crate_of(file: &str) -> &str {
    file.split_once("/src/").map_or(file, |(name, _)| name)
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
    /// By a test that failed or found no end.
    killed: usize,
    stuck: usize,
    missed: usize,
    excused: usize,
}

impl Score {
    fn add(&mut self, verdict: Verdict, excused: bool) {
        match verdict {
            Verdict::Failed => self.killed += 1,
            Verdict::Stuck => {
                self.killed += 1;
                self.stuck += 1;
            }
            Verdict::Lived if excused => self.excused += 1,
            Verdict::Lived => self.missed += 1,
        }
    }

    fn asked(&self) -> usize {
        self.killed + self.missed + self.excused
    }
}

impl std::ops::Add for Score {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            killed: self.killed + other.killed,
            stuck: self.stuck + other.stuck,
            missed: self.missed + other.missed,
            excused: self.excused + other.excused,
        }
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { killed, stuck, missed, excused } = self;
        write!(f, "{killed} of {} killed", killed + missed)?;
        if *stuck > 0 {
            write!(f, ", {stuck} of them since a test found no end")?;
        }
        if *excused > 0 {
            write!(f, " ({excused} more are listed as ones that nobody can notice)")?;
        }
        Ok(())
    }
}

/// A name without its line and column, which move.
fn unplaced(name: &str) -> String {
    let mut parts = name.splitn(4, ':');
    let file = parts.next().unwrap_or_default();
    format!("{file}:{}", parts.nth(2).unwrap_or_default())
}

/// Which mutants are there and which do not compile.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Built {
    written: BTreeSet<usize>,
    unviable: BTreeSet<usize>,
}

/// What does not compile, as far as the last build found, so that the next need not find it again: for a text of a file, the
/// mutants' names. And the functions that are called while compiling.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Known {
    unviable: BTreeMap<String, (String, BTreeSet<String>)>,
    constant: BTreeSet<String>,
}

/// What is in a folder, by the path from `root`.
fn read(root: &Path, under: &Path, files: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    for entry in fs::read_dir(root.join(under))? {
        let entry = entry?;
        let path = under.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            read(root, &path, files)?;
        } else {
            files.insert(path.to_string_lossy().into_owned(), fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// Leaves a file alone that has this text already, so that what does not depend on a change is not built again.
fn rewrite(path: &Path, text: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().ok_or("a file in no folder")?)?;
    Ok(fs::write(path, text)?)
}

/// Writes the switches until everything compiles.
fn build(sources: &Path, tree: &Path, out: &Path, mutants: &[Mutant]) -> Result<Built> {
    let known = out.join("known.json");
    let last: Known =
        fs::read(&known).ok().and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
    let mut by_file = BTreeMap::<&str, Vec<(usize, &Mutant)>>::new();
    for (index, mutant) in mutants.iter().enumerate() {
        by_file.entry(&mutant.file).or_default().push((index + 1, mutant));
    }
    let originals: BTreeMap<_, _> = by_file
        .keys()
        .map(|file| Ok((*file, fs::read_to_string(sources.join(file))?)))
        .collect::<Result<_>>()?;
    let mut others = BTreeMap::new();
    read(sources, Path::new(""), &mut others)?;
    others.retain(|file, _| !originals.contains_key(file.as_str()));
    for name in by_file.keys().map(|file| crate_of(file)).collect::<BTreeSet<_>>() {
        if let Some(text) = others.get_mut(&format!("{name}/src/lib.rs")) {
            text.extend_from_slice(switch::SWITCH.as_bytes());
        }
    }
    let mut stale = BTreeMap::new();
    read(tree, Path::new(""), &mut stale)?;
    for file in
        stale.keys().filter(|file| !others.contains_key(*file) && !originals.contains_key(file.as_str()))
    {
        fs::remove_file(tree.join(file))?;
    }
    for (file, text) in &others {
        rewrite(&tree.join(file), text)?;
    }
    let mut constant = last.constant;
    let mut unviable = BTreeSet::new();
    for (file, there) in &by_file {
        if let Some((text, names)) = last.unviable.get(*file)
            && *text == originals[file]
        {
            unviable.extend(
                there.iter().filter(|(_, mutant)| names.contains(&mutant.name)).map(|(number, _)| number),
            );
        }
    }
    loop {
        let mut written = BTreeSet::new();
        let mut regions = BTreeMap::new();
        for (file, there) in &by_file {
            let alive = there.iter().filter(|(number, _)| !unviable.contains(number)).copied();
            let mut switch = switch::Switch::new(alive, &constant);
            let mut source = originals[file].clone();
            if file.ends_with("/src/lib.rs") {
                source += switch::SWITCH;
            }
            let mut parsed = syn::parse_file(&source)?;
            switch.visit_file_mut(&mut parsed);
            let printed = prettyplease::unparse(&parsed);
            rewrite(&tree.join(file), printed.as_bytes())?;
            written.append(&mut switch.written);
            unviable.append(&mut switch.unviable);
            regions.insert(*file, blame::Regions::of(&syn::parse_file(&printed)?));
        }
        let complaints = complaints(tree)?;
        if complaints.is_empty() {
            let names = |there: &[(usize, &Mutant)]| {
                let there = there.iter().filter(|(number, _)| unviable.contains(number));
                there.map(|(_, mutant)| mutant.name.clone()).collect()
            };
            let unviable_by_file = by_file
                .iter()
                .map(|(file, there)| ((*file).to_owned(), (originals[file].clone(), names(there))));
            let found = Known { unviable: unviable_by_file.collect(), constant };
            fs::write(known, serde_json::to_vec(&found)?)?;
            return Ok(Built { written, unviable });
        }
        let before = (unviable.len(), constant.len());
        for Complaint { file, line, column, constant: name } in &complaints {
            match name {
                Some(name) if name != "__mutant" => _ = constant.insert(name.clone()),
                _ => unviable.extend(
                    regions.get(file.as_str()).into_iter().flat_map(|all| all.around(*line, *column)),
                ),
            }
        }
        eprintln!("{} places do not compile, {} mutants left out", complaints.len(), unviable.len());
        if (unviable.len(), constant.len()) == before {
            return Err(format!("what does not compile is in no mutant: {complaints:?}").into());
        }
    }
}

fn cargo(tree: &Path, args: &[&str]) -> Result<Vec<serde_json::Value>> {
    let output = Command::new("cargo")
        .args(args)
        .args(PACKAGES.iter().flat_map(|package| ["-p", package]))
        .args(["--message-format=json", "--quiet"])
        .current_dir(tree)
        .env("RUSTFLAGS", "--cap-lints=allow")
        .stderr(Stdio::null())
        .output()?;
    Ok(String::from_utf8(output.stdout)?.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

#[derive(Debug)]
struct Complaint {
    file: String,
    line: usize,
    column: usize,
    /// The function that has to be `const` here.
    constant: Option<String>,
}

fn complaints(tree: &Path) -> Result<Vec<Complaint>> {
    let mut complaints = Vec::new();
    for message in cargo(tree, &["check", "--lib", "--tests", "--keep-going"])? {
        let message = &message["message"];
        if message["level"] != "error" {
            continue;
        }
        let Some(spans) = message["spans"].as_array() else { continue };
        let called = message["message"].as_str().filter(|_| message["code"]["code"] == "E0015");
        let called = called.and_then(|text| text.split('`').nth(1)?.rsplit("::").next());
        for span in spans.iter().filter(|span| span["is_primary"] == true) {
            let at = |key: &str| usize::try_from(span[key].as_u64().unwrap_or(1)).unwrap_or(1);
            complaints.push(Complaint {
                file: span["file_name"].as_str().unwrap_or_default().to_owned(),
                line: at("line_start"),
                column: at("column_start"),
                constant: called.map(str::to_owned),
            });
        }
    }
    Ok(complaints)
}

fn executables(tree: &Path) -> Result<Vec<Executable>> {
    let built = cargo(tree, &["test", "--no-run", "--lib", "--tests"])?;
    let tests = built.iter().filter(|message| message["profile"]["test"] == true);
    let executables: Vec<_> = tests
        .filter_map(|message| {
            let manifest = Path::new(message["manifest_path"].as_str()?);
            let folder = manifest.parent()?.to_owned();
            Some(Executable { file: PathBuf::from(message["executable"].as_str()?), folder })
        })
        .collect();
    if executables.is_empty() { Err("no test was built".into()) } else { Ok(executables) }
}
