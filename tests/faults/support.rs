//! What the sections share: one error, one way to call sync and async functions, and a watchdog.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{BreakerConfig, CircuitBreaker, ErrorKind, EventKind, OFF, ResilienceError, State};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("down")]
    Down,
    /// The caller's own.
    #[error("not found")]
    NotFound,
    #[error("refused: {0}")]
    Refused(ErrorKind),
}

impl From<ResilienceError> for Fault {
    fn from(refused: ResilienceError) -> Self {
        Self::Refused(refused.kind())
    }
}

pub(crate) type Answer = Result<(), Fault>;

/// How a call goes out of its layers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Exit {
    Success,
    Failure,
    Ignored,
    Dropped,
    Panic,
    /// By a layer further in.
    Refused,
}

/// Ends as it is told, unless it is to be dropped.
pub(crate) fn end(exit: Exit) -> Answer {
    match exit {
        Exit::Success | Exit::Dropped | Exit::Refused => Ok(()),
        Exit::Failure => Err(Fault::Down),
        Exit::Ignored => Err(Fault::NotFound),
        Exit::Panic => blow_up(),
    }
}

/// Panics without a word.
pub(crate) fn blow_up() -> ! {
    std::panic::resume_unwind(Box::new("scripted"))
}

/// Polls once.
pub(crate) fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// The answer of what waits for nobody: on the clock of a scope made outside a runtime, waits pass at once.
#[track_caller]
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    for _ in 0..100_000 {
        if let Poll::Ready(answer) = poll(future.as_mut()) {
            return answer;
        }
    }
    panic!("it waits for somebody")
}

/// A guarded function that ends as it is told.
#[derive(Clone, Copy)]
pub(crate) struct Guarded {
    pub(crate) name: &'static str,
    pub(crate) call: fn(Exit) -> Answer,
}

/// `pair! { name: layers }` is a module with the function written twice, and the list `BOTH` of the two.
macro_rules! pair {
    ($name:ident: $($layers:tt)*) => {
        mod $name {
            use crate::support::{Answer, Exit, Fault, Guarded, end, now};

            #[resilient::resilient($($layers)*, ignore = Fault::NotFound)]
            pub(super) fn sync(exit: Exit) -> Answer {
                end(exit)
            }

            #[resilient::resilient($($layers)*, ignore = Fault::NotFound)]
            pub(super) async fn later(exit: Exit) -> Answer {
                if exit == Exit::Dropped {
                    std::future::pending::<()>().await;
                }
                end(exit)
            }

            pub(super) const BOTH: [Guarded; 2] = [
                Guarded { name: concat!(module_path!(), "::sync"), call: sync },
                Guarded { name: concat!(module_path!(), "::later"), call: |exit| now(later(exit)) },
            ];
        }
    };
}
pub(crate) use pair;

/// Runs what may panic; whether it did.
pub(crate) fn panics(body: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(body)).is_err()
}

/// Runs `test` and gives up on it where it is stuck.
#[track_caller]
pub(crate) fn without_getting_stuck(test: impl FnOnce() + Send + 'static) {
    let (ended, end) = mpsc::channel();
    let runner = thread::spawn(move || {
        test();
        let _ = ended.send(());
    });
    match end.recv_timeout(Duration::from_secs(60)) {
        Ok(()) => {}
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it is stuck"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(runner.join().expect_err("it panicked"))
        }
    }
}

/// A breaker of one's own.
#[track_caller]
pub(crate) fn made(config: BreakerConfig) -> CircuitBreaker {
    CircuitBreaker::new("made", config).expect("a legal configuration")
}

/// Opens at the first failure, for 10 s; one probe at a time; closes after `successes`.
pub(crate) fn one_probe(successes: u32) -> BreakerConfig {
    BreakerConfig::new()
        .failure_threshold(1)
        .success_threshold(successes)
        .half_open_max_calls(1)
        .recovery_timeout(10 * SECOND)
}

/// No rule opens it.
pub(crate) fn no_rule() -> BreakerConfig {
    BreakerConfig::new().failure_threshold(OFF)
}

/// Where the breakers of `scope` went, in order: from, to.
pub(crate) fn transitions(scope: &Scope) -> Vec<(State, State)> {
    let change = |event: resilient::Event| match event.kind {
        EventKind::Transition { from, to, .. } => Some((from, to)),
        _ => None,
    };
    scope.events().into_iter().filter_map(change).collect()
}

/// All lists of `length` of those.
pub(crate) fn sequences<T: Copy>(of: &[T], length: u32) -> impl Iterator<Item = Vec<T>> {
    (0..of.len().pow(length)).map(move |mut number| {
        let mut digit = || {
            let digit = number % of.len();
            number /= of.len();
            of[digit]
        };
        (0..length).map(|_| digit()).collect()
    })
}
