//! What is told while components start, and to whom.

use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use resilient::factory::startup::{Component, Components, StartEvent, Status, Strategy};
use resilient::factory::{BoxError, BoxFuture, Factory};

use super::toy::{Act, Close, Toys, World, alone, seconds, timed};

/// An event in a word or two.
fn word(event: &StartEvent) -> String {
    match event {
        StartEvent::RunBegan { requested, strategy, .. } => format!("{strategy} of {requested}"),
        StartEvent::RoundBegan { round, names, .. } => format!("round {round}: {}", names.join(" ")),
        StartEvent::AttemptBegan { name, attempt, .. } => format!("{name} {attempt}"),
        StartEvent::AttemptFailed { name, attempt, error, .. } => {
            format!("{name} {attempt} {}", error.reason())
        }
        StartEvent::Active { name, attempts, took, .. } => {
            format!("{name} active by {attempts} in {}", took.as_secs_f64())
        }
        StartEvent::Failed { name, attempts, error, .. } => {
            format!("{name} failed by {attempts}: {}", error.reason())
        }
        StartEvent::Closed { name, error, .. } => {
            format!("{name} closed{}", if error.is_some() { " badly" } else { "" })
        }
        StartEvent::RunEnded { requested, successful, .. } => format!("{successful} of {requested} up"),
        other => format!("{other:?}"),
    }
}

fn listened(world: &World) -> (Toys, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = told.clone();
    let toys = world.builder().on_event(move |event| listener.lock().unwrap().push(word(event)));
    (toys.build().unwrap(), told)
}

