//! How well a factory is, and what it tells of itself. The rules by themselves are tested beside them.

use crate::Source;
use resilient::factory::{BadRequest, BoxError, Factory, FactoryState, HealthRules};
use resilient::{HealthStatus, check_health};
use std::time::Duration;
use tokio::time::advance;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn s000_04_s000_05_builds_that_fail_and_succeed_make_the_state() {
    let source = Source::default();
    let factory = source.factory("f");
    source.goes(false);
    for state in ["healthy", "degraded", "degraded", "degraded", "failed"] {
        let _ = factory.create("number", &0).await.unwrap_err();
        assert_eq!(factory.health().state.as_str(), state);
    }
    assert_eq!(factory.health().last_error.as_deref(), Some("it is down"));
    source.goes(true);
    for options in 0..5 {
        let _ = factory.create("number", &options).await.unwrap();
        let _ = factory.create("number", &options).await.unwrap();
        assert_eq!(factory.health().state, FactoryState::Failed, "what comes from the cache proves nothing");
    }
    let _ = factory.create("number", &5).await.unwrap();
    let health = factory.health();
    assert_eq!((health.state, health.error_count, health.success_count), (FactoryState::Healthy, 0, 6));
}

#[tokio::test(start_paused = true)]
async fn s000_06_a_failed_factory_whose_probe_works_is_healthy_and_its_cache_is_cleared() {
    let source = Source::default();
    let factory = source.factory("f");
    let _ = factory.create("number", &9).await.unwrap();
    source.goes(false);
    for _ in 0..5 {
        let _ = factory.create("number", &0).await.unwrap_err();
    }
    source.goes(true);
    let probe = factory.clear_cache_and_recover("number", &0).await.unwrap();
    let (health, told) = (factory.health(), factory.statistics());
    assert_eq!((health.state, health.error_count), (FactoryState::Healthy, 0));
    assert_eq!((told.recoveries, told.cached), (1, 1), "the probe is all there is");
    assert!(std::sync::Arc::ptr_eq(&probe, &factory.create("number", &0).await.unwrap()));
}

#[tokio::test(start_paused = true)]
async fn s000_07_a_failed_factory_whose_probe_fails_says_that_recovery_failed() {
    let source = Source::default();
    let factory = source.factory("f");
    source.goes(false);
    let _ = factory.clear_cache_and_recover("number", &0).await.unwrap_err();
    let health = factory.health();
    assert_eq!(health.state, FactoryState::Failed);
    assert_eq!(health.last_error.as_deref(), Some("Recovery failed: it is down"));
    assert_eq!(factory.statistics().recoveries, 0);
    let _ = factory.clear_cache_and_recover_blocking("number", &0).unwrap_err();
    source.goes(true);
    let _ = factory.clear_cache_and_recover_blocking("number", &0).unwrap();
    assert_eq!(factory.health().state, FactoryState::Healthy);
}

#[tokio::test(start_paused = true)]
async fn d000_08_recovering_is_seen_while_the_probe_runs_and_ends_with_it_however_it_ends() {
    let factory = Factory::<u32, _, ()>::builder("f")
        .register_async("slow", async |_| {
            tokio::time::sleep(SECOND).await;
            Ok::<_, BoxError>(1)
        })
        .register("odd", |_| Err::<u32, _>(BadRequest::new("odd")))
        .build()
        .unwrap();
    let watch = async {
        tokio::time::sleep(SECOND / 2).await;
        factory.health().state
    };
    let (made, seen) = tokio::join!(factory.clear_cache_and_recover("slow", &()), watch);
    assert_eq!(
        (*made.unwrap(), seen, factory.health().state),
        (1, FactoryState::Recovering, FactoryState::Healthy)
    );
    let given_up = tokio::time::timeout(SECOND / 2, factory.clear_cache_and_recover("slow", &())).await;
    assert!(given_up.is_err());
    assert_eq!(factory.health().state, FactoryState::Healthy);
    let _ = factory.clear_cache_and_recover("odd", &()).await.unwrap_err();
    assert_eq!((factory.health().state, factory.statistics().recoveries), (FactoryState::Healthy, 1));

    let _ = factory.create("slow", &()).await.unwrap();
    assert!(factory.clear_cache_and_recover("unknown", &()).await.is_err());
    assert_eq!(factory.statistics().cached, 1, "for an unknown name nothing is cleared");
}

#[tokio::test(start_paused = true)]
async fn d000_08_health_recovers_by_time_alone_and_says_when_it_was_looked_at() {
    let source = Source::default();
    let factory = source.factory("f");
    let made = factory.health().last_check;
    source.goes(false);
    advance(10 * SECOND).await;
    for _ in 0..5 {
        let _ = factory.create("number", &0).await.unwrap_err();
    }
    assert!(factory.health().last_check >= made);
    advance(Duration::from_millis(29_999)).await;
    assert_eq!(factory.health().state, FactoryState::Failed);
    advance(Duration::from_millis(1)).await;
    assert_eq!(factory.health().state, FactoryState::Recovering);
    let _ = factory.create("number", &0).await.unwrap_err();
    assert_eq!(factory.health().state, FactoryState::Failed);
    advance(90 * SECOND).await;
    let health = factory.health();
    assert_eq!((health.state, health.error_count), (FactoryState::Healthy, 0));
}

