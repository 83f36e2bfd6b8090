//! A span for each call and one for each attempt, as an OpenTelemetry exporter gets them.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use resilient::testing::{Flaky, Scope};
use resilient::{ErrorKind, ResilientOperation, breaker, resilient};
use resilient_telemetry_tests::traces::Traces;
use resilient_telemetry_tests::{Answer, Fault};
use tracing::{info_span, instrument::WithSubscriber};

fn query(source: &Flaky<(), Fault>) -> Answer {
    info_span!("query").in_scope(|| source.call())
}

fn down(times: u32) -> Flaky<(), Fault> {
    Flaky::new().fail_times(times, || Fault::Down).then_ok(|| ())
}

#[resilient(operation_name = "orders", enable_timeout = false, max_attempts = 3, failure_threshold = 3)]
fn orders(source: &Flaky<(), Fault>) -> Answer {
    query(source)
}

#[resilient(operation_name = "orders_async", timeout = "1s", max_attempts = 3)]
async fn orders_async(source: &Flaky<(), Fault>) -> Answer {
    tokio::task::yield_now().await;
    query(source)
}

#[resilient(
    operation_name = "silent",
    timeout = "1s",
    max_attempts = 2,
    deadline = "1500ms",
    base_delay = "100ms",
    jitter = false
)]
async fn silent() -> Answer {
    info_span!("query").in_scope(|| {});
    pending().await
}

#[resilient(operation_name = "answered", enable_timeout = false, max_attempts = 1, fallback_value = ())]
fn answered() -> Answer {
    Err(Fault::Down)
}

#[resilient(operation_name = "on_a_thread", timeout = "10s", timeout_mode = "thread", enable_retry = false)]
fn on_a_thread() -> Answer {
    info_span!("query").in_scope(|| Ok(()))
}

#[resilient(operation_name = "late", timeout = "10ms", timeout_mode = "thread", enable_retry = false)]
fn late(ends: mpsc::Receiver<()>) -> Answer {
    info_span!("query").in_scope(|| ends.recv().map_err(|_| Fault::Down))
}

#[resilient(
    operation_name = "raced",
    enable_timeout = false,
    max_attempts = 1,
    idempotent = true,
    hedge(delay = "10ms")
)]
async fn raced(source: &Flaky<(), Fault>) -> Answer {
    if query(source).is_ok() { Ok(()) } else { pending().await }
}

#[resilient(operation_name = "items", enable_timeout = false, max_attempts = 2, base_delay = 0)]
fn items(sources: std::sync::Arc<Flaky<(), Fault>>) -> BoxStream<'static, Result<u32, Fault>> {
    stream::iter(0..2).map(move |at| query(&sources).map(|()| at)).boxed()
}

fn in_scope(run: impl FnOnce()) -> String {
    let scope = Scope::new();
    let _inside = scope.enter();
    Traces::of(run)
}

/// Inside a paused runtime's scope, with the request that everything belongs to.
fn in_runtime<F: Future<Output = ()>>(run: impl FnOnce() -> F) -> String {
    let paused =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let traces = Traces::default();
    let scope = paused.block_on(async { Scope::new() });
    paused.block_on(scope.run(async { run().await }).with_subscriber(traces.subscriber()));
    traces.tree()
}

#[test]
fn a_call_is_a_span_with_one_for_each_attempt_and_the_bodys_own_spans_belong_to_it() {
    let tree = in_scope(|| info_span!("request").in_scope(|| orders(&down(1)).unwrap()));
    assert_eq!(
        tree,
        "\
request
  resilient.call attempts=2 operation=orders outcome=success reason=success
    ! retry scheduled
    ! call finished
    resilient.attempt attempt=1 error.type=transient outcome=failure ERROR
      ! attempt failed
      query
    resilient.attempt attempt=2 outcome=success
      ! attempt succeeded
      query
"
    );
}

