//! The numbers that a factory's health goes by.

use std::time::Duration;

use resilient_runtime::IntoDuration;

use super::health::MOST_ERRORS;

/// When a factory is degraded, failed, recovering and healthy again.
///
/// A build counts once, however many attempts it took and however many waited for it. A bad request, an unknown name, what
/// a layer refused and what the caller gave up do not count.
///
/// Defaults: 2 errors within 60 s degrade, 5 fail; 6 successes after the last error heal, and so does a window without
/// errors. A failed factory is recovering after 30 s: an error then makes it failed for another 30 s, and a window without
/// errors makes it healthy.
///
/// ```
/// # mod resilient { pub use resilient_factory as factory; }
/// use resilient::factory::{BoxError, Factory, FactoryState, HealthRules};
///
/// let factory = Factory::<u32, _, ()>::builder("careful")
///     .health(HealthRules::new().degraded_after(1).window("5m"))
///     .max_attempts(1)
///     .register("down", |_| Err::<u32, BoxError>("it is down".into()))
///     .build()?;
/// assert!(factory.create_blocking("down", &()).is_err());
/// assert_eq!(factory.health().state, FactoryState::Degraded);
/// # Ok::<(), resilient::factory::FactoryError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "rules are for `FactoryBuilder::health`"]
pub struct HealthRules {
    pub(super) window: Duration,
    pub(super) degraded_after: usize,
    pub(super) failed_after: usize,
    pub(super) healed_after: u32,
    pub(super) recovery_timeout: Duration,
    refused: Option<String>,
}

impl Default for HealthRules {
    fn default() -> Self {
        Self::new()
    }
}

impl HealthRules {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            window: Duration::from_secs(60),
            degraded_after: 2,
            failed_after: 5,
            healed_after: 6,
            recovery_timeout: Duration::from_secs(30),
            refused: None,
        }
    }

    fn time(mut self, name: &str, value: impl IntoDuration, put: impl FnOnce(&mut Self, Duration)) -> Self {
        match value.into_duration() {
            Ok(time) => put(&mut self, time),
            Err(refused) => self.refused = Some(format!("{name} of its health: {refused}")),
        }
        self
    }

    /// How long an error counts. Default 60 s.
    pub fn window(self, window: impl IntoDuration) -> Self {
        self.time("window", window, |rules, window| rules.window = window)
    }

    /// From how many errors on it is degraded. Default 2.
    pub const fn degraded_after(mut self, errors: usize) -> Self {
        self.degraded_after = errors;
        self
    }

    /// From how many errors on it is failed. Default 5, at most 1000.
    pub const fn failed_after(mut self, errors: usize) -> Self {
        self.failed_after = errors;
        self
    }

    /// How many successes after the last error make it healthy. Default 6.
    pub const fn healed_after(mut self, successes: u32) -> Self {
        self.healed_after = successes;
        self
    }

    /// How long it is failed until it is recovering. Default 30 s.
    pub fn recovery_timeout(self, timeout: impl IntoDuration) -> Self {
        self.time("recovery_timeout", timeout, |rules, timeout| rules.recovery_timeout = timeout)
    }

    /// What is wrong with them.
    pub(super) fn problem(&self) -> Option<String> {
        if self.refused.is_some() {
            return self.refused.clone();
        }
        let what = if self.window.is_zero() {
            "window is 0: it is how long an error counts"
        } else if self.degraded_after == 0 {
            "degraded_after is 0: it is the number of errors, 1 or more"
        } else if self.failed_after < self.degraded_after {
            "failed_after is less than degraded_after"
        } else if self.failed_after > MOST_ERRORS {
            "failed_after is more than 1000"
        } else if self.healed_after == 0 {
            "healed_after is 0: it is the number of successes, 1 or more"
        } else {
            return None;
        };
        Some(format!("its health: {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_make_no_sense_are_named() {
        for (rules, what) in [
            (HealthRules::new().window(Duration::ZERO), "window"),
            (HealthRules::new().window("soon"), "window"),
            (HealthRules::new().degraded_after(0), "degraded_after is 0"),
            (HealthRules::new().degraded_after(6), "failed_after is less"),
            (HealthRules::new().failed_after(1001), "more than 1000"),
            (HealthRules::new().healed_after(0), "healed_after is 0"),
            (HealthRules::new().recovery_timeout("-1s"), "recovery_timeout"),
        ] {
            assert!(rules.problem().is_some_and(|problem| problem.contains(what)), "{rules:?}");
        }
        for rules in [
            HealthRules::default(),
            HealthRules::new().degraded_after(5),
            HealthRules::new().failed_after(1000),
            HealthRules::new().degraded_after(1).healed_after(1).window(Duration::from_nanos(1)),
        ] {
            assert_eq!(rules.problem(), None);
        }
    }
}
