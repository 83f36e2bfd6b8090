//! What the attributes print into a function, once more as two functions: the same loop around the same `Execution`.
//!
//! No rule lives here. As in the expansion, no answer and no refusal is in scope while something is awaited. The bounds
//! are on a function that makes futures: those on `AsyncFn` make a future that is not `Send` where a closure borrows.

use std::future::Future;

use super::rules::{Attempted, Judge};
use crate::error::ResilienceError;
use crate::execution::Execution;

/// One call on this thread; `attempt` runs the function in place or elsewhere.
pub(super) fn drive<T, E: From<ResilienceError> + 'static>(
    mut call: Execution,
    judge: Judge<'_, T, E>,
    mut attempt: impl FnMut(&mut Execution) -> Attempted<T, E>,
) -> Result<T, E> {
    call.may_fall_back(judge.has_fallback());
    let out = loop {
        {
            let out = 'attempt: {
                if let Err(refused) = call.admit() {
                    break 'attempt Err(refused);
                }
                if let Err(refused) = call.throttle_blocking() {
                    break 'attempt Err(refused);
                }
                if let Err(refused) = call.isolate_blocking() {
                    break 'attempt Err(refused);
                }
                attempt(&mut call)
            };
            let out = judge.shown(out);
            if settled(&mut call, judge, &out) {
                break out;
            }
        }
        call.pause_blocking();
    };
    judge.end(call, out)
}

/// Records what an attempt came to; true when the call has ended with it.
#[inline]
fn settled<T, E: From<ResilienceError> + 'static>(
    call: &mut Execution,
    judge: Judge<'_, T, E>,
    out: &Attempted<T, E>,
) -> bool {
    match out {
        Ok(answer) => {
            call.answered();
            call.settle(judge.verdict(answer))
        }
        Err(refused) => call.settle_refused(refused),
    }
}

/// One attempt as a future, after every layer around it let it pass.
async fn attempted<T, E, F: Future<Output = Result<T, E>>>(
    call: &mut Execution,
    mut operation: impl FnMut() -> F,
) -> Attempted<T, E> {
    call.admit()?;
    call.throttle().await?;
    call.isolate().await?;
    // In a block of its own: what the closure does before there is a future is the attempt's too.
    call.attempt(async { operation().await }).await
}

/// One call as a future.
pub(super) async fn drive_async<T, E: From<ResilienceError> + 'static, F: Future<Output = Result<T, E>>>(
    mut call: Execution,
    judge: Judge<'_, T, E>,
    mut operation: impl FnMut() -> F,
) -> Result<T, E> {
    call.may_fall_back(judge.has_fallback());
    let out = loop {
        {
            let out = attempted(&mut call, &mut operation).await;
            let out = judge.shown(out);
            if settled(&mut call, judge, &out) {
                break out;
            }
        }
        call.pause().await;
    };
    judge.end(call, out)
}

/// One call as a future, whose attempts run beside each other where one does not answer.
pub(super) async fn drive_hedged<T, E: From<ResilienceError> + 'static, F: Future<Output = Result<T, E>>>(
    mut call: Execution,
    judge: Judge<'_, T, E>,
    operation: impl Fn() -> F,
) -> Result<T, E> {
    let operation = &operation;
    call.may_fall_back(judge.has_fallback());
    let out = loop {
        {
            let lane = |lane| async move {
                let mut call: Execution = lane;
                let out = attempted(&mut call, operation).await;
                let out = judge.shown(out);
                let concluded = match &out {
                    Ok(answer) => {
                        call.answered();
                        call.conclude(judge.verdict(answer))
                    }
                    Err(refused) => call.conclude_refused(refused),
                };
                (out, concluded)
            };
            let (out, concluded) = call.hedge(lane).await;
            if call.settle_hedged(concluded) {
                break out;
            }
        }
        call.pause().await;
    };
    judge.end(call, out)
}
