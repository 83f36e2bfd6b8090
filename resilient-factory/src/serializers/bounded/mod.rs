//! Readers and writers that count: how deep they are, and how much they have promised to hold.
mod read;
mod write;

use std::cell::Cell;

pub(super) use read::Bounded;
pub(super) use write::Counted;

use super::{Format, Limits, SerializationError, SerializationErrorKind};

/// What a sequence may hold besides elements of a byte: those that take none, such as `()` in `binary`.
const WITHOUT_BYTES: usize = 1 << 16;

/// How deep one reading or writing is, and what it may still promise.
#[derive(Debug)]
pub(super) struct Gauge {
    max_depth: usize,
    depth_left: Cell<usize>,
    /// Elements to reserve space for. An honest input never asks for more than it has bytes, however it is nested;
    /// each of a hostile one's prefixes claims the whole again.
    reserve_left: Cell<usize>,
    elements_left: Cell<usize>,
    exceeded: Cell<Option<Exceeded>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Exceeded {
    Depth(usize),
    Elements,
}

impl Gauge {
    pub(super) fn for_reading(limits: Limits, bytes: usize) -> Self {
        Self {
            max_depth: limits.max_depth(),
            depth_left: Cell::new(limits.max_depth()),
            reserve_left: Cell::new(bytes),
            elements_left: Cell::new(bytes.saturating_add(WITHOUT_BYTES)),
            exceeded: Cell::new(None),
        }
    }

    pub(super) fn for_writing(limits: Limits) -> Self {
        Self::for_reading(limits, 0)
    }

    /// The limit that ended it, if one did, as an error of `format`.
    pub(super) fn exceeded(
        &self,
        format: Format,
        offset: impl Into<Option<usize>>,
    ) -> Option<SerializationError> {
        self.exceeded.get().map(|exceeded| exceeded.into_error(format, offset))
    }

    /// The limit that ended it, if one did.
    #[cfg(feature = "cbor")]
    pub(super) fn what_exceeded(&self) -> Option<Exceeded> {
        self.exceeded.get()
    }

    fn enter<E>(&self, error: impl FnOnce(&'static str) -> E) -> Result<(), E> {
        if let Some(left) = self.depth_left.get().checked_sub(1) {
            self.depth_left.set(left);
            Ok(())
        } else {
            self.exceeded.set(Some(Exceeded::Depth(self.max_depth)));
            Err(error("nested too deep"))
        }
    }

    fn leave(&self) {
        self.depth_left.set(self.depth_left.get() + 1);
    }

    fn element<E>(&self, error: impl FnOnce(&'static str) -> E) -> Result<(), E> {
        if let Some(left) = self.elements_left.get().checked_sub(1) {
            self.elements_left.set(left);
            Ok(())
        } else {
            self.exceeded.set(Some(Exceeded::Elements));
            Err(error("too many elements"))
        }
    }

    fn reserve(&self, claimed: usize) -> usize {
        let granted = claimed.min(self.reserve_left.get());
        self.reserve_left.set(self.reserve_left.get() - granted);
        granted
    }
}

impl Exceeded {
    pub(super) fn into_error(self, format: Format, offset: impl Into<Option<usize>>) -> SerializationError {
        match self {
            Self::Depth(limit) => SerializationError::in_format(
                format,
                SerializationErrorKind::TooDeep,
                offset,
                format!("nested deeper than the limit of {limit} levels"),
            ),
            Self::Elements => SerializationError::in_format(
                format,
                SerializationErrorKind::TooLarge,
                offset,
                "a sequence claims more elements than its bytes can hold",
            ),
        }
    }
}
