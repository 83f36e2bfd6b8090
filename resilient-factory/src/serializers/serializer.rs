//! One format, one compression, in both directions.
use std::borrow::Cow;

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Compression, Envelope, Format, Layer, Limits, SerializationError,
    SerializationErrorKind::{TooLarge, Unsupported},
    SerializerOptions, compression, envelope, formats,
    options::FormatOptions,
};

/// Writes values as bytes and reads them again: one format, one compression, within [`Limits`].
///
/// Defaults: those of [`SerializerOptions`]. The trap: plain bytes do not say what they are; what is read where it was
/// not written travels in an envelope ([`seal`](Self::seal), [`open`](Self::open)), which says its format and compression and
/// shows every change.
///
/// ```
/// # use resilient_factory::serializers::{Compression, Format, Serializer, SerializerOptions};
/// let serializer = Serializer::new(SerializerOptions::from(Format::Json).compressed(Compression::None))?;
/// let bytes = serializer.serialize(&vec![1, 2, 3])?;
/// assert_eq!(bytes, b"[1,2,3]");
/// assert_eq!(serializer.deserialize::<Vec<u8>>(&bytes)?, [1, 2, 3]);
/// assert_eq!((serializer.name(), serializer.content_type()), ("json", "application/json"));
/// # Ok::<(), resilient_factory::serializers::SerializationError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serializer {
    options: SerializerOptions,
    content_type: Cow<'static, str>,
}

/// How much a compression saved on one value.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CompressionStats {
    /// Bytes before compression.
    pub original_size: usize,
    /// Bytes after it.
    pub compressed_size: usize,
    /// The first divided by the second; 1 where both are 0.
    pub compression_ratio: f64,
    /// The share that was saved, below 0 where compression made it larger.
    pub space_savings: f64,
    /// The compression's name.
    pub compression_type: &'static str,
}

impl Serializer {
    /// A serializer with these options; a [`Format`] stands for its defaults.
    ///
    /// # Errors
    /// [`SerializationError`] for a format or compression whose feature is off; it names the feature.
    pub fn new(options: impl Into<SerializerOptions>) -> Result<Self, SerializationError> {
        let options = options.into();
        let (format, compression) = (options.format(), options.compression());
        available(format, compression)?;
        let content_type = match compression {
            Compression::None => format.content_type().into(),
            _ => format!("{}+{compression}", format.content_type()).into(),
        };
        Ok(Self { options, content_type })
    }

    /// What it was made of.
    pub fn options(&self) -> &SerializerOptions {
        &self.options
    }

    /// Its format, compressed or not.
    pub fn format(&self) -> Format {
        self.options.format()
    }

    /// Its compression.
    pub fn compression(&self) -> Compression {
        self.options.compression()
    }

    /// Its format's name, with compression in it where it has a name of its own: `json_compressed` and `msgpack_compressed`.
    /// The others are called like their format, compressed or not.
    pub fn name(&self) -> &'static str {
        match (self.format(), self.compression()) {
            (format, Compression::None) => format.name(),
            (Format::Json, _) => "json_compressed",
            (Format::MessagePack, _) => "msgpack_compressed",
            (format, _) => format.name(),
        }
    }

    /// Its bytes' media type, with `+` and the compression's name behind it if they are compressed.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// The value as bytes.
    ///
    /// # Errors
    /// [`SerializationError`] for what the format has no way to write, and a value beyond the [`Limits`], which could
    /// not be read again.
    pub fn serialize<T: Serialize + ?Sized>(&self, value: &T) -> Result<Vec<u8>, SerializationError> {
        let mut out = Vec::with_capacity(128);
        self.write(value, &mut out)?;
        Ok(out)
    }

    /// The value as bytes, behind those that are in `out` already. After an error these are all that is there.
    ///
    /// # Errors
    /// As [`serialize`](Self::serialize).
    pub fn serialize_into<T: Serialize + ?Sized>(
        &self,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), SerializationError> {
        let before = out.len();
        self.write(value, out).map(drop).inspect_err(|_| out.truncate(before))
    }

    /// The value that `bytes` are, all of them.
    ///
    /// # Errors
    /// [`SerializationError`] for everything else: it says in which layer, at which byte, and what was expected.
    pub fn deserialize<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, SerializationError> {
        let limits = self.options.data_limits();
        if self.compression() == Compression::None {
            return read(self.format(), bytes, limits);
        }
        let layer = Layer::Compression(self.compression());
        within(layer, bytes.len(), limits)?;
        let bytes = compression::decompress(self.compression(), bytes, limits.max_size(), None)?;
        read(self.format(), &bytes, limits)
    }

    /// The value in an envelope that says how to read it.
    ///
    /// # Errors
    /// As [`serialize`](Self::serialize).
    pub fn seal<T: Serialize + ?Sized>(&self, value: &T) -> Result<Vec<u8>, SerializationError> {
        let mut out = Vec::with_capacity(128);
        out.resize(envelope::HEADER, 0);
        let original_len = self.write(value, &mut out)?;
        envelope::seal(&mut out, self.format(), self.compression(), original_len);
        Ok(out)
    }

    /// The value in an envelope of any format and compression that is built in, whoever wrote it, within the limits of
    /// this serializer.
    ///
    /// # Errors
    /// [`SerializationError`] for everything but a whole envelope with a `T` in it.
    pub fn open<T: DeserializeOwned>(&self, envelope: &[u8]) -> Result<T, SerializationError> {
        let limits = self.options.data_limits();
        Envelope::read(envelope, limits)?.open(limits)
    }

    /// What compression saves on `value`.
    ///
    /// # Errors
    /// As [`serialize`](Self::serialize).
    pub fn compression_stats<T: Serialize + ?Sized>(
        &self,
        value: &T,
    ) -> Result<CompressionStats, SerializationError> {
        let mut out = Vec::new();
        let original_size = self.write(value, &mut out)?;
        let compressed_size = out.len();
        let (original, compressed) = (original_size as f64, compressed_size as f64);
        Ok(CompressionStats {
            original_size,
            compressed_size,
            compression_ratio: if compressed_size == 0 { 1.0 } else { original / compressed },
            space_savings: if original_size == 0 { 0.0 } else { (original - compressed) / original },
            compression_type: self.compression().name(),
        })
    }

    /// How many times larger `value` is before compression; 1 for one that cannot be written.
    pub fn compression_ratio<T: Serialize + ?Sized>(&self, value: &T) -> f64 {
        self.compression_stats(value).map_or(1.0, |stats| stats.compression_ratio)
    }

    /// Appends the value; says how many bytes it has before compression.
    fn write<T: Serialize + ?Sized>(
        &self,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<usize, SerializationError> {
        let limits = self.options.data_limits();
        let before = out.len();
        let Some(level) = self.level_to_compress() else {
            write(self.options.of_format(), value, limits, out)?;
            let len = out.len() - before;
            return within(Layer::Format(self.format()), len, limits).map(|()| len);
        };
        let mut plain = Vec::with_capacity(128);
        write(self.options.of_format(), value, limits, &mut plain)?;
        within(Layer::Format(self.format()), plain.len(), limits)?;
        compression::compress(self.compression(), level, &plain, out)?;
        within(Layer::Compression(self.compression()), out.len() - before, limits)?;
        Ok(plain.len())
    }

    fn level_to_compress(&self) -> Option<u8> {
        match self.compression() {
            Compression::None => None,
            _ => Some(self.options.compression_level().unwrap_or_default()),
        }
    }
}

