//! Calls that nobody watches, without a scope and without a listener, as in production: they go the quick way, on which most of
//! the layers are not even asked. Whatever happens to one counts as it does for all others.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use resilient::{Class, Classify, ResilienceError, breaker, resilient};

/// What a call does, attempt by attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Answers,
    FailsAtFirst,
    Fails,
    Panics,
    /// In the rule that judges its error.
    JudgePanics,
    /// In the copy of its argument, before there is an attempt.
    CopyPanics,
    /// Until it is called upon again.
    Waits,
    WaitsAndFails,
    WaitsAndPanics,
    /// Beyond its time limit.
    Stays,
}

use Act::*;

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("down")]
    Down(Act),
    #[error("{0}")]
    Refused(#[from] ResilienceError),
}

impl Classify for Fault {
    fn class(&self) -> Class {
        assert!(!matches!(self, Self::Down(JudgePanics)), "scripted, expected in the output");
        Class::Transient
    }
}

#[derive(Debug)]
struct Asked(Act);

impl Clone for Asked {
    fn clone(&self) -> Self {
        assert!(self.0 != CopyPanics, "scripted, expected in the output");
        Self(self.0)
    }
}

type Answer = Result<u32, Fault>;

fn answer(act: Act, attempt: u32) -> Answer {
    match act {
        Fails | JudgePanics | WaitsAndFails => Err(Fault::Down(act)),
        FailsAtFirst if attempt == 1 => Err(Fault::Down(act)),
        Panics | WaitsAndPanics => panic!("scripted, expected in the output"),
        _ => Ok(attempt),
    }
}

#[resilient(
    operation_name = "unwatched_sync",
    max_attempts = 2,
    base_delay = "1ms",
    failure_threshold = 1000,
    timeout = "50ms",
    timeout_mode = "deadline",
    clone(asked)
)]
fn in_place(asked: Asked, attempts: &AtomicU32) -> Answer {
    let attempt = attempts.fetch_add(1, Ordering::Relaxed) + 1;
    if asked.0 == Stays {
        std::thread::sleep(Duration::from_millis(60));
    }
    answer(asked.0, attempt)
}

#[resilient(
    operation_name = "unwatched_async",
    max_attempts = 2,
    base_delay = "1ms",
    failure_threshold = 1000,
    timeout = "50ms",
    clone(asked)
)]
async fn as_a_future(asked: Asked, attempts: &AtomicU32) -> Answer {
    let attempt = attempts.fetch_add(1, Ordering::Relaxed) + 1;
    let mut waits = matches!(asked.0, Waits | WaitsAndFails | WaitsAndPanics);
    poll_fn(|cx| {
        if asked.0 == Stays {
            return Poll::Pending;
        }
        cx.waker().wake_by_ref();
        if std::mem::take(&mut waits) { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    answer(asked.0, attempt)
}

/// Successes, failures and calls that came to nothing, as the breaker counts them.
fn counted(name: &str) -> [u64; 3] {
    let now = breaker(name).map(|breaker| breaker.snapshot());
    now.map_or([0; 3], |now| [now.successful_calls, now.failed_calls, now.abandoned_calls])
}

/// What a call adds to those counts, and how many attempts it makes.
fn adds(name: &str, call: impl FnOnce(&AtomicU32)) -> ([u64; 3], u32) {
    let (before, attempts) = (counted(name), AtomicU32::new(0));
    let _panicked = catch_unwind(AssertUnwindSafe(|| call(&attempts)));
    let after = counted(name);
    (std::array::from_fn(|at| after[at] - before[at]), attempts.into_inner())
}

/// What happens, what is counted, and the attempts that are made.
const ENDS: [(Act, [u64; 3], u32); 6] = [
    (Answers, [1, 0, 0], 1),
    (FailsAtFirst, [1, 1, 0], 2),
    (Fails, [0, 2, 0], 2),
    (Panics, [0, 1, 0], 1),
    (JudgePanics, [0, 0, 1], 1),
    (CopyPanics, [0, 0, 1], 0),
];

const ENDS_OF_WAITS: [(Act, [u64; 3], u32); 3] =
    [(Waits, [1, 0, 0], 1), (WaitsAndFails, [0, 2, 0], 2), (WaitsAndPanics, [0, 1, 0], 1)];

#[test]
fn a_call_on_this_thread_counts_whatever_happens_to_it() {
    assert!(in_place(Asked(Answers), &AtomicU32::new(0)).is_ok());
    for (act, count, attempts) in ENDS.into_iter().chain([(Stays, [0, 2, 0], 2)]) {
        let added = adds("unwatched_sync", |made| drop(in_place(Asked(act), made)));
        assert_eq!(added, (count, attempts), "{act:?}");
    }
}

#[test]
fn a_future_counts_whatever_happens_to_it() {
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime().block_on(async { assert!(as_a_future(Asked(Answers), &AtomicU32::new(0)).await.is_ok()) });
    let all = ENDS.into_iter().chain(ENDS_OF_WAITS).chain([(Stays, [0, 2, 0], 2)]);
    for (act, count, attempts) in all {
        let call = |made: &AtomicU32| drop(runtime().block_on(as_a_future(Asked(act), made)));
        assert_eq!(adds("unwatched_async", call), (count, attempts), "{act:?}");
    }
    // Dropped while it waits, it came to nothing; before its first poll nothing has begun.
    for (polls, count) in [(0, [0, 0, 0]), (1, [0, 0, 1]), (2, [0, 0, 1])] {
        let call = |made: &AtomicU32| {
            let runtime = runtime();
            let _inside = runtime.enter();
            let (mut future, mut cx) =
                (pin!(as_a_future(Asked(Stays), made)), Context::from_waker(Waker::noop()));
            (0..polls).for_each(|_| assert!(future.as_mut().poll(&mut cx).is_pending()));
        };
        assert_eq!(adds("unwatched_async", call).0, count, "dropped after {polls}");
    }
}
