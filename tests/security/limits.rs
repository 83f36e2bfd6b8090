//! S10, S14, S15, S22 and S23: how much of anything others can make the library do.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{
    Deadline, ErrorKind, ResilienceError, RetryPolicy, Settings, breaker, breakers, bulkhead,
    circuit_breaker, explain, keyed_breaker, keyed_breakers, rate_limiter, resilience_health, resilient,
    service_health, track_service_health, validate, with_timeout,
};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum Fault {
    #[error("down")]
    Down,
    #[error("refused")]
    Refused(ErrorKind),
}

impl From<ResilienceError> for Fault {
    fn from(refused: ResilienceError) -> Self {
        Self::Refused(refused.kind())
    }
}

/// Gives up on `test` where it takes longer than anything linear could.
#[track_caller]
fn in_two_minutes(test: impl FnOnce() + Send + 'static) {
    let (ended, end) = mpsc::channel();
    let runner = thread::spawn(move || {
        test();
        let _ = ended.send(());
    });
    match end.recv_timeout(Duration::from_secs(120)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it takes more than two minutes"),
        _ => runner.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
    }
}

const MEGABYTE: usize = 1 << 20;

/// Texts of a megabyte that are hard on a parser that goes back.
fn megabytes() -> Vec<String> {
    ["9", "1s", "1m 30s ", " ", "(", "_", "ratio = 1, ", "\u{1b}["]
        .map(|part| part.repeat(MEGABYTE / part.len()))
        .to_vec()
}

#[test]
fn s15_a_value_of_a_megabyte_is_refused_as_fast_as_it_is_read() {
    in_two_minutes(|| {
        // One of each kind.
        let parameters = [
            "TIMEOUT",
            "MAX_ATTEMPTS",
            "MAX_RETRIES",
            "EXPONENTIAL_BASE",
            "JITTER",
            "BACKOFF",
            "BUDGET",
            "FAILURE_THRESHOLD",
            "FAILURE_RATE",
            "WINDOW",
            "HEDGE_DELAY",
            "RATE_LIMIT_RATE",
            "RATE_LIMIT_ALGORITHM",
            "BULKHEAD_MAX_QUEUE",
            "ENABLE_TIMEOUT",
        ];
        for value in megabytes() {
            let scope = parameters.iter().fold(Scope::builder(), |scope, parameter| {
                scope.env(format!("PYNOMALY_DATABASE_{parameter}"), value.clone())
            });
            let scope = scope
                .env("PYNOMALY_RESILIENCE_ENABLED", value.clone())
                .env("RESILIENT_ENV_PREFIX", value)
                .build();
            let _inside = scope.enter();
            let told = validate().expect_err("none of it is a switch").to_string();
            assert!(told.len() < 100_000, "{} bytes are told", told.len());
        }
    });
}

#[test]
fn s15_names_of_a_megabyte_are_answered_at_once_and_briefly() {
    in_two_minutes(|| {
        let scope = Scope::new();
        let _inside = scope.enter();
        for name in megabytes() {
            let mut answers = vec![
                breaker(&name).unwrap_err().to_string(),
                bulkhead(&name).unwrap_err().to_string(),
                rate_limiter(&name).unwrap_err().to_string(),
                service_health(&name).unwrap_err().to_string(),
                explain(&name).unwrap_err().to_string(),
                keyed_breaker(&name, &name).unwrap_err().to_string(),
                keyed_breakers(&name).unwrap_err().to_string(),
                Deadline::from_grpc_timeout(&name).unwrap_err().to_string(),
            ];
            let settings = Settings::new().timeout(name.as_str()).jitter(name.as_str()).window(name.as_str());
            let settings = settings.budget(name.as_str()).backoff(name.as_str()).hedge_delay(name.as_str());
            let policy = RetryPolicy::new().with_base_delay(name.as_str()).with_jitter(name.as_str());
            answers.extend([
                format!("{settings:?}"),
                policy.validate().map_or_else(|it| it.to_string(), |()| String::new()),
            ]);
            let scope = Scope::builder()
                .env(format!("PYNOMALY_{name}"), "1")
                .env(format!("PYNOMALY_OP_{name}_TIMEOUT"), "1")
                .build();
            let _inside = scope.enter();
            answers.push(validate().unwrap_err().to_string());
            for answer in answers {
                assert!(answer.len() < 5_000, "{} bytes: {}", answer.len(), &answer[..200]);
            }
        }
    });
}

#[circuit_breaker(name = "s10_keyed", key = key, failure_threshold = 1)]
fn kept_by(key: &str, fails: bool) -> Result<(), Fault> {
    if fails { Err(Fault::Down) } else { Ok(()) }
}

