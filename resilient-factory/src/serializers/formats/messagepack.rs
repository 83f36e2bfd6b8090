//! MessagePack, by `rmp-serde`.
use std::io::{Cursor, ErrorKind};

use rmp_serde::decode;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::serializers::{
    Format, Limits, MessagePackOptions, SerializationError,
    SerializationErrorKind::{Malformed, Unwritable},
    bounded::{Bounded, Counted, Gauge, exceeded},
};

use super::{trailing, truncated};

pub(in crate::serializers) fn write<T: Serialize + ?Sized>(
    value: &T,
    options: MessagePackOptions,
    limits: Limits,
    out: &mut Vec<u8>,
) -> Result<(), SerializationError> {
    let value = Counted::new(value, limits);
    let written = if options.is_named() {
        value.serialize(&mut rmp_serde::Serializer::new(out).with_struct_map())
    } else {
        value.serialize(&mut rmp_serde::Serializer::new(out))
    };
    written.map_err(|error| {
        exceeded(Format::MessagePack, limits).unwrap_or_else(|| {
            let what = match error {
                rmp_serde::encode::Error::UnknownLength => {
                    "a sequence or map must know its length to be written"
                }
                _ => "the value's own type refuses to be written",
            };
            SerializationError::in_format(Format::MessagePack, Unwritable, None, what)
        })
    })
}

pub(in crate::serializers) fn read<T: DeserializeOwned>(
    bytes: &[u8],
    limits: Limits,
) -> Result<T, SerializationError> {
    let gauge = Gauge::new(limits, bytes.len());
    let mut packed = rmp_serde::Deserializer::from_read_ref(bytes);
    match Bounded::new(&mut packed, &gauge).read() {
        Ok(value) if is_at_end(&mut packed) => Ok(value),
        Ok(_) => Err(trailing(Format::MessagePack, where_it_stops::<T>(bytes, limits))),
        Err(error) => {
            let offset = where_it_stops::<T>(bytes, limits);
            Err(gauge.exceeded(Format::MessagePack, offset).unwrap_or_else(|| of_messagepack(error, offset)))
        }
    }
}

/// The crate's reader over a slice does not tell where it is; that there is no marker left, it does: a number's marker is
/// all that is read of it as a marker.
fn is_at_end<'de, D>(packed: &mut D) -> bool
where
    for<'a> &'a mut D: serde::Deserializer<'de, Error = decode::Error>,
{
    matches!(
        u8::deserialize(packed),
        Err(decode::Error::InvalidMarkerRead(error)) if error.kind() == ErrorKind::UnexpectedEof
    )
}

/// Reads once more, by the crate's slower reader, which knows where it is.
#[cold]
fn where_it_stops<T: DeserializeOwned>(bytes: &[u8], limits: Limits) -> usize {
    let gauge = Gauge::new(limits, bytes.len());
    let mut packed = rmp_serde::Deserializer::new(Cursor::new(bytes));
    let _ = Bounded::new(&mut packed, &gauge).read::<T>();
    usize::try_from(packed.position()).unwrap_or(bytes.len()).min(bytes.len())
}

fn of_messagepack(error: decode::Error, offset: usize) -> SerializationError {
    let format = Format::MessagePack;
    let what = match error {
        decode::Error::InvalidMarkerRead(_) | decode::Error::InvalidDataRead(_) => {
            return truncated(format, offset);
        }
        decode::Error::Syntax(text) | decode::Error::Uncategorized(text) => {
            return SerializationError::mismatched(format, offset, &text);
        }
        decode::Error::TypeMismatch(_) => return SerializationError::mismatched_kind(format, offset),
        decode::Error::OutOfRange => "a number is out of the range that the type allows",
        decode::Error::LengthMismatch(_) => "a sequence or map has another length than the type asks for",
        decode::Error::Utf8Error(_) => "a string is no UTF-8",
        decode::Error::DepthLimitExceeded => "nested too deep",
    };
    SerializationError::in_format(format, Malformed, offset, what)
}
