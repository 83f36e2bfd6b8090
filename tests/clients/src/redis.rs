//! Redis servers of a test's own: one, a cluster of one or two, a sentinel with its master.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use crate::certified::Certified;
use crate::process::{Place, Process, Recipe, free_port};
use crate::waiting::until;

const PATIENCE: Duration = Duration::from_secs(5);

/// A server that keeps nothing on disk unless `arguments` say so.
pub fn redis(arguments: &'static [&'static str]) -> Recipe {
    Recipe::new(move |place| {
        let mut command = server(place, "redis-server");
        command.args(["--save", ""]).args(arguments);
        command
    })
    .answers(|place| speaks(place.address()))
}

/// A server that has every write on disk before it acknowledges it, and reads it again after a crash.
pub fn durable_redis() -> Recipe {
    redis(&["--appendonly", "yes", "--appendfsync", "always"])
}

/// A node of a cluster. It has no slots yet.
pub fn cluster_node() -> Recipe {
    let bus = free_port().to_string();
    Recipe::new(move |place| {
        let mut command = server(place, "redis-server");
        command.args(["--save", "", "--cluster-enabled", "yes", "--cluster-port", &bus]);
        command.args(["--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no"]);
        command
    })
    .answers(|place| speaks(place.address()))
}

/// A cluster of one node, with all slots.
pub fn cluster() -> Process {
    cluster_of(cluster_node())
}

/// The same of such a node.
pub fn cluster_of(node: Recipe) -> Process {
    let node = Process::start(node);
    told(node.address(), &["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    until(|| told(node.address(), &["CLUSTER", "INFO"]).contains("cluster_state:ok"));
    node
}

/// A sentinel that watches the master `main` at `address`.
pub fn sentinel(address: SocketAddr) -> Process {
    Process::start(watching(address))
}

/// As [`sentinel`], to be started.
pub fn watching(address: SocketAddr) -> Recipe {
    Recipe::new(|place| {
        let mut command = Command::new("redis-server");
        command.arg(place.folder.join("sentinel.conf")).arg("--sentinel");
        command
    })
    .prepare(move |place| {
        let Place { folder, port } = place;
        let configuration = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor main {} {} 1\nsentinel down-after-milliseconds main 500\n",
            folder.display(),
            address.ip(),
            address.port(),
        );
        std::fs::write(folder.join("sentinel.conf"), configuration)
    })
    .answers(|place| speaks(place.address()))
}

/// The same by TLS too, on a port of its own: to its clients, and to other servers by nothing else. Clients show nothing of
/// themselves.
pub fn encrypted(recipe: Recipe, port: u16, certified: &Certified) -> Recipe {
    let certified = certified.clone();
    recipe
        .prepare(move |Place { folder, .. }| {
            std::fs::write(folder.join("server.crt"), &certified.certificate)?;
            std::fs::write(folder.join("server.key"), &certified.key)?;
            std::fs::write(folder.join("authority.crt"), &certified.authority)
        })
        .also(move |Place { folder, .. }, command| {
            command.args(["--tls-port", &port.to_string(), "--tls-auth-clients", "no"]);
            command.args(["--tls-replication", "yes", "--tls-cluster", "yes"]);
            command.arg("--tls-cert-file").arg(folder.join("server.crt"));
            command.arg("--tls-key-file").arg(folder.join("server.key"));
            command.arg("--tls-ca-cert-file").arg(folder.join("authority.crt"));
        })
}

fn server(place: &Place, program: &str) -> Command {
    let mut command = Command::new(program);
    command.args(["--port", &place.port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no"]);
    command.arg("--dir").arg(&place.folder);
    command
}

/// Whether it answers at all, were it with a refusal.
fn speaks(address: SocketAddr) -> bool {
    ask(address, &["PING"]).is_ok_and(|answer| answer.starts_with("+PONG") || answer.starts_with("-NOAUTH"))
}

/// What a server says to a command, past every client: a line, or the text that it announces.
///
/// # Panics
///
/// Where it says nothing, or refuses.
pub fn told(address: SocketAddr, command: &[&str]) -> String {
    let answer = ask(address, command).expect("the server answers");
    assert!(!answer.starts_with('-'), "{command:?}: {answer}");
    answer
}

fn ask(address: SocketAddr, command: &[&str]) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut wire = format!("*{}\r\n", command.len());
    for argument in command {
        write!(wire, "${}\r\n{argument}\r\n", argument.len()).expect("a text takes all");
    }
    stream.write_all(wire.as_bytes())?;
    let mut answers = BufReader::new(stream);
    let mut line = String::new();
    answers.read_line(&mut line)?;
    let line = line.trim_end().to_owned();
    let Some(length) = line.strip_prefix('$').and_then(|length| length.parse::<usize>().ok()) else {
        return Ok(line);
    };
    let mut text = vec![0; length];
    answers.read_exact(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
