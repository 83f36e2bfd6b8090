//! Seed 003, C01 to C66: the breaker around databases, services and caches, many breakers at once, attributes.

use std::collections::{BTreeMap, HashSet};
use std::thread;

use resilient::testing::Scope;
use resilient::{
    BreakerConfig, CircuitBreaker, Settings, State, Window, api_resilient, breaker, breakers,
    cache_resilient, circuit_breaker, database_resilient, reset_resilience_state, resilience_health,
    service_health, track_service_health, validate,
};

use crate::support::{
    Answer, Backend, Fault, Guarded, WAYS, about, broken, each, failing, healthy, is_open, is_timeout,
    millis, opens_after, own, seconds, slow, state_of, told, totals,
};

const STATES: [State; 6] =
    [State::Closed, State::Open, State::HalfOpen, State::ForcedOpen, State::Disabled, State::MetricsOnly];

#[test]
fn seed_c01_states_have_the_names_dashboards_read() {
    let words = STATES.map(|state| state.to_string());
    assert_eq!(words[..3], ["closed", "open", "half_open"]);
}

#[test]
fn seed_c02_states_are_pairwise_different() {
    assert_eq!(HashSet::from(STATES).len(), STATES.len());
    assert_eq!(HashSet::from(STATES.map(State::as_gauge)).len(), STATES.len());
}

limited! {
    configured: #[with_timeout(10)] #[circuit_breaker(failure_threshold = 5, recovery_timeout = 30)]
    by_default: #[with_timeout()] #[circuit_breaker]
    five_seconds: #[with_timeout(5)] #[circuit_breaker(failure_threshold = 3)]
}

