//! PostgreSQL of one's own.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::process::{Process, Recipe};

/// The password of its user `app`.
pub const PASSWORD: &str = "hunter2-postgres";

/// A statement a line.
const FORGET: &str = "\
UPDATE pg_database SET datistemplate = false;
DROP DATABASE template0;
DROP DATABASE template1;
";

/// A server with an empty database `postgres`, and TLS where it is given a certificate and its key. What `initdb` makes is made once,
/// in `scratch`, and copied.
///
/// # Panics
///
/// Where it is not installed, or does not start.
pub fn start(scratch: &Path, tls: Option<(&str, &str)>) -> Process {
    let programs = programs();
    let template = template(&programs, scratch).expect("initdb works");
    let (server, is_ready) = (programs.join("postgres"), programs.join("pg_isready"));
    let tls = tls.map(|(certificate, key)| (certificate.to_owned(), key.to_owned()));
    let is_encrypted = tls.is_some();
    let recipe = Recipe::new(move |place| {
        let mut command = as_postgres(&server);
        command.arg("-D").arg(place.folder.join("data"));
        command.arg("-p").arg(place.port.to_string());
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "full_page_writes=off",
            "shared_buffers=16MB",
            "max_wal_size=64MB",
            "max_connections=40",
        ] {
            command.arg("-c").arg(setting);
        }
        if is_encrypted {
            command.args(["-c", "ssl=on"]);
        }
        command
    })
    .prepare(move |place| {
        fs::set_permissions(&place.folder, fs::Permissions::from_mode(0o755))?;
        let data = place.folder.join("data");
        run(Command::new("cp").arg("-a").arg(&template).arg(&data))?;
        if let Some((certificate, key)) = &tls {
            for (file, content) in [("server.crt", certificate), ("server.key", key)] {
                let file = data.join(file);
                fs::write(&file, content)?;
                fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
                if let Some((user, group)) = user() {
                    chown(&file, Some(user), Some(group))?;
                }
            }
        }
        Ok(())
    })
    .answers(move |place| {
        let asked =
            Command::new(&is_ready).args(["-q", "-h", "127.0.0.1", "-p", &place.port.to_string()]).status();
        asked.is_ok_and(|asked| asked.success())
    });
    Process::start(recipe)
}

/// How a client finds it at `address`.
pub fn url(address: SocketAddr) -> String {
    format!("postgres://app:{PASSWORD}@{address}/postgres")
}

/// Debian has a folder for each version.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    found.sort();
    found
        .pop()
        .expect("PostgreSQL is not installed: `scripts/test` installs every server that the tests need")
}

fn template(programs: &Path, scratch: &Path) -> io::Result<PathBuf> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one_at_a_time = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let version = programs.parent().and_then(Path::file_name).unwrap_or_default();
    let template = scratch.join("postgres").join(version);
    if template.is_dir() {
        return Ok(template);
    }
    let making = tempfile::Builder::new().prefix("resilient-").tempdir()?;
    fs::set_permissions(making.path(), fs::Permissions::from_mode(0o755))?;
    let password = making.path().join("password");
    fs::write(&password, PASSWORD)?;
    let forget = making.path().join("forget.sql");
    fs::write(&forget, FORGET)?;
    let data = making.path().join("data");
    fs::create_dir(&data)?;
    if let Some((user, group)) = user() {
        chown(&data, Some(user), Some(group))?;
    }
    run(as_postgres(&programs.join("initdb"))
        .args(["-U", "app", "-A", "scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C"])
        .arg("--pwfile")
        .arg(&password)
        .arg("-D")
        .arg(&data))?;
    // Two thirds of its files, which every server of a test would copy.
    run(as_postgres(&programs.join("postgres"))
        .args(["--single", "-D"])
        .arg(&data)
        .arg("postgres")
        .stdin(File::open(&forget)?))?;
    fs::create_dir_all(scratch.join("postgres"))?;
    // Another process may have made it meanwhile.
    let begun = scratch.join("postgres").join(format!("making-{}", std::process::id()));
    run(Command::new("cp").arg("-a").arg(&data).arg(&begun))?;
    if fs::rename(&begun, &template).is_err() {
        fs::remove_dir_all(&begun)?;
    }
    Ok(template)
}

/// It refuses to run as root.
fn as_postgres(program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((user, group)) = user() {
        command.uid(user).gid(group);
    }
    command.current_dir("/");
    command
}

/// The user `postgres`, for whoever may become it.
fn user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|line| line.starts_with("postgres:"))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

pub(crate) fn run(command: &mut Command) -> io::Result<()> {
    let done = command.output()?;
    if done.status.success() {
        return Ok(());
    }
    let program = command.get_program().to_string_lossy().into_owned();
    Err(io::Error::other(format!("`{program}`: {}", String::from_utf8_lossy(&done.stderr))))
}
