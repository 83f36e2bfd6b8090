//! `key = ..`: each key has a breaker, a bulkhead and a rate limit of its own, keys are bounded and never told.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{
    ErrorKind, HealthStatus, ResilienceError, State, breaker, builder, bulkhead, circuit_breaker, explain,
    keyed_breaker, keyed_breakers, rate_limiter, reset_resilience_state, resilience_health, resilient,
    validate,
};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum Fault {
    #[error("down")]
    Down,
    #[error("{1}")]
    Refused(ErrorKind, String),
}

impl From<ResilienceError> for Fault {
    fn from(refused: ResilienceError) -> Self {
        Self::Refused(refused.kind(), refused.to_string())
    }
}

type Answer = Result<(), Fault>;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// A key's breaker is remembered for so many keys.
const MOST_KEYS: usize = 1_024;

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    Answer,
    Fail,
    /// Pending once.
    Wait,
}

fn kind(answer: &Answer) -> Option<ErrorKind> {
    match answer {
        Err(Fault::Refused(kind, _)) => Some(*kind),
        _ => None,
    }
}

async fn guarded_body(does: Does) -> Answer {
    let mut waits = does == Does::Wait;
    poll_fn(|_| if std::mem::take(&mut waits) { Poll::Pending } else { Poll::Ready(()) }).await;
    if does == Does::Fail { Err(Fault::Down) } else { Ok(()) }
}

/// A sync and an async function with the same attributes, on a key each.
macro_rules! keyed {
    ($sync:ident $sync_name:literal, $later:ident $later_name:literal, $($attributes:tt)*) => {
        #[resilient(operation_name = $sync_name, key = tenant, max_attempts = 1, enable_timeout = false, $($attributes)*)]
        fn $sync(tenant: &str, does: Does) -> Answer {
            if does == Does::Fail { Err(Fault::Down) } else { Ok(()) }
        }

        #[resilient(operation_name = $later_name, key = tenant, max_attempts = 1, enable_timeout = false, $($attributes)*)]
        async fn $later(tenant: &str, does: Does) -> Answer {
            guarded_body(does).await
        }
    };
}

type Call<'s> = Pin<Box<dyn Future<Output = Answer> + 's>>;