#[tokio::test(start_paused = true)]
async fn d000_03_a_hundred_bad_requests_do_not_harm_a_factory() {
    let source = Source::default();
    let factory = source.factory("f");
    factory.register("odd", |_| Err::<u32, _>(BadRequest::new("no such level"))).unwrap();
    for _ in 0..100 {
        let _ = factory.create("odd", &0).await.unwrap_err();
        let _ = factory.create("yaml", &0).await.unwrap_err();
        let _ = factory.build_blocking("odd", &0).unwrap_err();
    }
    let health = factory.health();
    assert_eq!((health.state, health.error_count, health.last_error), (FactoryState::Healthy, 0, None));
}

#[tokio::test(start_paused = true)]
async fn what_its_caller_gave_up_does_not_harm_a_factory() {
    let factory = Factory::<u32, _, ()>::builder("f")
        .register_async("slow", async |_| {
            tokio::time::sleep(SECOND).await;
            Ok::<_, BoxError>(1)
        })
        .build()
        .unwrap();
    for _ in 0..10 {
        assert!(tokio::time::timeout(SECOND / 2, factory.create("slow", &())).await.is_err());
        let hurried = resilient::Deadline::after(SECOND / 2).attach_to(factory.create("slow", &())).await;
        assert!(hurried.is_err());
    }
    assert_eq!(factory.health().error_count, 0);
    let own = Factory::<u32, _, ()>::builder("own")
        .layers(|operation| operation.deadline("2s").timeout("1s"))
        .register_async("hangs", async |_| std::future::pending::<Result<u32, BoxError>>().await)
        .build()
        .unwrap();
    assert!(own.create("hangs", &()).await.is_err());
    assert_eq!(own.health().error_count, 1, "the factory's own limit is the factory's failure");
}

#[tokio::test(start_paused = true)]
async fn s000_14_d000_07_what_is_told_is_a_copy_with_the_seeds_keys() {
    let factory = Source::default().factory("f");
    let _ = factory.create("number", &0).await.unwrap();
    let (mut health, mut told) = (factory.health(), factory.statistics());
    health.state = FactoryState::Failed;
    health.error_count = 99;
    told.cache_misses += 99;
    assert_eq!((factory.health().state, factory.health().error_count), (FactoryState::Healthy, 0));
    assert_eq!((health.error_count, told.cache_misses), (99, 100));
    assert_eq!(factory.statistics().cache_misses, 1);
    assert_eq!(
        serde_json::to_value(factory.statistics()).unwrap(),
        serde_json::json!({
            "cache_hits": 0, "cache_misses": 1, "fallbacks_used": 0, "recoveries": 0, "cached_serializers": 1,
            "health_state": "healthy", "error_count": 0, "success_count": 1,
        })
    );
    let health = serde_json::to_value(factory.health()).unwrap();
    let keys: Vec<_> = health.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["error_count", "last_check", "last_error", "state", "success_count"]);
}

#[tokio::test(start_paused = true)]
async fn the_last_error_is_short_and_forges_no_line() {
    let factory = Factory::<u32, _, ()>::builder("f")
        .max_attempts(1)
        .register("odd", |_| Err::<u32, _>(format!("a\nERROR forged{}", "x".repeat(10_000))))
        .build()
        .unwrap();
    let _ = factory.create("odd", &()).await.unwrap_err();
    let said = factory.health().last_error.unwrap();
    assert!(said.starts_with("a\\nERROR forged") && said.len() <= 512, "{said}");
}

#[tokio::test(start_paused = true)]
async fn health_checks_know_a_factory_that_asks_for_it_while_it_lives() {
    let scope = resilient::testing::Scope::new();
    scope
        .run(async {
            let source = Source::default();
            let made = source.clone();
            let _unseen = source.factory("unseen");
            let factory = Factory::<u32, _, ()>::builder("numbers")
                .max_attempts(1)
                .health(HealthRules::new().degraded_after(1).failed_after(2))
                .health_check()
                .register("number", move |_| made.make())
                .build()
                .unwrap();
            source.goes(false);
            for (status, said) in [
                (HealthStatus::Healthy, None),
                (HealthStatus::Degraded, Some("degraded: it is down")),
                (HealthStatus::Unhealthy, Some("failed: it is down")),
            ] {
                let reports = check_health().await;
                assert_eq!(reports.keys().collect::<Vec<_>>(), ["numbers"]);
                let report = &reports["numbers"];
                assert_eq!((report.status, report.message.as_deref()), (status, said));
                let _ = factory.create("number", &()).await.unwrap_err();
            }
            drop(factory);
            assert!(check_health().await.is_empty());
        })
        .await;
}

#[test]
fn rules_of_health_that_make_no_sense_are_told_when_the_factory_is_made() {
    let error =
        Factory::<u32, _, ()>::builder("f").health(HealthRules::new().window("soon")).build().unwrap_err();
    assert!(error.to_string().starts_with("factory 'f': window of its health"), "{error}");
}
