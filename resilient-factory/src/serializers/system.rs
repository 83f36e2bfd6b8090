//! Serializers that are made by factories, several of them, and what these say of themselves.
use crate::{
    Asked, BadRequest, Factory, FactoryBuilder, FactoryError, Failover, FailoverError, Made, RegistryStatus,
};

use super::{Compression, Format, Serializer, SerializerOptions};

/// Makes serializers and keeps them: equal options are one serializer.
pub type SerializerFactory = Factory<Serializer, (), SerializerOptions>;

/// Several factories of serializers, so that none is a single point of failure.
pub type SerializerRegistry = Failover<Serializer, (), SerializerOptions>;

/// A factory that knows every format by its name, with the defaults of [`Factory`].
///
/// `json_compressed` and `msgpack_compressed` are names too: those formats with gzip, where the options name no compression.
/// The options are of the format that is named; others are a [`BadRequest`], and so is a format or a compression whose
/// feature is off.
///
/// ```
/// # mod resilient { pub use resilient_factory as factory; }
/// use resilient::factory::serializers::{Format, SerializerOptions, factory};
/// use std::sync::Arc;
///
/// let serializers = factory("serializers")?;
/// let json = serializers.create_blocking("json", &Format::Json.into())?;
/// assert_eq!(json.serialize(&[1, 2])?, b"[1,2]");
/// assert!(Arc::ptr_eq(&json, &serializers.create_blocking("json", &SerializerOptions::parse("json:compact=True")?)?));
///
/// let error = serializers.create_blocking("msgpak", &Format::Json.into()).unwrap_err();
/// assert!(error.to_string().contains("did you mean 'msgpack'?"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`FactoryError::Invalid`]: the id is no name.
#[track_caller]
pub fn factory(id: impl Into<String>) -> Result<SerializerFactory, FactoryError> {
    builder(id).build()
}

/// As [`factory`], to be told more: attempts, rules of health, further constructors.
#[track_caller]
pub fn builder(id: impl Into<String>) -> FactoryBuilder<Serializer, (), SerializerOptions> {
    let names =
        Format::ALL.iter().map(|format| format.name()).chain(COMPRESSED.iter().map(|(name, _)| *name));
    names.fold(Factory::builder(id), |builder, name| {
        builder.register(name, |asked: Asked<_, _>| made(&asked.name, asked.options))
    })
}

const COMPRESSED: &[(&str, Format)] =
    &[("json_compressed", Format::Json), ("msgpack_compressed", Format::MessagePack)];

fn made(name: &str, mut options: SerializerOptions) -> Result<Serializer, BadRequest> {
    let compressed = COMPRESSED.iter().find(|(known, _)| *known == name);
    let format = compressed.map_or(name, |(_, format)| format.name());
    if options.format().name() != format {
        let what = format!("its options are those of {}, a format of another name", options.format());
        return Err(BadRequest::new(what));
    }
    if compressed.is_some() && options.compression() == Compression::None {
        options = options.compressed(Compression::Gzip);
    }
    Serializer::new(options).map_err(BadRequest::because)
}

/// The registry that [`create_serializer_resilient`] uses: the one put around the code
/// ([`Failover::enter`], [`Failover::run`]), else the one that was made the default ([`Failover::set_default`]), else one that
/// this makes the default.
///
/// What it makes is strict: nobody gets another format than the one asked for. It has the factories `primary`, of weight 1,
/// and `backup`, of weight 0.8, one attempt each, and makes one called `emergency`, of weight 0.1, once there is no other.
pub fn registry() -> SerializerRegistry {
    Failover::current_or_set(primary_and_backup)
}

fn primary_and_backup() -> SerializerRegistry {
    let registry = SerializerRegistry::builder().emergency(|| once("emergency"));
    let registry =
        [("primary", 1.0), ("backup", 0.8)].into_iter().fold(registry, |registry, (id, weight)| {
            match once(id) {
                Ok(factory) => registry.register(factory, weight),
                Err(error) => {
                    tracing::error!(target: "resilient", %error, "there is no factory '{id}' of serializers");
                    registry
                }
            }
        });
    registry.build().unwrap_or_else(|error| unreachable!("two ids and two weights: {error}"))
}

/// Another attempt finds a constructor as it was: the next factory is asked at once.
fn once(id: &str) -> Result<SerializerFactory, FactoryError> {
    builder(id).max_attempts(1).build()
}

/// The serializer with these options, by the first factory of the [`registry`] that makes it. A [`Format`] stands for its
/// defaults; a text becomes options by [`SerializerOptions::parse`].
///
/// ```
/// # mod resilient { pub use resilient_factory as factory; }
/// use resilient::factory::serializers::{SerializerOptions, create_serializer_resilient, system_health};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let made = create_serializer_resilient(SerializerOptions::parse("json:sort_keys=True")?).await?;
/// let serializer = made.requested()?;
/// assert_eq!(serializer.content_type(), "application/json");
/// assert_eq!(system_health().healthy_factories, 2);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`FailoverError`]: at once for the caller's mistake, such as a format whose feature is off; else with what each factory
/// said. Never another format.
pub async fn create_serializer_resilient(
    options: impl Into<SerializerOptions>,
) -> Result<Made<Serializer>, FailoverError> {
    let options = options.into();
    registry().create(options.format().name(), &options).await
}

/// As [`create_serializer_resilient`], on this thread.
///
/// # Errors
///
/// As [`create_serializer_resilient`].
pub fn create_serializer_resilient_blocking(
    options: impl Into<SerializerOptions>,
) -> Result<Made<Serializer>, FailoverError> {
    let options = options.into();
    registry().create_blocking(options.format().name(), &options)
}

/// How well the factories of the [`registry`] are.
pub fn system_health() -> RegistryStatus {
    registry().status()
}
