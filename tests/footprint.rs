//! What a guarded call takes: nothing from the heap where every layer lets it through at once, and little of its future.
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use resilient::{ResilienceError, circuit_breaker, resilient};

struct Counting;

thread_local! {
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.set(TAKEN.get() + 1);
        // SAFETY: the caller's promise is the system allocator's condition.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

macro_rules! hedged {
    ($name:ident, $operation:literal, $($layers:tt)*) => {
        #[resilient(operation_name = $operation, idempotent = true, $($layers)*)]
        async fn $name(answer: u64) -> Result<u64, ResilienceError> {
            Ok(answer)
        }
    };
}

hedged!(plain, "allocations_plain", max_attempts = 1, hedge(delay = "10ms"));
hedged!(measured, "allocations_measured", max_attempts = 1, hedge(delay = "p95"));
hedged!(
    full,
    "allocations_full",
    hedge(delay = "10ms"),
    max_attempts = 3,
    timeout = "1s",
    deadline = "10s",
    breaker_scope = "call",
    bulkhead(max_concurrent = 10, max_queue = 10),
    rate_limit(rate = 1_000_000, burst = 1_000_000)
);

/// What `CALLS` calls take, polled once each without a runtime, after some that warm up.
macro_rules! taken_by {
    ($name:ident) => {{
        const CALLS: u64 = 1_000;
        let calls = || {
            for answer in 0..CALLS {
                let polled = pin!($name(answer)).poll(&mut Context::from_waker(Waker::noop()));
                assert!(matches!(polled, Poll::Ready(Ok(same)) if same == answer));
            }
        };
        calls();
        let before = TAKEN.get();
        calls();
        TAKEN.get() - before
    }};
}

#[test]
fn a_hedged_call_that_is_answered_at_once_allocates_nothing() {
    assert_eq!((taken_by!(plain), taken_by!(measured), taken_by!(full)), (0, 0, 0));
}

#[resilient(
    operation_name = "allocations_sync",
    enable_timeout = false,
    max_attempts = 3,
    bulkhead(max_concurrent = 10, max_queue = 10),
    rate_limit(rate = 1_000_000, burst = 1_000_000)
)]
fn blocking(answer: u64) -> Result<u64, ResilienceError> {
    Ok(answer)
}

#[test]
fn a_thread_that_every_layer_lets_through_allocates_nothing() {
    let taken_by = |calls: u64| {
        let before = TAKEN.get();
        assert!((0..calls).all(|answer| blocking(answer).is_ok_and(|same| same == answer)));
        TAKEN.get() - before
    };
    taken_by(10);
    assert_eq!(taken_by(1_000), 0);
}

/// Ready when it is polled again.
#[resilient(operation_name = "allocations_waiting")]
async fn waiting(answer: u64) -> Result<u64, ResilienceError> {
    let mut polled = false;
    poll_fn(|_| if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }).await;
    Ok(answer)
}

#[test]
fn a_call_that_waits_takes_the_place_of_one_that_has_waited() {
    let timers = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _inside = timers.enter();
    let taken_by = |calls: u64| {
        let before = TAKEN.get();
        for answer in 0..calls {
            let mut call = pin!(waiting(answer));
            let mut polled = || call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled().is_pending());
            assert!(matches!(polled(), Poll::Ready(Ok(same)) if same == answer));
        }
        TAKEN.get() - before
    };
    taken_by(10);
    assert_eq!(taken_by(1_000), 0);
}

/// What the guarded function's future is larger than the plain one's.
macro_rules! larger_by {
    ($($guard:tt)*) => {{
        #[allow(clippy::unused_async, reason = "the shape of the guarded functions")]
        async fn plain(n: u32) -> Result<u32, ResilienceError> {
            Ok(n)
        }
        $($guard)*
        async fn guarded(n: u32) -> Result<u32, ResilienceError> {
            Ok(n)
        }
        size_of_val(&guarded(0)) - size_of_val(&plain(0))
    }};
}

#[test]
fn a_future_is_larger_by_80_bytes_for_a_breaker_and_by_96_for_retries_and_a_time_limit_besides() {
    // A word for what the attempt has to suffer, where faults on purpose are built in; one for when the call began, where
    // that may be asked for; one for spans.
    let words = [cfg!(feature = "chaos"), cfg!(feature = "metrics"), cfg!(feature = "spans")];
    let room = words.into_iter().filter(|built_in| *built_in).count() * size_of::<usize>();
    assert!(larger_by!(#[circuit_breaker(name = "footprint_breaker")]) <= 80 + room);
    assert!(larger_by!(#[resilient(operation_name = "footprint_full")]) <= 96 + room);
}
