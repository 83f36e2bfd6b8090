//! A cache in the shape of the usual ones: a line asks for a key, a line answers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::live::Live;

/// Longer than any time limit of the tour, and short enough for the threads that wait for it.
const HANGS: Duration = Duration::from_secs(2);

pub(crate) struct Cache {
    address: SocketAddr,
    hanging: Arc<AtomicU32>,
}

impl Cache {
    pub(crate) async fn start(live: &Arc<Live>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let cache = Self { address: listener.local_addr()?, hanging: Arc::default() };
        let (live, hanging) = (Arc::clone(live), Arc::clone(&cache.hanging));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let hangs = hanging
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                    .is_ok();
                tokio::spawn(serve(client, hangs, Arc::clone(&live)));
            }
        });
        Ok(cache)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next `connections` get no answer.
    pub(crate) fn will_hang(&self, connections: u32) {
        self.hanging.store(connections, Ordering::Relaxed);
    }
}

async fn serve(client: TcpStream, hangs: bool, live: Arc<Live>) -> io::Result<()> {
    let mut client = BufReader::new(client);
    let mut key = String::new();
    client.read_line(&mut key).await?;
    let key = key.trim();
    if hangs {
        live.world("cache", format!("{key}: no answer"));
        live.spin("no answer yet");
        tokio::time::sleep(HANGS).await;
        return Ok(());
    }
    client.write_all(format!("{key} from the cache\n").as_bytes()).await
}
