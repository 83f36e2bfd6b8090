//! Many at once, of every kind.

use proptest::prelude::*;
use resilient::factory::startup::{Component as _, Status, Strategy as Start};

use super::toy::{Act, Close, World, alone, seconds, timed};

#[tokio::test(start_paused = true)]
async fn two_hundred_start_at_once_and_take_as_long_as_the_slowest() {
    let names: Vec<String> = (0..200).map(|number| format!("toy-{number}")).collect();
    for strategy in [Start::ContinueOnError, Start::RetryWithBackoff] {
        alone(async |scope| {
            let world = World::of(&[]);
            for (number, name) in (0_u64..).zip(&names) {
                let acts: &[Act] = match number % 10 {
                    0 => &[Act::Fails],
                    1 => &[Act::Hangs, Act::Up],
                    2 => &[Act::Panics],
                    _ => &[Act::UpAfter(1_000)],
                };
                world.add(name, acts);
            }
            let toys = world.toys();
            let (up, took) = timed(&scope, toys.create_all(&names, strategy)).await;
            let up = up.unwrap();
            assert_eq!(up.len(), 160, "{strategy}");
            assert!(up.values().all(|toy| toy.status() == Status::Active));
            assert!(took >= seconds(12.0) && took <= seconds(16.0), "{strategy}: {took:?}");
            let summary = toys.summary();
            assert_eq!((summary.total_requested, summary.successful, summary.failed), (200, 160, 40));
            drop(up);
            world.assert_nothing_leaks(&toys, strategy.as_str()).await;
            let (closed, took) = timed(&scope, toys.close_all()).await;
            assert_eq!((closed.len(), took), (160, seconds(0.0)));
            assert_eq!(world.ledger.dropped(), world.ledger.built());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_bulkhead_around_attempts_lets_so_many_start_at_once() {
    alone(async |scope| {
        let world = World::of(&[]);
        let names: Vec<String> = (0..10).map(|number| format!("toy-{number}")).collect();
        for name in &names {
            world.add(name, &[Act::UpAfter(1_000)]);
        }
        let toys = world
            .builder()
            .timeout("60s")
            .layers(|layers| {
                layers.bulkhead_max_concurrent(2).bulkhead_max_queue(100).bulkhead_max_wait("1m")
            })
            .build()
            .unwrap();
        let (up, took) = timed(&scope, toys.create_all(&names, Start::ContinueOnError)).await;
        assert_eq!((up.unwrap().len(), took), (10, seconds(5.0)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_futures_of_calls_are_small_enough_to_be_held_by_the_thousand() {
    alone(async |_| {
        let toys = World::of(&[]).toys();
        let (one, all) = (toys.create("A"), toys.create_all(["A"], Start::ContinueOnError));
        let (one, all) = (std::mem::size_of_val(&one), std::mem::size_of_val(&all));
        assert!(one < 3_000 && all < 1_000, "{one} and {all} bytes");
    })
    .await;
}

/// In real time, on several threads; of time it promises nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_several_threads_every_instance_is_held_or_closed_once_too() {
    const NAMES: [&str; 4] = ["A", "B", "C", "D"];
    alone(async |scope| {
        let world = World::of(&[
            ("A", &[Act::Up, Act::Fails, Act::UpAfter(2), Act::Panics, Act::Up]),
            ("B", &[Act::StartsFor(1), Act::Connects, Act::Up, Act::ConstructorHangs, Act::StartsFor(3)]),
            ("C", &[Act::UpAfter(1), Act::Hangs, Act::Inactive, Act::UpAfter(1)]),
            ("D", &[Act::Fails, Act::FailsAfter(2), Act::Errs, Act::Up]),
        ]);
        world.closes("A", Close::Takes(1));
        let toys = world.builder().timeout("20ms").base_delay("1ms").build().unwrap();
        let tasks = (0..200_usize).map(|number| {
            let (toys, scope) = (toys.clone(), scope.clone());
            tokio::spawn(async move {
                let call = scope.run(async {
                    let strategies = [Start::FailFast, Start::ContinueOnError, Start::RetryWithBackoff];
                    match number % 7 {
                        0..=2 => drop(toys.create(NAMES[number % 4]).await),
                        3..=4 => drop(toys.create_all(&NAMES[number % 3..], strategies[number % 3]).await),
                        5 => drop(toys.cleanup_unused(["a", "c"]).await),
                        _ => drop(toys.close_all().await),
                    }
                });
                let patience = if number % 3 == 0 { 1 + number as u64 % 30 } else { 60_000 };
                let _ = tokio::time::timeout(std::time::Duration::from_millis(patience), call).await;
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        world.assert_nothing_leaks(&toys, "after all tasks").await;
        toys.close_all().await;
        assert_eq!(world.ledger.dropped(), world.ledger.built());
    })
    .await;
}

#[test]
fn what_cannot_be_used_is_told_when_the_components_are_built() {
    let world = World::of(&[]);
    let builder =
        world.builder().timeout("soon").max_attempts(0).base_delay(-1.0).deadline("never").close_timeout("");
    let told = builder.build().unwrap_err().to_string();
    assert!(!told.is_empty());
    let all = [
        world.builder().timeout("soon"),
        world.builder().max_attempts(0),
        world.builder().base_delay(-1.0),
        world.builder().deadline("never"),
        world.builder().close_timeout(""),
        world.builder().jitter("some"),
    ];
    for wrong in all {
        assert!(wrong.build().is_err());
    }
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Up),
        2 => (0..12_000_u64).prop_map(Act::UpAfter),
        2 => (0..12_000_u64).prop_map(Act::StartsFor),
        1 => Just(Act::ConstructorFails),
        1 => Just(Act::ConstructorPanics),
        1 => Just(Act::ConstructorHangs),
        1 => Just(Act::ConstructorRefuses),
        2 => Just(Act::Fails),
        1 => (0..12_000_u64).prop_map(Act::FailsAfter),
        1 => Just(Act::Panics),
        1 => Just(Act::Refuses),
        1 => Just(Act::Hangs),
        1 => Just(Act::Connects),
        1 => Just(Act::Inactive),
        1 => Just(Act::Errs),
        1 => Just(Act::Chatters),
    ]
}

fn close() -> impl Strategy<Value = Close> {
    prop_oneof![
        4 => Just(Close::Well),
        2 => (0..4_000_u64).prop_map(Close::Takes),
    ]
}

fn start() -> impl Strategy<Value = Start> {
    prop_oneof![Just(Start::FailFast), Just(Start::ContinueOnError), Just(Start::RetryWithBackoff)]
}

/// One call, and when its caller gives up.
#[derive(Clone, Debug)]
enum Call {
    Create(usize),
    CreateAll(Vec<usize>, Start),
    Cleanup(Vec<usize>),
    CloseAll,
}

fn call() -> impl Strategy<Value = (u64, Option<u64>, Call)> {
    let names = || prop::collection::vec(0..5_usize, 1..6);
    let call = prop_oneof![
        3 => (0..5_usize).prop_map(Call::Create),
        4 => (names(), start()).prop_map(|(names, start)| Call::CreateAll(names, start)),
        1 => names().prop_map(Call::Cleanup),
        1 => Just(Call::CloseAll),
    ];
    (0..30_000_u64, prop::option::of(0..40_000_u64), call)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Calls that overlap as they like, each given up at some time or not.
    #[test]
    fn whatever_happens_every_instance_is_held_or_closed_once_and_the_summary_adds_up(
        acts in prop::collection::vec(prop::collection::vec(act(), 1..5), 5),
        closes in prop::collection::vec(close(), 5),
        calls in prop::collection::vec(call(), 1..8),
        deadline in prop::option::of(1..60_u64),
    ) {
        const NAMES: [&str; 5] = ["A", "B", "C", "D", "E"];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(alone(async |scope| {
            let world = World::of(&[]);
            for ((name, acts), close) in NAMES.into_iter().zip(&acts).zip(closes) {
                world.add(name, acts);
                world.closes(name, close);
            }
            let builder = world.builder();
            let toys = match deadline {
                Some(deadline) => builder.deadline(deadline),
                None => builder,
            };
            let toys = toys.build().unwrap();
            let tasks = calls.into_iter().map(|(begins, given_up, call)| {
                let (toys, scope) = (toys.clone(), scope.clone());
                tokio::spawn(async move {
                    let all = |names: Vec<usize>| names.into_iter().map(|name| NAMES[name]).collect::<Vec<_>>();
                    let call = scope.run(async {
                        match call {
                            Call::Create(name) => drop(toys.create(NAMES[name]).await),
                            Call::CreateAll(names, start) => drop(toys.create_all(all(names), start).await),
                            Call::Cleanup(names) => drop(toys.cleanup_unused(all(names)).await),
                            Call::CloseAll => drop(toys.close_all().await),
                        }
                    });
                    tokio::time::sleep(std::time::Duration::from_millis(begins)).await;
                    let patience = given_up.map_or(std::time::Duration::MAX, std::time::Duration::from_millis);
                    let _ = tokio::time::timeout(patience, call).await;
                })
            });
            for task in tasks.collect::<Vec<_>>() {
                task.await.unwrap();
            }
            world.assert_nothing_leaks(&toys, "after all calls").await;
            let summary = toys.summary();
            assert_eq!(summary.successful + summary.failed, summary.total_requested, "{summary}");
            assert_eq!(summary.initialization_results.len(), summary.total_requested);
            toys.close_all().await;
            assert_eq!(world.ledger.dropped(), world.ledger.built());
        }));
    }
}
