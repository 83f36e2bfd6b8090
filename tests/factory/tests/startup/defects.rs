//! What the exchange factory of old got wrong, by id.

use std::collections::BTreeSet;
use std::sync::Arc;

use resilient::factory::startup::{BatchError, Component, StartError, Status, Strategy};
use resilient::testing::Scope;

use super::toy::{Act, World, alone, seconds, timed};

#[tokio::test(start_paused = true)]
async fn d002_01_the_summary_of_a_retried_run_counts_two_exchanges_as_two() {
    alone(async |_| {
        let world = World::of(&[("MEXC", &[Act::Up]), ("GATEIO", &[Act::Fails])]);
        let exchanges = world.toys();
        exchanges.create_all(["MEXC", "GATEIO"], Strategy::RetryWithBackoff).await.unwrap();
        let summary = exchanges.summary();
        assert_eq!((summary.total_requested, summary.successful, summary.failed), (2, 1, 1));
        assert!((summary.success_rate - 50.0).abs() < f64::EPSILON);
        assert_eq!(summary.initialization_results.len(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn d002_02_rounds_do_not_multiply_attempts_and_mistakes_are_not_repeated() {
    alone(async |scope| {
        let world = World::of(&[
            ("DEAD", &[Act::Fails]),
            ("WRONG", &[Act::Refuses]),
            ("MISMADE", &[Act::ConstructorRefuses]),
            ("OUT", &[Act::ConstructorFails]),
        ]);
        let exchanges = world.toys();
        let names = ["DEAD", "WRONG", "MISMADE", "OUT", "NOBODY"];
        let run = exchanges.create_all(names, Strategy::RetryWithBackoff);
        let (up, took) = timed(&scope, run).await;
        assert!(up.is_err());
        assert_eq!(took, seconds(6.0));
        let attempts: Vec<_> = exchanges.results().iter().map(|result| result.attempts).collect();
        assert_eq!(attempts, [3, 1, 1, 3, 0]);
        for (name, code) in [("WRONG", 400), ("MISMADE", 400), ("NOBODY", 404)] {
            let (up, took) = timed(&scope, exchanges.create(name)).await;
            assert_eq!((up.err().unwrap().code(), took), (code, seconds(0.0)), "{name}");
        }
        let (up, took) = timed(&scope, exchanges.create("DEAD")).await;
        assert!(up.is_err());
        assert_eq!(took, seconds(6.0), "three attempts, and not nine");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn d002_03_a_run_in_which_all_fail_does_not_pass_off_earlier_exchanges_as_its_own() {
    for strategy in [Strategy::FailFast, Strategy::ContinueOnError, Strategy::RetryWithBackoff] {
        alone(async |_| {
            let world =
                World::of(&[("OLD", &[Act::Up]), ("MEXC", &[Act::Up, Act::Fails]), ("NEW", &[Act::Up])]);
            let exchanges = world.toys();
            exchanges.create_all(["OLD", "MEXC"], strategy).await.unwrap();
            assert!(exchanges.create_all(["MEXC"], strategy).await.is_err(), "{strategy}");
            assert!(exchanges.get("MEXC").is_some(), "what was there before stays");
            let up = exchanges.create_all(["NEW"], strategy).await.unwrap();
            assert_eq!(up.keys().collect::<Vec<_>>(), ["NEW"]);
            assert_eq!(exchanges.summary().total_requested, 1);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn d002_04_nothing_leaks_when_starts_fail_hang_or_fall_asleep_and_when_names_come_twice_or_again() {
    alone(async |_| {
        let world = World::of(&[
            ("FAILS", &[Act::Fails]),
            ("HANGS", &[Act::Hangs]),
            ("SLEEPS", &[Act::Inactive]),
            ("ERRS", &[Act::Errs]),
            ("UP", &[Act::Up]),
        ]);
        let exchanges = world.toys();
        let names = ["UP", "FAILS", "UP", "HANGS", "SLEEPS", "ERRS", "up"];
        for strategy in [Strategy::ContinueOnError, Strategy::RetryWithBackoff, Strategy::FailFast] {
            let _ = exchanges.create_all(names, strategy).await;
            world.assert_nothing_leaks(&exchanges, strategy.as_str()).await;
            assert_eq!(exchanges.instances().len(), 1);
        }
        assert_eq!(exchanges.get("UP").unwrap().number, 2, "fail_fast failed, and left what was there");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn d002_05_nothing_of_the_next_attempt_exists_during_the_wait_before_it() {
    alone(async |_| {
        let world = World::of(&[("A", &[Act::Fails]), ("B", &[Act::Fails])]);
        let exchanges = world.toys();
        let run = exchanges.create_all(["A", "B"], Strategy::RetryWithBackoff);
        assert!(tokio::time::timeout(seconds(1.9), run).await.is_err());
        assert_eq!((world.ledger.built(), world.ledger.dropped()), (2, 2));
        world.assert_nothing_leaks(&exchanges, "given up in the wait").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn d002_06_an_exchange_is_up_when_it_is_active_neither_a_second_later_nor_while_it_connects() {
    alone(async |scope| {
        let world = World::of(&[
            ("QUICK", &[Act::Up]),
            ("SLOW", &[Act::UpAfter(7_300)]),
            ("NEVER", &[Act::Connects]),
        ]);
        let exchanges = world.toys();
        for (name, takes) in [("QUICK", 0.0), ("SLOW", 7.3)] {
            let (up, took) = timed(&scope, exchanges.create(name)).await;
            assert_eq!((up.unwrap().status(), took), (Status::Active, seconds(takes)), "{name}");
        }
        assert!(exchanges.create("NEVER").await.is_err());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn d002_07_one_and_many_are_created_by_one_way_and_every_strategy_returns() {
    for strategy in [Strategy::FailFast, Strategy::ContinueOnError, Strategy::RetryWithBackoff] {
        alone(async |_| {
            let world = World::of(&[("MEXC", &[Act::Up])]);
            let exchanges = world.toys();
            let one = exchanges.create("MEXC").await.unwrap();
            let many = exchanges.create_all(["MEXC"], strategy).await.unwrap();
            assert_eq!((one.number, many["MEXC"].number, world.ledger.built()), (1, 2, 2));
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn d002_08_an_errors_text_is_its_message_also_within_another() {
    alone(async |_| {
        let world = World::of(&[("MEXC", &[Act::Errs])]);
        let error = world.toys().create("MEXC").await.err().unwrap();
        assert_eq!(
            error.to_string(),
            "Failed to create MEXC after 3 attempts. Last error: MEXC entered error state"
        );
        assert!(matches!(error.last(), StartError::ErrorState { .. }));
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.to_string(), "MEXC entered error state");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn d002_08_under_an_error_is_what_the_component_or_the_layer_around_it_said() {
    alone(async |_| {
        let acts: [(&str, &[Act]); 4] =
            [("A", &[Act::Fails]), ("B", &[Act::Refuses]), ("C", &[Act::UpAfter(100)]), ("D", &[Act::Up])];
        let world = World::of(&acts);
        let one_at_a_time =
            world.builder().max_attempts(1).layers(|layers| layers.bulkhead_max_concurrent(1));
        let toys = one_at_a_time.build().unwrap();
        let under = |error: &StartError| std::error::Error::source(error).map(ToString::to_string);
        let failed = toys.create("A").await.err().unwrap();
        assert_eq!(under(failed.last()).as_deref(), Some("connection refused"));
        let refused = toys.create("B").await.err().unwrap();
        assert_eq!((under(refused.last()).as_deref(), refused.code()), (Some("no such market"), 400));
        let (up, kept_out) = tokio::join!(toys.create("C"), toys.create("D"));
        let kept_out = kept_out.err().unwrap();
        assert!(up.is_ok() && under(kept_out.last()).unwrap().contains("is full"), "{kept_out}");
        assert_eq!(kept_out.code(), 500, "only where time ran out it is 504");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn d002_10_waits_are_spread_there_is_a_deadline_and_a_cancelled_run_does_not_go_on() {
    // Waits are spread to between half and all of them, by the luck of the test.
    let waits = async |seed| {
        let scope = Scope::builder().seed(seed).build();
        scope
            .run(async {
                let world = World::of(&[("A", &[Act::Fails])]);
                let exchanges = world.builder().jitter(true).build().unwrap();
                let _ = exchanges.create("A").await;
                let _ = exchanges.create_all(["A"], Strategy::RetryWithBackoff).await;
                scope.pauses()
            })
            .await
    };
    let (one, again, other) = (waits(1).await, waits(1).await, waits(2).await);
    assert_eq!(one, again);
    assert_ne!(one, other);
    for (wait, full) in one.iter().zip([2.0, 4.0, 2.0, 4.0]) {
        assert!((seconds(full / 2.0)..=seconds(full)).contains(wait), "{wait:?} of {full}");
    }
    alone(async |scope| {
        let world = World::of(&[("A", &[Act::Hangs])]);
        let exchanges = world.builder().deadline("4s").build().unwrap();
        let (up, took) = timed(&scope, exchanges.create_all(["A"], Strategy::RetryWithBackoff)).await;
        assert!(up.is_err());
        assert_eq!(took, seconds(4.0));
    })
    .await;
    alone(async |_| {
        let world = World::of(&[("A", &[Act::Fails])]);
        let exchanges = world.toys();
        let task = tokio::spawn({
            let exchanges = exchanges.clone();
            async move { exchanges.create_all(["A"], Strategy::ContinueOnError).await.is_ok() }
        });
        tokio::time::sleep(seconds(1.0)).await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled(), "a cancellation is no line of a log");
        tokio::time::sleep(seconds(60.0)).await;
        assert_eq!(world.ledger.built(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn d002_12_what_a_batch_answers_is_a_value_or_an_error_by_type_and_a_panic_is_the_latter() {
    alone(async |_| {
        let world = World::of(&[("A", &[Act::Up]), ("B", &[Act::Up]), ("C", &[Act::Up])]);
        let exchanges = world.toys();
        exchanges.create_all(["A", "B", "C"], Strategy::FailFast).await.unwrap();
        let symbols = async |exchange: Arc<super::toy::Toy>| match exchange.name.as_str() {
            "A" => Ok(["BTC/USDT", "ETH/USDT"].len()),
            "B" => Err(404_u16),
            _ => panic!("on purpose"),
        };
        let answers = exchanges.batch(symbols).await;
        assert_eq!(answers["A"], Ok(2));
        assert_eq!(answers["B"], Err(BatchError::Failed(404)));
        assert_eq!(answers["C"].as_ref().unwrap_err().to_string(), "it panicked: on purpose");
        assert_eq!(answers["B"].clone().unwrap_err().into_failed(), Some(404));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn d002_13_names_are_found_whatever_their_case_everywhere() {
    alone(async |_| {
        let world = World::of(&[("MEXC", &[Act::Up]), ("gateio", &[Act::Up])]);
        let exchanges = world.toys();
        assert!(exchanges.is_supported("mexc") && exchanges.is_supported("GateIO"));
        assert_eq!(exchanges.create("Mexc").await.unwrap().name, "MEXC");
        let up = exchanges.create_all(["GATEIO", "mexc"], Strategy::ContinueOnError).await.unwrap();
        assert_eq!(up.into_keys().collect::<BTreeSet<_>>(), ["MEXC".to_owned(), "gateio".to_owned()].into());
        assert!(exchanges.get("mExC").is_some() && exchanges.health_check("GATEIO"));
        assert!(exchanges.cleanup_unused(["mexc", "GATEIO"]).await.is_empty());
        // Two that differ by nothing else are told apart.
        world.add("GateIO", &[Act::Up]);
        assert_eq!(exchanges.create("GateIO").await.unwrap().name, "GateIO");
        assert!(!exchanges.is_supported("GATEIO"), "it could be either");
    })
    .await;
}
