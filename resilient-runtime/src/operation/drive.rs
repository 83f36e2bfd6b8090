//! What the attributes print into a function, once more as two functions: the same loop around the same `Execution`.
//!
//! No rule lives here. As in the expansion, no answer and no refusal is in scope while something is awaited.

use super::rules::{Attempted, Judge};
use crate::error::ResilienceError;
use crate::execution::Execution;

/// One call on this thread; `attempt` runs the function in place or elsewhere.
pub(super) fn drive<T, E: From<ResilienceError> + 'static>(
    mut call: Execution,
    judge: Judge<'_, T, E>,
    mut attempt: impl FnMut(&mut Execution) -> Attempted<T, E>,
) -> Result<T, E> {
    let out = loop {
        let delay = {
            let out = 'attempt: {
                if let Err(refused) = call.admit() {
                    break 'attempt Err(refused);
                }
                attempt(&mut call)
            };
            let out = judge.shown(out);
            match call.settle(&out, |answer| judge.verdict(answer)) {
                None => break out,
                Some(delay) => delay,
            }
        };
        call.pause_blocking(delay);
    };
    end(call, judge, out)
}

/// One call as a future.
pub(super) async fn drive_async<T, E: From<ResilienceError> + 'static>(
    mut call: Execution,
    judge: Judge<'_, T, E>,
    mut operation: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, E> {
    let out = loop {
        let delay = {
            let out = 'attempt: {
                if let Err(refused) = call.admit() {
                    break 'attempt Err(refused);
                }
                // In a block of its own: what a plain closure does before its future is the attempt's too.
                call.attempt(async { operation().await }).await
            };
            let out = judge.shown(out);
            match call.settle(&out, |answer| judge.verdict(answer)) {
                None => break out,
                Some(delay) => delay,
            }
        };
        call.pause(delay).await;
    };
    end(call, judge, out)
}

/// Hands out the answer, or the refusal, or what stands in for it.
fn end<T, E: From<ResilienceError> + 'static>(
    mut call: Execution,
    judge: Judge<'_, T, E>,
    out: Attempted<T, E>,
) -> Result<T, E> {
    let fallback = judge.fallback().filter(|_| call.wants_fallback());
    match (out, fallback) {
        (Ok(Err(error)), Some(fallback)) => fallback(error),
        (Err(refused), Some(fallback)) => fallback(judge.refuse(refused)),
        (Ok(answer), _) => answer,
        (Err(refused), None) => Err(judge.refuse(refused)),
    }
}
