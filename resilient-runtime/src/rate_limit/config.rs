//! What a rate limiter is told: how many in what time. Refused when built, never clamped in silence.

use std::time::Duration;

use super::Algorithm;
use crate::clock::nanos;

/// What a [`RateLimiter`](crate::RateLimiter) is told.
///
/// Defaults: per second; as many at once as `rate`; a call that finds no permit is refused without a wait; counted by
/// [`Algorithm::Gcra`].
///
/// The trap: after a quiet time `burst` calls pass at once and `rate` more in the `per` that follows. Where no more
/// than `rate` may pass in *any* `per`, write `burst(1)` or [`Algorithm::SlidingWindow`].
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::{RateLimitConfig, RateLimiter};
/// use std::time::Duration;
///
/// let config = RateLimitConfig::new(100)
///     .per(Duration::from_secs(60))
///     .burst(10)
///     .max_wait(Duration::from_millis(500));
/// let limiter = RateLimiter::new("api", config)?;
/// # Ok::<(), resilient_runtime::ConfigErrors>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct RateLimitConfig {
    pub(crate) rate: u32,
    pub(crate) per: Duration,
    pub(crate) burst: Option<u32>,
    pub(crate) max_wait: Duration,
    pub(crate) algorithm: Algorithm,
}

/// The sliding window remembers this many permits at most: 800 kB.
const LARGEST_WINDOW: u32 = 100_000;

impl RateLimitConfig {
    /// So many permits in a `per`, which is a second unless said otherwise.
    pub fn new(rate: u32) -> Self {
        Self {
            rate,
            per: Duration::from_secs(1),
            burst: None,
            max_wait: Duration::ZERO,
            algorithm: Algorithm::default(),
        }
    }

    /// In what time there are `rate` permits. Default 1 s.
    pub fn per(mut self, span: Duration) -> Self {
        self.per = span;
        self
    }

    /// How many permits may be saved up and taken at once. Default: `rate`. [`Algorithm::Gcra`] only.
    pub fn burst(mut self, permits: u32) -> Self {
        self.burst = Some(permits);
        self
    }

    /// How long a caller waits for a permit before it is refused; one that would have to wait longer is refused at
    /// once. Default 0.
    pub fn max_wait(mut self, span: Duration) -> Self {
        self.max_wait = span;
        self
    }

    /// How calls are counted. Default [`Algorithm::Gcra`].
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Everything that is wrong with it, each as `parameter must be …`.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut refuse = |bad: bool, text: &str| {
            if bad {
                problems.push(text.to_owned());
            }
        };
        let sliding = self.algorithm == Algorithm::SlidingWindow;
        refuse(self.rate == 0, "rate must be positive");
        refuse(self.per.is_zero(), "per must be positive");
        refuse(self.burst == Some(0), "burst must be positive (left out, it is the rate)");
        refuse(
            !self.per.is_zero() && u64::from(self.rate) > nanos(self.per),
            "rate must be at most one permit a nanosecond",
        );
        refuse(
            sliding && self.burst.is_some_and(|burst| burst > 0 && burst != self.rate),
            "burst must be left out with the sliding window, which has none",
        );
        refuse(
            sliding && self.rate > LARGEST_WINDOW,
            "rate must be at most 100000 with the sliding window, which remembers each permit",
        );
        problems
    }

    /// How many permits there are when none was taken for long.
    pub(crate) fn capacity(&self) -> u32 {
        match self.algorithm {
            Algorithm::Gcra => self.burst.unwrap_or(self.rate),
            Algorithm::SlidingWindow => self.rate,
        }
    }

    /// Whether `other` asks for the same limiter.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        self.rows() == other.rows()
    }

    /// Each setting as people read it.
    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        let Self { rate, per, burst: _, max_wait, algorithm } = self;
        vec![
            ("rate", rate.to_string()),
            ("per", format!("{per:?}")),
            ("burst", self.capacity().to_string()),
            ("max_wait", format!("{max_wait:?}")),
            ("algorithm", algorithm.to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_kept_is_refused_by_name() {
        let one = RateLimitConfig::new(1);
        let sliding = |rate| RateLimitConfig::new(rate).algorithm(Algorithm::SlidingWindow);
        for (config, wrong) in [
            (RateLimitConfig::new(0), "rate must be positive"),
            (one.clone().per(Duration::ZERO), "per must be positive"),
            (one.clone().burst(0), "burst must be positive"),
            (RateLimitConfig::new(1_001).per(Duration::from_micros(1)), "one permit a nanosecond"),
            (sliding(5).burst(4), "burst must be left out"),
            (sliding(5).burst(0), "burst must be positive"),
            (sliding(100_001), "rate must be at most 100000"),
        ] {
            let problems = config.problems();
            assert!(problems.len() == 1 && problems[0].contains(wrong), "{config:?}: {problems:?}");
        }
        for config in [
            one.clone().max_wait(Duration::MAX),
            one.per(Duration::MAX),
            RateLimitConfig::new(u32::MAX).per(Duration::from_secs(5)),
            RateLimitConfig::new(1_000).per(Duration::from_micros(1)),
            sliding(5).burst(5),
            sliding(100_000),
        ] {
            assert_eq!(config.problems(), [""; 0], "{config:?}");
        }
    }

    #[test]
    fn a_burst_that_is_the_rate_need_not_be_written() {
        let config = RateLimitConfig::new(10);
        assert!(config.agrees_with(&config.clone().burst(10)));
        assert!(!config.agrees_with(&config.clone().burst(9)));
    }
}
