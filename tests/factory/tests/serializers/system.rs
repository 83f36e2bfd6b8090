//! Serializers from factories, and factories that fail.
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use resilient::factory::{
    Asked, BadRequest, FactoryError, FactoryState, FailoverError, Made,
    serializers::{
        Compression, Format, JsonOptions, Serializer, SerializerFactory, SerializerOptions,
        SerializerRegistry, builder, create_serializer_resilient, create_serializer_resilient_blocking,
        factory, registry, system_health,
    },
};

fn once(id: &str) -> SerializerFactory {
    builder(id).max_attempts(1).build().unwrap()
}

/// A factory that cannot make this format, and counts how often it was asked to.
fn without(id: &str, format: Format) -> (SerializerFactory, Arc<AtomicUsize>) {
    let factory = once(id);
    let asked = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&asked);
    let fails = move |_: Asked<(), SerializerOptions>| {
        counts.fetch_add(1, Relaxed);
        Err::<Serializer, _>("its library is gone")
    };
    assert!(factory.replace(format.name(), fails).unwrap());
    (factory, asked)
}

fn options(text: &str) -> SerializerOptions {
    SerializerOptions::parse(text).unwrap()
}

#[tokio::test]
async fn s000_01_json_that_is_asked_for_twice_is_one_serializer() {
    let factory = factory("s000_01_formats").unwrap();
    let first = factory.create("json", &Format::Json.into()).await.unwrap();
    let second = factory.create("json", &JsonOptions::new().compact().into()).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    let told = factory.statistics();
    assert_eq!((told.cache_misses, told.cache_hits, told.cached), (1, 1, 1));
}

#[tokio::test]
async fn s000_02_options_in_another_order_are_the_same_entry() {
    let factory = factory("s000_02_formats").unwrap();
    let first =
        factory.create("json", &options("json:gzip:sort_keys=True:ensure_ascii=False")).await.unwrap();
    let second =
        factory.create("json", &options("json:gzip:ensure_ascii=False:sort_keys=True")).await.unwrap();
    let other =
        factory.create("json", &options("json:zlib:ensure_ascii=False:sort_keys=True")).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second) && !Arc::ptr_eq(&first, &other));
    assert_eq!(factory.statistics().cached, 2);
}

#[tokio::test]
async fn s000_03_d000_03_an_unknown_format_is_told_at_once_and_harms_nobody() {
    let factory = factory("s000_03_formats").unwrap();
    let FactoryError::Unknown { known, nearest, .. } =
        factory.create("jsonn", &Format::Json.into()).await.unwrap_err()
    else {
        panic!("it is unknown")
    };
    assert_eq!(
        *known,
        ["binary", "cbor", "json", "json_compressed", "msgpack", "msgpack_compressed", "pickle"]
    );
    assert_eq!(nearest.as_deref(), Some("json"));
    let error = factory.create("msgpack", &Format::Json.into()).await.unwrap_err();
    assert!(matches!(error, FactoryError::BadRequest { .. }));
    assert_eq!(
        error.to_string(),
        "factory 's000_03_formats' cannot make 'msgpack' as it was asked to: its options are those of json, a format of \
         another name"
    );
    let told = factory.health();
    assert_eq!((told.state, told.error_count), (FactoryState::Healthy, 0));
    assert_eq!(factory.statistics().fallbacks_used, 0);
}

#[tokio::test]
async fn d000_01_who_asks_for_msgpack_gets_msgpack_of_another_factory_or_an_error() {
    let (primary, asked) = without("d000_01_primary", Format::MessagePack);
    let registry = SerializerRegistry::builder()
        .register(primary.clone(), 1.0)
        .register(once("d000_01_backup"), 0.8)
        .build()
        .unwrap();
    let made = registry.create("msgpack", &Format::MessagePack.into()).await.unwrap();
    assert!(!made.is_fallback());
    let serializer = made.requested().unwrap();
    assert_eq!(serializer.format(), Format::MessagePack);
    assert_eq!((asked.load(Relaxed), primary.health().error_count), (1, 1));

    assert!(registry.unregister("d000_01_backup"));
    let error = registry.create("msgpack", &Format::MessagePack.into()).await.unwrap_err();
    let FailoverError::AllFailed { failures, .. } = error else { panic!("it failed everywhere: {error}") };
    assert!(failures[0].to_string().contains("its library is gone"), "{}", failures[0]);
}

