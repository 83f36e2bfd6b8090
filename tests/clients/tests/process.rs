//! What `Process` promises the tests that stand on it.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::Duration;

use resilient_clients_tests::{Process, Recipe};

const SHORT: Duration = Duration::from_millis(300);

fn echo() -> Recipe {
    Recipe::new(|place| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_echo"));
        command.arg(place.port.to_string()).arg(&place.folder);
        command
    })
}

/// A connection, and which start of the server it is to.
fn connect(server: SocketAddr) -> (BufReader<TcpStream>, String) {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(SHORT)).unwrap();
    let mut stream = BufReader::new(stream);
    let mut which = String::new();
    stream.read_line(&mut which).unwrap();
    (stream, which)
}

fn ask(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    stream.get_mut().write_all(b"hello\n")?;
    let mut answer = String::new();
    stream.read_line(&mut answer).map(|_| answer)
}

#[test]
fn a_killed_server_refuses_and_comes_back_on_its_port_and_data() {
    let server = Process::start(echo());
    let (mut stream, which) = connect(server.address());
    assert_eq!(which, "1\n");
    assert_eq!(ask(&mut stream).unwrap(), "hello\n");
    server.kill();
    assert_eq!(TcpStream::connect(server.address()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_ne!(ask(&mut stream).ok().as_deref(), Some("hello\n"), "its connections are gone");
    server.restart();
    assert_eq!(connect(server.address()).1, "2\n");
}

#[test]
fn a_stopped_server_hangs_until_it_is_resumed() {
    let server = Process::start(echo());
    let (mut stream, _) = connect(server.address());
    server.stop();
    assert_eq!(ask(&mut stream).unwrap_err().kind(), ErrorKind::WouldBlock);
    server.resume();
    let mut late = [0; 6];
    stream.get_ref().set_read_timeout(Some(20 * SHORT)).unwrap();
    stream.read_exact(&mut late).unwrap();
    assert_eq!(&late, b"hello\n");
}

#[test]
fn a_server_ends_with_the_test_that_panics() {
    let mut address = None;
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let server = Process::start(echo());
        address = Some(server.address());
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    let refused = TcpStream::connect(address.unwrap()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_stopped_server_ends_when_it_is_dropped() {
    let server = Process::start(echo());
    let (address, folder) = (server.address(), server.place().folder.clone());
    server.stop();
    drop(server);
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert!(!folder.exists(), "its folder is gone with it");
}

#[test]
fn a_missing_program_is_named_with_what_installs_it() {
    let missing = Process::try_start(Recipe::new(|_| Command::new("no-such-server"))).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "`no-such-server` is not installed: `scripts/test` installs every server that the tests need"
    );
}

#[test]
fn a_server_that_ends_while_it_starts_says_what_it_wrote() {
    let recipe = Recipe::new(|_| Command::new(env!("CARGO_BIN_EXE_echo")));
    let ended = Process::try_start(recipe).unwrap_err().to_string();
    assert!(ended.contains("ended while it started, with exit status: 1"), "{ended}");
    assert!(ended.contains("echo PORT FOLDER"), "{ended}");
}

#[test]
fn a_server_that_does_not_answer_in_time_is_ended() {
    let recipe = echo().answers(|_| false).within(SHORT);
    let silent = Process::try_start(recipe).unwrap_err().to_string();
    assert!(silent.contains("did not answer within 300ms"), "{silent}");
}
