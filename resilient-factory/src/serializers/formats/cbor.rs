//! CBOR, by `ciborium`.
use std::{cell::Cell, io};

use ciborium::{de, ser};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};

use crate::serializers::{
    Format, Limits, SerializationError,
    SerializationErrorKind::{Malformed, Unwritable},
    bounded::{Bounded, Counted, Exceeded, Gauge, exceeded},
};

use super::{trailing, truncated};

pub(in crate::serializers) fn write<T: Serialize + ?Sized>(
    value: &T,
    limits: Limits,
    out: &mut Vec<u8>,
) -> Result<(), SerializationError> {
    ciborium::into_writer(&Counted::new(value, limits), out).map_err(|error: ser::Error<io::Error>| {
        exceeded(Format::Cbor, limits).unwrap_or_else(|| {
            let what = match error {
                ser::Error::Io(_) => "could not be written",
                ser::Error::Value(_) => "the value's own type refuses to be written",
            };
            SerializationError::in_format(Format::Cbor, Unwritable, None, what)
        })
    })
}

pub(in crate::serializers) fn read<T: DeserializeOwned>(
    bytes: &[u8],
    limits: Limits,
) -> Result<T, SerializationError> {
    let mut left = bytes;
    // Ours counts more of what nests, and stops sooner.
    let beyond_ours = limits.max_depth().saturating_add(1);
    ASKED.set(Asked { limits, bytes: bytes.len() });
    let read = de::from_reader_with_recursion_limit::<Within<T>, _>(&mut left, beyond_ours);
    let exceeded = EXCEEDED.take();
    let offset = bytes.len() - left.len();
    match read {
        Ok(Within(value)) if left.is_empty() => Ok(value),
        Ok(_) => Err(trailing(Format::Cbor, offset)),
        Err(error) => Err(match exceeded {
            Some(exceeded) => exceeded.into_error(Format::Cbor, offset),
            None => of_ciborium(error, offset, limits),
        }),
    }
}

fn of_ciborium(error: de::Error<io::Error>, stopped: usize, limits: Limits) -> SerializationError {
    match error {
        de::Error::Io(_) => truncated(Format::Cbor, stopped),
        de::Error::Syntax(offset) => {
            SerializationError::in_format(Format::Cbor, Malformed, offset, "no CBOR: expected an item")
        }
        de::Error::Semantic(offset, text) => {
            SerializationError::mismatched(Format::Cbor, offset.unwrap_or(stopped), &text)
        }
        de::Error::RecursionLimitExceeded => {
            Exceeded::Depth(limits.max_depth()).into_error(Format::Cbor, stopped)
        }
    }
}

#[derive(Clone, Copy)]
struct Asked {
    limits: Limits,
    bytes: usize,
}

// The crate hands its deserializer to types alone, and not to seeds, which could carry these. Each is read at once
// where it was set, before and after anything of the user's runs: a type that reads CBOR within CBOR changes nothing.
thread_local! {
    static ASKED: Cell<Asked> = const { Cell::new(Asked { limits: Limits::DEFAULT, bytes: 0 }) };
    static EXCEEDED: Cell<Option<Exceeded>> = const { Cell::new(None) };
}

/// A `T` that is read within the limits just asked for.
struct Within<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Within<T> {
    fn deserialize<D: Deserializer<'de>>(inner: D) -> Result<Self, D::Error> {
        let Asked { limits, bytes } = ASKED.get();
        let gauge = Gauge::new(limits, bytes);
        let read = Bounded::new(inner, &gauge).read();
        EXCEEDED.set(gauge.what_exceeded());
        read.map(Self)
    }
}
