//! RT: how often a call is tried, when it stops, what its caller gets.

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use resilient::testing::{Flaky, Scope};
use resilient::{
    Classify, ErrorKind, EventKind, ResilienceError, Settings, retry_with_backoff, with_timeout,
};
use tokio::time::sleep;
use tracing::span;

use crate::calls::{Fault, World, both, down, down_times, ms, secs, told};

const UNLIMITED: u32 = u32::MAX;

/// The pauses between attempts and the attempts that each followed.
fn scheduled(scope: &Scope) -> Vec<(u32, Duration)> {
    let retry = |kind| match kind {
        EventKind::RetryScheduled { attempt, delay } => Some((attempt, delay)),
        _ => None,
    };
    scope.events().into_iter().filter_map(|event| retry(event.kind)).collect()
}

both! {
    #[retry_with_backoff(max_attempts = 3, backoff = "constant", base_delay = "500ms", jitter = false)]
    fn thrice
}

#[test]
fn rt_001_the_callers_error_after_three_attempts_is_the_last_real_one() {
    thrice().each(down, |world| {
        assert!(matches!(world.call(), Err(Fault::Down)));
        assert_eq!(world.executions(), 3);
        assert_eq!(world.elapsed(), ms(1_000));
    });
}

#[test]
fn rt_002_a_retry_that_succeeds_gives_its_value() {
    thrice().each(
        || down_times(1),
        |world| {
            assert_eq!(world.call().unwrap(), 42);
            assert_eq!((world.executions(), world.elapsed()), (2, ms(500)));
        },
    );
}

#[test]
fn rt_003_each_call_counts_its_own_attempts() {
    let script = || down_times(1).then_err(|| Fault::Down).then(42);
    thrice().each(script, |world| {
        for _ in 0..2 {
            assert_eq!(world.call().unwrap(), 42);
        }
        assert_eq!((world.executions(), world.elapsed()), (4, ms(1_000)));
        let with_retry = ["failed", "retry", "succeeded", "finished: success"];
        assert_eq!(world.told(), [with_retry, with_retry].concat());
    });
}

#[test]
fn rt_014_every_retry_and_the_end_is_told_in_order() {
    thrice().each(down, |world| {
        assert!(world.call().is_err());
        let told = ["failed", "retry", "failed", "retry", "failed", "finished: attempts"];
        assert_eq!(world.told(), told);
    });
}

#[test]
fn rt_015_a_success_after_a_retry_is_told() {
    thrice().each(
        || down_times(1),
        |world| {
            assert!(world.call().is_ok());
            assert_eq!(world.told(), ["failed", "retry", "succeeded", "finished: success"]);
            assert_eq!(world.pauses(), [ms(500)]);
        },
    );
}

both! {
    #[retry_with_backoff(max_attempts = 1)]
    fn once
}

#[test]
fn rt_004_one_attempt_is_no_retry() {
    once().each(down, |world| {
        assert!(matches!(world.call(), Err(Fault::Down)));
        assert_eq!((world.executions(), world.elapsed()), (1, Duration::ZERO));
    });
}

both! {
    #[retry_with_backoff(retry_if = |_| false)]
    fn never_retries
}

#[test]
fn rt_005_an_error_that_the_predicate_refuses_is_final_at_once() {
    never_retries().each(down, |world| {
        assert!(matches!(world.call(), Err(Fault::Down)));
        assert_eq!((world.executions(), world.elapsed()), (1, Duration::ZERO));
    });
}

both! {
    #[retry_with_backoff(max_attempts = 2, failure_if = |value| value.contains("Hello world"))]
    fn distrusts_hello -> Result<&'static str, Fault>
}

#[test]
fn rt_006_the_last_value_is_returned_even_if_it_is_one_to_retry() {
    distrusts_hello().each(
        || Flaky::new().then("Hello world"),
        |world| {
            assert_eq!(world.call().unwrap(), "Hello world");
            assert_eq!(world.executions(), 2);
        },
    );
}

both! {
    #[retry_with_backoff(max_attempts = 3, base_delay = "500ms", exponential_base = 2, jitter = false)]
    fn doubling
}

#[test]
fn rt_010_the_wait_doubles() {
    doubling().each(down, |world| {
        assert!(world.call().is_err());
        assert_eq!((world.executions(), world.elapsed()), (3, ms(1_500)));
    });
}

