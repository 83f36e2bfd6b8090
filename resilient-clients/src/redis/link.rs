//! The one connection of a client: made when it is first needed, by one of those who need it, and replaced when it fails.
//!
//! The `redis` crate's `ConnectionManager` does the same by itself, and connects anew in the background when a command
//! fails: an attempt that comes later, a probe after the outage, would get the error of that earlier try as its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use redis::RedisResult;

use super::connection::RedisConnection;
use super::server::Server;

type Connecting = Shared<BoxFuture<'static, RedisResult<RedisConnection>>>;

#[derive(Debug)]
pub(super) struct Link {
    server: Arc<Server>,
    current: Mutex<Current>,
}

#[derive(Debug, Default)]
struct Current {
    /// Of the connection that is there or on its way, and of all there were.
    number: u64,
    connecting: Option<Connecting>,
}

impl Link {
    pub(super) fn new(server: Arc<Server>) -> Self {
        Self { server, current: Mutex::default() }
    }

    pub(super) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// The connection and its number; those who come while it is made wait for the same one.
    pub(super) async fn connect(&self) -> RedisResult<(u64, RedisConnection)> {
        let (number, connecting) = self.current();
        // Who gives up waiting takes it for dead: nobody else is to wait for a try that began before the server came back.
        let mut unless_it_came = Discard { link: self, number: Some(number) };
        let connection = connecting.await?;
        unless_it_came.number = None;
        Ok((number, connection))
    }

    fn current(&self) -> (u64, Connecting) {
        let mut current = self.lock();
        let current = &mut *current;
        let connecting = current.connecting.get_or_insert_with(|| {
            current.number += 1;
            let server = Arc::clone(&self.server);
            async move { server.connect().await }.boxed().shared()
        });
        (current.number, connecting.clone())
    }

    /// The next one to come connects anew, unless somebody has by now.
    pub(super) fn discard(&self, number: u64) {
        let mut current = self.lock();
        let gone = if current.number == number { current.connecting.take() } else { None };
        drop(current);
        drop(gone);
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Discard<'l> {
    link: &'l Link,
    number: Option<u64>,
}

impl Drop for Discard<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.link.discard(number);
        }
    }
}
