//! The shapes of functions in which the editions differ: captures, temporaries, preludes.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use resilient::{circuit_breaker, resilient, retry_with_backoff, with_timeout};

use crate::{Error, Result};

/// The temporary of the last expression borrows an argument.
///
/// # Errors
///
/// None.
#[resilient]
pub async fn last_of_owned(list: RefCell<Vec<u32>>) -> Result<usize> {
    Ok(list.borrow().len())
}

/// The temporary of the last expression borrows an attempt's own copy.
///
/// # Errors
///
/// None.
#[resilient]
pub async fn last_of_changed(mut list: RefCell<Vec<u32>>) -> Result<usize> {
    list.get_mut().push(1);
    Ok(list.borrow().len())
}

/// The same in place.
///
/// # Errors
///
/// None.
#[resilient(timeout_mode = "deadline")]
pub fn last_in_place(mut list: RefCell<Vec<u32>>) -> Result<usize> {
    list.get_mut().push(1);
    Ok(list.borrow().len())
}

/// The same on a worker thread.
///
/// # Errors
///
/// None.
#[resilient]
pub fn last_on_a_thread(list: Arc<Mutex<Vec<u32>>>) -> Result<usize> {
    Ok(list.lock().map_err(|_| Error::Busy)?.len())
}

/// Without a retry the body owns what came in.
///
/// # Errors
///
/// None.
#[with_timeout(5)]
pub async fn last_of_moved(list: Mutex<Vec<u32>>) -> Result<usize> {
    Ok(list.lock().map_err(|_| Error::Busy)?.len())
}

/// Captures nothing unless told, as of 2021.
pub fn future_of(order: u32) -> impl Future<Output = Result<u32>> + Send {
    guarded_future_of(order)
}

#[resilient]
fn guarded_future_of(order: u32) -> impl Future<Output = Result<u32>> + Send {
    async move { Ok(order) }
}

/// A future in a box, with a lifetime.
#[resilient]
pub fn boxed<'a>(tag: &'a str) -> Pin<Box<dyn Future<Output = Result<&'a str>> + Send + 'a>> {
    Box::pin(async move { Ok(tag) })
}

/// An iterator in a result.
///
/// # Errors
///
/// None.
#[resilient]
pub fn names(list: &[String]) -> Result<impl Iterator<Item = &str>> {
    Ok(list.iter().map(String::as_str))
}

/// A store behind an object.
#[async_trait]
pub trait Store: Send {
    /// Reads.
    async fn read(&self, key: &str) -> Result<String>;
    /// Writes.
    async fn write(&mut self, key: String, value: String) -> Result<()>;
}

/// A store in memory.
#[derive(Debug, Default)]
pub struct Memory {
    entries: Vec<(String, String)>,
    writes: u32,
}

#[async_trait]
impl Store for Memory {
    #[resilient(ignore = Error::NotFound)]
    async fn read(&self, key: &str) -> Result<String> {
        let entry = self.entries.iter().find(|(name, _)| name == key);
        entry.map(|(_, value)| value.clone()).ok_or(Error::NotFound)
    }

    #[retry_with_backoff(base_delay = "1ms", clone(key, value))]
    #[circuit_breaker(name = "edition_2021:store")]
    async fn write(&mut self, key: String, value: String) -> Result<()> {
        self.writes += 1;
        if self.writes == 1 {
            return Err(Error::Busy);
        }
        self.entries.push((key, value));
        Ok(())
    }
}

impl Memory {
    /// Borrows from `self`.
    ///
    /// # Errors
    ///
    /// `NotFound` for an empty store.
    #[resilient]
    pub async fn last(&self) -> Result<&str> {
        self.entries.last().map(|(key, _)| key.as_str()).ok_or(Error::NotFound)
    }

    /// Shares itself.
    ///
    /// # Errors
    ///
    /// None.
    #[resilient]
    pub async fn shared(self: Arc<Self>) -> Result<usize> {
        Ok(Arc::clone(&self).entries.len())
    }
}

macro_rules! guarded {
    ($($name:ident($value:expr) retries $retries:expr;)*) => {$(
        #[resilient(max_retries = $retries, base_delay = "1ms")]
        async fn $name() -> Result<u32> {
            let call = $value;
            Ok(call)
        }
    )*};
}

guarded! {
    one(1) retries 1;
    two(1 + 1) retries 1 + 1;
}

/// Functions that a macro made.
///
/// # Errors
///
/// None.
pub async fn three() -> Result<u32> {
    Ok(one().await? + two().await?)
}
