//! How a wait grows, in whole nanoseconds.

use std::time::Duration;

use crate::retry::Backoff;

/// The wait before retry `n`, before the cap and the spread; `factor` is whole.
pub(crate) fn grown(backoff: Backoff, base: Duration, factor: u32, n: u32) -> u128 {
    let base = base.as_nanos();
    match backoff {
        Backoff::Constant => base,
        Backoff::Linear => base * (u128::from(n) + 1),
        Backoff::Exponential => (0..n).fold(base, |wait, _| wait.saturating_mul(factor.into())),
        Backoff::Fibonacci => {
            let (mut one, mut other) = (base, base);
            for _ in 0..n {
                (one, other) = (other, one.saturating_add(other));
            }
            one
        }
        Backoff::Custom(wait) => wait(n).as_nanos(),
    }
}
