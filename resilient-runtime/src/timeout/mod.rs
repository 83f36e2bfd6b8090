//! Time limits: of an attempt, of a whole call, for async functions and for sync ones.

mod ambient;
pub(crate) mod pool;
mod timer;

pub(crate) use ambient::{Ambient, current as current_deadline, is_limited};
pub(crate) use timer::Timer;

/// How a function's `timeout` is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutMode {
    /// Async: the body is dropped at the limit.
    Poll,
    /// Sync: the body runs on a worker thread and its caller is released at the limit.
    Thread,
    /// Sync: the body runs in place, sees what time is left, and a late result is an error.
    Deadline,
}

impl TimeoutMode {
    /// The mode as `explain` spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "dropped at the limit",
            Self::Thread => "thread",
            Self::Deadline => "deadline",
        }
    }
}

/// What goes to a worker thread, and what comes back from it.
#[diagnostic::on_unimplemented(
    message = "this function cannot run on a worker thread, as its time limit asks",
    label = "what it takes or returns is not `Send + 'static`",
    note = "write `timeout_mode = \"deadline\"` to run it in place, or `enable_timeout = false`"
)]
pub trait CrossesThreads: Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Send + 'static> CrossesThreads for T {}