fn poll(call: &mut Call<'_>) -> Poll<Answer> {
    call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn now(future: impl Future<Output = Answer>) -> Answer {
    match poll(&mut (Box::pin(future) as Call<'_>)) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("pending"),
    }
}

keyed!(
    guarded "keyed_sync", guarded_later "keyed_async",
    failure_threshold = 1,
    recovery_timeout = 30,
    bulkhead(max_concurrent = 1),
    rate_limit(rate = 3, per = "1min"),
);

/// A guarded function and its name.
type Named = (&'static str, fn(&str, Does) -> Answer);

const PAIR: [Named; 2] =
    [("keyed_sync", guarded), ("keyed_async", |tenant, does| now(guarded_later(tenant, does)))];

#[test]
fn each_key_has_a_breaker_of_its_own() {
    for (name, call) in PAIR {
        let scope = Scope::new();
        let _inside = scope.enter();
        assert_eq!(call("a", Does::Fail), Err(Fault::Down));
        assert_eq!(kind(&call("a", Does::Answer)), Some(ErrorKind::CircuitOpen));
        assert_eq!(call("b", Does::Answer), Ok(()));
        let states: Vec<_> =
            keyed_breakers(name).unwrap().into_iter().map(|(key, breaker)| (key, breaker.state())).collect();
        assert_eq!(states, [("b".to_owned(), State::Closed), ("a".to_owned(), State::Open)]);
        keyed_breaker(name, "a").unwrap().close();
        assert_eq!(call("a", Does::Answer), Ok(()));
        let counts = keyed_breaker(name, "a").unwrap().snapshot();
        assert_eq!((counts.name, counts.failed_calls, counts.rejected_calls), (name, 1, 1));
    }
}

#[test]
fn each_key_has_a_rate_limit_of_its_own() {
    for (_, call) in PAIR {
        let scope = Scope::new();
        let _inside = scope.enter();
        for _ in 0..3 {
            assert_eq!(call("a", Does::Answer), Ok(()));
        }
        assert_eq!(kind(&call("a", Does::Answer)), Some(ErrorKind::RateLimited));
        assert_eq!(call("b", Does::Answer), Ok(()));
        scope.clock().advance(MINUTE / 3);
        assert_eq!(call("a", Does::Answer), Ok(()));
    }
}

#[test]
fn each_key_has_a_bulkhead_of_its_own() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let mut first: Call<'_> = Box::pin(guarded_later("a", Does::Wait));
    assert!(poll(&mut first).is_pending());
    assert_eq!(kind(&now(guarded_later("a", Does::Answer))), Some(ErrorKind::BulkheadFull));
    assert_eq!(now(guarded_later("b", Does::Answer)), Ok(()));
    assert_eq!(poll(&mut first), Poll::Ready(Ok(())));
    assert_eq!(now(guarded_later("a", Does::Answer)), Ok(()));
}

#[circuit_breaker(name = "keyed_shared", key = host, failure_threshold = 1)]
fn reads(host: &str, does: Does) -> Answer {
    if does == Does::Fail { Err(Fault::Down) } else { Ok(()) }
}

#[circuit_breaker(name = "keyed_shared", key = format!("{name}.{zone}"), failure_threshold = 1)]
async fn writes(name: &str, zone: &str) -> Answer {
    let _ = (name, zone);
    Ok(())
}

#[circuit_breaker(name = "keyed_shared", failure_threshold = 1)]
fn without_a_key() -> Answer {
    Ok(())
}

#[test]
fn functions_that_name_one_breaker_share_it_key_by_key() {
    let scope = Scope::new();
    let _inside = scope.enter();
    assert_eq!(reads("db.eu", Does::Fail), Err(Fault::Down));
    assert_eq!(kind(&now(writes("db", "eu"))), Some(ErrorKind::CircuitOpen));
    assert_eq!(now(writes("db", "us")), Ok(()));
    // One breaker for all calls is another thing.
    assert_eq!((without_a_key(), breaker("keyed_shared").unwrap().state()), (Ok(()), State::Closed));
    assert_eq!(keyed_breakers("keyed_shared").unwrap().len(), 2);
}

#[test]
fn unknown_names_are_answered_with_those_that_have_keys() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let error = keyed_breaker("keyed_shard", "a").unwrap_err();
    assert_eq!(error.nearest, Some("keyed_shared"));
    assert!(keyed_breakers("keyed_nowhere").is_err());
    assert!(breaker("keyed_sync").is_err() && bulkhead("keyed_sync").is_err());
    assert!(rate_limiter("keyed_sync").is_err());
}

#[test]
fn a_flood_of_keys_forgets_those_not_used_for_longest_but_no_open_breaker() {
    for (name, call) in PAIR {
        let scope = Scope::new();
        let _inside = scope.enter();
        for tenant in ["kept", "open"] {
            assert_eq!(call(tenant, Does::Fail), Err(Fault::Down));
        }
        assert_eq!(call("forgotten", Does::Answer), Ok(()));
        for tenant in 0..5_000 {
            assert_eq!(call(&tenant.to_string(), Does::Answer), Ok(()));
            if tenant % 1_000 == 0 {
                assert_eq!(kind(&call("kept", Does::Answer)), Some(ErrorKind::CircuitOpen), "after {tenant}");
            }
        }
        let known = keyed_breakers(name).unwrap();
        assert_eq!((known.len(), known[0].0.as_str()), (MOST_KEYS, "4999"));
        assert_eq!(resilience_health().keyed_circuit_breakers[name].keys, MOST_KEYS);
        assert!(!known.iter().any(|(key, _)| key == "forgotten"));
        assert_eq!(kind(&call("open", Does::Answer)), Some(ErrorKind::CircuitOpen));
    }
}

#[test]
fn a_very_long_key_is_remembered_by_its_beginning_and_a_digest() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let [one, other] = ["1", "2"].map(|end| format!("{}{end}", "ü".repeat(500_000)));
    assert_eq!(guarded(&one, Does::Fail), Err(Fault::Down));
    assert_eq!(kind(&guarded(&one, Does::Answer)), Some(ErrorKind::CircuitOpen));
    assert_eq!(guarded(&other, Does::Answer), Ok(()));
    let known = keyed_breakers("keyed_sync").unwrap();
    assert_eq!(known.len(), 2);
    assert!(known.iter().all(|(key, _)| key.starts_with("üüü") && key.len() < 128), "{known:?}");
}