/// Whether format and compression are built in.
pub(super) fn available(format: Format, compression: Compression) -> Result<(), SerializationError> {
    if !format.is_available() {
        return Err(unavailable(format));
    }
    if !compression.is_available() {
        return Err(compression::unavailable(compression));
    }
    Ok(())
}

fn unavailable(format: Format) -> SerializationError {
    let what = format!("is not built in: turn on the feature `{}` of `resilient`", format.feature());
    SerializationError::in_format(format, Unsupported, None, what)
}

pub(super) fn within(layer: Layer, size: usize, limits: Limits) -> Result<(), SerializationError> {
    let limit = limits.max_size();
    if size <= limit {
        return Ok(());
    }
    let what = format!("{size} bytes are more than the limit of {limit}");
    Err(SerializationError::in_layer(layer, TooLarge, None, what))
}

fn write<T: Serialize + ?Sized>(
    options: FormatOptions,
    value: &T,
    limits: Limits,
    out: &mut Vec<u8>,
) -> Result<(), SerializationError> {
    match options {
        FormatOptions::Json(json) => formats::json::write(value, json, limits, out),
        #[cfg(feature = "messagepack")]
        FormatOptions::MessagePack(packed) => formats::messagepack::write(value, packed, limits, out),
        #[cfg(feature = "cbor")]
        FormatOptions::Cbor => formats::cbor::write(value, limits, out),
        #[cfg(feature = "binary")]
        FormatOptions::Binary => formats::binary::write(value, limits, out),
        #[cfg(feature = "pickle")]
        FormatOptions::Pickle(pickle) => {
            out.append(&mut super::pickle::to_vec(value, pickle.chosen_protocol(), limits)?);
            Ok(())
        }
        #[cfg(not(feature = "messagepack"))]
        FormatOptions::MessagePack(_) => Err(unavailable(Format::MessagePack)),
        #[cfg(not(feature = "cbor"))]
        FormatOptions::Cbor => Err(unavailable(Format::Cbor)),
        #[cfg(not(feature = "binary"))]
        FormatOptions::Binary => Err(unavailable(Format::Binary)),
        #[cfg(not(feature = "pickle"))]
        FormatOptions::Pickle(_) => Err(unavailable(Format::Pickle)),
    }
}

/// The value that `bytes` are in this format.
pub(super) fn read<T: DeserializeOwned>(
    format: Format,
    bytes: &[u8],
    limits: Limits,
) -> Result<T, SerializationError> {
    within(Layer::Format(format), bytes.len(), limits)?;
    match format {
        Format::Json => formats::json::read(bytes, limits),
        #[cfg(feature = "messagepack")]
        Format::MessagePack => formats::messagepack::read(bytes, limits),
        #[cfg(feature = "cbor")]
        Format::Cbor => formats::cbor::read(bytes, limits),
        #[cfg(feature = "binary")]
        Format::Binary => formats::binary::read(bytes, limits),
        #[cfg(feature = "pickle")]
        Format::Pickle => super::pickle::from_slice(bytes, limits),
        #[allow(unreachable_patterns, reason = "with every feature there is none left")]
        _ => Err(unavailable(format)),
    }
}
