//! The scenarios of the exchange factory, by id. Those about credentials are in the tests of credentials.

use std::sync::Arc;

use resilient::factory::startup::{Component, Components, StartError, Status, Strategy};
use resilient::factory::{BoxError, BoxFuture, Factory};

use super::toy::{Act, Close, World, alone, seconds, timed};

#[tokio::test(start_paused = true)]
async fn x01_an_exchange_that_comes_up_is_the_one_asked_for_active_and_held() {
    alone(async |_| {
        let world = World::of(&[("MEXC", &[Act::Up])]);
        let exchanges = world.toys();
        let mexc = exchanges.create("MEXC").await.unwrap();
        assert_eq!((mexc.name.as_str(), mexc.status()), ("MEXC", Status::Active));
        assert!(Arc::ptr_eq(&mexc, &exchanges.instances()["MEXC"]));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn x02_an_unknown_name_is_refused_at_once_with_the_names_that_there_are() {
    alone(async |scope| {
        let world = World::of(&[("MEXC", &[Act::Up]), ("GATEIO", &[Act::Up])]);
        let exchanges = world.toys();
        let (refused, took) = timed(&scope, exchanges.create("INVALID_EXCHANGE")).await;
        let error = refused.err().unwrap();
        assert_eq!(error.to_string(), "Unsupported exchange: INVALID_EXCHANGE. Available: GATEIO, MEXC");
        assert_eq!((error.code(), took), (404, seconds(0.0)));
        assert_eq!(world.ledger.built(), 0);
        let close = exchanges.create("mex").await.err().unwrap().to_string();
        assert_eq!(close, "Unsupported exchange: mex. Available: GATEIO, MEXC; did you mean MEXC?");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn x03_of_two_that_come_up_the_summary_says_so() {
    alone(async |_| {
        let world = World::of(&[("MEXC", &[Act::Up]), ("GATEIO", &[Act::Up])]);
        let exchanges = world.toys();
        let up = exchanges.create_all(["MEXC", "GATEIO"], Strategy::ContinueOnError).await.unwrap();
        assert_eq!(up.keys().collect::<Vec<_>>(), ["GATEIO", "MEXC"]);
        let summary = exchanges.summary();
        assert_eq!((summary.total_requested, summary.successful, summary.failed), (2, 2, 0));
        assert!((summary.success_rate - 100.0).abs() < f64::EPSILON);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn x05_after_one_failure_there_is_one_wait_of_two_seconds_and_a_second_attempt() {
    alone(async |scope| {
        let world = World::of(&[("MEXC", &[Act::Fails, Act::Up])]);
        let exchanges = world.toys();
        let (up, took) = timed(&scope, exchanges.create("MEXC")).await;
        assert_eq!(up.unwrap().number, 2);
        assert_eq!((scope.pauses(), took), (vec![seconds(2.0)], seconds(2.0)));
        assert_eq!(exchanges.results()[0].attempts, 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn x06_a_start_that_hangs_is_cut_off_after_ten_seconds_and_its_instance_closed() {
    for act in [Act::Hangs, Act::Connects, Act::Chatters] {
        alone(async |scope| {
            let world = World::of(&[("MEXC", &[act])]);
            let exchanges = world.builder().max_attempts(1).build().unwrap();
            let (up, took) = timed(&scope, exchanges.create("MEXC")).await;
            let error = up.err().unwrap();
            assert_eq!((error.last().code(), error.code()), (504, 500));
            assert_eq!(error.last().to_string(), "MEXC initialization timeout (10.0s)");
            assert_eq!(took, seconds(10.0), "{act:?}");
            assert_eq!(world.ledger.closed(), [("MEXC".to_owned(), 1)]);
            world.assert_nothing_leaks(&exchanges, "a hanging start").await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn x07_inactive_and_error_are_failures_with_their_texts_and_the_instances_are_closed() {
    for (act, text) in [
        (Act::Inactive, "MEXC failed to activate - check credentials and connectivity"),
        (Act::Errs, "MEXC entered error state"),
        (Act::Fails, "MEXC initialization failed: connection refused"),
    ] {
        alone(async |_| {
            let world = World::of(&[("MEXC", &[act])]);
            let exchanges = world.toys();
            let error = exchanges.create("MEXC").await.err().unwrap();
            assert_eq!((error.last().code(), error.last().to_string().as_str()), (500, text));
            let all = format!("Failed to create MEXC after 3 attempts. Last error: {text}");
            assert_eq!((error.code(), error.to_string()), (500, all));
            assert_eq!(world.ledger.closed().len(), 3);
            assert!(exchanges.get("MEXC").is_none());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn x08_fail_fast_ends_with_the_first_error_after_one_attempt_and_closes_the_others() {
    alone(async |scope| {
        let world = World::of(&[
            ("MEXC", &[Act::Up]),
            ("GATEIO", &[Act::FailsAfter(100)]),
            ("BINANCE", &[Act::UpAfter(5_000)]),
        ]);
        // Also one whose start is cut off is closed by the time the error is there.
        world.closes("BINANCE", Close::Takes(1_000));
        let exchanges = world.toys();
        let all = exchanges.create_all(["MEXC", "GATEIO", "BINANCE"], Strategy::FailFast);
        let (up, took) = timed(&scope, all).await;
        let error = up.err().unwrap();
        assert_eq!(
            error.to_string(),
            "Failed to create GATEIO after 1 attempt. Last error: GATEIO initialization failed: connection refused"
        );
        assert_eq!(took, seconds(0.1 + 1.0));
        let names: Vec<_> = world.ledger.closed().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["BINANCE", "GATEIO", "MEXC"]);
        assert!(exchanges.instances().is_empty());
        let summary = exchanges.summary();
        assert_eq!((summary.total_requested, summary.successful, summary.failed), (3, 0, 3));
        assert!(matches!(summary.initialization_results[0].error, Some(StartError::Abandoned { .. })));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn x08_fail_fast_begins_nothing_where_a_name_is_unknown() {
    alone(async |_| {
        let world = World::of(&[("MEXC", &[Act::Up])]);
        let exchanges = world.toys();
        let error = exchanges.create_all(["MEXC", "NOBODY"], Strategy::FailFast).await.err().unwrap();
        assert_eq!(error.to_string(), "Unsupported exchange: NOBODY. Available: MEXC");
        assert_eq!((error.code(), world.ledger.built()), (404, 0));
    })
    .await;
}

#[test]
fn a_strategy_is_read_in_any_case_by_its_short_and_by_its_long_name() {
    for (strategy, names) in [
        (Strategy::FailFast, ["fail_fast", " FAIL_FAST "]),
        (Strategy::ContinueOnError, ["continue", "Continue_On_Error"]),
        (Strategy::RetryWithBackoff, ["retry", "retry_with_backoff"]),
    ] {
        assert_eq!(names.map(str::parse), [Ok(strategy), Ok(strategy)]);
        assert_eq!(strategy.to_string().parse(), Ok(strategy));
    }
    assert_eq!(
        "fail\nfast".parse::<Strategy>().unwrap_err().to_string(),
        "`fail\\nfast` is no strategy; write fail_fast, continue or retry"
    );
}

#[tokio::test(start_paused = true)]
async fn x09_of_two_of_which_one_fails_the_other_is_returned_and_the_failed_one_named() {
    alone(async |_| {
        let world = World::of(&[("MEXC", &[Act::Up]), ("GATEIO", &[Act::Fails])]);
        let exchanges = world.toys();
        let up = exchanges.create_all(["MEXC", "GATEIO"], Strategy::ContinueOnError).await.unwrap();
        assert_eq!(up.keys().collect::<Vec<_>>(), ["MEXC"]);
        let summary = exchanges.summary();
        assert_eq!(summary.failed_names, ["GATEIO"]);
        assert_eq!(summary.active, ["MEXC"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn x10_when_all_fail_none_could_be_initialized() {
    alone(async |_| {
        let world = World::of(&[("MEXC", &[Act::Fails]), ("GATEIO", &[Act::Errs])]);
        let exchanges = world.toys();
        let error = exchanges.create_all(["MEXC", "GATEIO"], Strategy::ContinueOnError).await.err().unwrap();
        assert_eq!(error.code(), 500);
        assert_eq!(
            error.to_string(),
            "No exchanges could be initialized: MEXC initialization failed: connection refused; \
             GATEIO entered error state"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn x11_what_fails_in_a_round_is_tried_again_after_two_seconds_and_then_after_four() {
    alone(async |scope| {
        let world = World::of(&[
            ("A", &[Act::Up]),
            ("B", &[Act::Fails, Act::Up]),
            ("C", &[Act::Fails, Act::Fails, Act::Up]),
        ]);
        let exchanges = world.toys();
        let (up, took) =
            timed(&scope, exchanges.create_all(["A", "B", "C"], Strategy::RetryWithBackoff)).await;
        assert_eq!(up.unwrap().len(), 3);
        assert_eq!((scope.pauses(), took), (vec![seconds(2.0), seconds(4.0)], seconds(6.0)));
        let times: Vec<_> = exchanges.results().iter().map(|result| result.initialization_time).collect();
        assert_eq!(times, [seconds(0.0), seconds(2.0), seconds(6.0)]);
        assert_eq!(world.ledger.built(), 6);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn x12_rounds_go_on_when_all_failed_in_the_first() {
    alone(async |_| {
        let world = World::of(&[("MEXC", &[Act::Fails, Act::Up]), ("GATEIO", &[Act::Fails])]);
        let exchanges = world.toys();
        let up = exchanges.create_all(["MEXC", "GATEIO"], Strategy::RetryWithBackoff).await.unwrap();
        assert_eq!(up.keys().collect::<Vec<_>>(), ["MEXC"]);
        assert_eq!(exchanges.summary().failed_names, ["GATEIO"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn x13_when_all_fail_in_every_round_none_could_be_initialized_after_retries() {
    alone(async |_| {
        let world = World::of(&[("MEXC", &[Act::Fails]), ("GATEIO", &[Act::Fails])]);
        let exchanges = world.toys();
        let error = exchanges.create_all(["MEXC", "GATEIO"], Strategy::RetryWithBackoff).await.err().unwrap();
        assert_eq!(error.code(), 500);
        assert!(
            error.to_string().starts_with("No exchanges could be initialized after retries: MEXC"),
            "{error}"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn x14_without_credentials_an_exchange_has_no_private_access() {
    alone(async |_| {
        let world = World::of(&[("MEXC", &[Act::Up])]);
        let exchanges = world.toys();
        assert!(!exchanges.create("MEXC").await.unwrap().has_private());
        assert!(
            exchanges.summary().to_string().contains("✅ MEXC: ACTIVE (2 symbols, Public Only) in 0.00s")
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn x16_no_names_are_an_error_that_says_so() {
    alone(async |_| {
        let exchanges = World::of(&[]).toys();
        for strategy in [Strategy::FailFast, Strategy::ContinueOnError, Strategy::RetryWithBackoff] {
            let error = exchanges.create_all([""; 0], strategy).await.err().unwrap();
            assert_eq!((error.code(), error.to_string().as_str()), (400, "No exchange names provided"));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn x17_a_cleanup_closes_and_removes_exactly_those_that_are_not_used() {
    alone(async |_| {
        let world = World::of(&[("A", &[Act::Up]), ("B", &[Act::Up]), ("C", &[Act::Up])]);
        let exchanges = world.toys();
        exchanges.create_all(["A", "B", "C"], Strategy::FailFast).await.unwrap();
        let closed = exchanges.cleanup_unused(["b", "unknown"]).await;
        assert_eq!(closed.keys().collect::<Vec<_>>(), ["A", "C"]);
        assert!(closed.values().all(Result::is_ok));
        assert_eq!(exchanges.instances().keys().collect::<Vec<_>>(), ["B"]);
        assert_eq!(world.ledger.closed().len(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn x18_when_one_close_fails_all_are_attempted_and_none_is_held() {
    for (close, text) in [
        (Close::Fails, "A did not close: the socket is gone"),
        (Close::Panics, "A did not close: it panicked: on purpose"),
        (Close::Hangs, "A did not close within 5.0s"),
    ] {
        alone(async |_| {
            let world = World::of(&[("A", &[Act::Up]), ("B", &[Act::Up]), ("C", &[Act::Up])]);
            let exchanges = world.toys();
            exchanges.create_all(["A", "B", "C"], Strategy::FailFast).await.unwrap();
            world.closes("A", close);
            let closed = exchanges.close_all().await;
            assert_eq!(closed["A"].as_ref().err().unwrap().to_string(), text);
            assert!(closed["B"].is_ok() && closed["C"].is_ok());
            assert!(exchanges.instances().is_empty());
            assert_eq!(world.ledger.closes().len(), 3);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn x21_duplicate_names_are_one_instance() {
    for strategy in [Strategy::FailFast, Strategy::ContinueOnError, Strategy::RetryWithBackoff] {
        alone(async |_| {
            let world = World::of(&[("MEXC", &[Act::Up])]);
            let exchanges = world.toys();
            let up = exchanges.create_all(["MEXC", "mexc", "MEXC"], strategy).await.unwrap();
            assert_eq!(up.keys().collect::<Vec<_>>(), ["MEXC"]);
            assert_eq!((world.ledger.built(), exchanges.summary().total_requested), (1, 1));
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn x22_what_is_created_again_takes_the_place_of_the_old_one_which_is_closed_once_the_new_one_is_active()
{
    alone(async |scope| {
        let world = World::of(&[("MEXC", &[Act::Up, Act::Fails, Act::StartsFor(500)])]);
        let exchanges = world.toys();
        let old = exchanges.create("MEXC").await.unwrap();
        let again = tokio::spawn({
            let (exchanges, scope) = (exchanges.clone(), scope.clone());
            async move { scope.run(exchanges.create("MEXC")).await }
        });
        tokio::time::sleep(seconds(2.4)).await;
        assert!(Arc::ptr_eq(&old, &exchanges.get("MEXC").unwrap()), "the new one is not active yet");
        assert_eq!(old.status(), Status::Active);
        let new = again.await.unwrap().unwrap();
        assert!(Arc::ptr_eq(&new, &exchanges.get("MEXC").unwrap()));
        assert_eq!(world.ledger.closed(), [("MEXC".to_owned(), 1), ("MEXC".to_owned(), 2)]);
        assert_eq!(old.status(), Status::Inactive);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn x23_the_summary_counts_exchanges_and_lists_those_that_needed_more_than_one_attempt() {
    alone(async |_| {
        let world = World::of(&[("A", &[Act::Up]), ("B", &[Act::Fails, Act::Up]), ("C", &[Act::Fails])]);
        let exchanges = world.toys();
        for strategy in [Strategy::ContinueOnError, Strategy::RetryWithBackoff] {
            world.set("B", &[Act::Fails, Act::Up]);
            exchanges.create_all(["A", "B", "C"], strategy).await.unwrap();
            let summary = exchanges.summary();
            assert_eq!((summary.total_requested, summary.successful, summary.failed), (3, 2, 1));
            let attempts: Vec<_> = summary.retry_attempts.into_iter().collect();
            assert_eq!(attempts, [("B".to_owned(), 2), ("C".to_owned(), 3)], "{strategy}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn x24_live_trading_needs_an_active_exchange_with_private_credentials() {
    alone(async |_| {
        let world = World::of(&[("MEXC", &[Act::Up]), ("GATEIO", &[Act::Up])]);
        let exchanges = world.toys();
        let none = exchanges.require_private("live trading").unwrap_err();
        assert_eq!(none.to_string(), "No exchanges available");
        exchanges.create("MEXC").await.unwrap();
        let error = exchanges.require_private("live trading").unwrap_err();
        assert!(
            error.to_string().starts_with("No private exchange credentials available for live trading"),
            "{error}"
        );
        assert_eq!(error.code(), 403);
        world.has_private("GATEIO");
        let gateio = exchanges.create("GATEIO").await.unwrap();
        exchanges.require_private("live trading").unwrap();
        gateio.becomes(Status::Error);
        assert!(exchanges.require_private("live trading").is_err(), "one that is down is of no use");
    })
    .await;
}

/// What a plugin brings, behind a trait object.
struct Plugin;

impl Component for Plugin {
    fn start(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async { Ok(()) })
    }

    fn status(&self) -> Status {
        Status::Active
    }

    fn close(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test(start_paused = true)]
async fn x19_what_is_registered_at_run_time_can_be_created_and_components_may_be_trait_objects() {
    alone(async |_| {
        let factory = Factory::<dyn Component>::new("plugins").unwrap();
        let plugins = Components::new(factory.clone()).unwrap();
        assert!(!plugins.is_supported("kraken"));
        factory.register("KRAKEN", |_| Ok::<Arc<dyn Component>, BoxError>(Arc::new(Plugin))).unwrap();
        assert!(plugins.is_supported("kraken"));
        assert_eq!(plugins.supported(), ["KRAKEN"]);
        assert_eq!(plugins.create("kraken").await.unwrap().status(), Status::Active);
        let closed = plugins.close("Kraken").await;
        assert!(closed.unwrap().is_ok());
        assert!(plugins.close("Kraken").await.is_none());
    })
    .await;
}
