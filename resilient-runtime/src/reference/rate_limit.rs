//! The rate limit's rules: a bucket that fills, or a list of every permit that was granted.

use std::time::Duration;

use crate::rate_limit::{Algorithm, RateLimitConfig};
use crate::reference::nanos;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Granted {
        wait: Duration,
    },
    Refused {
        retry_after: Duration,
    },
    /// No wait however long would do.
    Never,
}

#[derive(Clone, Debug)]
enum Kind {
    /// The nanoseconds it took, at `as_of`, until the bucket would be full again.
    Even { missing: u128, as_of: u64 },
    /// The instants permits are for.
    Sliding { permits: Vec<u64> },
}

#[derive(Clone, Debug)]
pub(crate) struct RateLimit {
    pub(crate) config: RateLimitConfig,
    kind: Kind,
    /// When permits were granted, and how many.
    grants: Vec<(u64, u32)>,
    pub(crate) allowed: u64,
    pub(crate) rejected: u64,
}

impl RateLimit {
    pub(crate) fn new(config: RateLimitConfig) -> Self {
        let kind = match config.algorithm {
            Algorithm::Gcra => Kind::Even { missing: 0, as_of: 0 },
            Algorithm::SlidingWindow => Kind::Sliding { permits: Vec::new() },
        };
        Self { config, kind, grants: Vec::new(), allowed: 0, rejected: 0 }
    }

    /// From one permit to the next, rounded up.
    pub(crate) fn interval(&self) -> u128 {
        u128::from(nanos(self.config.per).div_ceil(u64::from(self.config.rate)).max(1))
    }

    /// What fills a bucket, as far as 64 bits of nanoseconds go.
    fn capacity(&self) -> u128 {
        let burst = self.config.burst.unwrap_or(self.config.rate);
        (self.interval() * u128::from(burst)).min(u128::from(u64::MAX))
    }

    /// What is missing from a full bucket now.
    fn missing(&self, now: u64) -> u128 {
        match self.kind {
            Kind::Even { missing, as_of } => missing.saturating_sub(u128::from(now - as_of)),
            Kind::Sliding { .. } => 0,
        }
    }

    pub(crate) fn take(&mut self, permits: u32, now: u64, longest_wait: Duration) -> Answer {
        let answer = self.ask(permits, now, longest_wait);
        if let Answer::Granted { wait } = answer {
            let missing = self.missing(now) + self.interval() * u128::from(permits);
            match &mut self.kind {
                Kind::Even { .. } => self.kind = Kind::Even { missing, as_of: now },
                Kind::Sliding { permits: all } => {
                    all.extend((0..permits).map(|_| now + nanos(wait)));
                    // What is older says nothing, and is not there when the rate grows.
                    all.drain(..all.len().saturating_sub(self.config.rate as usize));
                }
            }
            self.grants.push((now, permits));
            self.allowed += 1;
        } else {
            self.rejected += 1;
        }
        answer
    }

    /// What `take` would answer.
    pub(crate) fn ask(&self, permits: u32, now: u64, longest_wait: Duration) -> Answer {
        let wait = match &self.kind {
            Kind::Even { .. } => {
                let cost = self.interval() * u128::from(permits);
                let missing = self.missing(now) + cost;
                if cost > self.capacity() || u128::from(now) + missing >= u128::from(u64::MAX) {
                    return Answer::Never;
                }
                u64::try_from(missing.saturating_sub(self.capacity())).unwrap_or(u64::MAX)
            }
            Kind::Sliding { permits: all } => {
                if permits > self.config.rate {
                    return Answer::Never;
                }
                // Nobody is granted an earlier instant than who came before.
                let earliest = all.iter().copied().chain([now]).max().unwrap_or(now);
                let per = nanos(self.config.per);
                let ends = all.iter().map(|at| at.saturating_add(per)).filter(|ends| *ends >= earliest);
                let fits = |at: &u64| self.inside(*at) + u64::from(permits) <= u64::from(self.config.rate);
                match [earliest].into_iter().chain(ends).filter(fits).min() {
                    Some(at) if at < u64::MAX => at - now,
                    _ => return Answer::Never,
                }
            }
        };
        let wait = Duration::from_nanos(wait);
        if wait > longest_wait { Answer::Refused { retry_after: wait } } else { Answer::Granted { wait } }
    }

