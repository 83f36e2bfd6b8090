//! A caller that gives up, at any moment: what was being made is closed, and what was there before is there still.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use resilient::factory::startup::Strategy;

use super::toy::{Act, Close, Toys, World, alone};

/// The answer of `future`, which is dropped as soon as it has been polled so often.
async fn dropped_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut left = polls;
    let mut future = pin!(future);
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(out) => Poll::Ready(Some(out)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

const TOYS: [(&str, &[Act]); 4] = [
    ("A", &[Act::Up]),
    ("B", &[Act::Up, Act::Fails, Act::Connects, Act::StartsFor(50)]),
    ("C", &[Act::UpAfter(70)]),
    ("D", &[Act::StartsFor(30)]),
];

/// Drops `create` after every number of polls that it can take, in a world where A and B are held already.
async fn dropped_everywhere(what: &str, create: impl AsyncFn(&Toys)) -> usize {
    for polls in 0.. {
        let ended = alone(async |_| {
            let world = World::of(&TOYS);
            world.closes("A", Close::Takes(20));
            let toys = world.toys();
            for before in ["A", "B"] {
                toys.create(before).await.unwrap();
            }
            let ended = dropped_after(polls, create(&toys)).await.is_some();
            let what = format!("{what}, dropped after {polls} polls");
            world.assert_nothing_leaks(&toys, &what).await;
            let held: Vec<_> =
                toys.instances().into_values().map(|toy| (toy.name.clone(), toy.number)).collect();
            assert!(
                held.iter().any(|(name, _)| name == "A") && held.iter().any(|(name, _)| name == "B"),
                "{what}"
            );
            let is_as_before = held.iter().all(|(_, number)| *number == 1) && held.len() == 2;
            let replaced = world.ledger.closed().contains(&("A".to_owned(), 1));
            assert_eq!(is_as_before, !replaced, "{what}: {held:?}");
            let summary = toys.summary();
            assert_eq!(summary.successful + summary.failed, summary.total_requested, "{what}: {summary}");
            ended
        })
        .await;
        if ended {
            return polls;
        }
    }
    unreachable!("it ends some time")
}

#[tokio::test(start_paused = true)]
async fn a_creation_dropped_at_any_await_leaves_what_was_held_and_closes_what_it_made() {
    let polls = dropped_everywhere("create", async |toys: &Toys| drop(toys.create("A").await)).await;
    assert!(polls > 3, "only {polls} polls were tried");
}

#[tokio::test(start_paused = true)]
async fn a_run_dropped_at_any_await_leaves_nothing_of_it_under_any_strategy() {
    for strategy in [Strategy::FailFast, Strategy::ContinueOnError, Strategy::RetryWithBackoff] {
        let names: &[&str] =
            if strategy == Strategy::FailFast { &["A", "C", "D"] } else { &["A", "B", "C", "D"] };
        let polls = dropped_everywhere(strategy.as_str(), async |toys: &Toys| {
            toys.create_all(names, strategy).await.unwrap();
        })
        .await;
        assert!(polls > 5, "{strategy}: only {polls} polls were tried");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_run_dropped_at_any_await_leaves_nothing_of_it() {
    for strategy in [Strategy::FailFast, Strategy::ContinueOnError, Strategy::RetryWithBackoff] {
        for polls in 0.. {
            let ended = alone(async |_| {
                let world = World::of(&[
                    ("A", &[Act::FailsAfter(40)]),
                    ("B", &[Act::Panics]),
                    ("C", &[Act::UpAfter(20), Act::Fails]),
                    ("D", &[Act::Hangs]),
                ]);
                for name in ["A", "B", "C", "D"] {
                    world.closes(name, Close::Takes(10));
                }
                let toys = world.builder().timeout("100ms").build().unwrap();
                let ended =
                    dropped_after(polls, toys.create_all(["A", "B", "C", "D"], strategy)).await.is_some();
                let what = format!("{strategy}, dropped after {polls} polls");
                world.assert_nothing_leaks(&toys, &what).await;
                assert!(ended || toys.instances().is_empty(), "{what}");
                ended
            })
            .await;
            if ended {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_closing_that_its_caller_gives_up_goes_on_to_its_end() {
    for polls in 0..4 {
        alone(async |_| {
            let world = World::of(&[("A", &[Act::Up]), ("B", &[Act::Up])]);
            let toys = world.toys();
            toys.create_all(["A", "B"], Strategy::FailFast).await.unwrap();
            world.closes("A", Close::Takes(100));
            world.closes("B", Close::Takes(200));
            let ended = dropped_after(polls, toys.close_all()).await.is_some();
            assert!(!ended || polls > 2);
            toys.settled().await;
            let closed = if polls == 0 { 0 } else { 2 };
            assert_eq!(
                (world.ledger.closed().len(), toys.instances().len()),
                (closed, 2 - closed),
                "{polls}"
            );
        })
        .await;
    }
}

#[test]
fn what_is_dropped_outside_of_every_runtime_is_closed_when_its_runtime_goes_on() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (world, toys) = runtime.block_on(async {
        let world = World::of(&[("A", &[Act::Hangs])]);
        let toys = world.toys();
        (world, toys)
    });
    let mut creating = Box::pin(toys.create("A"));
    runtime.block_on(async {
        for _ in 0..5 {
            assert!(poll_fn(|cx| Poll::Ready(creating.as_mut().poll(cx).is_pending())).await);
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(world.ledger.built(), 1);
    drop(creating);
    runtime.block_on(world.assert_nothing_leaks(&toys, "dropped outside"));
    assert_eq!(world.ledger.closed().len(), 1);
}
