//! The paths that are measured: one plain or guarded call each.

use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use resilient::{
    BreakerConfig, CircuitBreaker, ResilienceConfig, ResilienceError, ResilientOperation, bulkhead,
    circuit_breaker, hedge, rate_limit, resilient, track_service_health, with_timeout,
};

/// One way through the library.
pub struct Path {
    pub name: &'static str,
    /// Makes so many calls.
    pub run: fn(u32),
    /// The path that does the same without the library.
    pub plain: Option<&'static str>,
    pub allocates_nothing: bool,
    /// No other thread has a part in it.
    pub alone: bool,
}

/// Paths that are also measured from two threads.
pub const CONTENDED: &[&str] = &[
    "sync breaker",
    "async full",
    "permit",
    "sync count window",
    "sync time window",
    "sync refused",
    "sync bulkhead",
    "sync rate limit",
    "sync breaker by key",
];

macro_rules! paths {
    ($($name:literal $(over $plain:literal)? $(, $allocates:ident)?: $call:expr;)+) => {
        pub const PATHS: &[Path] = &[$(Path {
            name: $name,
            run: |calls| {
                for n in 0..calls {
                    let _ = black_box($call(black_box(n)));
                }
            },
            plain: paths!(@plain $($plain)?),
            allocates_nothing: paths!(@nothing $($allocates)?),
            alone: paths!(@alone $($allocates)?),
        }),+];
    };
    (@plain $plain:literal) => { Some($plain) };
    (@plain) => { None };
    (@nothing $word:ident) => { false };
    (@nothing) => { true };
    (@alone on_another_thread) => { false };
    (@alone $($word:ident)?) => { true };
}

/// Polls a future where it is made, as `.await` does: not one more copy of it than there has to be.
macro_rules! ready {
    ($future:expr) => {
        match pin!($future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => unreachable!("the body waits for nothing"),
        }
    };
}

macro_rules! pending_once {
    ($future:expr) => {{
        let (mut future, mut cx) = (pin!($future), Context::from_waker(Waker::noop()));
        assert!(future.as_mut().poll(&mut cx).is_pending());
        match future.poll(&mut cx) {
            Poll::Ready(output) => output,
            Poll::Pending => unreachable!("the body waits once"),
        }
    }};
}

paths! {
    "sync plain": plain;
    "sync breaker" over "sync plain": closed;
    "sync plain, small": plain_small;
    "sync breaker, small" over "sync plain, small": closed_small;
    "sync full in place" over "sync plain": in_place;
    "sync ignored" over "sync plain": ignored;
    "sync failing" over "sync plain": failing;
    "sync count window" over "sync plain": count_window;
    "sync count window, one in 20 fails" over "sync plain": count_window_flaky;
    "sync time window" over "sync plain": time_window;
    "sync refused" over "sync plain": refused;
    "sync half-open" over "sync plain": half_open;
    "sync deadline mode" over "sync plain": late;
    "sync thread mode" over "sync plain", on_another_thread: on_thread;
    "sync health" over "sync plain": tracked;
    "sync bulkhead" over "sync plain": isolated;
    "sync rate limit" over "sync plain": throttled;
    "sync fallback unused" over "sync plain": with_fallback;
    "sync breaker by key" over "sync plain", allocates: |n| by_key(n & 0xff, n);
    "sync operation in code" over "sync plain": |n| IN_CODE.call(|| plain(n));
    "permit": permit;
    "clock reading": |_| crate::harness::now();
    "look-up": |_| resilient::breaker("bench.closed");
    "async plain": |n| ready!(plain_async(n));
    "async breaker" over "async plain": |n| ready!(closed_async(n));
    "async full" over "async plain": |n| ready!(full(n));
    "async plain, small": |n| ready!(plain_small_async(n));
    "async full, small" over "async plain, small": |n| ready!(full_small(n));
    "async hedge" over "async plain": |n| ready!(hedged(n));
    "async bulkhead, rate limit and full" over "async plain": |n| ready!(everything(n));
    "async operation in code" over "async plain": |n| ready!(IN_CODE.call_async(|| plain_async(n)));
    "async full, refused" over "async plain": |n| ready!(refused_async(n));
    "async plain, pending once": |n| pending_once!(plain_waiting(n));
    "async full, pending once" over "async plain, pending once": |n| pending_once!(full_waiting(n));
}

#[derive(Debug)]
pub enum Fault {
    Own,
    Caller,
    Refused(ResilienceError),
}

