//! Serializers over serde, each with its compressions, and the envelope.
mod error;
mod format;
mod limits;
#[cfg(feature = "pickle")]
pub(crate) mod pickle;
mod unknown;

pub use error::{Layer, SerializationError, SerializationErrorKind};
pub use format::{Compression, Format};
pub use limits::Limits;
pub use unknown::UnknownName;
