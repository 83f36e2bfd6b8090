//! Several factories, asked one after the other: who is asked, what is given, and what is told.

use resilient::factory::{
    BadRequest, BoxError, Factory, FactoryError, FactoryState, Failover, FailoverError, Made, Selection,
};
use resilient::{Classify, HealthStatus, ResilienceError, check_health};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::Duration;
use tokio::time::advance;

/// A factory of serializers, as far as those are concerned here: each knows its name and who made it.
#[derive(Clone, Default)]
struct Source {
    mood: Arc<AtomicU8>,
    builds: Arc<AtomicU32>,
}

const DOWN: u8 = 1;
const BAD: u8 = 2;

#[derive(Debug, PartialEq)]
struct Serializer {
    format: String,
    by: &'static str,
}

type Serializers = Failover<Serializer, (), u32>;

impl Source {
    fn is(&self, mood: u8) {
        self.mood.store(mood, Ordering::SeqCst);
    }

    fn builds(&self) -> u32 {
        self.builds.load(Ordering::SeqCst)
    }

    fn factory(&self, id: &'static str, formats: &[&str]) -> Factory<Serializer, (), u32> {
        let factory = Factory::<Serializer, _, u32>::builder(id).max_attempts(1).build().unwrap();
        for format in formats {
            let source = self.clone();
            let constructor = move |asked: resilient::factory::Asked<(), u32>| {
                source.builds.fetch_add(1, Ordering::SeqCst);
                match source.mood.load(Ordering::SeqCst) {
                    DOWN if asked.options < 100 => Err("it is down".into()),
                    BAD => Err(BadRequest::new("no such level").into()),
                    _ => Ok::<_, BoxError>(Serializer { format: asked.name.to_string(), by: id }),
                }
            };
            factory.register(*format, constructor).unwrap();
        }
        factory
    }
}

/// Primary and backup, with the weights they have by default.
struct Two {
    serializers: Serializers,
    sources: [Source; 2],
    factories: [Factory<Serializer, (), u32>; 2],
}

fn two() -> Two {
    let sources = [Source::default(), Source::default()];
    let formats = ["json", "msgpack"];
    let factories = [sources[0].factory("primary", &formats), sources[1].factory("backup", &formats)];
    let serializers = Failover::builder()
        .register(factories[0].clone(), 1.0)
        .register(factories[1].clone(), 0.8)
        .build()
        .unwrap();
    Two { serializers, sources, factories }
}

fn by(made: Result<Made<Serializer>, FailoverError>) -> &'static str {
    made.unwrap().requested().unwrap().by
}

/// Fails so often, each time by itself.
async fn fail(factory: &Factory<Serializer, (), u32>, source: &Source, times: u32) {
    source.is(DOWN);
    for _ in 0..times {
        let _ = factory.create("json", &0).await.unwrap_err();
    }
    source.is(0);
}

#[tokio::test(start_paused = true)]
async fn s000_08_the_healthy_are_asked_first_then_the_degraded_then_one_recovers_then_the_emergency() {
    let Two { serializers, sources: [primary, backup], factories: [first, second] } = two();
    let picked = || serializers.pick().unwrap().id().to_owned();
    assert_eq!((picked().as_str(), by(serializers.create("json", &1).await)), ("primary", "primary"));
    fail(&first, &primary, 2).await;
    assert_eq!((picked().as_str(), by(serializers.create("json", &2).await)), ("backup", "backup"));
    fail(&second, &backup, 2).await;
    assert_eq!((picked().as_str(), by(serializers.create("json", &3).await)), ("primary", "primary"));

    fail(&first, &primary, 5).await;
    fail(&second, &backup, 5).await;
    let states =
        || serializers.status().factories.into_values().map(|told| told.health_state).collect::<Vec<_>>();
    assert_eq!(states(), [FactoryState::Failed; 2]);
    assert_eq!(picked(), "primary");
    assert_eq!(by(serializers.create("json", &4).await), "primary");
    assert_eq!(states(), [FactoryState::Failed, FactoryState::Healthy], "backup, primary");
    assert_eq!(serializers.status().factories["primary"].stats.recoveries, 1);

    let none = Failover::builder()
        .emergency(|| Ok(Source::default().factory("emergency", &["json"])))
        .build()
        .unwrap();
    assert_eq!(none.pick().unwrap().id(), "emergency");
    assert_eq!(none.status().factories["emergency"].weight.to_string(), "0.1");
    assert_eq!(by(none.create("json", &0).await), "emergency");
}

