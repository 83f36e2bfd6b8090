//! A span for each call and one for each of its attempts. Without the feature `spans` they are nothing: no word, no
//! instruction.

#[cfg(feature = "spans")]
mod asked_for;
#[cfg(not(feature = "spans"))]
mod left_out;

#[cfg(feature = "spans")]
pub(crate) use asked_for::{Spans, are_wanted};
#[cfg(not(feature = "spans"))]
pub(crate) use left_out::{Spans, are_wanted};
