//! Serializers over serde, each with its compressions, and the envelope.
mod bounded;
mod compression;
mod envelope;
mod error;
mod format;
mod formats;
mod limits;
mod options;
#[cfg(feature = "pickle")]
pub(crate) mod pickle;
mod serializer;
mod system;
mod unknown;

pub use envelope::{Envelope, open};
pub use error::{Layer, SerializationError, SerializationErrorKind};
pub use format::{Compression, Format};
pub use limits::Limits;
pub use options::{InvalidOptions, JsonOptions, MessagePackOptions, PickleOptions, SerializerOptions};
pub use serializer::{CompressionStats, Serializer};
pub use system::{
    SerializerFactory, SerializerRegistry, builder, create_serializer_resilient,
    create_serializer_resilient_blocking, factory, registry, system_health,
};
pub use unknown::UnknownName;
