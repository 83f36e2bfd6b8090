//! A scope is a world of its own: nothing leaks in, out, or between two of them.

use std::marker::PhantomData;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use resilient::testing::{Flaky, Scope, ScopeGuard};
use resilient::{
    BreakerConfig, CircuitBreaker, ResilienceError, Settings, State, breaker, database_resilient, explain,
    reset_resilience_state, resilience_health, service_health, subscribe, track_service_health, validate,
};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum Fault {
    #[error("down")]
    Down,
    #[error("refused")]
    Refused,
}

impl From<ResilienceError> for Fault {
    fn from(_: ResilienceError) -> Self {
        Self::Refused
    }
}

type Backend = Flaky<u32, Fault>;

/// Fails so often, then answers 1.
fn failing(times: u32) -> Backend {
    Flaky::failing(times, Fault::Down).then(1)
}

#[database_resilient(operation_name = "scope_sync", max_attempts = 5, failure_threshold = "off")]
#[track_service_health("scope_service")]
fn call(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[database_resilient(operation_name = "scope_async", max_attempts = 5, failure_threshold = "off")]
async fn call_async(backend: &Backend) -> Result<u32, Fault> {
    backend.call_async().await
}

/// Successes and failures that the breaker of the scope this code is in has seen.
#[track_caller]
fn seen(name: &str) -> (u64, u64) {
    let snapshot = breaker(name).expect("a breaker").snapshot();
    (snapshot.successful_calls, snapshot.failed_calls)
}

#[test]
fn scopes_on_parallel_threads_share_nothing() {
    const THREADS: u32 = 8;
    let together = Barrier::new(THREADS as usize);
    thread::scope(|threads| {
        for n in 1..=THREADS {
            let together = &together;
            threads.spawn(move || {
                let scope = Scope::builder()
                    .env("PYNOMALY_OP_SCOPE_SYNC_MAX_ATTEMPTS", n.to_string())
                    .env("PYNOMALY_OP_SCOPE_SYNC_BUDGET", "none")
                    .build();
                let _inside = scope.enter();
                together.wait();
                for round in 1..=20 {
                    let backend = failing(u32::MAX);
                    assert_eq!(call(&backend), Err(Fault::Down));
                    assert_eq!(backend.calls(), n);
                    assert_eq!(seen("scope_sync"), (0, u64::from(n * round)));
                }
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scopes_of_parallel_tasks_share_nothing() {
    let tasks: Vec<_> = (1..=16)
        .map(|n: u32| {
            tokio::spawn(async move {
                let wait = Settings::new().base_delay("1ms").max_attempts(n);
                let scope = Scope::builder().settings("scope_async", wait.max_delay("1ms")).build();
                let backend = failing(u32::MAX);
                scope
                    .run(async {
                        assert_eq!(call_async(&backend).await, Err(Fault::Down));
                        assert_eq!(seen("scope_async"), (0, u64::from(n)));
                    })
                    .await;
                (backend.calls(), scope.pauses().len())
            })
        })
        .collect();
    for (n, task) in (1..).zip(tasks) {
        assert_eq!(task.await.unwrap(), (n, n as usize - 1));
    }
}

#[tokio::test(start_paused = true)]
async fn futures_of_two_scopes_take_turns_on_one_thread() {
    let (a, b) = (Scope::new(), Scope::new());
    let backends = [failing(4), failing(2)];
    let (of_a, of_b) = tokio::join!(a.run(call_async(&backends[0])), b.run(call_async(&backends[1])));
    assert_eq!((of_a, of_b), (Ok(1), Ok(1)));
    assert_eq!((a.pauses().len(), b.pauses().len()), (4, 2));
    for (scope, failed) in [(&a, 4), (&b, 2)] {
        let _inside = scope.enter();
        assert_eq!(seen("scope_async"), (1, failed));
    }
}

#[test]
fn one_scope_may_be_entered_by_many_threads() {
    let scope = Arc::new(Scope::new());
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let scope = Arc::clone(&scope);
            thread::spawn(move || {
                let _inside = scope.enter();
                for _ in 0..50 {
                    assert_eq!(call(&failing(0)), Ok(1));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let _inside = scope.enter();
    assert_eq!(seen("scope_sync"), (400, 0));
    assert_eq!(
        scope.events().len(),
        400 * 2 + 1,
        "each call its attempt and its end, and the service's one change"
    );
}

/// The waits of one call that fails four times.
fn waits(scope: &Scope) -> Vec<Duration> {
    let _inside = scope.enter();
    assert_eq!(call(&failing(4)), Ok(1));
    scope.pauses()
}

#[test]
fn the_same_seed_gives_the_same_waits() {
    let seeded = |seed| waits(&Scope::builder().seed(seed).build());
    let waits: Vec<_> = (0..20).map(seeded).collect();
    assert_eq!(waits, (0..20).map(seeded).collect::<Vec<_>>());
    assert_eq!(waits[0], self::waits(&Scope::new()), "0 is the seed of a plain scope");
    assert!(waits.windows(2).all(|pair| pair[0] != pair[1]), "another seed gives others");
    for wait in &waits {
        for (wait, longest) in wait.iter().zip([500, 1000, 2000, 4000].map(Duration::from_millis)) {
            assert!(*wait >= longest / 2 && *wait < longest, "{wait:?} of {longest:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn async_calls_wait_as_the_seed_says_too() {
    let mut waits = Vec::new();
    for _ in 0..2 {
        let scope = Scope::builder().seed(7).build();
        assert_eq!(scope.run(call_async(&failing(4))).await, Ok(1));
        assert_eq!(
            scope.clock().elapsed().as_millis(),
            rounded_up(&scope.pauses()),
            "tokio's timers tick in ms"
        );
        waits.push(scope.pauses());
    }
    assert_eq!(waits[0], waits[1]);
}

/// The sum of the waits, each as long as a timer of whole milliseconds makes it.
fn rounded_up(waits: &[Duration]) -> u128 {
    waits.iter().map(|wait| wait.as_nanos().div_ceil(1_000_000)).sum()
}

#[test]
fn a_scope_inside_another_is_a_third_world() {
    let (outer, inner) = (Scope::new(), Scope::new());
    let _outside = outer.enter();
    let _ = call(&failing(1));
    {
        let _inside = inner.enter();
        assert_eq!(seen("scope_sync"), (0, 0));
        let _ = call(&failing(0));
        assert_eq!(seen("scope_sync"), (1, 0));
    }
    assert_eq!(seen("scope_sync"), (1, 1));
    assert_eq!((outer.pauses().len(), inner.pauses().len()), (1, 0));
    {
        let _again = outer.enter();
        let _ = call(&failing(0));
    }
    assert_eq!(seen("scope_sync"), (2, 1), "entered twice it is still the same");
}

#[tokio::test(start_paused = true)]
async fn a_scope_run_inside_another_ends_with_its_future() {
    let (outer, inner) = (Scope::new(), Scope::new());
    outer
        .run(async {
            assert_eq!(inner.run(call_async(&failing(1))).await, Ok(1));
            assert_eq!(seen("scope_async"), (0, 0));
            assert_eq!(call_async(&failing(2)).await, Ok(1));
            assert_eq!(seen("scope_async"), (1, 2));
        })
        .await;
    assert_eq!((outer.pauses().len(), inner.pauses().len()), (2, 1));
}

#[test]
fn a_scope_ends_when_a_panic_leaves_it() {
    let scope = Scope::new();
    let outer = Scope::new();
    let _outside = outer.enter();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _inside = scope.enter();
        let _ = call(&failing(0));
        panic!("scripted, expected in the output");
    }));
    assert!(panicked.is_err());
    let _ = call(&failing(0));
    assert_eq!((scope.events().len(), outer.events().len()), (2, 2));
}

/// Whether a type may go to another thread.
struct Sends<T>(PhantomData<T>);

impl<T: Send> Sends<T> {
    const ANSWER: bool = true;
}

trait Otherwise {
    const ANSWER: bool = false;
}

impl<T> Otherwise for Sends<T> {}

#[test]
fn a_scope_may_be_shared_but_the_stay_in_it_belongs_to_its_thread() {
    fn shared<T: Send + Sync>() {}
    shared::<Scope>();
    let (scope, guard) = (Sends::<Scope>::ANSWER, Sends::<ScopeGuard>::ANSWER);
    assert_eq!((scope, guard), (true, false));
}

#[test]
fn the_scope_has_a_clock_of_its_own() {
    let (a, b) = (Scope::new(), Scope::new());
    a.clock().advance(Duration::from_secs(3600));
    assert_eq!((a.clock().elapsed(), b.clock().elapsed()), (Duration::from_secs(3600), Duration::ZERO));
    let _inside = b.enter();
    assert_eq!(call(&failing(4)), Ok(1));
    assert_eq!(b.clock().elapsed(), b.pauses().iter().sum());
    assert_eq!(a.clock().elapsed(), Duration::from_secs(3600));
}

#[test]
fn a_breaker_belongs_to_the_scope_it_was_made_in() {
    let (made, used) = (Scope::new(), Scope::new());
    let breaker = {
        let _inside = made.enter();
        CircuitBreaker::new("scope_own", BreakerConfig::new().failure_threshold(1)).unwrap()
    };
    let _inside = used.enter();
    breaker.try_acquire().unwrap().failure();
    used.clock().advance(Duration::from_secs(3600));
    assert!(breaker.try_acquire().is_err(), "its clock stands still");
    made.clock().advance(Duration::from_secs(60));
    assert!(breaker.try_acquire().is_ok());
    assert_eq!(used.events().len(), 0);
    assert_eq!(made.events().len(), 3, "opened, refused, half-open");
}

#[test]
fn the_process_is_untouched_by_scopes_and_scopes_by_the_process() {
    let heard = Arc::new(std::sync::Mutex::new(0));
    let subscription = subscribe({
        let heard = Arc::clone(&heard);
        move |_| *heard.lock().unwrap() += 1
    });
    let before = explain("scope_sync").unwrap().to_string();
    let scope =
        Scope::builder().settings("*", Settings::new().max_attempts(2)).env("PYNOMALY_X", "1").build();
    {
        let _inside = scope.enter();
        assert_eq!(call(&failing(9)), Err(Fault::Down));
        breaker("scope_sync").unwrap().force_open();
        validate().expect_err("a variable of the scope's own");
        assert_ne!(explain("scope_sync").unwrap().to_string(), before);
        reset_resilience_state();
        breaker("scope_sync").unwrap().force_open();
    }
    assert_eq!(*heard.lock().unwrap(), 0, "what happens in a scope is told there");
    assert_eq!(breaker("scope_sync").unwrap().state(), State::Closed);
    assert_eq!(seen("scope_sync"), (0, 0));
    assert_eq!(explain("scope_sync").unwrap().to_string(), before);
    validate().expect("nothing is wrong with the process");

    let told = scope.events().len();
    assert_eq!(call(&failing(0)), Ok(1));
    assert_eq!((*heard.lock().unwrap(), scope.events().len()), (2, told));
    assert_eq!(seen("scope_sync"), (1, 0));
    assert_eq!(service_health("scope_service").unwrap().metrics().statistics.total_count, 1);
    let _inside = scope.enter();
    assert_eq!(breaker("scope_sync").unwrap().state(), State::ForcedOpen);
    assert_eq!(resilience_health().open_breakers, ["scope_sync"]);
    drop(subscription);
}
