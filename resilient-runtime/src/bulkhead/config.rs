//! What a bulkhead is told: how many calls run at once, how many may wait for that, and how long.

use std::fmt;
use std::time::Duration;

/// What a [`Bulkhead`](crate::Bulkhead) is told.
///
/// Defaults: 10 calls at once; no call waits, the eleventh is refused at once.
///
/// A call waits when either limit of waiting is given: with `max_queue` so many calls may wait, as long as their
/// callers let them; with `max_wait` any number may wait that long; with both, so many that long. Who came first
/// goes first.
///
/// The trap: a call that waits takes its caller's time, and its memory. Where calls come faster than they end,
/// `max_wait` alone lets the queue grow to whatever comes in within that time; give it a `max_queue`.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::{Bulkhead, BulkheadConfig};
/// use std::time::Duration;
///
/// let config = BulkheadConfig::new().max_concurrent(2).max_queue(5).max_wait(Duration::from_secs(1));
/// let bulkhead = Bulkhead::new("db", config)?;
/// # Ok::<(), resilient_runtime::ConfigErrors>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_field_names, reason = "they are the settings' own words")]
#[must_use]
pub struct BulkheadConfig {
    pub(crate) max_concurrent: u32,
    pub(crate) max_queue: Option<u32>,
    pub(crate) max_wait: Option<Duration>,
}

impl Default for BulkheadConfig {
    fn default() -> Self {
        Self { max_concurrent: 10, max_queue: None, max_wait: None }
    }
}

impl BulkheadConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many calls run at once. Default 10; with 0 every call is refused, also those that wait.
    pub fn max_concurrent(mut self, calls: u32) -> Self {
        self.max_concurrent = calls;
        self
    }

    /// How many calls may wait. Default: any number if `max_wait` is given, else none.
    pub fn max_queue(mut self, calls: u32) -> Self {
        self.max_queue = Some(calls);
        self
    }

    /// How long a call may wait. Default: as long as its caller lets it if `max_queue` is given, else not at all.
    pub fn max_wait(mut self, span: Duration) -> Self {
        self.max_wait = Some(span);
        self
    }

    /// Whether one more call may wait where `waiting` do.
    pub(super) fn may_wait(&self, waiting: usize) -> bool {
        let room = match self.max_queue {
            Some(calls) => u32::try_from(waiting).is_ok_and(|waiting| waiting < calls),
            None => self.max_wait.is_some(),
        };
        room && self.max_concurrent > 0 && self.max_wait != Some(Duration::ZERO)
    }

    /// Whether `other` asks for the same bulkhead.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        self == other
    }

    /// Each setting as people read it.
    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        let Self { max_concurrent, max_queue, max_wait } = self;
        vec![
            ("max_concurrent", max_concurrent.to_string()),
            ("max_queue", or_none(*max_queue)),
            ("max_wait", or_none(*max_wait)),
        ]
    }
}

fn or_none<T: fmt::Debug>(value: Option<T>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| format!("{value:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_wait() {
        const SECOND: Duration = Duration::from_secs(1);
        let config = BulkheadConfig::new;
        for (config, allowed, refused) in [
            (config(), None, Some(0)),
            (config().max_queue(2), Some(1), Some(2)),
            (config().max_wait(SECOND), Some(1_000_000), None),
            (config().max_queue(2).max_wait(SECOND), Some(1), Some(2)),
            (config().max_queue(0).max_wait(SECOND), None, Some(0)),
            (config().max_queue(2).max_wait(Duration::ZERO), None, Some(0)),
            (config().max_queue(2).max_concurrent(0), None, Some(0)),
        ] {
            assert!(allowed.is_none_or(|waiting| config.may_wait(waiting)), "{config:?}");
            assert!(refused.is_none_or(|waiting| !config.may_wait(waiting)), "{config:?}");
        }
    }

    #[test]
    fn two_that_differ_say_in_what() {
        let one = BulkheadConfig::new().max_wait(Duration::from_secs(1));
        let other = BulkheadConfig::new().max_concurrent(3).max_queue(0);
        assert!(one.agrees_with(&one.clone()) && !one.agrees_with(&other));
    }
}