#[test]
fn an_async_call_has_the_same_spans_and_its_waits_are_outside_of_its_attempts() {
    let tree = in_runtime(|| async { orders_async(&down(1)).await.unwrap() });
    assert_eq!(
        tree,
        "\
resilient.call attempts=2 operation=orders_async outcome=success reason=success
  ! retry scheduled
  ! call finished
  resilient.attempt attempt=1 error.type=transient outcome=failure ERROR
    ! attempt failed
    query
  resilient.attempt attempt=2 outcome=success
    ! attempt succeeded
    query
"
    );
}

#[test]
fn a_call_that_fails_says_so_and_why_and_an_opening_breaker_tells_in_the_attempt_that_opens_it() {
    let tree = in_scope(|| {
        assert_eq!(orders(&down(9)), Err(Fault::Down));
        assert_eq!(orders(&down(0)), Err(Fault::Refused(ErrorKind::CircuitOpen)));
        breaker("orders").unwrap().force_close();
        assert_eq!(orders(&Flaky::new().fail_times(1, || Fault::Caller)), Err(Fault::Caller));
    });
    let calls: Vec<_> = tree.lines().filter(|line| line.starts_with("resilient.call")).collect();
    assert_eq!(
        calls,
        [
            "resilient.call attempts=3 error.type=attempts operation=orders outcome=failure reason=attempts ERROR",
            "resilient.call attempts=0 error.type=circuit_open operation=orders outcome=refused reason=refused ERROR",
            "resilient.call attempts=1 operation=orders outcome=ignored reason=not_retryable",
        ]
    );
    let opened = "\
  resilient.attempt attempt=3 error.type=transient outcome=failure ERROR
    ! attempt failed
    ! circuit breaker opened
";
    assert!(tree.contains(opened), "{tree}");
    assert!(tree.contains("  resilient.attempt attempt=1 outcome=ignored\n"), "{tree}");
}

#[test]
fn an_attempt_that_is_cut_off_ends_there_by_its_limit_or_by_the_deadline() {
    let tree = in_runtime(|| async {
        assert_eq!(silent().await, Err(Fault::Refused(ErrorKind::DeadlineExceeded)));
    });
    assert_eq!(
        tree,
        "\
resilient.call attempts=2 error.type=deadline operation=silent outcome=failure reason=deadline ERROR
  ! retry scheduled
  ! call failed
  resilient.attempt attempt=1 error.type=timeout outcome=failure ERROR
    ! attempt timed out
    ! attempt failed
    query
  resilient.attempt attempt=2 error.type=deadline_exceeded outcome=failure ERROR
    ! attempt timed out
    query
"
    );
}

#[test]
fn a_call_that_is_dropped_ends_its_spans_as_cancelled() {
    let tree = in_runtime(|| async {
        tokio::time::timeout(Duration::from_millis(100), silent()).await.unwrap_err();
    });
    assert_eq!(
        tree,
        "\
resilient.call attempts=1 operation=silent outcome=cancelled reason=cancelled
  ! call finished
  resilient.attempt attempt=1 outcome=cancelled
    query
"
    );
}

#[test]
fn a_panic_ends_the_spans_and_leaves_none_entered() {
    let tree = in_scope(|| {
        let broken = Flaky::new().then_ok(|| panic!("on purpose"));
        catch_unwind(AssertUnwindSafe(|| orders(&broken))).unwrap_err();
        info_span!("afterwards").in_scope(|| {});
    });
    assert_eq!(
        tree,
        "\
resilient.call attempts=1 error.type=panicked operation=orders outcome=failure reason=panicked ERROR
  ! call failed
  resilient.attempt attempt=1 error.type=panicked outcome=failure ERROR
    query
afterwards
"
    );
}

#[test]
fn a_fallback_belongs_to_its_call_which_has_failed() {
    let tree = in_scope(|| answered().unwrap());
    let call = "resilient.call attempts=1 error.type=attempts fallback=true operation=answered outcome=failure \
                reason=attempts ERROR\n  ! call failed\n  ! fallback used\n";
    assert!(tree.starts_with(call), "{tree}");
}

