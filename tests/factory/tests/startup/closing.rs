//! How instances are closed: each once, each within its time, and no more than that is waited for.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use resilient::factory::startup::{CloseError, Component, Components, Status, Strategy};
use resilient::factory::{BoxError, BoxFuture, Factory};

use super::toy::{Act, Close, World, alone, seconds, timed};

#[tokio::test(start_paused = true)]
async fn a_close_that_hangs_is_cut_off_and_holds_up_an_attempt_no_longer() {
    alone(async |scope| {
        let world = World::of(&[("A", &[Act::Fails, Act::Up])]);
        world.closes("A", Close::Hangs);
        let toys = world.builder().close_timeout("3s").build().unwrap();
        let (up, took) = timed(&scope, toys.create("A")).await;
        assert_eq!((up.unwrap().number, took), (2, seconds(3.0 + 2.0)));
        assert_eq!((world.ledger.dropped(), world.ledger.closed().len()), (1, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn all_are_closed_at_the_same_time_and_each_within_its_own_limit() {
    alone(async |scope| {
        let world = World::of(&[("A", &[Act::Up]), ("B", &[Act::Up]), ("C", &[Act::Up])]);
        for (name, close) in [("A", Close::Takes(4_000)), ("B", Close::Takes(3_000)), ("C", Close::Hangs)] {
            world.closes(name, close);
        }
        let toys = world.toys();
        toys.create_all(["A", "B", "C"], Strategy::FailFast).await.unwrap();
        let (closed, took) = timed(&scope, toys.close_all()).await;
        assert_eq!(took, seconds(5.0));
        assert!(closed["A"].is_ok() && closed["B"].is_ok());
        assert!(matches!(closed["C"], Err(CloseError::Timeout { .. })));
        assert_eq!(closed["C"].as_ref().unwrap_err().reason(), "timeout");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_close_has_the_components_own_as_its_source() {
    alone(async |_| {
        let world = World::of(&[("A", &[Act::Up]), ("B", &[Act::Up])]);
        world.closes("A", Close::Fails);
        world.closes("B", Close::Hangs);
        let toys = world.toys();
        toys.create_all(["A", "B"], Strategy::FailFast).await.unwrap();
        let closed = toys.close_all().await;
        let source = |name: &str| {
            let error = closed[name].as_ref().unwrap_err();
            std::error::Error::source(error).map(ToString::to_string)
        };
        assert_eq!((source("A").as_deref(), source("B")), (Some("the socket is gone"), None));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn close_all_waits_for_what_is_being_closed_in_the_background() {
    alone(async |_| {
        let world = World::of(&[("A", &[Act::Hangs])]);
        world.closes("A", Close::Takes(500));
        let toys = world.toys();
        let gone = tokio::time::timeout(seconds(1.0), toys.create("A")).await;
        assert!(gone.is_err() && world.ledger.closed().is_empty());
        assert!(toys.close_all().await.is_empty());
        assert_eq!(world.ledger.closed().len(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn panics_in_a_constructor_or_a_start_are_errors_that_no_attempt_follows_and_instances_are_closed() {
    for (act, built, text) in [
        (Act::Panics, 1, "A initialization failed: it panicked: on purpose"),
        (Act::ConstructorPanics, 0, "A initialization failed: the constructor panicked: on purpose"),
    ] {
        alone(async |scope| {
            let world = World::of(&[("A", &[act])]);
            let toys = world.toys();
            let (up, took) = timed(&scope, toys.create("A")).await;
            let error = up.err().unwrap();
            assert_eq!((error.last().to_string().as_str(), error.code(), took), (text, 500, seconds(0.0)));
            assert_eq!((world.ledger.built(), world.ledger.closed().len()), (built, built as usize));
            world.assert_nothing_leaks(&toys, text).await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_async_constructor_that_hangs_is_cut_off_with_its_attempt() {
    alone(async |scope| {
        let world = World::of(&[("A", &[Act::ConstructorHangs, Act::Up])]);
        let toys = world.toys();
        let (up, took) = timed(&scope, toys.create("A")).await;
        assert_eq!((up.unwrap().number, took), (2, seconds(10.0 + 2.0)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn dropping_the_components_closes_nothing() {
    alone(async |_| {
        let world = World::of(&[("A", &[Act::Up])]);
        let toys = world.toys();
        let held = toys.create("A").await.unwrap();
        drop(toys);
        tokio::time::sleep(seconds(60.0)).await;
        assert_eq!((held.status(), world.ledger.closes().len()), (Status::Active, 0));
        drop(held);
        assert_eq!(world.ledger.dropped(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn prewarming_reaches_all_and_one_name_can_be_closed_by_itself() {
    alone(async |_| {
        let world = World::of(&[("A", &[Act::Up]), ("B", &[Act::Up])]);
        let toys = world.toys();
        let up = toys.create_all(["A", "B"], Strategy::FailFast).await.unwrap();
        assert!(toys.prewarm().await.into_values().all(|warmed| warmed.is_ok()));
        assert!(up.values().all(|toy| toy.prewarmed.load(Ordering::SeqCst)));
        assert!(toys.close("a").await.unwrap().is_ok());
        assert_eq!(toys.instances().keys().collect::<Vec<_>>(), ["B"]);
        assert_eq!(world.ledger.closed(), [("A".to_owned(), 1)]);
    })
    .await;
}

/// One for all who ask.
#[derive(Default)]
struct Shared(std::sync::atomic::AtomicBool);

impl Component for Shared {
    fn start(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async { Ok(()) })
    }

    fn status(&self) -> Status {
        if self.0.load(Ordering::SeqCst) { Status::Inactive } else { Status::Active }
    }

    fn close(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async {
            self.0.store(true, Ordering::SeqCst);
            Ok(())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_constructor_that_gives_the_same_instance_again_does_not_get_it_closed_under_its_users() {
    alone(async |_| {
        let one = Arc::new(Shared::default());
        let factory = Factory::<Shared>::new("singletons").unwrap();
        let given = one.clone();
        factory.register("only", move |_| Ok::<_, BoxError>(given.clone())).unwrap();
        let singletons = Components::new(factory).unwrap();
        for _ in 0..3 {
            assert!(Arc::ptr_eq(&singletons.create("only").await.unwrap(), &one));
        }
        assert_eq!(one.status(), Status::Active);
        singletons.close_all().await;
        assert_eq!(one.status(), Status::Inactive);
    })
    .await;
}
