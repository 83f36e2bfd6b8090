//! What a run comes to, as data and as a table.

use resilient::factory::startup::Strategy;
use serde_json::{Value, json};

use super::toy::{Act, World, alone, seconds};

#[tokio::test(start_paused = true)]
async fn a_summary_has_the_keys_of_both_the_document_and_the_code() {
    alone(async |_| {
        let world = World::of(&[("MEXC", &[Act::Fails, Act::UpAfter(500)]), ("GATEIO", &[Act::Errs]), ("OLD", &[Act::Up])]);
        let exchanges = world.toys();
        exchanges.create("OLD").await.unwrap();
        exchanges.create_all(["MEXC", "GATEIO", "NOBODY"], Strategy::ContinueOnError).await.unwrap();
        let value = serde_json::to_value(exchanges.statistics()).unwrap();
        assert_eq!(
            value,
            json!({
                "total_requested": 3,
                "successful": 1,
                "failed": 2,
                "success_rate": 1.0 / 3.0 * 100.0,
                "average_init_time": 2.5,
                "active_exchanges": ["MEXC", "OLD"],
                "failed_exchanges": ["GATEIO", "NOBODY"],
                "retry_attempts": {"MEXC": 2, "GATEIO": 3},
                "initialization_results": [
                    {
                        "exchange_name": "MEXC",
                        "success": true,
                        "attempts": 2,
                        "initialization_time": 2.5,
                        "error": Value::Null,
                    },
                    {
                        "exchange_name": "GATEIO",
                        "success": false,
                        "attempts": 3,
                        "initialization_time": 6.0,
                        "error": "Failed to create GATEIO after 3 attempts. Last error: GATEIO entered error state",
                    },
                    {
                        "exchange_name": "NOBODY",
                        "success": false,
                        "attempts": 0,
                        "initialization_time": 0.0,
                        "error": "Unsupported exchange: NOBODY. Available: GATEIO, MEXC, OLD",
                    },
                ],
            })
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn as_text_it_is_a_table_of_a_line_for_each() {
    alone(async |_| {
        let world = World::of(&[
            ("MEXC", &[Act::Fails, Act::UpAfter(410)]),
            ("GATEIO", &[Act::Hangs]),
            ("KRAKEN", &[Act::Up]),
        ]);
        world.has_private("MEXC");
        let exchanges = world.toys();
        exchanges.create_all(["MEXC", "GATEIO", "KRAKEN"], Strategy::ContinueOnError).await.unwrap();
        exchanges.get("KRAKEN").unwrap().becomes(resilient::factory::startup::Status::Error);
        assert_eq!(
            exchanges.summary().to_string(),
            "Exchange Initialization Summary:\n  \
             Requested: 3\n  \
             Successful: 2\n  \
             Failed: 1\n  \
             Success Rate: 66.7%\n  \
             Average Init Time: 1.21s\n  \
             ⚠ KRAKEN: ERROR (2 symbols, Public Only) in 0.00s\n  \
             ✅ MEXC: ACTIVE (2 symbols, Private) in 2.41s (attempts: 2)\n  \
             ❌ GATEIO: Failed after 3 attempts - GATEIO initialization timeout (10.0s)"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn while_a_run_is_under_way_some_have_neither_come_up_nor_failed() {
    alone(async |_| {
        let world = World::of(&[("A", &[Act::Up]), ("B", &[Act::UpAfter(5_000)])]);
        let toys = world.toys();
        let run = toys.create_all(["A", "B"], Strategy::FailFast);
        let look = async {
            tokio::time::sleep(seconds(1.0)).await;
            let summary = toys.summary();
            assert_eq!((summary.total_requested, summary.successful, summary.failed), (2, 1, 0));
            assert_eq!(summary.active, ["A"], "it is held already");
        };
        let (up, ()) = tokio::join!(run, look);
        assert_eq!(up.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_created_by_itself_joins_the_summary_of_the_run_before_once() {
    alone(async |_| {
        let world =
            World::of(&[("A", &[Act::Up]), ("B", &[Act::Inactive, Act::Inactive, Act::Inactive, Act::Up])]);
        let toys = world.toys();
        assert_eq!((toys.summary().total_requested, toys.summary().success_rate.to_bits()), (0, 0));
        toys.create_all(["A"], Strategy::ContinueOnError).await.unwrap();
        assert!(toys.create("B").await.is_err());
        assert!(toys.create("NOBODY").await.is_err());
        let summary = toys.summary();
        assert_eq!(
            (summary.total_requested, summary.failed_names),
            (3, vec!["B".to_owned(), "NOBODY".to_owned()])
        );
        assert!(toys.create("B").await.is_ok());
        let summary = toys.summary();
        assert_eq!((summary.total_requested, summary.successful, summary.failed), (3, 2, 1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_an_earlier_run_does_not_change_the_summary_of_a_later_one() {
    alone(async |_| {
        let world = World::of(&[("A", &[Act::Up]), ("Z", &[Act::Hangs])]);
        let toys = world.toys();
        let earlier = tokio::time::timeout(seconds(5.0), toys.create_all(["A", "Z"], Strategy::FailFast));
        let later = async {
            tokio::time::sleep(seconds(1.0)).await;
            toys.create_all(["A"], Strategy::FailFast).await
        };
        let (earlier, later) = tokio::join!(earlier, later);
        assert!(earlier.is_err() && later.is_ok());
        let summary = toys.summary();
        assert_eq!((summary.total_requested, summary.successful, summary.failed), (1, 1, 0));
        assert_eq!(toys.get("A").unwrap().number, 2);
        world.assert_nothing_leaks(&toys, "two runs").await;
    })
    .await;
}