impl From<ResilienceError> for Fault {
    fn from(error: ResilienceError) -> Self {
        Self::Refused(error)
    }
}

type Answer = Result<u32, Fault>;

#[inline(never)]
#[allow(clippy::unnecessary_wraps, reason = "the shape of the guarded functions")]
fn plain(n: u32) -> Answer {
    Ok(n)
}

#[circuit_breaker(name = "bench.closed")]
#[inline(never)]
fn closed(n: u32) -> Answer {
    Ok(n)
}

/// An error that keeps nothing of a refusal but that it was one: what is copied is two words then, not eight.
#[derive(Debug)]
pub struct Refused;

impl From<ResilienceError> for Refused {
    fn from(_: ResilienceError) -> Self {
        Self
    }
}

#[inline(never)]
#[allow(clippy::unnecessary_wraps, reason = "the shape of the guarded functions")]
fn plain_small(n: u32) -> Result<u32, Refused> {
    Ok(n)
}

#[circuit_breaker(name = "bench.closed_small")]
#[inline(never)]
fn closed_small(n: u32) -> Result<u32, Refused> {
    Ok(n)
}

#[resilient(operation_name = "bench.in_place", enable_timeout = false)]
#[inline(never)]
fn in_place(n: u32) -> Answer {
    Ok(n)
}

#[circuit_breaker(name = "bench.ignored", ignore = Fault::Caller)]
#[inline(never)]
fn ignored(_n: u32) -> Answer {
    Err(Fault::Caller)
}

#[circuit_breaker(name = "bench.failing", failure_threshold = "off")]
#[inline(never)]
fn failing(_n: u32) -> Answer {
    Err(Fault::Own)
}

#[circuit_breaker(name = "bench.count", failure_rate = 0.5, window = 100)]
#[inline(never)]
fn count_window(n: u32) -> Answer {
    Ok(n)
}

#[circuit_breaker(name = "bench.count_flaky", failure_rate = 0.5, window = 100)]
#[inline(never)]
fn count_window_flaky(n: u32) -> Answer {
    if n.is_multiple_of(20) { Err(Fault::Own) } else { Ok(n) }
}

#[circuit_breaker(name = "bench.time", failure_rate = 0.5, window = "30s")]
#[inline(never)]
fn time_window(n: u32) -> Answer {
    Ok(n)
}

#[circuit_breaker(name = "bench.open")]
#[inline(never)]
fn refused(n: u32) -> Answer {
    Ok(n)
}

#[circuit_breaker(name = "bench.half_open", success_threshold = 1_000_000_000, half_open_max_calls = 2)]
#[inline(never)]
fn half_open(n: u32) -> Answer {
    Ok(n)
}

#[with_timeout("10s", timeout_mode = "deadline", operation_name = "bench.late")]
#[inline(never)]
fn late(n: u32) -> Answer {
    Ok(n)
}

#[with_timeout("10s", timeout_mode = "thread", operation_name = "bench.on_thread")]
#[inline(never)]
fn on_thread(n: u32) -> Answer {
    Ok(n)
}

#[track_service_health("bench.service")]
#[inline(never)]
fn tracked(n: u32) -> Answer {
    Ok(n)
}

#[bulkhead(name = "bench.bulkhead")]
#[inline(never)]
fn isolated(n: u32) -> Answer {
    Ok(n)
}

#[rate_limit(name = "bench.rate", rate = 1_000_000_000, per = "1s")]
#[inline(never)]
fn throttled(n: u32) -> Answer {
    Ok(n)
}

#[circuit_breaker(name = "bench.fallback", fallback = plain)]
#[inline(never)]
fn with_fallback(n: u32) -> Answer {
    Ok(n)
}

#[circuit_breaker(name = "bench.keyed", key = tenant)]
#[inline(never)]
fn by_key(tenant: u32, n: u32) -> Answer {
    Ok(n)
}

/// Retry, breaker and time limit, as `async full`.
static IN_CODE: LazyLock<ResilientOperation> = LazyLock::new(|| {
    let config = ResilienceConfig::new("bench.in_code").timeout("1h");
    config.build().expect("the defaults are right")
});

fn permit(_n: u32) {
    if let Ok(permit) = BY_HAND.try_acquire() {
        permit.success();
    }
}

static BY_HAND: LazyLock<CircuitBreaker> = LazyLock::new(|| {
    CircuitBreaker::new("bench.by_hand", BreakerConfig::new()).expect("the defaults are right")
});