#[tokio::test(start_paused = true)]
async fn the_emergency_is_made_once_when_all_others_have_failed_and_not_for_an_unknown_name() {
    let source = Source::default();
    let made = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&made);
    let serializers = Failover::builder()
        .register(source.factory("primary", &["json", "msgpack"]), 1.0)
        .emergency(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(Source::default().factory("emergency", &["json"]))
        })
        .build()
        .unwrap();
    assert!(matches!(serializers.create("yaml", &0).await, Err(FailoverError::Unknown { .. })));
    assert_eq!(made.load(Ordering::SeqCst), 0);
    source.is(DOWN);
    for options in 0..3 {
        assert_eq!(by(serializers.create("json", &options).await), "emergency");
        assert_eq!(by(serializers.create_blocking("json", &options)), "emergency");
    }
    assert_eq!(made.load(Ordering::SeqCst), 1);
    // It does not know this one, so that nobody is left.
    let error = serializers.create("msgpack", &0).await.unwrap_err();
    assert_eq!((error.failures().len(), made.load(Ordering::SeqCst)), (1, 1));
    assert!(serializers.unregister("emergency"));
    assert_eq!(by(serializers.create("json", &9).await), "emergency");
    assert_eq!(made.load(Ordering::SeqCst), 2, "it was taken away");
}

#[tokio::test(start_paused = true)]
async fn an_emergency_that_fails_is_asked_once_for_each_request() {
    let source = Source::default();
    source.is(DOWN);
    let emergency = source.clone();
    let serializers =
        Failover::builder().emergency(move || Ok(emergency.factory("emergency", &["json"]))).build().unwrap();
    for request in 1..3 {
        let error = serializers.create("json", &request).await.unwrap_err();
        assert_eq!((error.failures().len(), source.builds()), (1, request));
    }
}

#[tokio::test(start_paused = true)]
async fn d000_11_an_emergency_that_cannot_be_made_is_one_more_failure_and_hides_none() {
    let source = Source::default();
    source.is(DOWN);
    for (panics, said) in [
        (false, "factory 'emergency': no disk"),
        (true, "factory 'emergency': what makes it panicked: no disk"),
    ] {
        let serializers = Failover::builder()
            .register(source.factory("primary", &["json"]), 1.0)
            .emergency(move || {
                assert!(!panics, "no disk");
                Err(FactoryError::Invalid { factory: "emergency".into(), what: "no disk".into() })
            })
            .build()
            .unwrap();
        let error = serializers.create("json", &0).await.unwrap_err();
        let failures: Vec<_> = error.failures().iter().map(ToString::to_string).collect();
        assert_eq!(failures, ["factory 'primary' could not make 'json' in 1 attempt: it is down", said]);
    }
    let nobody = Failover::<Serializer>::builder().build().unwrap();
    assert!(matches!(nobody.pick(), Err(FailoverError::NoFactory { .. })));
    let error = nobody.create("json", &()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no factory to make 'json': `register` one, or say how to make one for an `emergency`"
    );
}

