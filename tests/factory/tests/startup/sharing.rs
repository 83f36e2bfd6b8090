//! Several who ask for one component, and components that ask for one another.

use std::sync::{Arc, OnceLock};

use resilient::factory::startup::{Component, Components, StartError, Status, Strategy};
use resilient::factory::{Asked, BoxError, BoxFuture, Factory};

use super::toy::{Act, World, alone, seconds, timed};

#[tokio::test(start_paused = true)]
async fn all_who_ask_while_one_is_on_its_way_get_that_one() {
    alone(async |_| {
        let world = World::of(&[("A", &[Act::Fails, Act::UpAfter(300)])]);
        let toys = world.toys();
        let ask = || toys.create("A");
        let (one, other, (third, ()), run) = tokio::join!(
            ask(),
            ask(),
            async {
                tokio::time::sleep(seconds(2.1)).await;
                (ask().await, ())
            },
            toys.create_all(["a"], Strategy::ContinueOnError),
        );
        let (one, run) = (one.unwrap(), run.unwrap());
        for other in [&other.unwrap(), &third.unwrap(), &run["A"]] {
            assert!(Arc::ptr_eq(&one, other));
        }
        assert_eq!((world.ledger.built(), world.ledger.closed().len()), (2, 1));
        assert_eq!(one.status(), Status::Active);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_shared_by_those_who_waited_for_it_and_by_nobody_after() {
    alone(async |_| {
        let world = World::of(&[("A", &[Act::Fails, Act::Fails, Act::Fails, Act::Up])]);
        let toys = world.toys();
        let (one, other) = tokio::join!(toys.create("A"), toys.create("A"));
        assert_eq!(one.err().unwrap().to_string(), other.err().unwrap().to_string());
        assert_eq!(world.ledger.built(), 3);
        assert_eq!(toys.create("A").await.unwrap().number, 4);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn when_the_one_who_creates_gives_up_the_next_who_waits_goes_on() {
    alone(async |_| {
        let world = World::of(&[("A", &[Act::Hangs, Act::Up])]);
        let toys = world.toys();
        let hasty = tokio::time::timeout(seconds(1.0), toys.create("A"));
        let (hasty, patient) = tokio::join!(hasty, toys.create("A"));
        assert!(hasty.is_err());
        assert_eq!(patient.unwrap().number, 2);
        world.assert_nothing_leaks(&toys, "the first gave up").await;
    })
    .await;
}

/// One that needs another, by way of the components it is one of.
struct Needy {
    needs: Option<&'static str>,
    of: Arc<OnceLock<Components<Needy>>>,
    asked_as: std::sync::Mutex<Option<StartError>>,
    is_up: std::sync::atomic::AtomicBool,
}

impl Component for Needy {
    fn start(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async {
            if let Some(needed) = self.needs
                && let Err(error) = self.of.get().unwrap().create(needed).await
            {
                *self.asked_as.lock().unwrap() = Some(error.clone());
                return Err(error.into());
            }
            self.is_up.store(true, std::sync::atomic::Ordering::SeqCst);
            Ok(())
        })
    }

    fn status(&self) -> Status {
        let up = self.is_up.load(std::sync::atomic::Ordering::SeqCst);
        if up { Status::Active } else { Status::Connecting }
    }

    fn close(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async { Ok(()) })
    }
}

fn needy(needs: &[(&'static str, Option<&'static str>)]) -> Components<Needy> {
    let of = Arc::default();
    let components = needing(needs, &of);
    assert!(of.set(components.clone()).is_ok());
    components
}

fn needing(
    needs: &[(&'static str, Option<&'static str>)],
    of: &Arc<OnceLock<Components<Needy>>>,
) -> Components<Needy> {
    let factory = Factory::<Needy>::new("needy").unwrap();
    for (name, needs) in needs.iter().copied() {
        let of = of.clone();
        let construct = move |_: Asked| {
            let (asked_as, is_up) = (std::sync::Mutex::default(), std::sync::atomic::AtomicBool::default());
            Ok::<_, BoxError>(Needy { needs, of: of.clone(), asked_as, is_up })
        };
        factory.register(name, construct).unwrap();
    }
    Components::builder(factory).max_attempts(1).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_component_may_ask_for_another_in_its_start_also_for_one_of_the_same_run() {
    alone(async |scope| {
        let needy = needy(&[("app", Some("db")), ("db", Some("disk")), ("disk", None)]);
        let (up, took) = timed(&scope, needy.create_all(["app", "db", "disk"], Strategy::FailFast)).await;
        assert_eq!((up.unwrap().len(), took), (3, seconds(0.0)));
        assert_eq!(needy.active().len(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_start_that_waits_for_itself_is_told_so_at_once() {
    alone(async |scope| {
        let needy = needy(&[("a", Some("b")), ("b", Some("A"))]);
        let (up, took) = timed(&scope, needy.create("a")).await;
        let error = up.err().unwrap();
        assert!(error.to_string().contains("a waits for itself: its own start asks for it"), "{error}");
        assert_eq!(took, seconds(0.0));
        assert!(needy.instances().is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_start_that_waits_for_its_namesake_among_other_components_does_not_wait_for_itself() {
    alone(async |_| {
        let databases = needy(&[("main", None)]);
        let of = Arc::new(OnceLock::from(databases.clone()));
        let caches = needing(&[("main", Some("main"))], &of);
        assert!(caches.create("main").await.is_ok());
        assert_eq!((caches.active().len(), databases.active().len()), (1, 1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn two_starts_that_wait_for_each_other_end_at_their_time_limit() {
    alone(async |scope| {
        let needy = needy(&[("a", Some("b")), ("b", Some("a"))]);
        let (up, took) = timed(&scope, needy.create_all(["a", "b"], Strategy::ContinueOnError)).await;
        assert!(up.is_err());
        assert!(took <= seconds(20.0), "{took:?}");
    })
    .await;
}

/// Remembers its options.
struct Sized(u32);

impl Component for Sized {
    fn start(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async {
            tokio::time::sleep(seconds(1.0)).await;
            Ok(())
        })
    }

    fn status(&self) -> Status {
        Status::Active
    }

    fn close(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_with_other_options_gets_a_component_of_his_own() {
    alone(async |scope| {
        let factory = Factory::<Sized, (), u32>::new("sized").unwrap();
        factory.register("it", |asked: Asked<(), u32>| Ok::<_, BoxError>(Sized(asked.options))).unwrap();
        let small = Components::builder(factory).options(1).build().unwrap();
        let large = small.with_options(9);
        let ((one, other), took) =
            timed(&scope, async { tokio::join!(small.create("it"), large.create("it")) }).await;
        assert_eq!((one.unwrap().0, other.unwrap().0, took), (1, 9, seconds(2.0)));
        assert_eq!(small.get("it").unwrap().0, 9, "they are the same components");
    })
    .await;
}
