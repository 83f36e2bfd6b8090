//! What the tests of this package stand on: how much there is to do, a process of one's own, and what that process
//! holds.
#![allow(clippy::missing_panics_doc, reason = "what does not work here is a failed test")]

use std::fmt::Display;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Wake;
use std::time::{Duration, Instant};

/// How long a test may take. `ENDURANCE` says it, `quick` when it says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// In a debug build, beside all other tests: seconds.
    Quick,
    /// In a release build, at every change: minutes.
    Short,
    /// In a release build, now and then: up to an hour.
    Deep,
}

impl Tier {
    /// The tier of this run.
    pub fn now() -> Self {
        match variable("ENDURANCE").as_deref() {
            None | Some("quick") => Self::Quick,
            Some("short") => Self::Short,
            Some("deep") => Self::Deep,
            Some(other) => panic!("ENDURANCE is quick, short or deep, not {other}"),
        }
    }

    /// The number that belongs to this tier.
    pub fn of<T>(self, quick: T, short: T, deep: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Short => short,
            Self::Deep => deep,
        }
    }
}

/// A variable of the environment.
#[allow(clippy::disallowed_methods, reason = "the tests' own, which the library does not read")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The real time.
#[allow(clippy::disallowed_methods, reason = "how long a test took is told to people")]
pub fn now() -> Instant {
    Instant::now()
}

/// Runs `body` in a process of its own, in which nothing else takes memory or threads: the test named `test` of this
/// program, begun again.
pub fn alone(test: &str, body: impl FnOnce()) {
    const INSIDE: &str = "ENDURANCE_ALONE";
    if variable(INSIDE).as_deref() == Some(test) {
        quiet_when_planned();
        give_up_after(Tier::now().of(120, 900, 14_400));
        let began = now();
        body();
        tell(test, format_args!("took {:.1} s", began.elapsed().as_secs_f64()));
        return;
    }
    let itself = std::env::current_exe().expect("this program");
    let run = Command::new(itself)
        .args([test, "--exact", "--nocapture", "--include-ignored", "--test-threads=1"])
        .env(INSIDE, test)
        .output()
        .expect("this program, again");
    let output = String::from_utf8_lossy(&run.stdout);
    // The first of them stands behind what the harness says of the test.
    for figure in output.lines().filter_map(|line| line.find(MARK).map(|at| &line[at..])) {
        println!("{figure}");
    }
    assert!(run.status.success(), "{test}: {}\n{output}{}", run.status, String::from_utf8_lossy(&run.stderr));
    assert!(output.contains("1 passed"), "no test is named {test}\n{output}");
}

/// What waits for something that does not come back is a failed test and not an endless one.
fn give_up_after(seconds: u64) {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(seconds));
        println!("not done after {seconds} s");
        std::process::exit(3);
    });
}

/// What a planned panic is thrown with.
#[derive(Debug)]
pub struct Planned;

/// Panics as planned.
pub fn panic_as_planned() -> ! {
    std::panic::panic_any(Planned)
}

/// Runs `body`. Any panic but a planned one goes on.
///
/// # Errors
///
/// It panicked as planned.
pub fn panicked<T>(body: impl FnOnce() -> T) -> Result<T, Planned> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).map_err(|payload| {
        match payload.downcast::<Planned>() {
            Ok(planned) => *planned,
            Err(payload) => std::panic::resume_unwind(payload),
        }
    })
}

/// Millions of planned panics are not worth a line each.
pub fn quiet_when_planned() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !info.payload().is::<Planned>() {
            loud(info);
        }
    }));
}

const MARK: &str = "endurance: ";

/// A figure for people; `scripts/endurance` prints it.
pub fn tell(test: &str, figure: impl Display) {
    let test = test.rsplit("::").next().unwrap_or(test);
    println!("{MARK}{test}: {figure}");
}

/// Bytes of this process that are in memory.
pub fn resident() -> u64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").expect("Linux");
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).expect("a line for it");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("kilobytes");
    kilobytes * 1024
}

/// What this process took of its processors so far, in ticks of 10 ms.
pub fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    // Behind the name, which may contain anything.
    let fields = stat.rsplit(')').next().expect("fields");
    let ticks = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks"));
    Duration::from_millis(10 * ticks.sum::<u64>())
}

/// Threads of this process.
pub fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("Linux").count()
}

/// Waits until `condition` holds, for `most` at most.
pub fn until(most: Duration, condition: impl Fn() -> bool) -> bool {
    let began = now();
    while !condition() {
        if began.elapsed() > most {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// A waker that counts. Whoever keeps a clone of it, a timer or a queue, is seen in its count of owners.
#[derive(Debug, Default)]
pub struct Counted(AtomicU64);

impl Counted {
    /// How often it was woken.
    pub fn woken(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