async fn has(guarded: [Guarded; 3], parameters: [(&str, &str); 3]) {
    each(guarded, async |guarded, _| {
        let in_force = guarded.in_force();
        assert_eq!(
            parameters.map(|(parameter, _)| in_force[parameter].as_str()),
            parameters.map(|(_, value)| value)
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_c03_a_configuration_is_kept() {
    has(configured::ALL, [("failure_threshold", "5"), ("recovery_timeout", "30s"), ("timeout", "10s")]).await;
}

#[tokio::test(start_paused = true)]
async fn seed_c04_the_defaults_are_five_failures_sixty_seconds_and_a_limit_of_thirty() {
    has(by_default::ALL, [("failure_threshold", "5"), ("recovery_timeout", "1m"), ("timeout", "30s")]).await;
}

#[test]
fn seed_c05_a_threshold_of_zero_and_a_negative_time_are_refused() {
    assert!(CircuitBreaker::new("c05", BreakerConfig::new().failure_threshold(0)).is_err());
    let wrong = Settings::new().failure_threshold(0).timeout(-1);
    let scope = Scope::builder().settings("seed_c_database", wrong).build();
    let _inside = scope.enter();
    let text = validate().unwrap_err().to_string();
    for parameter in ["failure_threshold", "timeout"] {
        assert!(
            text.lines().any(|line| line.contains("seed_c_database") && line.contains(parameter)),
            "{text}"
        );
    }
}

#[test]
fn seed_c06_a_new_breaker_is_closed_and_has_seen_nothing() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let snapshot = own("c06", BreakerConfig::new()).snapshot();
    assert_eq!((snapshot.name, snapshot.state, snapshot.failure_count), ("c06", State::Closed, 0));
    assert_eq!(snapshot.last_failure_time, None);
}

/// Calls a breaker that opens after three: each letter is a good (`o`) or a bad (`x`) call, `+` lets its open time
/// pass. What it is then, with how many failures in a row.
async fn after(calls: &str, then: (State, u32)) {
    each(WAYS, async |way, scope| {
        let breaker = opens_after(3);
        for call in calls.chars() {
            match call {
                'o' => assert_eq!(way.succeed(&breaker).await.unwrap(), "success"),
                'x' => way.fail(&breaker, 1).await,
                _ => scope.clock().advance(seconds(1)),
            }
        }
        assert_eq!(state_of(&breaker), then);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_c07_a_success_is_no_failure() {
    after("o", (State::Closed, 0)).await;
}

#[tokio::test(start_paused = true)]
async fn seed_c08_one_failure_of_three_does_not_open() {
    after("x", (State::Closed, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn seed_c09_three_failures_of_three_open() {
    after("xxx", (State::Open, 3)).await;
}

#[tokio::test(start_paused = true)]
async fn seed_c10_an_open_breaker_refuses() {
    each(WAYS, async |way, _| {
        let breaker = opens_after(3);
        way.fail(&breaker, 3).await;
        assert!(is_open(&way.succeed(&breaker).await));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_c11_a_probe_that_fails_opens_at_once() {
    // The wish was to stay half-open; a failing probe opens again at once.
    after("xxx+x", (State::Open, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn seed_c12_a_probe_that_succeeds_closes() {
    after("xxx+o", (State::Closed, 0)).await;
}

#[tokio::test(start_paused = true)]
async fn seed_c13_a_half_open_breaker_opens_at_a_failure() {
    each(WAYS, async |way, _| {
        let breaker = opens_after(3);
        breaker.open();
        breaker.half_open().unwrap();
        way.fail(&breaker, 1).await;
        assert_eq!(breaker.state(), State::Open);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_c14_a_call_over_its_limit_is_a_failure() {
    each(five_seconds::ALL, async |guarded, _| {
        assert!(is_timeout(&guarded.call(&slow(seconds(6))).await));
        assert_eq!(state_of(&guarded.breaker()), (State::Closed, 1));
    })
    .await;
}

#[circuit_breaker(name = "seed_c15_sync")]
fn describe(a: u32, b: &str, c: Option<char>) -> Result<String, Fault> {
    Ok(format!("{a}-{b}-{c:?}"))
}

#[circuit_breaker(name = "seed_c15_async")]
async fn describe_later(a: u32, b: &str, c: Option<char>) -> Result<String, Fault> {
    Ok(format!("{a}-{b}-{c:?}"))
}

#[tokio::test(start_paused = true)]
async fn seed_c15_every_argument_arrives() {
    let scope = Scope::new();
    let _inside = scope.enter();
    for (c, text) in [(Some('c'), "1-b-Some('c')"), (None, "1-b-None")] {
        assert_eq!(describe(1, "b", c).unwrap(), text);
        assert_eq!(describe_later(1, "b", c).await.unwrap(), text);
    }
}

#[tokio::test(start_paused = true)]
async fn seed_c16_a_reset_forgets_the_failures() {
    each(WAYS, async |way, _| {
        let breaker = opens_after(3);
        way.fail(&breaker, 2).await;
        breaker.reset();
        assert_eq!(state_of(&breaker), (State::Closed, 0));
        assert_eq!(breaker.snapshot().last_failure_time, None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_c17_the_statistics_of_a_success_and_a_failure() {
    each(WAYS, async |way, _| {
        let breaker = opens_after(3);
        way.succeed(&breaker).await.unwrap();
        way.fail(&breaker, 1).await;
        let snapshot = breaker.snapshot();
        assert_eq!((snapshot.name, snapshot.state, snapshot.failure_count), ("own", State::Closed, 1));
        assert_eq!(totals(&snapshot), (2, 1, 1));
    })
    .await;
}

#[test]
fn seed_c18_threads_share_a_breaker_without_errors() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let breaker = opens_after(3);
    let answers: Vec<Answer> = thread::scope(|threads| {
        let callers: Vec<_> = (0..5)
            .map(|_| threads.spawn(|| (0..10).map(|_| breaker.call(|| Ok("success"))).collect::<Vec<_>>()))
            .collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    assert_eq!((answers.len(), answers.iter().filter(|answer| answer.is_ok()).count()), (50, 50));
    assert_eq!(totals(&breaker.snapshot()), (50, 50, 0));
}

/// Calls an async function through a breaker that opens after three.
async fn asynchronously(failures: u32, then: (State, u32)) {
    let scope = Scope::new();
    let _inside = scope.enter();
    let breaker = opens_after(3);
    for _ in 0..failures {
        let answer: Answer = breaker.call_async(async || Err(Fault::Value)).await;
        assert!(matches!(answer, Err(Fault::Value)));
    }
    assert_eq!(state_of(&breaker), then);
}

#[tokio::test(start_paused = true)]
async fn seed_c19_a_good_async_call_gives_its_result() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let breaker = opens_after(3);
    let answer: Answer = breaker.call_async(async || Ok("success")).await;
    assert_eq!((answer.unwrap(), state_of(&breaker)), ("success", (State::Closed, 0)));
}

#[tokio::test(start_paused = true)]
async fn seed_c20_an_async_failure_counts() {
    asynchronously(1, (State::Closed, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn seed_c21_three_async_failures_open() {
    asynchronously(3, (State::Open, 3)).await;
}

#[tokio::test(start_paused = true)]
async fn seed_c22_a_slow_async_call_is_a_timeout() {
    let [.., awaited] = five_seconds::ALL;
    each([awaited], async |guarded, scope| {
        assert!(is_timeout(&guarded.call(&slow(seconds(60))).await));
        assert_eq!((scope.clock().elapsed(), guarded.snapshot().failed_calls), (seconds(5), 1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_c23_concurrent_async_calls_all_get_their_results() {
    let [.., awaited] = five_seconds::ALL;
    each([awaited], async |guarded, scope| {
        let backend = slow(seconds(1));
        let answers = tokio::join!(guarded.call(&backend), guarded.call(&backend), guarded.call(&backend));
        assert_eq!(told(&<[Answer; 3]>::from(answers)), ["success"; 3]);
        assert_eq!((scope.clock().elapsed(), totals(&guarded.snapshot())), (seconds(1), (3, 3, 0)));
    })
    .await;
}

#[database_resilient(operation_name = "seed_c_database", enable_retry = false, ignore = Fault::Type)]
fn database<T>(query: impl Fn() -> Result<T, Fault>) -> Result<T, Fault> {
    query()
}

#[database_resilient(operation_name = "seed_c_database_async", enable_retry = false, ignore = Fault::Type)]
async fn database_async<T>(query: impl AsyncFn() -> Result<T, Fault>) -> Result<T, Fault> {
    query().await
}

#[api_resilient(operation_name = "seed_c_api", enable_retry = false)]
#[track_service_health("seed_c_api", min_samples = 1)]
fn api<T>(request: impl Fn() -> Result<T, Fault>) -> Result<T, Fault> {
    request()
}

#[api_resilient(operation_name = "seed_c_api_async", enable_retry = false)]
#[track_service_health("seed_c_api", min_samples = 1)]
async fn api_async<T>(request: impl AsyncFn() -> Result<T, Fault>) -> Result<T, Fault> {
    request().await
}

#[cache_resilient(operation_name = "seed_c_cache", enable_retry = false)]
#[track_service_health("seed_c_cache", min_samples = 1)]
fn cache<T>(operation: impl Fn() -> Result<T, Fault>) -> Result<T, Fault> {
    operation()
}

#[cache_resilient(operation_name = "seed_c_cache_async", enable_retry = false)]
#[track_service_health("seed_c_cache", min_samples = 1)]
async fn cache_async<T>(operation: impl AsyncFn() -> Result<T, Fault>) -> Result<T, Fault> {
    operation().await
}

/// Both forms of one of the functions above, each in a scope of its own, give `result` and count it as a success.
macro_rules! gives {
    ($sync:ident, $async:ident, $operation:literal, $result:expr) => {{
        let (expected, counted) = ($result, |name: &str| totals(&breaker(name).unwrap().snapshot()));
        let scope = Scope::new();
        let _inside = scope.enter();
        assert_eq!($sync(|| Ok($result)).unwrap(), expected);
        assert_eq!(counted($operation), (1, 1, 0));
        assert_eq!($async(async || Ok($result)).await.unwrap(), expected);
        assert_eq!(counted(concat!($operation, "_async")), (1, 1, 0));
    }};
}

/// Both forms fail with `fault` and count it as a failure.
macro_rules! counts {
    ($sync:ident, $async:ident, $operation:literal, $fault:expr) => {{
        let scope = Scope::new();
        let _inside = scope.enter();
        let (expected, sync) = ($fault.to_string(), $sync(|| Err::<(), _>($fault)).unwrap_err());
        let later = $async(async || Err::<(), _>($fault)).await.unwrap_err();
        assert_eq!([sync.to_string(), later.to_string()], [expected.clone(), expected]);
        for name in [$operation, concat!($operation, "_async")] {
            let breaker = breaker(name).unwrap();
            assert_eq!(
                (state_of(&breaker), breaker.snapshot().total_calls),
                ((State::Closed, 1), 1),
                "{name}"
            );
        }
    }};
}

fn row(pairs: &[(&'static str, &'static str)]) -> BTreeMap<&'static str, &'static str> {
    pairs.iter().copied().collect()
}

#[test]
fn seed_c24_a_database_breaker_keeps_its_name_and_the_errors_it_expects() {
    let scope = Scope::new();
    let _inside = scope.enter();
    database(|| Err::<(), _>(Fault::Type)).unwrap_err();
    database(|| Err::<(), _>(Fault::Connection)).unwrap_err();
    let snapshot = breaker("seed_c_database").unwrap().snapshot();
    assert_eq!((snapshot.name, snapshot.failed_calls, snapshot.ignored_calls), ("seed_c_database", 1, 1));
}

#[tokio::test(start_paused = true)]
async fn seed_c25_a_lost_connection_counts_against_the_database() {
    counts!(database, database_async, "seed_c_database", Fault::Connection);
}

#[tokio::test(start_paused = true)]
async fn seed_c26_the_databases_own_timeout_counts_against_it() {
    counts!(database, database_async, "seed_c_database", Fault::Timeout);
}

#[tokio::test(start_paused = true)]
async fn seed_c27_a_good_query_gives_its_rows() {
    let rows = || vec![row(&[("id", "1"), ("name", "John")]), row(&[("id", "2"), ("name", "Jane")])];
    gives!(database, database_async, "seed_c_database", rows());
}

#[tokio::test(start_paused = true)]
async fn seed_c28_a_transaction_gives_its_result() {
    gives!(database, database_async, "seed_c_database", row(&[("status", "committed")]));
}

#[tokio::test(start_paused = true)]
async fn seed_c29_a_guarded_health_check_gives_what_it_found() {
    gives!(database, database_async, "seed_c_database", row(&[("status", "healthy")]));
}

#[test]
fn seed_c31_an_api_breaker_begins_without_requests() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let snapshot = breaker("seed_c_api").unwrap().snapshot();
    assert_eq!((snapshot.name, snapshot.total_calls), ("seed_c_api", 0));
}

#[tokio::test(start_paused = true)]
async fn seed_c32_a_servers_error_counts_against_the_api() {
    counts!(api, api_async, "seed_c_api", Fault::Http(500));
}

#[tokio::test(start_paused = true)]
async fn seed_c33_a_requests_timeout_counts_against_the_api() {
    counts!(api, api_async, "seed_c_api", Fault::Timeout);
}

#[tokio::test(start_paused = true)]
async fn seed_c34_a_good_request_gives_its_answer() {
    gives!(api, api_async, "seed_c_api", row(&[("id", "1"), ("status", "success")]));
}

#[tokio::test(start_paused = true)]
async fn seed_c35_too_many_requests_counts_against_the_api() {
    counts!(api, api_async, "seed_c_api", Fault::Http(429));
    // What the caller did wrong does not.
    let scope = Scope::new();
    let _inside = scope.enter();
    assert!(api(|| Err::<(), _>(Fault::Http(404))).is_err());
    let snapshot = breaker("seed_c_api").unwrap().snapshot();
    assert_eq!((snapshot.failed_calls, snapshot.ignored_calls), (0, 1));
}

/// The statistics of one good call of a service.
fn one_good_call(service: &str) {
    let statistics = service_health(service).unwrap().metrics().statistics;
    assert_eq!(statistics.total_count, 1);
    assert!(about(statistics.success_rate.unwrap(), 1.0));
    assert!(about(statistics.average_response_time.unwrap(), 0.25));
}

#[test]
fn seed_c36_the_statistics_of_one_request() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let backend = slow(millis(250));
    assert_eq!(api(|| backend.call()).unwrap(), "success");
    one_good_call("seed_c_api");
    assert_eq!(breaker("seed_c_api").unwrap().snapshot().total_calls, 1);
}

twins! { patient: #[circuit_breaker(failure_threshold = 3)] }

#[tokio::test(start_paused = true)]
async fn seed_c37_two_failures_of_three_do_not_stop_the_next_call() {
    each(patient::BOTH, async |guarded, _| {
        let answers = guarded.calls(3, &failing(2, || Fault::Connection)).await;
        assert_eq!(told(&answers), ["connection lost", "connection lost", "success"]);
    })
    .await;
}

#[test]
fn seed_c38_a_cache_breaker_begins_without_operations() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let snapshot = breaker("seed_c_cache").unwrap().snapshot();
    assert_eq!((snapshot.name, snapshot.total_calls), ("seed_c_cache", 0));
}

#[tokio::test(start_paused = true)]
async fn seed_c39_a_refused_connection_counts_against_the_cache() {
    counts!(cache, cache_async, "seed_c_cache", Fault::Connection);
}

#[tokio::test(start_paused = true)]
async fn seed_c40_a_good_operation_gives_its_answer() {
    gives!(cache, cache_async, "seed_c_cache", row(&[("key", "value")]));
}

#[tokio::test(start_paused = true)]
async fn seed_c41_the_caches_own_timeout_counts_against_it() {
    counts!(cache, cache_async, "seed_c_cache", Fault::Timeout);
}

#[tokio::test(start_paused = true)]
async fn seed_c42_a_pipeline_gives_its_results_in_order() {
    gives!(cache, cache_async, "seed_c_cache", ["OK", "value", "1"]);
}

#[test]
fn seed_c43_the_statistics_of_one_operation() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let backend = slow(millis(250));
    assert_eq!(cache(|| backend.call()).unwrap(), "success");
    one_good_call("seed_c_cache");
}

#[tokio::test(start_paused = true)]
async fn seed_c44_a_guarded_ping_gives_its_pong() {
    gives!(cache, cache_async, "seed_c_cache", row(&[("ping", "PONG"), ("status", "connected")]));
}

#[test]
fn seed_c45_nobody_has_called_anything_at_the_start_and_there_are_default_settings() {
    let scope = Scope::new();
    let _inside = scope.enter();
    // No breakers there; here every annotated function's is listed from the start.
    assert!(breakers().iter().all(|breaker| state_of(breaker) == (State::Closed, 0)));
    assert_eq!(breakers().iter().map(|breaker| breaker.snapshot().total_calls).sum::<u64>(), 0);
    assert_eq!(BreakerConfig::new(), BreakerConfig::default());
    let by_default = own("c45", BreakerConfig::new()).snapshot();
    assert_eq!((by_default.failure_threshold, by_default.success_threshold), (5, 2));
    assert!(about(by_default.recovery_timeout, 60.0));
}

#[circuit_breaker(name = "seed_c46_one", failure_threshold = 3)]
fn one(backend: &Backend) -> Answer {
    backend.call()
}

#[circuit_breaker(name = "seed_c46_two", failure_threshold = 3)]
fn two(backend: &Backend) -> Answer {
    backend.call()
}

#[circuit_breaker(name = "seed_c46_three", failure_threshold = 3)]
fn three(backend: &Backend) -> Answer {
    backend.call()
}

/// A second function of the same name and settings.
#[circuit_breaker(name = "seed_c46_one", failure_threshold = 3)]
fn one_again(backend: &Backend) -> Answer {
    backend.call()
}

#[test]
fn seed_c46_a_breaker_that_is_named_is_registered() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let snapshot = breaker("seed_c46_one").unwrap().snapshot();
    assert_eq!((snapshot.name, snapshot.failure_threshold), ("seed_c46_one", 3));
}

#[test]
fn seed_c47_a_name_gives_the_same_breaker_each_time() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let (first, second) = (breaker("seed_c46_one").unwrap(), breaker("seed_c46_one").unwrap());
    first.try_acquire().unwrap().failure();
    assert_eq!(second.snapshot().failed_calls, 1);
}

#[test]
fn seed_c48_an_unknown_name_is_an_error() {
    let scope = Scope::new();
    let _inside = scope.enter();
    // `None` there; here the error says which name was meant.
    let unknown = breaker("seed_c46_onne").unwrap_err();
    assert_eq!(unknown.nearest, Some("seed_c46_one"));
    assert!(unknown.to_string().contains("no circuit breaker is named 'seed_c46_onne'"), "{unknown}");
}

#[test]
fn seed_c49_a_name_used_twice_is_one_breaker() {
    let scope = Scope::new();
    let _inside = scope.enter();
    one(&healthy()).unwrap();
    one_again(&healthy()).unwrap();
    let of_the_name: Vec<_> =
        breakers().into_iter().filter(|breaker| breaker.name() == "seed_c46_one").collect();
    assert_eq!(of_the_name.len(), 1);
    assert_eq!(totals(&of_the_name[0].snapshot()), (2, 2, 0));
}

#[test]
fn seed_c50_a_breaker_that_nobody_holds_any_more_is_gone() {
    let scope = Scope::new();
    let _inside = scope.enter();
    // Breakers of annotated functions stay, like the functions; one's own goes with its last handle.
    let before = own("seed_c50", BreakerConfig::new());
    before.force_open();
    assert!(breaker("seed_c50").is_err());
    drop(before);
    assert_eq!(own("seed_c50", BreakerConfig::new()).state(), State::Closed);
}

#[test]
fn seed_c52_all_names_are_listed() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let names: Vec<_> = breakers().iter().map(CircuitBreaker::name).collect();
    for name in ["seed_c46_one", "seed_c46_three", "seed_c46_two"] {
        assert!(names.contains(&name), "{name}");
    }
    assert!(names.is_sorted());
}

#[test]
fn seed_c53_each_breaker_has_its_own_statistics() {
    let scope = Scope::new();
    let _inside = scope.enter();
    one(&healthy()).unwrap();
    two(&broken(|| Fault::Value)).unwrap_err();
    let all = resilience_health().circuit_breakers;
    assert_eq!(totals(&all["seed_c46_one"]), (1, 1, 0));
    assert_eq!(totals(&all["seed_c46_two"]), (1, 0, 1));
}

#[test]
fn seed_c54_resetting_all_forgets_every_failure() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let names = ["seed_c46_one", "seed_c46_two"];
    for _ in 0..3 {
        one(&broken(|| Fault::Value)).unwrap_err();
        two(&broken(|| Fault::Value)).unwrap_err();
    }
    assert_eq!(names.map(|name| breaker(name).unwrap().state()), [State::Open; 2]);
    reset_resilience_state();
    assert_eq!(names.map(|name| state_of(&breaker(name).unwrap())), [(State::Closed, 0); 2]);
}

#[test]
fn seed_c55_all_breakers_can_be_given_the_same_threshold() {
    let scope = Scope::builder().settings("*", Settings::new().failure_threshold(10)).build();
    let _inside = scope.enter();
    assert!(breakers().len() >= 3);
    assert!(breakers().iter().all(|breaker| breaker.snapshot().failure_threshold == 10));
}

#[test]
fn seed_c56_the_health_tells_the_open_breaker_from_the_others() {
    let scope = Scope::new();
    let _inside = scope.enter();
    one(&healthy()).unwrap();
    (0..3).for_each(|_| assert!(two(&broken(|| Fault::Value)).is_err()));
    let health = resilience_health();
    let states = ["seed_c46_one", "seed_c46_two"].map(|name| health.circuit_breakers[name].state);
    assert_eq!(states, [State::Closed, State::Open]);
    assert_eq!(health.open_breakers, ["seed_c46_two"]);
    assert!(health.degraded_breakers.is_empty());
}

#[test]
fn seed_c57_the_health_sums_up_all_breakers() {
    let scope = Scope::new();
    let _inside = scope.enter();
    one(&healthy()).unwrap();
    two(&healthy()).unwrap();
    two(&broken(|| Fault::Value)).unwrap_err();
    (0..3).for_each(|_| assert!(three(&broken(|| Fault::Value)).is_err()));
    let health = resilience_health();
    // Every annotated function of this program is there; only three of them were called.
    let called: Vec<_> = health.circuit_breakers.values().filter(|breaker| breaker.total_calls > 0).collect();
    let sum = |figure: fn(&(u64, u64, u64)) -> u64| {
        called.iter().map(|breaker| figure(&totals(breaker))).sum::<u64>()
    };
    assert_eq!((called.len(), health.open_breakers.as_slice()), (3, ["seed_c46_three"].as_slice()));
    assert_eq!((sum(|all| all.0), sum(|all| all.2)), (6, 4));
    assert!(about(health.overall_failure_rate, 4.0 / 6.0));
}

#[circuit_breaker(name = "seed_c58", failure_threshold = 2)]
fn add(a: i32, b: i32) -> Result<i32, Fault> {
    if b < 0 { Err(Fault::Value) } else { Ok(a + b) }
}

#[test]
fn seed_c58_a_guarded_function_gives_its_result() {
    let scope = Scope::new();
    let _inside = scope.enter();
    assert_eq!(add(2, 3).unwrap(), 5);
    assert_eq!(state_of(&breaker("seed_c58").unwrap()), (State::Closed, 0));
}

#[test]
fn seed_c59_a_guarded_functions_failure_counts() {
    let scope = Scope::new();
    let _inside = scope.enter();
    assert!(matches!(add(2, -1), Err(Fault::Value)));
    assert_eq!(state_of(&breaker("seed_c58").unwrap()), (State::Closed, 1));
}

#[test]
fn seed_c60_a_guarded_function_is_refused_after_its_threshold() {
    let scope = Scope::new();
    let _inside = scope.enter();
    (0..2).for_each(|_| assert!(matches!(add(2, -1), Err(Fault::Value))));
    assert!(add(2, 3).unwrap_err().refusal().unwrap().is_circuit_open());
}

#[tokio::test(start_paused = true)]
async fn seed_c61_a_guarded_async_function_gives_its_result() {
    let [.., awaited] = patient::BOTH;
    each([awaited], async |guarded, _| {
        assert_eq!(guarded.call(&slow(seconds(1))).await.unwrap(), "success");
        assert_eq!(state_of(&guarded.breaker()), (State::Closed, 0));
    })
    .await;
}

#[test]
fn seed_c62_the_caller_turns_to_the_database_when_the_cache_is_refused() {
    let scope = Scope::new();
    let _inside = scope.enter();
    breaker("seed_c_cache").unwrap().open();
    let from_cache = cache(|| Ok("from the cache"));
    let answer = match from_cache {
        Err(fault) if fault.refusal().is_some() => database(|| Ok("from the database")),
        other => other,
    };
    assert_eq!(answer.unwrap(), "from the database");
}

#[circuit_breaker(name = "seed_c63_a")]
fn service_a(backend: &Backend) -> Answer {
    service_b(backend)
}

#[circuit_breaker(name = "seed_c63_b")]
fn service_b(backend: &Backend) -> Answer {
    service_c(backend)
}

#[circuit_breaker(name = "seed_c63_c")]
fn service_c(backend: &Backend) -> Answer {
    backend.call()
}

#[test]
fn seed_c63_the_last_of_a_chain_refuses_for_the_whole_chain() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let backend = healthy();
    assert_eq!(service_a(&backend).unwrap(), "success");
    breaker("seed_c63_c").unwrap().open();
    let answer = service_a(&backend);
    assert!(is_open(&answer));
    assert!(answer.unwrap_err().to_string().contains("'seed_c63_c'"));
    assert_eq!(backend.calls(), 1);
}

twins! { persistent: #[retry_with_backoff(max_attempts = 5)] #[circuit_breaker(failure_threshold = 3)] }

#[tokio::test(start_paused = true)]
async fn seed_c64_retries_go_on_below_the_threshold_and_end_at_the_open_breaker() {
    each(persistent::BOTH, async |guarded, scope| {
        let backend = failing(2, || Fault::Connection);
        assert_eq!(guarded.call(&backend).await.unwrap(), "success");
        assert_eq!(backend.calls(), 3);

        let backend = broken(|| Fault::Connection);
        assert!(is_open(&guarded.call(&backend).await));
        assert_eq!((backend.calls(), scope.pauses().len()), (3, 5));
    })
    .await;
}

#[tokio::test]
async fn seed_c65_a_thousand_good_calls_take_less_than_a_second() {
    // In real time. A healthy call takes less than a microsecond, so only an accident comes near the limit.
    each(patient::BOTH, async |guarded, scope| {
        let backend = healthy();
        for _ in 0..1_000 {
            guarded.call(&backend).await.unwrap();
        }
        assert!(scope.clock().elapsed() < seconds(1), "{:?}", scope.clock().elapsed());
        assert_eq!(totals(&guarded.snapshot()), (1_000, 1_000, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_c66_ten_thousand_calls_are_counted_and_take_no_more_room() {
    each(WAYS, async |way, _| {
        let config = BreakerConfig::new().failure_threshold(3).failure_rate(0.5).window(Window::Count(100));
        let breaker = own("c66", config);
        for _ in 0..1_000 {
            way.fail(&breaker, 1).await;
            for _ in 0..9 {
                way.succeed(&breaker).await.unwrap();
            }
        }
        let snapshot = breaker.snapshot();
        assert_eq!((snapshot.state, totals(&snapshot)), (State::Closed, (10_000, 9_000, 1_000)));
        // All that is kept of the single calls.
        let window = snapshot.window.unwrap();
        assert_eq!((window.calls, window.failures), (100, 10));
    })
    .await;
}
