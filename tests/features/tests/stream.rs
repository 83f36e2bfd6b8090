//! Guarded functions that return a stream: retried until their first item, counted at their end.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;
use futures_core::stream::BoxStream;
use resilient::testing::Scope;
use resilient::{
    BreakerSnapshot, EventKind, ResilienceError, StopReason, breaker, bulkhead, circuit_breaker, operations,
    resilient, retry_with_backoff, service_health, track_service_health, with_timeout,
};
use tokio::time::Sleep;

#[derive(Debug, PartialEq, thiserror::Error)]
enum Fault {
    #[error("down")]
    Down,
    #[error("no such topic")]
    NoSuchTopic,
    #[error("{0}")]
    Refused(String),
}

impl From<ResilienceError> for Fault {
    fn from(refused: ResilienceError) -> Self {
        Self::Refused(refused.to_string())
    }
}

type Item = Result<u32, Fault>;

/// What a stream does, step by step; `end` where the script is over.
#[derive(Clone, Copy, Debug)]
enum Step {
    Give(u32),
    Fail,
    Unknown,
    Wait(u64),
    Hang,
    Panic,
}
use Step::{Fail, Give, Hang, Panic, Unknown, Wait};

/// Plays one script per time it is begun; the last one again and again.
#[derive(Clone, Debug)]
struct Topic {
    scripts: Arc<Mutex<VecDeque<Vec<Step>>>>,
    begun: Arc<AtomicU32>,
    alive: Arc<()>,
}

impl Topic {
    fn new<const N: usize>(scripts: [&[Step]; N]) -> Self {
        let scripts = scripts.iter().map(|script| script.to_vec()).collect();
        Self { scripts: Arc::new(Mutex::new(scripts)), begun: Arc::default(), alive: Arc::default() }
    }

    fn begin(&self) -> Play {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let mut scripts = self.scripts.lock().unwrap();
        let script = if scripts.len() > 1 { scripts.pop_front() } else { scripts.front().cloned() };
        Play { steps: script.unwrap().into(), sleep: None, _alive: Arc::clone(&self.alive) }
    }

    fn begun(&self) -> u32 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Streams that nobody has dropped yet.
    fn alive(&self) -> usize {
        Arc::strong_count(&self.alive) - 1
    }
}

struct Play {
    steps: VecDeque<Step>,
    sleep: Option<Pin<Box<Sleep>>>,
    _alive: Arc<()>,
}

impl Stream for Play {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                std::task::ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            return match self.steps.pop_front() {
                None => Poll::Ready(None),
                Some(Give(value)) => Poll::Ready(Some(Ok(value))),
                Some(Fail) => Poll::Ready(Some(Err(Fault::Down))),
                Some(Unknown) => Poll::Ready(Some(Err(Fault::NoSuchTopic))),
                Some(Wait(millis)) => {
                    self.sleep = Some(Box::pin(tokio::time::sleep(Duration::from_millis(millis))));
                    continue;
                }
                Some(Hang) => {
                    self.steps.push_front(Hang);
                    Poll::Pending
                }
                Some(Panic) => panic!("a panic on purpose"),
            };
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.steps.len(), Some(self.steps.len()))
    }
}

async fn next<S: Stream>(stream: &mut Pin<&mut S>) -> Option<S::Item> {
    poll_fn(|cx| stream.as_mut().poll_next(cx)).await
}

async fn all<S: Stream>(stream: S) -> Vec<S::Item> {
    let mut stream = pin!(stream);
    let mut items = Vec::new();
    while let Some(item) = next(&mut stream).await {
        items.push(item);
    }
    assert!(next(&mut stream).await.is_none(), "an end is an end");
    items
}

fn refused(text: &str) -> Item {
    Err(Fault::Refused(text.to_owned()))
}

fn of(name: &str) -> BreakerSnapshot {
    breaker(name).unwrap().snapshot()
}

/// Successes and failures that the breaker saw.
fn seen(name: &str) -> (u64, u64) {
    let snapshot = of(name);
    (snapshot.successful_calls, snapshot.failed_calls)
}

fn ending(scope: &Scope) -> Option<StopReason> {
    scope.events().iter().rev().find_map(|event| match event.kind {
        EventKind::Finished { reason, .. } => Some(reason),
        _ => None,
    })
}

