//! What each format's crate does, under our limits and with our errors.
#[cfg(feature = "binary")]
pub(super) mod binary;
#[cfg(feature = "cbor")]
pub(super) mod cbor;
pub(super) mod json;
#[cfg(feature = "messagepack")]
pub(super) mod messagepack;

use super::{
    Format, SerializationError,
    SerializationErrorKind::{Trailing, Truncated},
};

fn trailing(format: Format, offset: usize) -> SerializationError {
    SerializationError::in_format(format, Trailing, offset, "the value has ended, and bytes follow")
}

fn truncated(format: Format, offset: usize) -> SerializationError {
    SerializationError::in_format(format, Truncated, offset, "the data ends within a value")
}