#[test]
fn the_key_over_the_bound_is_the_1025th() {
    let scope = Scope::new();
    let _inside = scope.enter();
    assert_eq!(guarded("first", Does::Answer), Ok(()));
    for tenant in 1..MOST_KEYS {
        assert_eq!(guarded(&tenant.to_string(), Does::Answer), Ok(()));
    }
    let has_first = || keyed_breakers("keyed_sync").unwrap().iter().any(|(key, _)| key == "first");
    assert!(has_first(), "looking at them is no use of them");
    assert_eq!(guarded("one more", Does::Answer), Ok(()));
    assert!(!has_first());
}

#[test]
fn a_key_is_forgotten_an_hour_after_its_last_use() {
    for (name, call) in PAIR {
        let scope = Scope::new();
        let _inside = scope.enter();
        keyed_breaker(name, "a").unwrap().force_open();
        scope.clock().advance(Duration::from_nanos(3_599_999_999_999));
        assert_eq!(kind(&call("a", Does::Answer)), Some(ErrorKind::Isolated));
        scope.clock().advance(HOUR);
        assert!(keyed_breakers(name).unwrap().is_empty());
        assert_eq!(resilience_health().keyed_circuit_breakers[name].open, 0);
        assert_eq!(call("a", Does::Answer), Ok(()));
    }
}

#[resilient(
    operation_name = "keyed_queue",
    key = tenant,
    max_attempts = 1,
    failure_threshold = 1,
    enable_timeout = false,
    bulkhead(max_concurrent = 1, max_queue = 9)
)]
async fn queues(tenant: &str, does: Does) -> Answer {
    guarded_body(does).await
}

#[test]
fn a_key_in_use_is_not_forgotten() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let mut calls: Vec<Call<'_>> = Vec::new();
    let begin = |calls: &mut Vec<Call<'_>>, does| {
        calls.push(Box::pin(queues("a", does)));
        assert!(poll(calls.last_mut().unwrap()).is_pending());
    };
    begin(&mut calls, Does::Wait);
    begin(&mut calls, Does::Answer);
    for tenant in 0..MOST_KEYS {
        assert_eq!(now(queues(&tenant.to_string(), Does::Answer)), Ok(()));
    }
    begin(&mut calls, Does::Answer);
    scope.clock().advance(2 * HOUR);
    assert_eq!(now(queues("another", Does::Answer)), Ok(()));
    // It still runs one at a time.
    begin(&mut calls, Does::Answer);
    for call in &mut calls {
        assert_eq!(poll(call), Poll::Ready(Ok(())));
    }
    drop(calls);
    let counts = keyed_breaker("keyed_queue", "a").unwrap().snapshot();
    assert_eq!((counts.state, counts.successful_calls, counts.failed_calls), (State::Closed, 4, 0));
    // Dropped in the queue, or granted its slot and dropped: nothing is missed.
    let mut running: Call<'_> = Box::pin(queues("a", Does::Wait));
    let mut waiting: Call<'_> = Box::pin(queues("a", Does::Answer));
    assert!(poll(&mut running).is_pending() && poll(&mut waiting).is_pending());
    reset_resilience_state();
    drop((running, waiting));
    assert_eq!(now(queues("a", Does::Answer)), Ok(()));
}

#[test]
fn a_reset_forgets_every_key() {
    for (name, call) in PAIR {
        let scope = Scope::new();
        let _inside = scope.enter();
        let before = keyed_breaker(name, "a").unwrap();
        assert_eq!(call("a", Does::Fail), Err(Fault::Down));
        reset_resilience_state();
        assert!(keyed_breakers(name).unwrap().is_empty());
        for _ in 0..3 {
            assert_eq!(call("a", Does::Answer), Ok(()), "breaker and limit begin again");
        }
        assert_eq!(before.snapshot().failed_calls, 0, "whoever holds it sees it reset");
    }
}

