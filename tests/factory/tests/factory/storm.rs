//! A thousand requests at once, of which nearly a third fail.

use resilient::factory::{Asked, BadRequest, BoxError, Factory, FactoryError, FactoryState};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// How many components there are, and how many constructors began.
#[derive(Default)]
struct Census {
    alive: AtomicI64,
    made: AtomicU64,
}

struct Thing {
    census: Arc<Census>,
    name: Arc<str>,
}

impl Thing {
    fn new(asked: &Asked<Arc<Census>>) -> Self {
        let census = Arc::clone(asked.context.as_ref());
        census.alive.fetch_add(1, Ordering::SeqCst);
        census.made.fetch_add(1, Ordering::SeqCst);
        Self { census, name: Arc::clone(&asked.name) }
    }
}

impl Drop for Thing {
    fn drop(&mut self) {
        self.census.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

type Things = Factory<Thing, Arc<Census>>;

/// Twenty names: every tenth constructor makes its thing and fails afterwards, every tenth panics, every tenth finds the
/// request bad, and the others work, by themselves or at their second attempt.
const NAMES: usize = 20;

fn things(census: &Arc<Census>) -> Things {
    let things = Factory::<Thing, _, ()>::builder("things")
        .context(Arc::clone(census))
        .layers(|operation| operation.base_delay("5ms").max_delay("5ms").budget("none"))
        .build()
        .unwrap();
    for number in 0..NAMES {
        let attempts = Arc::new(AtomicU64::new(0));
        let constructor = move |asked: Asked<Arc<Census>>| {
            let attempt = attempts.fetch_add(1, Ordering::SeqCst);
            async move {
                let thing = Thing::new(&asked);
                tokio::time::sleep(Duration::from_millis(2)).await;
                match number % 10 {
                    0 => Err("down".into()),
                    1 => panic!("broken"),
                    2 => Err(BadRequest::new("odd").into()),
                    3..=5 if attempt == 0 => Err("not yet".into()),
                    _ => Ok::<_, BoxError>(thing),
                }
            }
        };
        things.register_async(format!("thing-{number:02}"), constructor).unwrap();
    }
    things
}

/// A thousand requests; every twelfth is given up while it waits.
async fn storm(census: &Arc<Census>) -> Things {
    let things = things(census);
    let asked: Vec<_> = (0..1000)
        .map(|request| {
            let things = things.clone();
            tokio::spawn(async move {
                let name = format!("thing-{:02}", request % NAMES);
                let patience = Duration::from_millis(if request % 12 == 0 { 1 } else { 60_000 });
                let outcome = tokio::time::timeout(patience, things.create(&name, &())).await;
                (name, outcome.ok())
            })
        })
        .collect();
    let mut made: BTreeMap<String, Arc<Thing>> = BTreeMap::new();
    let (mut failed, mut answered) = (0, 0);
    for asked in asked {
        let (name, Some(outcome)) = asked.await.unwrap() else { continue };
        answered += 1;
        let fails = name.ends_with(['0', '1', '2']);
        match outcome {
            Ok(thing) => {
                assert!(!fails);
                assert_eq!(*thing.name, *name);
                let first = made.entry(name).or_insert_with(|| Arc::clone(&thing));
                assert!(Arc::ptr_eq(first, &thing), "one instance a name");
            }
            Err(error) => {
                assert!(fails, "{error}");
                failed += 1;
                assert_eq!(matches!(error, FactoryError::BadRequest { .. }), name.ends_with('2'));
            }
        }
    }
    assert!((250..=300).contains(&failed), "{failed}");
    assert_eq!(made.len(), 14);
    let told = things.statistics();
    assert_eq!(told.cached, 14);
    assert_eq!(told.success_count, 14);
    // Who gave up while it built is a miss, who gave up while it waited is nothing.
    assert!((answered..=1000).contains(&(told.cache_hits + told.cache_misses)), "{told:?}");

    drop(made);
    assert_eq!(census.alive.load(Ordering::SeqCst), 14, "those that are kept, and no other");
    things
}

#[tokio::test(start_paused = true)]
async fn a_thousand_requests_of_which_a_third_fail_make_one_instance_a_name_and_leak_none() {
    let census = Arc::new(Census::default());
    let things = storm(&census).await;
    // Those that panic did so before most others worked, which healed; those that are down were told of last.
    let health = things.health();
    assert_eq!((health.state, health.error_count), (FactoryState::Degraded, 2));
    assert_eq!(health.last_error.as_deref(), Some("down"));
    tokio::time::advance(Duration::from_secs(90)).await;
    assert_eq!(things.health().state, FactoryState::Healthy);
    things.clear_cache();
    assert_eq!(census.alive.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_requests_on_four_threads_make_one_instance_a_name_and_leak_none() {
    let census = Arc::new(Census::default());
    let things = storm(&census).await;
    let health = things.health();
    let state = match health.error_count {
        0 | 1 => FactoryState::Healthy,
        2..=4 => FactoryState::Degraded,
        _ => FactoryState::Failed,
    };
    assert_eq!(health.state, state);
    drop(things);
    assert_eq!(census.alive.load(Ordering::SeqCst), 0);
}
