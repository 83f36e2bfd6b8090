//! Postcard's wire format, by `postcard`.
use postcard::{Error, ser_flavors::Flavor};
use serde::{Serialize, de::DeserializeOwned};

use crate::serializers::{
    Format, Limits, SerializationError,
    SerializationErrorKind::{Malformed, Mismatched, Unwritable},
    bounded::{Bounded, Counted, Gauge, exceeded},
};

use super::{trailing, truncated};

pub(in crate::serializers) fn write<T: Serialize + ?Sized>(
    value: &T,
    limits: Limits,
    out: &mut Vec<u8>,
) -> Result<(), SerializationError> {
    postcard::serialize_with_flavor(&Counted::new(value, limits), Appended(out)).map_err(|error| {
        exceeded(Format::Binary, limits).unwrap_or_else(|| {
            let what = match error {
                Error::SerializeSeqLengthUnknown => "a sequence or map must know its length to be written",
                _ => "the value's own type refuses to be written",
            };
            SerializationError::in_format(Format::Binary, Unwritable, None, what)
        })
    })
}

struct Appended<'a>(&'a mut Vec<u8>);

impl Flavor for Appended<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

pub(in crate::serializers) fn read<T: DeserializeOwned>(
    bytes: &[u8],
    limits: Limits,
) -> Result<T, SerializationError> {
    let gauge = Gauge::new(limits, bytes.len());
    let mut binary = postcard::Deserializer::from_bytes(bytes);
    let value = Bounded::new(&mut binary, &gauge).read();
    let left = binary.finalize().map_or(0, <[u8]>::len);
    let offset = bytes.len() - left;
    match value {
        Ok(value) if left == 0 => Ok(value),
        Ok(_) => Err(trailing(Format::Binary, offset)),
        Err(error) => {
            Err(gauge.exceeded(Format::Binary, offset).unwrap_or_else(|| of_postcard(&error, offset)))
        }
    }
}

fn of_postcard(error: &Error, offset: usize) -> SerializationError {
    let (kind, what) = match error {
        Error::DeserializeUnexpectedEnd => return truncated(Format::Binary, offset),
        Error::DeserializeBadVarint => {
            (Malformed, "a number of variable length does not end, or is too large")
        }
        Error::DeserializeBadBool => (Malformed, "expected a boolean, 0 or 1"),
        Error::DeserializeBadChar => (Malformed, "expected a character of UTF-8"),
        Error::DeserializeBadUtf8 => (Malformed, "a string is no UTF-8"),
        Error::DeserializeBadOption => (Malformed, "expected an optional value, which begins with 0 or 1"),
        Error::DeserializeBadEnum => (Malformed, "expected the index of a variant"),
        Error::WontImplement => (
            Mismatched,
            "holds no types, and this type has to look at the data first (any value, an untagged enum, flattened \
             fields): write and read it in another format",
        ),
        _ => (Mismatched, "the type refuses this value"),
    };
    SerializationError::in_format(Format::Binary, kind, offset, what)
}
