//! One limit over everything: attempts, waits, rounds, and waiting for another's attempt.

use resilient::Deadline;
use resilient::factory::startup::{StartError, Strategy};

use super::toy::{Act, Close, World, alone, seconds, timed};

#[tokio::test(start_paused = true)]
async fn what_is_up_when_the_deadline_passes_is_the_answer_and_the_others_ran_out_of_time() {
    for strategy in [Strategy::ContinueOnError, Strategy::RetryWithBackoff] {
        alone(async |scope| {
            let world = World::of(&[("A", &[Act::UpAfter(500)]), ("B", &[Act::Hangs]), ("C", &[Act::Fails])]);
            let toys = world.builder().deadline("3s").build().unwrap();
            let (up, took) = timed(&scope, toys.create_all(["A", "B", "C"], strategy)).await;
            assert_eq!(up.unwrap().keys().collect::<Vec<_>>(), ["A"], "{strategy}");
            assert_eq!(took, seconds(3.0), "{strategy}");
            let summary = toys.summary();
            assert_eq!(summary.failed_names, ["B", "C"]);
            let errors: Vec<_> =
                summary.initialization_results.into_iter().filter_map(|it| it.error).collect();
            assert_eq!(errors[0].last().reason(), "deadline_exceeded", "{strategy}: {}", errors[0]);
            world.assert_nothing_leaks(&toys, strategy.as_str()).await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_nearer_of_the_own_deadline_and_the_callers_counts() {
    for (own, around) in [(2.0, 60.0), (60.0, 2.0)] {
        alone(async |scope| {
            let world = World::of(&[("A", &[Act::Hangs])]);
            let toys = world.builder().deadline(own).build().unwrap();
            let create = Deadline::after(seconds(around)).attach_to(toys.create("A"));
            let (up, took) = timed(&scope, create).await;
            assert_eq!(took, seconds(2.0));
            let error = up.err().unwrap();
            assert_eq!((error.last().code(), error.last().reason()), (504, "deadline_exceeded"), "{error}");
            world.assert_nothing_leaks(&toys, "out of time").await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_would_pass_the_deadline_is_not_begun() {
    alone(async |scope| {
        let world = World::of(&[("A", &[Act::Fails])]);
        let toys = world.builder().deadline("5s").build().unwrap();
        let (up, took) = timed(&scope, toys.create("A")).await;
        let error = up.err().unwrap();
        // The second wait would be 4 s.
        assert_eq!((took, world.ledger.built()), (seconds(2.0), 2));
        let text =
            "Failed to create A after 2 attempts. Last error: A initialization failed: connection refused";
        assert_eq!(error.to_string(), text);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn fail_fast_closes_everything_at_the_deadline() {
    alone(async |scope| {
        let world = World::of(&[("A", &[Act::Up]), ("B", &[Act::UpAfter(8_000)])]);
        for name in ["A", "B"] {
            world.closes(name, Close::Takes(4_000));
        }
        let toys = world.builder().deadline("3s").build().unwrap();
        let (up, took) = timed(&scope, toys.create_all(["A", "B"], Strategy::FailFast)).await;
        assert_eq!((up.err().unwrap().last().code(), took), (504, seconds(3.0)));
        assert!(toys.instances().is_empty());
        tokio::time::sleep(seconds(0.001)).await;
        assert_eq!(
            (world.ledger.closes().len(), world.ledger.closed().len()),
            (2, 0),
            "they are being closed"
        );
        world.assert_nothing_leaks(&toys, "fail_fast").await;
        assert_eq!(world.ledger.closed().len(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_close_does_not_hold_up_the_answer_beyond_the_deadline_and_goes_on() {
    alone(async |scope| {
        let world = World::of(&[("A", &[Act::Hangs])]);
        world.closes("A", Close::Takes(4_000));
        let toys = world.builder().deadline("3s").build().unwrap();
        let (up, took) = timed(&scope, toys.create("A")).await;
        assert!(up.is_err());
        assert_eq!((took, world.ledger.closed().len()), (seconds(3.0), 0));
        toys.settled().await;
        assert_eq!(world.ledger.closed().len(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_anothers_attempt_waits_no_longer_than_his_deadline() {
    alone(async |scope| {
        let world = World::of(&[("A", &[Act::UpAfter(5_000)])]);
        let toys = world.toys();
        let patient = toys.create("A");
        let hurried = Deadline::after(seconds(1.0)).attach_to(async {
            let (up, took) = timed(&scope, toys.create("A")).await;
            assert_eq!(took, seconds(1.0));
            assert!(matches!(up, Err(StartError::Refused { .. })));
        });
        let (up, ()) = tokio::join!(patient, hurried);
        assert_eq!(up.unwrap().number, 1);
    })
    .await;
}