#[test]
fn other_variables_reach_every_key_and_leave_its_state() {
    for (name, call) in PAIR {
        let operation = name.to_uppercase();
        let scope = Scope::builder()
            .env(format!("OTHER_OP_{operation}_FAILURE_THRESHOLD"), "2")
            .env(format!("OTHER_OP_{operation}_RATE_LIMIT_RATE"), "60")
            .env(format!("OTHER_OP_{operation}_BULKHEAD_MAX_CONCURRENT"), "0")
            .env(format!("LAST_OP_{operation}_FAILURE_THRESHOLD"), "2")
            .env(format!("LAST_OP_{operation}_RATE_LIMIT_RATE"), "60")
            .build();
        let _inside = scope.enter();
        assert_eq!(call("open", Does::Fail), Err(Fault::Down));
        assert_eq!(call("closed", Does::Answer), Ok(()));
        builder().env_prefix("OTHER").init().unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(kind(&call("open", Does::Answer)), Some(ErrorKind::CircuitOpen));
        for tenant in ["closed", "new"] {
            let closed_to_all = call(tenant, Does::Answer);
            assert_eq!(kind(&closed_to_all), Some(ErrorKind::BulkheadFull), "{closed_to_all:?}");
        }
        builder().env_prefix("LAST").init().unwrap_or_else(|errors| panic!("{errors}"));
        for tenant in ["closed", "new"] {
            assert_eq!(call(tenant, Does::Fail), Err(Fault::Down));
            assert_eq!(keyed_breaker(name, tenant).unwrap().state(), State::Closed);
            assert_eq!(call(tenant, Does::Fail), Err(Fault::Down));
            assert_eq!(keyed_breaker(name, tenant).unwrap().state(), State::Open);
        }
    }
}

#[test]
fn health_counts_a_key_that_is_tried_again_and_is_degraded_by_it_alone() {
    for (name, _) in PAIR {
        let scope = Scope::new();
        let _inside = scope.enter();
        let breaker = keyed_breaker(name, "a").unwrap();
        let seen = || {
            let health = resilience_health();
            let keyed = &health.keyed_circuit_breakers[name];
            (keyed.keys, keyed.open, keyed.half_open, health.overall_health)
        };
        assert_eq!(seen(), (1, 0, 0, HealthStatus::Healthy));
        breaker.open_for(MINUTE);
        assert_eq!(seen(), (1, 1, 0, HealthStatus::Degraded));
        scope.clock().advance(MINUTE);
        let probe = breaker.try_acquire().unwrap();
        assert_eq!(seen(), (1, 0, 1, HealthStatus::Degraded));
        probe.success();
    }
}

#[test]
fn no_key_is_ever_told() {
    const SECRET: &str = "tenant-5f3c";
    for (name, call) in PAIR {
        let scope = Scope::new();
        let _inside = scope.enter();
        let answers = [Does::Answer, Does::Fail, Does::Answer].map(|does| call(SECRET, does));
        assert_eq!(kind(&answers[2]), Some(ErrorKind::CircuitOpen));
        let health = resilience_health();
        let keyed = &health.keyed_circuit_breakers[name];
        assert_eq!((keyed.keys, keyed.open), (1, 1));
        assert!(!health.circuit_breakers.contains_key(name));
        let told = [
            health.to_json(),
            format!("{health:?}"),
            format!("{answers:?}"),
            format!("{:?}", scope.events()),
            scope.events().iter().map(ToString::to_string).collect(),
            explain(name).unwrap().to_string(),
            format!("{:?}", validate()),
            format!("{:?}", keyed_breaker(name, SECRET).unwrap().snapshot()),
        ];
        for text in told {
            assert!(!text.contains(SECRET), "{text}");
        }
    }
}

thread_local! {
    static ASKED: Cell<u32> = const { Cell::new(0) };
}

fn counted(key: u64) -> u64 {
    ASKED.set(ASKED.get() + 1);
    key
}

#[resilient(operation_name = "keyed_once_sync", key = counted(key), max_attempts = 3, base_delay = 1)]
fn fails(key: u64) -> Answer {
    assert!(key > 0);
    Err(Fault::Down)
}

#[resilient(
    operation_name = "keyed_once",
    key = counted(key),
    max_attempts = 3,
    base_delay = 1,
    fallback = instead,
    idempotent = true,
    hedge(delay = "1s", max_hedges = 2)
)]
async fn fails_later(key: u64) -> Answer {
    assert!(key > 0);
    tokio::time::sleep(MINUTE).await;
    Err(Fault::Down)
}

