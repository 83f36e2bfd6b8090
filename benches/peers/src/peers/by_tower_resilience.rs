//! tower-resilience.

use super::{DAY, FAILURES, LIMIT};
use crate::work::{Answer, Fault};
use std::time::Duration;
use tower::Service;
use tower::ServiceBuilder;
use tower_resilience::circuitbreaker::CircuitBreakerConfigBuilder;
use tower_resilience::circuitbreaker::{CircuitBreakerError, CircuitBreakerLayer, SlidingWindowType};
use tower_resilience::retry::RetryLayer;
use tower_resilience::timelimiter::{TimeLimiterError, TimeLimiterLayer};

type Classifier = tower_resilience::circuitbreaker::DefaultClassifier;

pub fn consecutive(wait: Duration) -> CircuitBreakerConfigBuilder<Classifier> {
    CircuitBreakerLayer::builder()
        .consecutive_failures(FAILURES as usize)
        .permitted_calls_in_half_open(1 << 40)
        .wait_duration_in_open(wait)
}

pub fn count_window() -> CircuitBreakerConfigBuilder<Classifier> {
    CircuitBreakerLayer::builder().failure_rate_threshold(0.5).sliding_window_size(100)
}

/// It reads every record of the window at each call, so that the window is a tenth of a second only.
pub fn time_window() -> CircuitBreakerConfigBuilder<Classifier> {
    CircuitBreakerLayer::builder()
        .failure_rate_threshold(0.5)
        .sliding_window_type(SlidingWindowType::TimeBased)
        .sliding_window_duration(Duration::from_millis(100))
        .minimum_number_of_calls(20)
}

pub type BreakerService<F> =
    tower_resilience::circuitbreaker::CircuitBreaker<tower::util::ServiceFn<F>, Classifier>;

pub fn breaker<F: Clone>(config: CircuitBreakerConfigBuilder<Classifier>, work: F) -> BreakerService<F> {
    config.build().expect("the figures are right").layer_fn(tower::service_fn(work))
}

pub fn fault(error: CircuitBreakerError<Fault>) -> Fault {
    match error {
        CircuitBreakerError::Inner(fault) => fault,
        CircuitBreakerError::OpenCircuit => Fault::Refused,
    }
}

pub type StackError = CircuitBreakerError<TimeLimiterError<Fault>>;

/// Retry > breaker > time limit.
pub fn stack<F, Answering>(
    work: F,
) -> impl Service<u32, Response = u32, Error = StackError, Future: Send> + Clone + Sync
where
    F: Fn(u32) -> Answering + Clone + Send + Sync + 'static,
    Answering: Future<Output = Answer> + Send + 'static,
{
    let retry = RetryLayer::<u32, u32, StackError>::builder()
        .max_attempts(3)
        .exponential_backoff(Duration::from_secs(1))
        .retry_on(|error: &StackError| !error.is_circuit_open());
    ServiceBuilder::new()
        .layer(retry.build())
        .layer(consecutive(DAY).build().expect("the figures are right"))
        .layer(TimeLimiterLayer::builder().timeout_duration(LIMIT).build())
        .service_fn(work)
}

pub fn stack_fault(error: StackError) -> Fault {
    match error {
        CircuitBreakerError::Inner(TimeLimiterError::Inner(fault)) => fault,
        _ => Fault::Refused,
    }
}
