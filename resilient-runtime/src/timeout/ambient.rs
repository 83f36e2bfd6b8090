//! The nearest deadline of the calls around the code that is running on this thread.

use std::cell::Cell;

use tokio::task::Id;

use crate::clock::Moment;

thread_local! {
    static CURRENT: Cell<Lent> = const { Cell::new(Lent { at: Moment::NEVER, to: None }) };
}

/// A deadline, and the tokio task that is under it. A body that drives a runtime runs the runtime's other tasks on its
/// own thread, and they are under no deadline of its.
#[derive(Clone, Copy, Debug)]
struct Lent {
    at: Moment,
    to: Option<Id>,
}

/// Whether a limited call may be around this code.
#[cfg_attr(not(debug_assertions), inline(always))]
#[allow(clippy::inline_always, reason = "one comparison on the healthy path")]
pub(crate) fn is_limited() -> bool {
    CURRENT.with(|lent| lent.get().at) != Moment::NEVER
}

/// [`Moment::NEVER`] outside every limited call.
#[inline]
pub(crate) fn current() -> Moment {
    let Lent { at, to } = CURRENT.get();
    if at == Moment::NEVER || to == tokio::task::try_id() { at } else { Moment::NEVER }
}

/// Makes a deadline current until dropped. Never later than the one around it.
#[derive(Debug)]
pub(crate) struct Ambient {
    around: Lent,
}

impl Ambient {
    pub(crate) fn enter(at: Moment) -> Self {
        let (around, to) = (CURRENT.get(), tokio::task::try_id());
        let at = if around.to == to { at.min(around.at) } else { at };
        CURRENT.set(Lent { at, to });
        Self { around }
    }
}

impl Drop for Ambient {
    fn drop(&mut self) {
        CURRENT.set(self.around);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn code_is_limited_while_a_deadline_is_current_and_no_longer() {
        assert!(!is_limited());
        let soon = Moment::ZERO.saturating_add(Duration::from_secs(1));
        let outer = Ambient::enter(soon);
        let inner = Ambient::enter(Moment::NEVER);
        assert_eq!((is_limited(), current()), (true, soon));
        drop((inner, outer));
        assert_eq!((is_limited(), current()), (false, Moment::NEVER));
    }
}
