//! What the state machines are compared with, operation by operation: the rules written down a second time, in the
//! plainest way there is. Compiled for tests and for the fuzzer only.
//!
//! A reference keeps a list of everything that happened and counts in it whenever it is asked. It shares the words and
//! the configurations with what it judges, and nothing else.

#[cfg(test)]
pub(crate) mod backoff;
pub(crate) mod breaker;
pub(crate) mod budget;
pub(crate) mod bulkhead;
pub(crate) mod rate_limit;
mod script;
pub(crate) mod window;

#[cfg(fuzzing)]
pub(crate) use script::Script;
pub(crate) use script::{Draw, Operations, Passing};
#[cfg(test)]
pub(crate) use script::{hold, sequences};

/// A duration in nanoseconds, as far as they go.
fn nanos(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