    /// Permits in the `per` that ends with `at`.
    fn inside(&self, at: u64) -> u64 {
        let Kind::Sliding { permits } = &self.kind else { return 0 };
        let per = nanos(self.config.per);
        permits.iter().filter(|it| it.saturating_add(per) > at).count() as u64
    }

    pub(crate) fn available(&self, now: u64) -> u32 {
        let free = match &self.kind {
            Kind::Even { .. } => self.capacity().saturating_sub(self.missing(now)) / self.interval(),
            Kind::Sliding { .. } => u128::from(u64::from(self.config.rate).saturating_sub(self.inside(now))),
        };
        u32::try_from(free).unwrap_or(u32::MAX)
    }

    /// Whether no permit is taken.
    pub(crate) fn is_full(&self, now: u64) -> bool {
        self.missing(now) == 0 && self.inside(now) == 0
    }

    /// Permits a second: those of the `per` that runs, and of the one before the part that is not over for long.
    pub(crate) fn current_rate(&self, now: u64) -> f64 {
        let per = nanos(self.config.per).max(1);
        let of = |period: Option<u64>| {
            let granted = self.grants.iter().filter(|(at, _)| Some(at / per) == period);
            granted.map(|(_, permits)| f64::from(*permits)).sum::<f64>()
        };
        let over = (now % per) as f64 / per as f64;
        let [running, before] = [of(Some(now / per)), of((now / per).checked_sub(1))];
        (running + before * (1.0 - over)) / self.config.per.as_secs_f64()
    }

    /// The permits that are taken stay taken.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole permits, or nanoseconds"
    )]
    pub(crate) fn reconfigure(&mut self, config: RateLimitConfig, now: u64) {
        let taken = match self.kind {
            Kind::Even { .. } => {
                let missing = self.missing(now).min(u128::from(u64::MAX - now)) as u64;
                missing as f64 / self.interval() as u64 as f64
            }
            Kind::Sliding { .. } => self.inside(now) as f64,
        };
        let per_differs = self.config.per != config.per;
        self.config = config;
        match (&mut self.kind, self.config.algorithm) {
            (Kind::Sliding { permits }, Algorithm::SlidingWindow) => {
                let older = permits.len().saturating_sub(self.config.rate as usize);
                permits.drain(..older);
            }
            (Kind::Even { .. }, Algorithm::SlidingWindow) => {
                let taken = (taken.ceil() as usize).min(self.config.rate as usize);
                self.kind = Kind::Sliding { permits: vec![now; taken] };
            }
            (_, Algorithm::Gcra) => {
                // As far as time goes.
                let missing =
                    u128::from(((taken * self.interval() as u64 as f64) as u64).min(u64::MAX - now));
                self.kind = Kind::Even { missing, as_of: now };
            }
        }
        if per_differs {
            self.grants.clear();
        }
    }

    /// The instants at which a permit is there again.
    pub(crate) fn edges(&self, now: u64) -> Vec<u64> {
        let per = nanos(self.config.per);
        match &self.kind {
            Kind::Even { .. } => {
                let missing = self.missing(now);
                let until = [missing, missing % self.interval(), missing.saturating_sub(self.capacity())];
                let until = until.map(|missing| u64::try_from(missing).unwrap_or(u64::MAX));
                until.map(|missing| now.saturating_add(missing)).into()
            }
            Kind::Sliding { permits } => permits.iter().map(|at| at.saturating_add(per)).collect(),
        }
    }
}
