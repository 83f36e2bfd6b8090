//! The tests: which of them meet which mutant, and whether they notice it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Result;

/// A mutant may loop for ever, or ask for all memory there is. A test may take four times as long as without it, and this.
const LONGEST: Duration = Duration::from_secs(5);
const MEMORY: &str = "--as=6000000000";

/// What the tests say of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Failed,
    /// A test did not come to an end.
    Stuck,
    Lived,
}

/// A file of tests, and the folder that cargo runs it in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Executable {
    pub file: PathBuf,
    pub folder: PathBuf,
}

#[derive(Debug)]
struct Test {
    executable: Executable,
    name: String,
    took: Duration,
}

#[derive(Debug)]
pub struct Tests {
    all: Vec<Test>,
    meets: BTreeMap<usize, Vec<usize>>,
}

impl Tests {
    /// Runs each test alone once, and remembers which mutants it meets.
    pub fn of(executables: &[Executable], out: &Path, jobs: usize) -> Result<Self> {
        let mut listed = Vec::new();
        for executable in executables {
            let names = Command::new(&executable.file).args(["--list", "--format=terse"]).output()?;
            for line in String::from_utf8(names.stdout)?.lines() {
                if let Some(name) = line.strip_suffix(": test") {
                    listed.push((executable, name.to_owned()));
                }
            }
        }
        let tests = Mutex::new(Self { all: Vec::new(), meets: BTreeMap::new() });
        side_by_side(jobs, listed.len(), |index| {
            let (executable, name) = &listed[index];
            let trace = out.join(format!("trace-{index}"));
            let began = Instant::now();
            let alone = |command: &mut Command| {
                command.env("MUTANT_TRACE", &trace);
            };
            if run(executable, &[name], 12 * LONGEST, alone)? != Verdict::Lived {
                let file = executable.file.file_stem().unwrap_or_default().to_string_lossy();
                let tests = file.rsplit_once('-').map_or(&*file, |(tests, _)| tests);
                eprintln!("left out, fails as it is: {tests}, {name}");
                return Ok(());
            }
            let took = began.elapsed();
            let met = fs::read_to_string(&trace).unwrap_or_default();
            let _ = fs::remove_file(&trace);
            let mut tests = tests.lock().unwrap_or_else(PoisonError::into_inner);
            let index = tests.all.len();
            tests.all.push(Test { executable: (*executable).clone(), name: name.clone(), took });
            for number in met.lines() {
                tests.meets.entry(number.parse()?).or_default().push(index);
            }
            Ok(())
        })?;
        let Self { all, mut meets } = tests.into_inner().unwrap_or_else(PoisonError::into_inner);
        for met in meets.values_mut() {
            met.sort_by_key(|index| all[*index].took);
            met.dedup();
        }
        let took: Duration = all.iter().map(|test| test.took).sum();
        eprintln!("{} tests, {} s one by one", all.len(), took.as_secs());
        let mut times: Vec<_> = all.iter().map(|test| (test.took.as_millis(), &test.name)).collect();
        times.sort();
        let times: String =
            times.iter().rev().map(|(millis, name)| format!("{millis:6} ms  {name}\n")).collect();
        fs::write(out.join("tests.txt"), times)?;
        Ok(Self { all, meets })
    }

    /// Whether a test that meets the mutant fails, of those that take no longer than `patience` has for their folder: the
    /// quickest ones first, then more at a time.
    pub fn judge(&self, number: usize, patience: impl Fn(&Path) -> Duration) -> Result<Verdict> {
        let met = self.meets.get(&number).map_or(&[][..], Vec::as_slice);
        let is_asked = |test: &Test| test.took <= patience(&test.executable.folder);
        let asked: Vec<usize> = met.iter().copied().filter(|index| is_asked(&self.all[*index])).collect();
        let mut left = asked.as_slice();
        let mut at_once = 4;
        while !left.is_empty() {
            let (now, later) = left.split_at(at_once.min(left.len()));
            let mut by_executable = BTreeMap::<&Executable, (Vec<&str>, Duration)>::new();
            for index in now {
                let test = &self.all[*index];
                let (names, took) = by_executable.entry(&test.executable).or_default();
                names.push(&test.name);
                *took += test.took;
            }
            for (executable, (names, took)) in by_executable {
                let on = |command: &mut Command| {
                    command.env("MUTANT", number.to_string());
                };
                match run(executable, &names, LONGEST + 4 * took, on)? {
                    Verdict::Lived => {}
                    killed => return Ok(killed),
                }
            }
            (left, at_once) = (later, at_once * 6);
        }
        Ok(Verdict::Lived)
    }
}

/// Does `work` with each number below `count`, on so many threads; the first error ends it.
pub fn side_by_side(jobs: usize, count: usize, work: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    if let Err(error) = work(index) {
                        next.store(count, Ordering::Relaxed);
                        *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                    }
                }
            });
        }
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

fn run(
    executable: &Executable,
    names: &[impl AsRef<std::ffi::OsStr>],
    longest: Duration,
    with: impl FnOnce(&mut Command),
) -> Result<Verdict> {
    let mut command = Command::new("prlimit");
    command
        .arg(MEMORY)
        .arg(&executable.file)
        .arg("--exact")
        .args(names)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.current_dir(&executable.folder).env("RUST_BACKTRACE", "0");
    command.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1");
    with(&mut command);
    let mut child = command.spawn()?;
    let began = Instant::now();
    let mut wait = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(if status.success() { Verdict::Lived } else { Verdict::Failed });
        }
        if began.elapsed() > longest {
            child.kill()?;
            child.wait()?;
            return Ok(Verdict::Stuck);
        }
        std::thread::sleep(wait);
        wait = (wait * 2).min(Duration::from_millis(50));
    }
}
