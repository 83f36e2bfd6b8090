//! Readers and writers that count: how deep they are, and how much they have promised to hold.
#![allow(
    clippy::inline_always,
    reason = "they only call what they wrap: where they are not inlined, small formats take a tenth longer"
)]

mod read;
mod write;

use std::cell::Cell;

pub(super) use read::Bounded;
pub(super) use write::{Counted, exceeded};

use super::{Format, Limits, SerializationError, SerializationErrorKind};

/// What a sequence may hold besides elements of a byte: those that take none, such as `()` in `binary`.
const WITHOUT_BYTES: usize = 1 << 16;

/// What one reading may still promise, and the limit that ended it.
#[derive(Debug)]
pub(super) struct Gauge {
    max_depth: usize,
    /// Elements to reserve space for. An honest input never asks for more than it has bytes, however it is nested;
    /// each of a hostile one's prefixes claims the whole again.
    reserve_left: Cell<usize>,
    /// How often a sequence or map may still be asked for its next element.
    elements_left: Cell<usize>,
    exceeded: Cell<Option<Exceeded>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Exceeded {
    Depth(usize),
    Elements,
}

impl Gauge {
    pub(super) fn new(limits: Limits, bytes: usize) -> Self {
        Self {
            max_depth: limits.max_depth(),
            reserve_left: Cell::new(bytes),
            // Each has a byte, and so has each sequence, which is asked once more when it has ended.
            elements_left: Cell::new(bytes.saturating_mul(2).saturating_add(WITHOUT_BYTES)),
            exceeded: Cell::new(None),
        }
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

    #[inline(always)]
    fn element<E>(&self, error: impl FnOnce(&'static str) -> E) -> Result<(), E> {
        let left = self.elements_left.get();
        if left == 0 {
            return Err(self.ended(Exceeded::Elements, error));
        }
        self.elements_left.set(left - 1);
        Ok(())
    }

    #[inline(always)]
    fn reserve(&self, claimed: usize) -> usize {
        let left = self.reserve_left.get();
        let granted = claimed.min(left);
        self.reserve_left.set(left - granted);
        granted
    }

    #[cold]
    fn ended<E>(&self, by: Exceeded, error: impl FnOnce(&'static str) -> E) -> E {
        self.exceeded.set(Some(by));
        error("beyond a limit")
    }
}

/// Where in the nesting a reader is: the gauge of all of them, and how many levels may still be inside.
#[derive(Clone, Copy, Debug)]
struct Level<'g> {
    gauge: &'g Gauge,
    left: usize,
}

impl<'g> Level<'g> {
    fn outermost(gauge: &'g Gauge) -> Self {
        Self { gauge, left: gauge.max_depth }
    }

    #[inline(always)]
    fn inside<E>(self, error: impl FnOnce(&'static str) -> E) -> Result<Self, E> {
        if self.left == 0 {
            return Err(self.gauge.ended(Exceeded::Depth(self.gauge.max_depth), error));
        }
        Ok(Self { left: self.left - 1, ..self })
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
