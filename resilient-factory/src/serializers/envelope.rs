//! Data with a header that says how to read it, and a checksum over both.
use serde::de::DeserializeOwned;

use super::{
    Compression, Format, Layer, Limits, SerializationError,
    SerializationErrorKind::{self, Corrupt, Malformed, TooLarge, Trailing, Truncated, Unsupported},
    serializer,
};

const MAGIC: [u8; 4] = *b"\x8eRSE";
const VERSION: u8 = 1;
/// Magic, version, format, compression, zero, original length, payload's length, checksum.
pub(super) const HEADER: usize = 4 + 1 + 1 + 1 + 1 + 8 + 8 + 4;
const CHECKSUM_AT: usize = HEADER - 4;

/// An envelope that is whole: its header has been understood and its checksum is right. Nothing is decompressed yet.
///
/// The header is 28 bytes: the magic number `8e 52 53 45`, the version (1), the format's and the compression's code, a zero,
/// the length of the decompressed data and that of the payload (64 bits each), and the CRC-32 (IEEE, as gzip's) of
/// all other bytes of header and payload. Numbers are big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    format: Format,
    compression: Compression,
    original_len: usize,
    payload: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// The envelope that `bytes` are, all of them.
    ///
    /// # Errors
    /// [`SerializationError`] for bytes that are none, a version or code that is unknown, bytes missing, added or changed, and
    /// claims beyond `limits`.
    pub fn read(bytes: &'a [u8], limits: Limits) -> Result<Self, SerializationError> {
        let Some((header, payload)) = bytes.split_at_checked(HEADER) else {
            return Err(if MAGIC.starts_with(bytes) || bytes.starts_with(&MAGIC) {
                error(Truncated, bytes.len(), "ends within its header of 28 bytes")
            } else {
                error(Malformed, 0, "no envelope: expected its magic number")
            });
        };
        if !header.starts_with(&MAGIC) {
            return Err(error(Malformed, 0, "no envelope: expected its magic number"));
        }
        let version = header[4];
        if version != VERSION {
            let what = format!("is of version {version}, and this program reads version {VERSION}");
            return Err(SerializationError::in_layer(Layer::Envelope, Unsupported, 4, what));
        }
        let (original_len, payload_len) = (number(&header[8..16]), number(&header[16..24]));
        let whole = usize::try_from(payload_len).ok().filter(|len| *len <= payload.len());
        let Some(payload_len) = whole else {
            return Err(error(Truncated, bytes.len(), "ends before its payload does"));
        };
        if payload_len < payload.len() {
            return Err(error(Trailing, HEADER + payload_len, "has ended, and bytes follow"));
        }
        if checksum(header, payload).to_be_bytes() != header[CHECKSUM_AT..] {
            return Err(error(Corrupt, CHECKSUM_AT, "is not what was written: its checksum is another"));
        }
        let limit = limits.max_size();
        let original_len = usize::try_from(original_len).ok().filter(|len| *len <= limit);
        let Some(original_len) = original_len.filter(|_| bytes.len() - HEADER <= limit) else {
            let what = format!("claims more than the limit of {limit} bytes");
            return Err(SerializationError::in_layer(Layer::Envelope, TooLarge, 8, what));
        };
        let unknown = |at: usize, kind| {
            let what = format!("names a {kind} (code {}) that this program does not know", header[at]);
            SerializationError::in_layer(Layer::Envelope, Unsupported, at, what)
        };
        let format = Format::from_code(header[5]).ok_or_else(|| unknown(5, "format"))?;
        let compression = Compression::from_code(header[6]).ok_or_else(|| unknown(6, "compression"))?;
        if header[7] != 0 {
            return Err(error(Malformed, 7, "expected a zero"));
        }
        if compression == Compression::None && original_len != payload.len() {
            return Err(error(Malformed, 8, "claims another length than that of its uncompressed payload"));
        }
        Ok(Self { format, compression, original_len, payload })
    }

    /// The format of what is in it.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The compression of what is in it.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// How many bytes its payload decompresses to, as it claims.
    pub fn original_len(&self) -> usize {
        self.original_len
    }

    /// What is in it, as it was compressed.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The value in it.
    ///
    /// # Errors
    /// [`SerializationError`] for a format or compression whose feature is off, by name, and for data that is no `T`.
    pub fn open<T: DeserializeOwned>(&self, limits: Limits) -> Result<T, SerializationError> {
        serializer::available(self.format, self.compression)?;
        if self.compression == Compression::None {
            return serializer::read(self.format, self.payload, limits);
        }
        let claimed = self.original_len;
        serializer::within(Layer::Envelope, claimed, limits)?;
        let bytes = super::compression::decompress(self.compression, self.payload, claimed, Some(claimed))?;
        if bytes.len() != claimed {
            return Err(error(Malformed, 8, "claims another length than its payload decompresses to"));
        }
        serializer::read(self.format, &bytes, limits)
    }
}

/// Opens an envelope of any format and compression that is built in, whoever wrote it, within [`Limits::DEFAULT`].
///
/// For other limits: [`Serializer::open`](super::Serializer::open), or [`Envelope::read`].
///
/// ```
/// # use resilient_factory::serializers::{Compression, Format, Serializer, open};
/// let sealed = Serializer::new(Format::Json)?.seal(&["a", "b"])?;
/// assert_eq!(open::<Vec<String>>(&sealed)?, ["a", "b"]);
/// let error = open::<Vec<String>>(&sealed[..30]).unwrap_err();
/// assert_eq!(error.to_string(), "envelope, at byte 30: ends before its payload does");
/// # Ok::<(), resilient_factory::serializers::SerializationError>(())
/// ```
///
/// # Errors
/// [`SerializationError`] for everything but a whole envelope with a `T` in it.
pub fn open<T: DeserializeOwned>(envelope: &[u8]) -> Result<T, SerializationError> {
    Envelope::read(envelope, Limits::DEFAULT)?.open(Limits::DEFAULT)
}

/// Fills in the header in front of a payload that has been written behind room for it.
pub(super) fn seal(envelope: &mut [u8], format: Format, compression: Compression, original_len: usize) {
    let Some((header, payload)) = envelope.split_at_mut_checked(HEADER) else { return };
    header[..4].copy_from_slice(&MAGIC);
    header[4..8].copy_from_slice(&[VERSION, format.code(), compression.code(), 0]);
    header[8..16].copy_from_slice(&(original_len as u64).to_be_bytes());
    header[16..24].copy_from_slice(&(payload.len() as u64).to_be_bytes());
    let checksum = checksum(header, payload);
    header[CHECKSUM_AT..].copy_from_slice(&checksum.to_be_bytes());
}

fn checksum(header: &[u8], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&header[..CHECKSUM_AT]);
    crc.update(payload);
    crc.finalize()
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn error(kind: SerializationErrorKind, offset: usize, what: &'static str) -> SerializationError {
    SerializationError::in_layer(Layer::Envelope, kind, offset, what)
}
