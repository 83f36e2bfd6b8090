//! seatbelt.

use super::{DAY, LIMIT};
use crate::work::{Answer, Fault};
use layered::{Execute, Service, Stack};
use seatbelt::breaker::Breaker;
use seatbelt::retry::Retry;
use seatbelt::timeout::Timeout;
use seatbelt::{RecoveryInfo, ResilienceContext};
use tick::Clock;

fn verdict(answer: Answer) -> RecoveryInfo {
    if matches!(answer, Err(Fault::Own)) { RecoveryInfo::retry() } else { RecoveryInfo::never() }
}

fn context() -> ResilienceContext<u32, Answer> {
    ResilienceContext::new(Clock::new_tokio())
}

pub fn breaker<F, Answering>(work: F) -> impl Service<u32, Out = Answer>
where
    F: Fn(u32) -> Answering + Send + Sync + 'static,
    Answering: Future<Output = Answer> + Send + 'static,
{
    let layer = Breaker::layer("breaker", &context())
        .failure_threshold(0.5)
        .min_throughput(20)
        .break_duration(DAY)
        .recovery_with(|answer, _| verdict(*answer))
        .rejected_input_error(|_, _| Fault::Refused);
    (layer, Execute::new(work)).into_service()
}

pub fn retry<F, Answering>(work: F) -> impl Service<u32, Out = Answer>
where
    F: Fn(u32) -> Answering + Send + Sync + 'static,
    Answering: Future<Output = Answer> + Send + 'static,
{
    let layer = Retry::layer("retry", &context()).clone_input().recovery_with(|answer, _| verdict(*answer));
    (layer, Execute::new(work)).into_service()
}

/// Retry > breaker > time limit.
pub fn stack<F, Answering>(work: F) -> impl Service<u32, Out = Answer>
where
    F: Fn(u32) -> Answering + Send + Sync + 'static,
    Answering: Future<Output = Answer> + Send + 'static,
{
    let context = context();
    let layers = (
        Retry::layer("retry", &context).clone_input().recovery_with(|answer, _| verdict(*answer)),
        Breaker::layer("breaker", &context)
            .break_duration(DAY)
            .recovery_with(|answer, _| verdict(*answer))
            .rejected_input_error(|_, _| Fault::Refused),
        Timeout::layer("timeout", &context).timeout_error(|_| Fault::Own).timeout(LIMIT),
        Execute::new(work),
    );
    layers.into_service()
}