#[inline(never)]
#[allow(clippy::unused_async, reason = "the shape of the guarded functions")]
async fn plain_async(n: u32) -> Answer {
    Ok(n)
}

#[circuit_breaker(name = "bench.closed_async")]
#[inline(never)]
async fn closed_async(n: u32) -> Answer {
    Ok(n)
}

#[resilient(operation_name = "bench.full")]
#[inline(never)]
async fn full(n: u32) -> Answer {
    Ok(n)
}

#[inline(never)]
#[allow(clippy::unused_async, reason = "the shape of the guarded functions")]
async fn plain_small_async(n: u32) -> Result<u32, Refused> {
    Ok(n)
}

#[resilient(operation_name = "bench.full_small")]
#[inline(never)]
async fn full_small(n: u32) -> Result<u32, Refused> {
    Ok(n)
}

#[hedge(delay = "1s", idempotent = true)]
#[inline(never)]
async fn hedged(n: u32) -> Answer {
    Ok(n)
}

#[resilient(operation_name = "bench.everything", bulkhead, rate_limit(rate = 1_000_000_000, per = "1s"))]
#[inline(never)]
async fn everything(n: u32) -> Answer {
    Ok(n)
}

#[resilient(operation_name = "bench.open_async")]
#[inline(never)]
async fn refused_async(n: u32) -> Answer {
    Ok(n)
}

#[inline(never)]
async fn plain_waiting(n: u32) -> Answer {
    Once(false).await;
    Ok(n)
}

#[resilient(operation_name = "bench.waiting")]
#[inline(never)]
async fn full_waiting(n: u32) -> Answer {
    Once(false).await;
    Ok(n)
}

/// A future of the size that real ones have.
async fn plain_large(n: u32) -> Answer {
    let large = black_box([n; 32]);
    Once(false).await;
    Ok(large[3])
}

#[circuit_breaker(name = "bench.large_breaker")]
async fn breaker_large(n: u32) -> Answer {
    let large = black_box([n; 32]);
    Once(false).await;
    Ok(large[3])
}

#[resilient(operation_name = "bench.large")]
async fn full_large(n: u32) -> Answer {
    let large = black_box([n; 32]);
    Once(false).await;
    Ok(large[3])
}

/// Name, bytes, and the bytes of the same future without the library.
pub fn future_sizes() -> Vec<(&'static str, usize, usize)> {
    let (small, large) = (size_of_val(&plain_async(0)), size_of_val(&plain_large(0)));
    vec![
        ("plain, nothing in it", small, small),
        ("breaker, nothing in it", size_of_val(&closed_async(0)), small),
        ("retry, breaker, timeout, nothing in it", size_of_val(&full(0)), small),
        ("hedge, nothing in it", size_of_val(&hedged(0)), small),
        ("bulkhead, rate limit, retry, breaker, timeout", size_of_val(&everything(0)), small),
        ("plain, 128 bytes in it", large, large),
        ("breaker, 128 bytes in it", size_of_val(&breaker_large(0)), large),
        ("retry, breaker, timeout, 128 bytes in it", size_of_val(&full_large(0)), large),
    ]
}

/// Waiting at the first poll, there at the second.
struct Once(bool);

impl Future for Once {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Puts the breakers into the states that are measured; makes sure that they are.
pub fn prepare() {
    let breaker = |name| resilient::breaker(name).expect("a function above names it");
    for name in ["bench.open", "bench.open_async"] {
        breaker(name).open_for(Duration::from_hours(24));
    }
    breaker("bench.half_open").open();
    breaker("bench.half_open").half_open().expect("it is open");
    assert!(matches!(refused(1), Err(Fault::Refused(error)) if error.is_circuit_open()));
    assert!(matches!(half_open(1), Ok(1)));
    assert!(matches!(on_thread(1), Ok(1)));
    watch();
}

/// Puts in use what was built in besides.
fn watch() {
    #[cfg(feature = "metrics-installed")]
    {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new();
        let recorder = recorder.set_buckets(&resilient::metrics::DURATION_BUCKETS).expect("there are some");
        resilient::metrics::install_with(recorder.build_recorder()).forever();
    }
    #[cfg(feature = "spans-wanted")]
    {
        use tracing::level_filters::LevelFilter;
        use tracing_subscriber::layer::SubscriberExt;

        let subscriber = tracing_subscriber::registry().with(LevelFilter::INFO);
        tracing::subscriber::set_global_default(subscriber).expect("nobody else has one");
    }
}
