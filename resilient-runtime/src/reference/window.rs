//! What a rate rule looks back on: a list of everything, and what of it is not forgotten.

use std::time::Duration;

use crate::breaker::Window;
use crate::reference::nanos;

/// Ten to a window; one that is too short for buckets of 20 ms is one bucket. Length in nanoseconds, and how many.
fn buckets(span: Duration) -> (u64, u64) {
    let buckets = if nanos(span) < 200_000_000 { 1 } else { 10 };
    ((nanos(span) / buckets).max(1), buckets)
}

/// Drops what a window has forgotten by `now` from a list of results, oldest first.
pub(crate) fn forget<T>(window: Window, results: &mut Vec<(u64, T)>, now: u64) {
    match window {
        Window::Count(size) => {
            let all = results.len();
            results.drain(..all.saturating_sub(size as usize));
        }
        Window::Time(span) => {
            let (bucket, buckets) = buckets(span);
            results.retain(|(at, _)| (at / bucket).saturating_add(buckets) > now / bucket);
        }
    }
}

/// When a result of `at` is forgotten, if time alone does that.
pub(crate) fn forgotten(window: Window, at: u64) -> Option<u64> {
    let Window::Time(span) = window else { return None };
    let (bucket, buckets) = buckets(span);
    Some((at / bucket).saturating_add(buckets).saturating_mul(bucket))
}

/// Whether a result of `at` may, and must, be seen at `now`: it is never older than the window, and of a window in ten
/// parts never younger than nine of them when it is gone.
pub(crate) fn seen(span: Duration, at: u64, now: u64) -> [bool; 2] {
    let (bucket, buckets) = buckets(span);
    let age = now - at;
    [age < nanos(span).max(1), buckets > 1 && age <= bucket.saturating_mul(buckets - 1)]
}