/// An error that says when to come back, or says nothing.
#[derive(Debug, thiserror::Error)]
enum Hint {
    #[error("come back in {0:?}")]
    Await(Option<Duration>),
    #[error(transparent)]
    Resilience(#[from] ResilienceError),
}

impl Classify for Hint {
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Await(hint) => *hint,
            Self::Resilience(_) => None,
        }
    }
}

both! {
    #[retry_with_backoff(max_retries = 2, backoff = "constant", base_delay = "2ms", jitter = false)]
    fn obeys_hints -> Result<&'static str, Hint>
}

#[test]
fn rt_011_what_came_back_may_say_how_long_to_wait() {
    // Errors carry the hint here, not values; it is a lower bound and spread by up to 10 %.
    let script = || {
        Flaky::new()
            .then_err(|| Hint::Await(Some(ms(100))))
            .then_err(|| Hint::Await(Some(ms(200))))
            .then("Hello world")
    };
    obeys_hints().each(script, |world| {
        assert_eq!(world.call().unwrap(), "Hello world");
        assert_eq!(world.executions(), 3);
        let [first, second] = world.pauses()[..] else { panic!("{:?}", world.pauses()) };
        assert!((ms(100)..=ms(110)).contains(&first), "{first:?}");
        assert!((ms(200)..=ms(220)).contains(&second), "{second:?}");
    });
}

#[test]
fn rt_038_without_a_hint_the_configured_wait_is_kept() {
    obeys_hints().each(
        || Flaky::new().then_err(|| Hint::Await(None)),
        |world| {
            assert!(matches!(world.call(), Err(Hint::Await(None))));
            assert_eq!(world.pauses(), [ms(2), ms(2)]);
        },
    );
}

both! {
    #[retry_with_backoff(max_attempts = 3, failure_if = |_| true, jitter = false)]
    fn distrusts_all
}

#[test]
fn rt_013_a_retry_is_told_before_each_retry_and_not_after_the_last() {
    distrusts_all().each(
        || Flaky::new().then(42),
        |world| {
            assert_eq!(world.call().unwrap(), 42);
            assert_eq!(world.executions(), 3);
            let attempts: Vec<u32> =
                scheduled(&world.scope).into_iter().map(|(attempt, _)| attempt).collect();
            assert_eq!(attempts, [1, 2]);
        },
    );
}

both! {
    #[retry_with_backoff(retry_on = Fault::Down)]
    fn retries_down_only
}

#[test]
fn rt_016_an_error_that_is_not_listed_is_told_once_and_not_waited_for() {
    retries_down_only().each(
        || Flaky::new().then_err(|| Fault::Busy),
        |world| {
            assert!(matches!(world.call(), Err(Fault::Busy)));
            assert_eq!((world.executions(), world.elapsed()), (1, Duration::ZERO));
            // Not listed is not ignored: it is a failure that is final.
            assert_eq!(world.told(), ["failed", "finished: not_retryable"]);
        },
    );
}

/// Refuses before there is a future to retry.
#[retry_with_backoff(max_attempts = 3)]
fn checks_first(backend: &Flaky<u32, Fault>, fit: bool) -> impl Future<Output = Result<u32, Fault>> {
    assert!(fit, "thrown at the sync stage");
    async move { backend.call_async().await }
}

#[test]
fn rt_017_what_is_thrown_before_the_future_exists_is_not_retried() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let backend = down();
    let thrown = catch_unwind(AssertUnwindSafe(|| drop(checks_first(&backend, false))));
    assert!(thrown.is_err());
    assert_eq!((backend.calls(), told(&scope)), (0, vec![]));
}

fn as_many_milliseconds(n: u32) -> Duration {
    ms(n.into())
}

both! {
    #[retry_with_backoff(max_attempts = 3, backoff = as_many_milliseconds, jitter = false)]
    fn waits_as_many_milliseconds
}

#[test]
fn rt_019_a_wait_of_zero_is_a_wait() {
    waits_as_many_milliseconds().each(down, |world| {
        assert!(matches!(world.call(), Err(Fault::Down)));
        assert_eq!((world.executions(), world.pauses()), (3, vec![ms(0), ms(1)]));
        assert_eq!((world.count("retry"), world.count("finished: attempts")), (2, 1));
    });
}

both! {
    #[retry_with_backoff(max_attempts = 3, failure_if = |_| true, exhausted = "wrap")]
    fn distrusts_all_and_wraps
}

