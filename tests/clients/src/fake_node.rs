//! A node that says it is all of a Redis cluster, and counts what it is asked.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{self, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Runs on the runtime that it was started in, until it is dropped.
#[derive(Debug)]
pub struct FakeNode {
    address: SocketAddr,
    asked: Arc<AtomicU32>,
    serves: JoinHandle<()>,
}

impl FakeNode {
    /// To every `GET` it answers so, in the protocol's own words; with nothing it closes the connection.
    pub async fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("it has one");
        let asked = Arc::<AtomicU32>::default();
        let counts = Arc::clone(&asked);
        let serves = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, address, answer, Arc::clone(&counts)));
            }
        });
        Self { address, asked, serves }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often it was sent a `GET`.
    pub fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        self.serves.abort();
    }
}

async fn serve(
    stream: TcpStream,
    address: SocketAddr,
    answer: &str,
    asked: Arc<AtomicU32>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let command = command(&mut stream).await?;
        let said = match command.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["CLUSTER", "SLOTS"] => {
                let node = format!("*2\r\n$9\r\n127.0.0.1\r\n:{}\r\n", address.port());
                format!("*1\r\n*3\r\n:0\r\n:16383\r\n{node}")
            }
            ["GET", ..] => {
                asked.fetch_add(1, Ordering::Relaxed);
                if answer.is_empty() {
                    return Ok(());
                }
                format!("{answer}\r\n")
            }
            ["PING"] => "+PONG\r\n".to_owned(),
            _ => "+OK\r\n".to_owned(),
        };
        stream.write_all(said.as_bytes()).await?;
    }
}

/// A command as clients send it: an array of texts.
async fn command(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<String>> {
    let mut words = Vec::new();
    for _ in 0..length(stream).await? {
        let mut word = vec![0; length(stream).await? + 2];
        stream.read_exact(&mut word).await?;
        words.push(String::from_utf8_lossy(&word).trim_end().to_ascii_uppercase());
    }
    Ok(words)
}

/// `*2` or `$3`.
async fn length(stream: &mut BufReader<TcpStream>) -> io::Result<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    line.trim_end().get(1..).and_then(|length| length.parse().ok()).ok_or(io::ErrorKind::InvalidData.into())
}