#[tokio::test(start_paused = true)]
async fn a_run_is_told_from_its_beginning_to_its_end() {
    alone(async |_| {
        let world = World::of(&[("A", &[Act::Fails, Act::UpAfter(500)])]);
        let (toys, told) = listened(&world);
        toys.create_all(["A", "X"], Strategy::RetryWithBackoff).await.unwrap();
        assert_eq!(
            *told.lock().unwrap(),
            [
                "retry of 2",
                "X failed by 0: unknown",
                "A 1",
                "A closed",
                "A 1 error",
                "round 2: A",
                "A 2",
                "A active by 2 in 2.5",
                "1 of 2 up",
            ]
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_event_knows_which_component_it_is_about_unless_it_is_about_the_run() {
    alone(async |_| {
        let world = World::of(&[("A", &[Act::Fails, Act::Up])]);
        let told = Arc::new(Mutex::new(Vec::new()));
        let listener = told.clone();
        let toys = world
            .builder()
            .on_event(move |event| listener.lock().unwrap().push(event.name().map(ToOwned::to_owned)));
        let toys = toys.build().unwrap();
        toys.create_all(["A", "X"], Strategy::RetryWithBackoff).await.unwrap();
        let told: Vec<_> = told.lock().unwrap().iter().map(|name| name.clone().unwrap_or_default()).collect();
        assert_eq!(told, ["", "X", "A", "A", "A", "", "A", "A", ""]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn as_text_an_event_is_a_line_without_what_a_component_says_of_itself() {
    alone(async |_| {
        let world = World::of(&[("A", &[Act::Fails, Act::UpAfter(500)]), ("B", &[Act::Refuses])]);
        world.closes("B", Close::Fails);
        let told = Arc::new(Mutex::new(Vec::new()));
        let listener = told.clone();
        let toys = world.builder().on_event(move |event| listener.lock().unwrap().push(event.to_string()));
        let toys = toys.build().unwrap();
        toys.create_all(["A", "B", "forged\nname"], Strategy::RetryWithBackoff).await.unwrap();
        let mut told = std::mem::take(&mut *told.lock().unwrap());
        // Those of two components that start at once are interleaved.
        told[2..9].sort();
        assert_eq!(
            told,
            [
                "components start: 3 requested, strategy retry",
                "forged\\nname: given up after 0 attempts: unknown",
                "A: attempt 1 begins",
                "A: attempt 1 failed: error",
                "A: closed",
                "B: attempt 1 begins",
                "B: attempt 1 failed: bad_request",
                "B: did not close well: error",
                "B: given up after 1 attempt: bad_request",
                "round 2 begins, for A",
                "A: attempt 2 begins",
                "A: active after 2 attempts in 2.50s",
                "components have started: 1 of 3 active in 2.50s",
            ]
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_creation_by_itself_is_told_with_each_attempt_and_its_end() {
    alone(async |_| {
        let world = World::of(&[("A", &[Act::Hangs, Act::Fails])]);
        let (toys, told) = listened(&world);
        assert!(toys.create("A").await.is_err());
        let told = told.lock().unwrap();
        let of_each = [
            "A 1",
            "A closed",
            "A 1 timeout",
            "A 2",
            "A closed",
            "A 2 error",
            "A 3",
            "A closed",
            "A 3 error",
        ];
        assert_eq!(told[..9], of_each);
        assert_eq!(told[9..], ["A failed by 3: error"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_listener_may_ask_the_components_anything_since_no_lock_is_held() {
    alone(async |_| {
        let world = World::of(&[("A", &[Act::Fails, Act::Up]), ("B", &[Act::Up])]);
        let asked: Arc<OnceLock<Toys>> = Arc::default();
        let (asks, seen) = (asked.clone(), Arc::new(Mutex::new(0)));
        let count = seen.clone();
        let toys = world.builder().on_event(move |_| {
            let toys = asks.get().unwrap();
            let _ = (toys.summary(), toys.results(), toys.get("A"), toys.active(), toys.health_check_all());
            *count.lock().unwrap() += 1;
        });
        let toys = toys.build().unwrap();
        assert!(asked.set(toys.clone()).is_ok());
        for strategy in [Strategy::FailFast, Strategy::ContinueOnError, Strategy::RetryWithBackoff] {
            world.set("A", &[Act::Fails, Act::Up]);
            let _ = toys.create_all(["A", "B"], strategy).await;
        }
        toys.close_all().await;
        assert!(*seen.lock().unwrap() > 15);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_panics_harms_nothing() {
    alone(async |_| {
        let world = World::of(&[("A", &[Act::Fails, Act::Up])]);
        let toys = world.builder().on_event(|_| panic!("on purpose")).build().unwrap();
        assert_eq!(toys.create("A").await.unwrap().number, 2);
        assert!(toys.close_all().await["A"].is_ok());
        world.assert_nothing_leaks(&toys, "a panicking listener").await;
    })
    .await;
}

/// Becomes active without a wake-up: at the question when to be woken, or some questions of its status later.
struct Quiet {
    at_once: bool,
    left: AtomicU32,
}

impl Component for Quiet {
    fn start(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async { Ok(()) })
    }

    fn status(&self) -> Status {
        let left = self.left.load(Ordering::SeqCst);
        if !self.at_once && left > 0 {
            self.left.fetch_sub(1, Ordering::SeqCst);
        }
        if left == 0 { Status::Active } else { Status::Connecting }
    }

    fn status_changed(&self) -> BoxFuture<'_, ()> {
        if self.at_once {
            self.left.store(0, Ordering::SeqCst);
        }
        Box::pin(pending())
    }

    fn close(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_wake_up_that_is_missed_costs_nothing_or_a_tenth_of_a_second() {
    for (at_once, asked, takes) in [(true, 1, 0.0), (false, 4, 0.1)] {
        alone(async |scope| {
            let factory = Factory::<Quiet>::new("quiet").unwrap();
            let construct = move |_| Ok::<_, BoxError>(Quiet { at_once, left: AtomicU32::new(asked) });
            factory.register("it", construct).unwrap();
            let quiet = Components::new(factory).unwrap();
            let (up, took) = timed(&scope, quiet.create("it")).await;
            assert!(up.is_ok());
            assert_eq!(took, seconds(takes));
        })
        .await;
    }
}

/// Becomes active some time after its start, and leaves it to the trait to tell so.
#[derive(Default)]
struct Plain(Arc<AtomicU32>);

impl Component for Plain {
    fn start(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        let active = self.0.clone();
        tokio::spawn(async move {
            tokio::time::sleep(seconds(0.025)).await;
            active.store(1, Ordering::SeqCst);
        });
        Box::pin(async { Ok(()) })
    }

    fn status(&self) -> Status {
        if self.0.load(Ordering::SeqCst) == 1 { Status::Active } else { Status::Connecting }
    }

    fn close(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_component_that_tells_of_no_change_is_asked_often() {
    alone(async |scope| {
        let factory = Factory::<Plain>::new("plain").unwrap();
        factory.register("it", |_| Ok::<_, BoxError>(Plain::default())).unwrap();
        let plain = Components::new(factory).unwrap();
        let (up, took) = timed(&scope, plain.create("it")).await;
        let up = up.unwrap();
        assert!(took >= seconds(0.025) && took <= seconds(0.05), "{took:?}");
        assert!(up.prewarm().await.is_ok() && !up.has_private() && up.details().is_none());
    })
    .await;
}