#[resilient(operation_name = "streams", max_attempts = 3, base_delay = "1s", jitter = false, timeout = "10s")]
fn events(topic: &Topic) -> impl Stream<Item = Item> + Send {
    topic.begin()
}

#[tokio::test(start_paused = true)]
async fn it_is_begun_again_until_it_has_a_first_item() {
    let scope = Scope::new();
    let topic = Topic::new([&[Fail], &[Wait(5), Fail, Give(9)], &[Give(1), Wait(5), Give(2)]]);
    let items = scope.run(all(events(&topic))).await;
    assert_eq!(items, [Ok(1), Ok(2)]);
    assert_eq!((topic.begun(), topic.alive()), (3, 0));
    assert_eq!(ending(&scope), Some(StopReason::Success));
    scope.run(async { assert_eq!(seen("streams"), (1, 2)) }).await;
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_s_first_error_is_handed_out_and_so_is_what_follows_it() {
    let scope = Scope::new();
    let topic = Topic::new([&[Fail, Give(7), Fail]]);
    let items = scope.run(all(events(&topic))).await;
    assert_eq!(items, [Err(Fault::Down), Ok(7), Err(Fault::Down)]);
    assert_eq!(topic.begun(), 3);
    assert_eq!(ending(&scope), Some(StopReason::Attempts));
    scope.run(async { assert_eq!(seen("streams"), (0, 3)) }).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_tried_again_after_an_item_was_handed_out() {
    let scope = Scope::new();
    let topic = Topic::new([&[Give(1), Fail, Give(2)]]);
    let items = scope.run(all(events(&topic))).await;
    assert_eq!(items, [Ok(1), Err(Fault::Down), Ok(2)]);
    assert_eq!(topic.begun(), 1);
    assert_eq!(ending(&scope), Some(StopReason::NotRetryable));
    scope.run(async { assert_eq!(seen("streams"), (0, 1)) }).await;
}

#[tokio::test(start_paused = true)]
async fn an_empty_stream_is_a_success() {
    let scope = Scope::new();
    let topic = Topic::new([&[]]);
    assert_eq!(scope.run(all(events(&topic))).await, []);
    scope.run(async { assert_eq!(seen("streams"), (1, 0)) }).await;
    assert_eq!(ending(&scope), Some(StopReason::Success));
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_has_read_enough_is_a_success_and_one_who_waited_in_vain_is_none() {
    let scope = Scope::new();
    scope
        .run(async {
            let topic = Topic::new([&[Give(1), Hang]]);
            {
                let mut stream = pin!(events(&topic));
                assert_eq!(next(&mut stream).await, Some(Ok(1)));
                assert!(poll(&mut stream).is_pending());
                assert_eq!(seen("streams"), (0, 0));
            }
            assert_eq!((seen("streams"), topic.alive()), ((1, 0), 0));
            let topic = Topic::new([&[Hang]]);
            {
                let mut stream = pin!(events(&topic));
                assert!(poll(&mut stream).is_pending());
            }
            assert_eq!((seen("streams"), topic.alive()), ((1, 0), 0));
            drop(events(&topic));
            assert_eq!(topic.begun(), 1);
        })
        .await;
    assert_eq!(ending(&scope), Some(StopReason::Cancelled));
}

fn poll<S: Stream>(stream: &mut Pin<&mut S>) -> Poll<Option<S::Item>> {
    stream.as_mut().poll_next(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn the_attempt_s_time_limit_is_for_the_first_item_alone() {
    let scope = Scope::new();
    let topic = Topic::new([&[Wait(20_000), Give(1)], &[Wait(9_000), Give(2), Wait(60_000), Give(3)]]);
    assert_eq!(scope.run(all(events(&topic))).await, [Ok(2), Ok(3)]);
    let topic = Topic::new([&[Hang]]);
    let items = scope.run(all(events(&topic))).await;
    assert_eq!(items, [refused("'streams' timed out after 10 s")]);
    assert_eq!((topic.begun(), topic.alive()), (3, 0));
}

#[with_timeout("1s", deadline = "3s", operation_name = "stream_deadline")]
#[circuit_breaker]
fn limited(topic: Topic) -> BoxStream<'static, Item> {
    Box::pin(topic.begin())
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_for_the_whole_stream() {
    let scope = Scope::new();
    let topic = Topic::new([&[Give(1), Wait(2_000), Give(2), Wait(2_000), Give(3)]]);
    let items = scope.run(all(limited(topic.clone()))).await;
    assert_eq!(items, [Ok(1), Ok(2), refused("'stream_deadline' passed its deadline of 3 s")]);
    assert_eq!(topic.alive(), 0);
    assert_eq!(ending(&scope), Some(StopReason::Deadline));
    scope.run(async { assert_eq!(seen("stream_deadline"), (0, 1)) }).await;
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_is_late_meets_the_deadline_too() {
    let scope = Scope::new();
    let items = scope
        .run(async {
            let topic = Topic::new([&[Give(1), Give(2)]]);
            let mut stream = pin!(limited(topic));
            let first = next(&mut stream).await;
            tokio::time::sleep(Duration::from_secs(4)).await;
            [first, next(&mut stream).await, next(&mut stream).await]
        })
        .await;
    assert_eq!(items, [Some(Ok(1)), Some(refused("'stream_deadline' passed its deadline of 3 s")), None]);
}

#[bulkhead(max_concurrent = 1, name = "stream_slot")]
fn one_at_a_time(topic: &Topic) -> impl Stream<Item = Item> {
    topic.begin()
}

#[tokio::test(start_paused = true)]
async fn its_slot_is_taken_to_the_end() {
    let scope = Scope::new();
    scope
        .run(async {
            let topic = Topic::new([&[Give(1), Give(2)]]);
            let mut first = pin!(one_at_a_time(&topic));
            assert_eq!(next(&mut first).await, Some(Ok(1)));
            let second = all(one_at_a_time(&topic)).await;
            assert!(matches!(second.as_slice(), [Err(Fault::Refused(full))] if full.contains("stream_slot")));
            assert_eq!(next(&mut first).await, Some(Ok(2)));
            assert_eq!(next(&mut first).await, None);
            assert_eq!(all(one_at_a_time(&topic)).await.len(), 2);
            {
                let mut half = pin!(one_at_a_time(&topic));
                assert_eq!(next(&mut half).await, Some(Ok(1)));
            }
            assert_eq!(all(one_at_a_time(&topic)).await.len(), 2);
        })
        .await;
}

#[circuit_breaker(name = "stream_rules", failure_threshold = 1, ignore = Fault::NoSuchTopic)]
#[retry_with_backoff(max_retries = 3, base_delay = "1ms", retry_on = Fault::Down)]
#[track_service_health("stream_service", min_samples = 1)]
fn ruled(topic: &Topic) -> Pin<Box<dyn Stream<Item = Item> + Send + '_>> {
    Box::pin(topic.begin())
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_refuses_with_one_item_and_begins_nothing() {
    let scope = Scope::new();
    scope
        .run(async {
            let unknown = Topic::new([&[Unknown]]);
            assert_eq!(all(ruled(&unknown)).await, [Err(Fault::NoSuchTopic)]);
            assert_eq!((unknown.begun(), seen("stream_rules")), (1, (0, 0)));
            let topic = Topic::new([&[Give(1), Fail]]);
            assert_eq!(all(ruled(&topic)).await, [Ok(1), Err(Fault::Down)]);
            let items = all(ruled(&topic)).await;
            assert!(matches!(items.as_slice(), [Err(Fault::Refused(open))] if open.contains("is open")));
            assert_eq!(topic.begun(), 1);
            assert_eq!(service_health("stream_service").unwrap().metrics().statistics.total_count, 2);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_wherever_it_happens() {
    let scope = Scope::new();
    scope
        .run(async {
            for (script, items) in [(&[Panic] as &[Step], 0), (&[Give(1), Panic], 1)] {
                let topic = Topic::new([script]);
                let before = seen("streams").1;
                let panicked = catch_unwind(AssertUnwindSafe(|| {
                    let mut stream = pin!(events(&topic));
                    for _ in 0..=items {
                        assert!(poll(&mut stream).is_ready());
                    }
                }));
                assert!(panicked.is_err());
                assert_eq!((seen("streams").1, topic.alive()), (before + 1, 0));
            }
        })
        .await;
    assert_eq!(ending(&scope), Some(StopReason::Panicked));
}

#[tokio::test(start_paused = true)]
async fn a_reader_may_leave_at_every_wait() {
    let script: &[Step] = &[Wait(10), Fail];
    let last: &[Step] = &[Wait(10), Give(1), Wait(10), Give(2), Wait(10)];
    for polls in 0..12 {
        let scope = Scope::new();
        scope
            .run(async {
                let topic = Topic::new([script, last]);
                {
                    let mut stream = pin!(events(&topic));
                    for _ in 0..polls {
                        let _ = poll(&mut stream);
                        tokio::time::sleep(Duration::from_secs(2)).await;
                    }
                }
                assert_eq!(topic.alive(), 0);
                let counts = of("streams");
                assert!(counts.successful_calls <= 1 && counts.failed_calls <= 1, "{counts:?}");
            })
            .await;
        let finished =
            scope.events().iter().filter(|event| matches!(event.kind, EventKind::Finished { .. })).count();
        assert_eq!(finished, usize::from(polls > 0));
    }
}

#[tokio::test(start_paused = true)]
async fn how_many_items_may_come_is_said_once_it_is_known() {
    let scope = Scope::new();
    scope
        .run(async {
            let topic = Topic::new([&[Give(1), Give(2), Give(3)]]);
            let mut stream = pin!(events(&topic));
            assert_eq!(stream.size_hint(), (0, None));
            assert!(next(&mut stream).await.is_some());
            assert_eq!(stream.size_hint(), (2, Some(2)));
            let mut cut = pin!(limited(topic.clone()));
            assert!(next(&mut cut).await.is_some());
            assert_eq!(cut.size_hint(), (0, Some(3)));
            assert_eq!(all(stream).await.len(), 2);
        })
        .await;
}

#[resilient(operation_name = "stream_copies", base_delay = "1ms", clone(prefix), key = prefix)]
fn copies(prefix: String, mut from: u32, topic: &Topic) -> impl Stream<Item = Result<String, Fault>> + '_ {
    from += 1;
    let (start, mut play) = (format!("{prefix}{from}"), Box::pin(topic.begin()));
    FromFn(move |cx: &mut Context<'_>| {
        let item = std::task::ready!(play.as_mut().poll_next(cx));
        Poll::Ready(item.map(|item| item.map(|value| format!("{start}:{value}"))))
    })
}

struct FromFn<F>(F);

impl<T, F: FnMut(&mut Context<'_>) -> Poll<Option<T>> + Unpin> Stream for FromFn<F> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        (self.0)(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn every_attempt_has_arguments_of_its_own() {
    let scope = Scope::new();
    let topic = Topic::new([&[Fail], &[Give(4)]]);
    let items = scope.run(all(copies("a".to_owned(), 1, &topic))).await;
    assert_eq!(items, [Ok("a2:4".to_owned())]);
}

#[test]
fn it_goes_to_other_threads_where_its_parts_do() {
    fn goes<S: Stream + Send>(_: &S) {}
    let topic = Topic::new([&[]]);
    goes(&events(&topic));
    goes(&limited(topic.clone()));
    goes(&copies("a".to_owned(), 1, &topic));
}

struct Feed(Topic);

#[retry_with_backoff(max_retries = 1, base_delay = "1ms", exhausted = "error")]
impl Feed {
    fn stream(&self) -> impl Stream<Item = Result<u32, Fault>> {
        self.0.begin()
    }

    #[resilient(enable_retry = false, timeout = "1s")]
    fn once(self) -> BoxStream<'static, Item> {
        let Self(topic) = self;
        Box::pin(topic.begin())
    }
}

#[tokio::test(start_paused = true)]
async fn a_guarded_block_guards_its_streams_too() {
    let scope = Scope::new();
    let feed = Feed(Topic::new([&[Fail], &[Give(1)]]));
    assert_eq!(scope.run(all(feed.stream())).await, [Ok(1)]);
    let feed = Feed(Topic::new([&[Hang]]));
    assert_eq!(scope.run(all(feed.once())).await.len(), 1);
    let stream = operations().into_iter().find(|known| known.function.ends_with("::Feed::stream")).unwrap();
    assert!(stream.is_async);
}
