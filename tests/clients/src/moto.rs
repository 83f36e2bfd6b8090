//! A stand-in for S3 of a test's own. What it holds, it holds in memory.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use crate::process::Recipe;

const PATIENCE: Duration = Duration::from_secs(10);

/// The server.
pub fn moto() -> Recipe {
    Recipe::new(|place| {
        let mut command = Command::new("moto_server");
        command.args(["-H", "127.0.0.1", "-p", &place.port.to_string()]);
        command
    })
    .answers(|place| ask(place.address(), "GET", "/moto-api/").is_some_and(|answer| answer.contains(" 200 ")))
    .within(Duration::from_secs(60))
}

/// Makes a bucket.
///
/// # Panics
///
/// Where there is none then.
pub fn make_bucket(server: SocketAddr, name: &str) {
    let answer = ask(server, "PUT", &format!("/{name}")).expect("the server answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// How many uploads in parts the bucket has that are neither complete nor aborted.
///
/// # Panics
///
/// Where the server does not say.
pub fn uploads(server: SocketAddr, bucket: &str) -> usize {
    let answer = ask(server, "GET", &format!("/{bucket}?uploads")).expect("the server answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.matches("<UploadId>").count()
}

/// The whole answer to a request that nobody signed.
fn ask(server: SocketAddr, method: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let host = "s3.amazonaws.com";
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}