#[tokio::test(start_paused = true)]
async fn s000_09_the_status_has_exactly_the_seeds_keys() {
    let Two { serializers, .. } = two();
    let stats = serde_json::json!({
        "cache_hits": 0, "cache_misses": 0, "fallbacks_used": 0, "recoveries": 0, "cached_serializers": 0,
        "health_state": "healthy", "error_count": 0, "success_count": 0,
    });
    let factory = |weight: f64| {
        serde_json::json!({
            "health_state": "healthy", "error_count": 0, "success_count": 0, "weight": weight, "stats": stats,
        })
    };
    assert_eq!(
        serde_json::to_value(serializers.status()).unwrap(),
        serde_json::json!({
            "total_factories": 2, "healthy_factories": 2,
            "factories": { "primary": factory(1.0), "backup": factory(0.8) },
        })
    );
}

#[test]
fn s000_10_who_is_unregistered_is_gone_and_an_unknown_id_is_false() {
    let Two { serializers, .. } = two();
    assert!(!serializers.unregister("tertiary"));
    assert!(serializers.unregister("primary"));
    assert!(!serializers.unregister("primary"));
    let status = serializers.status();
    assert_eq!((status.total_factories, status.factories.contains_key("primary")), (1, false));
    assert_eq!(by(serializers.create_blocking("json", &0)), "backup");
}

#[test]
fn d000_09_a_second_factory_of_an_id_is_refused_and_so_is_a_weight_that_is_none() {
    let Two { serializers, sources: [source, _], .. } = two();
    let error = serializers.register(source.factory("primary", &[]), 1.0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a factory 'primary' is registered: `unregister` it first, or give this one another id"
    );
    for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = serializers.register(source.factory("third", &[]), weight).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the weight of factory 'third' is {weight}: it is a number above 0")
        );
    }
    assert_eq!(serializers.status().total_factories, 2);
}

#[tokio::test(start_paused = true)]
async fn d000_01_a_failure_reaches_the_other_factory_and_never_becomes_another_format() {
    let Two { serializers, sources: [primary, backup], .. } = two();
    primary.is(DOWN);
    let made = serializers.create("msgpack", &0).await.unwrap().requested().unwrap();
    assert_eq!(*made, Serializer { format: "msgpack".into(), by: "backup" });
    backup.is(DOWN);
    let error = serializers.create("msgpack", &1).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no factory could make 'msgpack'; factory 'primary' could not make 'msgpack' in 1 attempt: it is down; \
         factory 'backup' could not make 'msgpack' in 1 attempt: it is down"
    );
    assert_eq!((primary.builds(), backup.builds()), (2, 2));
    assert!(std::error::Error::source(&error).is_some_and(|last| last.to_string().contains("backup")));
}

#[tokio::test(start_paused = true)]
async fn s000_03_an_unknown_format_is_an_error_in_strict_mode_and_an_open_fallback_otherwise() {
    let Two { serializers, sources, .. } = two();
    let error = serializers.create("mspgack", &0).await.unwrap_err();
    assert!(error.is_callers_mistake());
    assert_eq!(
        error.to_string(),
        "no factory knows 'mspgack'; did you mean 'msgpack'? they know json, msgpack"
    );
    assert!(sources.iter().all(|source| source.builds() == 0));

    let source = Source::default();
    let lenient = Failover::builder()
        .register(source.factory("primary", &["json", "msgpack"]), 1.0)
        .or_else_made_by(["bson", "json"])
        .build()
        .unwrap();
    let made = lenient.create("yaml", &7).await.unwrap();
    assert!(made.is_fallback());
    let Made::Fallback { made, name, wanted, why, .. } = made else { panic!("nobody knows yaml") };
    assert_eq!((made.format.as_str(), &*name, &*wanted), ("json", "json", "yaml"));
    assert!(matches!(why, FailoverError::Unknown { .. }));
    let told = &lenient.status().factories["primary"];
    assert_eq!((told.stats.fallbacks_used, told.error_count), (1, 0));
    assert!(!lenient.create("msgpack", &7).await.unwrap().is_fallback());
}

