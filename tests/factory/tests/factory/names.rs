//! Constructors by name.

use crate::now;
use resilient::factory::{Asked, BoxError, Factory, FactoryError, Plugin};
use std::sync::Arc;

trait Exchange: Send + Sync + std::fmt::Debug {
    fn name(&self) -> String;
}

#[derive(Debug)]
struct Venue(String);

impl Exchange for Venue {
    fn name(&self) -> String {
        self.0.clone()
    }
}

type Exchanges = Factory<dyn Exchange, String>;

#[allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps, reason = "as constructors are")]
fn venue(asked: Asked<String>) -> Result<Arc<dyn Exchange>, BoxError> {
    Ok(Arc::new(Venue(format!("{} of {}", asked.name, asked.context))))
}

fn exchanges() -> Exchanges {
    Factory::<dyn Exchange, _, _>::builder("exchanges")
        .context("test".to_owned())
        .register("mexc", venue)
        .register_async("gateio", async |asked: Asked<String>| venue(asked))
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn x02_an_unknown_name_is_told_at_once_with_the_known_names_and_the_nearest() {
    let exchanges = exchanges();
    let began = now();
    let error = exchanges.create("mexcc", &()).await.unwrap_err();
    assert_eq!(began.elapsed().as_nanos(), 0);
    assert_eq!(
        error.to_string(),
        "factory 'exchanges' knows no 'mexcc'; did you mean 'mexc'? it knows gateio, mexc"
    );
    let FactoryError::Unknown { name, known, nearest, .. } = &error else { panic!("{error:?}") };
    assert_eq!(
        (&**name, &known[..], nearest.as_deref()),
        ("mexcc", &["gateio".into(), "mexc".into()][..], Some("mexc"))
    );
    for error in [
        exchanges.create_blocking("INVALID_EXCHANGE", &()).unwrap_err(),
        exchanges.build("INVALID_EXCHANGE", &()).await.unwrap_err(),
        exchanges.build_blocking("INVALID_EXCHANGE", &()).unwrap_err(),
    ] {
        assert_eq!(
            error.to_string(),
            "factory 'exchanges' knows no 'INVALID_EXCHANGE'; it knows gateio, mexc"
        );
    }
}

#[test]
fn an_unknown_name_forges_no_line_of_a_log_and_is_not_shown_at_length() {
    let error = exchanges().create_blocking("a\nERROR forged \u{1b}[31m", &()).unwrap_err();
    assert!(error.to_string().contains("'a\\nERROR forged \\u{1b}[31m'"), "{error}");
    let error = exchanges().create_blocking(&"ü".repeat(5000), &()).unwrap_err();
    assert!(error.to_string().len() < 400, "{error}");
    let none = Factory::<u8>::new("nothing").unwrap().create_blocking("a", &()).unwrap_err();
    assert_eq!(none.to_string(), "factory 'nothing' knows no 'a'; nothing was registered");
}

#[tokio::test]
async fn x19_what_is_registered_at_run_time_is_made_like_the_others() {
    let exchanges = exchanges();
    exchanges.register("okx", venue).unwrap();
    exchanges.register_async("kraken", async |asked: Asked<String>| venue(asked)).unwrap();
    for name in ["okx", "kraken", "mexc", "gateio"] {
        assert_eq!(exchanges.create(name, &()).await.unwrap().name(), format!("{name} of test"));
    }
    assert_eq!(exchanges.names(), ["gateio", "kraken", "mexc", "okx"]);
    let origin =
        |name: &str| (exchanges.is_builtin(name), exchanges.is_plugin(name), exchanges.contains(name));
    assert_eq!(origin("mexc"), (true, false, true));
    assert_eq!(origin("okx"), (false, true, true));
    assert_eq!(origin("ftx"), (false, false, false));
}

#[test]
fn d000_09_a_taken_name_is_refused_and_never_replaced_without_a_word() {
    let exchanges = exchanges();
    let error = exchanges.register("mexc", venue).unwrap_err();
    assert!(matches!(error, FactoryError::Taken { .. }));
    assert_eq!(
        error.to_string(),
        "factory 'exchanges' has a constructor named 'mexc': `replace` puts another into its place"
    );
    let twice = Factory::<dyn Exchange, _, _>::builder("exchanges")
        .context(String::new())
        .register("mexc", venue)
        .register("mexc", venue)
        .build();
    assert!(matches!(twice, Err(FactoryError::Taken { .. })));

    let old = exchanges.create_blocking("mexc", &()).unwrap();
    let replaced =
        exchanges.replace("mexc", |_| Ok::<Arc<dyn Exchange>, BoxError>(Arc::new(Venue("another".into()))));
    assert!(replaced.unwrap());
    assert_eq!(exchanges.create_blocking("mexc", &()).unwrap().name(), "another");
    assert_eq!(old.name(), "mexc of test");
    assert!(exchanges.is_plugin("mexc"));
    assert!(!exchanges.replace("ftx", venue).unwrap());
}

#[tokio::test]
async fn an_async_constructor_takes_the_place_of_another_too() {
    let exchanges = exchanges();
    for (name, was_there) in [("mexc", true), ("ftx", false)] {
        let replaced = exchanges.replace_async(name, async |asked: Asked<String>| {
            Ok::<Arc<dyn Exchange>, BoxError>(Arc::new(Venue(format!("another {}", asked.name))))
        });
        assert_eq!(replaced.unwrap(), was_there);
        assert_eq!(exchanges.create(name, &()).await.unwrap().name(), format!("another {name}"));
    }
}

#[test]
fn names_that_cannot_be_read_are_refused() {
    let exchanges = exchanges();
    for (name, why) in [
        ("", "a constructor needs a name, and this one is empty"),
        ("a\u{7}", "a constructor's name has no control characters"),
        (&"é".repeat(129), "a constructor's name has at most 128 characters"),
    ] {
        let error = exchanges.register(name, venue).unwrap_err();
        assert_eq!(error.to_string(), format!("factory 'exchanges': {why}"));
    }
    exchanges.register("é".repeat(128), venue).unwrap();
}

#[test]
fn what_is_said_wrongly_of_a_factory_is_told_when_it_is_made() {
    let error = Factory::<u8>::new("no name").unwrap_err();
    assert!(error.to_string().contains("a name is 1 to 128"), "{error}");
    let error = Factory::<u8, _, ()>::builder("late").timeout("soon").build().unwrap_err();
    assert!(error.to_string().contains("soon"), "{error}");
    let error = Factory::<u8, _, ()>::builder("early")
        .register("one", |_| Ok::<_, BoxError>(1))
        .context(7)
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("say `context` first"), "{error}");
}