#[test]
fn rt_008_an_exhausted_error_names_the_function_and_the_number_of_attempts() {
    distrusts_all_and_wraps().each(
        || Flaky::new().then(42),
        |world| {
            let error = world.call().unwrap_err();
            assert_eq!((error.kind(), world.executions()), (Some(ErrorKind::RetriesExhausted), 3));
            let start = format!("'{}' failed 3 times", world.operation);
            assert!(error.to_string().starts_with(&start), "{error}");
        },
    );
}

#[test]
fn rt_021_with_wrapping_a_value_that_was_refused_to_the_end_is_an_exhausted_error() {
    distrusts_all_and_wraps().each(
        || Flaky::new().then(42),
        |world| {
            assert_eq!(world.call().unwrap_err().kind(), Some(ErrorKind::RetriesExhausted));
            assert_eq!(world.executions(), 3);
        },
    );
}

both! {
    #[retry_with_backoff(max_attempts = UNLIMITED)]
    fn never_gives_up
}

#[test]
fn rt_022_unlimited_attempts_go_on_until_one_succeeds() {
    never_gives_up().each(
        || down_times(5),
        |world| {
            assert_eq!(world.call().unwrap(), 42);
            assert_eq!(world.executions(), 6);
        },
    );
}

both! {
    #[retry_with_backoff(max_attempts = UNLIMITED, failure_if = |status| *status == 500)]
    fn retries_500
}

#[test]
fn rt_023_a_value_that_is_not_one_to_retry_ends_the_call() {
    retries_500().each(
        || Flaky::new().then(500).then(500).then(0),
        |world| {
            assert_eq!(world.call().unwrap(), 0);
            assert_eq!(world.executions(), 3);
        },
    );
}

both! {
    #[retry_with_backoff(max_attempts = 3, base_delay = 0, jitter = false, deadline = "100ms")]
    fn within_100_ms
}

#[test]
fn rt_024_no_attempt_begins_after_the_longest_time_of_a_call() {
    // The call's own limit is its deadline, and says so itself.
    let script = || Flaky::new().then_err(|| Fault::Down).then_err(|| Fault::Down).takes(ms(120));
    within_100_ms().each(script, |world| {
        assert_eq!(world.call().unwrap_err().kind(), Some(ErrorKind::DeadlineExceeded));
        assert_eq!(world.executions(), 2);
    });
}

both! {
    #[retry_with_backoff(max_retries = 3)]
    fn retries_thrice
}

#[test]
fn rt_025_the_last_failure_is_returned_as_it_is() {
    let script = || Flaky::new().fail_times(3, || Fault::Busy).then_err(|| Fault::Down);
    retries_thrice().each(script, |world| {
        assert!(matches!(world.call(), Err(Fault::Down)));
        assert_eq!(world.executions(), 4);
    });
}

#[test]
fn rt_052_every_retry_is_told_and_the_error_reaches_the_caller() {
    retries_thrice().each(down, |world| {
        assert!(matches!(world.call(), Err(Fault::Down)));
        assert_eq!(
            world.told(),
            [&["failed", "retry"].repeat(3)[..], &["failed", "finished: attempts"]].concat()
        );
    });
}

both! {
    #[retry_with_backoff(max_attempts = 3, exhausted = "wrap")]
    fn wraps
}

/// What an exhausted retry's error carries: the attempts, and the last error.
fn exhausted(error: Fault) -> (u32, Box<dyn std::error::Error + Send + Sync>) {
    match error {
        Fault::Resilience(ResilienceError::RetriesExhausted { attempts, source, .. }) => (attempts, source),
        other => panic!("not the error of an exhausted retry: {other}"),
    }
}

#[test]
fn rt_026_a_wrapped_error_carries_the_last_one_where_there_was_one() {
    let check = |is_down: bool| {
        move |world: &World<u32, Fault>| {
            let (attempts, last) = exhausted(world.call().unwrap_err());
            assert_eq!(attempts, 3);
            assert_eq!(matches!(last.downcast_ref(), Some(Fault::Down)), is_down, "{last}");
            assert_eq!((world.count("retry"), world.count("finished: attempts")), (2, 1));
        }
    };
    wraps().each(down, check(true));
    // The refused value is not carried: an error cannot hold what only its function's type can.
    distrusts_all_and_wraps().each(|| Flaky::new().then(42), check(false));
}

both! {
    #[retry_with_backoff(max_retries = 6, base_delay = "1ms", max_delay = "10ms", exponential_base = 2, jitter = false)]
    fn up_to_10_ms
}

