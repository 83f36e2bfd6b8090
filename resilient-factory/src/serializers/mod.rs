//! Serializers over serde, each with its compressions, and the envelope.
