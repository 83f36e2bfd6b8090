//! What a serializer is asked to be.
mod of_format;
mod text;

use std::hash::{Hash, Hasher};

use super::{Compression, Format, Limits};

pub(in crate::serializers) use of_format::FormatOptions;
pub use of_format::{JsonOptions, MessagePackOptions, PickleOptions};
pub use text::InvalidOptions;

/// A format with its options, a compression with its level, and [`Limits`]: what makes a [`Serializer`](super::Serializer),
/// and what a factory's cache knows it by.
///
/// Defaults: the format's own ([`JsonOptions`], [`MessagePackOptions`], [`PickleOptions`]); no compression; level 6 of
/// 1 to 9; [`Limits::DEFAULT`]. Two that make the same serializer are equal, however they were written: a level without
/// a compression that knows levels counts for nothing.
///
/// As text: the format's name, then a compression's, then options, by colons: `json:gzip:compression_level=9`. The options
/// are `compression_level`, `max_size`, `max_depth`; JSON's `ensure_ascii`, `sort_keys`, `indent`, `compact`;
/// MessagePack's `named`; pickle's `protocol`. `json_compressed` and `msgpack_compressed` are those with gzip, if no
/// other is named. `Display` writes the shortest such text.
///
/// ```
/// # use resilient_factory::serializers::{Compression, JsonOptions, SerializerOptions};
/// let options = SerializerOptions::from(JsonOptions::new().sort_keys(true)).compressed(Compression::Zlib).level(99);
/// assert_eq!(options, SerializerOptions::parse("json:zlib:sort_keys=True:compression_level=9")?);
/// assert_eq!(SerializerOptions::parse("json:none:compact=True")?.to_string(), "json");
/// # Ok::<(), resilient_factory::serializers::InvalidOptions>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SerializerOptions {
    format: FormatOptions,
    compression: Compression,
    level: u8,
    limits: Limits,
}

impl SerializerOptions {
    /// Compressed by this.
    pub const fn compressed(self, compression: Compression) -> Self {
        Self { compression, ..self }
    }

    /// How hard gzip, zlib and zstd try, from 1 (quick) to 9 (small); what is beyond is the nearest of these. Default 6.
    pub const fn level(self, level: u8) -> Self {
        // `Ord::clamp` is not `const`.
        let level = match level {
            ..=1 => 1,
            2..=8 => level,
            9.. => 9,
        };
        Self { level, ..self }
    }

    /// The largest and deepest data it reads and writes.
    pub const fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Another format with its defaults, and the compression and limits of this one: what stands in for it, where anything
    /// may ([`FailoverBuilder::or_else_made_with`](crate::FailoverBuilder::or_else_made_with)).
    #[must_use]
    pub fn in_format(self, format: Format) -> Self {
        Self { format: Self::from(format).format, ..self }
    }

    /// The format.
    pub const fn format(&self) -> Format {
        match self.format {
            FormatOptions::Json(_) => Format::Json,
            FormatOptions::MessagePack(_) => Format::MessagePack,
            FormatOptions::Cbor => Format::Cbor,
            FormatOptions::Binary => Format::Binary,
            FormatOptions::Pickle(_) => Format::Pickle,
        }
    }

    /// The compression.
    pub const fn compression(&self) -> Compression {
        self.compression
    }

    /// The level of a compression that knows levels.
    pub const fn compression_level(&self) -> Option<u8> {
        if self.compression.has_levels() { Some(self.level) } else { None }
    }

    /// The largest and deepest data.
    pub const fn data_limits(&self) -> Limits {
        self.limits
    }

    pub(super) const fn of_format(&self) -> FormatOptions {
        self.format
    }

    fn key(&self) -> (FormatOptions, Compression, Option<u8>, Limits) {
        (self.format, self.compression, self.compression_level(), self.limits)
    }
}

impl From<Format> for SerializerOptions {
    /// The format with its defaults.
    fn from(format: Format) -> Self {
        let format = match format {
            Format::Json => FormatOptions::Json(JsonOptions::new()),
            Format::MessagePack => FormatOptions::MessagePack(MessagePackOptions::new()),
            Format::Cbor => FormatOptions::Cbor,
            Format::Binary => FormatOptions::Binary,
            Format::Pickle => FormatOptions::Pickle(PickleOptions::new()),
        };
        Self { format, compression: Compression::None, level: 6, limits: Limits::DEFAULT }
    }
}

impl From<&Self> for SerializerOptions {
    fn from(options: &Self) -> Self {
        *options
    }
}

impl From<JsonOptions> for SerializerOptions {
    fn from(options: JsonOptions) -> Self {
        Self { format: FormatOptions::Json(options), ..Format::Json.into() }
    }
}

impl From<MessagePackOptions> for SerializerOptions {
    fn from(options: MessagePackOptions) -> Self {
        Self { format: FormatOptions::MessagePack(options), ..Format::MessagePack.into() }
    }
}

impl From<PickleOptions> for SerializerOptions {
    fn from(options: PickleOptions) -> Self {
        Self { format: FormatOptions::Pickle(options), ..Format::Pickle.into() }
    }
}

impl PartialEq for SerializerOptions {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for SerializerOptions {}

impl Hash for SerializerOptions {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}
