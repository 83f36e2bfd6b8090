//! For tests of code that uses the library: isolation, time, records, scripted failures.

mod flaky;
mod scope;

pub use flaky::Flaky;
pub use scope::{Scope, ScopeBuilder, ScopeGuard};

pub use crate::clock::TestClock;

/// The clock of the scope this thread is in, else the process's.
pub(crate) fn ambient_clock() -> crate::clock::Clock {
    crate::runtime::Runtime::current().context().clock.clone()
}
