//! MariaDB of one's own.

use std::fs;
use std::io::{self, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::postgres::run;
use crate::process::{Process, Recipe};

/// The password of its user `app`.
pub const PASSWORD: &str = "hunter2-mariadb";

const SMALL: [&str; 2] = ["--innodb-log-file-size=4M", "--innodb-buffer-pool-size=16M"];

/// A server with an empty database `app`, and TLS where it is given a certificate and its key. What `mariadb-install-db` makes is made
/// once, in `scratch`, and copied.
///
/// # Panics
///
/// Where it is not installed, or does not start.
pub fn start(scratch: &Path, tls: Option<(&str, &str)>) -> Process {
    let template = template(scratch).expect("mariadb-install-db works");
    let tls = tls.map(|(certificate, key)| (certificate.to_owned(), key.to_owned()));
    let is_encrypted = tls.is_some();
    let recipe = Recipe::new(move |place| {
        let mut command = Command::new("mariadbd");
        command.arg("--no-defaults").args(SMALL);
        command.arg(format!("--datadir={}", place.folder.join("data").display()));
        command.arg(format!("--socket={}", place.folder.join("socket").display()));
        command.arg(format!("--init-file={}", place.folder.join("init.sql").display()));
        command.arg(format!("--port={}", place.port));
        // What is committed is with the kernel, which a killed process does not take along.
        command.args(["--bind-address=127.0.0.1", "--innodb-flush-log-at-trx-commit=2", "--user=root"]);
        if is_encrypted {
            command.arg(format!("--ssl-cert={}", place.folder.join("server.crt").display()));
            command.arg(format!("--ssl-key={}", place.folder.join("server.key").display()));
        }
        command
    })
    .prepare(move |place| {
        let init = format!(
            "CREATE DATABASE IF NOT EXISTS app CHARACTER SET utf8mb4;\n\
             CREATE USER IF NOT EXISTS app@'%' IDENTIFIED BY '{PASSWORD}';\n\
             GRANT ALL ON *.* TO app@'%';\n"
        );
        fs::write(place.folder.join("init.sql"), init)?;
        if let Some((certificate, key)) = &tls {
            fs::write(place.folder.join("server.crt"), certificate)?;
            fs::write(place.folder.join("server.key"), key)?;
        }
        run(Command::new("cp").arg("-a").arg(&template).arg(place.folder.join("data")))
    })
    .answers(|place| {
        let Ok(mut asked) = TcpStream::connect(place.address()) else { return false };
        let _ = asked.set_read_timeout(Some(Duration::from_secs(5)));
        // It greets, with the version of its protocol in the fifth byte.
        let mut greeting = [0; 5];
        asked.read_exact(&mut greeting).is_ok() && greeting[4] == 10
    });
    Process::start(recipe)
}

/// How a client finds it at `address`.
pub fn url(address: SocketAddr) -> String {
    format!("mariadb://app:{PASSWORD}@{address}/app")
}

fn template(scratch: &Path) -> io::Result<PathBuf> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one_at_a_time = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let template = scratch.join("mariadb");
    if template.is_dir() {
        return Ok(template);
    }
    fs::create_dir_all(scratch)?;
    // Another process may make it meanwhile.
    let begun = scratch.join(format!("mariadb-{}", std::process::id()));
    run(Command::new("mariadb-install-db")
        .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--user=root"])
        .args(SMALL)
        .arg(format!("--datadir={}", begun.display())))?;
    if fs::rename(&begun, &template).is_err() {
        fs::remove_dir_all(&begun)?;
    }
    Ok(template)
}