#[tokio::test]
async fn d000_01_another_format_is_visible_in_the_type_and_only_where_it_was_allowed() {
    let (only, _) = without("d000_01_only", Format::MessagePack);
    let lenient = SerializerRegistry::builder()
        .register(only.clone(), 1.0)
        .or_else_made_with("json", |wanted| wanted.in_format(Format::Json))
        .build()
        .unwrap();
    let wanted = SerializerOptions::from(Format::MessagePack).compressed(Compression::Gzip);
    let Made::Fallback { made, name, wanted, why, .. } = lenient.create("msgpack", &wanted).await.unwrap()
    else {
        panic!("msgpack cannot be made")
    };
    // Its compression is not dropped either.
    assert_eq!((made.format(), made.compression()), (Format::Json, Compression::Gzip));
    assert_eq!((&*name, &*wanted), ("json", "msgpack"));
    assert!(why.to_string().contains("its library is gone"), "{why}");
    assert_eq!(only.statistics().fallbacks_used, 1);

    let strict = SerializerRegistry::builder().register(only, 1.0).build().unwrap();
    assert!(strict.create("msgpack", &Format::MessagePack.into()).await.is_err());
}

#[tokio::test]
async fn d000_06_compressed_formats_are_names_of_their_own() {
    let factory = factory("d000_06_formats").unwrap();
    for (name, format) in [("json_compressed", Format::Json), ("msgpack_compressed", Format::MessagePack)] {
        let serializer = factory.create(name, &format.into()).await.unwrap();
        assert_eq!((serializer.name(), serializer.compression()), (name, Compression::Gzip));
        let zstd = SerializerOptions::from(format).compressed(Compression::Zstd);
        assert_eq!(factory.create(name, &zstd).await.unwrap().compression(), Compression::Zstd);
    }
}

#[test]
fn s000_08_s000_09_the_default_registry_has_a_primary_and_a_backup() {
    let status = serde_json::to_value(system_health()).unwrap();
    assert_eq!(
        (status["total_factories"].as_u64(), status["healthy_factories"].as_u64()),
        (Some(2), Some(2))
    );
    assert_eq!(status["factories"]["primary"]["weight"], 1.0);
    assert_eq!(status["factories"]["backup"]["weight"], 0.8);
    assert_eq!(registry().pick().unwrap().id(), "primary");
    let options = SerializerOptions::from(Format::Cbor);
    let made = create_serializer_resilient_blocking(SerializerOptions::from(&options)).unwrap();
    assert_eq!(made.requested().unwrap().format(), Format::Cbor);
}

#[tokio::test]
async fn s000_08_without_any_factory_there_is_one_for_the_emergency() {
    let all_gone =
        SerializerRegistry::builder().emergency(|| factory("emergency_of_formats")).build().unwrap();
    let made = all_gone.run(create_serializer_resilient(Format::Json)).await.unwrap();
    assert_eq!(made.requested().unwrap().format(), Format::Json);
    let status = all_gone.status();
    assert_eq!(status.factories["emergency_of_formats"].weight.to_bits(), 0.1_f64.to_bits());
}

#[test]
fn s000_11_the_functions_use_the_registry_that_was_put_around_them() {
    let mine = SerializerRegistry::builder().register(once("s000_11_mine"), 1.0).build().unwrap();
    let guard = mine.enter();
    assert_eq!(registry().pick().unwrap().id(), "s000_11_mine");
    create_serializer_resilient_blocking(Format::Json).unwrap().requested().unwrap();
    assert_eq!(system_health().factories["s000_11_mine"].success_count, 1);
    drop(guard);
    assert!(!system_health().factories.contains_key("s000_11_mine"));
}

#[tokio::test]
async fn d000_02_an_error_names_its_last_cause_and_is_no_other_error() {
    let (only, _) = without("d000_02_formats", Format::Binary);
    let error = only.create("binary", &Format::Binary.into()).await.unwrap_err();
    assert!(matches!(error, FactoryError::Failed { .. }));
    assert!(error.to_string().ends_with("its library is gone"), "{error}");
}

#[tokio::test]
async fn a_constructor_of_ones_own_stands_beside_the_others() {
    let factory = builder("formats_with_own")
        .register("audit", |asked: Asked<(), SerializerOptions>| {
            let options = asked.options.in_format(Format::Json).compressed(Compression::Zstd);
            Serializer::new(options).map_err(BadRequest::because)
        })
        .build()
        .unwrap();
    let audit = factory.create("audit", &Format::Json.into()).await.unwrap();
    assert_eq!(audit.content_type(), "application/json+zstd");
}
