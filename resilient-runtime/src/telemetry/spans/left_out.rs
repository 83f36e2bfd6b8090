//! Stands where spans would be.

#![allow(clippy::unused_self, reason = "what the other side of the feature needs")]

use crate::error::ErrorKind;
use crate::reason::StopReason;
use crate::telemetry::outcome::Outcome;

#[inline]
pub(crate) const fn are_wanted() -> bool {
    false
}

#[derive(Debug)]
pub(crate) struct Spans;

#[derive(Debug)]
pub(crate) struct Nowhere;

impl Spans {
    pub(crate) const NONE: Self = Self;

    #[inline]
    pub(crate) fn begin(_operation: &'static str) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn beside(&self) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn are_none(&self) -> bool {
        true
    }

    #[inline]
    pub(crate) fn begin_attempt(&mut self, _attempt: u32) {}

    #[inline]
    pub(crate) fn enter(&self) -> Nowhere {
        Nowhere
    }

    #[inline]
    pub(crate) fn end_attempt(&mut self, _outcome: Outcome, _error: Option<&'static str>) {}

    #[inline]
    pub(crate) fn refuse(&mut self, _kind: ErrorKind) {}

    #[inline]
    pub(crate) fn end_call(&mut self, _reason: StopReason, _attempts: u32, _ignored: bool) {}

    #[inline]
    pub(crate) fn fall_back(&self) {}
}
