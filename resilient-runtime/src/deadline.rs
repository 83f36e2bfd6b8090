//! The deadline of the call that is running, in the hands of the code it runs.

use std::time::Duration;

use crate::clock::{Clock, Moment};
use crate::runtime::Runtime;
use crate::timeout::current_deadline;

/// When the guarded call that is running must be done.
///
/// Inside a function with `deadline`, or a sync one whose time limit is kept in place, this is the nearest limit of
/// all calls around it. Use it to bound what the library cannot: a socket's read timeout, a statement's timeout.
///
/// The trap: a task or thread spawned inside does not inherit it.
///
/// ```
/// use resilient_runtime::Deadline;
///
/// let limit = Deadline::current().map(|deadline| deadline.remaining());
/// assert_eq!(limit, None); // not inside a guarded call
/// ```
#[derive(Clone, Debug)]
pub struct Deadline {
    at: Moment,
    clock: Clock,
}

impl Deadline {
    /// The nearest limit of the calls around this code; `None` outside every limited call.
    pub fn current() -> Option<Self> {
        let at = current_deadline();
        (at != Moment::NEVER).then(|| Self { at, clock: Runtime::current().context().clock.clone() })
    }

    /// What is left of it; zero once it has passed.
    pub fn remaining(&self) -> Duration {
        self.at.since(self.clock.now())
    }

    /// Whether it has passed.
    pub fn is_expired(&self) -> bool {
        self.remaining().is_zero()
    }
}