#[test]
fn rt_027_the_wait_grows_to_its_cap() {
    up_to_10_ms().each(down, |world| {
        assert!(world.call().is_err());
        assert_eq!(world.pauses(), [1, 2, 4, 8, 10, 10].map(ms));
    });
}

both! {
    #[retry_with_backoff(max_retries = 12, base_delay = 0, failure_if = |value| *value == 0)]
    fn retries_zero_twelve_times
}

#[test]
fn rt_028_the_number_of_retries_is_kept() {
    retries_zero_twelve_times().each(
        || Flaky::new().then(0),
        |world| {
            assert_eq!(world.call().unwrap(), 0);
            assert_eq!((world.count("retry"), world.executions()), (12, 13));
        },
    );
}

both! {
    #[retry_with_backoff(max_retries = 3, backoff = "linear", base_delay = 2, jitter = false)]
    fn linear
}

#[test]
fn rt_029_each_retry_is_told_with_its_attempt_and_its_wait() {
    linear().each(down, |world| {
        assert!(world.call().is_err());
        // Attempts count from 1 here.
        assert_eq!(scheduled(&world.scope), [(1, secs(2)), (2, secs(4)), (3, secs(6))]);
        let failed = world.scope.events().into_iter().filter_map(|event| match event.kind {
            EventKind::AttemptFailed { attempt, .. } => Some(attempt),
            _ => None,
        });
        assert!(failed.eq([1, 2, 3, 4]));
    });
}

#[test]
fn rt_030_no_wait_is_longer_than_its_cap() {
    linear().settings(Settings::new().max_delay("123ms")).each(down, |world| {
        assert!(world.call().is_err());
        assert_eq!(world.pauses(), [ms(123); 3]);
    });
}

both! {
    #[retry_with_backoff(max_retries = 1)]
    fn retries_once
}

#[test]
fn rt_031_an_attempts_duration_is_told_without_the_wait() {
    retries_once().each(
        || down().takes(secs(60)),
        |world| {
            assert!(world.call().is_err());
            let took = world.scope.events().into_iter().find_map(|event| match event.kind {
                EventKind::AttemptFailed { attempt: 1, took, .. } => took,
                _ => None,
            });
            assert_eq!(took, Some(secs(60)));
        },
    );
}

both! {
    #[retry_with_backoff(max_retries = 5, failure_if = |_| true)]
    fn discards_five -> Result<Arc<u32>, Fault>
}

#[test]
fn rt_032_a_value_that_is_not_returned_is_dropped() {
    let made = Arc::new(Mutex::new(Vec::<Weak<u32>>::new()));
    let script = || {
        made.lock().unwrap().clear();
        let made = Arc::clone(&made);
        Flaky::new().then_ok(move || {
            let mut made = made.lock().unwrap();
            let value = Arc::new(u32::try_from(made.len()).unwrap());
            made.push(Arc::downgrade(&value));
            value
        })
    };
    discards_five().each(script, |world| {
        let last = world.call().unwrap();
        assert_eq!(*last, 5);
        let alive: Vec<bool> = made.lock().unwrap().iter().map(|value| value.upgrade().is_some()).collect();
        assert_eq!(alive, [false, false, false, false, false, true]);
    });
}

#[retry_with_backoff(backoff = "constant", base_delay = 2, jitter = false)]
async fn cancellable(backend: &Flaky<u32, Fault>) -> Result<u32, Fault> {
    backend.call_async().await
}

// Cancelling is dropping the future: there is no error to read afterwards, and no code left to run a retry's hook.