#[tokio::test(start_paused = true)]
async fn what_stands_in_for_what_failed_may_have_options_of_its_own() {
    let source = Source::default();
    source.is(DOWN);
    let lenient = Failover::builder()
        .register(source.factory("primary", &["json", "msgpack"]), 1.0)
        .or_else_made_by(["json"])
        .or_else_made_with("json", |wanted| wanted + 100)
        .build()
        .unwrap();
    let made = lenient.create("msgpack", &1).await.unwrap();
    assert!(format!("{made:?}").contains("Fallback"), "{made:?}");
    let error = made.clone().requested().unwrap_err();
    assert_eq!(
        error.to_string(),
        "no factory could make 'msgpack'; factory 'primary' could not make 'msgpack' in 1 attempt: it is down"
    );
    assert_eq!(made.any().format, "json");
    assert_eq!(lenient.create_blocking("json", &1).unwrap().any().format, "json");
}

#[tokio::test(start_paused = true)]
async fn d000_03_a_bad_request_harms_no_factory_and_is_asked_nowhere_else() {
    let Two { serializers, sources: [primary, backup], .. } = two();
    primary.is(BAD);
    for _ in 0..25 {
        let error = serializers.create("json", &0).await.unwrap_err();
        assert!(matches!(error, FailoverError::BadRequest(FactoryError::BadRequest { .. })));
        assert_eq!(
            error.to_string(),
            "factory 'primary' cannot make 'json' as it was asked to: no such level"
        );
        let _ = serializers.create_blocking("yaml", &0).unwrap_err();
    }
    assert_eq!((primary.builds(), backup.builds()), (25, 0));
    let status = serializers.status();
    assert_eq!(status.healthy_factories, 2);
    assert!(status.factories.values().all(|told| told.error_count == 0));

    let source = Source::default();
    source.is(BAD);
    let lenient =
        Failover::builder().register(source.factory("one", &["json", "cbor"]), 1.0).or_else_made_by(["cbor"]);
    let error = lenient.build().unwrap().create("json", &0).await.unwrap_err();
    assert!(error.is_callers_mistake(), "nothing else is made for it");
}

#[tokio::test(start_paused = true)]
async fn a_factory_that_does_not_know_a_name_is_not_asked_for_it() {
    let (one, other) = (Source::default(), Source::default());
    let serializers = Failover::builder()
        .register(one.factory("one", &["json"]), 2.0)
        .register(other.factory("other", &["cbor"]), 1.0)
        .build()
        .unwrap();
    assert_eq!(by(serializers.create("cbor", &0).await), "other");
    assert_eq!((one.builds(), other.builds()), (0, 1));
    assert_eq!(serializers.names(), ["cbor", "json"]);
}

#[test]
fn d000_10_weights_choose() {
    let (primary, heavy) = (Source::default(), Source::default());
    let both = || {
        Failover::builder()
            .register(primary.factory("light", &["json"]), 1.0)
            .register(heavy.factory("heavy", &["json"]), 3.0)
    };
    let heaviest = both().build().unwrap();
    let weighted = both().selection(Selection::Weighted).build().unwrap();
    let turns = |serializers: &Serializers| {
        let turn = |options| by(serializers.create_blocking("json", &options));
        (0..8).map(turn).collect::<Vec<_>>()
    };
    assert_eq!(turns(&heaviest), ["heavy"; 8]);
    assert_eq!(turns(&weighted), ["heavy", "heavy", "light", "heavy", "heavy", "heavy", "light", "heavy"]);
    let picked: Vec<_> = (0..4).map(|_| weighted.pick().unwrap().id().to_owned()).collect();
    assert_eq!(picked, ["heavy", "heavy", "light", "heavy"]);

    let of_three = both().register(Source::default().factory("last", &["json"]), 1.0);
    let of_three = of_three.selection(Selection::Weighted).build().unwrap();
    let picked: Vec<_> = (0..5).map(|_| of_three.pick().unwrap().id().to_owned()).collect();
    assert_eq!(picked, ["heavy", "light", "heavy", "last", "heavy"]);
}

