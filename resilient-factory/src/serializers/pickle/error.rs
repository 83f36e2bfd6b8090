//! What is wrong with a pickle, and where.

use std::fmt;

use thiserror::Error as Fault;

use super::super::{Format, SerializationError, SerializationErrorKind};
use super::opcode;

/// Why a pickle is not read, or a value not written.
pub(super) struct Error(Box<Inner>);

struct Inner {
    place: Option<Place>,
    why: Why,
}

#[derive(Clone, Copy)]
struct Place {
    opcode: Option<&'static str>,
    at: usize,
}

/// Texts of ours: what a pickle holds is in none of them.
#[derive(Debug, Fault)]
pub(super) enum Why {
    #[error("{found} bytes, of {allowed} that are allowed")]
    Long { found: usize, allowed: usize },
    #[error("its values are more than {allowed} bytes when every reference is followed")]
    Large { allowed: usize },
    #[error("nested deeper than {allowed} levels")]
    Deep { allowed: usize },
    #[error("a value holds itself")]
    Cyclic,
    #[error("needs {needed} bytes, and {left} are left")]
    Cut { needed: u64, left: usize },
    #[error("its line has no end")]
    Endless,
    #[error("the pickle ends before its STOP")]
    Unfinished,
    #[error("{0} bytes follow its STOP")]
    Trailing(usize),
    #[error("no opcode of protocols 0 to 5")]
    NoOpcode,
    #[error("protocol {0}, of which 0 to 5 are known")]
    Protocol(u64),
    #[error("asks for code, which is never looked up and never run: only data is read")]
    Code,
    #[error("asks for data that is not in the pickle")]
    Outside,
    #[error("no call that stands for data")]
    Call,
    #[error("finds no value on the stack")]
    Empty,
    #[error("finds no MARK on the stack")]
    NoMark,
    #[error("finds nothing on the stack that it could fill")]
    NotFillable,
    #[error("the last key has no value")]
    Odd,
    #[error("an entry of the memo that was never written")]
    NoEntry,
    #[error("leaves more than one value, or a MARK")]
    Many,
    #[error("no {0}")]
    Malformed(&'static str),
    #[error("an integer of more than 128 bits")]
    Wide,
    #[error("a lone surrogate, which no text of Rust holds")]
    Surrogate,
    #[error("no UTF-8")]
    NotUtf8,
    #[error("a string of Python 2 that is not ASCII: nothing says whether it is a text or bytes")]
    Undecided,
    #[error("a character that is not of Latin-1, in bytes that are written as a text")]
    NotLatin,
    #[error("a {0} cannot be a key of a dict in Python, where a key must not change")]
    Key(&'static str),
    #[error("{found} of the {said} items that the value said it has")]
    Count { said: usize, found: usize },
    #[error("a text or bytes of 4 GiB, for which protocol {0} has no words")]
    Wordless(u8),
    /// What a type says, which may hold anything.
    #[error("{0}")]
    Serde(String),
}

impl Why {
    fn kind(&self) -> SerializationErrorKind {
        match self {
            Self::Long { .. } | Self::Large { .. } => SerializationErrorKind::TooLarge,
            Self::Deep { .. } => SerializationErrorKind::TooDeep,
            Self::Cut { .. } | Self::Endless | Self::Unfinished => SerializationErrorKind::Truncated,
            Self::Trailing(_) => SerializationErrorKind::Trailing,
            Self::Key(_) | Self::Count { .. } | Self::Wordless(_) => SerializationErrorKind::Unwritable,
            Self::Wide | Self::Surrogate | Self::Serde(_) => SerializationErrorKind::Mismatched,
            _ => SerializationErrorKind::Malformed,
        }
    }
}

impl Error {
    pub(super) fn new(why: Why) -> Self {
        Self(Box::new(Inner { place: None, why }))
    }

    /// Says where it is, unless that is known more exactly.
    #[must_use]
    pub(super) fn or_at(mut self, input: &[u8], at: usize) -> Self {
        self.0
            .place
            .get_or_insert_with(|| Place { opcode: input.get(at).copied().and_then(opcode::name), at });
        self
    }

    /// As every format's errors are told.
    pub(super) fn told(self) -> SerializationError {
        let Inner { place, why } = *self.0;
        let offset = place.map(|place| place.at);
        if let Why::Serde(text) = &why {
            return SerializationError::mismatched(Format::Pickle, offset, text);
        }
        let text = match place.and_then(|place| place.opcode) {
            Some(name) => format!("{name}: {why}"),
            None => why.to_string(),
        };
        SerializationError::in_format(Format::Pickle, why.kind(), offset, text)
    }
}

impl From<Why> for Error {
    fn from(why: Why) -> Self {
        Self::new(why)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.place {
            Some(Place { opcode: Some(name), at }) => write!(f, "{name} at byte {at}: {}", self.0.why),
            Some(Place { opcode: None, at }) => write!(f, "at byte {at}: {}", self.0.why),
            None => self.0.why.fmt(f),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self})")
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::new(Why::Serde(text.to_string()))
    }
}

impl serde::ser::Error for Error {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::new(Why::Serde(text.to_string()))
    }
}
