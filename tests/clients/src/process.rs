//! A server that is a test's own: a process on a free loopback port, its data in a temporary folder.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::waiting::now;

/// Ports that the system does not give to outgoing connections, so that a server finds its own again.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

const PAUSE: Duration = Duration::from_millis(10);

/// Where a server is: told to whoever starts it and asks it.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its data, and its `log`.
    pub folder: PathBuf,
    /// Free when it was chosen, on 127.0.0.1.
    pub port: u16,
}

impl Place {
    /// The port on the loopback address.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}

type Step<T> = Box<dyn Fn(&Place) -> T + Send + Sync>;

/// How a server is started.
pub struct Recipe {
    prepare: Step<io::Result<()>>,
    command: Step<Command>,
    answers: Step<bool>,
    within: Duration,
}

impl Recipe {
    /// The command that is the server: no shell, nothing that leaves another process behind and ends.
    pub fn new(command: impl Fn(&Place) -> Command + Send + Sync + 'static) -> Self {
        Self {
            prepare: Box::new(|_| Ok(())),
            command: Box::new(command),
            answers: Box::new(|place| TcpStream::connect_timeout(&place.address(), 20 * PAUSE).is_ok()),
            within: Duration::from_secs(30),
        }
    }

    /// What comes before its first start, after what was said so before. Default: nothing.
    #[must_use]
    pub fn prepare(mut self, prepare: impl Fn(&Place) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let before = self.prepare;
        self.prepare = Box::new(move |place| before(place).and_then(|()| prepare(place)));
        self
    }

    /// What its command is told besides.
    #[must_use]
    pub fn also(mut self, more: impl Fn(&Place, &mut Command) + Send + Sync + 'static) -> Self {
        let before = self.command;
        self.command = Box::new(move |place| {
            let mut command = before(place);
            more(place, &mut command);
            command
        });
        self
    }

    /// Whether it answers. Default: it takes a connection.
    #[must_use]
    pub fn answers(mut self, answers: impl Fn(&Place) -> bool + Send + Sync + 'static) -> Self {
        self.answers = Box::new(answers);
        self
    }

    /// How long its start may take. Default: 30 s.
    #[must_use]
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }
}

impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipe").field("within", &self.within).finish_non_exhaustive()
    }
}

/// A running server. It ends when this is dropped, whatever the test does.
#[derive(Debug)]
pub struct Process {
    recipe: Recipe,
    place: Place,
    child: Mutex<Option<Child>>,
    /// After the child, which may still write to it.
    _folder: TempDir,
}

