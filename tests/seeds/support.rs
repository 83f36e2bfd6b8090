//! What the scenarios share: one error, scripted backends, and guarded functions in every form they are called in.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use resilient::testing::{Flaky, Scope};
use resilient::{
    BreakerConfig, BreakerSnapshot, CircuitBreaker, Class, Classify, EventKind, ResilienceError, State,
    breaker, explain,
};

/// What `twins!` and `limited!` write their functions with.
pub(crate) mod prelude {
    pub(crate) use super::{Answer, Backend, Fault, Guarded};
    pub(crate) use resilient::{
        ResilienceError, api_resilient, cache_resilient, circuit_breaker, database_resilient, file_resilient,
        ml_resilient, resilient, retry_with_backoff, track_service_health, with_timeout,
    };
}

/// The exceptions of the seeds' tests.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("connection lost")]
    Connection,
    #[error("the backend gave up")]
    Timeout,
    #[error("bad value")]
    Value,
    #[error("bad type")]
    Type,
    #[error("status {0}")]
    Http(u16),
    #[error(transparent)]
    Refused(#[from] ResilienceError),
}

/// As a user of an HTTP client would write it; everything else is what an error is anyway.
impl Classify for Fault {
    fn class(&self) -> Class {
        match self {
            Self::Http(status) if *status < 500 && *status != 429 => Class::Caller,
            _ => Class::Transient,
        }
    }
}

impl Fault {
    pub(crate) fn refusal(&self) -> Option<&ResilienceError> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

pub(crate) type Answer = Result<&'static str, Fault>;
pub(crate) type Backend = Arc<Flaky<&'static str, Fault>>;

/// Whether an open breaker refused the call.
pub(crate) fn is_open(answer: &Answer) -> bool {
    is_refused(answer, ResilienceError::is_circuit_open)
}

/// Whether the call was given up at its limit.
pub(crate) fn is_timeout(answer: &Answer) -> bool {
    is_refused(answer, ResilienceError::is_timeout)
}

fn is_refused(answer: &Answer, kind: fn(&ResilienceError) -> bool) -> bool {
    answer.as_ref().is_err_and(|fault| fault.refusal().is_some_and(kind))
}

/// How each call ended, in a word or two.
pub(crate) fn told(answers: &[Answer]) -> Vec<String> {
    let told = |answer: &Answer| match answer {
        Ok(success) => (*success).to_owned(),
        Err(Fault::Refused(refusal)) => refusal.kind().to_string(),
        Err(fault) => fault.to_string(),
    };
    answers.iter().map(told).collect()
}

/// A backend that fails so often, then answers for ever.
pub(crate) fn failing(times: u32, fault: fn() -> Fault) -> Backend {
    Arc::new(Flaky::new().fail_times(times, fault).then("success"))
}

pub(crate) fn healthy() -> Backend {
    failing(0, || Fault::Value)
}

/// A backend that never does anything else.
pub(crate) fn broken(fault: fn() -> Fault) -> Backend {
    Arc::new(Flaky::new().then_err(fault))
}

/// A backend that answers, but takes so long each time.
pub(crate) fn slow(span: Duration) -> Backend {
    Arc::new(Flaky::new().then("success").takes(span))
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A guarded function that plays a backend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guarded {
    pub(crate) name: &'static str,
    pub(crate) call: for<'b> fn(&'b Backend) -> Pin<Box<dyn Future<Output = Answer> + 'b>>,
}

impl Guarded {
    pub(crate) async fn call(&self, backend: &Backend) -> Answer {
        (self.call)(backend).await
    }

    /// So many calls, one after the other.
    pub(crate) async fn calls(&self, times: usize, backend: &Backend) -> Vec<Answer> {
        let mut answers = Vec::new();
        for _ in 0..times {
            answers.push(self.call(backend).await);
        }
        answers
    }

    pub(crate) fn breaker(&self) -> CircuitBreaker {
        breaker(self.name).unwrap()
    }

    pub(crate) fn snapshot(&self) -> BreakerSnapshot {
        self.breaker().snapshot()
    }

    pub(crate) fn in_force(&self) -> BTreeMap<&'static str, String> {
        in_force(self.name)
    }
}

/// Every parameter of an operation and its value, as `explain` prints it.
pub(crate) fn in_force(operation: &str) -> BTreeMap<&'static str, String> {
    let explanation = explain(operation).unwrap();
    explanation.parameters().iter().map(|row| (row.parameter(), row.value())).collect()
}

