//! Nothing is in scope here but what is imported.
#![no_implicit_prelude]

use ::resilient::{circuit_breaker, resilient, retry_with_backoff, track_service_health, with_timeout};
use ::std::io;
use ::std::result::Result::Ok;
use ::std::string::String;

/// All layers and rules of a policy.
///
/// # Errors
///
/// None.
#[resilient(
    jitter = 0.2,
    window = 10,
    failure_rate = 0.5,
    ignore = _,
    failure_if = |size| *size == 0,
    bulkhead,
    rate_limit(rate = 100),
    hedge,
    idempotent = true,
    key = more,
    fallback_chain = [again_later, again_later],
    fallback_value = 0
)]
pub async fn async_policy(text: String, mut more: usize) -> io::Result<usize> {
    more += text.len();
    Ok(more)
}

/// Stacked, with a fallback.
///
/// # Errors
///
/// None.
#[retry_with_backoff]
#[circuit_breaker(fallback = again)]
#[with_timeout(5)]
#[track_service_health("edition_2021:plain")]
pub fn sync_stack(mut text: String) -> io::Result<usize> {
    text.push('!');
    Ok(text.len())
}

async fn again_later(text: String, more: usize) -> io::Result<usize> {
    Ok(text.len() + more)
}

fn again(text: String) -> io::Result<usize> {
    if text.is_empty() {
        return ::std::result::Result::Err(io::Error::other("empty"));
    }
    Ok(text.into_bytes().len())
}

/// A store.
#[derive(Debug)]
pub struct Store;

#[resilient]
impl Store {
    /// A method that is guarded with its block.
    ///
    /// # Errors
    ///
    /// None.
    pub async fn load(&self, key: &str) -> io::Result<usize> {
        Ok(key.len())
    }

    /// One that is not.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        true
    }

    /// One that says so.
    ///
    /// # Errors
    ///
    /// None.
    #[resilient(skip)]
    pub fn size(&self) -> io::Result<usize> {
        Ok(0)
    }
}