#[test]
fn hedges_are_attempts_beside_each_other_and_those_that_lose_are_cancelled() {
    let tree = in_runtime(|| async { raced(&down(1)).await.unwrap() });
    assert_eq!(
        tree,
        "\
resilient.call attempts=2 operation=raced outcome=success reason=success
  ! hedge started
  ! call finished
  resilient.attempt attempt=1 outcome=cancelled
    query
  resilient.attempt attempt=2 outcome=success
    ! attempt succeeded
    query
"
    );
}

#[test]
fn a_body_on_a_worker_thread_is_in_its_attempt() {
    let traces = Traces::default();
    tracing::dispatcher::with_default(&traces.subscriber(), || on_a_thread().unwrap());
    assert_eq!(
        traces.tree(),
        "\
resilient.call attempts=1 operation=on_a_thread outcome=success reason=success
  ! call finished
  resilient.attempt attempt=1 outcome=success
    ! attempt succeeded
    query
"
    );
}

#[test]
fn a_body_that_is_given_up_on_its_thread_keeps_its_spans_open_until_it_ends_and_they_say_timeout() {
    let traces = Traces::default();
    let (end, ends) = mpsc::channel();
    tracing::dispatcher::with_default(&traces.subscriber(), || {
        assert_eq!(late(ends), Err(Fault::Refused(ErrorKind::Timeout)));
    });
    assert_eq!(traces.tree(), "");
    end.send(()).unwrap();
    // The thread closes them when it is through; how soon is the machine's affair.
    for _ in 0..10_000 {
        if traces.spans().len() == 3 {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(
        traces.tree(),
        "\
resilient.call attempts=1 error.type=attempts operation=late outcome=failure reason=attempts ERROR
  ! call failed
  resilient.attempt attempt=1 error.type=timeout outcome=failure ERROR
    ! attempt timed out
    ! attempt failed
    query
"
    );
}

#[test]
fn a_task_that_the_body_spawns_in_its_span_belongs_to_the_attempt() {
    use tracing::Instrument;

    let several =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let traces = Traces::default();
    let subscriber = traces.subscriber();
    let operation = ResilientOperation::builder("spawning").build().unwrap();
    let call = operation.call_async(async || {
        let work = async { info_span!("work").in_scope(|| Ok::<_, Fault>(())) };
        tokio::spawn(work.in_current_span().with_current_subscriber()).await.unwrap()
    });
    several.block_on(call.with_subscriber(subscriber)).unwrap();
    assert_eq!(
        traces.tree(),
        "\
resilient.call attempts=1 operation=spawning outcome=success reason=success
  ! call finished
  resilient.attempt attempt=1 outcome=success
    ! attempt succeeded
    work
"
    );
}

#[test]
fn a_call_inside_a_call_is_a_child_of_the_attempt_it_is_made_in() {
    let tree = in_scope(|| {
        let outer = ResilientOperation::builder("outer").build().unwrap();
        outer.call(|| orders(&down(0))).unwrap();
    });
    let depths: Vec<_> = tree
        .lines()
        .filter(|line| !line.contains('!'))
        .map(|line| line.len() - line.trim_start().len())
        .collect();
    assert_eq!(depths, [0, 2, 4, 6, 8], "{tree}");
}

#[tokio::test]
async fn a_streams_attempt_lasts_as_long_as_its_items_and_each_is_made_in_it() {
    let traces = Traces::default();
    let source = std::sync::Arc::new(down(1));
    let items = async { items(source).collect::<Vec<_>>().await }.with_subscriber(traces.subscriber()).await;
    assert_eq!(items, [Ok(0), Ok(1)]);
    assert_eq!(
        traces.tree(),
        "\
resilient.call attempts=2 operation=items outcome=success reason=success
  ! retry scheduled
  ! call finished
  resilient.attempt attempt=1 error.type=transient outcome=failure ERROR
    ! attempt failed
    query
  resilient.attempt attempt=2 outcome=success
    ! attempt succeeded
    query
    query
"
    );
}
