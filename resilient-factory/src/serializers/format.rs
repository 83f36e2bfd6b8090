//! The names of formats and compressions, and which of them are built in.
use std::{fmt, str::FromStr};

use super::unknown::UnknownName;

/// How values are written as bytes.
///
/// All formats are here whatever features are on; [`Serializer::new`](super::Serializer::new) refuses one whose feature
/// is off, by name. `Display` and `FromStr` use the names: `json`, `msgpack`, `cbor`, `binary`, `pickle`.
///
/// The trap: `Binary` (postcard) holds no names and no types, so only the type that wrote it reads it, and nothing
/// that has to look first (`serde_json::Value`, untagged enums, flattened fields) can be read from it.
///
/// ```
/// # use resilient_factory::serializers::Format;
/// assert_eq!("msgpack".parse(), Ok(Format::MessagePack));
/// let error = "jsn".parse::<Format>().unwrap_err();
/// assert_eq!(error.to_string(), "no format is called `jsn`; did you mean `json`? Known: json, msgpack, cbor, binary, pickle");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Format {
    /// `json`, by `serde_json`; always built in. It has no infinities and no NaN: they are written as `null`, which is read as
    /// no number again.
    Json,
    /// `msgpack`, by `rmp-serde`; feature `messagepack`.
    MessagePack,
    /// `cbor` (RFC 8949), by `ciborium`; feature `cbor`.
    Cbor,
    /// `binary`: postcard's wire format; feature `binary`.
    Binary,
    /// `pickle`: what Python's `pickle` reads and writes, plain data only; feature `pickle`.
    Pickle,
}

impl Format {
    /// All of them, built in or not.
    pub const ALL: &'static [Self] = &[Self::Json, Self::MessagePack, Self::Cbor, Self::Binary, Self::Pickle];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::MessagePack => "msgpack",
            Self::Cbor => "cbor",
            Self::Binary => "binary",
            Self::Pickle => "pickle",
        }
    }

    /// The media type of uncompressed data: `application/json`, `application/msgpack`, ..
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::MessagePack => "application/msgpack",
            Self::Cbor => "application/cbor",
            Self::Binary => "application/octet-stream",
            Self::Pickle => "application/python-pickle",
        }
    }

    /// Whether this program has it built in.
    pub const fn is_available(self) -> bool {
        match self {
            Self::Json => true,
            Self::MessagePack => cfg!(feature = "messagepack"),
            Self::Cbor => cfg!(feature = "cbor"),
            Self::Binary => cfg!(feature = "binary"),
            Self::Pickle => cfg!(feature = "pickle"),
        }
    }

    /// The feature of `resilient` that brings it.
    pub(super) const fn feature(self) -> &'static str {
        match self {
            Self::Json => "serializers",
            Self::MessagePack => "messagepack",
            Self::Cbor => "cbor",
            Self::Binary => "binary",
            Self::Pickle => "pickle",
        }
    }

    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Json => 1,
            Self::MessagePack => 2,
            Self::Cbor => 3,
            Self::Binary => 4,
            Self::Pickle => 5,
        }
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|format| format.code() == code)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .iter()
            .copied()
            .find(|format| format.name() == name)
            .ok_or_else(|| UnknownName::new("format", name, Self::ALL.iter().map(|format| format.name())))
    }
}

/// What a serializer's bytes are compressed with.
///
/// All compressions are here whatever features are on; [`Serializer::new`](super::Serializer::new) refuses one whose
/// feature is off, by name. `Display` and `FromStr` use the names: `none`, `gzip`, `zlib`, `lz4`, `zstd`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Compression {
    /// As it is.
    #[default]
    None,
    /// RFC 1952, by `flate2`; feature `gzip`.
    Gzip,
    /// RFC 1950, by `flate2`; feature `zlib`.
    Zlib,
    /// The lz4 frame format, which Python's `lz4.frame` reads, by `lz4_flex`; feature `lz4`. It knows no levels.
    Lz4,
    /// RFC 8878, by `zstd`; feature `zstd`.
    Zstd,
}

impl Compression {
    /// All of them, built in or not.
    pub const ALL: &'static [Self] = &[Self::None, Self::Gzip, Self::Zlib, Self::Lz4, Self::Zstd];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// Whether this program has it built in.
    pub const fn is_available(self) -> bool {
        match self {
            Self::None => true,
            Self::Gzip => cfg!(feature = "gzip"),
            Self::Zlib => cfg!(feature = "zlib"),
            Self::Lz4 => cfg!(feature = "lz4"),
            Self::Zstd => cfg!(feature = "zstd"),
        }
    }

    /// Whether it can be told how hard to try.
    pub(super) const fn has_levels(self) -> bool {
        matches!(self, Self::Gzip | Self::Zlib | Self::Zstd)
    }

    pub(super) const fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Zlib => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|compression| compression.code() == code)
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Compression {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.iter().copied().find(|compression| compression.name() == name).ok_or_else(|| {
            UnknownName::new("compression", name, Self::ALL.iter().map(|compression| compression.name()))
        })
    }
}