#[tokio::test(start_paused = true)]
async fn rt_033_a_call_cancelled_in_its_first_attempt_is_not_tried_again() {
    let scope = Scope::new();
    let backend = down().takes(secs(10));
    let cancelled = tokio::time::timeout(secs(5), scope.run(cancellable(&backend))).await;
    assert!(cancelled.is_err());
    sleep(secs(60)).await;
    assert_eq!((backend.calls(), told(&scope)), (1, vec!["finished: cancelled".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn rt_034_a_call_cancelled_when_its_wait_is_over_is_not_tried_again() {
    let scope = Scope::new();
    let backend = down();
    tokio::select! {
        biased;
        () = sleep(secs(2)) => {}
        _ = scope.run(cancellable(&backend)) => panic!("cancelled before"),
    }
    assert_eq!(backend.calls(), 1);
    assert_eq!(told(&scope), ["failed", "retry", "finished: cancelled"]);
}

#[tokio::test(start_paused = true)]
async fn rt_035_a_call_cancelled_before_it_began_does_nothing() {
    let scope = Scope::new();
    let backend = down();
    drop(scope.run(cancellable(&backend)));
    assert_eq!((backend.calls(), told(&scope)), (0, vec![]));
}

thread_local! {
    static DELAYS_ASKED: Cell<u32> = const { Cell::new(0) };
}

fn generated(_: u32) -> Duration {
    DELAYS_ASKED.set(DELAYS_ASKED.get() + 1);
    ms(120)
}

both! {
    #[retry_with_backoff(max_retries = 3, backoff = generated, jitter = false)]
    fn asks_for_delays
}

#[test]
fn rt_037_a_function_may_say_each_wait() {
    asks_for_delays().each(down, |world| {
        DELAYS_ASKED.set(0);
        assert!(world.call().is_err());
        assert_eq!((world.pauses(), DELAYS_ASKED.get()), (vec![ms(120); 3], 3));
    });
}

/// Keeps the levels of what this library traces.
#[derive(Clone, Default)]
struct Levels(Arc<Mutex<Vec<tracing::Level>>>);

impl tracing::Subscriber for Levels {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "resilient"
    }

    fn event(&self, event: &tracing::Event<'_>) {
        self.0.lock().unwrap().push(*event.metadata().level());
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// The levels at which a call is traced, attempts that only interest a debugger left out.
fn levels_of(world: &World<u32, Fault>) -> Vec<tracing::Level> {
    let levels = Levels::default();
    let _ = tracing::subscriber::with_default(levels.clone(), || world.call());
    let mut levels = levels.0.lock().unwrap().clone();
    levels.retain(|level| *level < tracing::Level::DEBUG);
    levels
}

both! {
    #[retry_with_backoff(max_retries = 1, retry_on = Fault::Down)]
    fn retries_down_once
}

#[test]
fn rt_039_an_attempt_that_is_retried_is_a_warning_and_the_last_is_an_error() {
    use tracing::Level;

    // While there is only one subscriber, an event that another thread meets first asks that thread's, which is none.
    let _another = tracing::Dispatch::new(Levels::default());
    retries_down_once().each(down, |world| assert_eq!(levels_of(world), [Level::WARN, Level::ERROR]));
    let last_is_final = || Flaky::new().then_err(|| Fault::Down).then_err(|| Fault::Busy);
    retries_down_once().each(last_is_final, |world| assert_eq!(levels_of(world), [Level::WARN, Level::INFO]));
}

both! {
    #[retry_with_backoff(max_retries = 5)]
    fn retries_five_times
}

#[test]
fn rt_041_retries_do_not_count_the_first_call() {
    retries_five_times().each(down, |world| {
        assert!(world.call().is_err());
        assert_eq!(world.executions(), 6);
    });
}

both! {
    #[retry_with_backoff(max_retries = 90, base_delay = 0, jitter = false, deadline = "1000ms")]
    fn within_a_second
}

#[test]
fn rt_043_the_longest_time_of_a_call_ends_its_retries() {
    within_a_second().each(
        || down().takes(ms(100)),
        |world| {
            assert!(matches!(world.call(), Err(Fault::Down)));
            assert!(world.executions() < 11, "{}", world.executions());
        },
    );
}

both! {
    #[retry_with_backoff(max_retries = 3, base_delay = 0, jitter = 0.0)]
    fn hurries
}

#[test]
fn rt_045_without_delay_and_jitter_nothing_is_waited_for() {
    hurries().each(down, |world| {
        assert!(world.call().is_err());
        assert_eq!((world.count("retry"), world.elapsed()), (3, Duration::ZERO));
    });
}

both! {
    #[retry_with_backoff(ignore = Fault::NotFound)]
    fn aborts_on_not_found
}

#[test]
fn rt_046_listed_errors_are_retried_and_aborting_ones_are_not() {
    let executions = |expected| {
        move |world: &World<u32, Fault>| {
            assert!(world.call().is_err());
            assert_eq!(world.executions(), expected);
        }
    };
    // Not said, there are 3 retries.
    retries_down_only().each(down, executions(4));
    retries_down_only().each(|| Flaky::new().then_err(|| Fault::Busy), executions(1));
    aborts_on_not_found().each(down, executions(4));
    aborts_on_not_found().each(|| Flaky::new().then_err(|| Fault::NotFound), executions(1));
}

/// Every `Child` is a `Parent`.
#[derive(Debug, thiserror::Error)]
#[error("parent {0:?}")]
struct Parent(Option<Child>);

#[derive(Debug)]
struct Child;

both! {
    #[retry_with_backoff(retry_on = Parent(_))]
    fn retries_parents -> Result<u32, Parent>
}

both! {
    #[retry_with_backoff(retry_on = Parent(_), ignore = Parent(Some(Child)))]
    fn retries_parents_but_no_child -> Result<u32, Parent>
}

#[test]
fn rt_047_a_listed_error_covers_what_belongs_to_it_unless_that_aborts() {
    for (functions, executions) in [(retries_parents(), 4), (retries_parents_but_no_child(), 1)] {
        functions.each(
            || Flaky::new().then_err(|| Parent(Some(Child))),
            |world| {
                assert!(world.call().is_err());
                assert_eq!(world.executions(), executions);
            },
        );
    }
}

#[retry_with_backoff(max_retries = 2)]
async fn as_async_fn(backend: &Flaky<u32, Fault>) -> Result<u32, Fault> {
    backend.call_async().await
}

#[retry_with_backoff(max_retries = 2)]
fn as_impl_future(backend: &Flaky<u32, Fault>) -> impl Future<Output = Result<u32, Fault>> {
    async move { backend.call_async().await }
}

#[retry_with_backoff(max_retries = 2)]
fn as_boxed_future<'a>(
    backend: &'a Flaky<u32, Fault>,
) -> Pin<Box<dyn Future<Output = Result<u32, Fault>> + Send + 'a>> {
    Box::pin(async move { backend.call_async().await })
}

#[retry_with_backoff(max_retries = 2)]
async fn as_chain(backend: &Flaky<u32, Fault>) -> Result<u32, Fault> {
    let first = async { backend.call_async().await.map(|value| value - 1) };
    let second = async { Ok::<_, Fault>(first.await? + 1) };
    second.await
}

#[tokio::test(start_paused = true)]
async fn rt_048_every_way_to_be_async_is_retried() {
    type Call = for<'a> fn(&'a Flaky<u32, Fault>) -> Pin<Box<dyn Future<Output = Result<u32, Fault>> + 'a>>;
    let calls: [Call; 4] = [
        |backend| Box::pin(as_async_fn(backend)),
        |backend| Box::pin(as_impl_future(backend)),
        |backend| as_boxed_future(backend),
        |backend| Box::pin(as_chain(backend)),
    ];
    for (n, call) in calls.into_iter().enumerate() {
        let scope = Scope::new();
        let backend = down();
        assert!(matches!(scope.run(call(&backend)).await, Err(Fault::Down)), "{n}");
        assert_eq!(backend.calls(), 3, "{n}");
        let backend = down_times(2);
        assert_eq!(scope.run(call(&backend)).await.unwrap(), 42, "{n}");
        assert_eq!(backend.calls(), 3, "{n}");
    }
}

both! {
    #[retry_with_backoff(max_retries = 1)]
    sync #[with_timeout("500ms", timeout_mode = "deadline")]
    async #[with_timeout("500ms")]
    fn retries_a_timeout
}

both! {
    #[retry_with_backoff(max_retries = 1, retry_on = Fault::Down)]
    sync #[with_timeout("500ms", timeout_mode = "deadline")]
    async #[with_timeout("500ms")]
    fn lists_no_timeout
}

both! {
    #[retry_with_backoff(max_retries = 1, ignore = Fault::Resilience(ResilienceError::Timeout { .. }))]
    sync #[with_timeout("500ms", timeout_mode = "deadline")]
    async #[with_timeout("500ms")]
    fn aborts_on_a_timeout
}

fn times_out(world: &World<u32, Fault>, executions: u32) {
    assert_eq!(world.call().unwrap_err().kind(), Some(ErrorKind::Timeout));
    assert_eq!(world.executions(), executions);
}

#[test]
fn rt_050_a_timeout_is_retried() {
    retries_a_timeout().each(|| Flaky::new().then(42).takes(ms(1_000)), |world| times_out(world, 2));
}

#[test]
fn rt_051_a_timeout_that_is_not_listed_or_aborts_is_final() {
    for functions in [lists_no_timeout(), aborts_on_a_timeout()] {
        functions.each(|| Flaky::new().then(42).takes(ms(1_000)), |world| times_out(world, 1));
    }
}
