//! What the attempt under way has yet to suffer.

use std::task::{Context, Poll};
use std::time::Duration;

use super::settings::{Fault, Hit};
use crate::clock::Clock;
use crate::timeout::Timer;

/// The fault of the attempt of an async body. One pointer in the guarded future, since few attempts are hit.
#[derive(Debug, Default)]
pub(crate) struct Underway(Option<Box<Suffering>>);

#[derive(Debug)]
struct Suffering {
    hit: Hit,
    timer: Timer,
}

/// How far an async attempt has come.
#[derive(Debug)]
pub(crate) enum Suffered {
    /// The function runs.
    Over,
    /// It failed in the function's place.
    Failed,
    /// Time stood still but for this wait, and passed the attempt's limit.
    PassedLimit,
}

impl Underway {
    #[inline]
    pub(crate) fn begin(&mut self, hit: Option<Hit>) {
        self.0 = hit.map(|hit| Box::new(Suffering { hit, timer: Timer::default() }));
    }

    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_none()
    }

    /// Ready once the function's turn has come, or it has none. `limit` is that of the whole attempt.
    ///
    /// # Panics
    ///
    /// On purpose, with the name of `operation`.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        operation: &str,
        clock: &Clock,
        limit: Option<Duration>,
    ) -> Poll<Suffered> {
        let Some(suffering) = &mut self.0 else { return Poll::Ready(Suffered::Over) };
        let Suffering { hit, timer } = &mut **suffering;
        if !hit.delay.is_zero() {
            let most = limit.unwrap_or(Duration::MAX);
            if clock.skip(hit.delay.min(most)) {
                if hit.delay > most {
                    return Poll::Ready(Suffered::PassedLimit);
                }
                hit.delay = Duration::ZERO;
            }
        }
        let delay = hit.delay;
        if !delay.is_zero() && timer.poll(cx, || delay).is_pending() {
            return Poll::Pending;
        }
        let end = hit.end;
        self.0 = None;
        Poll::Ready(if end_in_place(end, operation) { Suffered::Failed } else { Suffered::Over })
    }
}

impl Hit {
    /// Runs `body` after what it has to suffer; `None` where that is an error, or takes longer than `limit`.
    ///
    /// # Panics
    ///
    /// On purpose, with the name of `operation`.
    pub(crate) fn suffer<R>(
        self,
        operation: &str,
        clock: &Clock,
        limit: Option<Duration>,
        body: impl FnOnce() -> R,
    ) -> Option<R> {
        let passed = limit.filter(|limit| self.delay > *limit);
        // Longer than the limit, not as long: what takes just as long is in time.
        let delay = passed.map_or(self.delay, |limit| limit.saturating_add(Duration::from_nanos(1)));
        if !delay.is_zero() {
            clock.sleep_blocking(delay);
        }
        (passed.is_none() && !end_in_place(self.end, operation)).then(body)
    }
}

/// Whether the attempt ends without the function.
fn end_in_place(end: Option<Fault>, operation: &str) -> bool {
    assert!(end != Some(Fault::Panic), "chaos: a panic was injected into '{operation}' on purpose");
    end == Some(Fault::Error)
}
