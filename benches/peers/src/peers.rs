//! The peers, each set up by its own manual with the figures that ours have.

use std::num::NonZeroU32;
use std::time::Duration;

use layered::{Execute, Service, Stack};
use seatbelt::{RecoveryInfo, ResilienceContext};
use throttle_net::Decision;
use tower::ServiceBuilder;
use tower_resilience::circuitbreaker::{CircuitBreakerError, CircuitBreakerLayer, SlidingWindowType};
use tower_resilience::retry::RetryLayer;
use tower_resilience::timelimiter::{TimeLimiterError, TimeLimiterLayer};

use crate::work::{Answer, Fault};

/// How long an open breaker stays open: until the run is over.
pub const DAY: Duration = Duration::from_hours(24);
pub const LIMIT: Duration = Duration::from_secs(30);
const FAILURES: u32 = 5;

pub mod by_failsafe {
    use failsafe::StateMachine;
    use failsafe::backoff::{Constant, constant};
    use failsafe::failure_policy::{
        ConsecutiveFailures, SuccessRateOverTimeWindow, consecutive_failures, success_rate_over_time_window,
    };

    use super::*;

    pub type Breaker<Policy> = StateMachine<Policy, ()>;
    pub type Consecutive = Breaker<ConsecutiveFailures<Constant>>;

    pub fn breaker() -> Consecutive {
        failsafe::Config::new().failure_policy(consecutive_failures(FAILURES, constant(DAY))).build()
    }

    pub fn over_time() -> Breaker<SuccessRateOverTimeWindow<Constant>> {
        let policy = success_rate_over_time_window(0.5, 20, Duration::from_secs(30), constant(DAY));
        failsafe::Config::new().failure_policy(policy).build()
    }

    pub fn fault(error: failsafe::Error<Fault>) -> Fault {
        match error {
            failsafe::Error::Inner(fault) => fault,
            failsafe::Error::Rejected => Fault::Refused,
        }
    }
}

pub mod by_recloser {
    use recloser::{Error, Recloser};

    use super::*;

    pub fn breaker(wait: Duration) -> Recloser {
        Recloser::custom().error_rate(0.5).closed_len(100).half_open_len(1 << 27).open_wait(wait).build()
    }

    pub fn fault(error: Error<Fault>) -> Fault {
        match error {
            Error::Inner(fault) => fault,
            Error::Rejected => Fault::Refused,
        }
    }
}

pub mod by_circuitbreaker_rs {
    use circuitbreaker_rs::{BreakerError, CircuitBreaker, DefaultPolicy};

    use super::*;

    pub fn breaker(cooldown: Duration) -> CircuitBreaker<DefaultPolicy, Fault> {
        CircuitBreaker::<DefaultPolicy, Fault>::builder()
            .consecutive_failures(FAILURES.into())
            .consecutive_successes(1 << 40)
            .probe_interval(u32::MAX)
            .cooldown(cooldown)
            .build()
    }

    pub fn fault(error: BreakerError<Fault>) -> Fault {
        match error {
            BreakerError::Operation(fault) => fault,
            _ => Fault::Refused,
        }
    }
}

pub mod by_throttle_net {
    use throttle_net::{CallError, CircuitBreaker, Limiter, Trip};

    use super::*;

    /// Its breakers stand in front of a limiter; this one costs nothing.
    pub struct Unlimited;

    impl Limiter for Unlimited {
        fn peek(&self, _cost: u32) -> Decision {
            Decision::Acquired
        }

        fn acquire_cost(&self, _cost: u32) -> Decision {
            Decision::Acquired
        }

        fn available(&self) -> u32 {
            u32::MAX
        }

        fn capacity(&self) -> u32 {
            u32::MAX
        }
    }

    pub fn breaker(trip: Trip, cooldown: Duration) -> CircuitBreaker<Unlimited> {
        CircuitBreaker::builder().trip(trip).cooldown(cooldown).half_open(2, u32::MAX).build(Unlimited)
    }

    pub fn consecutive(cooldown: Duration) -> CircuitBreaker<Unlimited> {
        breaker(Trip::Consecutive(FAILURES), cooldown)
    }

    /// A sync call: a permit, the work, its outcome.
    pub fn call(breaker: &CircuitBreaker<Unlimited>, n: u32, work: fn(u32) -> Answer) -> Answer {
        let Ok(Some(permit)) = breaker.try_acquire() else { return Err(Fault::Refused) };
        let answer = work(n);
        if answer.is_ok() {
            permit.success();
        } else {
            permit.failure();
        }
        answer
    }

    pub fn fault(error: CallError<Fault>) -> Fault {
        match error {
            CallError::Failed(fault) => fault,
            CallError::Rejected(_) => Fault::Refused,
        }
    }
}

pub mod by_tower_resilience {
    use tower::Service;
    use tower_resilience::circuitbreaker::CircuitBreakerConfigBuilder;

    use super::*;

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
}

pub mod by_seatbelt {
    use seatbelt::breaker::Breaker;
    use seatbelt::retry::Retry;
    use seatbelt::timeout::Timeout;
    use tick::Clock;

    use super::*;

    fn verdict(answer: &Answer) -> RecoveryInfo {
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
            .recovery_with(|answer, _| verdict(answer))
            .rejected_input_error(|_, _| Fault::Refused);
        (layer, Execute::new(work)).into_service()
    }

    pub fn retry<F, Answering>(work: F) -> impl Service<u32, Out = Answer>
    where
        F: Fn(u32) -> Answering + Send + Sync + 'static,
        Answering: Future<Output = Answer> + Send + 'static,
    {
        let layer =
            Retry::layer("retry", &context()).clone_input().recovery_with(|answer, _| verdict(answer));
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
            Retry::layer("retry", &context).clone_input().recovery_with(|answer, _| verdict(answer)),
            Breaker::layer("breaker", &context)
                .break_duration(DAY)
                .recovery_with(|answer, _| verdict(answer))
                .rejected_input_error(|_, _| Fault::Refused),
            Timeout::layer("timeout", &context).timeout_error(|_| Fault::Own).timeout(LIMIT),
            Execute::new(work),
        );
        layers.into_service()
    }
}

#[cfg(feature = "arcly")]
pub mod by_arcly {
    use arcly_http::__macro_support::BreakerOpen;
    use arcly_http::prelude::circuit_breaker;

    use super::*;
    use crate::work::work;

    impl From<BreakerOpen> for Fault {
        fn from(_: BreakerOpen) -> Self {
            Self::Refused
        }
    }

    #[circuit_breaker(threshold = 5, cooldown = "60s")]
    #[inline(never)]
    pub async fn closed(n: u32) -> Answer {
        work(n)
    }

    #[circuit_breaker(threshold = 5, cooldown = "24h")]
    #[inline(never)]
    pub async fn open(n: u32) -> Answer {
        work(n)
    }
}

pub fn governor() -> governor::DefaultDirectRateLimiter {
    let rate = NonZeroU32::new(1_000_000_000).expect("it is positive");
    governor::RateLimiter::direct(governor::Quota::per_second(rate))
}