#[allow(clippy::unused_async, reason = "a fallback of an async function is async")]
async fn instead(_: u64) -> Answer {
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_key_is_worked_out_once_a_call() {
    let scope = Scope::new();
    scope
        .run(async {
            assert_eq!((fails(7), ASKED.take()), (Err(Fault::Down), 1));
            assert_eq!((fails_later(7).await, ASKED.take()), (Ok(()), 1));
            drop(fails_later(7));
            assert_eq!(ASKED.take(), 0, "a call that was never polled never began");
            let known = keyed_breakers("keyed_once").unwrap();
            assert_eq!((known.len(), known[0].0.as_str()), (1, "7"));
        })
        .await;
}

#[derive(Clone, Copy)]
struct Id(u128);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

struct Client {
    host: String,
}

impl Client {
    #[circuit_breaker(name = "keyed_field", key = self.host)]
    fn by_field(&self) -> Answer {
        Ok(())
    }

    #[circuit_breaker(name = "keyed_mut", key = &self.host)]
    async fn by_borrowed_field(&mut self) -> Answer {
        self.host.push('!');
        Ok(())
    }
}

macro_rules! by_key {
    ($($name:ident($argument:ident: $type:ty) $breaker:literal $key:expr;)*) => {
        $(
            #[circuit_breaker(name = $breaker, key = $key)]
            fn $name($argument: $type) -> Answer {
                Ok(())
            }
        )*
    };
}

by_key! {
    by_number(id: u64) "keyed_number" id;
    by_owned(id: String) "keyed_owned" id;
    by_own_type(id: Id) "keyed_own_type" id;
    by_reference(id: &Id) "keyed_reference" id;
    by_char(id: Option<char>) "keyed_char" id.unwrap_or('-');
}

#[test]
fn whatever_shows_itself_is_a_key() {
    let scope = Scope::new();
    let _inside = scope.enter();
    by_number(u64::MAX).unwrap();
    by_owned("Ä b\n".to_owned()).unwrap();
    by_own_type(Id(255)).unwrap();
    by_reference(&Id(1)).unwrap();
    by_char(None).unwrap();
    let mut client = Client { host: String::new() };
    client.by_field().unwrap();
    now(client.by_borrowed_field()).unwrap();
    for (name, key) in [
        ("keyed_number", "18446744073709551615"),
        ("keyed_owned", "Ä b\n"),
        ("keyed_own_type", "000000000000000000000000000000ff"),
        ("keyed_reference", "00000000000000000000000000000001"),
        ("keyed_char", "-"),
        ("keyed_field", ""),
        ("keyed_mut", ""),
    ] {
        let known = keyed_breakers(name).unwrap();
        assert_eq!((known.len(), known[0].0.as_str()), (1, key), "{name}");
        assert_eq!(known[0].1.snapshot().successful_calls, 1);
    }
}

#[test]
fn switched_off_layers_keep_no_keys() {
    for (name, call) in PAIR {
        let scope = Scope::builder().env("PYNOMALY_RESILIENCE_ENABLED", "false").build();
        let _inside = scope.enter();
        for does in [Does::Fail, Does::Answer, Does::Answer, Does::Answer, Does::Answer] {
            assert_eq!(kind(&call("a", does)), None);
        }
        assert!(keyed_breakers(name).unwrap().is_empty());
    }
}

#[resilient(
    operation_name = "keyed_threads",
    key = tenant,
    max_attempts = 1,
    failure_threshold = 1,
    enable_timeout = false,
    bulkhead(max_concurrent = 2, max_queue = 100)
)]
fn crowded(tenant: u32, running: &[AtomicU32; 4]) -> Answer {
    let running = &running[tenant as usize % 4];
    let beside = running.fetch_add(1, Ordering::SeqCst);
    std::thread::yield_now();
    running.fetch_sub(1, Ordering::SeqCst);
    if beside < 2 { Ok(()) } else { Err(Fault::Down) }
}

#[test]
fn threads_share_a_keys_slots_while_a_flood_of_others_comes_and_goes() {
    let scope = Scope::new();
    let running = std::array::from_fn(|_| AtomicU32::new(0));
    std::thread::scope(|threads| {
        for thread in 0..4 {
            let (scope, running) = (&scope, &running);
            threads.spawn(move || {
                let _inside = scope.enter();
                for call in 0..400 {
                    let tenant = if thread < 3 { call % 4 } else { 4 + call * 4 };
                    let others = std::array::from_fn(|_| AtomicU32::new(0));
                    let running = if thread < 3 { running } else { &others };
                    assert_eq!(crowded(tenant, running), Ok(()), "one too many");
                }
            });
        }
    });
    let _inside = scope.enter();
    let known = keyed_breakers("keyed_threads").unwrap();
    assert_eq!(known.len(), 404);
    let succeeded: u64 = known.iter().map(|(_, breaker)| breaker.snapshot().successful_calls).sum();
    assert_eq!(succeeded, 1_600);
}
