//! The nearest deadline of the calls around the code that is running on this thread.

use std::cell::Cell;

use crate::clock::Moment;

thread_local! {
    static CURRENT: Cell<Moment> = const { Cell::new(Moment::NEVER) };
}

/// [`Moment::NEVER`] outside every limited call.
#[inline]
pub(crate) fn current() -> Moment {
    CURRENT.get()
}

/// Makes a deadline current until dropped. Never later than the one around it.
#[derive(Debug)]
pub(crate) struct Ambient {
    around: Moment,
}

impl Ambient {
    pub(crate) fn enter(at: Moment) -> Self {
        let around = CURRENT.get();
        CURRENT.set(at.min(around));
        Self { around }
    }
}

impl Drop for Ambient {
    fn drop(&mut self) {
        CURRENT.set(self.around);
    }
}