/// A tenant for each request, each of a megabyte, each with an open breaker.
#[test]
fn s10_whatever_callers_send_the_registry_stays_as_large_as_it_may_be() {
    in_two_minutes(|| {
        let scope = Scope::new();
        let _inside = scope.enter();
        let named = breakers().len();
        let mut key = "k".repeat(MEGABYTE / 64);
        for tenant in 0..1_500 {
            key.truncate(MEGABYTE / 64);
            key += &tenant.to_string();
            assert_eq!(kept_by(&key, tenant % 2 == 0).is_err(), tenant % 2 == 0);
        }
        let kept = keyed_breakers("s10_keyed").unwrap();
        assert_eq!((kept.len(), breakers().len()), (1_024, named));
        assert!(kept.iter().map(|(key, _)| key.len()).sum::<usize>() < 1_024 * 300);
        assert!(resilience_health().to_json().len() < 100_000);
    });
}

#[track_service_health("s14_service")]
fn tracked(calls: &AtomicU32) -> Result<(), Fault> {
    calls.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// Health is what calls told: asking for it calls nothing.
#[test]
fn s14_asking_for_health_probes_nobody() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let calls = AtomicU32::new(0);
    assert_eq!(tracked(&calls), Ok(()));
    let told = scope.events().len();
    for _ in 0..1_000 {
        drop((resilience_health(), service_health("s14_service").unwrap().metrics(), breakers()));
    }
    assert_eq!((calls.load(Ordering::Relaxed), scope.events().len()), (1, told));
}

#[resilient(operation_name = "s22_value", max_attempts = 1, enable_timeout = false, fallback_value = user)]
async fn page_of(user: u32, gate: &AtomicU32) -> Result<u32, Fault> {
    while gate.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    Err(Fault::Down)
}

#[resilient(operation_name = "s22_chain", max_attempts = 1, enable_timeout = false, fallback_chain = [nobody, cached])]
async fn cached_page_of(user: u32, gate: &AtomicU32) -> Result<u32, Fault> {
    while gate.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    Err(Fault::Down)
}

async fn nobody(_: u32, _: &AtomicU32) -> Result<u32, Fault> {
    Err(Fault::Down)
}

async fn cached(user: u32, _: &AtomicU32) -> Result<u32, Fault> {
    Ok(user)
}

/// A hundred callers at once.
#[tokio::test]
async fn s22_a_fallback_answers_every_caller_from_the_callers_own_arguments() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let gate = AtomicU32::new(0);
    let mut pages: Vec<_> = (0..100).map(|user| (user, Box::pin(page_of(user, &gate)))).collect();
    let mut chains: Vec<_> = (0..100).map(|user| (user, Box::pin(cached_page_of(user, &gate)))).collect();
    for _ in 0..3 {
        for (_, page) in &mut pages {
            assert!(futures_now(page.as_mut()).is_none());
        }
        for (_, page) in &mut chains {
            assert!(futures_now(page.as_mut()).is_none());
        }
    }
    gate.store(1, Ordering::Relaxed);
    for (user, page) in pages.into_iter().rev() {
        assert_eq!(page.await, Ok(user));
    }
    for (user, page) in chains {
        assert_eq!(page.await, Ok(user));
    }
}

fn futures_now<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(answer) => Some(answer),
        std::task::Poll::Pending => None,
    }
}

macro_rules! writes {
    ($($name:ident #[$attribute:ident $($arguments:tt)*])*) => {
        $(
            #[resilient::$attribute $($arguments)*]
            fn $name(writes: &AtomicU32) -> Result<(), Fault> {
                writes.fetch_add(1, Ordering::Relaxed);
                Err(Fault::Down)
            }
        )*
        const WRITES: [(&str, fn(&AtomicU32) -> Result<(), Fault>); 6] = [$((stringify!($name), $name)),*];
    };
}

writes! {
    behind_a_breaker #[circuit_breaker(failure_threshold = 9)]
    in_a_bulkhead #[bulkhead(max_concurrent = 1)]
    at_a_rate #[rate_limit(rate = 9)]
    tracked_write #[track_service_health("s23_service")]
    with_one_attempt #[resilient(max_attempts = 1, enable_timeout = false)]
    without_retries #[database_resilient(enable_retry = false, enable_timeout = false)]
}

#[with_timeout(seconds = 5)]
async fn limited(writes: &AtomicU32) -> Result<(), Fault> {
    writes.fetch_add(1, Ordering::Relaxed);
    Err(Fault::Down)
}

/// Only the attributes that name retries, and the profiles that stand for them, call a function again; hedges are not
/// even compiled without `idempotent`.
#[tokio::test]
async fn s23_no_layer_but_a_retry_repeats_a_write() {
    let scope = Scope::new();
    let _inside = scope.enter();
    for (name, write) in WRITES {
        let writes = AtomicU32::new(0);
        assert_eq!((write(&writes), writes.into_inner()), (Err(Fault::Down), 1), "{name}");
    }
    let writes = AtomicU32::new(0);
    assert_eq!((limited(&writes).await, writes.load(Ordering::Relaxed)), (Err(Fault::Down), 1));
}
