//! A TCP proxy that does harm: between a client and its server, told what to do by the test.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

/// What happens to connections, those that are open and those to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    Pass,
    /// Nobody listens: what comes is refused, what is open is reset.
    Refuse,
    /// All are reset, a new one as soon as it is there (RST).
    Reset,
    /// What the server sends arrives so much later.
    Latency(Duration),
    /// After so many bytes from the server, counted for each connection from now or its beginning, it is closed.
    Cut(usize),
    /// Connections stand, and nothing gets through either way.
    Stall,
}

/// The fault, and which order of the test's it is.
#[derive(Clone, Copy, Debug)]
struct Told {
    fault: Fault,
    order: u64,
}

/// A proxy on a loopback port of its own, on a thread of its own. It ends when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    fault: watch::Sender<Told>,
    seen: Arc<Seen>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Seen {
    connections: AtomicUsize,
    open: AtomicUsize,
    /// The order that new connections are under.
    order: AtomicU64,
}

impl Proxy {
    /// A proxy before `server`, which need not be there.
    pub fn start(server: SocketAddr) -> Self {
        let (fault, faults) = watch::channel(Told { fault: Fault::Pass, order: 0 });
        let (end, ended) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let seen = Arc::new(Seen::default());
        let counts = Arc::clone(&seen);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let port = crate::process::free_port();
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.expect("a port is free");
                let address = listener.local_addr().expect("it is bound");
                tell.send(address).expect("the proxy is waited for");
                tokio::select! {
                    () = listen(listener, address, server, faults, counts) => {}
                    _ = ended => {}
                }
            });
        });
        let address = told.recv().expect("the proxy listens");
        Self { address, fault, seen, end: Some(end), thread: Some(thread) }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port of [`address`](Self::address).
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on this happens to connections: to new ones when this returns, to open ones a moment later. Where they are
    /// refused, none is open any more when this returns.
    pub fn set(&self, fault: Fault) {
        self.fault.send_modify(|told| *told = Told { fault, order: told.order + 1 });
        let order = self.fault.borrow().order;
        let is_done = || {
            self.seen.order.load(Ordering::SeqCst) >= order && (fault != Fault::Refuse || self.open() == 0)
        };
        while !is_done() {
            assert!(self.thread.as_ref().is_some_and(|thread| !thread.is_finished()), "the proxy runs");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// How many connections were taken so far; those that were refused are not among them.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// How many are open now.
    pub fn open(&self) -> usize {
        self.seen.open.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Until the proxy is dropped.
async fn listen(
    listener: TcpListener,
    address: SocketAddr,
    server: SocketAddr,
    mut faults: watch::Receiver<Told>,
    seen: Arc<Seen>,
) {
    let mut listener = Some(listener);
    loop {
        let told = *faults.borrow_and_update();
        if told.fault == Fault::Refuse {
            listener = None;
            seen.order.store(told.order, Ordering::SeqCst);
            if faults.changed().await.is_err() {
                return;
            }
            continue;
        }
        let listening = match listener.take() {
            Some(listening) => listening,
            None => TcpListener::bind(address).await.expect("the port is still the proxy's"),
        };
        seen.order.store(told.order, Ordering::SeqCst);
        tokio::select! {
            biased;
            changed = faults.changed() => if changed.is_err() { return },
            accepted = listening.accept() => {
                let Ok((client, _)) = accepted else { continue };
                seen.connections.fetch_add(1, Ordering::SeqCst);
                let faults = faults.clone();
                let open = Open::new(&seen);
                tokio::spawn(async move {
                    serve(client, server, faults).await;
                    drop(open);
                });
            }
        }
        listener = Some(listening);
    }
}

struct Open(Arc<Seen>);

impl Open {
    fn new(seen: &Arc<Seen>) -> Self {
        seen.open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(seen))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// How a connection ended before both sides had said all.
enum End {
    /// With a reset.
    Reset,
    /// In the middle, as if it were its end.
    Cut,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Reset
    }
}

async fn serve(mut client: TcpStream, server: SocketAddr, faults: watch::Receiver<Told>) {
    let ended = async {
        let mut server = TcpStream::connect(server).await?;
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::try_join!(
            pump(from_client, to_server, faults.clone(), false),
            pump(from_server, to_client, faults, true),
        )
    };
    if let Err(End::Reset) = ended.await {
        let _ = client.set_zero_linger();
    }
}

/// What happens to one direction of one connection now.
struct Faults {
    told: watch::Receiver<Told>,
    /// Bytes since that order.
    passed: usize,
    order: u64,
}

impl Faults {
    fn now(&mut self) -> Fault {
        let told = *self.told.borrow_and_update();
        if told.order != self.order {
            (self.order, self.passed) = (told.order, 0);
        }
        told.fault
    }

    async fn changed(&mut self) -> Result<(), End> {
        self.told.changed().await.map_err(|_| End::Reset)
    }
}

/// Carries one direction until its end.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    told: watch::Receiver<Told>,
    answers: bool,
) -> Result<(), End> {
    let mut buffer = vec![0; 16 * 1024];
    let mut faults = Faults { told, passed: 0, order: 0 };
    loop {
        match faults.now() {
            Fault::Refuse | Fault::Reset => return Err(End::Reset),
            Fault::Cut(after) if answers && after > 0 && faults.passed >= after => return Err(End::Cut),
            Fault::Stall => {
                faults.changed().await?;
                continue;
            }
            _ => {}
        }
        let read = tokio::select! {
            biased;
            changed = faults.changed() => {
                changed?;
                continue;
            }
            read = from.read(&mut buffer) => read?,
        };
        if read == 0 {
            to.shutdown().await?;
            return Ok(());
        }
        let mut data = &buffer[..read];
        while !data.is_empty() {
            let (now, wait) = match faults.now() {
                Fault::Refuse | Fault::Reset => return Err(End::Reset),
                Fault::Cut(after) if answers => (after.saturating_sub(faults.passed), None),
                Fault::Latency(wait) if answers => (data.len(), Some(wait)),
                Fault::Stall => (0, Some(Duration::MAX)),
                Fault::Pass | Fault::Cut(_) | Fault::Latency(_) => (data.len(), None),
            };
            if let Some(wait) = wait {
                tokio::select! {
                    biased;
                    changed = faults.changed() => {
                        changed?;
                        continue;
                    }
                    () = tokio::time::sleep(wait) => {}
                }
            } else if now == 0 {
                return Err(End::Cut);
            }
            let (part, rest) = data.split_at(now.min(data.len()));
            to.write_all(part).await?;
            faults.passed += part.len();
            data = rest;
        }
    }
}