/// `twins! { name: #[attribute(..)] ... }` is a module with the function written twice, sync and async, and the
/// list `BOTH` of the two.
macro_rules! twins {
    ($($name:ident: $(#[$($attribute:tt)+])+)+) => {$(
        mod $name {
            use crate::support::prelude::*;

            $(#[$($attribute)+])+
            fn in_place(backend: &Backend) -> Answer {
                backend.call()
            }

            $(#[$($attribute)+])+
            async fn awaited(backend: &Backend) -> Answer {
                backend.call_async().await
            }

            pub(super) const BOTH: [Guarded; 2] = [
                Guarded {
                    name: concat!(module_path!(), "::in_place"),
                    call: |backend| Box::pin(async { in_place(backend) }),
                },
                Guarded {
                    name: concat!(module_path!(), "::awaited"),
                    call: |backend| Box::pin(awaited(backend)),
                },
            ];
        }
    )+};
}

/// `limited! { name: #[attribute(..)] ... }` is `twins!` for a first attribute with a time limit: sync in place, sync
/// on a worker thread, async; the list is `ALL`.
macro_rules! limited {
    ($($name:ident: #[$attribute:ident($($argument:tt)*)] $(#[$($more:tt)+])*)+) => {$(
        mod $name {
            use crate::support::prelude::*;
            use std::sync::Arc;

            #[$attribute($($argument)*, timeout_mode = "deadline")]
            $(#[$($more)+])*
            pub(super) fn in_place(backend: &Backend) -> Answer {
                backend.call()
            }

            #[$attribute($($argument)*)]
            $(#[$($more)+])*
            pub(super) fn on_thread(backend: Backend) -> Answer {
                backend.call()
            }

            #[$attribute($($argument)*)]
            $(#[$($more)+])*
            pub(super) async fn awaited(backend: &Backend) -> Answer {
                backend.call_async().await
            }

            pub(super) const ALL: [Guarded; 3] = [
                Guarded {
                    name: concat!(module_path!(), "::in_place"),
                    call: |backend| Box::pin(async { in_place(backend) }),
                },
                Guarded {
                    name: concat!(module_path!(), "::on_thread"),
                    call: |backend| Box::pin(async { on_thread(Arc::clone(backend)) }),
                },
                Guarded {
                    name: concat!(module_path!(), "::awaited"),
                    call: |backend| Box::pin(awaited(backend)),
                },
            ];
        }
    )+};
}

/// How a breaker that somebody holds is called through.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Call,
    CallAsync,
}

pub(crate) const WAYS: [Way; 2] = [Way::Call, Way::CallAsync];

impl Way {
    pub(crate) async fn call(self, breaker: &CircuitBreaker, backend: &Backend) -> Answer {
        match self {
            Self::Call => breaker.call(|| backend.call()),
            Self::CallAsync => breaker.call_async(async || backend.call_async().await).await,
        }
    }

    pub(crate) async fn succeed(self, breaker: &CircuitBreaker) -> Answer {
        self.call(breaker, &healthy()).await
    }

    /// Fails so often; every failure must be the backend's own.
    pub(crate) async fn fail(self, breaker: &CircuitBreaker, times: u32) {
        let backend = broken(|| Fault::Value);
        for _ in 0..times {
            assert!(matches!(self.call(breaker, &backend).await, Err(Fault::Value)));
        }
    }
}

/// Runs `test` once per subject, each time in a scope of its own.
pub(crate) async fn each<S: Copy + Debug>(
    subjects: impl IntoIterator<Item = S>,
    test: impl AsyncFn(S, &Scope),
) {
    each_in(Scope::new, subjects, test).await;
}

/// Runs `test` once per subject, each time in a new `scope`.
pub(crate) async fn each_in<S: Copy + Debug>(
    scope: impl Fn() -> Scope,
    subjects: impl IntoIterator<Item = S>,
    test: impl AsyncFn(S, &Scope),
) {
    for subject in subjects {
        // Shown when the test fails.
        println!("{subject:?}");
        let scope = scope();
        let _inside = scope.enter();
        test(subject, &scope).await;
    }
}

/// A breaker of the test's own.
pub(crate) fn own(name: &str, config: BreakerConfig) -> CircuitBreaker {
    CircuitBreaker::new(name, config).unwrap()
}

/// A breaker of the test's own that opens after so many failures, for a second, and closes at the first success.
pub(crate) fn opens_after(failures: u32) -> CircuitBreaker {
    let config = BreakerConfig::new().failure_threshold(failures).success_threshold(1);
    own("own", config.recovery_timeout(seconds(1)))
}

/// The state and the failures in a row.
pub(crate) fn state_of(breaker: &CircuitBreaker) -> (State, u32) {
    (breaker.state(), breaker.snapshot().failure_count)
}

/// Total, successful and failed calls.
pub(crate) fn totals(snapshot: &BreakerSnapshot) -> (u64, u64, u64) {
    (snapshot.total_calls, snapshot.successful_calls, snapshot.failed_calls)
}

/// How many events `chosen` picks.
pub(crate) fn count_events(scope: &Scope, chosen: impl Fn(&EventKind) -> bool) -> usize {
    scope.events().iter().filter(|event| chosen(&event.kind)).count()
}

/// Whether two figures are the same but for rounding.
pub(crate) fn about(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}
