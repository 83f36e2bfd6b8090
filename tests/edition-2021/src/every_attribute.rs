//! Each attribute by itself, and all of them together, sync and async.

use std::time::Duration;

use resilient::{
    api_resilient, bulkhead, cache_resilient, circuit_breaker, database_resilient, fallback, file_resilient,
    hedge, ml_resilient, rate_limit, resilient, retry_with_backoff, track_service_health, with_timeout,
};

use crate::{Error, Result};

const LIMIT: Duration = Duration::from_secs(2);

fn is_busy(error: &Error) -> bool {
    matches!(error, Error::Busy)
}

/// A kind of its own, with its values as constants and expressions.
///
/// # Errors
///
/// `NotFound` for an order 0.
#[resilient(
    operation_type = "payments",
    operation_name = "edition_2021:charge",
    timeout = LIMIT,
    deadline = LIMIT * 10,
    max_attempts = 1 + 1,
    base_delay = "1ms",
    jitter = "full",
    retry_if = is_busy
)]
pub async fn charge(order: u32, tag: &str) -> Result<String> {
    if order == 0 {
        return Err(Error::NotFound);
    }
    tokio::task::yield_now().await;
    Ok(format!("{tag}{order}"))
}

/// Errors that are the caller's fault, and answers that are failures.
///
/// # Errors
///
/// `NotFound` for an empty name.
#[database_resilient(ignore = Error::NotFound, failure_if = |id| *id == 13, base_delay = "1ms")]
pub async fn user_id(name: String) -> Result<usize> {
    if name.is_empty() {
        Err(Error::NotFound)
    } else {
        Ok(name.len())
    }
}

/// A fallback in the place of errors.
#[cache_resilient(fallback = price_from_database, window = "30s", failure_rate = 0.5)]
pub async fn price(item: u32, _currency: &str) -> Option<u32> {
    item.checked_mul(2)
}

async fn price_from_database(item: u32, currency: &str) -> Option<u32> {
    tokio::task::yield_now().await;
    u32::try_from(currency.len()).ok()?.checked_add(item)
}

/// A pattern with a guard, a changed argument and a copied one.
///
/// # Errors
///
/// `NotFound` where there is no page.
#[api_resilient(retry_on = Error::Refused(error) if error.is_timeout(), clone(path), exhausted = "wrap")]
pub async fn page(path: String, mut from: usize) -> Result<String> {
    from += 1;
    let mut text = path;
    if from > text.len() {
        return Err(Error::NotFound);
    }
    Ok(text.split_off(from))
}

/// Sync and borrowed: in place.
///
/// # Errors
///
/// None.
#[file_resilient]
pub fn lines(text: &str) -> std::io::Result<Vec<&str>> {
    Ok(text.lines().collect())
}

/// Sync and owned: on a worker thread.
///
/// # Errors
///
/// None.
#[ml_resilient(timeout = "5s")]
pub fn predict(weights: Vec<u32>) -> std::io::Result<u32> {
    Ok(weights.into_iter().sum())
}

/// Returns what it likes: nothing here refuses.
#[retry_with_backoff(max_retries = 2, base_delay = "1ms")]
pub fn download(parts: &mut Vec<u32>) -> Option<u32> {
    parts.pop()
}

/// An async function with a limit of its own.
///
/// # Errors
///
/// A timeout.
#[with_timeout(5)]
pub async fn render(page: &str) -> Result<usize> {
    tokio::task::yield_now().await;
    Ok(page.len())
}

/// Anything at all can be watched.
#[must_use]
#[track_service_health("edition_2021:mail", min_samples = 1)]
pub fn ping(count: u32) -> u32 {
    count + 1
}

/// A breaker hands out unique borrows.
///
/// # Errors
///
/// `NotFound` for an empty list.
#[circuit_breaker(name = "edition_2021:first", failure_threshold = 3)]
pub fn first(list: &mut [u32]) -> Result<&mut u32> {
    list.first_mut().ok_or(Error::NotFound)
}

/// All of them.
///
/// # Errors
///
/// `Busy`, once.
#[retry_with_backoff(max_retries = 3, base_delay = "1ms")]
#[circuit_breaker(name = "edition_2021:database")]
#[with_timeout(seconds = 5)]
#[track_service_health("edition_2021:database")]
pub async fn query(calls: &mut u32) -> Result<u32> {
    *calls += 1;
    if *calls < 2 {
        return Err(Error::Busy);
    }
    Ok(*calls)
}

/// One at a time and for each tenant, on this thread.
///
/// # Errors
///
/// `Refused` while another runs.
#[bulkhead(max_concurrent = 1, key = tenant)]
pub fn alone(tenant: &str, inside: bool) -> Result<usize> {
    if inside {
        alone(tenant, false)
    } else {
        Ok(tenant.len())
    }
}

/// Twice a minute.
///
/// # Errors
///
/// `Refused` the third time.
#[rate_limit(rate = 2, per = "1min")]
pub async fn rarely(order: u32) -> Result<u32> {
    tokio::task::yield_now().await;
    Ok(order)
}

/// A second run beside one that hangs.
///
/// # Errors
///
/// None.
#[hedge(delay = "1ms", idempotent = true, clone(order))]
pub async fn twice(runs: &std::cell::Cell<u32>, order: String) -> Result<String> {
    runs.set(runs.get() + 1);
    if runs.get() == 1 {
        std::future::pending::<()>().await;
    }
    Ok(order)
}

/// A fallback that is told the error, and one that is not.
///
/// # Errors
///
/// `NotFound`.
#[fallback(chain = [untold, told], on = Error::Busy)]
pub async fn spare(order: u32) -> Result<u32> {
    Err(if order == 0 { Error::NotFound } else { Error::Busy })
}

async fn told(order: u32, error: Error) -> Result<u32> {
    if order == 1 {
        Ok(1)
    } else {
        Err(error)
    }
}

async fn untold(order: u32) -> Result<u32> {
    Ok(order * 2)
}