impl Process {
    /// Starts a server and waits until it answers.
    ///
    /// # Panics
    ///
    /// Where it does not start, with the reason.
    pub fn start(recipe: Recipe) -> Self {
        Self::try_start(recipe).unwrap_or_else(|why| panic!("{why}"))
    }

    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    ///
    /// The program is missing, ended, or does not answer in time; with the end of what it wrote.
    pub fn try_start(recipe: Recipe) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("resilient-").tempdir()?;
        let place = Place { folder: folder.path().to_owned(), port: free_port() };
        (recipe.prepare)(&place)?;
        let process = Self { recipe, place, child: Mutex::new(None), _folder: folder };
        process.run()?;
        Ok(process)
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.place.port
    }

    /// Its port on the loopback address.
    pub fn address(&self) -> SocketAddr {
        self.place.address()
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        fs::read(self.place.folder.join("log"))
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// Ends it on the spot, as a crash does (SIGKILL).
    pub fn kill(&self) {
        let running = self.child().take();
        if let Some(mut child) = running {
            let mut all = with_descendants(&child);
            all.remove(0);
            let _ = child.kill();
            let _ = child.wait();
            signal(&all, Signal::KILL);
            // What they hold, ports and memory, is free when they are gone.
            let began = now();
            while all.iter().any(|process| is_running(*process)) {
                assert!(began.elapsed() < self.recipe.within, "the server does not end");
                sleep(PAUSE / 10);
            }
        }
    }

    /// Stops it: its connections stay, nothing answers (SIGSTOP).
    pub fn stop(&self) {
        let running = self.child();
        let child = running.as_ref().expect("the server runs");
        // Itself first, so that it starts no further process.
        signal(&[pid(child)], Signal::STOP);
        let all = with_descendants(child);
        signal(&all, Signal::STOP);
        let began = now();
        while !all.iter().all(|process| is_stopped(*process)) {
            assert!(began.elapsed() < self.recipe.within, "the server does not stop");
            sleep(PAUSE / 10);
        }
    }

    /// Stops some of its processes, by their numbers.
    ///
    /// # Panics
    ///
    /// Where one is not its own.
    pub fn stop_only(&self, processes: &[i32]) {
        let running = self.child();
        let own = with_descendants(running.as_ref().expect("the server runs"));
        let chosen: Vec<Pid> = processes.iter().filter_map(|process| Pid::from_raw(*process)).collect();
        assert!(chosen.iter().all(|process| own.contains(process)), "processes of the server");
        signal(&chosen, Signal::STOP);
    }

    /// Lets it go on after [`stop`](Self::stop) (SIGCONT).
    pub fn resume(&self) {
        let running = self.child();
        let child = running.as_ref().expect("the server runs");
        signal(&with_descendants(child), Signal::CONT);
    }

    /// Starts it again, on the same port and data, after ending it where it still runs.
    ///
    /// # Panics
    ///
    /// Where it does not start, with the reason.
    pub fn restart(&self) {
        self.kill();
        self.run().unwrap_or_else(|why| panic!("{why}"));
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) -> io::Result<()> {
        let mut command = (self.recipe.command)(&self.place);
        let program = command.get_program().to_string_lossy().into_owned();
        let log = File::options().create(true).append(true).open(self.place.folder.join("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().map_err(|why| match why.kind() {
            io::ErrorKind::NotFound => io::Error::new(
                why.kind(),
                format!(
                    "`{program}` is not installed: `scripts/test` installs every server that the tests need"
                ),
            ),
            _ => io::Error::new(why.kind(), format!("`{program}` does not start: {why}")),
        })?;
        *self.child() = Some(child);
        let failed = |how: String| {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(20)..].join("\n");
            io::Error::other(format!("`{program}` {how}; the end of what it wrote:\n{last}"))
        };
        let began = now();
        while !(self.recipe.answers)(&self.place) {
            let ended = self.child().as_mut().expect("it was put there").try_wait()?;
            if let Some(ended) = ended {
                *self.child() = None;
                return Err(failed(format!("ended while it started, with {ended}")));
            }
            if began.elapsed() > self.recipe.within {
                self.kill();
                return Err(failed(format!("did not answer within {:?}", self.recipe.within)));
            }
            sleep(PAUSE);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port of 127.0.0.1 that nobody listens on.
///
/// # Panics
///
/// Where there is none.
pub fn free_port() -> u16 {
    let mut ports = std::iter::repeat_with(|| fastrand::u16(PORTS)).take(1000);
    let free = ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    free.expect("a port is free")
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// The process and every process that comes from it, itself first.
fn with_descendants(child: &Child) -> Vec<Pid> {
    let mut all = vec![pid(child)];
    let mut parents: Vec<(Pid, Pid)> = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let id = entry.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
        if let (Some(id), Some((_, Some(parent)))) = (id, state(&entry.path())) {
            parents.push((id, parent));
        }
    }
    let mut next = 0;
    while let Some(known) = all.get(next).copied() {
        all.extend(parents.iter().filter(|(_, parent)| *parent == known).map(|(id, _)| *id));
        next += 1;
    }
    all
}

/// The state and the parent of a process or thread, which are after its name in parentheses.
fn state(of: &Path) -> Option<(String, Option<Pid>)> {
    let stat = fs::read_to_string(of.join("stat")).ok()?;
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace();
    let state = fields.next()?.to_owned();
    Some((state, fields.next()?.parse().ok().and_then(Pid::from_raw)))
}

/// Neither gone nor waiting for its parent to look.
fn is_running(process: Pid) -> bool {
    let entry = PathBuf::from(format!("/proc/{}", process.as_raw_nonzero()));
    state(&entry).is_some_and(|(state, _)| state != "Z" && state != "X")
}

/// A signal reaches threads one by one, after it was sent.
fn is_stopped(process: Pid) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero())).into_iter().flatten();
    threads.flatten().all(|thread| state(&thread.path()).is_none_or(|(state, _)| state == "T"))
}

fn signal(processes: &[Pid], signal: Signal) {
    for process in processes {
        // One that is gone by now needs none.
        let _ = kill_process(*process, signal);
    }
}
