//! The tests: which of them meet which mutant, and whether they notice it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;

/// A mutant may loop for ever, or ask for all memory there is.
const LONGEST: Duration = Duration::from_secs(60);
const MEMORY: &str = "--as=6000000000";

#[derive(Debug)]
struct Test {
    executable: PathBuf,
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
    pub fn of(executables: &[PathBuf], out: &Path) -> Result<Self> {
        let mut tests = Self { all: Vec::new(), meets: BTreeMap::new() };
        let trace = out.join("trace");
        for executable in executables {
            let listed = Command::new(executable).args(["--list", "--format=terse"]).output()?;
            for line in String::from_utf8(listed.stdout)?.lines() {
                let Some(name) = line.strip_suffix(": test") else { continue };
                let _ = fs::remove_file(&trace);
                let began = Instant::now();
                let passed = run(executable, &[name], |command| command.env("MUTANT_TRACE", &trace))?;
                if !passed {
                    eprintln!("left out, fails as it is: {name} in {}", executable.display());
                    continue;
                }
                let index = tests.all.len();
                tests.all.push(Test {
                    executable: executable.clone(),
                    name: name.to_owned(),
                    took: began.elapsed(),
                });
                for number in fs::read_to_string(&trace).unwrap_or_default().lines() {
                    tests.meets.entry(number.parse()?).or_default().push(index);
                }
            }
        }
        for met in tests.meets.values_mut() {
            met.sort_by_key(|index| tests.all[*index].took);
            met.dedup();
        }
        eprintln!("{} tests", tests.all.len());
        Ok(tests)
    }

    /// Whether a test that meets the mutant fails: the quickest ones first, then more at a time.
    pub fn kill(&self, number: usize) -> Result<bool> {
        let mut left = self.meets.get(&number).map_or(&[][..], Vec::as_slice);
        let mut at_once = 4;
        while !left.is_empty() {
            let (now, later) = left.split_at(at_once.min(left.len()));
            let mut by_executable = BTreeMap::<&Path, Vec<&str>>::new();
            for index in now {
                let test = &self.all[*index];
                by_executable.entry(&test.executable).or_default().push(&test.name);
            }
            for (executable, names) in by_executable {
                let on = number.to_string();
                if !run(executable, &names, |command| command.env("MUTANT", on))? {
                    return Ok(true);
                }
            }
            (left, at_once) = (later, at_once * 6);
        }
        Ok(false)
    }
}

fn run(executable: &Path, names: &[&str], with: impl FnOnce(&mut Command) -> &mut Command) -> Result<bool> {
    let mut command = Command::new("prlimit");
    command
        .arg(MEMORY)
        .arg(executable)
        .arg("--exact")
        .args(names)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.env("RUST_BACKTRACE", "0");
    let mut child = with(&mut command).spawn()?;
    let began = Instant::now();
    let mut wait = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if began.elapsed() > LONGEST {
            child.kill()?;
            child.wait()?;
            return Ok(false);
        }
        std::thread::sleep(wait);
        wait = (wait * 2).min(Duration::from_millis(50));
    }
}
