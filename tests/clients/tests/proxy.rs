//! What `Proxy` promises the tests that stand on it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use resilient_clients_tests::{Fault, Proxy, now, until};

const SHORT: Duration = Duration::from_millis(300);

/// A proxy before a server that sends back what it is sent, for as long as the test runs.
fn proxy() -> Proxy {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let server = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut buffer = [0; 1024];
                while let Ok(read @ 1..) = (&stream).read(&mut buffer) {
                    let _ = (&stream).write_all(&buffer[..read]);
                }
            });
        }
    });
    Proxy::start(server)
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(SHORT)).unwrap();
    stream
}

/// What comes back for five bytes: so many of them, or the error.
fn ask(mut stream: &TcpStream) -> Result<usize, ErrorKind> {
    stream.write_all(b"hello").map_err(|why| why.kind())?;
    let mut answer = [0; 5];
    let mut read = 0;
    while read < answer.len() {
        match stream.read(&mut answer[read..]).map_err(|why| why.kind())? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

#[test]
fn what_passes_is_unchanged_and_counted() {
    let proxy = proxy();
    let (first, second) = (connect(&proxy), connect(&proxy));
    assert_eq!((ask(&first), ask(&second)), (Ok(5), Ok(5)));
    assert_eq!((proxy.connections(), proxy.open()), (2, 2));
    drop(first);
    until(|| proxy.open() == 1);
    assert_eq!(proxy.connections(), 2);
}

#[test]
fn a_refusing_proxy_is_as_a_dead_server_and_comes_back_on_its_port() {
    let proxy = proxy();
    let open = connect(&proxy);
    assert_eq!(ask(&open), Ok(5));
    proxy.set(Fault::Refuse);
    until(|| proxy.open() == 0);
    assert!(matches!(ask(&open), Err(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)));
    let refused = TcpStream::connect(proxy.address()).map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(proxy.connections(), 1);
    proxy.set(Fault::Pass);
    assert_eq!(ask(&connect(&proxy)), Ok(5));
}

#[test]
fn a_reset_is_one_for_open_connections_and_new_ones() {
    let proxy = proxy();
    let open = connect(&proxy);
    assert_eq!(ask(&open), Ok(5));
    proxy.set(Fault::Reset);
    assert_eq!((&open).read(&mut [0; 5]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(connect(&proxy).read(&mut [0; 5]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn latency_makes_answers_late_and_leaves_them_whole() {
    let proxy = proxy();
    let stream = connect(&proxy);
    proxy.set(Fault::Latency(SHORT / 2));
    let began = now();
    assert_eq!(ask(&stream), Ok(5));
    assert!(began.elapsed() >= SHORT / 2);
}

#[test]
fn an_answer_is_cut_after_so_many_bytes_of_each_connection() {
    let proxy = proxy();
    let stream = connect(&proxy);
    assert_eq!(ask(&stream), Ok(5));
    proxy.set(Fault::Cut(7));
    assert_eq!((ask(&stream), ask(&stream)), (Ok(5), Ok(2)));
    assert_eq!(ask(&connect(&proxy)), Ok(5));
    proxy.set(Fault::Cut(0));
    assert_eq!(ask(&connect(&proxy)), Ok(0));
}

#[test]
fn a_stalled_connection_stands_and_goes_on_where_it_was() {
    let proxy = proxy();
    let mut stream = connect(&proxy);
    assert_eq!(ask(&stream), Ok(5));
    proxy.set(Fault::Stall);
    assert_eq!(ask(&stream), Err(ErrorKind::WouldBlock));
    assert_eq!(ask(&connect(&proxy)), Err(ErrorKind::WouldBlock), "a new one is taken and gets no answer");
    proxy.set(Fault::Pass);
    let mut late = [0; 5];
    stream.read_exact(&mut late).unwrap();
    assert_eq!(&late, b"hello");
}

#[test]
fn a_dropped_proxy_ends_its_connections() {
    let proxy = proxy();
    let mut stream = connect(&proxy);
    assert_eq!(ask(&stream), Ok(5));
    drop(proxy);
    assert!(!matches!(stream.read(&mut [0; 5]), Ok(1..)));
}