#[test]
fn an_async_constructor_is_refused_to_who_blocks_with_what_to_call() {
    let exchanges = exchanges();
    for error in [
        exchanges.create_blocking("gateio", &()).unwrap_err(),
        exchanges.build_blocking("gateio", &()).unwrap_err(),
    ] {
        assert!(matches!(error, FactoryError::AsyncOnly { .. }));
        assert!(error.to_string().contains("call `create` and await it"), "{error}");
    }
    let made = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(exchanges.create("gateio", &()))
        .unwrap();
    assert!(Arc::ptr_eq(&made, &exchanges.create_blocking("gateio", &()).unwrap()), "it is kept now");
}

#[test]
fn x20_a_plugin_that_fails_to_load_is_named_and_skipped_and_the_others_load() {
    let exchanges = exchanges();
    let failed = exchanges.load([
        Plugin::new("okx", |into| {
            into.register("okx", venue)
                .register_async("okx_futures", async |asked: Asked<String>| venue(asked));
            Ok::<_, BoxError>(())
        }),
        Plugin::new("broken", |into| {
            into.register("half", venue);
            Err("its settings are missing")
        }),
        Plugin::new("panics", |_| -> Result<(), BoxError> { panic!("no such symbol") }),
        Plugin::new("greedy", |into| {
            into.register("greedy", venue).register("mexc", venue);
            Ok::<_, BoxError>(())
        }),
        Plugin::new("twice", |into| {
            into.register("twin", venue).register("twin", venue);
            Ok::<_, BoxError>(())
        }),
        Plugin::new("kraken", |into| {
            into.register("kraken", venue);
            Ok::<_, BoxError>(())
        }),
    ]);
    let failed: Vec<_> = failed.into_iter().map(|(name, error)| (name, error.to_string())).collect();
    let taken = |name| {
        format!("factory 'exchanges' has a constructor named '{name}': `replace` puts another into its place")
    };
    assert_eq!(
        failed,
        [
            ("broken".to_owned(), "its settings are missing".to_owned()),
            ("panics".to_owned(), "the plugin panicked: no such symbol".to_owned()),
            ("greedy".to_owned(), taken("mexc")),
            ("twice".to_owned(), taken("twin")),
        ]
    );
    assert_eq!(exchanges.names(), ["gateio", "kraken", "mexc", "okx", "okx_futures"]);
    assert!(["kraken", "okx", "okx_futures"].iter().all(|name| exchanges.is_plugin(name)));
    assert!(["gateio", "mexc"].iter().all(|name| exchanges.is_builtin(name) && !exchanges.is_plugin(name)));
    assert_eq!(exchanges.create_blocking("okx", &()).unwrap().name(), "okx of test");
}
