//! What went wrong with data, and where: never what the data says.
use std::{borrow::Cow, fmt};

use resilient_runtime::{Class, Classify};

use super::format::{Compression, Format};

/// Which layer of the data a [`SerializationError`] is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layer {
    /// The format: the value's own bytes, after decompression.
    Format(Format),
    /// The compression around it.
    Compression(Compression),
    /// The envelope around both.
    Envelope,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(format) => format.fmt(f),
            Self::Compression(compression) => compression.fmt(f),
            Self::Envelope => f.write_str("envelope"),
        }
    }
}

/// What kind of trouble a [`SerializationError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SerializationErrorKind {
    /// The format cannot write this value: a map with keys that are no strings as JSON, for one.
    Unwritable,
    /// The bytes are none of this format, compression or envelope.
    Malformed,
    /// The bytes are well formed, and another type's: a string where a number was asked for.
    Mismatched,
    /// The bytes end too early.
    Truncated,
    /// Bytes follow where the value has ended.
    Trailing,
    /// A checksum tells that the bytes are not those that were written.
    Corrupt,
    /// Larger than [`Limits`](super::Limits) allow, or than the input can hold.
    TooLarge,
    /// Nested deeper than [`Limits`](super::Limits) allow.
    TooDeep,
    /// A version, format or compression that this program has not built in.
    Unsupported,
}

/// Data that could not be written or read: in which layer, at which byte, and what was expected there.
///
/// [`offset`](Self::offset) counts bytes from 0, in the layer's own input: the decompressed bytes for a format, the
/// compressed ones for a compression. It is where reading stopped, which may be a little behind the mistake; none
/// where the library below tells none. The text never holds the data's content: no string, number or unknown field's
/// name out of it, so it may be logged.
///
/// ```
/// # use resilient_factory::serializers::{Format, Layer, Serializer, SerializationErrorKind};
/// let json = Serializer::new(Format::Json)?;
/// let error = json.deserialize::<Vec<u32>>(br#"[1, 2, "hunter2"]"#).unwrap_err();
/// assert_eq!(error.to_string(), "json, at byte 15: expected u32, found a string");
/// assert_eq!(error.kind(), SerializationErrorKind::Mismatched);
/// assert_eq!(error.layer(), Layer::Format(Format::Json));
/// # Ok::<(), resilient_factory::serializers::SerializationError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerializationError {
    kind: SerializationErrorKind,
    layer: Layer,
    offset: Option<usize>,
    what: Cow<'static, str>,
}

impl SerializationError {
    /// Of a format, while reading or writing; `what` is a text of ours, without the data's content.
    pub(crate) fn in_format(
        format: Format,
        kind: SerializationErrorKind,
        offset: impl Into<Option<usize>>,
        what: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { kind, layer: Layer::Format(format), offset: offset.into(), what: what.into() }
    }

    pub(super) fn in_layer(
        layer: Layer,
        kind: SerializationErrorKind,
        offset: impl Into<Option<usize>>,
        what: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { kind, layer, offset: offset.into(), what: what.into() }
    }

    /// Of an error of serde's kind in the data's own type, told by `serde`: `what` it says is stripped of content.
    pub(crate) fn mismatched(format: Format, offset: impl Into<Option<usize>>, serde: &str) -> Self {
        Self::in_format(format, SerializationErrorKind::Mismatched, offset, without_content(serde))
    }

    /// Well formed, and of another type, where the crate below does not say which was asked for.
    #[cfg(feature = "messagepack")]
    pub(super) fn mismatched_kind(format: Format, offset: usize) -> Self {
        let what = "a value of another type than the one asked for";
        Self::in_format(format, SerializationErrorKind::Mismatched, offset, what)
    }

    /// What kind of trouble it is.
    pub fn kind(&self) -> SerializationErrorKind {
        self.kind
    }

    /// Which layer of the data it is of.
    pub fn layer(&self) -> Layer {
        self.layer
    }

    /// At which byte of that layer's input reading stopped, from 0; none while writing, and where nobody knows.
    pub fn offset(&self) -> Option<usize> {
        self.offset
    }
}