#[tokio::test(start_paused = true)]
async fn an_error_says_whose_fault_it_is_what_failed_and_when_to_come_back() {
    let Two { serializers, sources: [primary, backup], .. } = two();
    primary.is(BAD);
    let refused = serializers.create("json", &0).await.unwrap_err();
    assert!(refused.is_callers_mistake());
    assert_eq!(refused.failures().len(), 1);
    primary.is(DOWN);
    backup.is(DOWN);
    let failed = serializers.create("json", &1).await.unwrap_err();
    assert!(!failed.is_callers_mistake());
    assert_eq!((failed.failures().len(), failed.retry_after()), (2, None));

    let nobody = Failover::<Serializer>::builder().build().unwrap().pick().unwrap_err();
    assert_eq!(
        nobody.to_string(),
        "there is no factory: `register` one, or say how to make one for an `emergency`"
    );
    assert!(!nobody.is_callers_mistake() && nobody.failures().is_empty());

    let limited = |seconds| FactoryError::Refused {
        factory: "primary".into(),
        name: "json".into(),
        source: Arc::new(ResilienceError::RateLimited {
            name: "serializers",
            retry_after: Duration::from_secs(seconds),
        }),
    };
    let failures = [failed.failures()[0].clone(), limited(3), limited(2)].into();
    let all = FailoverError::AllFailed { name: "json".into(), failures };
    assert_eq!(all.retry_after(), Some(Duration::from_secs(2)), "one of them may be ready then");
}

