//! A bulkhead as it was at one moment, for people and monitoring.

/// A bulkhead as it was at one moment.
///
/// Counts run from the bulkhead's making or its last `reset`.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct BulkheadSnapshot {
    /// The bulkhead's name.
    pub name: &'static str,
    /// How many calls may run at once.
    pub max_concurrent: u32,
    /// How many calls may wait; `None` where nothing was said.
    pub max_queue: Option<u32>,
    /// How long a call may wait, in seconds; `None` where nothing was said.
    pub max_wait: Option<f64>,
    /// Calls that run. More than `max_concurrent` for a while after that was made smaller.
    pub active_count: u32,
    /// Calls that wait.
    pub waiting_count: u32,
    /// How many more calls may run.
    pub available: u32,
    /// The most calls that ran at once.
    pub max_active_count: u32,
    /// Calls that were given a slot.
    pub accepted_calls: u64,
    /// Calls that were refused: at once, or after they had waited.
    pub rejected_calls: u64,
    /// Those of `accepted_calls` that had waited.
    pub waited_calls: u64,
    /// How long they waited, in seconds, all together.
    pub total_wait: f64,
    /// The longest of their waits, in seconds.
    pub longest_wait: f64,
}