impl fmt::Display for SerializationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            Some(offset) => write!(f, "{}, at byte {offset}: {}", self.layer, self.what),
            None => write!(f, "{}: {}", self.layer, self.what),
        }
    }
}

impl std::error::Error for SerializationError {}

/// The same bytes fail the same way: no retry, and nobody's health.
impl Classify for SerializationError {
    fn class(&self) -> Class {
        Class::Permanent
    }
}

/// Where serde's own sentences tell what they found, and how we say it.
const FOUND: &[(&str, &str)] = &[
    ("boolean", "a boolean"),
    ("integer", "an integer"),
    ("floating point", "a floating point number"),
    ("character", "a character"),
    ("string", "a string"),
    ("byte array", "bytes"),
    ("bytes", "bytes"),
    ("unit value", "nothing"),
    ("null", "nothing"),
    ("Option value", "an optional value"),
    ("newtype struct", "a newtype struct"),
    ("sequence", "a sequence"),
    ("map", "a map"),
    ("enum", "an enum"),
    ("unit variant", "a variant without content"),
    ("newtype variant", "a variant with content"),
    ("tuple variant", "a variant with a tuple"),
    ("struct variant", "a variant with fields"),
    ("tag", "a tag"),
    ("break", "a break"),
    ("number", "a number"),
];

/// Serde's sentence about a value, without the value: what is of the type stays, what is of the data goes.
///
/// A sentence that is none of serde's own may hold anything and is not repeated.
fn without_content(serde: &str) -> Cow<'static, str> {
    // The last one: what is of the type comes after what is of the data, which could hold these words.
    let expected = || serde.rfind(", expected ").map(|at| serde[at + ", expected ".len()..].trim());
    let found = |data: &str| {
        FOUND.iter().find(|(said, _)| data.starts_with(said)).map_or("something else", |(_, ours)| ours)
    };
    if let Some(data) = serde.strip_prefix("invalid type: ") {
        return match expected() {
            Some(expected) => format!("expected {expected}, found {}", found(data)).into(),
            None => "a value of another type".into(),
        };
    }
    if let Some(data) = serde.strip_prefix("invalid value: ") {
        return match expected() {
            Some(expected) => format!("expected {expected}, found {} that is none", found(data)).into(),
            None => "a value that the type does not allow".into(),
        };
    }
    if let Some(data) = serde.strip_prefix("invalid length ") {
        let digits: String = data.chars().take_while(char::is_ascii_digit).collect();
        return match expected() {
            Some(expected) => format!("expected {expected}, found a length of {digits}").into(),
            None => format!("a length of {digits}, which the type does not allow").into(),
        };
    }
    for (said, ours) in [("unknown field ", "a field"), ("unknown variant ", "a variant")] {
        if serde.starts_with(said) {
            return match expected() {
                Some(expected) => format!("{ours} whose name is unknown, expected {expected}").into(),
                None => format!("{ours} whose name is unknown, expected none").into(),
            };
        }
    }
    // These name what is of the type, nothing of the data.
    for said in ["missing field `", "duplicate field `", "data did not match any variant of untagged enum "] {
        if serde.starts_with(said) {
            return serde.to_owned().into();
        }
    }
    "the type refuses this value".into()
}

#[cfg(test)]
mod tests {
    use super::without_content;

    #[test]
    fn what_is_of_the_data_is_not_repeated() {
        for (serde, ours) in [
            ("invalid type: string \"hunter2\", expected u32", "expected u32, found a string"),
            ("invalid type: string \"a, expected hunter2\", expected u32", "expected u32, found a string"),
            ("invalid value: integer `300`, expected u8", "expected u8, found an integer that is none"),
            (
                "invalid length 3, expected an array of length 2",
                "expected an array of length 2, found a length of 3",
            ),
            (
                "unknown field `hunter2`, expected one of `a`, `b`",
                "a field whose name is unknown, expected one of `a`, `b`",
            ),
            (
                "unknown variant `hunter2`, there are no variants",
                "a variant whose name is unknown, expected none",
            ),
            ("missing field `name`", "missing field `name`"),
            ("the password hunter2 is too short", "the type refuses this value"),
        ] {
            assert_eq!(without_content(serde), ours);
        }
    }
}