#[test]
fn in_a_debugger_a_failover_shows_who_is_in_it() {
    let Two { serializers, sources: [source, _], .. } = two();
    assert_eq!(format!("{serializers:?}"), r#"Failover { factories: ["primary", "backup"], .. }"#);
    let builder = Failover::builder().register(source.factory("third", &[]), 0.5);
    assert_eq!(format!("{builder:?}"), r#"FailoverBuilder { factories: [("third", 0.5)], .. }"#);
}

#[tokio::test(start_paused = true)]
async fn d000_08_a_primary_that_failed_is_asked_again_after_a_time_without_errors() {
    let Two { serializers, sources: [primary, _], factories: [first, _] } = two();
    fail(&first, &primary, 5).await;
    for (seconds, state, asked) in [
        (29, FactoryState::Failed, "backup"),
        (2, FactoryState::Recovering, "backup"),
        (60, FactoryState::Healthy, "primary"),
    ] {
        advance(Duration::from_secs(seconds)).await;
        assert_eq!(serializers.status().factories["primary"].health_state, state);
        assert_eq!(serializers.pick().unwrap().id(), asked);
    }
}

#[tokio::test(start_paused = true)]
async fn d000_12_requests_that_meet_at_a_failed_factory_make_one_probe_and_one_component() {
    let source = Source::default();
    let slow = Factory::<Serializer, _, u32>::builder("slow").max_attempts(1).build().unwrap();
    let made = source.clone();
    slow.register_async("json", move |asked: resilient::factory::Asked<(), u32>| {
        let made = made.clone();
        async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            made.builds.fetch_add(1, Ordering::SeqCst);
            if made.mood.load(Ordering::SeqCst) == DOWN {
                return Err("it is down");
            }
            Ok(Serializer { format: asked.name.to_string(), by: "slow" })
        }
    })
    .unwrap();
    let serializers = Failover::builder().register(slow.clone(), 1.0).build().unwrap();
    source.is(DOWN);
    for _ in 0..5 {
        let _ = slow.create("json", &0).await.unwrap_err();
    }
    source.is(0);
    let before = source.builds();
    let asked: Vec<_> = (0..50)
        .map(|_| {
            let serializers = serializers.clone();
            tokio::spawn(async move { serializers.create("json", &0).await.unwrap().any() })
        })
        .collect();
    let mut made = Vec::new();
    for asked in asked {
        made.push(asked.await.unwrap());
    }
    assert!(made.iter().all(|one| Arc::ptr_eq(one, &made[0])));
    assert_eq!(source.builds() - before, 1);
    let told = slow.statistics();
    assert_eq!((told.recoveries, told.health_state), (1, FactoryState::Healthy));
}

#[tokio::test(start_paused = true)]
async fn who_is_out_of_time_asks_nobody_else() {
    let backup = Source::default();
    let slow = Factory::<Serializer, _, u32>::builder("slow")
        .register_async("json", async |_| {
            tokio::time::sleep(Duration::from_secs(3)).await;
            Err::<Serializer, BoxError>("late".into())
        })
        .build()
        .unwrap();
    let serializers = Failover::builder()
        .register(slow, 1.0)
        .register(backup.factory("backup", &["json"]), 0.5)
        .build()
        .unwrap();
    let deadline = resilient::Deadline::after(Duration::from_secs(1));
    let error = deadline.attach_to(serializers.create("json", &0)).await.unwrap_err();
    assert!(ResilienceError::find(&error).is_some_and(ResilienceError::is_deadline_exceeded));
    assert_eq!((error.failures().len(), backup.builds()), (1, 0));
}

#[tokio::test]
async fn s000_11_d000_12_the_default_is_replaced_and_a_test_has_one_of_its_own() {
    #[derive(Debug)]
    struct Mine;
    let named = |id: &str| {
        let factory =
            Factory::<Mine, _, ()>::builder(id).register("mine", |_| Ok::<_, BoxError>(Mine)).build();
        Failover::builder().register(factory.unwrap(), 1.0).build().unwrap()
    };
    let current = || Failover::<Mine>::current().map(|current| current.pick().unwrap().id().to_owned());
    assert_eq!(current(), None);
    assert!(named("first").set_default().is_none());
    assert_eq!(current().as_deref(), Some("first"));
    let replaced = named("second").set_default().unwrap();
    assert_eq!(replaced.pick().unwrap().id(), "first");
    assert_eq!(Failover::current_or_set(|| named("third")).pick().unwrap().id(), "second");

    let scoped = named("scoped");
    {
        let _around = scoped.enter();
        assert_eq!(current().as_deref(), Some("scoped"));
        let inner = named("inner").enter();
        assert_eq!(current().as_deref(), Some("inner"));
        let elsewhere =
            std::thread::spawn(|| Failover::<Mine>::current().unwrap().pick().unwrap().id().to_owned());
        assert_eq!(elsewhere.join().unwrap(), "second");
        drop(inner);
        assert_eq!(current().as_deref(), Some("scoped"));
    }
    let seen = scoped.run(async {
        tokio::task::yield_now().await;
        current()
    });
    let (seen, beside) = tokio::join!(seen, async { current() });
    assert_eq!((seen.as_deref(), beside.as_deref()), (Some("scoped"), Some("second")));

    let threads: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(|| Failover::<u8>::current_or_set(|| Failover::builder().build().unwrap()))
        })
        .collect();
    for thread in threads {
        let _one = thread.join().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn health_checks_know_a_failover_that_asks_for_it_while_it_lives() {
    let scope = resilient::testing::Scope::new();
    scope
        .run(async {
            let source = Source::default();
            let serializers = Failover::builder()
                .register(source.factory("primary", &["json"]), 1.0)
                .health_check("serializers")
                .build()
                .unwrap();
            source.is(DOWN);
            for (failures, status, said) in [
                (0, HealthStatus::Healthy, None),
                (2, HealthStatus::Degraded, Some("primary is degraded")),
                (3, HealthStatus::Unhealthy, Some("primary is failed")),
            ] {
                for _ in 0..failures {
                    let _ = serializers.create("json", &0).await.unwrap_err();
                }
                let report = &check_health().await["serializers"];
                assert_eq!((report.status, report.message.as_deref()), (status, said));
            }
            drop(serializers);
            assert!(check_health().await.is_empty());
        })
        .await;
}
